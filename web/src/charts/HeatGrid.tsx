/** Where on a page people click: its width from left to right, its height downwards, darker where there are more. */
import { useId, useMemo, useState, type KeyboardEvent } from "react";
import { format, t } from "../i18n/t";

export interface HeatCell {
  column: number;
  band: number;
  clicks: number;
  people: number;
}

const ROW = 12;
const WIDE = 600;

export function HeatGrid({ label, cells, columns, bands, band, onOpen }: { label: string; cells: readonly HeatCell[]; columns: number; bands: number; band: number; onOpen?: (cell: HeatCell, said: string) => void }) {
  const [at, setAt] = useState<[column: number, row: number] | null>(null);
  const [byKey, setByKey] = useState(false);
  const id = useId();
  const byPlace = useMemo(() => new Map(cells.map((one) => [`${one.column}:${one.band}`, one])), [cells]);
  const most = Math.max(1, ...cells.map((one) => one.clicks));
  const wide = WIDE / columns;
  const cell = at ? byPlace.get(`${at[0]}:${at[1]}`) : undefined;
  const said = at ? describe(at, cell, columns, band) : "";

  function press(event: KeyboardEvent): void {
    const [column, row] = at ?? [0, 0];
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [Math.max(0, column - 1), row],
      ArrowRight: [at ? Math.min(columns - 1, column + 1) : 0, row],
      ArrowUp: [column, Math.max(0, row - 1)],
      ArrowDown: [column, at ? Math.min(bands - 1, row + 1) : 0],
      Home: [0, row],
      End: [columns - 1, row],
    };
    const next = moves[event.key];
    if (next) {
      event.preventDefault();
      setByKey(true);
      setAt(next);
    } else if (event.key === "Enter" && cell) {
      event.preventDefault();
      onOpen?.(cell, said);
    } else if (event.key === "Escape" && at) {
      event.stopPropagation();
      setAt(null);
    }
  }

  return (
    <div className="heat-grid">
      <div role="application" aria-roledescription="grid of clicks" aria-label={label} aria-describedby={`${id}-hint`} tabIndex={0} className="chart-keys" onKeyDown={press} onBlur={() => setAt(null)}>
        <svg viewBox={`0 0 ${WIDE} ${bands * ROW}`} preserveAspectRatio="none" data-chart="heat" aria-hidden="true" className={onOpen ? "opens" : ""} style={{ blockSize: Math.max(160, bands * ROW) }} onPointerLeave={() => setAt(null)}>
          <rect width={WIDE} height={bands * ROW} fill="var(--bg)" />
          {cells.map((one) => (
            <rect
              key={`${one.column}:${one.band}`}
              x={one.column * wide}
              y={one.band * ROW}
              width={wide}
              height={ROW}
              fill={`color-mix(in oklab, var(--heat) ${18 + Math.round((82 * one.clicks) / most)}%, var(--surface))`}
              data-column={one.column}
              data-band={one.band}
              data-clicks={one.clicks}
              onPointerEnter={() => {
                setByKey(false);
                setAt([one.column, one.band]);
              }}
              onClick={() => onOpen?.(one, describe([one.column, one.band], one, columns, band))}
            />
          ))}
          {at && <rect x={at[0] * wide} y={at[1] * ROW} width={wide} height={ROW} fill="none" stroke="var(--focus)" strokeWidth="2" vectorEffect="non-scaling-stroke" pointerEvents="none" />}
        </svg>
      </div>
      <p id={`${id}-hint`} className="sr">
        {t("heat.hint")}
      </p>
      <p className="sr" aria-live="polite">
        {byKey ? said : ""}
      </p>
      <p className="muted num">{said || t("heat.scale", { n: most })}</p>
    </div>
  );
}

function describe([column, row]: [number, number], cell: HeatCell | undefined, columns: number, band: number): string {
  return t("heat.cell", {
    from: format.number((100 * column) / columns),
    to: format.number((100 * (column + 1)) / columns),
    top: row * band,
    bottom: (row + 1) * band,
    n: cell ? t("heat.clicks", { n: cell.clicks }) : t("heat.empty"),
    people: t("common.people", { n: cell?.people ?? 0 }),
  });
}
