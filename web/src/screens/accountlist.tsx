/** Accounts in pages, as a screen or a drawer lists them; every number of a row opens what is behind it. */
import { useMemo, type ReactNode } from "react";
import { Link } from "wouter";
import { usePages } from "../api/queries";
import type { AccountRow, AccountsData, Question } from "../api/types";
import { format, t } from "../i18n/t";
import { Button } from "../ui/basics";
import { DataTable, type Column, type Order } from "../ui/DataTable";
import { Notes } from "../ui/nothing";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { useDrill } from "../views/opening";

export const EVER = { since: "1971-01-01", until: "2200-01-01" };

/** Everything up to an instant; what happened at the instant itself is told of it, too. */
export function until(at: string | null): typeof EVER {
  return at ? { ...EVER, until: at.replace(/Z$/, "001Z") } : EVER;
}

export function accountHref(id: string): string {
  return `/accounts/${encodeURIComponent(id)}`;
}

/** A filter for the events of one account, beside those there are. */
export function ofAccount(id: string, filter: unknown = null): Question {
  const own = { op: "equals", field: "account", value: id };
  return filter ? { op: "and", filters: [filter, own] } : own;
}

interface AccountPagesProps {
  question: Question;
  onLeave?: () => void;
  empty?: ReactNode;
  order?: Order;
  /** What stands beside the number of accounts. */
  tools?: (total: number) => ReactNode;
  /** Of what the numbers of a row are: the question they open. Without it they are not opened. */
  opened?: Question;
}

export function AccountPages({ question, onLeave, empty, order, tools, opened }: AccountPagesProps) {
  const asked = useMemo(() => ({ ...question, limit: 50 }), [question]);
  const result = usePages("accounts", asked);
  const drill = useDrill();
  if (result.isPending) return <Skeleton />;
  if (result.isError) return <ErrorBox error={result.error} retry={() => result.refetch()} />;
  const pages = result.data.pages.map((page) => page.data as AccountsData);
  const total = pages[0]!.total;
  const rows = pages.flatMap((page) => page.accounts);
  if (total === 0) return <>{empty ?? <Empty title={t("accounts.nobehind")} icon="accounts" />}</>;
  const open = (one: AccountRow) => {
    const behind = { ...opened, filter: ofAccount(one.account!, opened?.["filter"]) };
    drill({ title: one.account!, people: behind, events: behind });
  };
  const number = (one: AccountRow, value: number) =>
    opened && one.account !== null ? (
      <button type="button" className="number-link num" title={t("chart.open")} onClick={() => open(one)}>
        {format.number(value)}
      </button>
    ) : (
      format.number(value)
    );
  const hasProfiles = rows.some((one) => one.profile && Object.keys(one.profile).length > 0);
  const columns: Column<AccountRow>[] = [
    { id: "account", label: t("accounts.name"), ...(order ? {} : { value: (one: AccountRow) => one.account ?? "" }), cell: (one) => (one.account === null ? "–" : <Link href={accountHref(one.account)} onClick={onLeave}>{one.account}</Link>) },
    ...(hasProfiles ? [{ id: "profile", label: t("accounts.properties"), cell: (one: AccountRow) => <span className="muted">{inShort(one.profile ?? {})}</span> }] : []),
    { id: "people", label: t("accounts.people"), number: true, value: (one) => one.people, cell: (one) => number(one, one.people) },
    { id: "events", label: t("people.events"), number: true, value: (one) => one.events, cell: (one) => number(one, one.events) },
    { id: "first_time", label: t("people.first"), value: (one) => one.first_time, cell: (one) => format.time(one.first_time) },
    { id: "last_time", label: t("people.last"), value: (one) => one.last_time, cell: (one) => format.time(one.last_time) },
  ];
  return (
    <div className="stack">
      <Notes warnings={[...pages[0]!.warnings]} />
      <div className="row">
        <p className="num" data-total={total}>
          <b>{t("accounts.count", { n: total })}</b> <span className="muted">{rows.length < total && t("drill.shown", { shown: rows.length, total })}</span>
        </p>
        {tools?.(total)}
      </div>
      <DataTable label={t("screen.accounts")} columns={columns} rows={rows} rowKey={(one, at) => one.account ?? String(at)} {...(order ? { order } : {})} />
      {result.hasNextPage && (
        <div>
          <Button onClick={() => result.fetchNextPage()} disabled={result.isFetchingNextPage}>
            {t("common.more")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** The first properties of a profile, each as its name and value. */
function inShort(profile: Record<string, unknown>): string {
  return Object.entries(profile)
    .slice(0, 3)
    .map(([name, value]) => `${name}: ${asText(value)}`)
    .join(" · ");
}

export function asText(value: unknown): string {
  return Array.isArray(value) ? value.map(asText).join(", ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
