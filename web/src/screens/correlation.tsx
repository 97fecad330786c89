/** What those who came to the end of a funnel have more often than those who did not. */
import { useMemo, useState } from "react";
import { useAsk } from "../api/queries";
import { toNumber, type CorrelationData, type Question } from "../api/types";
import { format, t } from "../i18n/t";
import { fieldName } from "../query/describe";
import { Badge, Button } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { AnswerCard } from "./AnswerCard";
import { useDrill } from "./drill";

/** The parts of a funnel's question that say how it is walked; how it is shown does not matter here. */
const SHARED = ["range", "filter", "steps", "order", "window"];

export function Correlation({ funnel, filtered }: { funnel: Question; filtered: boolean }) {
  const [wanted, setWanted] = useState(false);
  const asked = useMemo(() => Object.fromEntries(SHARED.map((name) => [name, funnel[name] ?? null])), [funnel]);
  const result = useAsk("correlation", wanted ? asked : null);
  if (!wanted) {
    return (
      <Button className="start" icon="people" onClick={() => setWanted(true)}>
        {t("correlation.ask")}
      </Button>
    );
  }
  return (
    <AnswerCard title={t("correlation.title")} insight="correlation" question={asked} result={result} isEmpty={(data) => data.converted + data.dropped === 0} filtered={filtered}>
      {(answer) => <Factors data={answer.data} asked={answer.question} />}
    </AnswerCard>
  );
}

type Factor = CorrelationData["factors"][number];

function Factors({ data, asked }: { data: CorrelationData; asked: Question }) {
  const drill = useDrill();
  const who = (one: Factor, converted: boolean, count: number) => {
    const label = t(converted ? "correlation.went" : "correlation.stopped", { n: count, what: nameOf(one) });
    const place = { kind: one.kind, name: one.name, value: one.value, converted, has: true };
    return (
      <button type="button" className="number-link num" aria-label={label} title={label} onClick={() => drill({ title: label, people: { behind: { insight: "correlation", question: asked, place } } })}>
        {format.number(count)}
      </button>
    );
  };
  const columns: Column<Factor>[] = [
    { id: "name", label: t("correlation.what"), value: nameOf, cell: nameOf },
    { id: "with", label: t("correlation.with"), number: true, value: (one) => toNumber(one.rate_with), cell: (one) => share(one.rate_with) },
    { id: "without", label: t("correlation.without"), number: true, value: (one) => toNumber(one.rate_without), cell: (one) => share(one.rate_without) },
    { id: "odds", label: t("correlation.odds"), number: true, value: (one) => toNumber(one.odds_ratio), cell: (one) => `× ${times(one.odds_ratio)} (${times(one.low)} – ${times(one.high)})` },
    { id: "went", label: t("correlation.converted"), number: true, value: (one) => one.converted_with, cell: (one) => who(one, true, one.converted_with) },
    { id: "stopped", label: t("correlation.dropped"), number: true, value: (one) => one.dropped_with, cell: (one) => who(one, false, one.dropped_with) },
    { id: "sure", label: t("correlation.sure"), value: (one) => toNumber(one.adjusted_p_value), cell: (one) => <Badge tone={one.is_significant ? "good" : "plain"}>{one.is_significant ? t("correlation.yes") : t("correlation.chance")}</Badge> },
  ];
  return (
    <div className="stack">
      <p className="muted num">{t("correlation.told", { converted: data.converted, dropped: data.dropped, n: data.tested })}</p>
      {data.factors.length === 0 && <p>{t("correlation.none")}</p>}
      <DataTable label={t("correlation.title")} columns={columns} rows={[...data.factors]} rowKey={(one) => `${one.kind}:${one.name}:${String(one.value)}`} />
    </div>
  );
}

function nameOf(one: Factor): string {
  if (one.kind === "event") return t("correlation.did", { event: one.name });
  return one.value === null || one.value === undefined ? fieldName(one.name) : t("correlation.is", { field: fieldName(one.name), value: String(one.value) });
}

function share(value: number | string | null): string {
  const found = toNumber(value);
  return found === null ? "–" : format.percent(found);
}

function times(value: number | string): string {
  return format.number(Math.round(Number(value) * 100) / 100);
}
