/** Numbers over time as lines, areas or bars. A pointer or the arrow keys move over the points. */
import { scaleLinear, scaleSymlog } from "d3-scale";
import { area, line } from "d3-shape";
import { useId, useMemo, useState, type KeyboardEvent, type PointerEvent } from "react";
import { bucketLabel, format, t } from "../i18n/t";
import type { Annotation } from "../api/boards";
import { MarkButtons, MarkLines, type Mark } from "./marks";
import { decades, shares, spread, stack, type Paint } from "./scale";
import { Tooltip } from "./Tooltip";
import { useWidth } from "./useWidth";

export interface Series extends Paint {
  key: string;
  label: string;
  values: (number | null)[];
  compared?: (number | null)[] | null;
  /** Where the true value of each point lies, 95 times in 100. */
  band?: ([number, number] | null)[] | null;
}

export interface Bucket {
  label: string;
  is_incomplete: boolean;
}

interface TimeChartProps {
  label: string;
  kind: "line" | "area" | "bar";
  buckets: Bucket[];
  series: Series[];
  stacked: boolean;
  /** What is stacked is drawn as a share of its bucket. */
  asShare?: boolean;
  /** Each step of the axis is ten times the one below it. */
  log?: boolean;
  height?: number;
  /** Opens what is behind a point. */
  onOpen?: ((series: string, bucket: number) => void) | undefined;
  /** Annotations, and what one does that is chosen; or, by the key `a`, the bucket that is looked at. */
  marks?: readonly Mark[];
  onMark?: ((what: { note: Annotation } | { bucket: number }) => void) | undefined;
  say?: (value: number) => string;
  /** How the axis says a number; shorter than a point does. */
  axis?: (value: number) => string;
}

interface Cursor {
  bucket: number;
  series: number;
}

