// How fast the page was, by the reference implementation of the web vitals: one event a page load.

import { onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";

import { here, type Sent, track } from "./core";
import { doc } from "./page";

let found: Record<string, number> = {};
let page: Partial<Sent>;
let isTold = false;

export const vitals = {
  start(): void {
    const note = ({ name, value }: { name: string; value: number }): void => {
      page ||= here();
      const isTime = name != "CLS";
      found[name.toLowerCase() + (isTime ? "_ms" : "")] = isTime ? Math.round(value) : Math.round(value * 1e4) / 1e4;
    };
    for (const measure of [onCLS, onFCP, onINP, onLCP, onTTFB]) measure(note);
  },
  leaving(isOver: boolean): void {
    // They belong to the page that was loaded, not to those that a script showed after it; and the
    // last of them is known only once the page is hidden, which comes after it is left.
    if (isOver || isTold || !page || doc.visibilityState != "hidden") return;
    isTold = true;
    track("$vitals", found, false, page);
  },
};
