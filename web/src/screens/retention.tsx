/** Retention: of those who began, how many came back, by when they began. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { toNumber, type Question, type RetentionData } from "../api/types";
import { Breakdown } from "../builder/Breakdown";
import { EventBox } from "../builder/choices";
import { Conditions } from "../builder/Conditions";
import { BuilderRange } from "../builder/range";
import { TimeChart } from "../charts/TimeChart";
import { paints } from "../charts/scale";
import { bucketLabel, format, t } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { condsOf, row, type Row } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { AnswerCard } from "./AnswerCard";
import { Dropped, IntervalControl, OptionControl, PageHead, RangeControl } from "./controls";
import { useDrill, useOpens } from "./drill";
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

export function RetentionView({ data, asked, withBand = true }: { data: RetentionData; asked: Question; withBand?: boolean }) {
  const groups = [...data.groups];
  const name = (one: (typeof groups)[number]) => (one.is_other ? t("common.other") : (one.breakdown ?? []).map((part) => (part === null ? t("common.none") : String(part))).join(" · ") || t("retention.all"));
  const painted = paints(groups.map((one) => ({ label: name(one), isOther: one.is_other })), data.breakdown.length > 0);
  const series = groups.map((one, at) => ({ key: String(at), label: name(one), values: one.overall.map((cell) => percent(cell.rate)), band: withBand ? one.overall.map((cell) => edges(cell.interval)) : null, ...painted[at]! }));
  return (
    <div className="stack wide-gap">
      <h3>{t("retention.curve")}</h3>
      <TimeChart label={t("retention.curve")} kind="line" height={220} buckets={data.buckets.map((one) => ({ label: one.label, is_incomplete: false }))} series={series} stacked={false} say={(value) => format.percent(value / 100)} axis={(value) => format.percent(value / 100)} />
      {groups.map((one) => (
        <HeatTable key={name(one)} title={groups.length > 1 ? name(one) : t("retention.table")} data={data} group={one} asked={asked} />
      ))}
    </div>
  );
}

function HeatTable({ title, data, group, asked }: { title: string; data: RetentionData; group: RetentionData["groups"][number]; asked: Question }) {
  const drill = useDrill();
  const groupPlace = data.breakdown.length && !group.is_other ? { group: { by: data.breakdown, values: group.breakdown } } : {};
  const open = (title_: string, place: Question) => drill({ title: title_, people: { behind: { insight: "retention", question: asked, place: { ...place, ...groupPlace } } } });
  const opens = useOpens() && !group.is_other;
  return (
    <figure className="stack">
      <figcaption>
        <h3>{title}</h3>
      </figcaption>
      <div className="table-box" role="region" aria-label={title} tabIndex={0}>
        <table className="heat">
          <thead>
            <tr>
              <th scope="col">{t("retention.cohort")}</th>
              <th scope="col" className="number">
                {t("retention.size")}
              </th>
              {data.buckets.map((one) => (
                <th key={one.label} scope="col" className="number">
                  {one.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {group.cohorts.map((cohort, place) => (
              <tr key={cohort.label}>
                <th scope="row">{bucketLabel(cohort.label)}</th>
                <td className="number num">{format.number(cohort.people)}</td>
                {cohort.cells.map((cell, bucket) => {
                  const rate = toNumber(cell.rate);
                  if (rate === null || cell.returned === null) return <td key={bucket} className="heat-none" aria-label={t("retention.running")} />;
                  const label = t("retention.cell", { cohort: bucketLabel(cohort.label), bucket: data.buckets[bucket]!.label, returned: cell.returned!, people: cell.people, rate: format.percent(rate) });
                  return (
                    <td key={bucket} className={`heat-cell ${cell.is_complete ? "" : "running"}`} style={{ background: `color-mix(in oklab, var(--heat) ${Math.round(rate * 100)}%, var(--surface))` }} data-strong={rate > 0.72 && cell.is_complete ? "" : undefined}>
                      <button type="button" className="num" disabled={!opens} aria-label={cell.is_complete ? label : `${label}, ${t("retention.running")}`} title={label} onClick={() => open(label, { cohort: place, bucket })}>
                        {format.percent(rate)}
                      </button>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

function edges(interval: { low: number | string; high: number | string } | null): [number, number] | null {
  return interval && [percent(interval.low)!, percent(interval.high)!];
}

function percent(rate: number | string | null): number | null {
  const found = toNumber(rate);
  return found === null ? null : Math.round(found * 1000) / 10;
}