export function TimeChart({ label, kind, buckets, series, stacked, asShare = false, log = false, height = 280, onOpen, marks = [], onMark, say = format.number, axis = format.short }: TimeChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [cursor, setCursor] = useState<Cursor | null>(null);
  const [byKey, setByKey] = useState(false);
  const id = useId();
  const bounds = useMemo(() => {
    if (!stacked) return null;
    const values = series.map((one) => one.values);
    return stack(asShare ? shares(values) : values);
  }, [series, stacked, asShare]);
  const isShare = stacked && asShare;
  const axisSays = isShare ? (one: number) => format.percent(one) : axis;
  const top = useMemo(() => highest(series, bounds), [series, bounds]);
  const y = log && !isShare ? scaleSymlog().domain([0, top || 1]) : isShare ? scaleLinear().domain([0, 1]) : scaleLinear().domain([0, top || 1]).nice(4);
  // Half an event is no place on an axis.
  const ticks = log && !isShare ? decades(top) : top <= 5 && !isShare && series.every((one) => one.values.every((value) => Number.isInteger(value ?? 0))) ? y.ticks(4).filter(Number.isInteger) : y.ticks(4);
  const left = Math.max(...ticks.map((one) => axisSays(one).length)) * 7.2 + 14;
  const box = { left, right: width - 12, top: 10, bottom: height - 26 };
  y.range([box.bottom, box.top]);
  const slot = (box.right - box.left) / Math.max(1, buckets.length);
  const x = (at: number) => (kind === "bar" || buckets.length === 1 ? box.left + slot * (at + 0.5) : box.left + ((box.right - box.left) * at) / (buckets.length - 1));
  const labels = spread(buckets.length, Math.floor((box.right - box.left) / 78));
  const settled = lastWhole(buckets);

  const value = (one: Cursor) => series[one.series]?.values[one.bucket] ?? null;
  const height_ = (one: Cursor) => (bounds ? (bounds[one.series]?.[one.bucket]?.[1] ?? 0) : (value(one) ?? 0));

  function point(event: PointerEvent<SVGSVGElement>): void {
    const rect = event.currentTarget.getBoundingClientRect();
    const at = event.clientX - rect.left - box.left;
    const raw = kind === "bar" ? Math.floor(at / slot) : Math.round((at / (box.right - box.left)) * (buckets.length - 1));
    const bucket = Math.min(buckets.length - 1, Math.max(0, raw || 0));
    const level = y.invert(event.clientY - rect.top);
    let nearest = 0;
    series.forEach((_, place) => {
      const one = { bucket, series: place };
      const best = { bucket, series: nearest };
      if (bounds) {
        if (level > (bounds[place]?.[bucket]?.[0] ?? 0)) nearest = place;
      } else if (Math.abs(height_(one) - level) < Math.abs(height_(best) - level)) nearest = place;
    });
    setByKey(false);
    setCursor({ bucket, series: nearest });
  }

  function press(event: KeyboardEvent): void {
    const here = cursor ?? { bucket: buckets.length - 1, series: 0 };
    const moves: Record<string, Cursor> = {
      ArrowLeft: { ...here, bucket: cursor ? Math.max(0, here.bucket - 1) : here.bucket },
      ArrowRight: { ...here, bucket: Math.min(buckets.length - 1, here.bucket + 1) },
      ArrowUp: { ...here, series: (here.series + series.length - 1) % series.length },
      ArrowDown: { ...here, series: (here.series + 1) % series.length },
      Home: { ...here, bucket: 0 },
      End: { ...here, bucket: buckets.length - 1 },
    };
    const moved = moves[event.key];
    if (moved) {
      event.preventDefault();
      setByKey(true);
      setCursor(moved);
    } else if (event.key === "Enter" && cursor) {
      event.preventDefault();
      open(cursor);
    } else if (event.key === "a" && cursor && onMark && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      onMark({ bucket: cursor.bucket });
    } else if (event.key === "Escape" && cursor) {
      event.stopPropagation();
      setCursor(null);
    }
  }

  function open(at: Cursor): void {
    const chosen = series[at.series];
    if (chosen && value(at) !== null) onOpen?.(chosen.key, at.bucket);
  }

  const said = cursor && describePoint(series[cursor.series], buckets[cursor.bucket], cursor.bucket, say);
  return (
    <div ref={ref} className="chart">
      <div role="application" aria-roledescription="chart" aria-label={label} aria-describedby={`${id}-hint`} tabIndex={0} className="chart-keys" onKeyDown={press} onBlur={() => setCursor(null)}>
        <svg width={width} height={height} data-chart={kind} aria-hidden="true" className={onOpen ? "opens" : ""} onPointerMove={point} onPointerLeave={() => setCursor(null)} onClick={() => cursor && open(cursor)}>
          <Patterns id={id} series={series} />
          {ticks.map((one) => (
            <g key={one}>
              <line x1={box.left} x2={box.right} y1={y(one)} y2={y(one)} stroke="var(--line)" />
              <text x={box.left - 8} y={y(one)} dy=".32em" textAnchor="end" fontSize="12" fill="var(--muted)" className="num">
                {axisSays(one)}
              </text>
            </g>
          ))}
          {labels.map((at) => (
            <text key={at} x={x(at)} y={height - 8} textAnchor={kind === "bar" || buckets.length === 1 ? "middle" : at === 0 ? "start" : at === buckets.length - 1 ? "end" : "middle"} fontSize="12" fill="var(--muted)">
              {bucketLabel(buckets[at]?.label ?? "")}
            </text>
          ))}
          <MarkLines marks={marks} x={x} top={box.top} bottom={box.bottom} />
          {cursor && <line x1={x(cursor.bucket)} x2={x(cursor.bucket)} y1={box.top} y2={box.bottom} stroke="var(--line-strong)" strokeDasharray="2 2" />}
          {series.map((one, place) => (
            <g key={one.key} data-series={one.label} opacity={cursor && cursor.series !== place && series.length > 1 ? 0.55 : 1}>
              {one.compared && !stacked && <path d={path(one.compared, x, y) ?? ""} fill="none" stroke={one.colour} strokeWidth="1.5" strokeDasharray="1 4" strokeLinecap="round" opacity=".75" />}
              {one.band && !stacked && kind !== "bar" && <path d={between(one.band, x, y) ?? ""} fill={one.colour} opacity=".16" data-band={one.label} />}
              {kind === "bar" ? (
                <Bars {...{ one, place, count: series.length, bounds: bounds?.[place] ?? null, x, y, slot, buckets, fill: `url(#${id}-${place})` }} />
              ) : (
                <>
                  {kind === "area" && <path d={shape(one.values, bounds?.[place] ?? null, x, y) ?? ""} fill={one.colour} opacity={stacked ? 0.55 : 0.16} />}
                  <path d={path(heights(one, bounds?.[place] ?? null).slice(0, settled + 1), x, y) ?? ""} fill="none" stroke={one.colour} strokeWidth={stacked ? 1 : 2} strokeDasharray={series.length > 1 && !stacked ? one.dash : ""} strokeLinejoin="round" />
                  {settled < buckets.length - 1 && <path d={path(heights(one, bounds?.[place] ?? null), x, y, Math.max(0, settled)) ?? ""} fill="none" stroke={one.colour} strokeWidth="2" strokeDasharray="3 4" opacity=".8" data-incomplete="" />}
                  {lonely(one.values).map((at) => (
                    <circle key={at} cx={x(at)} cy={y(height_({ bucket: at, series: place }))} r="3.5" fill={one.colour} />
                  ))}
                </>
              )}
              {one.band && !stacked && kind === "bar" && <Whiskers band={one.band} x={(at) => x(at) + offset(place, series.length, slot)} y={y} />}
            </g>
          ))}
          {cursor && value(cursor) !== null && kind !== "bar" && (
            <circle cx={x(cursor.bucket)} cy={y(height_(cursor))} r="5" fill="var(--surface)" stroke={series[cursor.series]?.colour} strokeWidth="2.5" data-series={series[cursor.series]?.label} data-x={buckets[cursor.bucket]?.label} data-y={value(cursor)} />
          )}
        </svg>
      </div>
      <MarkButtons marks={marks} x={x} width={width} onOpen={onMark && ((note) => onMark({ note }))} />
      <p id={`${id}-hint`} className="sr">
        {t("chart.hint")}
      </p>
      <p className="sr" aria-live="polite">
        {byKey ? said : ""}
      </p>
      {cursor && <Tooltip x={x(cursor.bucket)} width={width} bucket={buckets[cursor.bucket]} series={series} at={cursor.bucket} chosen={cursor.series} say={say} opens={Boolean(onOpen)} />}
    </div>
  );
}

