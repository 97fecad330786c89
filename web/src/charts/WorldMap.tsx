/** Countries of the world, shaded by a number. The arrow keys go from one to the next, most first; a list beside it says the same. */
import { useId, useMemo, useState, type KeyboardEvent } from "react";
import { t } from "../i18n/t";
import world from "./world.json";

export interface Country {
  /** ISO 3166-1, such as DE. */
  code: string;
  value: number;
  /** What is said of it. */
  label: string;
}

const SHAPES: Record<string, string> = world.shapes;
const STEPS = 6;

export default function WorldMap({ label, values, onOpen }: { label: string; values: Country[]; onOpen?: (code: string, label: string) => void }) {
  const [at, setAt] = useState<number | null>(null);
  const [byKey, setByKey] = useState(false);
  const id = useId();
  const ranked = useMemo(() => [...values].sort((a, b) => b.value - a.value), [values]);
  const known = useMemo(() => new Map(ranked.map((one, place) => [one.code, place])), [ranked]);
  const undrawn = ranked.filter((one) => !(one.code in SHAPES));
  const chosen = at === null ? undefined : ranked[at];

  function press(event: KeyboardEvent): void {
    const last = ranked.length - 1;
    const moves: Record<string, number> = { ArrowRight: Math.min(last, (at ?? -1) + 1), ArrowDown: Math.min(last, (at ?? -1) + 1), ArrowLeft: Math.max(0, (at ?? 1) - 1), ArrowUp: Math.max(0, (at ?? 1) - 1), Home: 0, End: last };
    const next = moves[event.key];
    if (next !== undefined && last >= 0) {
      event.preventDefault();
      setByKey(true);
      setAt(next);
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      onOpen?.(chosen.code, chosen.label);
    } else if (event.key === "Escape" && chosen) {
      event.stopPropagation();
      setAt(null);
    }
  }

  return (
    <div className="map">
      <div role="application" aria-roledescription="map" aria-label={label} aria-describedby={`${id}-hint`} tabIndex={0} className="chart-keys" onKeyDown={press} onBlur={() => setAt(null)}>
        <svg viewBox={`0 0 ${world.width} ${world.height}`} data-chart="map" aria-hidden="true" className={onOpen ? "opens" : ""} onPointerLeave={() => setAt(null)}>
          {Object.entries(SHAPES).map(([code, shape]) => {
            const place = known.get(code);
            const one = place === undefined ? undefined : ranked[place];
            return (
              <path
                key={code}
                d={shape}
                fill={shade(one?.value ?? 0, ranked[0]?.value ?? 0)}
                stroke={at !== null && place === at ? "var(--focus)" : "var(--surface)"}
                strokeWidth={at !== null && place === at ? 6 : 1.5}
                {...(one && { "data-country": code, "data-value": one.value })}
                onPointerEnter={() => {
                  setByKey(false);
                  setAt(place ?? null);
                }}
                onClick={() => one && onOpen?.(code, one.label)}
              />
            );
          })}
        </svg>
      </div>
      <p id={`${id}-hint`} className="sr">
        {t("map.hint")}
      </p>
      <p className="sr" aria-live="polite">
        {byKey && chosen ? chosen.label : ""}
      </p>
      <p className="muted num map-said">{chosen ? chosen.label : undrawn.length > 0 ? t("map.undrawn", { n: undrawn.length }) : t("map.point")}</p>
    </div>
  );
}

/** The more, the darker, in a few steps by orders of size: one large country must not make all others pale. */
function shade(value: number, most: number): string {
  if (value <= 0) return "var(--line)";
  const step = most <= 1 ? STEPS : 1 + Math.round(((STEPS - 1) * Math.log(value)) / Math.log(most));
  return `color-mix(in oklab, var(--s1) ${Math.round((100 * step) / STEPS)}%, var(--surface))`;
}
