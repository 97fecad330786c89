import { expect, test } from "vitest";
import type { Answer } from "../src/api/types";
import { tableWithIntervals } from "../src/views/funnels";

const step = (count: number, interval: unknown) => ({ count, of_first_interval: interval });
const columns = ["plan", "step", "event", "people", "dropped", "of first", "of previous", "median seconds"];
const row = (plan: string, at: number) => [plan, at, "e", 10, 0, 0.5, 0.5, null];

function answer(groups: unknown[], rows: unknown[][], names = columns): Pick<Answer<"funnels">, "data" | "table"> {
  const total = { steps: [step(10, null), step(5, { low: "0.25", high: 0.75 })] };
  return { data: { total, groups } as never, table: { columns: names, rows } as never };
}

test("the ends of an interval stand right of the share they are of", () => {
  const table = tableWithIntervals(answer([], [row("", 1), row("", 2)]));
  const place = table.columns.indexOf("of first");
  expect(table.columns.slice(place, place + 4)).toEqual(["of first", "of first, from", "of first, to", "of previous"]);
  expect((table.rows as unknown[][]).map((one) => one.slice(place, place + 4))).toEqual([[0.5, null, null, 0.5], [0.5, 0.25, 0.75, 0.5]]);
});

test("each group has the intervals of its own steps", () => {
  const groups = [{ steps: [step(4, { low: 0.1, high: 0.2 })] }, { steps: [step(6, { low: 0.3, high: 0.4 })] }];
  const table = tableWithIntervals(answer(groups, [row("a", 1), row("b", 1)]));
  expect((table.rows as unknown[][]).map((one) => one.slice(6, 8))).toEqual([[0.1, 0.2], [0.3, 0.4]]);
});

test("a table of something else stays as it is", () => {
  const overTime = answer([], [["2026-11", 1]], ["entered in", "people"]);
  expect(tableWithIntervals(overTime)).toBe(overTime.table);
  const odd = answer([], [row("", 1)]);
  expect(tableWithIntervals(odd)).toBe(odd.table);
});