function Whiskers({ band, x, y }: { band: ([number, number] | null)[]; x: (at: number) => number; y: (value: number) => number }) {
  return band.map((one, at) => one && <path key={at} d={`M${x(at)} ${y(one[0])}V${y(one[1])}m-3 0h6M${x(at) - 3} ${y(one[0])}h6`} stroke="var(--text)" strokeWidth="1.2" fill="none" data-whisker="" />);
}

/** How far the bar of a series is beside the middle of its bucket. */
function offset(place: number, count: number, slot: number): number {
  const whole = Math.min(48, Math.max(1, slot - Math.min(8, slot * 0.25)));
  return -whole / 2 + ((place + 0.5) * whole) / count;
}

function Bars({ one, place, count, bounds, x, y, slot, buckets, fill }: { one: Series; place: number; count: number; bounds: [number, number][] | null; x: (at: number) => number; y: (value: number) => number; slot: number; buckets: Bucket[]; fill: string }) {
  const whole = Math.min(48, Math.max(1, slot - Math.min(8, slot * 0.25)));
  const wide = bounds ? whole : whole / count;
  return one.values.map((value, at) => {
    if (value === null) return null;
    const [low, high] = bounds?.[at] ?? [0, value];
    const left = x(at) - whole / 2 + (bounds ? 0 : place * wide);
    return (
      <rect key={at} x={left} width={Math.max(0.5, wide - (bounds || count === 1 ? 0 : 1))} y={y(high)} height={Math.max(0, y(low) - y(high))} rx={wide > 6 ? 2 : 0} fill={fill} opacity={buckets[at]?.is_incomplete ? 0.5 : 1} stroke={buckets[at]?.is_incomplete ? one.colour : "none"} strokeDasharray="3 3" data-x={buckets[at]?.label} data-y={value} />
    );
  });
}

