/** Steps of a repair as somebody writes them on a page, and as the server takes them. */

export const OPERATIONS = ["set", "cast", "rename", "drop", "regex_sub", "map_event", "set_version"] as const;
export type Operation = (typeof OPERATIONS)[number];
export const TYPES = ["number", "integer", "string", "boolean"] as const;

export interface StepDraft {
  op: Operation;
  path: string;
  to: string;
  value: string;
  type: (typeof TYPES)[number];
  pattern: string;
  /** Only where the field is missing. */
  missing: boolean;
}

export const EMPTY: StepDraft = { op: "set", path: "", to: "", value: "", type: "number", pattern: "", missing: false };

/** The step that most often helps against a code, about the field that is wrong. */
export function usualStep(code: string, field: string): StepDraft {
  switch (code) {
    case "SCHEMA_TYPE":
      return { ...EMPTY, op: "cast", path: field };
    case "SCHEMA_REQUIRED":
      return { ...EMPTY, path: field, missing: true };
    case "UNPLANNED_PROP":
      return { ...EMPTY, op: "drop", path: field };
    case "UNPLANNED_EVENT":
      return { ...EMPTY, op: "map_event" };
    case "SCHEMA_MISSING":
    case "VERSION_RETIRED":
      return { ...EMPTY, op: "set_version" };
    default:
      return { ...EMPTY, path: field };
  }
}

/** Whether a step says all that it needs. */
export function isWhole(step: StepDraft): boolean {
  switch (step.op) {
    case "rename":
    case "map_event":
      return step.path.trim() !== "" && step.to.trim() !== "";
    case "set_version":
      return /^\d+-\d+-\d+$/.test(step.to.trim());
    case "regex_sub":
      return step.path.trim() !== "" && step.pattern !== "";
    default:
      return step.path.trim() !== "";
  }
}

/** Return the steps as the server takes them. */
export function written(drafts: readonly StepDraft[]): Record<string, unknown>[] {
  return drafts.flatMap((step): Record<string, unknown>[] => {
    const when = step.op === "set" && step.missing ? { when: { path: step.path.trim(), missing: true } } : {};
    const path = step.path.trim();
    switch (step.op) {
      case "set": {
        const { value, cast } = read(step.value);
        const set = { set: { path, value }, ...when };
        // What JavaScript would round goes as text and is made a number by the server, digit by digit.
        return cast ? [set, { cast: { path, to: "number" } }] : [set];
      }
      case "cast":
        return [{ cast: { path, to: step.type } }];
      case "rename":
        return [{ rename: { from: path, to: step.to.trim() } }];
      case "drop":
        return [{ drop: path }];
      case "regex_sub":
        return [{ regex_sub: { path, pattern: step.pattern, with: step.to } }];
      case "map_event":
        return [{ map_event: { [path]: step.to.trim() } }];
      case "set_version":
        return [{ set_version: step.to.trim() }];
    }
  });
}

function read(text: string): { value: unknown; cast: boolean } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "number" || String(value) === text.trim()) return { value, cast: false };
    return { value: text.trim(), cast: true };
  } catch {
    return { value: text, cast: false };
  }
}

/** The fields of what was sent, as paths: what there is to repair. */
export function paths(item: unknown, before = "", most = 200): string[] {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return [];
  const found: string[] = [];
  for (const [name, value] of Object.entries(item)) {
    if (found.length >= most) break;
    const path = before + name;
    const inner = paths(value, `${path}.`, most - found.length);
    found.push(...(inner.length > 0 ? inner : [path]));
  }
  return found.slice(0, most);
}

/** What was sent, from its base64: as text where it is text, laid out where it is JSON. */
export function sent(base64: string): { text: string; item: unknown } {
  const text = new TextDecoder().decode(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)));
  try {
    const item: unknown = JSON.parse(text);
    return { text: JSON.stringify(item, null, 2), item };
  } catch {
    return { text, item: null };
  }
}
