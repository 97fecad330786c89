/** All series at one moment, beside the point that is looked at. */
import { bucketLabel, t } from "../i18n/t";
import { useSaying } from "../views/opening";
import type { Bucket, Series } from "./TimeChart";

interface TooltipProps {
  x: number;
  width: number;
  bucket: Bucket | undefined;
  series: Series[];
  at: number;
  chosen: number;
  say: (value: number) => string;
  opens: boolean;
}

const MOST = 10;

export function Tooltip({ x, width, bucket, series, at, chosen, say, opens }: TooltipProps) {
  const saying = useSaying();
  const rows = series
    .map((one, place) => ({ one, place, value: one.values[at] ?? null }))
    .sort((a, b) => (b.value ?? -1) - (a.value ?? -1))
    .slice(0, MOST);
  const side = x > width / 2 ? { insetInlineEnd: width - x + 14 } : { insetInlineStart: x + 14 };
  return (
    <div className="tooltip" style={side} aria-hidden="true">
      <div className="tooltip-head">
        {bucketLabel(bucket?.label ?? "")}
        {bucket?.is_incomplete && <span className="muted"> · {t("chart.incomplete")}</span>}
      </div>
      {rows.map(({ one, place, value }) => (
        <div key={one.key} className={`tooltip-row ${place === chosen ? "chosen" : ""}`}>
          <i className="dot" style={{ background: one.colour }} />
          <span className="cut">{one.label}</span>
          <b className="num">{saying(value, say)}</b>
          {one.compared && <span className="muted num">{saying(one.compared[at] ?? null, say)}</span>}
        </div>
      ))}
      {opens && <div className="muted tooltip-foot">{t("chart.open")}</div>}
    </div>
  );
}
