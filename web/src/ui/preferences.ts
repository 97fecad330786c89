/** What this browser remembers of how somebody likes the pages; the page reads it before it is painted. */
import { useSyncExternalStore } from "react";

export interface Preferences {
  theme: "auto" | "light" | "dark";
  density: "comfortable" | "compact";
  rail: "wide" | "narrow";
  shortcuts: boolean;
  /** Projects whose list of things to do was put away. */
  hidden: string[];
  /** What somebody works on, by which Home offers its questions; empty until they say. */
  work: string;
}

const NAME = "tallymark.preferences.1";
const USUAL: Preferences = { theme: "auto", density: "comfortable", rail: "wide", shortcuts: true, hidden: [], work: "" };
const listeners = new Set<() => void>();
let now: Preferences = read();

export function preferences(): Preferences {
  return now;
}

export function usePreferences(): [Preferences, (part: Partial<Preferences>) => void] {
  const held = useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => now,
  );
  return [held, prefer];
}

export function prefer(part: Partial<Preferences>): void {
  now = { ...now, ...part };
  try {
    localStorage.setItem(NAME, JSON.stringify(now));
  } catch {
    // Storage may be forbidden; then it holds until the page is left.
  }
  show();
  for (const changed of listeners) changed();
}

function show(): void {
  const root = document.documentElement;
  if (now.theme === "auto") delete root.dataset["theme"];
  else root.dataset["theme"] = now.theme;
  root.dataset["density"] = now.density;
  root.dataset["rail"] = now.rail;
}

function read(): Preferences {
  try {
    return { ...USUAL, ...(JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Preferences>) };
  } catch {
    return USUAL;
  }
}
