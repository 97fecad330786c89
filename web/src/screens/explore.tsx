/** Explore: numbers over time. */
import { useMemo } from "react";
import { useAsk, useNames } from "../api/queries";
import { Breakdown } from "../builder/Breakdown";
import { Conditions } from "../builder/Conditions";
import { Formulas } from "../builder/Formulas";
import { BuilderRange } from "../builder/range";
import { Rows } from "../builder/Rows";
import { t, word } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { CHARTS, condsOf, row, type ChartKind } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { Choice } from "../ui/basics";
import { Empty } from "../ui/states";
import { TrendView } from "../views/trends";
import { AnswerCard } from "./AnswerCard";
import { CompareControl, Dropped, IntervalControl, OptionControl, PageHead, RangeControl } from "./controls";
import { SaveBar } from "./saving";

const STACKS = ["stacked", "share", "none"] as const;

export default function Explore() {
  const names = useNames().data;
  // A bare address shows something at once: what is used most.
  const usual = useMemo(() => ({ rows: [row(names?.events[0]?.name ?? null, "unique_people")] }), [names]);
  const url = useQueryUrl("trends", usual);
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query), [query]);
  const result = useAsk("trends", asked);
  const filtered = condsOf(query.where).length > 0 || query.rows.some((one) => condsOf(one.where).length > 0);
  const isDrawn = query.chart === "line" || query.chart === "area" || query.chart === "bar";
  return (
    <BuilderRange value={query.range}>
      <PageHead title={t("screen.explore")} lead={t("lead.explore")}>
        <RangeControl {...url} />
        <IntervalControl {...url} />
        <CompareControl {...url} />
        <Choice<ChartKind> label={t("chart.label")} value={query.chart} options={CHARTS.map((one) => [one, word("chart", one)] as const)} onChange={(chart) => change({ chart })} />
        {isDrawn && query.chart !== "line" && <OptionControl {...url} name="stack" label={t("chart.stack")} options={STACKS.map((one) => [one, t(`chart.stack.${one}`)] as const)} />}
        {isDrawn && query.options["stack"] !== "share" && <OptionControl {...url} name="scale" label={t("chart.scale")} options={(["linear", "log"] as const).map((one) => [one, t(`chart.scale.${one}`)] as const)} />}
        {query.formulas.length > 0 && <OptionControl {...url} name="lines" label={t("chart.lines")} options={(["formulas", "all"] as const).map((one) => [one, t(`chart.lines.${one}`)] as const)} />}
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <Rows rows={query.rows} onChange={(rows) => change({ rows })} most={10} />
        <Formulas formulas={query.formulas} series={query.rows.length} onChange={(formulas) => change({ formulas })} />
        <div className="builder-foot">
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} groups />
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
    </BuilderRange>
  );
}
