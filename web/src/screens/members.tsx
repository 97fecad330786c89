/** The people of an account: those who acted for it, and those who were only said to belong to it. */
import { Link } from "wouter";
import { useMembers } from "../api/queries";
import type { GroupMember } from "../api/types";
import { format, t } from "../i18n/t";
import { Button } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { useDrill } from "./drill";
import { ofAccount, until } from "./accountlist";

export function Members({ id, at, place }: { id: string; at: string | null; place: string }) {
  const result = useMembers(id, at);
  const people = result.data?.pages.flatMap((page) => page.people) ?? [];
  const total = result.data?.pages[0]?.total ?? 0;
  const drill = useDrill();
  const open = (one: GroupMember) => {
    const mine = { op: "or", filters: [{ op: "in", field: "user_id", values: one.user_ids }, { op: "in", field: "anonymous_id", values: one.anonymous_ids }].filter(({ values }) => values.length > 0) };
    const behind = { range: until(at), filter: ofAccount(id, mine), include_bots: true };
    drill({ title: `${nameOf(one)}, ${id}`, people: behind, events: behind });
  };
  const columns: Column<GroupMember>[] = [
    { id: "name", label: t("people.name"), cell: (one) => <Link href={hrefOf(one)}>{nameOf(one)}</Link> },
    {
      id: "events",
      label: t("people.events"),
      number: true,
      cell: (one) =>
        one.events === 0 ? (
          <span className="muted">{t("account.people.never")}</span>
        ) : (
          <button type="button" className="number-link num" title={t("chart.open")} onClick={() => open(one)}>
            {format.number(one.events)}
          </button>
        ),
    },
    { id: "first", label: t("people.first"), cell: (one) => (one.first_time ? format.day(one.first_time) : "–") },
    { id: "last", label: t("people.last"), cell: (one) => (one.last_time ? format.time(one.last_time) : "–") },
  ];
  return (
    <section className="card stack" aria-label={t("account.people")} id={place} tabIndex={-1}>
      <h2>{t("account.people")}</h2>
      {result.isError ? (
        <ErrorBox error={result.error} retry={() => result.refetch()} />
      ) : result.isPending ? (
        <Skeleton height={160} />
      ) : total === 0 ? (
        <Empty title={t("account.people.none")} icon="people">
          <p className="muted">{t("account.people.none.why")}</p>
        </Empty>
      ) : (
        <>
          <p className="num" data-total={total}>
            <b>{t("common.people", { n: total })}</b> <span className="muted">{people.length < total && t("drill.shown", { shown: people.length, total })}</span>
          </p>
          <DataTable label={t("account.people")} columns={columns} rows={people} rowKey={(one) => `${one.user_ids[0]}\n${one.anonymous_ids[0]}`} />
          {result.hasNextPage && (
            <div>
              <Button onClick={() => result.fetchNextPage()} disabled={result.isFetchingNextPage}>
                {t("common.more")}
              </Button>
            </div>
          )}
        </>
      )}
    </section>
  );
}

function nameOf(one: GroupMember): string {
  return one.user_ids[0] ?? one.anonymous_ids[0] ?? t("live.anonymous");
}

function hrefOf(one: GroupMember): string {
  return one.user_ids[0] !== undefined ? `/people/user/${encodeURIComponent(one.user_ids[0])}` : `/people/anonymous/${encodeURIComponent(one.anonymous_ids[0] ?? "")}`;
}
