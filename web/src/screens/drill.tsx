/** Who and what is behind a number: a drawer that any number can open. */
import { useMemo, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { usePages } from "../api/queries";
import type { EventRow, PersonRow, Question, VisitRow } from "../api/types";
import { format, t } from "../i18n/t";
import { Button } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Dialog } from "../ui/Dialog";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { Opening, type Behind } from "../views/opening";
import { accountHref, AccountPages } from "./accountlist";

export { useDrill, useOpens } from "../views/opening";

export function DrillProvider({ children }: { children: ReactNode }) {
  const [behind, setBehind] = useState<Behind | null>(null);
  const close = () => setBehind(null);
  return (
    <Opening.Provider value={setBehind}>
      {children}
      <Dialog title={t("drill.title")} open={behind !== null} onClose={close} look="drawer">
        {behind && <Shown behind={behind} onLeave={close} />}
      </Dialog>
    </Opening.Provider>
  );
}

function Shown({ behind, onLeave }: { behind: Behind; onLeave: () => void }) {
  const people = behind.isOfSessions ? <VisitPages question={behind.people} onLeave={onLeave} /> : behind.isOfAccounts ? <AccountPages question={behind.people} onLeave={onLeave} /> : <PeoplePages question={behind.people} onLeave={onLeave} />;
  const accounts = behind.accounts ? [{ id: "accounts", label: t("drill.accounts"), content: <AccountPages question={behind.accounts} onLeave={onLeave} /> }] : [];
  return (
    <div className="stack">
      <p className="muted">{behind.title}</p>
      {behind.events ? (
        <Tabs
          label={t("drill.title")}
          tabs={[
            ...accounts,
            { id: "people", label: t("drill.people"), content: people },
            { id: "events", label: t("drill.events"), content: <EventPages question={behind.events} onLeave={onLeave} /> },
          ]}
        />
      ) : (
        people
      )}
    </div>
  );
}

export function PeoplePages({ question, onLeave, empty }: { question: Question; onLeave?: () => void; empty?: ReactNode }) {
  const asked = useMemo(() => ({ ...question, limit: 50 }), [question]);
  const result = usePages("people", asked);
  if (result.isPending) return <Skeleton />;
  if (result.isError) return <ErrorBox error={result.error} retry={() => result.refetch()} />;
  const total = (result.data.pages[0]!.data as { total: number }).total;
  const people = result.data.pages.flatMap((page) => (page.data as { people: PersonRow[] }).people);
  if (total === 0) return <>{empty ?? <Empty title={t("drill.nobody")} icon="people"><p className="muted">{t("drill.noperson")}</p></Empty>}</>;
  const columns: Column<PersonRow>[] = [
    {
      id: "name",
      label: t("people.name"),
      value: personName,
      cell: (one) => (
        <Link href={personHref(one)} onClick={onLeave}>
          {personName(one)}
        </Link>
      ),
    },
    { id: "events", label: t("people.events"), number: true, value: (one) => one.events, cell: (one) => format.number(one.events) },
    { id: "first", label: t("people.first"), value: (one) => one.first_time, cell: (one) => format.time(one.first_time) },
    { id: "last", label: t("people.last"), value: (one) => one.last_time, cell: (one) => format.time(one.last_time) },
  ];
  return (
    <div className="stack">
      <p className="num" data-total={total}>
        <b>{t("common.people", { n: total })}</b> <span className="muted">{people.length < total && t("drill.shown", { shown: people.length, total })}</span>
      </p>
      <DataTable label={t("drill.people")} columns={columns} rows={people} rowKey={(one) => String(one.person)} />
      {result.hasNextPage && (
        <Button onClick={() => result.fetchNextPage()} disabled={result.isFetchingNextPage}>
          {t("common.more")}
        </Button>
      )}
    </div>
  );
}

