import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, encode } from "../src/query/codec";
import { ARITY, CHARTS, COMPARES, INTERVALS, KINDS, MEASURES, OPS, query, row, type Clause, type Cond, type Query, type Row } from "../src/query/types";

// A lone half of a surrogate pair has no UTF-8 form, so no address can hold one.
const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const nasty = fc.constantFrom("~", "~~n5", "a:b", "a;b,c", "*", "5", "true", "%", "+", "&=?#", "’", "日本", "</script>", " x ");
const name = fc.oneof(text, nasty);
const scalar = fc.oneof(name, fc.constant(""), fc.boolean(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => (Object.is(one, -0) ? 0 : one)));
const cond: fc.Arbitrary<Cond> = fc.constantFrom(...OPS).chain((op) =>
  fc.record({
    field: name,
    op: fc.constant(op),
    values: fc.array(scalar, ARITY[op] < 0 ? { minLength: 1, maxLength: 4 } : { minLength: ARITY[op], maxLength: ARITY[op] }),
  }),
);
const joins = fc.constantFrom("and" as const, "or" as const);
const inner: fc.Arbitrary<Clause> = fc.oneof({ weight: 3, arbitrary: cond }, { weight: 1, arbitrary: fc.record({ join: joins, clauses: fc.array(cond, { maxLength: 3 }) }) });
const clause: fc.Arbitrary<Clause> = fc.oneof({ weight: 3, arbitrary: cond }, { weight: 2, arbitrary: fc.record({ join: joins, clauses: fc.array(inner, { maxLength: 3 }) }) });
const rows: fc.Arbitrary<Row> = fc.record({ event: fc.oneof(fc.constant(null), name), measure: fc.constantFrom(...MEASURES), of: fc.oneof(fc.constant(null), name), where: fc.array(clause, { maxLength: 3 }) });
const queries: fc.Arbitrary<Query> = fc.record({
  kind: fc.constantFrom(...KINDS),
  range: fc.constantFrom("30d", "12mo", "today", "last_month", "2026-03-01..2026-05-31", "2026-03-01.."),
  rows: fc.array(rows, { maxLength: 4 }),
  formulas: fc.array(name, { maxLength: 2 }),
  where: fc.array(clause, { maxLength: 3 }),
  breakdown: fc.uniqueArray(name, { maxLength: 3 }),
  interval: fc.oneof(fc.constant(null), fc.constantFrom(...INTERVALS)),
  compare: fc.oneof(fc.constant(null), fc.constantFrom(...COMPARES)),
  chart: fc.constantFrom(...CHARTS),
  options: fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), name, { maxKeys: 3 }),
});

describe("a query in the address", () => {
  test("comes back as it was, whatever names and values are in it", () => {
    fc.assert(
      fc.property(queries, (one) => {
        const found = decode(one.kind, encode(one));
        expect(found.dropped).toEqual([]);
        expect(found.query).toEqual({ ...one, options: { ...one.options } });
      }),
      { numRuns: 1_000 },
    );
  });

  test("can be read and written by hand", () => {
    const one = query("trends", { rows: [{ ...row("purchase", "sum"), of: "revenue", where: [{ field: "properties.plan", op: "in", values: ["pro", 5] }] }], breakdown: ["country"], range: "90d" });

    const address = decodeURIComponent(encode(one));

    expect(address).toBe("e=purchase:sum:revenue;properties.plan:in:pro,~n5&b=country&r=90d&v=1");
    expect(decode("trends", address).query).toEqual(one);
  });

  test("has groups of conditions and formulas in a form that can be written by hand", () => {
    const plan = (value: string): Cond => ({ field: "plan", op: "equals", values: [value] });
    const one = query("trends", { rows: [row("a"), row("b")], formulas: ["A / B"], where: [{ join: "or", clauses: [plan("pro"), { join: "and", clauses: [plan("a|b)"), plan("~)")] }] }] });

    const address = new URLSearchParams(encode(one));

    expect(address.get("f")).toBe("~(or~|plan:equals:pro~|~(and~|plan:equals:a|b)~|plan:equals:~~)~)~)");
    expect(address.get("x")).toBe("A / B");
    expect(decode("trends", address.toString()).query).toEqual(one);
  });

  test("refuses groups that are not closed, of no known kind, or three deep", () => {
    for (const text of ["~(or~|a:exists:", "~(xor~|a:exists:~)", "~(or~|a:exists:~)x", "~(or~|~(and~|~(or~|a:exists:~)~)~)"]) {
      const found = decode("trends", new URLSearchParams({ v: "1", f: text }).toString());
      expect([text, found.query.where, found.dropped]).toEqual([text, [], [`f=${text}`]]);
    }
  });

  test("of which a part is nonsense keeps the rest and says what it dropped", () => {
    const found = decode("trends", "v=1&e=signup:count&e=:nonsense&f=plan:resembles:pro&r=soon&i=fortnight&d=pie&o.WHAT=1");

    expect(found.query.rows).toEqual([row("signup")]);
    expect(found.query.range).toBe("30d");
    expect(found.dropped).toHaveLength(6);
  });

  test("never throws, whatever is typed", () => {
    fc.assert(
      fc.property(fc.string(), (address) => {
        decode("trends", `v=1&${address}`);
      }),
    );
  });

  test("that is bare means what the screen usually shows, and one of its own does not", () => {
    const usual = { rows: [row("signup")] };

    expect(decode("trends", "", usual).query.rows).toEqual([row("signup")]);
    expect(decode("trends", "v=1", usual).query.rows).toEqual([]);
    expect(decode("trends", "v=9&e=x", usual).dropped).toEqual(["v=9"]);
  });
});
