/** The big numbers of Home: by what somebody works on, and only those that this project can tell. */
import { json } from "../api/client";
import { ask } from "../api/queries";
import { toNumber, type Exact, type Question, type TrendsData } from "../api/types";
import type { components } from "../api/schema";
import type { Behind } from "../views/opening";
import { knownOf, type Facts, type Known, type Work } from "./guides";

/** How many there are, whatever somebody works on. */
export const FIGURES = 4;
const MONTH = { range: "30d", interval: "day", compare: "previous_period" };
const MAX_FORMS = 100;

/** How a number is written. */
export type Way = "number" | "percent" | "seconds";

export interface Read {
  value: number | null;
  /** The same of the time before, if it is held beside it. */
  before?: number | null;
  trend?: (number | null)[];
  /** What its label names, beside what was known before it was asked. */
  name?: string;
  /** Who and what is behind it, or where it is told whole. */
  behind?: Omit<Behind, "title">;
  href?: string;
}

export interface Figure {
  id: FigureId;
  /** The event that its label names. */
  event: string;
  way: Way;
  /** Whether more of it is good; null where neither is. */
  moreIsGood: boolean | null;
  ask: (signal: AbortSignal) => Promise<Read>;
}

type Made = Omit<Figure, "id" | "event"> & { event?: string };

/** How each is asked for, null where the project cannot tell it. */
const MADE = {
  people: () => number((signal) => counted({ event: null, measure: "unique_people" }, MONTH, signal)),
  sessions: () => number((signal) => counted({ event: null, measure: "sessions" }, MONTH, signal)),
  events: () => number((signal) => counted({ event: null, measure: "count" }, MONTH, signal)),
  accounts: () => number((signal) => counted({ event: null, measure: "unique_accounts" }, MONTH, signal)),
  week: ({ people }: Known) => (people === 0 ? null : number((signal) => counted({ event: null, measure: "unique_people" }, { ...MONTH, range: "7d" }, signal))),
  completed: ({ steps }: Known) => (steps.length < 2 ? null : share((signal) => funnel(steps, signal))),
  back: ({ people, joined }: Known) => (people === 0 ? null : share((signal) => fourthWeek(joined, signal))),
  sticky: ({ people }: Known) => (people === 0 ? null : share(stickiness)),
  vain: ({ events }: Known) => (!events.some((name) => name === "rage_click" || name === "dead_click") ? null : { ...number(vain), moreIsGood: false }),
  forms: ({ events }: Known) => (!events.some((name) => name.startsWith("form_")) ? null : share(forms)),
  stay: ({ views }: Known) => (views === 0 ? null : { ...number((signal) => site(signal, (one) => one.engaged_seconds_per_visit ?? one.seconds_per_visit)), way: "seconds" as const }),
  bounce: ({ views }: Known) => (views === 0 ? null : { ...share((signal) => site(signal, (one) => one.bounce_rate.value)), moreIsGood: false }),
  visitors: ({ views }: Known) => (views === 0 ? null : number((signal) => site(signal, (one) => one.visitors))),
  source: ({ views }: Known) => (views === 0 ? null : { ...number(source), moreIsGood: null }),
  signups: ({ joined }: Known) => of(joined, (event) => number((signal) => counted({ event, measure: "unique_people" }, MONTH, signal))),
  converted: ({ page, joined }: Known) => (page === undefined ? null : of(joined, (event) => share((signal) => ratio(event, page, signal)))),
  bought: ({ bought }: Known) => of(bought, (event) => number((signal) => counted({ event, measure: "unique_people" }, MONTH, signal))),
  day: () => ({ ...number((signal) => counted({ event: null, measure: "count" }, { ...MONTH, range: "24h", interval: "hour" }, signal)), moreIsGood: null }),
  hour: () => ({ ...number((signal) => counted({ event: null, measure: "count" }, { ...MONTH, range: "60min", interval: "minute" }, signal)), moreIsGood: null }),
  kinds: ({ events }: Known) => ({ ...number(() => Promise.resolve({ value: events.length, href: "/data" })), moreIsGood: null }),
  refused: () => ({ ...share(refused), moreIsGood: false }),
  waiting: ({ failed }: Known) => ({ ...number(() => Promise.resolve({ value: failed, href: "/data?tab=failed" })), moreIsGood: false }),
  errors: ({ error }: Known) => of(error, (event) => ({ ...number((signal) => counted({ event, measure: "unique_people" }, MONTH, signal)), moreIsGood: false })),
} satisfies Record<string, (known: Known) => Made | null>;
export type FigureId = keyof typeof MADE;

const ORDER: Record<Work, readonly FigureId[]> = {
  product: ["week", "completed", "back", "sticky"],
  design: ["vain", "forms", "stay", "bounce"],
  marketing: ["visitors", "signups", "converted", "source", "bought"],
  analysis: ["day", "refused", "kinds", "people"],
  engineering: ["hour", "refused", "waiting", "errors"],
};
/** What any project can tell. */
const ALWAYS: readonly FigureId[] = ["people", "sessions", "events", "accounts"];

