"""What a question reads on one cursor: rows of Python values, or whole columns of numbers."""

from typing import Any

import duckdb
import msgspec
import numpy as np

from tallymark.core.errors import QuestionStopped
from tallymark.core.sql import Sql, ident, sql
from tallymark.store.engine import Arrays, Limits, Rows
from tallymark.store.engines.duckdb_parsed import execute

_FETCH_ROWS = 10_000
_SHORTER = "Shorten the range, filter more, or use a longer interval."


class CursorReading:
    """Statements on one cursor, which has a transaction open; see ``Reading``."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        self._cursor = cursor
        self._limits = limits
        self._is_stopped = False
        self._rows_read = 0

    def rows_read(self) -> int:
        """Return how many rows of tables were gone over so far."""
        return self._rows_read

    def percent(self) -> float | None:
        """Return how much of the present statement is done, as far as the engine can tell."""
        done: float = self._cursor.query_progress()
        return None if done < 0 else round(done, 1)

    def stop(self) -> None:
        """Stop the present statement, and refuse later ones."""
        self._is_stopped = True
        self._cursor.interrupt()

    def is_stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._is_stopped

    def __call__(self, statement: Sql) -> Rows:
        """Return the rows; raises QuestionStopped if they are more than the limit."""
        self._check()
        rows = run(self._cursor, statement, self._limits.rows)
        self._rows_read += _rows_scanned(self._cursor)
        return rows

    def arrays(self, statement: Sql) -> Arrays:
        """Return the columns; raises QuestionStopped if they are longer than the limit."""
        self._check()
        most = self._limits.array_rows
        bounded = sql("SELECT * FROM (\n{it}\n) LIMIT {most}", it=statement, most=most + 1)
        execute(self._cursor, bounded.text, bounded.params)
        columns = self._cursor.fetchnumpy()
        self._rows_read += _rows_scanned(self._cursor)
        for name, column in columns.items():
            if isinstance(column, np.ma.MaskedArray) or column.dtype.kind not in "iub":
                raise TypeError(f"column {name} is {column.dtype}, or has a NULL")
        if columns and len(next(iter(columns.values()))) > most:
            raise QuestionStopped(
                f"The question would look at more than {most:,} events one by one.", hint=_SHORTER
            )
        return columns

    def hold(self, name: str, columns: Arrays) -> None:
        """Keep the columns in a table of this cursor, which ends with it."""
        self._cursor.register("held_columns", dict(columns))
        table = sql(
            "CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM held_columns", table=ident(name)
        )
        try:
            execute(self._cursor, table.text)
        finally:
            self._cursor.unregister("held_columns")

    def _check(self) -> None:
        if self._is_stopped:
            raise cancelled()


def cancelled() -> QuestionStopped:
    """Return the error of a question that nobody waits for any more."""
    return QuestionStopped("The question was cancelled.", code="QUERY_CANCELLED")


def _rows_scanned(cursor: duckdb.DuckDBPyConnection) -> int:
    """Return how many rows of tables the last statement went over; the cursor has to be watched."""
    told = msgspec.json.decode(cursor.get_profiling_information(format="json"))
    # How many rows a whole table has is known without a look at them; of that nothing is told.
    return int(told["query"]["total_rows_scanned"]) if "query" in told else 0


def run(cursor: duckdb.DuckDBPyConnection, statement: Sql, most: int | None) -> Rows:
    """Return the rows of a statement; raises QuestionStopped if they are more than ``most``."""
    execute(cursor, statement.text, statement.params)
    columns = tuple(column[0] for column in cursor.description or ())
    if most is None:
        return Rows(columns, cursor.fetchall())
    rows: list[tuple[Any, ...]] = []
    while chunk := cursor.fetchmany(_FETCH_ROWS):
        rows.extend(chunk)
        if len(rows) > most:
            cursor.abort()
            raise QuestionStopped(f"The question gives more than {most} rows.", hint=_SHORTER)
    return Rows(columns, rows)
