import fc from "fast-check";
import { expect, test } from "vitest";
import { isRange } from "../src/query/codec";
import { readRange } from "../src/query/dates";

test.each([
  ["last 6 weeks", "6w"],
  ["Past three months", "3mo"],
  ["the last day", "1d"],
  ["12 hours", "12h"],
  ["90d", "90d"],
  ["this month", "this_month"],
  ["last quarter", "last_quarter"],
  ["Yesterday", "yesterday"],
  ["2026-03..2026-05", "2026-03-01..2026-05-31"],
  ["2026-02-14 to 2026-02-20", "2026-02-14..2026-02-20"],
  ["since 2026-02-14", "2026-02-14.."],
  ["from 2026-02 until March 2026", "2026-02-01..2026-03-31"],
  ["May 2026", "2026-05-01..2026-05-31"],
  ["Q2 2026", "2026-04-01..2026-06-30"],
  ["2026-q4", "2026-10-01..2026-12-31"],
  ["2024-02", "2024-02-01..2024-02-29"],
  ["2026", "2026-01-01..2026-12-31"],
])("%s is read as %s", (text, range) => {
  expect(readRange(text)).toBe(range);
});

test.each(["", "soon", "last blue moons", "2026-13", "2026-02-30", "2026-05..2026-03", "last 0 days", "1..2..3", "last 99999999 days"])("%s is no range", (text) => {
  expect(readRange(text)).toBeNull();
});

test("whatever is typed is a range of the address or nothing", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^(last|since|from)? ?\d{0,4}-?\d{0,2} ?(days|weeks|\.\.)? ?\d{0,4}$/)), (text) => {
      const found = readRange(text);
      expect(found === null || isRange(found)).toBe(true);
    }),
  );
});
