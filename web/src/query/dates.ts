/** A range of time as people write it: "last 6 weeks", "2026-03..2026-05", "May 2026", "since 2026-02-14". */
import { isRange } from "./codec";

const UNITS: Record<string, string> = { minute: "min", min: "min", hour: "h", h: "h", day: "d", d: "d", week: "w", w: "w", month: "mo", mo: "mo", quarter: "q", q: "q", year: "y", y: "y" };
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const NUMBERS: Record<string, number> = { a: 1, an: 1, one: 1, two: 2, three: 3, four: 4, five: 5, six: 6, seven: 7, eight: 8, nine: 9, ten: 10, twelve: 12 };

/** Return the range that is meant, as a query has it; null if it cannot be told. */
export function readRange(text: string): string | null {
  const said = text.trim().toLowerCase().replace(/\s+/g, " ");
  const found = named(said) ?? last(said) ?? between(said);
  return found !== null && isRange(found) ? found : null;
}

function named(said: string): string | null {
  const word = said.replace(/^the /, "").replaceAll(" ", "_");
  return isRange(word) && !word.includes("..") ? word : null;
}

function last(said: string): string | null {
  const found = /^(?:the )?(?:last|past|previous) (?:(\d+|[a-z]+) )?([a-z]+?)s?$/.exec(said) ?? /^(\d+) ([a-z]+?)s?$/.exec(said);
  if (!found) return null;
  const count = found[1] === undefined ? 1 : (NUMBERS[found[1]] ?? Number(found[1]));
  const unit = UNITS[found[2]!];
  return unit && Number.isInteger(count) && count > 0 ? `${count}${unit}` : null;
}

/** Days, months, quarters or years, from one to another; one by itself is all of it. */
function between(said: string): string | null {
  const since = span(/^(?:since|from) (.+)$/.exec(said)?.[1] ?? "");
  if (since) return `${since[0]}..`;
  const parts = said.replace(/^from /, "").split(/ ?\.\. ?| to | until | – | - /);
  if (parts.length > 2) return null;
  const first = span(parts[0]!);
  const until = parts[1] === undefined ? first : parts[1] === "" ? null : span(parts[1]);
  if (!first || (parts[1] && !until)) return null;
  if (until && until[1] < first[0]) return null;
  return `${first[0]}..${until?.[1] ?? ""}`;
}

/** The first and the last day of what is named. */
function span(name: string): [string, string] | null {
  const day = /^(\d{4})-(\d\d)-(\d\d)$/.exec(name);
  if (day) return isDay(name) ? [name, name] : null;
  const month = /^(\d{4})-(\d\d)$/.exec(name) ?? swapped(/^([a-z]{3})[a-z]* (\d{4})$/.exec(name));
  if (month) return months(Number(month[1]), Number(month[2]), 1);
  const quarter = /^(\d{4})-?q([1-4])$/.exec(name) ?? reversed(/^q([1-4]) (\d{4})$/.exec(name));
  if (quarter) return months(Number(quarter[1]), Number(quarter[2]) * 3 - 2, 3);
  const year = /^(\d{4})$/.exec(name);
  return year ? months(Number(year[1]), 1, 12) : null;
}

function swapped(found: RegExpExecArray | null): string[] | null {
  const month = found ? MONTHS.indexOf(found[1]!) + 1 : 0;
  return found && month > 0 ? ["", found[2]!, String(month)] : null;
}

function reversed(found: RegExpExecArray | null): string[] | null {
  return found && ["", found[2]!, found[1]!];
}

function months(year: number, month: number, count: number): [string, string] | null {
  if (month < 1 || month > 12 || year < 1970) return null;
  return [iso(new Date(Date.UTC(year, month - 1, 1))), iso(new Date(Date.UTC(year, month - 1 + count, 0)))];
}

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && iso(new Date(time)) === text;
}

function iso(day: Date): string {
  return day.toISOString().slice(0, 10);
}
