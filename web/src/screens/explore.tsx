/** Explore: numbers over time. */
import { useMemo, useState } from "react";
import { useAsk, useNames } from "../api/queries";
import { toNumber, type Line, type Question, type TrendsData } from "../api/types";
import { Breakdown } from "../builder/Breakdown";
import { Conditions } from "../builder/Conditions";
import { Rows } from "../builder/Rows";
import { BigNumber } from "../charts/BigNumber";
import { Legend } from "../charts/Legend";
import { useMarks } from "../charts/marks";
import { paints } from "../charts/scale";
import { TimeChart, type Series } from "../charts/TimeChart";
import { bucketLabel, format, t, word } from "../i18n/t";
import { filter, question, series as seriesOf } from "../query/ask";
import { describe, describeRow } from "../query/describe";
import { CHARTS, row, type ChartKind, type Query } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { Choice } from "../ui/basics";
import { Empty } from "../ui/states";
import { useAnnotating } from "./annotate";
import { AnswerCard } from "./AnswerCard";
import { CompareControl, Dropped, IntervalControl, PageHead, RangeControl } from "./controls";
import { useDrill, useOpens } from "./drill";
import { SaveBar } from "./saving";

const LETTERS = "ABCDEFGHIJ";

export default function Explore() {
  const names = useNames().data;
  // A bare address shows something at once: what is used most.
  const usual = useMemo(() => ({ rows: [row(names?.events[0]?.name ?? null, "unique_people")] }), [names]);
  const url = useQueryUrl("trends", usual);
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query), [query]);
  const result = useAsk("trends", asked);
  const filtered = query.where.length > 0 || query.rows.some((one) => one.where.length > 0);
  return (
    <>
      <PageHead title={t("screen.explore")} lead={t("lead.explore")}>
        <RangeControl {...url} />
        <IntervalControl {...url} />
        <CompareControl {...url} />
        <Choice<ChartKind> label={t("chart.label")} value={query.chart} options={CHARTS.map((one) => [one, word("chart", one)] as const)} onChange={(chart) => change({ chart })} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <Rows rows={query.rows} onChange={(rows) => change({ rows })} most={10} />
        <div className="builder-foot">
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} />
          <Breakdown fields={query.breakdown} onChange={(breakdown) => change({ breakdown })} />
        </div>
      </section>
      {asked === null ? (
        <Empty title={t("state.choose")} />
      ) : (
        <AnswerCard
          title={describe(query)}
          insight="trends"
          query={query}
          question={asked}
          result={result}
          isEmpty={(data) => data.lines.every((line) => !Number(line.total) && line.values.every((one) => !Number(one)))}
          filtered={filtered}
          clear={() => change({ where: [], rows: query.rows.map((one) => ({ ...one, where: [] })) })}
          wider={() => change({ range: "90d" })}
          asTable={query.chart === "table"}
          key={query.chart === "table" ? "table" : "chart"}
        >
          {(answer) => <TrendView data={answer.data} query={query} asked={answer.question} />}
        </AnswerCard>
      )}
    </>
  );
}

/** The lines of a trends answer as the query wants them drawn; every point opens. */
export function TrendView({ data, query, asked, height }: { data: TrendsData; query: Query; asked: Question; height?: number }) {
  const [alone, setAlone] = useState<string | null>(null);
  const drill = useDrill();
  const opens = useOpens();
  const marks = useMarks(data.buckets);
  const annotate = useAnnotating();
  const series = useMemo(() => seriesOfLines(data, query), [data, query]);
  const shown = alone ? series.filter((one) => one.key === alone) : series;
  const additive = query.rows.every((one) => one.measure === "count" || one.measure === "sum");
  const open = (key: string, bucket: number | null) => {
    const line = data.lines[Number(key)];
    if (!line) return;
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
    drill({ title: [lineLabel(line, data, query), when].filter(Boolean).join(", "), people: behind, events: behind });
  };
  if (query.chart === "number") {
    return (
      <div className="grid">
        {data.lines.map((line, at) => (
          <BigNumber key={at} label={lineLabel(line, data, query)} value={toNumber(line.total)} {...(data.compared ? { before: toNumber(line.compared_total), than: t(`than.${data.compared.how}`) } : {})} trend={line.values.filter((_, bucket) => !data.buckets[bucket]?.is_incomplete).map(toNumber)} {...(opens ? { onOpen: () => open(String(at), null) } : {})} />
        ))}
      </div>
    );
  }
  return (
    <div className="stack">
      <TimeChart label={describe(query)} kind={query.chart === "area" || query.chart === "bar" ? query.chart : "line"} buckets={[...data.buckets]} series={shown} stacked={query.chart !== "line" && additive && shown.length > 1} marks={marks} onMark={annotate && ((what) => annotate("note" in what ? what : { at: data.buckets[what.bucket]!.since }))} onOpen={opens ? open : undefined} {...(height ? { height } : {})} />
      <Legend series={series} totals={data.lines.map((line) => total(line))} alone={alone} onAlone={setAlone} />
    </div>
  );
}

export function seriesOfLines(data: TrendsData, query: Query): Series[] {
  const labels = data.lines.map((line) => ({ label: lineLabel(line, data, query), isOther: line.is_other }));
  const painted = paints(labels, data.breakdown.length > 0);
  return data.lines.map((line, at) => ({
    key: String(at),
    label: labels[at]!.label,
    values: line.values.map(toNumber),
    compared: line.compared_values?.map(toNumber) ?? null,
    ...painted[at]!,
  }));
}

function lineLabel(line: Line, data: TrendsData, query: Query): string {
  const several = query.rows.length > 1;
  const row = query.rows[LETTERS.indexOf(line.series)];
  const what = row ? describeRow(row) : line.label;
  if (data.breakdown.length === 0) return what;
  const group = line.is_other ? t("common.other") : (line.breakdown ?? []).map((one) => (one === null ? t("common.none") : String(one))).join(" · ");
  return several ? `${what}: ${group}` : group;
}

function groupOf(line: Line, data: TrendsData): Question {
  const by = data.breakdown;
  if (!line.is_other) return { by, values: line.breakdown };
  return { by, other_than: data.lines.filter((one) => one.series === line.series && !one.is_other).map((one) => one.breakdown) };
}

function total(line: Line): string {
  const now = toNumber(line.total);
  return now === null ? "" : format.short(now);
}
