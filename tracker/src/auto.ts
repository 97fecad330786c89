// What people do on a page, without a line of code: links, forms, tagged elements, trouble.

import { here, track } from "./core";
import { attribute, doc, has, on, scrubbed, win } from "./page";

const FILES = /\.(7z|avi|csv|dmg|docx?|exe|gz|ics|iso|mkv|mov|mp[34]|mpe?g|msi|od[pst]|pdf|pkg|pp[st]x?|rar|tar|tgz|txt|wav|webm|xlsx?|zip)$/i;
const PRESSED = "a,button,summary,[role=button],[role=link],[role=tab],[role=menuitem],[onclick],input[type=button],input[type=submit],input[type=image],input[type=reset]";
// Links that open beside the page, and files, change nothing in it.
const ELSEWHERE = "[target]:not([target=_self]),[download],a[href^='mailto:'],a[href^='tel:']";
const PRIVATE = "input,textarea,select,[contenteditable],[autocomplete^=cc-]";
const TAG = "data-tallymark-event";
const MOST_POINTS = 200;
const MOST_ERRORS = 10;
const DEAD_MS = 1_000;
const RAGE_MS = 1_000;
const RAGE_PIXELS = 30;

let points: [x: number, y: number, element: number][] = [];
let seen: string[] = [];
let presses: { t: number; x: number; y: number }[] = [];
let started: Element[] = [];
let told: string[] = [];

/** Return the elements around what an event happened to, innermost first, also of open shadow trees. */
const around = (event: Event): Element[] => {
  const path = event.composedPath().filter((one): one is Element => one instanceof Element);
  return path.some((one) => one.matches("[data-tallymark-ignore]")) ? [] : path;
};

const first = (path: Element[], selector: string): Element | undefined =>
  path.find((one) => one.matches(selector));

/** Return where an element is, by at most five levels of its tags, ids and first classes. */
const selector = (path: Element[]): string => {
  const levels: string[] = [];
  for (const { id, localName, classList } of path) {
    if (levels.length > 4 || /^(html|body)$/.test(localName)) break;
    levels.unshift(localName + (id ? "#" + id : classList[0] ? "." + classList[0] : "").slice(0, 40));
    if (id) break;
  }
  return levels.join(">");
};

const tagged = (element: Element): void => {
  const properties: Record<string, string> = {};
  for (const { name, value } of Array.from(element.attributes))
    if (name.startsWith("data-tallymark-") && name != TAG) properties[name.slice(15)] = value;
  track(element.getAttribute(TAG)!, properties);
};

const followed = (link: HTMLAnchorElement): void => {
  const url = scrubbed(link.href);
  if (/^(mailto|tel|sms):$/.test(link.protocol)) track("$contact", { how: link.protocol.slice(0, -1) });
  else if (!/^https?:$/.test(link.protocol)) return;
  else if (link.hasAttribute("download") || FILES.test(link.pathname)) track("$download", { url });
  else if (link.host != location.host) track("$outbound", { url });
};

const clicked = (event: MouseEvent): void => {
  const path = around(event);
  const element = path[0];
  if (!element || event.button > 1) return;
  const mark = first(path, `[${TAG}]`);
  if (mark && mark.localName != "form") tagged(mark);
  const link = first(path, "a[href]") as HTMLAnchorElement;
  if (link) followed(link);
  if (event.button) return;
  const where = { selector: selector(path), tag: element.localName };
  if (has("auto-capture")) {
    const isReadable = attribute("auto-capture") == "text" && !first(path, PRIVATE);
    const text = isReadable && (element as HTMLElement).innerText?.trim().slice(0, 64);
    track("$click", text ? { ...where, text } : where);
  }
  // Keyboards press too, but nowhere.
  if (!event.detail) return;
  noteRage(event, where);
  noteDead(path, where);
  noteHeat(event, where.selector);
};

const noteRage = ({ clientX: x, clientY: y, timeStamp: t }: MouseEvent, where: object): void => {
  presses = presses.filter(
    (one) => t - one.t < RAGE_MS && Math.hypot(x - one.x, y - one.y) <= RAGE_PIXELS,
  );
  presses.push({ t, x, y });
  if (presses.length < 3) return;
  presses = [];
  track("$rage", where);
};

const noteDead = (path: Element[], where: object): void => {
  const pressed = first(path, PRESSED);
  if (!pressed || first(path, ELSEWHERE)) return;
  const view = here();
  const page = location.href;
  let isAlive = false;
  const live = (): void => {
    isAlive = true;
  };
  const watch = new MutationObserver(live);
  watch.observe(doc, { attributes: true, childList: true, characterData: true, subtree: true });
  const signs = ["scroll", "focusin", "beforeunload", "blur", "submit", "input", "selectionchange"];
  // The press itself gives the focus, so that says nothing.
  setTimeout(() => signs.forEach((name) => on(win, name, live, true)));
  setTimeout(() => {
    watch.disconnect();
    signs.forEach((name) => win.removeEventListener(name, live, true));
    if (!isAlive && location.href == page) track("$dead", where, false, view);
  }, DEAD_MS);
};

const noteHeat = ({ pageX, pageY }: MouseEvent, where: string): void => {
  if (!has("heatmap") || points.length >= MOST_POINTS) return;
  if (!seen.includes(where)) seen.push(where);
  const x = Math.round((1_000 * pageX) / doc.documentElement.scrollWidth);
  points.push([x, Math.round(pageY), seen.indexOf(where)]);
};

const formOf = (event: Event): HTMLFormElement | undefined => {
  const path = around(event);
  const field = path[0] as HTMLInputElement;
  return field && ((first(path, "form") || field.form) as HTMLFormElement);
};

// A field of that name hides the form's own property of it.
const named = (form: HTMLFormElement, name: string): string | undefined =>
  form.getAttribute(name)?.slice(0, 64) || undefined;

const noteForm = (form: HTMLFormElement, state: string): void =>
  track("$form", { state, form_id: named(form, "id"), form_name: named(form, "name") });

const noteError = (message: unknown, details: object, stack?: unknown): void => {
  const text = ("" + message).slice(0, 300);
  if (told.length >= MOST_ERRORS || told.includes(text)) return;
  told.push(text);
  // Addresses in it may have queries.
  const trace = stack ? ("" + stack).replace(/\?[^\s:)]*/g, "").slice(0, 2_000) : undefined;
  track("$error", { message: text, ...details, stack: trace });
};

export const auto = {
  start(): void {
    on(doc, "click", clicked, true);
    on(doc, "auxclick", clicked, true);
    on(doc, "input", (event) => {
      const form = formOf(event);
      if (!form || started.includes(form)) return;
      started.push(form);
      noteForm(form, "start");
    }, true);
    on(doc, "submit", (event) => {
      const form = formOf(event);
      if (!form) return;
      if (form.hasAttribute(TAG)) tagged(form);
      noteForm(form, "submit");
    }, true);
    on(win, "error", (event: ErrorEvent) => {
      const { message, filename, lineno, colno, error } = event;
      if (message) noteError(message, { type: error?.name, url: scrubbed(filename), line: lineno, column: colno }, error?.stack);
    });
    on(win, "unhandledrejection", ({ reason }: PromiseRejectionEvent) =>
      noteError(reason?.message || reason, { type: reason?.name || "unhandledrejection" }, reason?.stack),
    );
  },
  leaving(isOver: boolean): void {
    if (points.length) track("$heat", { width: doc.documentElement.scrollWidth, points, selectors: seen });
    points = [];
    seen = [];
    if (isOver) {
      started = [];
      told = [];
    }
  },
};
