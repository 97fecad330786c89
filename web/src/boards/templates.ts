/** Dashboards to begin with. Each tile is a question as its screen would ask it. */
import type { BoardDraft, QuestionTile, TextTile, Tile } from "../api/boards";
import { t } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { encode } from "../query/codec";
import { query, row, type Query } from "../query/types";
import { signupSteps } from "../query/usual";

export const TEMPLATES = ["product", "web", "signup"] as const;
export type Template = (typeof TEMPLATES)[number] | "empty";

export function template(which: Template, events: readonly string[]): BoardDraft {
  const tiles = which === "empty" ? [] : { product, web, signup }[which](events);
  return { name: t(`template.${which}`), description: t(`templatelead.${which}`), tiles, range: which === "empty" ? null : "30d", filters: [] };
}

function product(events: readonly string[]): Tile[] {
  const top = events[0] ?? null;
  return [
    asked("t1", [0, 0, 6, 5], query("trends", { rows: [row(null, "unique_people")] }), t("template.tile.active")),
    asked("t2", [6, 0, 6, 5], query("trends", { rows: [row(top)], chart: "area" }), top === null ? t("template.tile.events") : ""),
    asked("t3", [0, 5, 6, 7], query("retention", { rows: [row()] }), t("template.tile.retention")),
    asked("t4", [6, 5, 6, 7], query("lifecycle", { rows: [row()] }), t("template.tile.lifecycle")),
    asked("t5", [0, 12, 12, 6], query("stickiness", { rows: [row()] }), t("template.tile.stickiness")),
  ];
}

function web(): Tile[] {
  const pages = { event: null, measure: "unique_people" as const, of: null, where: [{ field: "kind", op: "equals" as const, values: ["page"] }] };
  return [
    asked("t1", [0, 0, 12, 3], query("web", { compare: "previous_period" }), t("template.tile.site")),
    asked("t2", [0, 3, 12, 5], query("trends", { rows: [pages], chart: "area" }), t("template.tile.visitors")),
    asked("t3", [0, 8, 6, 5], query("trends", { rows: [pages], breakdown: ["channel"] }), t("template.tile.channels")),
    asked("t4", [6, 8, 6, 5], query("trends", { rows: [pages], breakdown: ["country"], chart: "bar" }), t("template.tile.countries")),
  ];
}

function signup(events: readonly string[]): Tile[] {
  const found = signupSteps(events);
  const steps = found.length >= 2 ? found : events.slice(0, 2);
  if (steps.length < 2) return [text("t1", [0, 0, 12, 3], t("template.signup.none"))];
  const last = steps.at(-1)!;
  return [
    text("t1", [0, 0, 12, 2], t("template.signup.text", { first: steps[0]!, last })),
    asked("t2", [0, 2, 12, 8], query("funnels", { rows: steps.map((name) => row(name)) }), ""),
    asked("t3", [0, 10, 6, 5], query("trends", { rows: [row(last, "unique_people")] }), ""),
    asked("t4", [6, 10, 6, 5], query("trends", { rows: [row(last, "unique_people")], breakdown: ["channel"] }), ""),
  ];
}

type Corner = readonly [number, number, number, number];

function asked(id: string, [x, y, w, h]: Corner, shown: Query, title: string): QuestionTile {
  return { kind: "question", id, x, y, w, h, title: title || describe(shown), saved: null, question: { insight: shown.kind, question: question(shown) ?? {}, address: encode(shown) || "v=1" } };
}

function text(id: string, [x, y, w, h]: Corner, words: string): TextTile {
  return { kind: "text", id, x, y, w, h, title: "", text: words };
}
