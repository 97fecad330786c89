/** Which annotations stand in which bucket of a chart. */
import type { Annotation } from "../api/boards";

export interface Span {
  since: string;
  until: string;
}
export interface Mark {
  /** The bucket it stands in. */
  bucket: number;
  notes: Annotation[];
}

/** Return the annotations that lie in the buckets, those of one bucket together. */
export function marksOf(notes: readonly Annotation[], buckets: readonly Span[]): Mark[] {
  const found: Mark[] = [];
  const edges = buckets.map((one) => [Date.parse(one.since), Date.parse(one.until)] as const);
  for (const note of notes) {
    const at = Date.parse(note.at);
    const bucket = edges.findIndex(([since, until]) => at >= since && at < until);
    if (bucket < 0) continue;
    const there = found.find((one) => one.bucket === bucket);
    if (there) there.notes.push(note);
    else found.push({ bucket, notes: [note] });
  }
  return found.sort((a, b) => a.bucket - b.bucket);
}
