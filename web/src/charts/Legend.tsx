/** The series of a chart with their totals; a click shows one alone, another shows all again. */
import { t } from "../i18n/t";
import type { Series } from "./TimeChart";

export function Legend({ series, totals, alone, onAlone }: { series: Series[]; totals: string[]; alone: string | null; onAlone: (key: string | null) => void }) {
  return (
    <ul className="legend" aria-label={t("chart.legend")}>
      {series.map((one, at) => (
        <li key={one.key}>
          <button type="button" className="legend-item" aria-pressed={alone === one.key} data-faint={alone !== null && alone !== one.key ? "" : undefined} onClick={() => onAlone(alone === one.key ? null : one.key)}>
            <svg width="22" height="10" aria-hidden="true">
              <line x1="1" x2="21" y1="5" y2="5" stroke={one.colour} strokeWidth="3" strokeDasharray={series.length > 1 ? one.dash : ""} />
            </svg>
            <span className="cut">{one.label}</span>
            <b className="num">{totals[at]}</b>
          </button>
        </li>
      ))}
    </ul>
  );
}
