/** What a dashboard is changed with: a question chosen, a text written, its name. */
import { useId, useState, type FormEvent } from "react";
import { useSaveBoard, useSavedQuestions, type Board, type Saved } from "../api/boards";
import { t, word } from "../i18n/t";
import { Button } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { Markdown } from "../ui/Markdown";
import { Empty, ErrorBox, Skeleton } from "../ui/states";

export function QuestionDialog({ onClose, onChoose }: { onClose: () => void; onChoose: (one: Saved) => void }) {
  const saved = useSavedQuestions();
  return (
    <Dialog title={t("boards.addquestion")} open onClose={onClose}>
      {saved.isError ? (
        <ErrorBox error={saved.error} />
      ) : !saved.data ? (
        <Skeleton height={120} />
      ) : saved.data.saved.length === 0 ? (
        <Empty title={t("saved.none")}><p className="muted">{t("saved.none.why")}</p></Empty>
      ) : (
        <ul className="bare chooser">
          {saved.data.saved.map((one) => (
            <li key={one.id}>
              <button type="button" className="chooser-one" onClick={() => onChoose(one)}>
                <b className="wrap">{one.name}</b>
                <span className="muted">{word("screen", one.insight === "trends" ? "explore" : one.insight)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}

export function TextDialog({ text: first, onClose, onDone }: { text: string; onClose: () => void; onDone: (text: string) => void }) {
  const id = useId();
  const [text, setText] = useState(first);
  return (
    <Dialog title={t("boards.addtext")} open onClose={onClose}>
      <form className="stack" onSubmit={(event: FormEvent) => { event.preventDefault(); onDone(text); }}>
        <div className="field">
          <label htmlFor={id}>{t("tile.text")}</label>
          <textarea id={id} className="input" rows={6} maxLength={10_000} autoFocus value={text} onChange={(event) => setText(event.target.value)} />
        </div>
        <p className="muted small">{t("tile.signs")}</p>
        {text.trim() !== "" && <Markdown text={text} />}
        <div className="row">
          <Button look="main" type="submit" disabled={text.trim() === ""}>{t("common.done")}</Button>
          <Button onClick={onClose}>{t("settings.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

export function BoardNameDialog({ board, onClose }: { board: Board; onClose: () => void }) {
  const id = useId();
  const [name, setName] = useState(board.name);
  const [description, setDescription] = useState(board.description);
  const save = useSaveBoard();
  function submit(event: FormEvent): void {
    event.preventDefault();
    const { id: boardId, version, tiles, range, filters } = board;
    save.mutate({ id: boardId, version, tiles, range, filters, name, description }, { onSuccess: onClose });
  }
  return (
    <Dialog title={t("boards.rename")} open onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <div className="field">
          <label htmlFor={`${id}-name`}>{t("common.name")}</label>
          <input id={`${id}-name`} className="input" required maxLength={200} autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        </div>
        <div className="field">
          <label htmlFor={`${id}-about`}>{t("common.description")}</label>
          <textarea id={`${id}-about`} className="input" rows={2} maxLength={2_000} value={description} onChange={(event) => setDescription(event.target.value)} />
        </div>
        {save.error && <ErrorBox error={save.error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={save.isPending || name.trim() === ""}>{t("common.save")}</Button>
          <Button onClick={onClose}>{t("settings.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}
