/** Every screen: its address, its name and where it stands in the menu. A screen that is not here does not exist. */
import { lazy, type ComponentType } from "react";
import { suffices, type Role } from "./api/roles";
import type { MessageKey } from "./i18n/t";
import type { IconName } from "./ui/Icon";

/** The parts of the menu, in order; the first and the last have no heading. */
export const GROUPS = ["first", "group.understand", "group.watch", "group.govern", "last"] as const;
export type Group = (typeof GROUPS)[number];

export interface Screen {
  path: string;
  name: MessageKey;
  icon: IconName;
  /** The part of the menu its entry stands in. */
  group: Group;
  /** The path of the screen in whose entry of the menu this one is a tab; an entry of its own without. */
  under?: string;
  /** What it is called in the menu, where other screens are its tabs. */
  entry?: MessageKey;
  /** What it is called among the tabs of its entry, if not by its name. */
  tab?: MessageKey;
  /** After `g`, the key that goes there. */
  key?: string;
  /** The least role it is for; others do not see it in the menu. */
  needs?: Role;
  view: ComponentType;
}

/** More entries than that nobody reads; what would be one more becomes a tab of another. */
export const MOST_ENTRIES = 14;

export const SCREENS: readonly Screen[] = [
  { path: "/", name: "screen.home", icon: "home", group: "first", key: "h", view: lazy(() => import("./screens/home")) },
  { path: "/explore", name: "screen.explore", icon: "explore", group: "group.understand", key: "e", tab: "tab.trends", view: lazy(() => import("./screens/explore")) },
  { path: "/web", name: "screen.web", icon: "web", group: "group.understand", key: "w", under: "/explore", view: lazy(() => import("./screens/web")) },
  { path: "/lifecycle", name: "screen.lifecycle", icon: "lifecycle", group: "group.understand", under: "/explore", view: lazy(() => import("./screens/lifecycle").then((all) => ({ default: all.Lifecycle }))) },
  { path: "/stickiness", name: "screen.stickiness", icon: "stickiness", group: "group.understand", under: "/explore", view: lazy(() => import("./screens/lifecycle").then((all) => ({ default: all.Stickiness }))) },
  { path: "/distribution", name: "screen.distribution", icon: "distribution", group: "group.understand", under: "/explore", view: lazy(() => import("./screens/distribution")) },
  { path: "/sql", name: "screen.sql", icon: "sql", group: "group.understand", key: "s", needs: "analyst", under: "/explore", view: lazy(() => import("./screens/sql")) },
  { path: "/funnels", name: "screen.funnels", icon: "funnels", group: "group.understand", key: "f", view: lazy(() => import("./screens/funnels")) },
  { path: "/retention", name: "screen.retention", icon: "retention", group: "group.understand", key: "r", view: lazy(() => import("./screens/retention")) },
  { path: "/paths", name: "screen.paths", icon: "paths", group: "group.understand", key: "p", view: lazy(() => import("./screens/paths")) },
  { path: "/people", name: "screen.people", icon: "people", group: "group.understand", key: "u", entry: "entry.people", view: lazy(() => import("./screens/people")) },
  { path: "/accounts", name: "screen.accounts", icon: "accounts", group: "group.understand", key: "a", under: "/people", view: lazy(() => import("./screens/accounts")) },
  { path: "/cohorts", name: "screen.cohorts", icon: "cohorts", group: "group.understand", key: "c", under: "/people", view: lazy(() => import("./screens/cohorts")) },
  { path: "/dashboards", name: "screen.dashboards", icon: "boards", group: "group.understand", key: "b", view: lazy(() => import("./screens/dashboards")) },
  { path: "/live", name: "screen.live", icon: "live", group: "group.watch", key: "l", view: lazy(() => import("./screens/live")) },
  { path: "/experience", name: "screen.experience", icon: "experience", group: "group.watch", key: "x", view: lazy(() => import("./screens/experience")) },
  { path: "/data", name: "screen.data", icon: "data", group: "group.govern", key: "d", view: lazy(() => import("./screens/data")) },
  { path: "/manage", name: "screen.settings", icon: "keys", group: "last", view: lazy(() => import("./screens/settings")) },
  { path: "/setup-guide", name: "screen.setup", icon: "plus", group: "last", needs: "analyst", view: lazy(() => import("./screens/setup")) },
];

/** The entries of the menu for a role, in order. */
export function entriesFor(role: Role): Screen[] {
  return SCREENS.filter((one) => one.under === undefined && suffices(role, one.needs));
}

/** What an entry shows as tabs for a role; a screen alone has none. */
export function tabsOf(entry: Screen, role: Role): Screen[] {
  const all = SCREENS.filter((one) => (one === entry || one.under === entry.path) && suffices(role, one.needs));
  return all.length > 1 ? all : [];
}

/** The screen that an address belongs to: its own, or the one it was come to from. */
export function screenAt(path: string): Screen | undefined {
  return SCREENS.find((one) => path === one.path || (one.path !== "/" && path.startsWith(`${one.path}/`)));
}

/** The entry of the menu that a screen is in. */
export function entryOf(screen: Screen): Screen {
  return SCREENS.find((one) => one.path === screen.under) ?? screen;
}

/** Screens that are come to from others and are not in the menu. */
export const INNER: readonly { path: string; name: MessageKey; view: ComponentType }[] = [
  { path: "/people/:kind/:id", name: "screen.person", view: lazy(() => import("./screens/person")) },
  { path: "/accounts/:id", name: "screen.account", view: lazy(() => import("./screens/account")) },
  { path: "/dashboards/:id", name: "screen.dashboards", view: lazy(() => import("./screens/dashboard")) },
  { path: "/saved/:id", name: "saved.title", view: lazy(() => import("./screens/saved")) },
];
