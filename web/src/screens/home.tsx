/** Home: how it goes, and what to ask next. */
import { useMemo } from "react";
import { Link } from "wouter";
import { useAsk, useNames, useStatus } from "../api/queries";
import { format, t } from "../i18n/t";
import { encode } from "../query/codec";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { query, row } from "../query/types";
import { FirstUse } from "../ui/nothing";
import { ErrorBox, Skeleton } from "../ui/states";
import { AnswerCard } from "./AnswerCard";
import { Figures } from "../guides/Figures";
import { Guided } from "../guides/Guided";
import { Works } from "../guides/Works";
import { Todo } from "../setup/Todo";
import { PageHead } from "./controls";
import { TrendView } from "../views/trends";
import { useSession } from "../api/session";

const ACTIVITY = query("trends", { rows: [row(null, "unique_people")], range: "90d", interval: "week", chart: "bar" });

export default function Home() {
  const session = useSession();
  const status = useStatus();
  const names = useNames();
  const asked = useMemo(() => question(ACTIVITY)!, []);
  const activity = useAsk("trends", asked);
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
      <PageHead title={session?.project ?? t("screen.home")} lead={lead}>
        <Works />
      </PageHead>
      <Todo />
      <Figures />
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
