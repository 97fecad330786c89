/** What a new project is ordered with, and which of its fields a refusal is about. */
import type { Problem } from "../api/client";

export const FIELDS = ["name", "id", "timezone"] as const;
export type Field = (typeof FIELDS)[number];

/** The codes whose refusal is about one field, whether or not it says which. */
const OF_CODE: Partial<Record<string, Field>> = { PROJECT_EXISTS: "id", TIMEZONE_UNKNOWN: "timezone" };

/** Return the id that the server makes from a text; empty if there is none. */
export function idFrom(text: string): string {
  const joined = text.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return joined.replace(/^-+|-+$/g, "").slice(0, 63).replace(/-+$/, "");
}

/** Return the field that a refusal is about, null if it is about none of them. */
export function fieldOf(problem: Pick<Problem, "code" | "path">): Field | null {
  const named = FIELDS.find((one) => problem.path === one || problem.path === `$.${one}`);
  return named ?? OF_CODE[problem.code] ?? null;
}
