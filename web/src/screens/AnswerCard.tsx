/** One answer: its sentence, its chart or table, what can be done with it, and where it came from. */
import type { UseQueryResult } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState, type ReactNode } from "react";
import { API } from "../api/client";
import { useSession } from "../api/session";
import type { Answer, InsightName, Question, Table } from "../api/types";
import { MarkCaption, useMarks, type Span } from "../charts/marks";
import { csv, download, picture, png } from "../charts/export";
import { TableTwin } from "../charts/TableTwin";
import { format, t } from "../i18n/t";
import type { Query } from "../query/types";
import { addressOf } from "../query/useQueryUrl";
import { Button, Code, copy } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { Menu } from "../ui/Menu";
import { useKeys } from "../ui/useKeys";
import { Notes, NothingFound } from "../ui/nothing";
import { ErrorBox, Skeleton } from "../ui/states";
import { toast } from "../ui/toast";
import { useAnnotating } from "./annotate";

const AddToBoard = lazy(() => import("./adding").then((all) => ({ default: all.AddToBoard })));
/** Insights over time, on which annotations stand. */
const OVER_TIME: readonly InsightName[] = ["trends", "lifecycle", "web"];
const NO_BUCKETS: readonly Span[] = [];

/** Insights whose chart is one drawing; the others are tables that are drawn on. */
const DRAWN: readonly InsightName[] = ["trends", "paths", "lifecycle"];

interface AnswerCardProps<K extends InsightName> {
  title: string;
  insight: K;
  question: Question;
  result: UseQueryResult<Answer<K>>;
  isEmpty: (data: Answer<K>["data"]) => boolean;
  children: (answer: Answer<K>) => ReactNode;
  filtered: boolean;
  clear?: () => void;
  wider?: () => void;
  /** Whether the card begins as a table. */
  asTable?: boolean;
  height?: number;
  /** The answer as a table, if it is another than it brings along. */
  tableOf?: (answer: Answer<K>) => Table;
  /** How the pages write the question; without it the answer cannot be put on a dashboard. */
  query?: Query;
}

