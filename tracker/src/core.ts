// Page views, engagement and named events of one page: what every one of the three files does.

import { choose, device, isKnown, isNew, leaveOut, mode, renew, sample, signal } from "./consent";
import { attempt, attribute, doc, has, nav, newId, on, scrubbed, win } from "./page";
import { begin, discard, drop, enqueue, flush, type Item, leave, takeOver } from "./transport";

declare const VERSION: string;

/** What `before` may change: a name, an id, a time in ms, page, view, referrer, title, properties. */
export interface Sent {
  n: string;
  i: string;
  t: number;
  u: string;
  v?: string;
  r?: string;
  ti?: string;
  p?: unknown;
}

/** What a module does once the page is there, and whenever it is left: `isOver` for another page. */
export interface Module {
  start(): void;
  leaving(isOver?: boolean): void;
}

const SETTLES = 100;
const LEAST_MS = 1_000;
const isAutomatic = attribute("auto") != "off";

// Nothing before there may be a view at all, and empty before there is one.
let view: string | undefined;
let url = "";
let user: string | undefined;
let groups: Record<string, string> = {};
let deepest = 0;
let engaged = 0;
let since = 0;
let settling: any;
let modules: Module[];

const address = (): string => scrubbed(location.href, true);

/** Note an event of this page, or of `where`. */
export const track = (
  name: string,
  properties?: unknown,
  now?: boolean,
  where?: Partial<Sent>,
): void => {
  if (mode() == "denied") return;
  let event: Sent | undefined = {
    i: newId(), n: name, t: Date.now(), u: url || address(), v: view,
    p: properties, ...where,
  };
  // A hook that fails may have been about to take something out.
  if (api.before) event = attempt(() => api.before(event));
  const text = event && attempt(() => JSON.stringify(event));
  if (text) enqueue([head(), text, 1], now);
  else if (event) drop();
};

/** Return the view of the page that is shown, for what is told of it later. */
export const here = (): Partial<Sent> => ({ u: url, v: view });

const head = (): string => {
  return JSON.stringify({
    k: attribute("key"), ve: VERSION, c: mode()[0],
    ...(isKnown() && { d: device, uid: user, g: groups }),
    sw: screen.width, sh: screen.height, l: nav.language,
    tz: Intl.DateTimeFormat().resolvedOptions().timeZone,
    sig: signal, sr: sample,
  });
};

const confession = (count: number): Item => [
  head(), JSON.stringify({ i: newId(), n: "$dropped", t: Date.now(), p: { count } }), count,
];

/** Note a view of the page that is shown now. */
const page = (): void => {
  depart(true);
  const from = url || scrubbed(doc.referrer, true);
  url = address();
  view = newId();
  deepest = engaged = 0;
  count();
  scrolled();
  track("$pageview", undefined, false, { r: from, ti: has("title") ? doc.title : undefined });
};

/** Note the page if its address is another now; several changes at once are one. */
const moved = (): void => {
  settling ||= setTimeout(() => {
    settling = 0;
    if (address() != url) page();
  }, SETTLES);
};

const scrolled = (): void => {
  const seen = (win.scrollY + win.innerHeight) / doc.documentElement.scrollHeight;
  deepest = Math.max(deepest, Math.min(100, Math.round(100 * seen)));
};

/** Add up the time in which the page was in front and in focus. */
const count = (): void => {
  const now = performance.now();
  if (since) engaged += now - since;
  since = doc.visibilityState == "visible" && doc.hasFocus() ? now : 0;
};

/** Tell how long this page was read and how far, each stretch once. */
const depart = (isOver?: boolean): void => {
  if (!view) return;
  count();
  modules.forEach((module) => module.leaving(isOver));
  if (engaged < LEAST_MS) return;
  track("$engage", { engaged_ms: Math.round(engaged), scroll_depth: deepest });
  engaged = 0;
};

/** Act on a choice: forget what may no longer be sent, or note the page that was not noted yet. */
const obey = (): void => {
  if (mode() == "denied") discard();
  else if (view == "" && isAutomatic) page();
};

/** `tallymark("signup", {plan: "pro"})`; before the script is there, `tallymark("$identify", "u1")`. */
const api: any = (name: unknown, ...rest: any[]): void => {
  if (typeof name != "string") return;
  if (name[0] == "$") calls[name.slice(1)]?.(...rest);
  else track(name, rest[0], rest[1]?.now);
};

const calls: Record<string, (...given: any[]) => unknown> = {
  page,
  flush,
  mode,
  identify(id, traits) {
    if (!id || !isKnown()) return;
    user = "" + id;
    track("$identify", traits);
  },
  group(type, id, traits) {
    if (!id || !isKnown()) return;
    groups = { ...groups, [type]: "" + id };
    track("$group", { type, id: "" + id, traits });
  },
  set(properties) {
    if (isKnown()) track("$set", properties);
  },
  consent(choice, version = attribute("override")) {
    choose(choice);
    if (isKnown()) {
      takeOver();
      if (isNew) track("$consent", { state: choice, version });
    }
    obey();
  },
  optout(out = true) {
    leaveOut(out);
    obey();
  },
  reset() {
    user = undefined;
    groups = {};
    if (isKnown()) renew();
  },
};

const follow = (): void => {
  for (const name of ["pushState", "replaceState"]) {
    const original = history[name as "pushState"];
    history[name as "pushState"] = function (...given) {
      original.apply(this, given);
      moved();
    };
  }
  on(win, "popstate", moved);
  if (has("hash")) on(win, "hashchange", moved);
  // A page that the browser kept and shows again is a new view of it.
  on(win, "pageshow", (event) => event.persisted && page());
};

const run = (): void => {
  const asked = Array.from(win.tallymark?.q || [], (given: any) => [...given]);
  const call = (isCommand: boolean): void =>
    asked.forEach((given) => /^\$/.test(given[0]) == isCommand && api(...given));
  Object.assign(api, win.tallymark, calls);
  win.tallymark = api;
  modules.forEach((module) => module.start());
  if (isKnown()) takeOver();
  // Choices first, so that the first view is already counted under them.
  call(true);
  view = "";
  obey();
  call(false);
  if (isAutomatic) follow();
  on(win, "focus", count);
  on(win, "blur", count);
  on(win, "scroll", scrolled, { passive: true });
  on(doc, "visibilitychange", () => {
    if (doc.visibilityState == "visible") return count();
    depart();
    flush();
  });
  on(win, "pagehide", () => {
    depart();
    leave();
  });
};

/** Begin with these modules: once, and never while the page is only being prepared. */
export const start = (...given: Module[]): void => {
  if (win.tallymark?.mode) return;
  modules = given;
  begin(confession);
  if ((doc as any).prerendering) on(doc, "prerenderingchange", run, { once: true });
  else run();
};
