/** Add, change or delete an annotation. */
import { useId, useState, type FormEvent } from "react";
import { useAnnotate, useDeleteAnnotation, type Annotation } from "../api/boards";
import { t, word } from "../i18n/t";
import { Button } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { ErrorBox } from "../ui/states";
import { toast } from "../ui/toast";

const KINDS = ["note", "release", "campaign", "incident"] as const;

/** What is annotated: an annotation there is, or an instant. */
export type Annotating = { note: Annotation } | { at: string };

export function AnnotationDialog({ what, onClose }: { what: Annotating; onClose: () => void }) {
  const id = useId();
  const note = "note" in what ? what.note : null;
  const [at, setAt] = useState(local(note?.at ?? ("at" in what ? what.at : "")));
  const [text, setText] = useState(note?.text ?? "");
  const [kind, setKind] = useState<Annotation["kind"]>(note?.kind ?? "note");
  const save = useAnnotate();
  const remove = useDeleteAnnotation();
  const done = (said: string) => {
    toast(said);
    onClose();
  };
  function submit(event: FormEvent): void {
    event.preventDefault();
    // The field holds the time of this device; what is kept is the instant.
    save.mutate({ ...(note ? { id: note.id } : {}), at: new Date(at).toISOString(), text, kind }, { onSuccess: () => done(t("mark.saved")) });
  }
  const error = save.error ?? remove.error;
  return (
    <Dialog title={note ? t("mark.edit") : t("mark.add")} open onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <div className="field">
          <label htmlFor={`${id}-text`}>{t("mark.text")}</label>
          <input id={`${id}-text`} className="input" required maxLength={500} value={text} autoFocus onChange={(event) => setText(event.target.value)} />
        </div>
        <div className="order">
          <div className="field">
            <label htmlFor={`${id}-at`}>{t("mark.at")}</label>
            <input id={`${id}-at`} type="datetime-local" className="input" required value={at} onChange={(event) => setAt(event.target.value)} />
          </div>
          <div className="field">
            <label htmlFor={`${id}-kind`}>{t("mark.kind")}</label>
            <select id={`${id}-kind`} className="input" value={kind} onChange={(event) => setKind(event.target.value as Annotation["kind"])}>
              {KINDS.map((one) => <option key={one} value={one}>{word("mark", one)}</option>)}
            </select>
          </div>
        </div>
        {error && <ErrorBox error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={save.isPending || at === "" || text.trim() === ""}>{t("common.save")}</Button>
          <Button onClick={onClose}>{t("settings.cancel")}</Button>
          {note && <Button look="quiet" className="spacer" onClick={() => remove.mutate(note.id, { onSuccess: () => done(t("common.deleted")) })}>{t("mark.delete")}</Button>}
        </div>
      </form>
    </Dialog>
  );
}

/** Return an instant as the field writes it, in the time of this device. */
function local(text: string): string {
  const date = text ? new Date(text) : new Date();
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
