/** Retention: of those who began, how many came back, by when they began. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { Breakdown } from "../builder/Breakdown";
import { EventBox } from "../builder/choices";
import { Conditions } from "../builder/Conditions";
import { BuilderRange } from "../builder/range";
import { t } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { condsOf, row, type Row } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { RetentionView } from "../views/retention";
import { AnswerCard } from "./AnswerCard";
import { Dropped, IntervalControl, OptionControl, PageHead, RangeControl } from "./controls";
import { SaveBar } from "./saving";

const START = { rows: [row()], range: "90d" };
/** How many intervals after the start are looked at; 52 weeks are a year. */
const BUCKETS = ["9", "13", "26", "52"] as const;
const CRITERIA = ["on", "on_or_after", "on_or_before", "streak"] as const;

export default function Retention() {
  const url = useQueryUrl("retention", START);
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query), [query]);
  const result = useAsk("retention", asked);
  const start = query.rows[0] ?? row();
  const returning = query.rows[1];
  return (
    <BuilderRange value={query.range}>
      <PageHead title={t("screen.retention")} lead={t("lead.retention")}>
        <RangeControl {...url} />
        <IntervalControl {...url} intervals={["week", "day", "month"]} auto={false} />
        <OptionControl {...url} name="buckets" label={t("retention.buckets")} options={BUCKETS.map((one) => [one, one] as const)} />
        <OptionControl {...url} name="band" label={t("chart.band")} options={(["shown", "hidden"] as const).map((one) => [one, t(`chart.band.${one}`)] as const)} />
        <OptionControl {...url} name="criterion" label={t("retention.criterion")} options={CRITERIA.map((one) => [one, t(`retention.criterion.${one}`)] as const)} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <ol className="rows">
          <StepRow label={t("retention.start")} value={start} onChange={(one) => change({ rows: returning ? [one, returning] : [one] })} any={t("common.any")} />
          <StepRow label={t("retention.returning")} value={returning ?? row()} onChange={(one) => change({ rows: one.event === null && one.where.length === 0 ? [start] : [start, one] })} any={t("retention.same")} />
        </ol>
        <div className="builder-foot">
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} groups />
          <Breakdown fields={query.breakdown} onChange={(breakdown) => change({ breakdown })} most={1} />
        </div>
      </section>
      {asked && (
        <AnswerCard title={describe(query)} insight="retention" query={query} question={asked} result={result} isEmpty={(data) => data.groups.every((one) => one.people === 0)} filtered={condsOf(query.where).length > 0} clear={() => change({ where: [] })} wider={() => change({ range: "90d" })}>
          {(answer) => <RetentionView data={answer.data} asked={answer.question} withBand={query.options["band"] !== "hidden"} />}
        </AnswerCard>
      )}
    </BuilderRange>
  );
}

function StepRow({ label, value, onChange, any }: { label: string; value: Row; onChange: (row: Row) => void; any: string }) {
  return (
    <li className="builder-row">
      <span className="builder-label">{label}</span>
      <span className="row tight">
        <EventBox label={label} value={value.event} any={any} onChange={(event) => onChange({ ...value, event })} />
        <Conditions conds={value.where} event={value.event} onChange={(where) => onChange({ ...value, where })} add={t("builder.where")} />
      </span>
    </li>
  );
}
