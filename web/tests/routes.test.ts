import { describe as group, expect, test } from "vitest";
import { ROLES } from "../src/api/roles";
import { entriesFor, entryOf, GROUPS, MOST_ENTRIES, SCREENS, screenAt, tabsOf } from "../src/routes";

group("the menu", () => {
  test.each(ROLES)("has never more than fourteen entries, for a %s too", (role) => {
    expect(MOST_ENTRIES).toBe(14);
    expect(entriesFor(role).length).toBeLessThanOrEqual(MOST_ENTRIES);
  });

  test.each(ROLES)("leads to every screen that a %s may open, and to no other", (role) => {
    const reached = entriesFor(role).flatMap((entry) => [entry, ...tabsOf(entry, role)]);
    const open = SCREENS.filter((one) => one.needs === undefined || ROLES.indexOf(role) >= ROLES.indexOf(one.needs));

    expect(new Set(reached)).toEqual(new Set(open));
  });

  test("keeps the order of its parts, each in one piece", () => {
    const parts = entriesFor("owner").map((one) => GROUPS.indexOf(one.group));

    expect(parts).toEqual([...parts].sort((one, other) => one - other));
    expect(new Set(parts).size).toBe(GROUPS.length);
  });

  test("puts a tab under an entry that is one", () => {
    for (const one of SCREENS.filter((screen) => screen.under !== undefined)) {
      expect(entryOf(one).path).toBe(one.under);
      expect(entryOf(one).under).toBeUndefined();
      expect(entryOf(one).group).toBe(one.group);
    }
  });
});

test("an address belongs to its own screen, or to the one it was come to from", () => {
  expect(screenAt("/")?.name).toBe("screen.home");
  expect(screenAt("/people/user/u04")?.name).toBe("screen.people");
  expect(screenAt("/dashboards/d1")?.name).toBe("screen.dashboards");
  expect(screenAt("/webinar")).toBeUndefined();
  expect(screenAt("/no-such-screen")).toBeUndefined();
});

test("no key after g leads to two screens", () => {
  const keys = SCREENS.flatMap((one) => one.key ?? []);

  expect(new Set(keys).size).toBe(keys.length);
});
