/** What the charts share that is no drawing: colours, ticks, sums and sentences. */

export interface Paint {
  colour: string;
  /** A dash pattern beside the colour, so that a print in black and white can be read. */
  dash: string;
}

const COLOURS = 6;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "12 4"];

/**
 * Return the paint of each value. A value keeps its colour from chart to chart, since that follows from
 * its name; two that would have the same in one chart part, and from the seventh on they differ by dash.
 */
export function paints(values: { label: string; isOther?: boolean }[], byName: boolean): Paint[] {
  const taken: (number | undefined)[] = [];
  const used = new Set<number>();
  values.forEach((one, at) => {
    if (one.isOther) return;
    let slot = byName ? hash(one.label) % COLOURS : at % COLOURS;
    if (used.size >= COLOURS) used.clear();
    while (used.has(slot)) slot = (slot + 1) % COLOURS;
    used.add(slot);
    taken[at] = slot;
  });
  const seen = new Map<number, number>();
  return values.map((one, at) => {
    const slot = taken[at];
    if (one.isOther || slot === undefined) return { colour: "var(--other)", dash: "2 2" };
    const again = seen.get(slot) ?? 0;
    seen.set(slot, again + 1);
    return { colour: `var(--s${slot + 1})`, dash: DASHES[(slot + again * 3) % DASHES.length]! };
  });
}

export function hash(text: string): number {
  let found = 2_166_136_261;
  for (let at = 0; at < text.length; at++) found = Math.imul(found ^ text.charCodeAt(at), 16_777_619);
  return found >>> 0;
}

/** Return the places of labels on an axis: at most as many as fit, evenly, with the first. */
export function spread(count: number, most: number): number[] {
  if (count <= 0) return [];
  const every = Math.max(1, Math.ceil(count / Math.max(1, most)));
  return Array.from({ length: Math.ceil(count / every) }, (_, at) => at * every);
}

/** Return the stacked bounds of each series at each place; what is missing is nothing. */
export function stack(series: (number | null)[][]): [number, number][][] {
  const sums: number[] = [];
  return series.map((values) =>
    values.map((value, at) => {
      const low = sums[at] ?? 0;
      sums[at] = low + Math.max(0, value ?? 0);
      return [low, sums[at]!] as [number, number];
    }),
  );
}

/** Return by how much a number changed, as a share of what it was; null of nothing. */
export function change(now: number | null, before: number | null | undefined): number | null {
  return now === null || !before ? null : (now - before) / before;
}
