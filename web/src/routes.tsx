/** Every screen: its address, its name and where it stands in the menu. A screen that is not here does not exist. */
import { lazy, type ComponentType } from "react";
import type { Role } from "./api/session";
import type { MessageKey } from "./i18n/t";
import type { IconName } from "./ui/Icon";

export interface Screen {
  path: string;
  name: MessageKey;
  icon: IconName;
  group: "group.understand" | "group.watch" | "group.govern" | null;
  /** After `g`, the key that goes there. */
  key?: string;
  /** The least role it is for; others do not see it in the menu. */
  needs?: Role;
  view: ComponentType;
}

export const SCREENS: readonly Screen[] = [
  { path: "/", name: "screen.home", icon: "home", group: null, key: "h", view: lazy(() => import("./screens/home")) },
  { path: "/explore", name: "screen.explore", icon: "explore", group: "group.understand", key: "e", view: lazy(() => import("./screens/explore")) },
  { path: "/funnels", name: "screen.funnels", icon: "funnels", group: "group.understand", key: "f", view: lazy(() => import("./screens/funnels")) },
  { path: "/retention", name: "screen.retention", icon: "retention", group: "group.understand", key: "r", view: lazy(() => import("./screens/retention")) },
  { path: "/paths", name: "screen.paths", icon: "paths", group: "group.understand", key: "p", view: lazy(() => import("./screens/paths")) },
  { path: "/web", name: "screen.web", icon: "web", group: "group.understand", key: "w", view: lazy(() => import("./screens/web")) },
  { path: "/experience", name: "screen.experience", icon: "experience", group: "group.understand", key: "x", view: lazy(() => import("./screens/experience")) },
  { path: "/distribution", name: "screen.distribution", icon: "distribution", group: "group.understand", view: lazy(() => import("./screens/distribution")) },
  { path: "/lifecycle", name: "screen.lifecycle", icon: "lifecycle", group: "group.understand", view: lazy(() => import("./screens/lifecycle").then((all) => ({ default: all.Lifecycle }))) },
  { path: "/stickiness", name: "screen.stickiness", icon: "stickiness", group: "group.understand", view: lazy(() => import("./screens/lifecycle").then((all) => ({ default: all.Stickiness }))) },
  { path: "/people", name: "screen.people", icon: "people", group: "group.understand", key: "u", view: lazy(() => import("./screens/people")) },
  { path: "/cohorts", name: "screen.cohorts", icon: "cohorts", group: "group.understand", key: "c", view: lazy(() => import("./screens/cohorts")) },
  { path: "/dashboards", name: "screen.dashboards", icon: "boards", group: "group.understand", key: "b", view: lazy(() => import("./screens/dashboards")) },
  { path: "/live", name: "screen.live", icon: "live", group: "group.watch", key: "l", view: lazy(() => import("./screens/live")) },
  { path: "/data", name: "screen.data", icon: "data", group: "group.govern", key: "d", view: lazy(() => import("./screens/data")) },
  { path: "/sql", name: "screen.sql", icon: "sql", group: "group.govern", key: "s", needs: "analyst", view: lazy(() => import("./screens/sql")) },
  { path: "/setup-guide", name: "screen.setup", icon: "plus", group: "group.govern", needs: "analyst", view: lazy(() => import("./screens/setup")) },
  { path: "/manage", name: "screen.settings", icon: "keys", group: "group.govern", view: lazy(() => import("./screens/settings")) },
];

/** Screens that are come to from others and are not in the menu. */
export const INNER: readonly { path: string; name: MessageKey; view: ComponentType }[] = [
  { path: "/people/:kind/:id", name: "screen.person", view: lazy(() => import("./screens/person")) },
  { path: "/dashboards/:id", name: "screen.dashboards", view: lazy(() => import("./screens/dashboard")) },
  { path: "/saved/:id", name: "saved.title", view: lazy(() => import("./screens/saved")) },
];
