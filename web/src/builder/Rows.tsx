/** The rows of a question: series of a trend, or steps of a funnel. */
import { t, word } from "../i18n/t";
import { MEASURES, needsNumber, row as newRow, type Measure, type Row } from "../query/types";
import { Button, Choice, IconButton } from "../ui/basics";
import { EventBox, FieldBox } from "./choices";
import { Conditions } from "./Conditions";

const LETTERS = "ABCDEFGHIJKLMNOPQRST";

interface RowsProps {
  rows: Row[];
  onChange: (rows: Row[]) => void;
  /** Steps have an order and no measure. */
  steps?: boolean;
  most: number;
}

export function Rows({ rows, onChange, steps = false, most }: RowsProps) {
  const set = (at: number, next: Row) => onChange(rows.map((one, place) => (place === at ? next : one)));
  const name = (at: number) => (steps ? t("builder.step", { n: at + 1 }) : t("builder.series", { letter: LETTERS[at]! }));
  return (
    <ol className="rows">
      {rows.map((row, at) => (
        <li key={at} className="builder-row" aria-label={name(at)}>
          <span className="letter" aria-hidden="true">
            {steps ? at + 1 : LETTERS[at]}
          </span>
          <div className="builder-row-body">
            <span className="row tight">
              {!steps && <Choice<Measure> label={t("measure.label")} quiet value={row.measure} options={MEASURES.map((one) => [one, word("measure", one)] as const)} onChange={(measure) => set(at, { ...row, measure })} />}
              {needsNumber(row.measure) && <FieldBox label={t("builder.of")} numbers value={row.of ?? ""} onChange={(of) => set(at, { ...row, of })} autoFocus={!row.of} />}
              <EventBox label={`${t("builder.event")}, ${name(at)}`} any={steps ? null : t("common.any")} value={row.event} onChange={(event) => set(at, { ...row, event })} />
              <Conditions conds={row.where} event={row.event} onChange={(where) => set(at, { ...row, where })} add={t("builder.where")} />
            </span>
          </div>
          <span className="row-tools">
            {steps && at > 0 && <IconButton icon="up" label={`${t("builder.up")}: ${name(at)}`} onClick={() => onChange(swapped(rows, at, at - 1))} />}
            {steps && at < rows.length - 1 && <IconButton icon="down" label={`${t("builder.down")}: ${name(at)}`} onClick={() => onChange(swapped(rows, at, at + 1))} />}
            {rows.length > 1 && (
              <IconButton
                icon="close"
                label={steps ? t("builder.removestep", { n: at + 1 }) : t("builder.removeseries", { letter: LETTERS[at]! })}
                onClick={() => onChange(rows.filter((_, place) => place !== at))}
              />
            )}
          </span>
        </li>
      ))}
      {rows.length < most && (
        <li>
          <Button look="quiet" icon="plus" onClick={() => onChange([...rows, steps ? newRow() : newRow(null, rows.at(-1)?.measure ?? "count")])}>
            {steps ? t("builder.addstep") : t("builder.addseries")}
          </Button>
        </li>
      )}
    </ol>
  );
}

function swapped(rows: Row[], one: number, other: number): Row[] {
  const next = [...rows];
  [next[one], next[other]] = [rows[other]!, rows[one]!];
  return next;
}
