// From an event to the server: batches, retries, what is kept for later, and the last word on leave.

import { adopt, isKnown, keep, mode } from "./consent";
import { attempt, nav, on, server, win } from "./page";

/** Who sends as JSON, an event as JSON, and how many events it stands for. */
export type Item = [head: string, event: string, weight: number];

const WAIT = 1_500;
const FULL = 20;
const MOST_WAITING = 200;
const MOST_AT_ONCE = 50;
// Browsers share 64 KiB among all requests of a page that may outlive it.
const OUTLIVES = 30_000;
const LONGEST_BACKOFF = 64_000;
const LONGEST_ASKED = 3_600_000;

const address = server + "/tm/v1/e";

let waiting: Item[] = [];
let flying: Item[] = [];
let outlives = false;
let isLeft = false;
let dropped = 0;
let limit = MOST_AT_ONCE;
let failures = 0;
let notBefore = 0;
let timer: any;
let confess: (count: number) => Item;

/** Begin; `confession` makes the event that tells how many were dropped. */
export const begin = (confession: (count: number) => Item): void => {
  confess = confession;
  on(win, "online", flush);
};

/** Take over what earlier pages of this device could not send. */
export const takeOver = (): void => {
  waiting = adopt().concat(waiting);
  later(WAIT);
};

/** Let an event wait for others; `now` sends it at once. */
export const enqueue = (item: Item, now?: boolean): void => {
  waiting.push(item);
  if (waiting.length > MOST_WAITING) dropped += waiting.shift()![2];
  if (now || waiting.length == FULL) flush();
  else later(WAIT);
};

/** Count an event that cannot be written as JSON. */
export const drop = (): void => {
  dropped++;
};

/** Send what waits, unless something is on its way or nothing can be sent now. */
export const flush = (): void => {
  clearTimeout(timer);
  timer = 0;
  if (flying.length || !waiting.length || mode() == "denied") return;
  const pause = notBefore - Date.now();
  if (pause > 0 || nav.onLine === false) {
    save();
    return later(Math.max(pause, WAIT));
  }
  const body = pack();
  outlives = new Blob([body]).size < OUTLIVES;
  fetch(address, { method: "POST", body, keepalive: outlives, credentials: "include" })
    .then(answered, () => comeBack(0))
    .then(() => {
      flying = [];
      save();
      later(waiting.length < FULL ? WAIT : 0);
    });
};

/** Send what waits as the page is left, when nobody can wait for an answer any more. */
export const leave = (): void => {
  if (!outlives) putBack();
  // What is on the device waits for the next page, if the server or the network cannot take it now.
  const isKept = isKnown() && (failures || nav.onLine === false);
  while (!isKept && mode() != "denied" && waiting.length) {
    const body = pack();
    if (attempt(() => nav.sendBeacon(address, body))) continue;
    putBack();
    // Together they are too large; one that is too large alone stays.
    if (limit < 2) break;
    limit = 1;
  }
  flying = [];
  isLeft = true;
  save();
};

/** Forget all that was not sent. */
export const discard = (): void => {
  waiting = [];
  flying = [];
  dropped = 0;
};

/** Take the next batch off the queue, all of one sender, and return it as a body. */
const pack = (): string => {
  if (dropped) waiting.unshift(confess(dropped));
  dropped = 0;
  const head = waiting[0]![0];
  let count = 1;
  while (count < limit && waiting[count]?.[0] == head) count++;
  flying = waiting.splice(0, count);
  return `${head.slice(0, -1)},"s":${Date.now()},"e":[${flying.map((item) => item[1])}]}`;
};

const answered = ({ status, headers }: Response): void => {
  if (status == 413 && limit > 1) {
    limit = 1;
    putBack();
  } else if (status == 429 || status == 408 || status > 499) {
    const after = headers.get("retry-after")!;
    comeBack(+after * 1_000 || Date.parse(after) - Date.now() || 0);
  } else {
    // Taken, or never to be: what is refused once is refused for ever.
    failures = 0;
  }
};

const putBack = (): void => {
  waiting = flying.concat(waiting);
};

const comeBack = (asked: number): void => {
  failures++;
  putBack();
  notBefore =
    Date.now() +
    Math.max(
      Math.min(asked, LONGEST_ASKED),
      Math.min(LONGEST_BACKOFF, 1_000 * 2 ** failures) * (0.5 + Math.random() / 2),
    );
};

const later = (ms: number): void => {
  timer ||= setTimeout(flush, ms);
};

// What a page that was left keeps is for whichever page comes next.
const save = (): void => keep(flying.concat(waiting), isLeft ? 0 : Date.now());
