/** What a link shows to whoever has it: tiles with numbers, and nothing that could be asked or opened. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useState, type FormEvent } from "react";
import type { Tile } from "../api/boards";
import { json, Problem } from "../api/client";
import { few } from "../api/few";
import type { components } from "../api/schema";
import type { Table } from "../api/types";
import { Grid } from "../boards/Grid";
import { pageRange, OWN } from "../boards/narrow";
import { sentenceOf, TileView } from "../boards/TileView";
import { format, t } from "../i18n/t";
import { describeRange } from "../query/describe";
import { Button } from "../ui/basics";
import { Markdown } from "../ui/Markdown";
import { Contained, Empty, ErrorBox, Skeleton } from "../ui/states";
import { Untold } from "../views/opening";

type View = components["schemas"]["SharedView"];
type SharedTile = components["schemas"]["SharedTile"];
interface SharedAnswer {
  data: never;
  table: Table;
  as_of: string;
  timezone: string;
  min_group: number;
  is_whole: boolean;
}
const REFRESH = 300_000;

export default function Shared({ token }: { token: string }) {
  // Kept as long as the page is open: whoever opens the link again says the password again.
  const [pass, setPass] = useState<string | null>(null);
  const view = useQuery({
    queryKey: ["shared", token, pass],
    queryFn: ({ signal }) => call<View>(token, "", { pass, signal }),
    staleTime: Infinity,
    retry: (failures, error) => failures < 2 && error instanceof Problem && (error.status === 0 || error.status === 503),
  });
  const name = view.data?.name;
  useEffect(() => {
    document.title = name ? `${name} · Tallymark` : "Tallymark";
  }, [name]);
  const error = view.error;
  const problem = error instanceof Problem ? error : null;
  return (
    <main className="shared page">
      {view.data ? (
        <Shown view={view.data} token={token} pass={pass} />
      ) : problem?.code === "SHARE_LOCKED" ? (
        <Locked token={token} onOpen={setPass} />
      ) : problem?.status === 410 || problem?.status === 404 ? (
        <Empty title={t("shared.over")} icon="keys">
          <h1 className="sr">{t("shared.over")}</h1>
          <p className="muted">{t("shared.over.why")}</p>
        </Empty>
      ) : view.isError ? (
        <ErrorBox error={error} retry={() => view.refetch()} />
      ) : (
        <Skeleton height={420} />
      )}
    </main>
  );
}

function Locked({ token, onOpen }: { token: string; onOpen: (pass: string) => void }) {
  const id = useId();
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setError(null);
    try {
      onOpen((await call<{ passing: string }>(token, "/unlock", { body: { password } })).passing);
    } catch (wrong) {
      setError(wrong);
    }
  }
  return (
    <form className="card stack shared-locked" onSubmit={(event) => void submit(event)}>
      <h1>{t("shared.locked")}</h1>
      <div className="field">
        <label htmlFor={id}>{t("signin.password")}</label>
        <input id={id} type="password" className="input" autoComplete="off" required autoFocus value={password} onChange={(event) => setPassword(event.target.value)} />
      </div>
      {error != null && <ErrorBox error={error} />}
      <Button look="main" type="submit">{t("shared.open")}</Button>
    </form>
  );
}

function Shown({ view, token, pass }: { view: View; token: string; pass: string | null }) {
  const range = pageRange(view.range as never);
  const only = view.kind === "question" ? view.tiles[0] : undefined;
  return (
    <>
      <header className="page-head">
        <div>
          <h1 className="wrap">{view.name}</h1>
          {view.description && <p className="wrap">{view.description}</p>}
        </div>
        {range !== OWN && <span className="muted">{describeRange(range)}</span>}
      </header>
      {only ? (
        <section className="card" aria-label={view.name}>
          <Answered tile={only} token={token} pass={pass} height={360} title={view.name} />
        </section>
      ) : (
        <Grid tiles={view.tiles.map(asTile)} name={(tile) => tile.title}>
          {(tile, height) => <Card tile={view.tiles.find((one) => one.id === tile.id)!} {...{ token, pass, height }} range={range === OWN ? null : range} />}
        </Grid>
      )}
    </>
  );
}

function Card({ tile, token, pass, height, range }: { tile: SharedTile; token: string; pass: string | null; height: number; range: string | null }) {
  const title = tile.title || sentenceOf(tile.insight ?? "", tile.address, range);
  return (
    <section className="card tile-card" aria-label={title || t("tile.text")}>
      {title && <div className="tile-head"><h2 className="cut" title={title}>{title}</h2></div>}
      <Contained>{tile.text !== null ? <Markdown text={tile.text} /> : <Answered tile={tile} token={token} pass={pass} height={height - 84} title={title} />}</Contained>
    </section>
  );
}

function Answered({ tile, token, pass, height, title }: { tile: SharedTile; token: string; pass: string | null; height: number; title: string }) {
  const result = useQuery({
    queryKey: ["shared", token, pass, tile.id],
    queryFn: ({ signal }) => few(() => call<SharedAnswer>(token, `/tiles/${tile.id}`, { pass, signal, body: {} }), signal),
    refetchInterval: REFRESH,
    placeholderData: (before) => before,
  });
  if (result.isError && !result.data) return <ErrorBox error={result.error} />;
  if (!result.data) return <Skeleton height={Math.min(height, 200)} />;
  return (
    <>
      <div className="tile-body" role="group" tabIndex={0} aria-label={title}>
        <Untold.Provider value={result.data.is_whole ? "–" : t("shared.few")}>
          <TileView insight={tile.insight ?? ""} address={tile.address} title={title} answer={result.data} height={height} opens={false} />
        </Untold.Provider>
      </div>
      {!result.data.is_whole && <p className="muted small" data-kept-back="">{t("shared.few.why", { n: result.data.min_group })}</p>}
      <p className="muted small">{t("shared.asof", { when: format.time(new Date(result.dataUpdatedAt).toISOString()), zone: result.data.timezone })}</p>
    </>
  );
}

function call<T>(token: string, rest: string, { pass, signal, body }: { pass?: string | null; signal?: AbortSignal; body?: unknown } = {}): Promise<T> {
  return json<T>(`/shared/${encodeURIComponent(token)}${rest}`, { anonymous: true, signal, ...(body === undefined ? {} : { method: "POST" as const, body }), ...(pass ? { headers: { "Tallymark-Pass": pass } } : {}) });
}

function asTile(one: SharedTile): Tile {
  const place = { id: one.id, title: one.title || one.id, x: one.x, y: one.y, w: one.w, h: one.h };
  return one.text === null ? { kind: "question", ...place, saved: null, question: null } : { kind: "text", ...place, text: one.text };
}
