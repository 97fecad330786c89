/** One dashboard: its tiles, what is asked of all of them, and how it is changed, shared and put on a wall. */
import { lazy, Suspense, useEffect, useState } from "react";
import { Link, useLocation, useParams, useSearch } from "wouter";
import { useBoard, useDeleteBoard, useSaveBoard, useSavedQuestions, type Board, type QuestionTile, type Tile } from "../api/boards";
import { useSession } from "../api/session";
import { Grid } from "../boards/Grid";
import { below, freshId, placed } from "../boards/layout";
import { apiFilters, apiRange, decodeNarrow, encodeNarrow, OWN, pageFilters, pageRange, type Narrow } from "../boards/narrow";
import { sentenceOf } from "../boards/TileView";
import { Conditions } from "../builder/Conditions";
import { RangeBox } from "../builder/RangeBox";
import { t } from "../i18n/t";
import { condsOf } from "../query/types";
import { Button, IconButton } from "../ui/basics";
import { Menu } from "../ui/Menu";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { toast } from "../ui/toast";
import { sizeOf } from "./adding";
import { BoardNameDialog, QuestionDialog, TextDialog } from "./boardediting";
import { TileCard } from "./boardtile";
import { PageHead } from "./controls";
import { Sure } from "./dashboards";
import { Conflict } from "./saving";

const Sharing = lazy(() => import("./sharing").then((all) => ({ default: all.SharingDialog })));
const REFRESH = 60_000;
type Open = "question" | "text" | "name" | "share" | "delete" | { text: Tile } | null;

export default function Dashboard() {
  const { id = "" } = useParams<{ id: string }>();
  const found = useBoard(id);
  if (found.isError) return <><PageHead title={t("screen.dashboards")} /><ErrorBox error={found.error} retry={() => found.refetch()} /></>;
  if (!found.data) return <><PageHead title={t("screen.dashboards")} /><Skeleton height={420} /></>;
  return <Shown key={found.data.id} board={found.data} reload={() => void found.refetch()} />;
}

