/** Accounts: find one, or all of a range, those that use most first. */
import { useMutation } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { ask, useAsk, useStatus } from "../api/queries";
import type { Answer, Question } from "../api/types";
import { Conditions } from "../builder/Conditions";
import { csv, download } from "../charts/export";
import { t } from "../i18n/t";
import { filter, range } from "../query/ask";
import { useQueryUrl } from "../query/useQueryUrl";
import { Button, Code } from "../ui/basics";
import { NothingFound } from "../ui/nothing";
import { SearchForm } from "../ui/SearchForm";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { AccountPages, EVER } from "./accountlist";
import { Dropped, PageHead, RangeControl } from "./controls";

const ORDERS = ["last_time", "first_time", "events", "people"];
const PAGE = 1_000;
const EXAMPLE = '{"name": "report_opened", "user_id": "ana", "account": "acme"}';

export default function Accounts() {
  const url = useQueryUrl("trends");
  const { query, change, dropped } = url;
  const wanted = query.options["search"] ?? "";
  const given = query.options["order"] ?? "";
  const by = ORDERS.includes(given) ? given : "last_time";
  const down = query.options["way"] !== "up";
  const told = useMemo(() => ({ range: range(query.range), filter: filter(query.where) }), [query]);
  const asked = useMemo(() => ({ ...told, search: wanted || null, order_by: by, ascending: !down, profile_at: "now" }), [told, wanted, by, down]);
  const set = (part: Record<string, string>) => change({ options: Object.fromEntries(Object.entries({ ...query.options, ...part }).filter(([, value]) => value)) });
  const search = (text: string) => set({ search: text });
  return (
    <>
      <PageHead title={t("screen.accounts")} lead={t("lead.accounts")}>
        <RangeControl {...url} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card stack" aria-label={t("screen.accounts")}>
        <div className="row">
          <SearchForm label={t("accounts.search")} wanted={wanted} onSearch={search} />
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} />
        </div>
        <AccountPages
          question={asked}
          opened={told}
          order={{ id: by, down, onChange: (id, goesDown) => set({ order: id, way: goesDown ? "" : "up" }) }}
          tools={(total) => <Csv question={asked} total={total} />}
          empty={
            <None>
              {wanted ? (
                <Empty title={t("accounts.notfound")} icon="accounts">
                  <p className="muted">{t("accounts.nomatch")}</p>
                </Empty>
              ) : (
                <NothingFound filtered={query.where.length > 0} clear={() => change({ where: [] })} wider={() => change({ range: "90d" })} />
              )}
            </None>
          }
        />
      </section>
    </>
  );
}

/** All of the list as a file, also what is not on the page yet. */
function Csv({ question, total }: { question: Question; total: number }) {
  const [done, setDone] = useState(0);
  const save = useMutation({
    mutationFn: async () => {
      const rows: (readonly unknown[])[] = [];
      let cursor: string | null = null;
      do {
        const answer: Answer<"accounts"> = await ask("accounts", { ...question, limit: PAGE, cursor });
        rows.push(...answer.table.rows);
        setDone(rows.length);
        cursor = answer.data.cursor;
        if (cursor === null) download(`accounts-${new Date().toISOString().slice(0, 10)}.csv`, csv({ ...answer.table, rows: rows as typeof answer.table.rows }), "text/csv");
      } while (cursor !== null);
    },
  });
  return (
    <span className="spacer">
      <Button onClick={() => save.mutate()} disabled={save.isPending}>
        {save.isPending ? t("accounts.csv.busy", { n: done, total }) : t("accounts.csv")}
      </Button>
      {save.isError && <ErrorBox error={save.error} retry={() => save.mutate()} />}
    </span>
  );
}

/** Why there is none: no event ever named an account, or what is given. */
function None({ children }: { children: React.ReactNode }) {
  const status = useStatus().data;
  const ever = useAsk("accounts", useMemo(() => ({ range: EVER, include_bots: true, limit: 1 }), []));
  if (ever.isError) return <ErrorBox error={ever.error} retry={() => ever.refetch()} />;
  if (!ever.data || !status) return <Skeleton />;
  if (status.events === 0 || ever.data.data.total > 0) return <>{children}</>;
  return (
    <Empty title={t("accounts.none")} icon="accounts">
      <p className="muted">{t("accounts.none.why")}</p>
      <Code label={t("accounts.name")} text={EXAMPLE} />
    </Empty>
  );
}
