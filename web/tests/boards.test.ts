import fc from "fast-check";
import { describe as group, expect, test } from "vitest";
import type { Annotation } from "../src/api/boards";
import { few } from "../src/api/few";
import { below, COLUMNS, freshId, placed, resized, stepped, type Box } from "../src/boards/layout";
import { apiFilters, apiRange, decodeNarrow, encodeNarrow, OWN, pageFilters, pageRange } from "../src/boards/narrow";
import { template, TEMPLATES } from "../src/boards/templates";
import { marksOf } from "../src/charts/marking";
import { ARITY, COHORT, OPS, type Cond } from "../src/query/types";
import { isWeb } from "../src/ui/Markdown";

const box = fc.record({ x: fc.integer({ min: 0, max: 11 }), y: fc.integer({ min: 0, max: 20 }), w: fc.integer({ min: 1, max: 12 }), h: fc.integer({ min: 1, max: 8 }) });
const boxes = fc.array(box, { minLength: 1, maxLength: 9 }).map((all) => all.map((one, at) => ({ ...one, id: `t${at}`, w: Math.min(one.w, COLUMNS - one.x) })));

function isSound(before: readonly Box[], after: readonly Box[]): void {
  expect(after.map((one) => one.id).sort()).toEqual(before.map((one) => one.id).sort());
  for (const one of after) {
    expect(one.x).toBeGreaterThanOrEqual(0);
    expect(one.y).toBeGreaterThanOrEqual(0);
    expect(one.x + one.w).toBeLessThanOrEqual(COLUMNS);
    for (const other of after) {
      if (one.id < other.id) expect(one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h).toBe(false);
    }
  }
}

group("the grid", () => {
  test("wherever a tile is put, none lies over another and none is over the edge", () => {
    fc.assert(
      fc.property(boxes, fc.integer({ min: -5, max: 20 }), fc.integer({ min: -5, max: 40 }), (tiles, x, y) => {
        const after = placed(tiles, { ...tiles[0]!, x, y });
        isSound(tiles, after);
        expect(after.find((one) => one.id === "t0")!.w).toBe(tiles[0]!.w);
      }),
    );
  });
  test("however a tile is resized, the same holds", () => {
    fc.assert(fc.property(boxes, fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 60 }), (tiles, dw, dh) => isSound(tiles, resized(tiles, "t0", dw, dh))));
  });
  test("a step by key passes the next tile, down and back up", () => {
    const two = [{ id: "a", x: 0, y: 0, w: 6, h: 4 }, { id: "b", x: 0, y: 4, w: 6, h: 3 }];
    const down = stepped(two, "a", 0, 1);
    expect(down.map((one) => [one.id, one.y])).toEqual([["b", 0], ["a", 3]]);
    expect(stepped(down, "a", 0, -1).map((one) => [one.id, one.y])).toEqual([["a", 0], ["b", 4]]);
    expect(stepped(two, "a", 1, 0).find((one) => one.id === "a")).toMatchObject({ x: 1, y: 0 });
    expect(stepped(two, "a", -1, 0)).toEqual(two);
  });
  test("a new tile goes below all others under a name of its own", () => {
    expect(below([{ id: "a", x: 3, y: 2, w: 2, h: 5 }], 6, 4)).toEqual({ x: 0, y: 7, w: 6, h: 4 });
    expect(freshId([{ id: "t2" }])).toBe("t3");
  });
});

