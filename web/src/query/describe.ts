/** A query as a sentence: the title of its chart, and what a screen reader says of it. */
import { bucketLabel, t, word, type MessageKey } from "../i18n/t";
import { clause as filterOf, usualInterval } from "./ask";
import { LETTERS } from "./formula";
import { COHORT, isGroup, needsNumber, type Clause, type Cond, type Query, type Row } from "./types";

/** Return the sentence, in plain text. */
export function describe(query: Query): string {
  const what = describeAll(query);
  const conditions = conditionsOf(query.where);
  return conditions ? t("describe.all", { what, conditions }) : what;
}

function describeAll(query: Query): string {
  const range = describeRange(query.range);
  const by = query.breakdown.length ? t("describe.by", { fields: listed(query.breakdown.map(fieldName)) }) : "";
  const first = query.rows[0];
  switch (query.kind) {
    case "trends": {
      const per = t(`per.${query.interval ?? usualInterval(query.range)}`);
      const vs = query.compare ? t("describe.vs", { before: t(`describe.before.${query.compare}`) }) : "";
      return t("describe.trend", { what: describeRows(query), per, range, by, vs });
    }
    case "funnels":
      return t("describe.funnel", { first: eventName(first), last: eventName(query.rows.at(-1)), n: query.rows.length, range, by });
    case "retention":
      return t("describe.retention", {
        returning: eventName(query.rows[1] ?? first),
        start: eventName(first),
        interval: t(`interval.${query.interval ?? "week"}`).toLowerCase(),
        range,
      });
    case "paths": {
      const { start, end } = query.options;
      return t("describe.paths", { from: start ? t("describe.paths.from", { start }) : "", to: end ? t("describe.paths.to", { end }) : "", range });
    }
    case "web":
      return t("describe.web", { range });
    case "lifecycle":
      return t("describe.lifecycle", { event: eventName(first), per: t(`per.${query.interval ?? "week"}`), range });
    case "stickiness":
      return t("describe.stickiness", { event: eventName(first), range });
    case "distribution": {
      const per = word("distribution.each", query.options["per"] ?? "person");
      const measure = query.options["measure"] ?? "count";
      const event = eventName(first);
      if (measure === "count") return t("describe.distribution", { per, event, range });
      return t("describe.distribution.number", { measure: word("measure", measure), number: fieldName(first?.of ?? "…"), per, event, range });
    }
    case "experience": {
      const page = query.options["page"];
      return page === undefined ? t("describe.experience", { range }) : t("describe.experience.page", { page, range });
    }
  }
}

export function describeRow(row: Row): string {
  const event = eventName(row);
  const what = needsNumber(row.measure)
    ? t("describe.what.number", { measure: word("measure", row.measure), number: fieldName(row.of ?? "…"), event })
    : t(`describe.what.${row.measure}` as MessageKey, { event });
  const conditions = conditionsOf(row.where);
  return conditions ? t("describe.where", { what, conditions }) : what;
}

function describeRows({ rows, formulas }: Query): string {
  if (formulas.length === 0) return listed(rows.map(describeRow));
  const series = rows.map((row, at) => t("describe.letter", { letter: LETTERS[at]!, what: describeRow(row) }));
  return t("describe.formula", { formulas: listed(formulas), series: series.join(", ") });
}

/** What has to hold, in words; nothing of conditions that are still being written. */
function conditionsOf(clauses: readonly Clause[]): string {
  return listed(clauses.filter((one) => filterOf(one) !== null).map(describeClause));
}

export function describeClause(clause: Clause): string {
  if (!isGroup(clause)) return describeCond(clause);
  const parts = clause.clauses.filter((one) => filterOf(one) !== null).map(describeClause);
  if (parts.length < 2) return parts[0] ?? t("builder.emptygroup");
  return t("describe.group", { what: clause.join === "or" ? ored(parts) : listed(parts) });
}

export function describeCond(cond: Cond): string {
  const values = cond.values.map((one) => (one === "" ? "“”" : String(one)));
  if (cond.field === COHORT) return [word("op", cond.op), ...values].join(" ");
  return [fieldName(cond.field), word("op", cond.op), cond.op === "between" ? values.join(" – ") : values.join(", ")].join(" ").trim();
}

export function describeRange(range: string): string {
  const dates = /^(\d{4}-\d\d-\d\d)\.\.(.*)$/.exec(range);
  if (dates) {
    const since = bucketLabel(dates[1]!);
    return dates[2] ? t("describe.dates", { since, until: bucketLabel(dates[2]) }) : t("describe.since", { since });
  }
  const named = word("range", range);
  if (named !== range) return named.toLowerCase();
  const last = /^(\d+)(\w+)$/.exec(range);
  return last ? t("range.last", { n: Number(last[1]), unit: last[2]! }) : range;
}

/** Return the name of a field as people say it. */
export function fieldName(field: string): string {
  return field.replace(/^properties\./, "").replace(/_/g, " ");
}

function eventName(row: Row | undefined): string {
  return row?.event ?? t("describe.any");
}

function ored(parts: string[]): string {
  return t("describe.or", { one: parts.slice(0, -1).join(", "), other: parts.at(-1)! });
}

function listed(parts: string[]): string {
  if (parts.length < 2) return parts[0] ?? "";
  return t("describe.and", { one: parts.slice(0, -1).join(", "), other: parts.at(-1)! });
}
