/** One account: what is known of it, who is in it, what it uses, and everything that was done for it; now or as of then. */
import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { Problem } from "../api/client";
import { useAccount, useAsk, usePages, useStatus } from "../api/queries";
import { toNumber, type TimelineData } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { format, t } from "../i18n/t";
import { encode } from "../query/codec";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { query, row, type Cond } from "../query/types";
import { useLastName } from "../query/useLastName";
import { Button } from "../ui/basics";
import { FirstUse, Notes } from "../ui/nothing";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { TrendView } from "../views/trends";
import { asText, ofAccount, until } from "./accountlist";
import { AnswerCard } from "./AnswerCard";
import { PageHead } from "./controls";
import { EventList, useDrill } from "./drill";
import { Members } from "./members";
import { Fact, joined } from "./person";

const PEOPLE = "account-people";

export default function Account() {
  const id = useLastName();
  const at = instantOf(useSearch());
  const [path, navigate] = useLocation();
  const status = useStatus().data;
  const portrait = useAccount(id, at);
  const go = (next: string | null) => navigate(next ? `${path}?at=${encodeURIComponent(next)}` : path);
  const head = (
    <PageHead title={id} lead={t("screen.account")}>
      <label className="when">
        <span className="choice-label">{t("account.asof")}</span>
        <input type="datetime-local" className="input" value={at ? localOf(at) : ""} max={localOf(new Date().toISOString())} onChange={(event) => event.target.value && go(new Date(event.target.value).toISOString())} />
      </label>
      {at && <Button onClick={() => go(null)}>{t("account.now")}</Button>}
      <Link className="button plain" href="/accounts">
        {t("account.back")}
      </Link>
    </PageHead>
  );
  if (portrait.isError) {
    const isUnknown = portrait.error instanceof Problem && portrait.error.status === 404;
    return (
      <>
        {head}
        {!isUnknown ? <ErrorBox error={portrait.error} retry={() => portrait.refetch()} /> : <section className="card">{status?.events === 0 ? <FirstUse /> : <Unknown id={id} />}</section>}
      </>
    );
  }
  if (portrait.isPending) return <>{head}<Skeleton height={480} /></>;
  const one = portrait.data;
  return (
    <>
      {head}
      {at && <p className="muted" role="note">{t("account.asof.why", { when: format.time(at) })}</p>}
      <Notes />
      <div className="person">
        <aside className="stack wide-gap">
          <Numbers id={id} at={at} people={one.people} events={one.events} first={one.first_time} last={one.last_time} />
          <Properties id={id} at={at} then={one.profile as Record<string, unknown>} />
          <Uses id={id} at={at} />
        </aside>
        <div className="stack wide-gap">
          <Activity id={id} at={at} />
          <Members id={id} at={at} place={PEOPLE} />
          <Timeline id={id} at={at} />
        </div>
      </div>
    </>
  );
}

interface Of {
  id: string;
  /** The instant it is told of, RFC 3339; null is now. */
  at: string | null;
}

function Unknown({ id }: { id: string }) {
  return (
    <Empty title={t("account.unknown")} icon="accounts">
      <p className="muted wrap">{t("account.unknown.why", { id })}</p>
      <Link href="/accounts">{t("account.back")}</Link>
    </Empty>
  );
}

function Numbers({ id, at, people, events, first, last }: Of & { people: number; events: number; first: string | null; last: string | null }) {
  const drill = useDrill();
  // Robots count, too: the numbers are of all that was ever recorded.
  const behind = { range: until(at), filter: ofAccount(id), include_bots: true };
  return (
    <section className="card grid-small" aria-label={t("screen.account")}>
      <BigNumber label={t("account.people.all")} value={people} onOpen={() => document.getElementById(PEOPLE)?.focus()} />
      <BigNumber label={t("account.events")} value={events} onOpen={() => drill({ title: id, people: behind, events: behind })} />
      <Fact name={t("people.first")} value={first ? format.time(first) : "–"} />
      <Fact name={t("people.last")} value={last ? format.time(last) : "–"} />
    </section>
  );
}