function Shown({ board, reload }: { board: Board; reload: () => void }) {
  const session = useSession();
  const may = session?.mayChange ?? false;
  const search = useSearch();
  const [path, navigate] = useLocation();
  const given = new URLSearchParams(search);
  const isTv = given.get("tv") === "1";
  const where = pageFilters(board.filters);
  const kept: Narrow = { range: pageRange(board.range), where: where ?? [] };
  const now = decodeNarrow(search, kept);
  const [draft, setDraft] = useState<Board | null>(() => (may && given.get("edit") === "1" ? board : null));
  const [open, setOpen] = useState<Open>(null);
  const saved = useSavedQuestions().data?.saved;
  const save = useSaveBoard();
  const remove = useDeleteBoard();
  const shown = draft ?? board;
  const narrow = (part: Partial<Narrow>) => navigate(`${path}?${encodeNarrow({ ...now, ...part })}`, { replace: true });
  // Filters that only the API can say are kept as they are, and not shown as what they are not.
  const filters = where === null && !given.has("f") ? board.filters : apiFilters(now.where);
  const range = !given.has("r") && kept.range === OWN ? board.range : apiRange(now.range);
  const nameOf = (tile: Tile) => tile.title || (tile.kind === "text" ? t("tile.text") : (saved?.find((one) => one.id === tile.saved)?.name ?? tile.saved ?? (sentenceOf(tile.question?.insight ?? "", tile.question?.address ?? "", now.range === OWN ? null : now.range) || t("tile.question"))));
  useTv(isTv, () => navigate(path));

  function write(): void {
    if (!draft) return;
    const { id, version, name, description, tiles } = draft;
    save.mutate({ id, version, name, description, tiles, range: range as Board["range"], filters }, {
      onSuccess: () => {
        setDraft(null);
        toast(t("boards.saved"));
        navigate(path, { replace: true });
      },
    });
  }
  const set = (part: Partial<Board>) => setDraft((before) => ({ ...(before ?? board), ...part }));
  const add = (tile: Partial<QuestionTile> | { kind: "text"; text: string }, size: [number, number]) => {
    const box = below(shown.tiles, ...size);
    const made = tile.kind === "text" ? { title: "", ...tile } : { title: "", saved: null, question: null, ...tile, kind: "question" };
    set({ tiles: [...shown.tiles, { ...made, ...box, id: freshId(shown.tiles) } as Tile] });
    setOpen(null);
  };
  const change = (tile: Tile) => set({ tiles: shown.tiles.map((one) => (one.id === tile.id ? tile : one)) });
  const take = (tile: Tile) => {
    const left = shown.tiles.filter((one) => one.id !== tile.id);
    set({ tiles: left[0] ? placed(left, left[0]) : [] });
  };
  const entries = [
    { id: "tv", label: t("boards.tv"), act: () => { navigate(`${path}?${[...(search ? [search] : []), "tv=1"].join("&")}`); void document.documentElement.requestFullscreen?.().catch(() => undefined); } },
    ...(may ? [{ id: "name", label: t("boards.rename"), act: () => setOpen("name") }] : []),
    ...(may && (session?.mayAdminister || board.owner === session?.email) ? [{ id: "delete", label: t("boards.delete"), act: () => setOpen("delete") }] : []),
  ];
  return (
    <div className="dashboard" data-tv={isTv ? "" : undefined}>
      <PageHead title={shown.name} lead={shown.description}>
        {!isTv && (
          <>
            <RangeBox value={now.range} onChange={(text) => narrow({ range: text })} />
            {now.range !== OWN && <IconButton icon="close" label={t("boards.ownrange")} onClick={() => narrow({ range: OWN })} />}
            {draft ? (
              <>
                <Button icon="plus" onClick={() => setOpen("question")}>{t("boards.addquestion")}</Button>
                <Button icon="plus" onClick={() => setOpen("text")}>{t("boards.addtext")}</Button>
                <Button look="main" disabled={save.isPending} onClick={write}>{t("boards.save")}</Button>
                <Button onClick={() => { setDraft(null); navigate(path, { replace: true }); }}>{t("settings.cancel")}</Button>
              </>
            ) : (
              <>
                {may && <Button onClick={() => setDraft(board)}>{t("boards.edit")}</Button>}
                {may && <Button onClick={() => setOpen("share")}>{t("share.open")}</Button>}
                <Menu label={t("boards.more")} entries={entries} />
              </>
            )}
          </>
        )}
      </PageHead>
      {!isTv && (
        <div className="row" role="group" aria-label={t("builder.filters")}>
          {where === null && !given.has("f") ? <span className="muted">{t("boards.apifilters")}</span> : <Conditions conds={now.where} event={null} onChange={(next) => narrow({ where: condsOf(next) })} add={t("builder.filters")} />}
          {draft && <span className="muted small">{t("boards.kept")}</span>}
        </div>
      )}
      {shown.tiles.length === 0 ? (
        <Empty title={t("boards.empty")} icon="boards">
          <p className="muted">{t("boards.empty.why")}</p>
          {may && !draft && <Button look="main" onClick={() => setDraft(board)}>{t("boards.edit")}</Button>}
        </Empty>
      ) : (
        <Grid tiles={shown.tiles} name={nameOf} onChange={draft ? (tiles) => set({ tiles }) : undefined}>
          {(tile, height) => (
            <TileCard tile={tile} title={nameOf(tile)} saved={tile.kind === "question" ? saved?.find((one) => one.id === tile.saved) : undefined} height={height} range={range} filters={filters} refresh={isTv ? REFRESH : false} plain={isTv} editing={draft ? { change, remove: () => take(tile), edit: () => setOpen({ text: tile }) } : undefined} />
          )}
        </Grid>
      )}
      {open === "question" && <QuestionDialog onClose={() => setOpen(null)} onChoose={(one) => add({ saved: one.id }, [6, sizeOf(one.insight)])} />}
      {open === "text" && <TextDialog text="" onClose={() => setOpen(null)} onDone={(text) => add({ kind: "text", text }, [12, 2])} />}
      {open !== null && typeof open === "object" && open.text.kind === "text" && <TextDialog text={open.text.text} onClose={() => setOpen(null)} onDone={(text) => { change({ ...open.text, text } as Tile); setOpen(null); }} />}
      {open === "name" && <BoardNameDialog board={board} onClose={() => setOpen(null)} />}
      {open === "delete" && <Sure name={board.name} why={t("boards.delete.sure")} error={remove.error} onClose={() => setOpen(null)} onYes={() => remove.mutate(board.id, { onSuccess: () => navigate("/dashboards") })} />}
      <Suspense fallback={null}>{open === "share" && <Sharing kind="dashboard" target={board.id} name={board.name} onClose={() => setOpen(null)} />}</Suspense>
      {save.error && <Conflict error={save.error} onClose={() => save.reset()} onTheirs={() => { save.reset(); setDraft(null); reload(); }} />}
      {isTv && <Link href={path} className="sr-focus">{t("boards.leavetv")}</Link>}
    </div>
  );
}

/** On a wall nothing but the tiles is there; Escape brings the rest back. */
function useTv(isTv: boolean, leave: () => void): void {
  useEffect(() => {
    const root = document.documentElement;
    if (!isTv) return;
    root.dataset["tv"] = "";
    const pressed = (event: globalThis.KeyboardEvent) => event.key === "Escape" && leave();
    const changed = () => !document.fullscreenElement && leave();
    window.addEventListener("keydown", pressed);
    document.addEventListener("fullscreenchange", changed);
    return () => {
      delete root.dataset["tv"];
      window.removeEventListener("keydown", pressed);
      document.removeEventListener("fullscreenchange", changed);
      if (document.fullscreenElement) void document.exitFullscreen();
    };
  }, [isTv]);
}
