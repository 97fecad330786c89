import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeCohort } from "../src/cohorts/describe";
import { defined, draftOf, idsOf, NEW, NEW_RULE, type Cohort, type Draft, type Rule } from "../src/cohorts/model";

const often: Rule = { ...NEW_RULE, event: "opened", times: 3, days: 14 };
const not: Rule = { ...NEW_RULE, kind: "didnot", event: "bought", days: 14 };

describe("a cohort", () => {
  test("of those who did one thing often and not another is written as the project defines it", () => {
    expect(defined({ ...NEW, rules: [often, not] })).toEqual({
      who: {
        op: "and",
        members: [
          { op: "did", event: "opened", at_least: 3, range: "14d" },
          { op: "not", member: { op: "did", event: "bought", range: "14d" } },
        ],
      },
    });
  });

  test("with a rule that is not filled in is none yet", () => {
    expect(defined({ ...NEW, rules: [often, { ...NEW_RULE, kind: "in" }] })).toBeNull();
    expect(defined({ ...NEW, rules: [{ ...often, times: NaN }] })).toBeNull();
    expect(defined({ ...NEW, how: "ids" })).toBeNull();
  });

  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean());
  const cond = fc.oneof(
    fc.record({ field: fc.string({ minLength: 1 }), op: fc.constantFrom("equals", "not_equals", "gt"), values: fc.array(value, { minLength: 1, maxLength: 1 }) }),
    fc.record({ field: fc.string({ minLength: 1 }), op: fc.constantFrom("in", "not_in"), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ field: fc.string({ minLength: 1 }), op: fc.constantFrom("exists", "is_true"), values: fc.constant([]) }),
  );
  const rule = fc.oneof(
    fc.record({ kind: fc.constant("did"), event: fc.option(fc.string()), times: fc.integer({ min: 1, max: 99 }), days: fc.integer({ min: 0, max: 999 }), conds: fc.array(cond, { maxLength: 2 }), cohort: fc.constant("") }),
    fc.record({ kind: fc.constant("didnot"), event: fc.option(fc.string()), times: fc.constant(1), days: fc.integer({ min: 0, max: 999 }), conds: fc.array(cond, { maxLength: 2 }), cohort: fc.constant("") }),
    fc.record({ kind: fc.constantFrom("is", "isnot"), conds: fc.array(cond, { minLength: 1, maxLength: 3 }) }).map((one) => ({ ...NEW_RULE, ...one })),
    fc.record({ kind: fc.constantFrom("in", "notin"), cohort: fc.string({ minLength: 1 }) }).map((one) => ({ ...NEW_RULE, ...one })),
  ) as fc.Arbitrary<Rule>;

  test("comes back from its definition as it was written", () => {
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 4 }), fc.constantFrom("and", "or"), (rules, match) => {
        const draft: Draft = { ...NEW, rules, match: rules.length === 1 ? "and" : (match as "and" | "or") };
        const made = defined(draft)!;
        expect(draftOf(JSON.parse(JSON.stringify(made)) as Cohort)).toEqual(draft);
      }),
      { numRuns: 400 },
    );
  });

  test.each<Cohort>([
    { who: { op: "did", event: "a", counted: "days", at_least: 2 } },
    { who: { op: "did", event: ["a", "b"] } },
    { who: { op: "did", event: "a", range: "2w" } },
    { who: { op: "not", member: { op: "did", event: "a", at_least: 2 } } },
    { who: { op: "did", event: "a" }, include_bots: true },
    { who: { op: "did", event: "a" }, of: "accounts" },
    { who: { op: "and", members: [] } },
    { who: { op: "has", filter: { op: "or", filters: [] } } },
    { who: { op: "behind", insight: "trends" } },
  ])("that says more than the form can is left to files: %j", (cohort) => {
    expect(draftOf(cohort)).toBeNull();
    expect(describeCohort(cohort)).toBe("by a rule of its own");
  });

  test("is told as a sentence", () => {
    expect(describeCohort(defined({ ...NEW, rules: [often, not] })!)).toBe("did opened at least 3 times in the last 14 days and did not do bought in the last 14 days");
  });

  test("is pasted from a list in any shape, each id once", () => {
    expect(idsOf("a\nb, c;d\n\n a\te ")).toEqual(["a", "b", "c", "d", "e"]);
  });
});