/** Bars of several series differ by hatching too. */
function Patterns({ id, series }: { id: string; series: Series[] }) {
  return (
    <defs>
      {series.map((one, place) => (
        <pattern key={one.key} id={`${id}-${place}`} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform={`rotate(${45 + (place % 3) * 45})`}>
          <rect width="6" height="6" fill={one.colour} />
          {place > 0 && <line x1="0" x2="0" y1="0" y2="6" stroke="var(--surface)" strokeWidth={1 + (place % 2)} opacity=".45" />}
        </pattern>
      ))}
    </defs>
  );
}

function heights(one: Series, bounds: [number, number][] | null): (number | null)[] {
  return bounds ? bounds.map(([, high]) => high) : one.values;
}

function path(values: (number | null)[], x: (at: number) => number, y: (value: number) => number, from = 0): string | null {
  const points = values.map((value, at) => ({ value, at })).slice(from);
  return line<(typeof points)[number]>()
    .defined((one) => one.value !== null)
    .x((one) => x(one.at))
    .y((one) => y(one.value ?? 0))(points);
}

/** The places of values with none beside them, which a line would not show. */
export function lonely(values: readonly (number | null)[]): number[] {
  const is = (at: number) => (values[at] ?? null) !== null;
  return values.flatMap((_, at) => (is(at) && !is(at - 1) && !is(at + 1) ? [at] : []));
}

function between(band: ([number, number] | null)[], x: (at: number) => number, y: (value: number) => number): string | null {
  return area<[number, number] | null>()
    .defined((one) => one !== null)
    .x((_, at) => x(at))
    .y0((one) => y(one![0]))
    .y1((one) => y(one![1]))(band);
}

function shape(values: (number | null)[], bounds: [number, number][] | null, x: (at: number) => number, y: (value: number) => number): string | null {
  return area<number | null>()
    .defined((value) => value !== null)
    .x((_, at) => x(at))
    .y0((_, at) => y(bounds?.[at]?.[0] ?? 0))
    .y1((value, at) => y(bounds?.[at]?.[1] ?? value ?? 0))(values);
}

function highest(series: Series[], bounds: [number, number][][] | null): number {
  const all = bounds ? bounds.flat().map(([, high]) => high) : series.flatMap((one) => [...one.values, ...(one.compared ?? []), ...(one.band ?? []).map((edge) => edge?.[1] ?? 0)]);
  return all.reduce<number>((most, one) => Math.max(most, one ?? 0), 0);
}

/** Return the place of the last bucket before those at the end that are not over yet. */
function lastWhole(buckets: Bucket[]): number {
  let at = buckets.length - 1;
  while (at > 0 && buckets[at]?.is_incomplete) at--;
  return at;
}

function describePoint(series: Series | undefined, bucket: Bucket | undefined, at: number, say: (value: number) => string): string {
  const value = series?.values[at] ?? null;
  const edges = series?.band?.[at];
  const text = t("chart.point", { series: series?.label ?? "", when: bucketLabel(bucket?.label ?? ""), value: value === null ? t("common.none") : say(value) });
  const told = edges ? t("chart.pointband", { point: text, low: say(edges[0]), high: say(edges[1]) }) : text;
  return bucket?.is_incomplete ? `${told} (${t("chart.incomplete")})` : told;
}
