/** Lifecycle as bars, and stickiness as a histogram. */
import { scaleLinear } from "d3-scale";
import { toNumber, type LifecycleData, type Question, type StickinessData } from "../api/types";
import { MarkButtons, MarkLines, useMarks } from "../charts/marks";
import { spread } from "../charts/scale";
import { useWidth } from "../charts/useWidth";
import { bucketLabel, format, t } from "../i18n/t";
import { useAnnotating, useDrill, useOpens, useSaying } from "./opening";

const STATES = ["returning", "new", "resurrecting"] as const;
const COLOURS = { returning: "var(--s1)", new: "var(--s3)", resurrecting: "var(--s5)", dormant: "var(--s2)" };
type State = keyof typeof COLOURS;

/** Bars above and below a line in the middle: who is there, and who is gone. */
export function LifecycleView({ data, asked }: { data: LifecycleData; asked: Question }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const drill = useDrill();
  const opens = useOpens();
  const marks = useMarks(data.buckets);
  const annotate = useAnnotating();
  const saying = useSaying();
  const height = 320;
  const top = Math.max(1, ...data.buckets.map((one) => toNumber(one.active) ?? 0));
  const bottom = Math.max(1, ...data.buckets.map((one) => toNumber(one.dormant) ?? 0));
  const y = scaleLinear().domain([-bottom, top]).nice(5).range([height - 26, 8]);
  const left = 56;
  const slot = (width - left - 8) / data.buckets.length;
  const wide = Math.min(56, slot * 0.72);
  const x = (at: number) => left + slot * (at + 0.5);
  const open = (bucket: number, state: State) => {
    const label = bucketLabel(data.buckets[bucket]!.label);
    drill({ title: `${t(`lifecycle.${state}`)}, ${label}`, people: { behind: { insight: "lifecycle", question: asked, place: { bucket, state } } } });
  };
  return (
    <div className="stack">
      <div ref={ref} className="chart">
        <svg width={width} height={height} data-chart="lifecycle" role="group" aria-label={t("screen.lifecycle")}>
          {y.ticks(6).map((one) => (
            <g key={one}>
              <line x1={left} x2={width - 8} y1={y(one)} y2={y(one)} stroke={one === 0 ? "var(--line-strong)" : "var(--line)"} />
              <text x={left - 8} y={y(one)} dy=".32em" textAnchor="end" fontSize="12" fill="var(--muted)">
                {format.short(Math.abs(one))}
              </text>
            </g>
          ))}
          {spread(data.buckets.length, Math.floor(width / 78)).map((at) => (
            <text key={at} x={x(at)} y={height - 6} textAnchor="middle" fontSize="12" fill="var(--muted)">
              {bucketLabel(data.buckets[at]!.label)}
            </text>
          ))}
          <MarkLines marks={marks} x={x} top={8} bottom={height - 26} />
          {data.buckets.map((one, at) => {
            if (toNumber(one.new) === null) {
              return (
                <text key={one.label} x={x(at)} y={y(0) - 6} textAnchor="middle" fontSize="12" fill="var(--muted)" data-few={one.label}>
                  {saying(null, format.number)}
                </text>
              );
            }
            let from = 0;
            const parts: [State, number, number][] = STATES.map((state) => [state, from, (from += one[state])]);
            parts.push(["dormant", -one.dormant, 0]);
            return parts
              .filter(([, low, high]) => high > low)
              .map(([state, low, high]) => {
                const label = `${bucketLabel(one.label)}, ${t(`lifecycle.${state}`)}: ${format.number(high - low)}`;
                return (
                  <rect key={state} {...(opens ? { className: "opens", role: "button", tabIndex: 0 } : { role: "img" })} aria-label={label} x={x(at) - wide / 2} width={wide} y={y(high)} height={Math.max(1, y(low) - y(high) - 1)} rx="2" fill={COLOURS[state]} opacity={one.is_incomplete ? 0.55 : 1} onClick={() => opens && open(at, state)} onKeyDown={(event) => event.key === "Enter" && opens && open(at, state)}>
                    <title>{label}</title>
                  </rect>
                );
              });
          })}
        </svg>
        <MarkButtons marks={marks} x={x} width={width} onOpen={annotate && ((note) => annotate({ note }))} />
      </div>
      <ul className="legend">
        {(Object.keys(COLOURS) as State[]).map((state) => (
          <li key={state} className="legend-item">
            <i className="dot" style={{ background: COLOURS[state] }} />
            {t(`lifecycle.${state}`)}
          </li>
        ))}
      </ul>
    </div>
  );
}

export function StickinessView({ data, asked }: { data: StickinessData; asked: Question }) {
  const drill = useDrill();
  const opens = useOpens();
  const saying = useSaying();
  const period = data.periods[0];
  if (!period) return null;
  const people = toNumber(period.people);
  const most = Math.max(1, ...period.times.map((one) => toNumber(one.exactly.count) ?? 0));
  return (
    <div className="stack">
      <p className="muted num">
        {saying(people, (n) => t("common.people", { n }))} · {t("stickiness.mean", { n: saying(period.mean === null ? 0 : toNumber(period.mean), format.number) })}
      </p>
      <div className="histogram tall">
        {period.times.map((one) => {
          const count = toNumber(one.exactly.count);
          const label = `${t("stickiness.days")} ${one.times}: ${saying(count, (n) => t("common.people", { n }))}`;
          return (
            <button key={one.times} type="button" disabled={!count || !opens} aria-label={label} title={label} onClick={() => drill({ title: label, people: { behind: { insight: "stickiness", question: asked, place: { period: 0, times: one.times, counted: "exactly" } } } })}>
              <i style={{ blockSize: `${(100 * (count ?? 0)) / most}%` }} />
            </button>
          );
        })}
      </div>
      <div className="row histogram-ends muted num">
        <span>1</span>
        <span className="spacer">{t("stickiness.days")}</span>
        <span className="spacer">{period.times.at(-1)?.times}</span>
      </div>
    </div>
  );
}
