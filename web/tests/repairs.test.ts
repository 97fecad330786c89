import { expect, test } from "vitest";
import { EMPTY, isWhole, paths, sent, written } from "../src/data/steps";

const step = (part: object) => ({ ...EMPTY, ...part });

test("steps are written as the server takes them", () => {
  expect(
    written([
      step({ op: "set", path: "properties.currency", value: "EUR", missing: true }),
      step({ op: "set", path: "properties.n", value: "9.5" }),
      step({ op: "set", path: "properties.old", value: '{"a": [1, null]}' }),
      step({ op: "cast", path: " properties.amount ", type: "number" }),
      step({ op: "rename", path: "a", to: "b" }),
      step({ op: "drop", path: "properties.debug" }),
      step({ op: "regex_sub", path: "properties.amount", pattern: "^EUR ", to: "" }),
      step({ op: "map_event", path: "checkout", to: "checkout_completed" }),
      step({ op: "set_version", to: "2-1-0" }),
    ]),
  ).toEqual([
    { set: { path: "properties.currency", value: "EUR" }, when: { path: "properties.currency", missing: true } },
    { set: { path: "properties.n", value: 9.5 } },
    { set: { path: "properties.old", value: { a: [1, null] } } },
    { cast: { path: "properties.amount", to: "number" } },
    { rename: { from: "a", to: "b" } },
    { drop: "properties.debug" },
    { regex_sub: { path: "properties.amount", pattern: "^EUR ", with: "" } },
    { map_event: { checkout: "checkout_completed" } },
    { set_version: "2-1-0" },
  ]);
});

test.each(["12345678901234567890", "0.1000000000000000055", "9.50", "1e400"])("a number that JavaScript would change goes as text: %s", (text) => {
  expect(written([step({ path: "n", value: text })])).toEqual([{ set: { path: "n", value: text } }, { cast: { path: "n", to: "number" } }]);
});

test("a step that lacks something is not whole", () => {
  expect([step({}), step({ op: "rename", path: "a" }), step({ op: "set_version", to: "two" }), step({ op: "regex_sub", path: "a" })].map(isWhole)).toEqual([false, false, false, false]);
});

test("the fields of what was sent are offered as paths, and what is no JSON is text", () => {
  expect(paths({ name: "x", properties: { a: 1, b: { c: [1] }, d: {} } })).toEqual(["name", "properties.a", "properties.b.c", "properties.d"]);
  expect(sent(btoa("not json")).text).toBe("not json");
  expect(sent(btoa('{"a":1}')).item).toEqual({ a: 1 });
});
