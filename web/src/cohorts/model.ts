/** A cohort as its form has it, and as the project defines it. */
import { condition, filter, isWhole } from "../query/ask";
import { OPS, type Cond, type Op, type Scalar } from "../query/types";

type Json = Record<string, unknown>;

export const RULES = ["did", "didnot", "is", "isnot", "in", "notin"] as const;
export type RuleKind = (typeof RULES)[number];

export interface Rule {
  kind: RuleKind;
  /** What was done; null is anything. */
  event: string | null;
  /** How often at least. */
  times: number;
  /** Within so many days; 0 is ever. */
  days: number;
  conds: Cond[];
  cohort: string;
}

export interface Draft {
  how: "rules" | "ids";
  match: "and" | "or";
  rules: Rule[];
  ids: string[];
  description: string;
}

export const NEW_RULE: Rule = { kind: "did", event: null, times: 1, days: 30, conds: [], cohort: "" };
export const NEW: Draft = { how: "rules", match: "and", rules: [NEW_RULE], ids: [], description: "" };

export interface Cohort {
  who: Json;
  of?: "people" | "accounts";
  description?: string;
  include_bots?: boolean;
  timezone?: string;
}

/** Whether a rule says all that it needs. */
export function isReady(rule: Rule): boolean {
  switch (rule.kind) {
    case "did":
    case "didnot":
      return Number.isInteger(rule.times) && rule.times > 0 && Number.isInteger(rule.days) && rule.days >= 0 && rule.conds.every(isWhole);
    case "is":
    case "isnot":
      return rule.conds.length > 0 && rule.conds.every(isWhole);
    default:
      return rule.cohort !== "";
  }
}

/** Return the definition of a draft, null while something that it needs is not filled in. */
export function defined(draft: Draft): Cohort | null {
  const about = draft.description.trim() ? { description: draft.description.trim() } : {};
  if (draft.how === "ids") return draft.ids.length === 0 ? null : { who: { op: "ids", ids: draft.ids }, ...about };
  if (draft.rules.length === 0 || !draft.rules.every(isReady)) return null;
  const members = draft.rules.map(member);
  return { who: members.length === 1 ? members[0]! : { op: draft.match, members }, ...about };
}

function member(rule: Rule): Json {
  switch (rule.kind) {
    case "did":
      return { ...did(rule), ...(rule.times > 1 ? { at_least: rule.times } : {}) };
    case "didnot":
      return not(did(rule));
    case "is":
      return { op: "has", filter: filter(rule.conds) };
    case "isnot":
      return not({ op: "has", filter: filter(rule.conds) });
    case "in":
      return { op: "in_cohort", cohort: rule.cohort };
    case "notin":
      return not({ op: "in_cohort", cohort: rule.cohort });
  }
}

function did(rule: Rule): Json {
  const where = filter(rule.conds);
  return { op: "did", ...(rule.event === null ? {} : { event: rule.event }), ...(where ? { filter: where } : {}), ...(rule.days > 0 ? { range: `${rule.days}d` } : {}) };
}

function not(one: Json): Json {
  return { op: "not", member: one };
}

/** Return the draft of a definition, null if it says something that the form cannot. */
export function draftOf(cohort: Cohort): Draft | null {
  const { who, of = "people", description = "", ...rest } = cohort;
  if (of !== "people" || Object.keys(rest).length > 0) return null;
  const op = who["op"];
  if (op === "ids") return { ...NEW, how: "ids", ids: who["ids"] as string[], description };
  const members = op === "and" || op === "or" ? (who["members"] as Json[]) : [who];
  const rules = members.map(ruleOf);
  if (rules.length === 0 || rules.includes(null)) return null;
  return { ...NEW, how: "rules", match: op === "or" ? "or" : "and", rules: rules as Rule[], description };
}

function ruleOf(one: Json): Rule | null {
  const negated = one["op"] === "not";
  const inner = (negated ? one["member"] : one) as Json;
  switch (inner["op"]) {
    case "did":
      return didOf(inner, negated);
    case "has": {
      const conds = condsOf(inner["filter"]);
      return conds && { ...NEW_RULE, kind: negated ? "isnot" : "is", conds };
    }
    case "in_cohort":
      return typeof inner["cohort"] === "string" ? { ...NEW_RULE, kind: negated ? "notin" : "in", cohort: inner["cohort"] } : null;
    default:
      return null;
  }
}

function didOf({ op: _, event = null, filter: where, at_least = 1, range, ...rest }: Json, negated: boolean): Rule | null {
  const days = range === undefined ? 0 : Number(/^([1-9]\d{0,3})d$/.exec(String(range))?.[1] ?? NaN);
  const conds = where === undefined ? [] : condsOf(where);
  const times = Number(at_least);
  const simple = (event === null || typeof event === "string") && Object.keys(rest).length === 0 && conds !== null && !Number.isNaN(days) && Number.isInteger(times) && times > 0;
  if (!simple || (negated && times > 1)) return null;
  return { ...NEW_RULE, kind: negated ? "didnot" : "did", event: event as string | null, times, days, conds };
}

function condsOf(where: unknown): Cond[] | null {
  const one = where as Json;
  const parts = one?.["op"] === "and" ? (one["filters"] as Json[]) : [one];
  const conds = parts.map(condOf);
  return conds.includes(null) ? null : (conds as Cond[]);
}

function condOf(one: Json): Cond | null {
  const op = one?.["op"] as Op;
  if (!(OPS as readonly string[]).includes(op) || typeof one["field"] !== "string") return null;
  const values = one["values"] ?? (op === "between" ? [one["low"], one["high"]] : op === "matches" ? [one["pattern"]] : one["value"] === undefined ? [] : [one["value"]]);
  const cond = { field: one["field"], op, values: values as Scalar[] };
  // What it would be written as again must be what it was: nothing may be lost by opening it.
  return isWhole(cond) && JSON.stringify(sorted(condition(cond))) === JSON.stringify(sorted(one)) ? cond : null;
}

function sorted(one: Json): [string, unknown][] {
  return Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The ids of a pasted list: one a line, or between commas; each once. */
export function idsOf(text: string): string[] {
  return [...new Set(text.split(/[\n,;\t]/).map((one) => one.trim()).filter(Boolean))];
}