function VisitPages({ question, onLeave }: { question: Question; onLeave: () => void }) {
  const asked = useMemo(() => ({ ...question, limit: 50 }), [question]);
  const result = usePages("visits", asked);
  if (result.isPending) return <Skeleton />;
  if (result.isError) return <ErrorBox error={result.error} retry={() => result.refetch()} />;
  const total = (result.data.pages[0]!.data as { total: number }).total;
  const visits = result.data.pages.flatMap((page) => (page.data as { visits: VisitRow[] }).visits);
  const name = (one: VisitRow) => one.user_id ?? one.anonymous_id ?? t("live.anonymous");
  const columns: Column<VisitRow>[] = [
    { id: "name", label: t("people.name"), value: name, cell: (one) => (one.user_id ?? one.anonymous_id ? <Link href={`/people/${one.user_id ? "user" : "anonymous"}/${encodeURIComponent(name(one))}`} onClick={onLeave}>{name(one)}</Link> : name(one)) },
    ...(visits.some((one) => one.account !== null) ? [{ id: "account", label: t("accounts.name"), value: (one: VisitRow) => one.account ?? "", cell: (one: VisitRow) => (one.account === null ? "–" : <Link href={accountHref(one.account)} onClick={onLeave}>{one.account}</Link>) }] : []),
    { id: "start", label: t("visit.start"), value: (one) => one.start, cell: (one) => format.time(one.start) },
    { id: "events", label: t("people.events"), number: true, value: (one) => one.events, cell: (one) => format.number(one.events) },
    { id: "entry", label: t("visit.entry"), value: (one) => one.entry_page ?? "", cell: (one) => one.entry_page ?? "–" },
    { id: "exit", label: t("visit.exit"), value: (one) => one.exit_page ?? "", cell: (one) => one.exit_page ?? "–" },
  ];
  return (
    <div className="stack">
      <p className="num" data-total={total}>
        <b>{t("visit.count", { n: total })}</b> <span className="muted">{visits.length < total && t("drill.shown", { shown: visits.length, total })}</span>
      </p>
      <DataTable label={t("visit.list")} columns={columns} rows={visits} rowKey={(one) => String(one.visit)} />
      {result.hasNextPage && (
        <Button onClick={() => result.fetchNextPage()} disabled={result.isFetchingNextPage}>
          {t("common.more")}
        </Button>
      )}
    </div>
  );
}

export function EventPages({ question, onLeave }: { question: Question; onLeave?: () => void }) {
  const asked = useMemo(() => ({ ...question, limit: 50 }), [question]);
  const result = usePages("events", asked);
  if (result.isPending) return <Skeleton />;
  if (result.isError) return <ErrorBox error={result.error} retry={() => result.refetch()} />;
  const total = (result.data.pages[0]!.data as { total: number }).total;
  const events = result.data.pages.flatMap((page) => (page.data as { events: EventRow[] }).events);
  return (
    <div className="stack">
      <p className="num" data-total={total}>
        <b>{t("common.events", { n: total })}</b> <span className="muted">{events.length < total && t("drill.shown", { shown: events.length, total })}</span>
      </p>
      <EventList events={events} {...(onLeave ? { onLeave } : {})} />
      {result.hasNextPage && (
        <Button onClick={() => result.fetchNextPage()} disabled={result.isFetchingNextPage}>
          {t("common.more")}
        </Button>
      )}
    </div>
  );
}

/** Events, each with everything known of it below. */
export function EventList({ events, who = true, onLeave }: { events: readonly EventRow[]; who?: boolean; onLeave?: () => void }) {
  return (
    <ul className="events">
      {events.map((one) => (
        <li key={one.id}>
          <details>
            <summary>
              <b className="cut">{one.event}</b>
              {who && <span className="muted cut">{one.user_id ?? one.anonymous_id ?? t("live.anonymous")}</span>}
              <span className="muted cut events-what">{inShort(one)}</span>
              <time className="muted num" dateTime={one.time}>
                {format.time(one.time)}
              </time>
            </summary>
            <Whose event={one} who={who} {...(onLeave ? { onLeave } : {})} />
            <pre aria-label={t("person.raw")} tabIndex={0}>{JSON.stringify(one, null, 2)}</pre>
          </details>
        </li>
      ))}
    </ul>
  );
}

/** Leads from an event to who did it, and for which account. */
function Whose({ event, who, onLeave }: { event: EventRow; who: boolean; onLeave?: () => void }) {
  const links = [
    ...(who && event.user_id ? [[t("account.person"), `/people/user/${encodeURIComponent(event.user_id)}`, event.user_id] as const] : []),
    ...(event.account ? [[t("account.link"), accountHref(event.account), event.account] as const] : []),
  ];
  if (links.length === 0) return null;
  return (
    <div className="row wrap">
      {links.map(([label, href, name]) => (
        <span key={href}>
          {label}: <Link href={href} onClick={onLeave}>{name}</Link>
        </span>
      ))}
    </div>
  );
}

/** The page of a view, or the first properties of anything else. */
function inShort(one: EventRow): string {
  const { path } = one.context as { path?: string };
  const told = Object.entries(one.properties as Record<string, unknown>).slice(0, 3);
  return told.length === 0 ? (path ?? "") : told.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(" · ");
}

export function personName(one: { user_ids: readonly string[]; anonymous_ids: readonly string[]; person: number }): string {
  return one.user_ids[0] ?? one.anonymous_ids[0] ?? `${t("drill.anonymous")} ${one.person}`;
}

export function personHref(one: { user_ids: readonly string[]; anonymous_ids: readonly string[] }): string {
  return one.user_ids[0] !== undefined ? `/people/user/${encodeURIComponent(one.user_ids[0])}` : `/people/anonymous/${encodeURIComponent(one.anonymous_ids[0] ?? "")}`;
}
