/** Text with a few signs of Markdown, as elements and never as HTML: heads, lists, bold, slanted, code, links. */
import { t } from "../i18n/t";
import { Fragment, type ReactNode } from "react";

const MARK = /(\*\*[^*\n]+\*\*|\*[^*\n]+\*|`[^`\n]+`|\[[^\]\n]+\]\([^()\s]+\))/;

export function Markdown({ text }: { text: string }) {
  return <div className="markdown" tabIndex={0} role="group" aria-label={t("tile.text")}>{blocks(text).map((lines, at) => <Fragment key={at}>{block(lines)}</Fragment>)}</div>;
}

/** Paragraphs are parted by empty lines; a list or head is a part of its own. */
function blocks(text: string): string[][] {
  const found: string[][] = [];
  let kind = "";
  for (const line of text.split(/\r\n|\r|\n/)) {
    const now = line.trim() === "" ? "" : /^#{1,3} /.test(line) ? "head" : /^\s*[-*] /.test(line) ? "list" : "text";
    if (now !== "") {
      if (now === kind && now !== "head") found.at(-1)!.push(line);
      else found.push([line]);
    }
    kind = now;
  }
  return found;
}

function block(lines: string[]): ReactNode {
  const head = /^(#{1,3}) (.*)$/.exec(lines[0]!);
  // The page has a first head of its own, and the tile may have a second.
  if (head) return head[1] === "#" ? <h3>{inline(head[2]!)}</h3> : <h4>{inline(head[2]!)}</h4>;
  if (/^\s*[-*] /.test(lines[0]!)) return <ul>{lines.map((one, at) => <li key={at}>{inline(one.replace(/^\s*[-*] /, ""))}</li>)}</ul>;
  return (
    <p>
      {lines.map((one, at) => (
        <Fragment key={at}>
          {at > 0 && <br />}
          {inline(one)}
        </Fragment>
      ))}
    </p>
  );
}

function inline(text: string): ReactNode[] {
  return text.split(MARK).map((part, at) => {
    if (at % 2 === 0) return part;
    if (part.startsWith("**")) return <b key={at}>{part.slice(2, -2)}</b>;
    if (part.startsWith("*")) return <em key={at}>{part.slice(1, -1)}</em>;
    if (part.startsWith("`")) return <code key={at}>{part.slice(1, -1)}</code>;
    const [, words, address] = /^\[([^\]]+)\]\(([^()]+)\)$/.exec(part)!;
    return isWeb(address!) ? <a key={at} href={address} target="_blank" rel="noopener noreferrer nofollow">{words}</a> : part;
  });
}

/** Whether an address is of the web; one of a script is shown as it is written. */
export function isWeb(address: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(address).protocol);
  } catch {
    return false;
  }
}
