/** Conditions that events must satisfy, each as a chip that opens to be changed, and groups of them. */
import { useState } from "react";
import { Button as AriaButton } from "react-aria-components/Button";
import { Dialog, DialogTrigger } from "react-aria-components/Dialog";
import { Popover } from "react-aria-components/Popover";
import { useDefinitions, useNames, useValues } from "../api/queries";
import { format, t, word } from "../i18n/t";
import { isWhole } from "../query/ask";
import { describeCond } from "../query/describe";
import { ARITY, COHORT, DEEPEST, isGroup, opsOf, type Clause, type Cond, type Group, type Op, type Scalar } from "../query/types";
import { Button, Choice, IconButton } from "../ui/basics";
import { Combobox } from "../ui/Combobox";
import { Icon } from "../ui/Icon";
import { FieldBox, isNumberField } from "./choices";
import { useBuilderRange } from "./range";

interface ConditionsProps {
  conds: Clause[];
  onChange: (conds: Clause[]) => void;
  event: string | null;
  add?: string;
  /** Offer a group also before there is any filter. */
  groups?: boolean;
  /** How many groups these are within. */
  depth?: number;
}

export function Conditions({ conds, onChange, event, add = t("builder.addfilter"), groups = false, depth = 0 }: ConditionsProps) {
  const set = (at: number, next: Clause) => onChange(conds.map((one, place) => (place === at ? next : one)));
  const remove = (at: number) => onChange(conds.filter((_, place) => place !== at));
  return (
    <span className="row tight">
      {conds.map((clause, at) =>
        isGroup(clause) ? (
          <GroupBox key={at} group={clause} event={event} depth={depth + 1} onChange={(next) => set(at, next)} onRemove={() => remove(at)} />
        ) : (
          <span key={at} className="chip">
            <Editor cond={clause} event={event} onChange={(next) => set(at, next)}>
              {describeCond(clause)}
            </Editor>
            <IconButton icon="close" label={t("builder.removefilter", { what: describeCond(clause) })} onClick={() => remove(at)} />
          </span>
        ),
      )}
      <Editor event={event} onChange={(next) => onChange([...conds, next])}>
        <Icon name="filter" size={14} /> {add}
      </Editor>
      {depth < DEEPEST && (groups || depth > 0 || conds.length > 0) && (
        <Button look="quiet" icon="plus" onClick={() => onChange([...conds, { join: depth === 0 ? "or" : "and", clauses: [] }])}>
          {t("builder.addgroup")}
        </Button>
      )}
    </span>
  );
}

function GroupBox({ group, event, depth, onChange, onRemove }: { group: Group; event: string | null; depth: number; onChange: (group: Group) => void; onRemove: () => void }) {
  return (
    <span className="filter-group" role="group" aria-label={t("builder.group")}>
      <Choice<Group["join"]> label={t("builder.join")} quiet value={group.join} options={[["or", t("builder.anyof")], ["and", t("builder.all")]]} onChange={(join) => onChange({ ...group, join })} />
      <IconButton icon="close" label={t("builder.removegroup")} onClick={onRemove} />
      <Conditions conds={group.clauses} event={event} depth={depth} onChange={(clauses) => onChange({ ...group, clauses })} />
    </span>
  );
}

const START: Cond = { field: "", op: "equals", values: [] };

function Editor({ cond, event, onChange, children }: { cond?: Cond; event: string | null; onChange: (cond: Cond) => void; children: React.ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <DialogTrigger isOpen={open} onOpenChange={setOpen}>
      <AriaButton className={cond ? "chip-open" : "button quiet"}>{children}</AriaButton>
      <Popover className="popover editor" placement="bottom start">
        <Dialog className="dialog-plain" aria-label={t("builder.where")}>
          <Draft
            start={cond ?? START}
            event={event}
            onDone={(next) => {
              onChange(next);
              setOpen(false);
            }}
          />
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}

function Draft({ start, event, onDone }: { start: Cond; event: string | null; onDone: (cond: Cond) => void }) {
  const [cond, setCond] = useState(start);
  const names = useNames().data;
  const isCohort = cond.field === COHORT;
  const values = useValues(isCohort ? "" : cond.field, event, useBuilderRange()).data ?? [];
  const cohorts = Object.keys(useDefinitions().data?.definitions.cohorts ?? {});
  const isNumber = isNumberField(cond.field, names);
  const arity = ARITY[cond.op];
  const read = (text: string): Scalar => (isNumber && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
  const groups = isCohort
    ? [{ label: t("screen.cohorts"), options: cohorts.map((one) => ({ id: one, label: one })) }]
    : [{ label: t("builder.values"), options: values.map((one) => ({ id: String(one.value), label: String(one.value), note: format.short(one.count) })) }];
  const set = (at: number, text: string) => {
    const next = [...cond.values];
    next[at] = read(text);
    setCond({ ...cond, values: next });
  };
  return (
    <form
      className="stack"
      onSubmit={(submitted) => {
        submitted.preventDefault();
        if (isWhole(cond)) onDone(cond);
      }}
    >
      <FieldBox withCohorts value={cond.field} onChange={(field) => setCond({ field, op: opsOf(field).includes(cond.op) ? cond.op : opsOf(field)[0]!, values: [] })} autoFocus={!cond.field} />
      <Choice<Op> label={t("builder.op")} value={cond.op} options={opsOf(cond.field).map((op) => [op, word("op", op)] as const)} onChange={(op) => setCond({ ...cond, op, values: ARITY[op] < 0 ? cond.values : cond.values.slice(0, ARITY[op]) })} quiet />
      {arity < 0 && (
        <span className="row tight">
          {cond.values.map((one) => (
            <span key={String(one)} className="chip">
              <span className="chip-text">{String(one)}</span>
              <IconButton icon="close" label={t("builder.removefilter", { what: String(one) })} onClick={() => setCond({ ...cond, values: cond.values.filter((other) => other !== one) })} />
            </span>
          ))}
        </span>
      )}
      {arity < 0 && <Combobox key={cond.values.length} label={t("builder.value")} groups={groups} value={null} free onChange={(text) => text && !cond.values.includes(read(text)) && set(cond.values.length, text)} />}
      {Array.from({ length: Math.max(0, arity) }, (_, at) => (
        <Combobox key={`${cond.field}-${at}`} label={t("builder.value")} groups={groups} value={cond.values[at] === undefined ? null : String(cond.values[at])} free onChange={(text) => set(at, text)} />
      ))}
      <Button look="main" type="submit" disabled={!isWhole(cond)}>
        {t("common.done")}
      </Button>
    </form>
  );
}
