/** SQL: one SELECT over a recent copy of the store. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { askSql } from "../api/queries";
import { csv, download } from "../charts/export";
import { TableTwin } from "../charts/TableTwin";
import { format, t } from "../i18n/t";
import { Button, Key } from "../ui/basics";
import { ErrorBox, Skeleton } from "../ui/states";
import { PageHead } from "./controls";

const FIRST = "SELECT name, count(*) AS events\nFROM events\nGROUP BY name\nORDER BY events DESC\nLIMIT 20";

export default function Sql() {
  const [statement, setStatement] = useState(FIRST);
  const run = useMutation({ mutationFn: (text: string) => askSql(text) });
  const table = run.data && { columns: run.data.columns, rows: run.data.rows };
  return (
    <>
      <PageHead title={t("screen.sql")} lead={t("lead.sql")} />
      <section className="card stack" aria-label={t("sql.statement")}>
        <label className="sr" htmlFor="statement">
          {t("sql.statement")}
        </label>
        <textarea
          id="statement"
          className="input mono sql"
          spellCheck={false}
          rows={9}
          value={statement}
          onChange={(event) => setStatement(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              run.mutate(statement);
            }
          }}
        />
        <div className="row">
          <Button look="main" onClick={() => run.mutate(statement)} disabled={run.isPending}>
            {t("sql.run")} <Key>Ctrl ↵</Key>
          </Button>
          <span className="muted">{t("sql.views")}</span>
        </div>
      </section>
      {run.isPending && <Skeleton />}
      {run.isError && <ErrorBox error={run.error} />}
      {run.data && table && (
        <section className="card stack" aria-label={t("chart.table")}>
          <div className="row">
            <p className="muted num">
              {t("sql.age", { n: run.data.age_seconds, rows: run.data.rows.length, ms: format.number(run.data.took_ms) })} {run.data.is_cut && t("sql.cut")}
            </p>
            <Button className="spacer" onClick={() => download("sql.csv", csv(table as never), "text/csv")}>
              {t("card.csv")}
            </Button>
          </div>
          <TableTwin table={table as never} label={t("chart.table")} />
        </section>
      )}
    </>
  );
}
