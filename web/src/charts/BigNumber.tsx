/** One number, how it changed in words, and its last days as a small line. */
import { line } from "d3-shape";
import { format, t } from "../i18n/t";
import { Icon } from "../ui/Icon";
import { useSaying } from "../views/opening";
import { change } from "./scale";

interface BigNumberProps {
  label: string;
  /** How the number is defined. */
  about?: string;
  value: number | null;
  before?: number | null;
  than?: string;
  trend?: (number | null)[];
  /** Whether more is good, as for most numbers; null where neither is. */
  moreIsGood?: boolean | null;
  say?: (value: number) => string;
  onOpen?: () => void;
}

export function BigNumber({ label, about, value, before, than, trend, moreIsGood = true, say = format.short, onOpen }: BigNumberProps) {
  const changed = change(value, before);
  const tone = changed === null || moreIsGood === null || Math.abs(changed) < 0.0005 ? "plain" : changed > 0 === moreIsGood ? "good" : "bad";
  const shown = useSaying()(value, say);
  return (
    <div className="big">
      <span className="big-label" title={about}>
        {label}
        {about && <span className="sr">. {about}</span>}
      </span>
      <span className="big-row">
        {onOpen ? (
          <button type="button" className="big-value num" onClick={onOpen} title={t("chart.open")}>
            {shown}
          </button>
        ) : (
          <span className="big-value num">{shown}</span>
        )}
        {trend && trend.length > 1 && <Spark values={trend} />}
      </span>
      {before !== undefined && (
        <span className={`big-change ${tone}`}>
          {changed === null ? "–" : (
            <>
              {changed !== 0 && <Icon name={changed > 0 ? "up" : "down"} size={12} />}
              <b className="num">{format.change(changed)}</b>
            </>
          )}{" "}
          <span className="muted">{than}</span>
        </span>
      )}
    </div>
  );
}

/** A line without axes; what it says stands beside it in numbers. */
export function Spark({ values, width = 96, height = 32, colour = "var(--accent)" }: { values: (number | null)[]; width?: number; height?: number; colour?: string }) {
  const top = Math.max(...values.map((one) => one ?? 0), 1);
  const x = (at: number) => 1 + (at * (width - 2)) / Math.max(1, values.length - 1);
  const y = (value: number) => height - 2 - (value / top) * (height - 4);
  const drawn = line<number | null>()
    .defined((one) => one !== null)
    .x((_, at) => x(at))
    .y((one) => y(one ?? 0));
  return (
    <svg width={width} height={height} className="spark" aria-hidden="true">
      <path d={drawn(values) ?? ""} fill="none" stroke={colour} strokeWidth="1.6" strokeLinejoin="round" />
    </svg>
  );
}
