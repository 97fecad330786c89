import fc from "fast-check";
import { expect, test } from "vitest";
import { fieldOf, idFrom } from "../src/settings/newProject";

test.each([
  ["Shop", "shop"],
  ["  My Shop — Europe!  ", "my-shop-europe"],
  ["a/../../etc", "a-etc"],
  ["Café", "caf"],
  ["日本", ""],
  ["…", ""],
  ["x".repeat(300), "x".repeat(63)],
  [`${"x".repeat(62)} y`, "x".repeat(62)],
])("of %j the id is %j", (name, id) => {
  expect(idFrom(name)).toBe(id);
});

test("an id made from a name is one, or nothing", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (name) => {
    expect(idFrom(name)).toMatch(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$/);
  }));
});

test("a refusal is shown at the field it is about, and else apart", () => {
  expect(fieldOf({ code: "BAD_FIELD", path: "$.name" })).toBe("name");
  expect(fieldOf({ code: "PROJECT_EXISTS", path: "$.name" })).toBe("name");
  expect(fieldOf({ code: "PROJECT_EXISTS", path: undefined })).toBe("id");
  expect(fieldOf({ code: "TIMEZONE_UNKNOWN", path: "timezone" })).toBe("timezone");
  expect(fieldOf({ code: "ROLE_TOO_LOW", path: undefined })).toBeNull();
});
