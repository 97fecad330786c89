/** One tile of a dashboard. What goes wrong in it stays in it. */
import { useLocation } from "wouter";
import { useTile, type ApiFilter, type QuestionTile, type Saved, type Tile } from "../api/boards";
import { screenOf, TileView } from "../boards/TileView";
import { t } from "../i18n/t";
import { IconButton } from "../ui/basics";
import { Markdown } from "../ui/Markdown";
import { Menu } from "../ui/Menu";
import { Contained, ErrorBox, Skeleton } from "../ui/states";

interface TileCardProps {
  tile: Tile;
  title: string;
  saved: Saved | undefined;
  height: number;
  range: unknown;
  filters: ApiFilter[];
  refresh: number | false;
  plain: boolean;
  editing: { change: (tile: Tile) => void; remove: () => void; edit: () => void } | undefined;
}

export function TileCard({ tile, title, saved, height, range, filters, refresh, plain, editing }: TileCardProps) {
  return (
    <section className="card tile-card" aria-label={title}>
      {(tile.kind === "question" || editing || tile.title) && (
        <div className="tile-head">
          {editing ? (
            <input className="input tile-title" aria-label={t("tile.title", { name: title })} maxLength={200} value={tile.title} placeholder={title} onChange={(event) => editing.change({ ...tile, title: event.target.value })} />
          ) : (
            <h2 className="cut" title={title}>{tile.kind === "text" ? tile.title : title}</h2>
          )}
          {editing ? (
            <>
              {tile.kind === "text" && <IconButton icon="docs" label={t("tile.edit")} onClick={editing.edit} />}
              <IconButton icon="close" label={t("tile.remove", { name: title })} onClick={editing.remove} />
            </>
          ) : (
            tile.kind === "question" && !plain && <Open tile={tile} saved={saved} title={title} />
          )}
        </div>
      )}
      <Contained>
        {tile.kind === "text" ? <Markdown text={tile.text} /> : <Answered tile={tile} title={title} saved={saved} height={height - 66} range={range} filters={filters} refresh={refresh} opens={!plain && !editing} />}
      </Contained>
    </section>
  );
}

function Open({ tile, saved, title }: { tile: QuestionTile; saved: Saved | undefined; title: string }) {
  const [, navigate] = useLocation();
  const content = tile.question ?? saved;
  const to = content && screenOf(content.insight, content.address, tile.saved);
  const where = to ?? (tile.saved === null ? null : `/saved/${encodeURIComponent(tile.saved)}`);
  if (!where) return null;
  return <Menu label={t("tile.menu", { name: title })} entries={[{ id: "open", label: t("tile.open"), act: () => navigate(where) }]} />;
}

function Answered({ tile, title, saved, height, range, filters, refresh, opens }: { tile: QuestionTile; title: string; saved: Saved | undefined; height: number; range: unknown; filters: ApiFilter[]; refresh: number | false; opens: boolean }) {
  const result = useTile({ saved: tile.saved, question: tile.question, range, filters }, refresh);
  const content = tile.question ?? saved;
  if (result.isError && !result.data) return <div className="tile-body"><ErrorBox error={result.error} retry={() => result.refetch()} /></div>;
  if (!result.data) return <Skeleton height={Math.min(height, 200)} />;
  return (
    <div className={result.isPlaceholderData ? "tile-body stale" : "tile-body"} aria-busy={result.isFetching && result.isPlaceholderData} role="group" tabIndex={0} aria-label={title}>
      <TileView insight={result.data.provenance.insight} address={content?.address ?? ""} title={title} answer={result.data} height={height} opens={opens} />
    </div>
  );
}
