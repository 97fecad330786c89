import fc from "fast-check";
import { describe as group, expect, test } from "vitest";
import { figures, FIGURES } from "../src/guides/figures";
import { FEWEST, guides, MOST, WORKS, workOf, type Facts } from "../src/guides/guides";
import { decode } from "../src/query/codec";
import { question } from "../src/query/ask";
import { lastName } from "../src/query/useLastName";
import { KINDS, type Kind } from "../src/query/types";
import { pageViewed, paid, signedUp, signupSteps } from "../src/query/usual";

const NOTHING: Facts = { events: [], people: 0, accounts: 0, views: 0, devices: 0, channels: 0, failed: 0, isLive: false };
const WHOLE: Facts = { events: ["page_view", "signup_viewed", "signup_started", "email_confirmed", "signup", "order_completed", "error"], people: 9, accounts: 3, views: 50, devices: 50, channels: 4, failed: 2, isLive: true };

const usualNames = fc.constantFrom("page_view", "$pageview", "signup_viewed", "signup_started", "email_confirmed", "signup", "Signed Up", "order_completed", "purchase", "error", "<img src=x onerror=alert(1)>", "a;b:c,d~*", "*");
const events = fc.uniqueArray(fc.oneof(usualNames, fc.string({ minLength: 1, maxLength: 40 })), { minLength: 1, maxLength: 12 });
const count = fc.nat({ max: 3 });
const facts: fc.Arbitrary<Facts> = fc.record({ events, people: count, accounts: count, views: count, devices: count, channels: count, failed: count, isLive: fc.boolean() });

function asks(href: string) {
  const [path, search = ""] = href.split("?", 2);
  const kind = path === "/explore" ? "trends" : path!.slice(1);
  return (KINDS as readonly string[]).includes(kind) ? { kind: kind as Kind, ...decode(kind as Kind, search) } : null;
}

group("the questions of Home", () => {
  test("are four to six of anything that came, and none of nothing", () => {
    fc.assert(fc.property(fc.constantFrom(...WORKS), facts, (work, given) => {
      const found = guides(work, given);

      expect(found.length).toBeGreaterThanOrEqual(FEWEST);
      expect(found.length).toBeLessThanOrEqual(MOST);
      expect(new Set(found.map((one) => one.id)).size).toBe(found.length);
      expect(guides(work, { ...given, events: [] })).toEqual([]);
    }));
  });

  test("name only events that came, and can be asked as they stand", () => {
    fc.assert(fc.property(fc.constantFrom(...WORKS), facts, (work, given) => {
      for (const one of guides(work, given)) {
        const asked = asks(one.href);
        if (one.event) expect(given.events).toContain(one.event);
        if (!asked) continue;
        expect(asked.dropped).toEqual([]);
        for (const { event } of asked.query.rows) if (event !== null) expect(given.events).toContain(event);
        for (const name of ["start", "end"]) if (asked.query.options[name]) expect(given.events).toContain(asked.query.options[name]);
        if (one.href.includes("?")) expect(question(asked.query)).not.toBeNull();
      }
    }));
  });

  test("ask nothing of pages, people or accounts where there are none", () => {
    fc.assert(fc.property(fc.constantFrom(...WORKS), events, (work, given) => {
      const found = guides(work, { ...NOTHING, events: given }).map((one) => one.id);
      const never = ["pages", "ways", "sources", "devices", "channels", "accounts", "back", "next", "sticky", "lifecycle", "spread", "signup", "after", "before", "bought", "errors", "failed", "live"];

      expect(found.filter((one) => never.includes(one))).toEqual([]);
    }));
  });

  test.each([
    ["product", ["signup", "features", "back", "after", "sticky", "accounts"]],
    ["design", ["pages", "ways", "before", "signup", "devices", "next"]],
    ["marketing", ["sources", "channels", "bought", "sales", "back", "growth"]],
    ["analysis", ["growth", "features", "spread", "back", "signup", "catalogue"]],
    ["engineering", ["live", "volume", "failed", "errors", "devices", "catalogue"]],
  ] as const)("of %s are those of that work", (work, ids) => {
    expect(guides(work, WHOLE).map((one) => one.id)).toEqual(ids);
  });

  test("walk the sign-up as it is", () => {
    const [first] = guides("product", WHOLE);

    expect(asks(first!.href)?.query.rows.map((one) => one.event)).toEqual(["signup_viewed", "signup_started", "email_confirmed", "signup"]);
  });

  test("are of the work that goes with a role until somebody says theirs", () => {
    expect([workOf("viewer"), workOf("analyst"), workOf("owner")]).toEqual(["product", "analysis", "product"]);
  });
});

group("the big numbers of Home", () => {
  const ids = (work: (typeof WORKS)[number], given: Facts) => figures(work, given).map((one) => one.id);

  test("are four of any project, and name only events that came", () => {
    fc.assert(fc.property(fc.constantFrom(...WORKS), facts, (work, given) => {
      const found = figures(work, given);

      expect(found.length).toBe(FIGURES);
      expect(new Set(found.map((one) => one.id)).size).toBe(FIGURES);
      for (const one of found) if (one.event) expect(given.events).toContain(one.event);
    }));
  });

  test.each([
    ["product", ["week", "completed", "back", "sticky"]],
    ["design", ["vain", "forms", "stay", "bounce"]],
    ["marketing", ["visitors", "signups", "converted", "source"]],
    ["analysis", ["day", "refused", "kinds", "people"]],
    ["engineering", ["hour", "refused", "waiting", "errors"]],
  ] as const)("of %s are those of that work", (work, wanted) => {
    expect(ids(work, { ...WHOLE, events: [...WHOLE.events, "rage_click", "form_start"] })).toEqual(wanted);
  });

  test("are those that any project can tell where there is nothing for the others", () => {
    for (const work of WORKS) expect(ids(work, NOTHING)).toEqual(["people", "sessions", "events", "accounts"]);
    expect(ids("design", { ...NOTHING, events: ["bell_rang"], people: 1 })).toEqual(["people", "sessions", "events", "accounts"]);
    expect(ids("marketing", { ...WHOLE, views: 0, people: 0 })).toEqual(["people", "sessions", "events", "accounts"]);
  });
});

test("the name that an address ends in is decoded once", () => {
  for (const name of ["50% off/a?b#c", '"><script>alert(1)</script>', "a%2Fb", "日本"]) expect(lastName(`/stats/accounts/${encodeURIComponent(name)}`)).toBe(name);
  expect(lastName("/accounts/%E0%A4%A")).toBe("");
});

test.each([
  [["signup_viewed", "signup"], ["signup_viewed", "signup"], "signup"],
  [["Signed Up", "registration_started"], ["registration_started", "Signed Up"], "Signed Up"],
  [["signature_added", "page_view"], [], undefined],
])("of %j the steps of a sign-up are %j", (names, steps, last) => {
  expect(signupSteps(names)).toEqual(steps);
  expect(signedUp(names)).toBe(last);
});

test("other events are known by their usual names, too", () => {
  expect(pageViewed(["pageviewer_opened", "$pageview"])).toBe("$pageview");
  expect(paid(["order_viewed", "plan_upgraded", "order_completed"])).toBe("order_completed");
  expect(paid(["order_viewed", "prepaid"])).toBeUndefined();
});
