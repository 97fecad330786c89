/** Whether a formula can be asked: the grammar of the server, so that what is being typed is not refused by it. */

export const LETTERS = "ABCDEFGHIJ";
const TOKEN = /\s*(?:(\d{1,20}(?:\.\d{1,9})?)|([A-Z])|([-+*/()]))/y;

export type FormulaFault = "empty" | "sign" | "letter" | "order";

/** Return what is wrong with a formula over so many series, null if nothing is. */
export function formulaFault(text: string, series: number): FormulaFault | null {
  if (text.trim() === "") return "empty";
  const tokens = tokensOf(text.trimEnd());
  if (tokens === null) return "sign";
  if (tokens.some((one) => /[A-Z]/.test(one) && LETTERS.indexOf(one) >= series)) return "letter";
  const end = sum(tokens, 0, 0);
  return end === tokens.length ? null : "order";
}

function tokensOf(text: string): string[] | null {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const one = TOKEN.exec(text);
    if (one === null) return null;
    found.push(one[1] ?? one[2] ?? one[3]!);
  }
  return found;
}

/** Return where the sum that begins at a place ends, -1 if there is none. */
function sum(tokens: string[], at: number, depth: number): number {
  return series(tokens, at, depth, ["+", "-"], (from) => series(tokens, from, depth, ["*", "/"], (inner) => factor(tokens, inner, depth)));
}

function series(tokens: string[], at: number, depth: number, signs: string[], part: (at: number) => number): number {
  let end = depth > 20 ? -1 : part(at);
  while (end >= 0 && signs.includes(tokens[end] ?? "")) end = part(end + 1);
  return end;
}

function factor(tokens: string[], at: number, depth: number): number {
  const one = tokens[at];
  if (one === "-") return depth < 20 ? factor(tokens, at + 1, depth + 1) : -1;
  if (one === "(") {
    const end = sum(tokens, at + 1, depth + 1);
    return tokens[end] === ")" ? end + 1 : -1;
  }
  return one !== undefined && /^[\dA-Z]/.test(one) ? at + 1 : -1;
}
