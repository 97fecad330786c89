/** Home: how it goes, and what to ask next. */
import { useMemo } from "react";
import { Link } from "wouter";
import { useAsk, useNames, useStatus } from "../api/queries";
import { toNumber } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { format, t } from "../i18n/t";
import { encode } from "../query/codec";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { query, row, type Measure } from "../query/types";
import { FirstUse } from "../ui/nothing";
import { ErrorBox, Skeleton } from "../ui/states";
import { AnswerCard } from "./AnswerCard";
import { Guided } from "../guides/Guided";
import { Todo } from "../setup/Todo";
import { PageHead } from "./controls";
import { useDrill } from "./drill";
import { TrendView } from "../views/trends";
import { useSession } from "../api/session";

const NUMBERS: [Measure, "home.people" | "home.sessions" | "home.events" | "home.accounts"][] = [
  ["unique_people", "home.people"],
  ["sessions", "home.sessions"],
  ["count", "home.events"],
  ["unique_accounts", "home.accounts"],
];
const SUMMARY = { series: NUMBERS.map(([measure]) => ({ event: null, measure })), range: "30d", interval: "day", compare: "previous_period" };
const ACTIVITY = query("trends", { rows: [row(null, "unique_people")], range: "90d", interval: "week", chart: "bar" });

export default function Home() {
  const session = useSession();
  const status = useStatus();
  const names = useNames();
  const summary = useAsk("trends", SUMMARY);
  const asked = useMemo(() => question(ACTIVITY)!, []);
  const activity = useAsk("trends", asked);
  const drill = useDrill();
  const data = summary.data?.data;
  if (status.data?.events === 0) {
    return (
      <>
        <PageHead title={t("screen.home")} lead={session?.project ?? ""} />
        <Todo />
        <section className="card">
          <FirstUse />
        </section>
      </>
    );
  }
  const lead = status.data?.last_time_us ? t("home.fresh", { n: status.data.events, ago: format.ago(new Date(status.data.last_time_us / 1000).toISOString()) }) : "";
  return (
    <>
      <PageHead title={session?.project ?? t("screen.home")} lead={lead} />
      <Todo />
      <section className="card" aria-label={t("home.last")}>
        {summary.isError ? (
          <ErrorBox error={summary.error} retry={() => summary.refetch()} />
        ) : data ? (
          <div className="grid">
            {NUMBERS.map(([measure, label], at) => {
              const line = data.lines[at]!;
              const behind = { range: data.range, series: { event: null, measure: "count" } };
              return <BigNumber key={measure} label={t(label)} value={toNumber(line.total)} before={toNumber(line.compared_total)} than={t("home.before")} trend={line.values.filter((_, day) => !data.buckets[day]?.is_incomplete).map(toNumber)} onOpen={() => drill({ title: `${t(label)}, ${t("home.last")}`, people: behind, events: behind })} />;
            })}
          </div>
        ) : (
          <Skeleton height={96} />
        )}
      </section>
      <Guided />
      <div className="home">
        <AnswerCard title={describe(ACTIVITY)} insight="trends" query={ACTIVITY} question={asked} result={activity} isEmpty={(one) => one.lines.every((line) => !Number(line.total))} filtered={false}>
          {(answer) => <TrendView data={answer.data} query={ACTIVITY} asked={answer.question} height={240} />}
        </AnswerCard>
        <section className="card stack" aria-label={t("home.top")}>
          <h2>{t("home.top")}</h2>
          {names.isError ? (
            <ErrorBox error={names.error} retry={() => names.refetch()} />
          ) : names.data ? (
            <ol className="top">
              {names.data.events.slice(0, 9).map((one) => (
                <li key={one.name}>
                  <i className="bar-fill" style={{ inlineSize: `${(100 * one.events) / Math.max(1, names.data.events[0]!.events)}%` }} aria-hidden="true" />
                  <Link className="cut" href={`/explore?${encode(query("trends", { rows: [row(one.name)] }))}`}>
                    {one.name}
                  </Link>
                  <span className="num">{format.short(one.events)}</span>
                </li>
              ))}
            </ol>
          ) : (
            <Skeleton height={240} />
          )}
        </section>
      </div>
    </>
  );
}