/** What was told of it; as of then, also what has become of it. */
function Properties({ id, at, then }: Of & { then: Record<string, unknown> }) {
  const now = useAccount(at ? id : "").data?.profile as Record<string, unknown> | undefined;
  const all = Object.entries(then);
  const since = (name: string, value: unknown) => {
    if (!at || !now || asText(now[name]) === asText(value)) return null;
    return <span className="muted"> · {name in now ? t("account.properties.now", { value: asText(now[name]) }) : t("account.properties.gone")}</span>;
  };
  return (
    <section className="card stack" aria-label={t("account.properties")}>
      <h2>{t("account.properties")}</h2>
      {all.length === 0 ? (
        <p className="muted">{t("account.properties.none")}</p>
      ) : (
        <dl className="facts">
          {all.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="wrap">
                {asText(value)}
                {since(name, value)}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

function Activity({ id, at }: Of) {
  const shown = useMemo(() => query("trends", { rows: [row(null, "unique_people")], range: before(at), interval: "week", chart: "bar", where: [whose(id)] }), [id, at]);
  const asked = useMemo(() => question(shown)!, [shown]);
  const result = useAsk("trends", asked);
  return (
    <AnswerCard title={describe(shown)} insight="trends" query={shown} question={asked} result={result} isEmpty={(data) => data.lines.every((line) => !Number(line.total))} filtered={false} height={200}>
      {(answer) => <TrendView data={answer.data} query={shown} asked={answer.question} height={200} />}
    </AnswerCard>
  );
}

/** Its events by name, each with all of them behind it. */
function Uses({ id, at }: Of) {
  const drill = useDrill();
  const span = before(at);
  const asked = useMemo(() => ({ ...question(query("trends", { rows: [row()], range: span, interval: "year", breakdown: ["event"], where: [whose(id)] }))!, top: 20 }), [id, span]);
  const result = useAsk("trends", asked);
  const lines = result.data?.data.lines.filter((line) => !line.is_other && Number(line.total ?? 0) > 0) ?? [];
  const most = toNumber(lines[0]?.total) ?? 1;
  const open = (name: string) => {
    const behind = { range: result.data!.data.range, filter: ofAccount(id), series: { event: name } };
    drill({ title: `${id}: ${name}`, people: behind, events: behind });
  };
  return (
    <section className="card stack" aria-label={t("account.uses")}>
      <h2>{t("account.uses")}</h2>
      {result.isError ? (
        <ErrorBox error={result.error} retry={() => result.refetch()} />
      ) : !result.data ? (
        <Skeleton height={160} />
      ) : lines.length === 0 ? (
        <p className="muted">{t("account.uses.none")}</p>
      ) : (
        <>
          <p className="muted small">{t("account.uses.why")}</p>
          <ol className="top">
            {lines.map((line) => {
              const name = String(line.breakdown?.[0]);
              return (
                <li key={name}>
                  <i className="bar-fill" style={{ inlineSize: `${(100 * (toNumber(line.total) ?? 0)) / most}%` }} aria-hidden="true" />
                  <Link className="cut" href={`/explore?${encode(query("trends", { rows: [row(name)], range: span, where: [whose(id)] }))}`}>
                    {name}
                  </Link>
                  <button type="button" className="number-link num" aria-label={`${name}: ${line.total}`} title={t("chart.open")} onClick={() => open(name)}>
                    {format.short(toNumber(line.total) ?? 0)}
                  </button>
                </li>
              );
            })}
          </ol>
        </>
      )}
    </section>
  );
}

function Timeline({ id, at }: Of) {
  const asked = useMemo(() => ({ account: id, range: until(at), include_bots: true, limit: 50 }), [id, at]);
  const timeline = usePages("timeline", asked);
  const pages = timeline.data?.pages.map((page) => page.data as TimelineData) ?? [];
  return (
    <section className="card stack" aria-label={t("account.timeline")}>
      <h2>{t("account.timeline")}</h2>
      {timeline.isError ? (
        <ErrorBox error={timeline.error} retry={() => timeline.refetch()} />
      ) : timeline.isPending ? (
        <Skeleton height={300} />
      ) : pages[0]!.total === 0 ? (
        <p className="muted">{t("account.timeline.none")}</p>
      ) : (
        <>
          <p className="muted num">
            {t("common.events", { n: pages[0]!.total })} · {t("person.sessions", { n: pages[0]!.total_sessions })}
          </p>
          {joined(pages).map((session) => (
            <div key={`${session.session}${session.first_time}${session.shown[0]?.id}`} className="session">
              <h3>
                <time dateTime={session.first_time}>{format.time(session.first_time)}</time> <span className="muted num">{t("common.events", { n: session.events })}</span>
              </h3>
              <EventList events={session.shown} />
            </div>
          ))}
          {timeline.hasNextPage && (
            <div>
              <Button onClick={() => timeline.fetchNextPage()} disabled={timeline.isFetchingNextPage}>{t("common.more")}</Button>
            </div>
          )}
        </>
      )}
    </section>
  );
}

function whose(id: string): Cond {
  return { field: "account", op: "equals", values: [id] };
}

/** The 90 days up to an instant, as an address writes them. */
function before(at: string | null): string {
  if (!at) return "90d";
  const last = new Date(at);
  return `${new Date(last.getTime() - 90 * 86_400_000).toISOString().slice(0, 10)}..${last.toISOString().slice(0, 10)}`;
}

/** The instant that an address asks for, written as JavaScript does; null of one that is none. */
function instantOf(search: string): string | null {
  const given = new URLSearchParams(search).get("at");
  const time = given === null ? NaN : Date.parse(given);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}

/** The same as the clock of this browser shows it, to the minute. */
function localOf(at: string): string {
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
