/** A real table: sorts by its heads, sticks them to the top, and says which way it is sorted. */
import { useMemo, useState, type ReactNode } from "react";
import { Icon } from "./Icon";

export interface Column<T> {
  id: string;
  label: string;
  /** What it is sorted by; a column without one cannot be sorted by. */
  value?: (row: T) => string | number | null;
  cell: (row: T) => ReactNode;
  number?: boolean;
}

interface DataTableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T, index: number) => string;
  /** The first column names its row. */
  heads?: boolean;
  caption?: ReactNode;
  /** In what order the rows came, and how to ask for another; without it they are sorted here. */
  order?: Order;
}

export interface Order {
  id: string;
  down: boolean;
  onChange: (id: string, down: boolean) => void;
}

export function DataTable<T>({ label, columns, rows, rowKey, heads = true, caption, order }: DataTableProps<T>) {
  const [own, setOwn] = useState<{ id: string; down: boolean } | null>(null);
  const sorted = order ?? own;
  const shown = useMemo(() => {
    const by = columns.find((one) => one.id === sorted?.id)?.value;
    // What is in pages is in order over all of them, of which only some are here.
    if (!by || !sorted || order) return rows;
    const way = sorted.down ? -1 : 1;
    return [...rows].sort((a, b) => way * compare(by(a), by(b)));
  }, [rows, columns, sorted, order]);
  const sort = order ? order.onChange : (id: string, down: boolean) => setOwn({ id, down });
  return (
    <div className="table-box" role="region" aria-label={label} tabIndex={0}>
      <table className="table">
        {caption && <caption>{caption}</caption>}
        <thead>
          <tr>
            {columns.map((one) => {
              const down = sorted?.id === one.id ? sorted.down : null;
              return (
                <th key={one.id} scope="col" className={one.number ? "number" : ""} aria-sort={down === null ? undefined : down ? "descending" : "ascending"}>
                  {one.value ? (
                    <button type="button" className="sort" onClick={() => sort(one.id, down === null ? Boolean(one.number) : !down)}>
                      {one.label}
                      {down !== null && <Icon name={down ? "down" : "up"} size={12} />}
                    </button>
                  ) : (
                    one.label
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, index) => (
            <tr key={rowKey(row, index)}>
              {columns.map((one, place) =>
                place === 0 && heads ? (
                  <th key={one.id} scope="row" className={one.number ? "number" : ""}>
                    {one.cell(row)}
                  </th>
                ) : (
                  <td key={one.id} className={one.number ? "number" : ""}>
                    {one.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function compare(a: string | number | null, b: string | number | null): number {
  // What is missing is last in both directions only if it is least; that is what a reader expects of "none".
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}
