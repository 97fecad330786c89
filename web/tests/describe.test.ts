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