export function AnswerCard<K extends InsightName>({ title, insight, question, result, isEmpty, children, filtered, clear, wider, asTable = false, height = 300, tableOf, query }: AnswerCardProps<K>) {
  const [table, setTable] = useState<boolean | null>(null);
  const [about, setAbout] = useState(false);
  const [adding, setAdding] = useState(false);
  const may = useSession()?.mayChange ?? false;
  const annotate = useAnnotating();
  const card = useRef<HTMLElement>(null);
  const answer = result.data;
  const tabled = table ?? asTable;
  const flat = answer && (tableOf?.(answer) ?? answer.table);
  const told = answer?.data as { buckets?: readonly Span[] } | undefined;
  const marks = useMarks(OVER_TIME.includes(insight) ? (told?.buckets ?? NO_BUCKETS) : NO_BUCKETS);
  useKeys({ t: () => setTable(!tabled) });

  async function save(kind: "csv" | "json" | "svg" | "png"): Promise<void> {
    if (!answer) return;
    const name = `${insight}-${new Date().toISOString().slice(0, 10)}.${kind}`;
    if (kind === "csv") return download(name, csv(flat ?? answer.table), "text/csv");
    if (kind === "json") return download(name, JSON.stringify(answer, null, 2), "application/json");
    const chart = card.current?.querySelector<SVGSVGElement>("svg[data-chart]");
    if (!chart) return;
    const drawn = picture(chart, title);
    download(name, kind === "svg" ? drawn : await png(drawn), "image/svg+xml");
  }
  async function copied(text: string): Promise<void> {
    await copy(text);
    toast(t("common.copied"));
  }
  const address = new URL(`${API}/ask/${insight}`, location.href).href;
  const asked = JSON.stringify(question);
  const entries = [
    { id: "table", label: tabled ? t("card.chart") : t("card.table"), act: () => setTable(!tabled) },
    { id: "csv", label: t("card.csv"), act: () => void save("csv") },
    { id: "json", label: t("card.json"), act: () => void save("json") },
    { id: "svg", label: t("card.svg"), act: () => void save("svg") },
    { id: "png", label: t("card.png"), act: () => void save("png") },
    { id: "curl", label: t("card.curl"), act: () => void copied(`curl ${address} \\\n  -H "Authorization: Bearer $TALLYMARK_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${asked.replaceAll("'", "'\\''")}'`) },
    { id: "python", label: t("card.python"), act: () => void copied(python(insight, question)) },
    ...(may && query ? [{ id: "board", label: t("card.board"), act: () => setAdding(true) }] : []),
    ...(annotate && OVER_TIME.includes(insight) ? [{ id: "mark", label: t("mark.add"), act: () => annotate({ at: new Date().toISOString() }) }] : []),
    { id: "about", label: t("card.about"), act: () => setAbout(true) },
  ].filter((one) => !(tabled || !DRAWN.includes(insight)) || !["svg", "png"].includes(one.id));

  return (
    <section className="card answer" ref={card} aria-label={title} aria-busy={result.isFetching} data-fresh={answer && !result.isPlaceholderData ? "" : undefined}>
      <div className="answer-head">
        <h2>{title}</h2>
        {result.isFetching && <span className="progress" role="progressbar" aria-label={t("common.loading")} />}
        {answer && <Menu label={t("card.menu")} entries={entries} />}
      </div>
      {result.isError ? (
        <ErrorBox error={result.error} retry={() => result.refetch()} />
      ) : !answer ? (
        <Skeleton height={height} />
      ) : isEmpty(answer.data) ? (
        <NothingFound filtered={filtered} events={eventsOf(question)} {...(clear ? { clear } : {})} {...(wider ? { wider } : {})} />
      ) : (
        <div className={result.isPlaceholderData ? "stale" : ""}>
          <Notes warnings={(answer.data as { warnings?: string[] }).warnings ?? []} />
          {tabled ? <TableTwin table={flat ?? answer.table} label={title} caption={marks.length > 0 && <MarkCaption marks={marks} />} /> : children(answer)}
        </div>
      )}
      <Suspense fallback={null}>{adding && query && <AddToBoard what={{ title, saved: null, content: { insight, question, address: addressOf(query, null) } }} onClose={() => setAdding(false)} />}</Suspense>
      {answer && <About answer={answer} open={about} onClose={() => setAbout(false)} />}
    </section>
  );
}

/** The events that a question names, as series, steps, or what comes back. */
function eventsOf(value: unknown, key = ""): string[] {
  if (typeof value === "string") return ["event", "steps", "returning"].includes(key) ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((one) => eventsOf(one, key));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => eventsOf(one, name));
}

function About({ answer, open, onClose }: { answer: Answer; open: boolean; onClose: () => void }) {
  const { provenance, data } = answer;
  const told = data as { range?: { since: string; until: string }; bots?: "excluded" | "included" };
  const rows: [string, ReactNode][] = [
    [t("about.insight"), provenance.insight],
    ...(told.range ? ([[t("about.range"), `${format.time(told.range.since)} – ${format.time(told.range.until)}`]] as [string, ReactNode][]) : []),
    [t("about.zone"), provenance.timezone],
    ...(told.bots ? ([[t("about.bots"), t(`about.${told.bots}`)]] as [string, ReactNode][]) : []),
    [t("about.asof"), <code>{provenance.as_of}</code>],
    [t("about.took"), `${format.number(provenance.took_ms)} ms${provenance.is_kept ? `, ${t("about.kept")}` : ""}`],
    [t("about.rows"), format.number(provenance.rows_read)],
    [t("about.engine"), provenance.engine],
    [t("about.definition"), <code>{provenance.definition}</code>],
  ];
  return (
    <Dialog title={t("about.title")} open={open} onClose={onClose}>
      <dl className="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <h3>{t("about.question")}</h3>
      <Code text={JSON.stringify(answer.question, null, 2)} label={t("about.question")} />
      <Button look="main" onClick={onClose}>
        {t("common.close")}
      </Button>
    </Dialog>
  );
}

function python(insight: string, question: Question): string {
  const literal = JSON.stringify(question, null, 4).replace(/\bnull\b/g, "None").replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False");
  return `import tallymark\n\nwith tallymark.connect("${location.origin}", key="rk_…") as client:\n    answer = client.ask("${insight}", **${literal.replaceAll("\n", "\n    ")})\nprint(answer.data)\n`;
}
