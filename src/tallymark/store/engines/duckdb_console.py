"""Runs one question in SQL in a process of its own that can do nothing else, and prints its rows.

``python -m tallymark.store.engines.duckdb_console`` reads an order from standard input. The engine's
own settings do not confine it: a statement may take any memory and be deaf to interruption, and its
makers call running SQL of others unsafe by design. So the process is confined, by the kernel.
"""

import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
from msgspec import Struct

from tallymark.core.confine import enter, limit, only_read

_ENGINE_SHARE: Final = 3
_TIMES: Final = frozenset({"TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})  # fmt: skip
_WHOLE: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
_EXACT: Final = frozenset({"HUGEINT", "UHUGEINT"})
_AS_IT_IS: Final = frozenset({"BOOLEAN", "DOUBLE", "FLOAT", "VARCHAR"})
# How many cores and how much memory there are; the engine does not start without.
_OF_THE_MACHINE: Final = tuple(
    Path(place) for place in ("/proc/self", "/sys/fs/cgroup", "/sys/devices/system/cpu")
)
_NESTED: Final = ("LIST", "STRUCT", "MAP", "ARRAY", "UNION")


class Order(Struct, frozen=True):
    """A statement, the file it may read, and what it may take."""

    path: str
    sql: str
    rows: int
    bytes: int
    memory_bytes: int
    cpu_seconds: int


class Found(Struct, frozen=True):
    """The rows of a statement; ``is_cut`` says that there are more."""

    columns: list[str] = []
    types: list[str] = []
    rows: list[list[Any]] = []
    is_cut: bool = False
    error: str | None = None
    is_stopped: bool = False


def main() -> int:
    """Run the order on standard input; print what was found, or why nothing was."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    folder = Path(order.path).parent
    if enter(folder):
        # Now the engine, which tells anybody where its files lie, does not know.
        only_read(Path("/"))
    else:
        only_read(folder, *(place for place in _OF_THE_MACHINE if place.exists()))
    limit(memory_bytes=order.memory_bytes, cpu_seconds=order.cpu_seconds)
    try:
        found = _run(order)
    except (duckdb.OutOfMemoryException, MemoryError):
        found = Found(error="It needs more memory than it may take.", is_stopped=True)
    except duckdb.Error as error:
        found = Found(error=str(error).partition("\n")[0])
    sys.stdout.buffer.write(msgspec.json.Encoder(decimal_format="number").encode(found))
    sys.stdout.buffer.flush()
    # Nothing is worth tidying up, and the engine is not always quiet when it is.
    os._exit(0)


def _run(order: Order) -> Found:
    connection = duckdb.connect(
        Path(order.path).name,
        read_only=True,
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "memory_limit": f"{order.memory_bytes // _ENGINE_SHARE // 1024} KiB",
            "temp_directory": "",
            "threads": "2",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    statements = connection.extract_statements(order.sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return Found(error="It must be one SELECT statement.")
    text = statements[0].query.strip().rstrip(";")
    asked = connection.sql(text)
    names, types = list(asked.columns), [str(kind) for kind in asked.types]
    columns = ", ".join(f"c{place}" for place in range(len(names)))
    told = ", ".join(_told(f"c{place}", kind) for place, kind in enumerate(types))
    # A comment at the end of the statement must not swallow the bracket.
    whole = f"SELECT {told} FROM (\n{text}\n) AS asked ({columns}) LIMIT {order.rows + 1}"  # noqa: S608
    cursor = connection.execute(whole)
    rows: list[list[Any]] = []
    room = order.bytes
    while len(rows) <= order.rows and (row := cursor.fetchone()) is not None:
        plain = [_plain(value, kind) for value, kind in zip(row, types, strict=True)]
        room -= sum(len(cell) if isinstance(cell, str) else 16 for cell in plain)
        if room < 0:
            return Found(error="Its rows are larger than an answer may be.", is_stopped=True)
        rows.append(plain)
    return Found(names, types, rows[: order.rows], is_cut=len(rows) > order.rows)


def _told(column: str, kind: str) -> str:
    """Return the expression that gives a column in a form that JSON has, and exactly."""
    if kind in _TIMES:
        return f"strftime(CAST({column} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind in _WHOLE or kind in _AS_IT_IS or kind.startswith("DECIMAL"):
        return column
    if kind in _EXACT:
        return f"CAST({column} AS VARCHAR)"
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind in _EXACT:
        return Decimal(value)
    if isinstance(value, float) and value - value != 0:
        return None
    return value


if __name__ == "__main__":
    sys.exit(main())
