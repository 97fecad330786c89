import fc from "fast-check";
import { expect, test } from "vitest";
import { csv } from "../src/charts/export";
import { change, paints, spread, stack } from "../src/charts/scale";

test("up to six values of one chart have six colours, and more differ by dash", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 18 }), (labels) => {
      const painted = paints(labels.map((label) => ({ label })), true);

      const looks = painted.map((one) => `${one.colour} ${one.dash}`);
      expect(new Set(looks).size).toBe(labels.length);
      expect(new Set(painted.slice(0, 6).map((one) => one.colour)).size).toBe(Math.min(6, labels.length));
    }),
  );
});

test("a value keeps its colour when others come and go", () => {
  const colour = (labels: string[]) => paints(labels.map((label) => ({ label })), true)[0]!.colour;

  expect(colour(["pro", "free"])).toBe(colour(["pro"]));
});

test("what is left over is grey", () => {
  expect(paints([{ label: "Other", isOther: true }], true)[0]!.colour).toBe("var(--other)");
});

test("stacked series lie on each other, and what is missing is nothing", () => {
  expect(stack([[1, null], [2, 3]])).toEqual([
    [[0, 1], [0, 0]],
    [[1, 3], [0, 3]],
  ]);
});

test("labels of an axis are spread evenly from the first", () => {
  expect(spread(30, 10)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
  expect(spread(3, 10)).toEqual([0, 1, 2]);
  expect(spread(0, 10)).toEqual([]);
});

test("a change is a share of what it was, and none of nothing", () => {
  expect(change(12, 10)).toBeCloseTo(0.2);
  expect(change(5, 0)).toBeNull();
  expect(change(null, 3)).toBeNull();
});

test("a cell that a spreadsheet would calculate is made a text", () => {
  const table = { columns: ["name", "n"], rows: [["=cmd()", -5], ['say "hi", you', 2], ["@sum", null]] };

  expect(csv(table as never)).toBe('name,n\r\n\'=cmd(),-5\r\n"say ""hi"", you",2\r\n\'@sum,\r\n');
});
