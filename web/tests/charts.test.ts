import fc from "fast-check";
import { expect, test } from "vitest";
import { csv } from "../src/charts/export";
import { placeOf } from "../src/charts/Histogram";
import { lonely } from "../src/charts/TimeChart";
import { beside, change, decades, paints, shares, spread, stack } from "../src/charts/scale";
import world from "../src/charts/world.json";

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

test("shares of each place add up to one, and to nothing of nothing", () => {
  expect(shares([[1, null, 0], [3, 5, 0]])).toEqual([
    [0.25, 0, 0],
    [0.75, 1, 0],
  ]);
});

test("an axis that grows tenfold begins at nothing and ends below the greatest", () => {
  expect(decades(4_200)).toEqual([0, 1, 10, 100, 1_000]);
  expect(decades(0.5)).toEqual([0, 0.5]);
  expect(decades(0)).toEqual([0]);
});

test("the map has the countries by their codes, each as a closed outline within the picture", () => {
  const shapes = Object.entries(world.shapes as Record<string, string>);

  expect(shapes.length).toBeGreaterThan(170);
  for (const code of ["DE", "FR", "US", "CN", "IN", "BR", "ZA", "AU", "JP", "GB", "XK", "TL", "ZW", "VN", "RS", "YE"]) expect(world.shapes).toHaveProperty(code);
  for (const [code, shape] of shapes) {
    expect(code === "" || /^[A-Z]{2}$/.test(code)).toBe(true);
    expect(shape).toMatch(/^(M-?\d+ -?\d+l[-\d ]+z)+$/);
  }
});

test("an arrow key leads to the nearest node of the step beside, or the next within a step", () => {
  const node = (step: number, place: number, y0: number) => ({ step, place, y0 });
  const [a, b, c, d] = [node(0, 0, 0), node(0, 1, 90), node(1, 0, 10), node(1, 1, 80)] as const;
  const all = [a, b, c, d];

  expect(beside(all, b, "ArrowRight")).toBe(d);
  expect(beside(all, c, "ArrowLeft")).toBe(a);
  expect(beside(all, a, "ArrowDown")).toBe(b);
  expect(beside(all, a, "ArrowUp")).toBeUndefined();
  expect(beside(all, a, "x")).toBeUndefined();
});

test("a value with none beside it is drawn as a point", () => {
  expect(lonely([null, 1, null, 2, 3, null, 0])).toEqual([1, 6]);
  expect(lonely([5])).toEqual([0]);
});

test("a line of a histogram stands in the bar of its value, as far as it is through it", () => {
  const bins = [
    { low: null, high: 0 },
    { low: 0, high: 10 },
    { low: 10, high: 30 },
  ];

  expect(placeOf(5, bins)).toBe(1.5);
  expect(placeOf(10, bins)).toBe(2);
  expect(placeOf(-3, bins)).toBe(0.5);
  expect(placeOf(30, bins)).toBeNull();
});
