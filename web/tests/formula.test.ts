import fc from "fast-check";
import { expect, test } from "vitest";
import { formulaFault } from "../src/query/formula";

test.each(["A", "A / B", "(A + B) * 100", "-A", "1.5 * A - -B", "((A))", "A/B/2"])("%s can be calculated of two series", (text) => {
  expect(formulaFault(text, 2)).toBeNull();
});

test.each([
  ["", "empty"],
  ["  ", "empty"],
  ["A ** B", "order"],
  ["A B", "order"],
  ["(A", "order"],
  ["A)", "order"],
  ["A /", "order"],
  ["C", "letter"],
  ["a / b", "sign"],
  ["A; B", "sign"],
  ["A ÷ B", "sign"],
])("%s cannot: %s", (text, fault) => {
  expect(formulaFault(text, 2)).toBe(fault);
});

test("whatever is built of the grammar can be calculated", () => {
  const { sum } = fc.letrec<{ sum: string; part: string }>((tie) => ({
    sum: fc.oneof({ maxDepth: 4 }, tie("part"), fc.tuple(tie("part"), fc.constantFrom(" + ", "-", " * ", "/"), tie("sum")).map((parts) => parts.join(""))),
    part: fc.oneof({ maxDepth: 4 }, fc.constantFrom("A", "B", "C", "7", "0.25"), tie("sum").map((one) => `(${one})`), tie("part").map((one) => `-${one}`)),
  }));
  fc.assert(fc.property(sum, (text) => formulaFault(text, 3) === null));
});
