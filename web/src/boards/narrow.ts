/** The range and filters of a whole dashboard: as the pages hold them, and as the API keeps them. */
import type { ApiFilter, ApiRange } from "../api/boards";
import { decodeCond, encodeCond, isRange } from "../query/codec";
import { condition, range } from "../query/ask";
import { COHORT, OPS, type Cond, type Op, type Scalar } from "../query/types";

/** The word that stands for: every question of its own range. */
export const OWN = "own";

export interface Narrow {
  range: string;
  where: Cond[];
}

export function apiRange(text: string): unknown {
  return text === OWN ? null : range(text);
}

/** Return what an API range is on the pages. */
export function pageRange(given: ApiRange): string {
  if (given === null || given === undefined) return OWN;
  const text = typeof given === "string" ? given : (given.last ?? `${day(given.since)}..${given.until ? dayBefore(day(given.until)) : ""}`);
  return isRange(text) ? text : OWN;
}

export function apiFilters(where: Cond[]): ApiFilter[] {
  return where.map(condition) as ApiFilter[];
}

/** Return what API filters are on the pages, null for those that only the API can say. */
export function pageFilters(filters: readonly ApiFilter[]): Cond[] | null {
  const found = filters.map(condOf);
  return found.includes(null) ? null : (found as Cond[]);
}

function condOf(one: ApiFilter): Cond | null {
  const cohort = cohortOf(one);
  if (cohort !== null) return { field: COHORT, op: "in_cohort", values: [cohort] };
  const not = one.op === "not" ? cohortOf(one["filter"] as ApiFilter) : null;
  if (not !== null) return { field: COHORT, op: "not_in_cohort", values: [not] };
  const { op, field, value, values, pattern, low, high } = one as Record<string, unknown>;
  if (typeof field !== "string" || !(OPS as readonly unknown[]).includes(op)) return null;
  const given = values ?? (pattern !== undefined ? [pattern] : low !== undefined ? [low, high] : value !== undefined ? [value] : []);
  return { field, op: op as Op, values: given as Scalar[] };
}

/** Return the name of the cohort that a filter is about; one that is spelled out has none. */
function cohortOf(one: ApiFilter): string | null {
  return one.op === "in_cohort" && typeof one.cohort === "string" ? one.cohort : null;
}

export function encodeNarrow({ range: text, where }: Narrow): string {
  const found = new URLSearchParams({ r: text });
  for (const one of where) found.append("f", encodeCond(one));
  // Without a filter the address still says that there is none, in place of those that are kept.
  if (where.length === 0) found.append("f", "");
  return found.toString();
}

/** Return what an address narrows to; what it says nothing of is as it is kept. */
export function decodeNarrow(address: string, kept: Narrow): Narrow {
  const given = new URLSearchParams(address);
  const text = given.get("r");
  const where = given.getAll("f").filter(Boolean).map(decodeCond).filter((one) => one !== null);
  return { range: text !== null && (text === OWN || isRange(text)) ? text : kept.range, where: given.has("f") ? where : kept.where };
}

function day(text: string | null | undefined): string {
  return (text ?? "").slice(0, 10);
}

function dayBefore(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
}
