/** The answer as a table: what a chart shows, for whoever cannot or would rather not read a chart. */
import type { ReactNode } from "react";
import type { Table } from "../api/types";
import { format } from "../i18n/t";
import { DataTable, type Column } from "../ui/DataTable";

type Cells = readonly unknown[];

export function TableTwin({ table, label, caption }: { table: Table; label: string; caption?: ReactNode }) {
  const rows = table.rows as Cells[];
  const columns: Column<Cells>[] = table.columns.map((name, at) => ({
    id: `${at}`,
    label: name,
    number: rows.some((row) => typeof row[at] === "number"),
    value: (row) => plain(row[at]),
    cell: (row) => shown(row[at]),
  }));
  return <DataTable label={label} columns={columns} rows={rows} rowKey={(_, at) => String(at)} caption={caption} />;
}

function plain(value: unknown): string | number | null {
  return value === null || value === undefined ? null : typeof value === "number" ? value : String(value);
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return format.number(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
