// What may be stored and sent: what the site asks for, what the visitor chose, what the browser signals.

import { attempt, attribute, doc, has, nav, newId, win } from "./page";

export type Mode = "granted" | "cookieless" | "denied";

const QUEUE = "_tq_";
const SECONDS = 390 * 86_400;
const ABANDONED = 90_000;

const respected = attribute("respect", "gpc,dnt");
const inCookie = attribute("store") != "local";
const ownQueue = QUEUE + newId();

/** What the browser asks for, of what the site respects: 1 is GPC, 2 is DNT, 3 both. */
export const signal =
  (/gpc/.test(respected) && nav.globalPrivacyControl ? 1 : 0) +
  (/dnt/.test(respected) && (nav.doNotTrack == 1 || win.doNotTrack == 1) ? 2 : 0);

/** The share of page loads that is counted at all. */
export const sample = +attribute("sample", "1");

const isSilent = Math.random() >= sample || (nav.webdriver && has("skip-automation"));

let wanted = attribute("consent", "cookieless");
let isChosen = false;
let isOut = false;

/** The id of this device, and whether a choice on this page made it: that is worth a record. */
export let device: string | undefined;
export let isNew = false;

// Read and written by name; storage that is switched off throws already when it is looked at.
const store = <T>(act: (storage: Storage) => T): T | undefined => attempt(() => act(localStorage));

const readId = (): string | undefined =>
  attempt(() =>
    /(?:^|; )_ti=([\w-]{8,64})/.exec(inCookie ? doc.cookie : "_ti=" + localStorage.getItem("_ti")),
  )?.[1];

const writeId = (id: string, seconds: number): void => {
  const domain = attribute("domain");
  attempt(() => {
    if (inCookie)
      doc.cookie =
        `_ti=${id};Path=/;Max-Age=${seconds};SameSite=Lax` +
        (domain && ";Domain=" + domain) +
        (/s:/.test(location.protocol) ? ";Secure" : "");
    else if (id) localStorage._ti = id;
    else delete localStorage._ti;
  });
};

/**
 * Returns what holds now, in this tab and by what was chosen in others.
 *
 * A device that keeps no id is counted as one that was not asked. An id that has gone was taken back
 * in another tab, or cleared by the visitor, and that is a no.
 */
export const mode = (): Mode => {
  if (isSilent || isOut || store((storage) => storage.tallymark_ignore)) return "denied";
  if (signal && !(isChosen && attribute("override"))) {
    // Also takes off what was stored before there was a signal.
    if (attribute("on-signal") == "off") choose("denied");
    else if (wanted == "granted") choose("cookieless");
  }
  if (wanted != "granted") return wanted == "cookieless" ? wanted : "denied";
  const id = readId();
  if (device && !id) return "denied";
  device = id;
  if (!id) renew();
  return device ? "granted" : "cookieless";
};

export const isKnown = (): boolean => mode() == "granted";

/** Give this device another id; it is written once, and not renewed by later visits. */
export const renew = (): void => {
  writeId(newId(), SECONDS);
  device = readId();
  isNew = true;
};

/** Take a choice; anything but a yes takes everything off the device. */
export const choose = (choice: string): void => {
  isChosen = true;
  isNew = false;
  wanted = choice;
  device = undefined;
  if (choice != "granted") clear();
};

/** Leave this browser out, or take it in again: the one thing that is stored without consent. */
export const leaveOut = (out: boolean): void => {
  isOut = out;
  if (out) clear();
  store((storage) => {
    if (out) storage.tallymark_ignore = 1;
    else delete storage.tallymark_ignore;
  });
};

const clear = (): void => {
  device = undefined;
  writeId("", 0);
  store((storage) => queues(storage).forEach((key) => delete storage[key]));
};

const queues = (storage: Storage): string[] =>
  Object.keys(storage).filter((key) => key.startsWith(QUEUE));

/** Keep what is not sent yet, under a key of this tab alone; `since` 0 leaves it to the next page. */
export const keep = (items: unknown[], since: number): void => {
  if (isKnown())
    store((storage) => {
      if (items.length) storage[ownQueue] = JSON.stringify([since, items]);
      else delete storage[ownQueue];
    });
};

/** Return what tabs that are gone could not send; it is this tab's from now on. */
export const adopt = (): any[] =>
  (isKnown() &&
    store((storage) =>
      queues(storage).flatMap((key) => {
        const [since, items] = attempt(() => {
          const [at, left] = JSON.parse(storage[key]);
          return [at, left.filter(Array.isArray)];
        }) || [0, []];
        if (since > Date.now() - ABANDONED) return [];
        delete storage[key];
        return items;
      }),
    )) ||
  [];
