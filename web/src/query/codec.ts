/**
 * A query as an address, and back. What can be read in the address is meant to be: an analyst may
 * change it by hand.
 *
 *   ?v=1&e=signup:unique_people&e=purchase:sum:revenue;plan:equals:pro&r=90d&i=week&b=country&c=previous_period
 *
 * Parts are split by `;`, `:` and `,`; what contains one of these is escaped with `~`. Numbers are
 * written `~n5`, truths `~ttrue`, so that the text "5" stays a text. A group of conditions is
 * `~(or~|plan:equals:pro~|plan:equals:team~)`, and `x=A / B` is a formula.
 */
import { CHARTS, COMPARES, condsOf, DEEPEST, INTERVALS, isGroup, MEASURES, OPS, query as empty, type Clause, type Cond, type Kind, type Op, type Query, type Row, type Scalar } from "./types";

export const VERSION = "1";
const MOST = { rows: 20, where: 20, values: 100, breakdown: 3, formulas: 10, formula: 200 };
const RANGE = /^(?:[1-9][0-9]{0,4}(?:min|h|d|w|mo|q|y)|today|yesterday|(?:this|last)_(?:week|month|quarter|year)|\d{4}-\d\d-\d\d\.\.(?:\d{4}-\d\d-\d\d)?)$/;
const OPTION = /^[a-z_]{1,40}$/;

export interface Decoded {
  query: Query;
  /** What of the address could not be understood, and was left out. */
  dropped: string[];
}

export function isRange(text: string): boolean {
  return RANGE.test(text);
}

/** Return the address of a query, without its question mark; what is usual is left out. */
export function encode(query: Query): string {
  const base = empty(query.kind);
  const found = new URLSearchParams();
  const add = (name: string, value: string | null, usual: string | null = null) => {
    if (value !== null && value !== usual) found.append(name, value);
  };
  for (const row of query.rows) found.append("e", encodeRow(row));
  for (const one of query.formulas) found.append("x", one);
  for (const one of query.where) found.append("f", encodeClause(one));
  for (const one of query.breakdown) found.append("b", one);
  add("r", query.range, base.range);
  add("i", query.interval);
  add("c", query.compare);
  add("d", query.chart, base.chart);
  for (const [name, value] of Object.entries(query.options).sort()) found.append(`o.${name}`, value);
  if (found.size > 0) found.append("v", VERSION);
  return found.toString();
}

/** Return the query an address means; never throws. */
export function decode(kind: Kind, address: string, usual: Partial<Query> = {}): Decoded {
  const given = new URLSearchParams(address);
  const dropped: string[] = [];
  if (given.get("v") === null) return { query: empty(kind, usual), dropped };
  if (given.get("v") !== VERSION) return { query: empty(kind, usual), dropped: [`v=${given.get("v")}`] };
  const found = empty(kind);
  const all = <T>(name: string, read: (text: string) => T | null, most: number): T[] => {
    const kept: T[] = [];
    for (const text of given.getAll(name)) {
      const one = kept.length < most ? read(text) : null;
      if (one === null) dropped.push(`${name}=${text}`);
      else kept.push(one);
    }
    return kept;
  };
  const one = <T extends string>(name: string, known: (text: string) => boolean, usually: T): T => {
    const text = given.get(name);
    if (text === null) return usually;
    if (known(text)) return text as T;
    dropped.push(`${name}=${text}`);
    return usually;
  };
  found.rows = all("e", decodeRow, MOST.rows);
  found.formulas = all("x", (text) => (text && text.length <= MOST.formula ? text : null), MOST.formulas);
  found.where = all("f", decodeClause, MOST.where);
  found.breakdown = all("b", (text) => text || null, MOST.breakdown);
  found.range = one("r", isRange, found.range);
  found.interval = one("i", among(INTERVALS), "") || null;
  found.compare = one("c", among(COMPARES), "") || null;
  found.chart = one("d", among(CHARTS), found.chart);
  for (const [name, value] of given) {
    if (!name.startsWith("o.")) continue;
    const option = name.slice(2);
    if (OPTION.test(option)) found.options[option] = value;
    else dropped.push(`${name}=${value}`);
  }
  return { query: found, dropped };
}

export function encodeClause(clause: Clause): string {
  if (!isGroup(clause)) return encodeCond(clause);
  return `~(${[clause.join, ...clause.clauses.map(encodeClause)].join("~|")}~)`;
}

