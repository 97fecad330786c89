/** Paths as a picture: what is done at each step, and what after it. */
import { sankey, sankeyLinkHorizontal, type SankeyLink, type SankeyNode } from "d3-sankey";
import { useMemo, type KeyboardEvent } from "react";
import type { PathsData, Question } from "../api/types";
import { beside, paints } from "../charts/scale";
import { useWidth } from "../charts/useWidth";
import { format, t } from "../i18n/t";
import { useDrill, useOpens } from "./opening";

interface Node {
  step: number;
  place: number;
  name: string;
  kind: string;
  count: number;
}
interface Way {
  from: Node;
  to: Node;
}

export function Flow({ data, asked, title }: { data: PathsData; asked: Question; title: string }) {
  const [ref, width] = useWidth<HTMLDivElement>(900);
  const drill = useDrill();
  const opens = useOpens();
  const tall = Math.max(280, Math.max(...data.steps.map((one) => one.nodes.length)) * 64);
  const { nodes, links } = useMemo(() => layout(data, Math.max(width, data.steps.length * 130), tall), [data, width, tall]);
  const names = useMemo(() => [...new Set(nodes.map((one) => one.name))], [nodes]);
  const painted = useMemo(() => paints(names.map((label) => ({ label })), true), [names]);
  const colour = (node: Node) => (node.kind === "node" ? painted[names.indexOf(node.name)]!.colour : "var(--other)");
  const open = (text: string, place: Question) => drill({ title: text, people: { behind: { insight: "paths", question: asked, place } }, isOfSessions: (asked["unit"] ?? "session") === "session" });
  const named = (one: Node) => ({ kind: one.kind === "rest" ? "other" : one.kind, ...(one.kind === "node" ? { name: one.name } : {}) });
  /** Left and right go to the step before and after, up and down within a step, Enter opens. */
  function press(event: KeyboardEvent<SVGGElement>, one: Laid, label: string): void {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return open(label, { step: one.step, ...named(one) });
    }
    const next = beside(nodes, one, event.key);
    if (!next) return;
    event.preventDefault();
    event.currentTarget.ownerSVGElement?.querySelector<SVGGElement>(`[data-node="${next.step}:${next.place}"]`)?.focus();
  }
  return (
    <div ref={ref} className="sankey-box" role="group" aria-label={title} aria-describedby="sankey-hint" tabIndex={0}>
      <p id="sankey-hint" className="sr">
        {t("paths.hint")}
      </p>
      <svg width={Math.max(width, data.steps.length * 130)} height={tall} data-chart="sankey" className="sankey">
        <g fill="none">
          {links.map((one, at) => {
            const from = one.source as Laid;
            const to = one.target as Laid;
            const label = t("paths.link", { from: from.name, to: to.name, n: one.value });
            return (
              <path key={at} d={sankeyLinkHorizontal()(one as never) ?? ""} stroke={colour(from)} strokeWidth={Math.max(1, one.width ?? 1)} opacity={to.kind === "drop_off" ? 0.18 : 0.36} className={opens ? "way" : ""} onClick={() => opens && open(label, { step: from.step, ...named(from), to_kind: named(to).kind, ...(to.kind === "node" ? { to_name: to.name } : {}) })}>
                <title>{label}</title>
              </path>
            );
          })}
        </g>
        {nodes.map((one) => {
          const shown = short(one.kind === "drop_off" ? t("paths.dropoff") : one.name);
          const said = t("paths.nodecount", { name: shown, step: one.step + 1, n: format.short(one.count), share: format.percent(one.count / Math.max(1, data.walks)) });
          const label = shown === one.name || one.kind === "drop_off" ? said : `${said}, ${one.name}`;
          return (
            <g key={`${one.step}:${one.place}`} data-node={`${one.step}:${one.place}`} {...(opens ? { className: "node", role: "button", tabIndex: 0 } : { role: "img" })} aria-label={label} onClick={() => opens && open(label, { step: one.step, ...named(one) })} onKeyDown={(event) => opens && press(event, one, label)}>
              <rect x={one.x0} y={one.y0} width={(one.x1 ?? 0) - (one.x0 ?? 0)} height={Math.max(2, (one.y1 ?? 0) - (one.y0 ?? 0))} rx="2" fill={colour(one)} />
              <text x={(one.x1 ?? 0) + 5} y={((one.y0 ?? 0) + (one.y1 ?? 0)) / 2 - 1} fontSize="12" fill="var(--text)" stroke="var(--surface)" strokeWidth="3" paintOrder="stroke">
                {shown}
              </text>{" "}
              <text x={(one.x1 ?? 0) + 5} y={((one.y0 ?? 0) + (one.y1 ?? 0)) / 2 + 12} fontSize="11" fill="var(--muted)" stroke="var(--surface)" strokeWidth="3" paintOrder="stroke">
                {format.short(one.count)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

type Laid = SankeyNode<Node, Way>;

function layout(data: PathsData, width: number, tall: number): { nodes: Laid[]; links: SankeyLink<Node, Way>[] } {
  const nodes: Node[] = data.steps.flatMap((step, at) => step.nodes.map((one, place) => ({ step: at, place, name: one.name, kind: one.kind, count: one.count })));
  const find = (step: number, place: number) => nodes.find((one) => one.step === step && one.place === place)!;
  const links = data.steps.flatMap((step, at) => step.links.map((one) => ({ source: find(at - 1, one.source), target: find(at, one.target), value: one.count, from: find(at - 1, one.source), to: find(at, one.target) })));
  const make = sankey<Node, Way>()
    .nodeAlign((one) => (one as unknown as Node).step)
    .nodeSort((a, b) => a.place - b.place)
    .nodeWidth(10)
    .nodePadding(30)
    .extent([[1, 14], [width - 118, tall - 14]]);
  return make({ nodes: nodes.map((one) => one), links }) as { nodes: Laid[]; links: SankeyLink<Node, Way>[] };
}

function short(name: string): string {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
