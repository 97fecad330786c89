/** One person: all ids, what is known, and everything they did, session by session. */
import { useMemo } from "react";
import { Link, useParams } from "wouter";
import { usePages, usePortrait } from "../api/queries";
import type { TimelineData } from "../api/types";
import { format, t } from "../i18n/t";
import { Badge, Button } from "../ui/basics";
import { ErrorBox, Skeleton } from "../ui/states";
import { BigNumber } from "../charts/BigNumber";
import { PageHead } from "./controls";
import { accountHref } from "./accountlist";
import { EventList } from "./drill";
import { useLastName } from "../query/useLastName";

export default function Person() {
  const { kind = "user" } = useParams<{ kind: string }>();
  const name = useLastName();
  const portrait = usePortrait(kind, name);
  const asked = useMemo(() => ({ [kind === "user" ? "user_id" : "anonymous_id"]: name, limit: 50 }), [kind, name]);
  const timeline = usePages("timeline", asked);
  if (portrait.isError) return <ErrorBox error={portrait.error} retry={() => portrait.refetch()} />;
  if (portrait.isPending) return <Skeleton height={480} />;
  const one = portrait.data;
  const pages = timeline.data?.pages.map((page) => page.data as TimelineData) ?? [];
  const sessions = joined(pages);
  return (
    <>
      <PageHead title={name} lead={kind === "user" ? t("person.user") : t("person.anonymous")} />
      <div className="person">
        <aside className="stack wide-gap">
          <section className="card grid-small" aria-label={t("screen.person")}>
            <BigNumber label={t("people.events")} value={one.events} />
            <Fact name={t("people.first")} value={one.first_time ? format.time(one.first_time) : "–"} />
            <Fact name={t("people.last")} value={one.last_time ? format.time(one.last_time) : "–"} />
          </section>
          <section className="card stack" aria-label={t("person.ids")}>
            <h2>{t("person.ids")}</h2>
            <ul className="bare">
              {one.ids.map((known) => (
                <li key={`${known.kind}:${known.id}`} className="row tight">
                  <Badge tone={known.kind === "user" ? "accent" : "plain"}>{known.kind === "user" ? t("person.user") : t("person.anonymous")}</Badge>
                  <code className="wrap">{known.id}</code>
                </li>
              ))}
            </ul>
          </section>
          <Groups groups={one.groups as Record<string, string[]>} />
          <Facts title={t("person.profile")} facts={one.profile as Record<string, unknown>} none={t("person.noprofile")} />
        </aside>
        <section className="card stack" aria-label={t("person.timeline")}>
          <h2>{t("person.timeline")}</h2>
          {timeline.isError ? (
            <ErrorBox error={timeline.error} retry={() => timeline.refetch()} />
          ) : timeline.isPending ? (
            <Skeleton height={300} />
          ) : (
            <>
              <p className="muted num">
                {t("common.events", { n: pages[0]?.total ?? 0 })} · {t("person.sessions", { n: pages[0]?.total_sessions ?? 0 })}
              </p>
              {sessions.map((session) => (
                <div key={`${session.session}${session.first_time}`} className="session">
                  <h3>
                    <time dateTime={session.first_time}>{format.time(session.first_time)}</time>{" "}
                    <span className="muted num">{t("common.events", { n: session.events })}</span>
                  </h3>
                  <EventList events={session.shown} who={false} />
                </div>
              ))}
              {timeline.hasNextPage && <Button onClick={() => timeline.fetchNextPage()}>{t("common.more")}</Button>}
            </>
          )}
        </section>
      </div>
    </>
  );
}

type Session = TimelineData["sessions"][number];

/** Return the sessions of all pages; one that goes on on the next page is one. */
export function joined(pages: TimelineData[]): Session[] {
  const found: Session[] = [];
  for (const session of pages.flatMap((page) => page.sessions)) {
    const last = found.at(-1);
    if (last && session.session !== null && last.session === session.session) found[found.length - 1] = { ...last, shown: [...last.shown, ...session.shown] };
    else found.push(session);
  }
  return found;
}

export function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <div className="big-label">{name}</div>
      <div>{value}</div>
    </div>
  );
}

/** The groups of a person by type; an account leads to its page. */
function Groups({ groups }: { groups: Record<string, string[]> }) {
  const all = Object.entries(groups);
  if (all.length === 0) return null;
  return (
    <section className="card stack" aria-label={t("person.groups")}>
      <h2>{t("person.groups")}</h2>
      <dl className="facts">
        {all.map(([kind, names]) => (
          <div key={kind}>
            <dt>{kind}</dt>
            <dd className="wrap">
              {names.map((name, at) => (
                <span key={name}>
                  {at > 0 && ", "}
                  {kind === "account" ? <Link href={accountHref(name)}>{name}</Link> : name}
                </span>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Facts({ title, facts, none }: { title: string; facts: Record<string, unknown>; none: string | null }) {
  const all = Object.entries(facts);
  if (all.length === 0 && none === null) return null;
  return (
    <section className="card stack" aria-label={title}>
      <h2>{title}</h2>
      {all.length === 0 ? (
        <p className="muted">{none}</p>
      ) : (
        <dl className="facts">
          {all.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="wrap">{Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
