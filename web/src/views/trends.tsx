/** Numbers over time, as lines, bars or large numbers. */
import { useMemo, useState } from "react";
import { toNumber, type Line, type Question, type TrendsData } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { Legend } from "../charts/Legend";
import { useMarks } from "../charts/marks";
import { paints } from "../charts/scale";
import { TimeChart, type Series } from "../charts/TimeChart";
import { bucketLabel, format, t } from "../i18n/t";
import { filter, series as seriesOf } from "../query/ask";
import { describe, describeRow, fieldName } from "../query/describe";
import { LETTERS } from "../query/formula";
import type { Query } from "../query/types";
import { NoSum } from "./NoSum";
import { useAnnotating, useDrill, useOpens, useSaying } from "./opening";

/** The lines of a trends answer as the query wants them drawn; every point opens. */
export function TrendView({ data, query, asked, height }: { data: TrendsData; query: Query; asked: Question; height?: number }) {
  const [alone, setAlone] = useState<string | null>(null);
  const drill = useDrill();
  const opens = useOpens();
  const marks = useMarks(data.buckets);
  const annotate = useAnnotating();
  const saying = useSaying();
  const series = useMemo(() => seriesOfLines(data, query), [data, query]);
  const shown = alone ? series.filter((one) => one.key === alone) : series;
  // Only what adds up may lie on each other: a person of two groups would be two.
  const additive = query.rows.every((one) => one.measure === "count" || one.measure === "sum") && query.formulas.length === 0;
  const stack = query.options["stack"] ?? "stacked";
  const open = (key: string, bucket: number | null) => {
    const line = data.lines[Number(key)];
    // Nobody is behind a quotient of numbers.
    if (!line || isFormula(line)) return;
    const place = bucket === null ? data.range : data.buckets[bucket];
    const chosen = query.rows[LETTERS.indexOf(line.series)] ?? query.rows[0];
    if (!place || !chosen) return;
    const behind = {
      range: { since: place.since, until: place.until },
      filter: filter(query.where),
      series: { ...seriesOf(chosen), label: null },
      group: data.breakdown.length ? groupOf(line, data) : null,
      timezone: asked["timezone"] ?? null,
      include_bots: asked["include_bots"] ?? false,
    };
    const when = bucket === null ? "" : bucketLabel(data.buckets[bucket]!.label);
    drill({ title: [lineLabel(line, data, query), when].filter(Boolean).join(", "), people: behind, events: behind, ...(chosen.measure === "unique_accounts" ? { accounts: behind } : {}) });
  };
  if (query.chart === "number") {
    return (
      <div className="grid">
        {shownLines(data, query).map((line, at) => (
          <BigNumber key={at} label={lineLabel(line, data, query)} value={toNumber(line.total)} {...(data.compared ? { before: toNumber(line.compared_total), than: t(`than.${data.compared.how}`) } : {})} trend={line.values.filter((_, bucket) => !data.buckets[bucket]?.is_incomplete).map(toNumber)} {...(isFormula(line) || !opens ? {} : { onOpen: () => open(String(data.lines.indexOf(line)), null) })} />
        ))}
      </div>
    );
  }
  return (
    <div className="stack">
      <TimeChart label={describe(query)} kind={query.chart === "area" || query.chart === "bar" ? query.chart : "line"} buckets={[...data.buckets]} series={shown} stacked={query.chart !== "line" && additive && stack !== "none" && shown.length > 1} asShare={stack === "share"} log={query.options["scale"] === "log"} marks={marks} onMark={annotate && ((what) => annotate("note" in what ? what : { at: data.buckets[what.bucket]!.since }))} onOpen={opens ? open : undefined} {...(height ? { height } : {})} />
      <Legend series={series} totals={shownLines(data, query).map((line) => total(line, saying))} alone={alone} onAlone={setAlone} />
      <Groups data={data} query={query} />
      {data.breakdown.length > 0 && !shownLines(data, query).every((line) => line.sums_to_total) && <NoSum />}
    </div>
  );
}

/** Says how many values there are beside those that are shown; nothing is left out silently. */
function Groups({ data, query }: { data: TrendsData; query: Query }) {
  const count = data.group_count;
  if (count === null || count === undefined) return null;
  const shown = new Set(data.lines.filter((line) => !line.is_other && line.series === "A").map((line) => JSON.stringify(line.breakdown))).size;
  return (
    <p className="muted num" data-groups={count}>
      {count > shown ? t("groups.shown", { shown, n: count }) : t("groups.all", { n: count })}
      {query.breakdown.length > 1 && ` ${query.breakdown.map(fieldName).join(" · ")}`}
    </p>
  );
}

/** The series F is a row; F1, F2 … are formulas. */
function isFormula(line: Line): boolean {
  return line.series.length > 1;
}

/** The lines to be drawn: with formulas these alone, unless all are wanted. */
function shownLines(data: TrendsData, query: Query): Line[] {
  const lines = [...data.lines];
  return query.formulas.length > 0 && query.options["lines"] !== "all" ? lines.filter((one) => isFormula(one)) : lines;
}

export function seriesOfLines(data: TrendsData, query: Query): Series[] {
  const lines = shownLines(data, query);
  const labels = lines.map((line) => ({ label: lineLabel(line, data, query), isOther: line.is_other }));
  const painted = paints(labels, data.breakdown.length > 0);
  return lines.map((line, at) => ({
    key: String(data.lines.indexOf(line)),
    label: labels[at]!.label,
    values: line.values.map(toNumber),
    compared: line.compared_values?.map(toNumber) ?? null,
    ...painted[at]!,
  }));
}

function lineLabel(line: Line, data: TrendsData, query: Query): string {
  const several = query.rows.length > 1;
  const row = isFormula(line) ? undefined : query.rows[LETTERS.indexOf(line.series)];
  const what = row ? describeRow(row) : isFormula(line) ? (query.formulas[Number(line.series.slice(1)) - 1] ?? line.label) : line.label;
  if (data.breakdown.length === 0) return what;
  const group = line.is_other ? t("common.other") : (line.breakdown ?? []).map((one) => (one === null ? t("common.none") : String(one))).join(" · ");
  return several ? `${what}: ${group}` : group;
}

function groupOf(line: Line, data: TrendsData): Question {
  const by = data.breakdown;
  if (!line.is_other) return { by, values: line.breakdown };
  return { by, other_than: data.lines.filter((one) => one.series === line.series && !one.is_other).map((one) => one.breakdown) };
}

function total(line: Line, saying: ReturnType<typeof useSaying>): string {
  // A mean of several days has no total at all.
  return line.total === null || line.total === undefined ? "" : saying(toNumber(line.total), format.short);
}
