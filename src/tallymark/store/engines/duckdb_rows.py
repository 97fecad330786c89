"""How the rows and counters of a load get into DuckDB: a statement a table, whatever their number."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np

from tallymark.store.engine import Columns
from tallymark.store.engines.duckdb_parsed import execute
from tallymark.store.tables import BY_NAME

# Up to so many rows go as parameters: to register a table costs 2 ms, whatever its length.
_FEW_ROWS = 100


def insert(cursor: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    """Insert rows, given as columns of one length; a column that is empty is left out."""
    filled = {name: values for name, values in columns.items() if len(values)}
    if not filled:
        return
    types = {column.name: column.type for column in BY_NAME[table].columns}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    # A column that says the same in every row goes as one parameter: most of a load's text does.
    constants: dict[str, Any] = {}
    for name, values in filled.items():
        if isinstance(values, np.ndarray):
            arrays[name] = values
        elif types[name] != "VARIANT" and arrays and _is_constant(values):
            constants[name] = values[0]
        else:
            arrays[name] = _array(values)
    names = ", ".join(f'"{name}"' for name in (*arrays, *constants))
    values = ", ".join(
        (
            *(_expression(name, types[name], array) for name, array in arrays.items()),
            *(f"?::{types[name]}" for name in constants),
        )
    )
    # The names come from our own table definitions, never from an event.
    statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM"
    few = len(next(iter(arrays.values()))) <= _FEW_ROWS and "VARIANT" not in types.values()
    if few:
        lists = ", ".join(f'unnest(?::{types[name]}[]) AS "{name}"' for name in arrays)
        parameters = [*constants.values(), *(array.tolist() for array in arrays.values())]
        execute(cursor, f"{statement} (SELECT {lists})", parameters)
        return
    # Not taken back on failure: in an aborted transaction that raises and hides why it failed.
    cursor.register("incoming", arrays)
    execute(cursor, f"{statement} incoming", [*constants.values()])
    cursor.unregister("incoming")


def set_counters(cursor: duckdb.DuckDBPyConnection, counters: Mapping[str, int]) -> None:
    """Set counters to these amounts.

    Not by UPDATE: no journal can be folded while a question reads what was there before one, and
    where questions overlap that is always.
    """
    names = list(counters)
    execute(cursor, "DELETE FROM progress WHERE name IN (SELECT unnest(?::VARCHAR[]))", [names])
    execute(
        cursor,
        "INSERT INTO progress SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[])",
        [names, list(counters.values())],
    )


def _is_constant(values: Sequence[Any]) -> bool:
    first = values[0]
    return bool(first == values[-1]) and list(values).count(first) == len(values)


def _array(values: Sequence[Any]) -> "np.ndarray[Any, Any]":
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _expression(name: str, kind: str, values: "np.ndarray[Any, Any]") -> str:
    if kind == "VARIANT":
        return f'variant_bytes_to_variant("{name}")'
    if name.endswith("_key") and values.dtype == np.int64:
        # Arrays of surrogate keys say "none" as 0.
        return f'nullif("{name}", 0)'
    return f'"{name}"::{kind}'