group("the range and filters of a dashboard", () => {
  const scalar = fc.oneof(fc.string({ minLength: 1 }), fc.integer(), fc.boolean());
  const cond: fc.Arbitrary<Cond> = fc.constantFrom(...OPS).chain((op): fc.Arbitrary<Cond> => {
    const most = ARITY[op] < 0 ? 4 : ARITY[op];
    const one = ["contains", "not_contains", "starts_with", "ends_with", "matches"].includes(op) ? fc.string({ minLength: 1 }) : scalar;
    if (op === "in_cohort" || op === "not_in_cohort") return fc.record({ field: fc.constant(COHORT), op: fc.constant(op), values: fc.tuple(fc.string({ minLength: 1 })) });
    return fc.record({ field: fc.string({ minLength: 1 }), op: fc.constant(op), values: fc.array(one, { minLength: Math.max(1, most) === most ? most : Math.min(1, most), maxLength: most }) });
  });
  test("filters come back from the API as they were", () => {
    fc.assert(fc.property(fc.array(cond, { maxLength: 4 }), (where) => {
      expect(pageFilters(apiFilters(where))).toEqual(where);
    }));
  });
  test("what only the API can say is not taken for what it is not", () => {
    expect(pageFilters([{ op: "not", filter: { op: "exists", field: "a" } }])).toBeNull();
  });
  test("they come back from the address as they were", () => {
    fc.assert(fc.property(fc.array(cond, { maxLength: 4 }), fc.constantFrom("7d", "this_month", OWN, "2026-01-01..2026-01-31"), (where, range) => {
      expect(decodeNarrow(encodeNarrow({ range, where }), { range: "30d", where: [] })).toEqual({ range, where });
    }));
  });
  test("an address that says nothing leaves what is kept", () => {
    const kept = { range: "30d", where: [{ field: "country", op: "equals" as const, values: ["DE"] }] };
    expect(decodeNarrow("", kept)).toEqual(kept);
    expect(decodeNarrow("r=nonsense", kept)).toEqual(kept);
  });
  test("ranges come back from the API as they were", () => {
    for (const one of ["30d", "this_month", OWN, "2026-02-01..2026-02-28", "2026-02-01.."]) expect(pageRange(apiRange(one) as never)).toBe(one);
  });
});

test("annotations stand in the bucket they happened in, and nowhere outside", () => {
  const note = (at: string): Annotation => ({ id: at, at, text: "x", kind: "note", owner: "", updated_at: 0 });
  const days = [{ since: "2026-03-28T23:00:00Z", until: "2026-03-29T22:00:00Z" }, { since: "2026-03-29T22:00:00Z", until: "2026-03-30T22:00:00Z" }];
  const marks = marksOf([note("2026-03-28T22:59:59Z"), note("2026-03-29T21:59:59Z"), note("2026-03-29T22:00:00Z"), note("2026-03-29T23:00:00Z"), note("2026-03-30T22:00:00Z")], days);
  expect(marks.map((one) => [one.bucket, one.notes.length])).toEqual([[0, 1], [1, 2]]);
});

test("templates are dashboards without overlaps, whatever events there are", () => {
  for (const which of TEMPLATES) {
    for (const events of [[], ["a"], ["signup_viewed", "signup_started", "email_confirmed", "signup", "<b>"]]) {
      const { tiles } = template(which, events);
      isSound(tiles, tiles);
      for (const one of tiles) if (one.kind === "question") expect(Object.keys(one.question!.question).length).toBeGreaterThan(0);
    }
  }
  const signup = template("signup", ["page_view", "signup", "signup_viewed", "email_confirmed"]).tiles[1];
  expect(signup).toMatchObject({ question: { question: { steps: ["signup_viewed", "email_confirmed", "signup"] } } });
});

test("only addresses of the web become links", () => {
  expect(["https://a.example/x", "http://a", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//a", "x"].map(isWeb)).toEqual([true, true, false, false, false, false, false]);
});

test("of many questions a few are asked at once, and a failed one lets the next begin", async () => {
  let now = 0;
  let most = 0;
  const ask = async (fails: boolean) => {
    most = Math.max(most, ++now);
    await new Promise((go) => setTimeout(go, 2));
    now--;
    if (fails) throw new Error("no");
    return 1;
  };
  const done = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => few(() => ask(at % 3 === 0))));
  expect(done.map((one) => one.status)).toEqual(Array.from({ length: 12 }, (_, at) => (at % 3 === 0 ? "rejected" : "fulfilled")));
  expect(most).toBe(3);
});
