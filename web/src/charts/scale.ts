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

/** Return each value as a share of all at its place; nothing of nothing. */
export function shares(series: (number | null)[][]): (number | null)[][] {
  const sums = (series[0] ?? []).map((_, at) => series.reduce((sum, values) => sum + Math.max(0, values[at] ?? 0), 0));
  return series.map((values) => values.map((value, at) => (sums[at]! > 0 ? Math.max(0, value ?? 0) / sums[at]! : 0)));
}

/** Return nothing and the powers of ten up to a number, the places of an axis that grows tenfold. */
export function decades(top: number): number[] {
  const found = [0];
  for (let one = 1; one <= top; one *= 10) found.push(one);
  if (found.length === 1 && top > 0) found.push(top);
  return found;
}

/** Return the node an arrow key leads to: the nearest in height of the step beside, or the next in the same. */
export function beside<N extends { step: number; place: number; y0?: number | undefined }>(nodes: N[], from: N, key: string): N | undefined {
  const step = { ArrowLeft: from.step - 1, ArrowRight: from.step + 1, ArrowUp: from.step, ArrowDown: from.step }[key];
  if (step === undefined) return undefined;
  const within = nodes.filter((one) => one.step === step);
  if (key === "ArrowUp" || key === "ArrowDown") return within.find((one) => one.place === from.place + (key === "ArrowUp" ? -1 : 1));
  const away = (one: N) => Math.abs((one.y0 ?? 0) - (from.y0 ?? 0));
  return [...within].sort((a, b) => away(a) - away(b))[0];
}
