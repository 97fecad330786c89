/** Turns what the controls show into a question of the API, and a place of its answer into who is behind it. */
import type { Question } from "../api/types";
import { formulaFault } from "./formula";
import { ARITY, isGroup, needsNumber, type Clause, type Cond, type Interval, type Query, type Row } from "./types";

type Filter = Record<string, unknown>;

/** Return the question, or null while something that it needs is not chosen yet. */
export function question(query: Query): Question | null {
  const common = { range: range(query.range), filter: filter(query.where) };
  switch (query.kind) {
    case "trends":
      if (query.rows.length === 0 || query.rows.some((row) => needsNumber(row.measure) && !row.of)) return null;
      if (query.formulas.some((one) => formulaFault(one, query.rows.length) !== null)) return null;
      return {
        ...common,
        series: query.rows.map(series),
        ...(query.formulas.length ? { formulas: query.formulas } : {}),
        interval: query.interval ?? usualInterval(query.range),
        breakdown: query.breakdown,
        compare: query.compare,
        top: 8,
      };
    case "funnels":
      if (query.rows.length < 2 || query.rows.some((row) => row.event === null && row.where.length === 0)) return null;
      return {
        ...common,
        steps: query.rows.map(step),
        breakdown: query.breakdown,
        top: 6,
        order: query.options["order"] ?? "ordered",
        window: query.options["window"] ?? null,
        by: query.options["by"] ?? null,
      };
    case "retention":
      return {
        ...common,
        start: step(query.rows[0]),
        returning: query.rows[1] ? step(query.rows[1]) : null,
        interval: query.interval ?? "week",
        buckets: Number(query.options["buckets"] ?? 9),
        criterion: query.options["criterion"] ?? null,
        breakdown: query.breakdown,
        top: 6,
      };
    case "paths":
      return {
        ...common,
        start: query.options["start"] ?? null,
        end: query.options["end"] ?? null,
        node: query.options["node"] ?? null,
        depth: Number(query.options["depth"] ?? 5),
        top: Number(query.options["top"] ?? 6),
        unit: query.options["unit"] ?? null,
      };
    case "lifecycle":
      return { ...common, step: step(query.rows[0]), interval: query.interval ?? "week" };
    case "stickiness":
      return { ...common, step: step(query.rows[0]), interval: query.interval ?? "day" };
    case "web":
      return { range: common.range, compare: query.compare, also: query.where.map(clause).filter((one) => one !== null), top: 8 };
    case "distribution": {
      const row = query.rows[0];
      const measure = query.options["measure"] ?? "count";
      if (measure !== "count" && !row?.of) return null;
      return { ...common, step: step(row), measure, of: measure === "count" ? null : row?.of, per: query.options["per"] ?? "person", with_zero: query.options["zero"] === "yes" };
    }
    case "experience":
      return { ...common, page: query.options["page"] ?? null };
  }
}

export function range(text: string): unknown {
  const dates = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)?$/.exec(text);
  // People name the last day they mean; the API the first they do not.
  return dates ? { since: dates[1], until: dates[2] ? dayAfter(dates[2]) : null } : text;
}

export function filter(clauses: Clause[]): Filter | null {
  return joined("and", clauses);
}

/** The filter of a clause, null of one in which nothing is whole. */
export function clause(one: Clause): Filter | null {
  if (isGroup(one)) return joined(one.join, one.clauses);
  return isWhole(one) ? condition(one) : null;
}

function joined(op: "and" | "or", clauses: Clause[]): Filter | null {
  const filters = clauses.map(clause).filter((one) => one !== null);
  if (filters.length === 0) return null;
  return filters.length === 1 ? filters[0]! : { op, filters };
}

/** Whether a condition has all the values it needs; one that is being written has not. */
export function isWhole(cond: Cond): boolean {
  const wanted = ARITY[cond.op];
  return cond.field !== "" && (wanted < 0 ? cond.values.length > 0 : cond.values.length === wanted);
}

export function condition({ field, op, values }: Cond): Filter {
  const [first, second] = values;
  switch (op) {
    case "in":
    case "not_in":
      return { op, field, values };
    case "matches":
      return { op, field, pattern: String(first) };
    case "between":
      return { op, field, low: first, high: second };
    case "is_true":
    case "is_false":
    case "exists":
    case "not_exists":
      return { op, field };
    case "contains":
    case "not_contains":
    case "starts_with":
    case "ends_with":
      return { op, field, value: String(first) };
    case "in_cohort":
      return { op, cohort: String(first) };
    case "not_in_cohort":
      return { op: "not", filter: { op: "in_cohort", cohort: String(first) } };
    default:
      return { op, field, value: first };
  }
}

export function series(row: Row): Question {
  return { event: row.event, measure: row.measure, of: needsNumber(row.measure) ? row.of : null, filter: filter(row.where) };
}

function step(row: Row | undefined): unknown {
  if (!row) return { event: null };
  const where = filter(row.where);
  return where === null && row.event !== null ? row.event : { event: row.event, filter: where };
}

/** A bucket length that gives a chart of a readable number of points. */
export function usualInterval(text: string): Interval {
  const days = daysOf(text);
  if (days <= 2) return "hour";
  if (days <= 92) return "day";
  return days <= 400 ? "week" : "month";
}

export function daysOf(text: string): number {
  const last = /^(\d+)(min|h|d|w|mo|q|y)$/.exec(text);
  if (last) return Number(last[1]) * { min: 1 / 1440, h: 1 / 24, d: 1, w: 7, mo: 30, q: 91, y: 365 }[last[2] as "d"]!;
  const dates = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)?$/.exec(text);
  if (dates) return Math.max(1, ((dates[2] ? Date.parse(dates[2]) : Date.now()) - Date.parse(dates[1]!)) / 86_400_000 + 1);
  return { today: 1, yesterday: 1, this_week: 7, last_week: 7, this_quarter: 91, last_quarter: 91, this_year: 365, last_year: 365 }[text] ?? 31;
}

function dayAfter(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
