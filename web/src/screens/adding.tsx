/** Put what a card shows on a dashboard: one there is, or a new one. */
import { useId, useState, type FormEvent } from "react";
import { Link } from "wouter";
import { board, useBoards, useSaveBoard, type Content, type Tile } from "../api/boards";
import { below, freshId } from "../boards/layout";
import { t } from "../i18n/t";
import { Button } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { ErrorBox, Skeleton } from "../ui/states";

const NEW = "+";

export interface Addition {
  title: string;
  saved: string | null;
  content: Content;
}

export function AddToBoard({ what, onClose }: { what: Addition; onClose: () => void }) {
  const id = useId();
  const boards = useBoards();
  const save = useSaveBoard();
  const [chosen, setChosen] = useState<string | null>(null);
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>(null);
  const known = boards.data?.dashboards ?? [];
  const which = chosen ?? known[0]?.id ?? NEW;
  async function add(event: FormEvent): Promise<void> {
    event.preventDefault();
    setError(null);
    try {
      // Asked for anew, so that what others did to it a moment ago stays.
      const there = which === NEW ? null : await board(which);
      const tiles = there?.tiles ?? [];
      const tile: Tile = { kind: "question", id: freshId(tiles), ...below(tiles, 6, sizeOf(what.content.insight)), title: "", saved: what.saved, question: what.saved === null ? what.content : null };
      if (there) {
        const { id: boardId, version, name: named, description, range, filters } = there;
        await save.mutateAsync({ id: boardId, version, name: named, description, range, filters, tiles: [...tiles, tile] });
      } else await save.mutateAsync({ name, description: "", range: null, filters: [], tiles: [tile] });
    } catch (wrong) {
      setError(wrong);
    }
  }
  return (
    <Dialog title={t("card.board")} open onClose={onClose}>
      {save.isSuccess ? (
        <div className="stack">
          <p role="status">{t("adding.done", { name: save.data.name })}</p>
          <div className="row">
            <Link className="button main" href={`/dashboards/${save.data.id}`} onClick={onClose}>{t("adding.open")}</Link>
            <Button onClick={onClose}>{t("common.close")}</Button>
          </div>
        </div>
      ) : !boards.data && !boards.isError ? (
        <Skeleton height={80} />
      ) : (
        <form className="stack" onSubmit={(event) => void add(event)}>
          <p className="muted wrap">{what.title}</p>
          <div className="field">
            <label htmlFor={`${id}-which`}>{t("adding.which")}</label>
            <select id={`${id}-which`} className="input" value={which} onChange={(event) => setChosen(event.target.value)}>
              {known.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
              <option value={NEW}>{t("boards.new")}</option>
            </select>
          </div>
          {which === NEW && (
            <div className="field">
              <label htmlFor={`${id}-name`}>{t("common.name")}</label>
              <input id={`${id}-name`} className="input" required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
            </div>
          )}
          {(error ?? boards.error) != null && <ErrorBox error={error ?? boards.error} />}
          <div className="row">
            <Button look="main" type="submit" disabled={save.isPending || (which === NEW && name.trim() === "")}>{t("adding.add")}</Button>
            <Button onClick={onClose}>{t("settings.cancel")}</Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

/** How many rows an answer needs to be read without scrolling. */
export function sizeOf(insight: string): number {
  return ({ funnels: 8, retention: 8, paths: 8, lifecycle: 7, stickiness: 6, web: 3 } as Record<string, number>)[insight] ?? 5;
}
