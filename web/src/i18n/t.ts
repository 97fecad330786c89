/** Words in the language of the page. A message that is missing is an error of types, not a gap on the page. */
import { en, type MessageKey } from "./en";

export type { MessageKey };
type Message = string | { one: string; other: string };
type Vars = Record<string, string | number>;

export const locale = globalThis.navigator?.language || "en";
const plural = new Intl.PluralRules("en");

const known: Record<string, Message> = { ...en };

/** Take in messages of the application that the page of a link goes without. */
export function learn(messages: Record<string, Message>): void {
  Object.assign(known, messages);
}

/** Return a message with its parts filled in; `n` also chooses between one and many. */
export function t(key: MessageKey, vars: Vars = {}): string {
  const message = known[key]!;
  const text = typeof message === "string" ? message : message[plural.select(Number(vars["n"])) === "one" ? "one" : "other"];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = vars[name];
    return value === undefined ? whole : typeof value === "number" ? whole_(value) : value;
  });
}

/** Return the message of a key made at run time, or the text itself if there is none. */
export function word(prefix: string, name: string): string {
  const key = `${prefix}.${name}`;
  return key in known ? t(key as MessageKey) : name;
}

const wholes = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const decimals = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
const shorts = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const signed = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });

function whole_(value: number): string {
  return wholes.format(value);
}

export const format = {
  number: (value: number) => (Number.isInteger(value) ? wholes : decimals).format(value),
  short: (value: number) => (Math.abs(value) < 10_000 ? format.number(value) : shorts.format(value)),
  percent: (value: number) => percents.format(value),
  change: (value: number) => signed.format(value),
  /** A length of time in the two largest units that say something. */
  seconds: (value: number) => {
    if (value < 60) return `${decimals.format(Math.round(value * 10) / 10)} s`;
    if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
    if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
    return `${Math.floor(value / 86_400)} d ${Math.round((value % 86_400) / 3600)} h`;
  },
  time: (text: string) => new Date(text).toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" }),
  clock: (text: string) => new Date(text).toLocaleTimeString(locale),
  day: (text: string) => new Date(text).toLocaleDateString(locale, { dateStyle: "medium", timeZone: "UTC" }),
  ago: (text: string) => {
    const seconds = (new Date(text).getTime() - Date.now()) / 1000;
    const units: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60]];
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
    return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(Math.round(seconds / size), unit);
  },
};

/** Return the label of a bucket as an axis says it: `2026-11-26` or `2026-11-26T14:00`. */
export function bucketLabel(label: string): string {
  const found = /^(\d{4})-(\d\d)(?:-(\d\d))?(?:[T ](\d\d:\d\d))?/.exec(label);
  if (!found) return label;
  const date = new Date(Date.UTC(Number(found[1]), Number(found[2]) - 1, Number(found[3] ?? 1)));
  if (found[4]) return `${date.toLocaleDateString(locale, { day: "numeric", month: "short", timeZone: "UTC" })} ${found[4]}`;
  if (!found[3]) return date.toLocaleDateString(locale, { month: "short", year: "numeric", timeZone: "UTC" });
  return date.toLocaleDateString(locale, { day: "numeric", month: "short", timeZone: "UTC" });
}
