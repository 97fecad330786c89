/** An answer as its screen draws it, wherever it stands: on a dashboard, or behind a link. */
import { lazy, Suspense, useMemo } from "react";
import type { Answer, Question } from "../api/types";
import { decode } from "../query/codec";
import { describe } from "../query/describe";
import { KINDS, query, row, type Kind, type Measure, type Query, type Row } from "../query/types";
import { Skeleton } from "../ui/states";

const View = lazy(() => import("../views/View"));

interface TileViewProps {
  insight: string;
  address: string;
  title: string;
  answer: Pick<Answer, "data" | "table"> & { question?: Question };
  height: number;
  /** Whether numbers open who is behind them. */
  opens: boolean;
}

export function TileView({ insight, address, title, answer, height, opens }: TileViewProps) {
  const shown = useMemo(() => queryOf(insight, address, answer.question ?? {}), [insight, address, answer.question]);
  return (
    <Suspense fallback={<Skeleton height={Math.min(height, 200)} />}>
      <View {...{ title, answer, height, opens, shown }} />
    </Suspense>
  );
}

/** Return the query of an answer; one of a file has no address, and is read from its question. */
function queryOf(insight: string, address: string, asked: Question): Query | null {
  if (!(KINDS as readonly string[]).includes(insight)) return null;
  const kind = insight as Kind;
  if (address) return decode(kind, address).query;
  const series = (asked["series"] as { event?: unknown; measure?: Measure }[] | undefined) ?? [];
  const rows: Row[] = series.map((one) => row(typeof one.event === "string" ? one.event : null, one.measure ?? "count"));
  return query(kind, { rows: rows.length ? rows : [row()], breakdown: (asked["breakdown"] as string[] | undefined) ?? [] });
}

/** Return what a question says in words, of a range in place of its own if one is given. */
export function sentenceOf(insight: string, address: string, range: string | null): string {
  if (!address || !(KINDS as readonly string[]).includes(insight)) return "";
  const { query: asked } = decode(insight as Kind, address);
  return describe(range === null ? asked : { ...asked, range });
}

/** Where a question can be looked at and changed: its screen, with its address. */
export function screenOf(insight: string, address: string, saved: string | null): string | null {
  const path = ({ trends: "/explore" } as Record<string, string>)[insight] ?? `/${insight}`;
  if (!(KINDS as readonly string[]).includes(insight) || (!address && saved === null)) return null;
  const after = [address || "v=1", ...(saved === null ? [] : [`s=${encodeURIComponent(saved)}`])].join("&");
  return `${path}?${after}`;
}