export function decodeClause(text: string): Clause | null {
  const found = readClause(text, 0, 0);
  return found !== null && found.end === text.length && condsOf([found.clause]).length <= MOST.where ? found.clause : null;
}

/** Read the clause that begins at a place, to where it ends: at the end, or before `~|` or `~)`. */
function readClause(text: string, from: number, depth: number): { clause: Clause; end: number } | null {
  if (!text.startsWith("~(", from)) {
    const end = endOfCond(text, from);
    const clause = decodeCond(text.slice(from, end));
    return clause && { clause, end };
  }
  const join = /^~\((and|or)/.exec(text.slice(from, from + 5))?.[1] as "and" | "or" | undefined;
  if (join === undefined || depth >= DEEPEST) return null;
  const clauses: Clause[] = [];
  let at = from + 2 + join.length;
  while (text.startsWith("~|", at)) {
    const found = readClause(text, at + 2, depth + 1);
    if (found === null) return null;
    clauses.push(found.clause);
    at = found.end;
  }
  return text.startsWith("~)", at) ? { clause: { join, clauses }, end: at + 2 } : null;
}

/** What follows a `~` belongs to it, so that an escaped one ends nothing. */
function endOfCond(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] !== "~") continue;
    if (text[at + 1] === "|" || text[at + 1] === ")") return at;
    at++;
  }
  return text.length;
}

export function encodeCond(cond: Cond): string {
  return [escape(cond.field), cond.op, cond.values.map(encodeScalar).join(",")].join(":");
}

export function decodeCond(text: string): Cond | null {
  const [field, op, ...rest] = split(text, ":");
  if (!field || !op || !among(OPS)(op) || rest.length > 1) return null;
  const written = rest[0] ?? "";
  const values = written === "" ? [] : split(written, ",").map(decodeScalar);
  if (values.length > MOST.values || values.includes(null)) return null;
  const name = unescape(field);
  return name === null ? null : { field: name, op: op as Op, values: values as Scalar[] };
}

function encodeRow(row: Row): string {
  const head = [row.event === null ? "*" : escape(row.event), row.measure, ...(row.of === null ? [] : [escape(row.of)])].join(":");
  return [head, ...row.where.map(encodeClause)].join(";");
}

function decodeRow(text: string): Row | null {
  const [head, ...wheres] = split(text, ";");
  const [written, measure = "count", of, ...more] = split(head ?? "", ":");
  const event = written === "*" ? null : unescape(written ?? "");
  const number = of === undefined ? null : unescape(of);
  const where = wheres.map(decodeClause);
  if (event === "" || (event === null && written !== "*") || more.length > 0) return null;
  if (!among(MEASURES)(measure) || (of !== undefined && number === null) || where.includes(null)) return null;
  return { event, measure: measure as Row["measure"], of: number, where: where as Clause[] };
}

function encodeScalar(value: Scalar): string {
  if (typeof value === "number") return `~n${escape(String(value))}`;
  if (typeof value === "boolean") return `~t${value}`;
  // An empty text must not vanish between two commas.
  return value === "" ? "~e" : escape(value);
}

function decodeScalar(text: string): Scalar | null {
  if (text === "~e") return "";
  if (text.startsWith("~n")) {
    const number = Number(text.slice(2));
    return text.length > 2 && Number.isFinite(number) ? number : null;
  }
  if (text === "~ttrue" || text === "~tfalse") return text === "~ttrue";
  return text === "" ? null : unescape(text);
}

// `~` itself and the three that split; `*` only so that an event of that name is not any event.
const ESCAPES: Record<string, string> = { "~": "~~", ";": "~s", ":": "~c", ",": "~m", "*": "~a" };
const ESCAPED: Record<string, string> = Object.fromEntries(Object.entries(ESCAPES).map(([from, to]) => [to[1]!, from]));

function escape(text: string): string {
  return text.replace(/[~;:,*]/g, (found) => ESCAPES[found]!);
}

function unescape(text: string): string | null {
  let good = true;
  const plain = text.replace(/~(.?)/gs, (_, sign: string) => {
    const found = ESCAPED[sign];
    if (found === undefined) good = false;
    return found ?? "";
  });
  return good ? plain : null;
}

function split(text: string, at: string): string[] {
  return text.split(at);
}

function among<T extends string>(known: readonly T[]): (text: string) => boolean {
  return (text) => (known as readonly string[]).includes(text);
}
