import { expect, test } from "vitest";
import { daysOf, filter, question, range, usualInterval } from "../src/query/ask";
import { query, row } from "../src/query/types";

test("the last day that somebody names is in the range", () => {
  expect(range("2026-02-01..2026-02-28")).toEqual({ since: "2026-02-01", until: "2026-03-01" });
  expect(range("2026-02-01..")).toEqual({ since: "2026-02-01", until: null });
  expect(range("30d")).toBe("30d");
});

test("a condition that is not whole yet asks nothing", () => {
  expect(filter([{ field: "plan", op: "equals", values: [] }])).toBeNull();
  expect(filter([{ field: "plan", op: "between", values: [1] }])).toBeNull();
  expect(filter([{ field: "plan", op: "exists", values: [] }])).toEqual({ op: "exists", field: "plan" });
});

test("several conditions all have to hold", () => {
  const conds = [
    { field: "plan", op: "in" as const, values: ["pro", "team"] },
    { field: "value", op: "between" as const, values: [1, 5] },
  ];

  expect(filter(conds)).toEqual({
    op: "and",
    filters: [
      { op: "in", field: "plan", values: ["pro", "team"] },
      { op: "between", field: "value", low: 1, high: 5 },
    ],
  });
});

test("a sum asks nothing until its number is chosen", () => {
  expect(question(query("trends", { rows: [row("buy", "sum")] }))).toBeNull();
  expect(question(query("trends", { rows: [{ ...row("buy", "sum"), of: "revenue" }] }))).toMatchObject({ series: [{ event: "buy", measure: "sum", of: "revenue" }] });
});

test("a funnel needs two steps, each of something", () => {
  expect(question(query("funnels", { rows: [row("a"), row(null)] }))).toBeNull();
  expect(question(query("funnels", { rows: [row("a"), row("b")] }))).toMatchObject({ steps: ["a", "b"], order: "ordered" });
});

test("buckets are of a length that leaves a chart readable", () => {
  expect([usualInterval("today"), usualInterval("30d"), usualInterval("12mo"), usualInterval("3y")]).toEqual(["hour", "day", "week", "month"]);
  expect(daysOf("2026-01-01..2026-01-10")).toBe(10);
});

test("groups of conditions are asked as they are nested, and what is not whole in them is left out", () => {
  const plan = { field: "plan", op: "equals" as const, values: ["pro"] };
  const country = { field: "country", op: "equals" as const, values: ["DE"] };
  const unwritten = { field: "os", op: "equals" as const, values: [] };

  expect(filter([plan, { join: "or", clauses: [country, { join: "and", clauses: [plan, country] }, unwritten] }])).toEqual({
    op: "and",
    filters: [
      { op: "equals", field: "plan", value: "pro" },
      {
        op: "or",
        filters: [
          { op: "equals", field: "country", value: "DE" },
          { op: "and", filters: [{ op: "equals", field: "plan", value: "pro" }, { op: "equals", field: "country", value: "DE" }] },
        ],
      },
    ],
  });
  expect(filter([{ join: "or", clauses: [unwritten] }])).toBeNull();
  expect(filter([{ join: "or", clauses: [plan] }])).toEqual({ op: "equals", field: "plan", value: "pro" });
});

test("a formula is asked once it can be calculated", () => {
  const one = query("trends", { rows: [row("a"), row("b")], formulas: ["A / B"] });

  expect(question(one)).toMatchObject({ formulas: ["A / B"] });
  expect(question({ ...one, formulas: ["A /"] })).toBeNull();
  expect(question({ ...one, formulas: ["A / C"] })).toBeNull();
});

test("a distribution of a sum asks nothing until its number is chosen", () => {
  const one = query("distribution", { rows: [row("buy")], options: { measure: "sum" } });

  expect(question(one)).toBeNull();
  expect(question({ ...one, rows: [{ ...row("buy"), of: "revenue" }] })).toMatchObject({ step: "buy", measure: "sum", of: "revenue", per: "person" });
  expect(question({ ...one, options: {} })).toMatchObject({ measure: "count", of: null });
});

test("the experience of one page or of all is asked", () => {
  expect(question(query("experience", { options: { page: "/a" } }))).toMatchObject({ page: "/a", filter: null });
  expect(question(query("experience"))).toMatchObject({ page: null });
});
