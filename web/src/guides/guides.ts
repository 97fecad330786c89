/** The questions that Home offers to begin with: by what somebody works on, and only those that this project can answer. */
import type { Role } from "../api/roles";
import { encode } from "../query/codec";
import { query, row, type Query } from "../query/types";
import { pageViewed, paid, signedUp, signupSteps } from "../query/usual";
import type { IconName } from "../ui/Icon";

export const WORKS = ["product", "design", "marketing", "analysis", "engineering"] as const;
export type Work = (typeof WORKS)[number];

/** How many are offered at most, and how many in any case: a project with one kind of event can still be asked these. */
export const MOST = 6;
export const FEWEST = 4;

/** What came in the last 30 days, without robots. */
export interface Facts {
  /** Events by name, those that came most first. */
  events: readonly string[];
  people: number;
  accounts: number;
  views: number;
  /** Page views that tell on which device. */
  devices: number;
  /** Sign-ups that tell by which channel the visit came. */
  channels: number;
  /** Failed events that wait to be looked at. */
  failed: number;
  /** Whether something was received in the last half hour. */
  isLive: boolean;
}

export interface Known extends Facts {
  steps: string[];
  joined: string | undefined;
  bought: string | undefined;
  page: string | undefined;
  error: string | undefined;
}

export interface Guide {
  id: GuideId;
  icon: IconName;
  href: string;
  /** The event that its words name, if they do. */
  event: string;
}

/** Where a question leads, null where the project cannot answer it. */
const LEADS = {
  signup: ({ steps }: Known) => (steps.length < 2 ? null : to("funnels", asked("funnels", { rows: steps.map((name) => row(name)) }))),
  features: (known: Known) => to("explore", asked("trends", { rows: [anybody(known)], breakdown: ["event"], chart: "bar" })),
  growth: (known: Known) => to("explore", asked("trends", { rows: [anybody(known)], compare: "previous_period" })),
  volume: () => to("explore", asked("trends", { rows: [row()], compare: "same_weekdays" })),
  back: ({ people, joined }: Known) => (people === 0 ? null : to("retention", asked("retention", { rows: joined ? [row(joined), row()] : [row()], range: "90d" }))),
  next: ({ people }: Known) => (people === 0 ? null : to("paths", "/paths")),
  after: ({ joined }: Known) => (joined === undefined ? null : to("paths", asked("paths", { options: { start: joined } }))),
  before: ({ bought, joined }: Known) => named(bought ?? joined, (event) => to("paths", asked("paths", { options: { end: event } }), event)),
  ways: ({ views }: Known) => (views === 0 ? null : to("paths", asked("paths", { options: { node: "path" } }))),
  sticky: ({ people }: Known) => (people === 0 ? null : to("stickiness", asked("stickiness", { rows: [row()] }))),
  lifecycle: ({ people }: Known) => (people === 0 ? null : to("lifecycle", asked("lifecycle", { rows: [row()], range: "90d" }))),
  spread: ({ people }: Known) => (people === 0 ? null : to("distribution", asked("distribution", { rows: [row()] }))),
  accounts: ({ accounts }: Known) => (accounts === 0 ? null : to("explore", asked("trends", { rows: [row(null, "unique_accounts")], interval: "week", range: "90d" }))),
  pages: ({ views }: Known) => (views === 0 ? null : to("experience", "/experience")),
  sources: ({ views }: Known) => (views === 0 ? null : to("web", "/web")),
  devices: ({ page, devices }: Known) => (devices === 0 ? null : named(page, (event) => to("explore", asked("trends", { rows: [row(event, "unique_people")], breakdown: ["device_type"] })))),
  channels: ({ joined, channels }: Known) => (channels === 0 ? null : named(joined, (event) => to("explore", asked("trends", { rows: [row(event, "unique_people")], breakdown: ["channel"], chart: "bar" })))),
  bought: ({ page, bought }: Known) => (page === undefined ? null : named(bought, (event) => to("funnels", asked("funnels", { rows: [row(page), row(event)] }), event))),
  sales: ({ bought }: Known) => named(bought, (event) => to("explore", asked("trends", { rows: [row(event)], compare: "previous_period" }), event)),
  errors: ({ error }: Known) => named(error, (event) => to("explore", asked("trends", { rows: [row(event, "unique_people")] }), event)),
  catalogue: () => to("data", "/data"),
  failed: ({ failed }: Known) => (failed === 0 ? null : to("data", "/data?tab=failed")),
  live: ({ isLive }: Known) => (isLive ? to("live", "/live") : null),
} satisfies Record<string, (known: Known) => Omit<Guide, "id"> | null>;
export type GuideId = keyof typeof LEADS;

const ORDER: Record<Work, readonly GuideId[]> = {
  product: ["signup", "features", "back", "after", "sticky", "accounts", "lifecycle"],
  design: ["pages", "ways", "before", "signup", "devices", "next", "spread"],
  marketing: ["sources", "channels", "bought", "sales", "back", "growth"],
  analysis: ["growth", "features", "spread", "back", "signup", "catalogue", "lifecycle"],
  engineering: ["live", "volume", "failed", "errors", "devices", "catalogue", "features", "growth"],
};
/** What takes no more than some event, or some person. */
const ALWAYS: readonly GuideId[] = ["features", "growth", "back", "next", "catalogue", "volume"];

/** Return the facts with the events that stand for signing up, paying, seeing a page and failing. */
export function knownOf(facts: Facts): Known {
  // Where nobody is known by any id, what people did cannot be told, whatever it is called.
  const done = facts.people === 0 ? [] : facts.events;
  const error = done.find((name) => /error|exception|crash/i.test(name));
  return { ...facts, steps: signupSteps(done), joined: signedUp(done), bought: paid(done), page: pageViewed(done), error };
}

/** Return what is offered: of somebody's work as far as there are events for it, and else what can always be asked. */
export function guides(work: Work, facts: Facts): Guide[] {
  const { events } = facts;
  if (events.length === 0) return [];
  const known = knownOf(facts);
  const found: Guide[] = [];
  const offer = (ids: readonly GuideId[], most: number) => {
    for (const id of ids) {
      const one = found.length < most && !found.some((before) => before.id === id) ? LEADS[id](known) : null;
      if (one) found.push({ id, ...one });
    }
  };
  offer(ORDER[work], MOST);
  offer(ALWAYS, FEWEST);
  return found;
}

/** What somebody works on before they said it: those who ask for others ask most. */
export function workOf(role: Role): Work {
  return role === "analyst" ? "analysis" : "product";
}

function to(icon: IconName, href: string, event = ""): Omit<Guide, "id"> {
  return { icon, href, event };
}

function named<T>(event: string | undefined, then: (event: string) => T): T | null {
  return event === undefined ? null : then(event);
}

function anybody({ people }: Known) {
  return row(null, people === 0 ? "count" : "unique_people");
}

function asked(kind: Query["kind"], part: Partial<Query>): string {
  return `/${kind === "trends" ? "explore" : kind}?${encode(query(kind, part))}`;
}
