/** Save the question of a screen, say whether it is as it was saved, and go back to that. */
import { lazy, Suspense, useEffect, useId, useState, type FormEvent } from "react";
import { useLocation, useSearch } from "wouter";
import { Problem } from "../api/client";
import { useSavedQuestions, useSaveQuestion, type Content, type Saved } from "../api/boards";
import { useSession } from "../api/session";
import type { Question } from "../api/types";
import { t } from "../i18n/t";
import { decode } from "../query/codec";
import { addressOf, type QueryUrl } from "../query/useQueryUrl";
import { Badge, Button } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { Menu } from "../ui/Menu";
import { ErrorBox } from "../ui/states";
import { toast } from "../ui/toast";
import { useKeys } from "../ui/useKeys";

const Sharing = lazy(() => import("./sharing").then((all) => ({ default: all.SharingDialog })));

interface SaveBarProps {
  url: QueryUrl;
  asked: Question | null;
  title: string;
}

export function SaveBar({ url, asked, title }: SaveBarProps) {
  const { query, saved: id } = url;
  const may = useSession()?.mayChange ?? false;
  const list = useSavedQuestions(id !== null);
  const one = list.data?.saved.find((each) => each.id === id) ?? null;
  const [, navigate] = useLocation();
  const path = useLocation()[0];
  const search = useSearch();
  const [open, setOpen] = useState<"save" | "saveas" | "share" | null>(null);
  const save = useSaveQuestion();
  const address = addressOf(query, null);
  const kept = one && one.insight === query.kind ? addressOf(decode(query.kind, one.address).query, null) : null;
  const edited = kept !== null && kept !== address;
  const bare = id !== null && new URLSearchParams(search).get("v") === null;
  useEffect(() => {
    // A short address names the question alone; what it asks is put beside it.
    if (bare && one?.address && one.insight === query.kind) navigate(`${path}?${one.address}&s=${encodeURIComponent(one.id)}`, { replace: true });
  }, [bare, one?.id]);
  const content: Content = { insight: query.kind, question: asked ?? {}, address };
  const isMine = one !== null && one.origin === "page";
  function write(): void {
    if (!may || asked === null) return;
    if (!isMine) setOpen("saveas");
    else if (edited) save.mutate({ ...content, id: one.id, version: one.version, name: one.name, description: one.description }, { onSuccess: () => toast(t("save.done")) });
  }
  const revert = () => {
    save.reset();
    void list.refetch().then((found) => {
      const now = found.data?.saved.find((each) => each.id === id);
      if (now) navigate(`${path}?${now.address || "v=1"}&s=${encodeURIComponent(now.id)}`);
    });
  };
  const made = (now: Saved) => {
    setOpen(null);
    toast(t("save.done"));
    navigate(`${path}?${now.address}&s=${encodeURIComponent(now.id)}`, { replace: id === null });
  };
  useKeys(may ? { s: write } : {});
  if (!may && id === null) return null;
  const entries = [
    ...(may ? [{ id: "saveas", label: t("save.as"), act: () => setOpen("saveas") }] : []),
    ...(may && one && !edited ? [{ id: "share", label: t("share.open"), act: () => setOpen("share") }] : []),
  ];
  return (
    <span className="savebar">
      {one && (
        <span className="savebar-name">
          <b className="cut" title={one.name}>{one.name}</b>
          {edited && <Badge tone="warn">{t("save.edited")}</Badge>}
        </span>
      )}
      {edited && <Button look="quiet" onClick={revert}>{t("save.revert")}</Button>}
      {may && (isMine ? edited : true) && (
        <Button look={edited ? "main" : "plain"} disabled={asked === null || save.isPending} onClick={write}>
          {one && !isMine ? t("save.as") : t("common.save")}
        </Button>
      )}
      {one && entries.length > 0 && <Menu label={t("save.more")} entries={entries} />}
      {open === "saveas" && <NameDialog content={content} name={one ? one.name : title} onClose={() => setOpen(null)} onSaved={made} />}
      <Suspense fallback={null}>{open === "share" && one && <Sharing kind="question" target={one.id} name={one.name} onClose={() => setOpen(null)} />}</Suspense>
      {save.error && <Conflict error={save.error} onClose={() => save.reset()} onTheirs={revert} onNew={() => { save.reset(); setOpen("saveas"); }} />}
    </span>
  );
}

function NameDialog({ content, name: first, onClose, onSaved }: { content: Content; name: string; onClose: () => void; onSaved: (made: Saved) => void }) {
  const id = useId();
  const [name, setName] = useState(first.slice(0, 200));
  const [description, setDescription] = useState("");
  const save = useSaveQuestion();
  function submit(event: FormEvent): void {
    event.preventDefault();
    save.mutate({ ...content, name, description }, { onSuccess: onSaved });
  }
  return (
    <Dialog title={t("save.title")} open onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <div className="field">
          <label htmlFor={`${id}-name`}>{t("common.name")}</label>
          <input id={`${id}-name`} className="input" required maxLength={200} autoFocus value={name} onFocus={(event) => event.currentTarget.select()} onChange={(event) => setName(event.target.value)} />
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

/** It could not be saved; where somebody else was first, with the ways on from there. */
export function Conflict({ error, onClose, onTheirs, onNew }: { error: unknown; onClose: () => void; onTheirs: () => void; onNew?: () => void }) {
  const other = error instanceof Problem && error.code === "CHANGED_MEANWHILE";
  return (
    <Dialog title={other ? t("save.meanwhile") : t("save.failed")} open onClose={onClose}>
      {other ? <p role="alert">{error.message}</p> : <ErrorBox error={error} />}
      <div className="row">
        {other && <Button look="main" onClick={onTheirs}>{t("save.theirs")}</Button>}
        {other && onNew && <Button onClick={onNew}>{t("save.as")}</Button>}
        <Button onClick={onClose}>{t("settings.cancel")}</Button>
      </div>
    </Dialog>
  );
}
