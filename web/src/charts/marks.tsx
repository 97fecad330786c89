/** Annotations on a chart over time: a line where each stands, and its text when it is pointed at or focused. */
import { useMemo } from "react";
import { useAnnotations, type Annotation } from "../api/boards";
import { format, t, word } from "../i18n/t";
import { marksOf, type Mark, type Span } from "./marking";

export type { Mark, Span };

/** Return the marks of the project's annotations on these buckets. */
export function useMarks(buckets: readonly Span[]): Mark[] {
  const notes = useAnnotations().data?.annotations;
  return useMemo(() => marksOf(notes ?? [], buckets), [notes, buckets]);
}

export function MarkLines({ marks, x, top, bottom }: { marks: readonly Mark[]; x: (bucket: number) => number; top: number; bottom: number }) {
  return marks.map((one) => <line key={one.bucket} x1={x(one.bucket)} x2={x(one.bucket)} y1={top} y2={bottom} stroke="var(--line-strong)" strokeWidth="1.5" strokeDasharray="5 3" data-mark={one.bucket} />);
}

/** What can be pointed at and focused; `onOpen` changes an annotation. */
export function MarkButtons({ marks, x, width, onOpen }: { marks: readonly Mark[]; x: (bucket: number) => number; width: number; onOpen?: ((note: Annotation) => void) | undefined }) {
  if (marks.length === 0) return null;
  return (
    <ul className="marks" aria-label={t("mark.list")}>
      {marks.map((one) => (
        <li key={one.bucket} className={x(one.bucket) > width / 2 ? "mark late" : "mark"} style={{ insetInlineStart: x(one.bucket) }}>
          {one.notes.map((note, at) => (
            <span key={note.id} className="mark-one" style={{ insetBlockStart: at * 26 }}>
              <button type="button" className={`mark-sign ${note.kind}`} aria-label={sentence(note)} onClick={() => onOpen?.(note)} />
              <span className="mark-text" aria-hidden="true">
                <b>{word("mark", note.kind)}</b> <time className="muted">{format.time(note.at)}</time>
                <span>{note.text}</span>
              </span>
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}

/** The annotations of a table's range, as its caption tells them. */
export function MarkCaption({ marks }: { marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <ul className="mark-caption" aria-label={t("mark.list")}>
      {marks.flatMap((one) => one.notes).map((note) => (
        <li key={note.id}>{sentence(note)}</li>
      ))}
    </ul>
  );
}

export function sentence(note: Annotation): string {
  return t("mark.said", { kind: word("mark", note.kind), when: format.time(note.at), text: note.text });
}
