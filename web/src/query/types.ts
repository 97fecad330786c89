/** What a screen asks, as its controls show it; `ask.ts` turns it into a question of the API. */

export type Scalar = string | number | boolean;

export const OPS = [
  "equals", "not_equals", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with", "matches",
  "gt", "gte", "lt", "lte", "between", "is_true", "is_false", "exists", "not_exists", "in_cohort", "not_in_cohort",
] as const;
export type Op = (typeof OPS)[number];

/** How many values an operator takes; -1 is one or more. */
export const ARITY: Record<Op, number> = {
  equals: 1, not_equals: 1, in: -1, not_in: -1, contains: 1, not_contains: 1, starts_with: 1, ends_with: 1, matches: 1,
  gt: 1, gte: 1, lt: 1, lte: 1, between: 2, is_true: 0, is_false: 0, exists: 0, not_exists: 0, in_cohort: 1, not_in_cohort: 1,
};

/** What stands for a field where it is about being in a cohort. */
export const COHORT = "cohort";

/** The operators that a field can have. */
export function opsOf(field: string): readonly Op[] {
  return OPS.filter((op) => (op === "in_cohort" || op === "not_in_cohort") === (field === COHORT));
}

export interface Cond {
  field: string;
  op: Op;
  values: Scalar[];
}

/** Conditions of which all or any have to hold; a group may hold another, and no more than that. */
export interface Group {
  join: "and" | "or";
  clauses: Clause[];
}
export type Clause = Cond | Group;
export const DEEPEST = 2;

export function isGroup(clause: Clause): clause is Group {
  return "join" in clause;
}

/** Every condition of clauses, also those within groups. */
export function condsOf(clauses: readonly Clause[]): Cond[] {
  return clauses.flatMap((one) => (isGroup(one) ? condsOf(one.clauses) : [one]));
}

export const MEASURES = [
  "count", "unique_people", "unique_accounts", "sessions", "per_person",
  "sum", "avg", "min", "max", "median", "p90", "p95", "p99",
] as const;
export type Measure = (typeof MEASURES)[number];

export function needsNumber(measure: Measure): boolean {
  return MEASURES.indexOf(measure) >= MEASURES.indexOf("sum");
}

/** A line of a trend, or a step of a funnel. Without an event it is any event. */
export interface Row {
  event: string | null;
  measure: Measure;
  of: string | null;
  where: Clause[];
}

export const INTERVALS = ["minute", "hour", "day", "week", "month", "quarter", "year"] as const;
export type Interval = (typeof INTERVALS)[number];
export const COMPARES = ["previous_period", "previous_year", "same_weekdays"] as const;
export type Compare = (typeof COMPARES)[number];
export const CHARTS = ["line", "area", "bar", "number", "table"] as const;
export type ChartKind = (typeof CHARTS)[number];
export const KINDS = ["trends", "funnels", "retention", "paths", "lifecycle", "stickiness", "web", "distribution", "experience"] as const;
export type Kind = (typeof KINDS)[number];

/** Options of one kind of question, by name, as in the API. */
export type Options = Record<string, string>;

export interface Query {
  kind: Kind;
  range: string;
  rows: Row[];
  /** Arithmetic between the rows, which are A, B, C …: `A / B`. */
  formulas: string[];
  where: Clause[];
  breakdown: string[];
  interval: Interval | null;
  compare: Compare | null;
  chart: ChartKind;
  options: Options;
}

export function row(event: string | null = null, measure: Measure = "count"): Row {
  return { event, measure, of: null, where: [] };
}

export function query(kind: Kind, more: Partial<Query> = {}): Query {
  return { kind, range: "30d", rows: [], formulas: [], where: [], breakdown: [], interval: null, compare: null, chart: "line", options: {}, ...more };
}
