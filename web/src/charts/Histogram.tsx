/** How many have how much, as bars side by side, with lines where half of them are and nine tenths. */
import { scaleLinear } from "d3-scale";
import { useId, useState, type KeyboardEvent } from "react";
import { t } from "../i18n/t";
import { spread } from "./scale";
import { useWidth } from "./useWidth";

export interface Bin {
  /** Where it begins and ends; null where it has no end. */
  low: number | null;
  high: number | null;
  count: number;
  /** How the axis names it, and what is said of it. */
  label: string;
  said: string;
  interval?: [number, number] | null;
}
export interface Line {
  label: string;
  value: number;
}

const HEIGHT = 280;

export function Histogram({ label, bins, lines, axis, onOpen }: { label: string; bins: Bin[]; lines: Line[]; axis: (value: number) => string; onOpen?: ((bin: number) => void) | undefined }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<number | null>(null);
  const [byKey, setByKey] = useState(false);
  const id = useId();
  const top = Math.max(1, ...bins.map((one) => Math.max(one.count, one.interval?.[1] ?? 0)));
  const y = scaleLinear().domain([0, top]).nice(4);
  const ticks = y.ticks(4).filter(Number.isInteger);
  const left = Math.max(...ticks.map((one) => axis(one).length)) * 7.2 + 14;
  const box = { left, right: width - 12, top: 24, bottom: HEIGHT - 26 };
  y.range([box.bottom, box.top]);
  const slot = (box.right - box.left) / Math.max(1, bins.length);
  const x = (bin: number) => box.left + slot * bin;
  const named = spread(bins.length, Math.floor((box.right - box.left) / 84));

  function press(event: KeyboardEvent): void {
    const last = bins.length - 1;
    const moves: Record<string, number> = { ArrowRight: Math.min(last, (at ?? -1) + 1), ArrowLeft: Math.max(0, (at ?? 1) - 1), Home: 0, End: last };
    const next = moves[event.key];
    if (next !== undefined) {
      event.preventDefault();
      setByKey(true);
      setAt(next);
    } else if (event.key === "Enter" && at !== null) {
      event.preventDefault();
      onOpen?.(at);
    } else if (event.key === "Escape" && at !== null) {
      event.stopPropagation();
      setAt(null);
    }
  }

  return (
    <div ref={ref} className="chart">
      <div role="application" aria-roledescription="chart" aria-label={label} aria-describedby={`${id}-hint`} tabIndex={0} className="chart-keys" onKeyDown={press} onBlur={() => setAt(null)}>
        <svg width={width} height={HEIGHT} data-chart="histogram" aria-hidden="true" className={onOpen ? "opens" : ""} onPointerLeave={() => setAt(null)}>
          {ticks.map((one) => (
            <g key={one}>
              <line x1={box.left} x2={box.right} y1={y(one)} y2={y(one)} stroke="var(--line)" />
              <text x={box.left - 8} y={y(one)} dy=".32em" textAnchor="end" fontSize="12" fill="var(--muted)" className="num">
                {axis(one)}
              </text>
            </g>
          ))}
          {bins.map((one, bin) => (
            <g
              key={bin}
              onPointerEnter={() => {
                setByKey(false);
                setAt(bin);
              }}
              onClick={() => onOpen?.(bin)}
            >
              <rect x={x(bin)} y={box.top} width={slot} height={box.bottom - box.top} fill={at === bin ? "var(--hover)" : "transparent"} />
              <rect x={x(bin) + slot * 0.06} y={y(one.count)} width={Math.max(1, slot * 0.88)} height={box.bottom - y(one.count)} rx="2" fill="var(--s1)" opacity={at === null || at === bin ? 1 : 0.6} data-x={one.label} data-y={one.count} />
              {one.interval && <path d={`M${x(bin) + slot / 2} ${y(one.interval[0])}V${y(one.interval[1])}m-4 0h8M${x(bin) + slot / 2 - 4} ${y(one.interval[0])}h8`} stroke="var(--text)" strokeWidth="1.4" fill="none" data-whisker="" />}
            </g>
          ))}
          {named.map((bin) => (
            <text key={bin} x={x(bin) + slot / 2} y={HEIGHT - 8} textAnchor="middle" fontSize="12" fill="var(--muted)">
              {bins[bin]?.label}
            </text>
          ))}
          {lines.map((one, place) => {
            const where = placeOf(one.value, bins);
            if (where === null) return null;
            const right = where > bins.length * 0.75;
            return (
              <g key={one.label} data-line={one.label}>
                <line x1={x(where)} x2={x(where)} y1={box.top - 8} y2={box.bottom} stroke="var(--s2)" strokeWidth="1.5" strokeDasharray="5 3" />
                <text x={x(where) + (right ? -5 : 5)} y={box.top - 12 + (place % 2) * 14} textAnchor={right ? "end" : "start"} fontSize="12" fill="var(--text)" stroke="var(--surface)" strokeWidth="3" paintOrder="stroke">
                  {one.label}
                </text>
              </g>
            );
          })}
        </svg>
      </div>
      <p id={`${id}-hint`} className="sr">
        {t("distribution.hint")}
      </p>
      <p className="sr" aria-live="polite">
        {byKey && at !== null ? bins[at]?.said : ""}
      </p>
      <p className="muted num" aria-hidden="true">
        {at === null ? " " : bins[at]?.said}
      </p>
    </div>
  );
}

/** Return where among the bars a value lies, in bars from the left; null if it lies in none. */
export function placeOf(value: number, bins: readonly { low: number | null; high: number | null }[]): number | null {
  const at = bins.findIndex((one) => (one.low === null || value >= one.low) && (one.high === null || value < one.high));
  const bin = bins[at];
  if (bin === undefined) return null;
  return bin.low === null || bin.high === null ? at + 0.5 : at + (value - bin.low) / (bin.high - bin.low);
}
