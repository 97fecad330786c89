import { expect, test } from "vitest";
import { describe } from "../src/query/describe";
import { query, row } from "../src/query/types";

test("a trend is one sentence", () => {
  const one = query("trends", { rows: [{ ...row("signup", "unique_people"), where: [{ field: "properties.plan", op: "equals", values: ["pro"] }] }], breakdown: ["country"], compare: "previous_period" });

  expect(describe(one)).toBe("People who did signup where plan is pro per day, last 30 days, by country, compared with the period before");
});

test("filters of the whole question are said at its end", () => {
  const one = query("trends", { rows: [row("signup")], where: [{ field: "country", op: "in", values: ["DE", "FR"] }] });

  expect(describe(one)).toBe("signup per day, last 30 days, where country is any of DE, FR");
});

test("a funnel says from where to where", () => {
  expect(describe(query("funnels", { rows: [row("a"), row("b"), row("c")], range: "7d" }))).toBe("From a to c in 3 steps, last 7 days");
});

test("braces of a name stay what they are", () => {
  expect(describe(query("trends", { rows: [row("{event} {range}")] }))).toBe("{event} {range} per day, last 30 days");
});

test("groups of filters and formulas are said as they are nested", () => {
  const plan = { field: "properties.plan", op: "equals" as const, values: ["pro"] };
  const country = { field: "country", op: "equals" as const, values: ["DE"] };
  const one = query("trends", { rows: [row("signup", "unique_people"), row("visit")], formulas: ["A / B"], where: [plan, { join: "or", clauses: [country, { join: "and", clauses: [plan, country] }] }] });

  expect(describe(one)).toBe("A / B with A = People who did signup, B = visit per day, last 30 days, where plan is pro and (country is DE or (plan is pro and country is DE))");
});

test("a group of one is said as the one, and an empty one not at all", () => {
  const country = { field: "country", op: "equals" as const, values: ["DE"] };

  expect(describe(query("trends", { rows: [row("a")], where: [{ join: "or", clauses: [country] }, { join: "and", clauses: [] }] }))).toBe("a per day, last 30 days, where country is DE");
});

test("a distribution and the experience of a page are sentences too", () => {
  expect(describe(query("distribution", { rows: [row("search")] }))).toBe("How often each person did search, last 30 days");
  expect(describe(query("experience", { options: { page: "/a" } }))).toBe("How /a is experienced, last 30 days");
  expect(describe(query("experience"))).toBe("How all pages are experienced, last 30 days");
});