/** Return the four of somebody's work, as far as there is something to tell them of. */
export function figures(work: Work, facts: Facts): Figure[] {
  const { events } = facts;
  const known = knownOf(facts);
  const found: Figure[] = [];
  for (const id of [...(events.length > 0 ? ORDER[work] : []), ...ALWAYS]) {
    const one: Made | null = found.length < FIGURES && !found.some((before) => before.id === id) ? MADE[id](known) : null;
    if (one) found.push({ event: "", ...one, id });
  }
  return found;
}

function number(asked: Figure["ask"]): Made {
  return { way: "number", moreIsGood: true, ask: asked };
}

function share(asked: Figure["ask"]): Made {
  return { way: "percent", moreIsGood: true, ask: asked };
}

function of(event: string | undefined, then: (event: string) => Made): Made | null {
  return event === undefined ? null : { ...then(event), event };
}

async function counted(series: Question, span: Question, signal: AbortSignal): Promise<Read> {
  const { data } = await ask("trends", { ...span, series: [series] }, signal);
  const accounts = series["measure"] === "unique_accounts" ? { accounts: { range: data.range, series } } : {};
  const behind = { range: data.range, series: { ...series, measure: "count" } };
  return { ...lineOf(data, "A"), behind: { people: behind, events: behind, ...accounts } };
}

async function ratio(event: string, page: string, signal: AbortSignal): Promise<Read> {
  const series = [event, page].map((name) => ({ event: name, measure: "unique_people" }));
  const { data } = await ask("trends", { ...MONTH, series, formulas: ["A / B"] }, signal);
  return { ...lineOf(data, "F1"), behind: { people: { range: data.range, series: series[0] } } };
}

function lineOf(data: TrendsData, series: string): Read {
  const line = data.lines.find((one) => one.series === series);
  if (!line) return { value: null };
  return { value: toNumber(line.total), before: toNumber(line.compared_total), trend: line.values.filter((_, at) => !data.buckets[at]?.is_incomplete).map(toNumber) };
}

async function funnel(steps: string[], signal: AbortSignal): Promise<Read> {
  const question = { range: "30d", steps };
  const { data } = await ask("funnels", question, signal);
  return { value: toNumber(data.total.rate_so_far), behind: { people: { behind: { insight: "funnels", question, place: { step: steps.length } } } } };
}

/** Of those whose fourth week is over, who came in it. */
async function fourthWeek(joined: string | undefined, signal: AbortSignal): Promise<Read> {
  const question = { range: "90d", start: { event: joined ?? null }, returning: { event: null }, interval: "week", buckets: 5, overall: "people" };
  const { data } = await ask("retention", question, signal);
  return { value: toNumber(data.groups[0]?.overall[4]?.rate), behind: { people: { behind: { insight: "retention", question, place: { bucket: 4 } } } } };
}

async function stickiness(signal: AbortSignal): Promise<Read> {
  const { data } = await ask("stickiness", { range: "30d", measure: "ratio" }, signal);
  return { value: toNumber(data.ratios?.dau_mau.mean), href: "/stickiness" };
}

async function vain(signal: AbortSignal): Promise<Read> {
  const question = { range: "30d" };
  const { data } = await ask("frustration", question, signal);
  return { value: toNumber(data.clicks_per_thousand_visits), behind: { people: { behind: { insight: "frustration", question, place: {} } } } };
}

async function forms(signal: AbortSignal): Promise<Read> {
  const { data } = await ask("forms", { range: "30d", top: MAX_FORMS }, signal);
  const [sent, begun] = data.forms.reduce(([count, all], { completion }) => [count + completion.count, all + completion.of], [0, 0]);
  return { value: begun === 0 ? null : sent! / begun!, href: "/experience" };
}

type Site = components["schemas"]["WebNumbers"];

async function site(signal: AbortSignal, read: (numbers: Site) => Exact): Promise<Read> {
  const question = { range: "30d", compare: "previous_period" };
  const { data } = await ask("web", question, signal);
  const before = data.compared ? { before: toNumber(read(data.compared.numbers)) } : {};
  return { value: toNumber(read(data.numbers)), ...before, behind: { people: { behind: { insight: "web", question, place: {} } } } };
}

/** Where most visitors come from. */
async function source(signal: AbortSignal): Promise<Read> {
  const question = { range: "30d", tables: ["channels"], top: 1 };
  const { data } = await ask("web", question, signal);
  const first = data.tables["channels"]?.[0];
  if (!first) return { value: null };
  return { value: first.numbers.visitors, name: first.value ?? "", behind: { people: { behind: { insight: "web", question, place: { table: "channels", value: first.value } } } } };
}

async function refused(signal: AbortSignal): Promise<Read> {
  const { sources } = await json<components["schemas"]["Quality"]>("/quality?hours=24", { signal });
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
  const received = sum(sources.map((one) => one.received));
  const failed = sum(sources.flatMap((one) => Object.values(one.failed)));
  return { value: received === 0 ? null : failed / received, href: "/data?tab=failed" };
}
