/** Retention: its curve, and a table of cohorts. */
import { toNumber, type Question, type RetentionData } from "../api/types";
import { paints } from "../charts/scale";
import { TimeChart } from "../charts/TimeChart";
import { bucketLabel, format, t } from "../i18n/t";
import { NoSum } from "./NoSum";
import { useDrill, useOpens, useSaying } from "./opening";

export function RetentionView({ data, asked, withBand = true }: { data: RetentionData; asked: Question; withBand?: boolean }) {
  const groups = [...data.groups];
  const name = (one: (typeof groups)[number]) => (one.is_other ? t("common.other") : (one.breakdown ?? []).map((part) => (part === null ? t("common.none") : String(part))).join(" · ") || t("retention.all"));
  const painted = paints(groups.map((one) => ({ label: name(one), isOther: one.is_other })), data.breakdown.length > 0);
  const series = groups.map((one, at) => ({ key: String(at), label: name(one), values: one.overall.map((cell) => percent(cell.rate)), band: withBand ? one.overall.map((cell) => edges(cell.interval)) : null, ...painted[at]! }));
  return (
    <div className="stack wide-gap">
      <h3>{t("retention.curve")}</h3>
      <TimeChart label={t("retention.curve")} kind="line" height={220} buckets={data.buckets.map((one) => ({ label: one.label, is_incomplete: false }))} series={series} stacked={false} say={(value) => format.percent(value / 100)} axis={(value) => format.percent(value / 100)} />
      <p className="muted" data-clock={data.clock}>
        {t(`label.clock.${data.clock}`, { zone: data.timezone })}
      </p>
      {data.breakdown.length > 0 && !data.sums_to_total && <NoSum />}
      {groups.map((one) => (
        <HeatTable key={name(one)} title={groups.length > 1 ? name(one) : t("retention.table")} data={data} group={one} asked={asked} />
      ))}
    </div>
  );
}

function HeatTable({ title, data, group, asked }: { title: string; data: RetentionData; group: RetentionData["groups"][number]; asked: Question }) {
  const drill = useDrill();
  const saying = useSaying();
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
                <td className="number num">{saying(toNumber(cohort.people), format.number)}</td>
                {cohort.cells.map((cell, bucket) => {
                  const rate = toNumber(cell.rate);
                  if (cell.returned !== null && toNumber(cell.returned) === null) return <td key={bucket} className="heat-none num">{saying(null, format.percent)}</td>;
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
