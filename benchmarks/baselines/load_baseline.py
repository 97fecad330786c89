"""What loading costs at the least: read the log, decode, build Arrow, append to DuckDB.

Imports nothing of tallymark. It keeps the same information in typed columns, and properties as the
JSON text that lies in the log. It does not: check digests, look for duplicates, give surrogate keys,
link people, compute sessions, derive channel or path, split properties by type, or keep a ledger.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from backports import zstd

_CONTEXT = (
    "page_url", "page_path", "page_host", "page_title", "referrer", "utm_source", "utm_medium",
    "utm_campaign", "utm_term", "utm_content", "click_id", "device_type", "device_brand",
    "device_model", "os", "os_version", "browser", "browser_version", "app_name", "app_version",
    "library_name", "library_version", "locale", "timezone", "country", "region", "city",
    "screen_width", "screen_height", "ip", "user_agent",
)  # fmt: skip
_PLAIN = (
    "name", "id", "time", "time_rule", "time_client", "kind", "namespace", "user_id",
    "anonymous_id", "session_id", "unit", "currency",
)  # fmt: skip

Context = msgspec.defstruct(
    "Context", [(name, str | int | None, None) for name in _CONTEXT], frozen=True, gc=False
)


class Event(msgspec.Struct, gc=False):
    """One event as it lies in the log."""

    name: str
    id: str
    time: int
    time_rule: str = "client"
    time_client: int | None = None
    kind: str = "track"
    namespace: str = "native"
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    groups: msgspec.Raw = msgspec.Raw(b"{}")
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    context: Context = Context()  # type: ignore[valid-type]
    value: Decimal | None = None
    unit: str | None = None
    revenue: Decimal | None = None
    currency: str | None = None


class Batch(msgspec.Struct):
    """One row of the log."""

    received_at: int
    source: str
    protocol: str
    events: list[Event] = []


_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("received_at", pa.int64()),
        ("source", pa.string()),
        ("protocol", pa.string()),
        *((name, pa.int64() if name.startswith("time") and name != "time_rule" else pa.string())
          for name in _PLAIN),
        *((name, pa.int32() if name.startswith("screen_") else pa.string()) for name in _CONTEXT),
        ("value", pa.decimal128(38, 9)),
        ("revenue", pa.decimal128(38, 9)),
        ("groups", pa.string()),
        ("properties", pa.string()),
    ]
)  # fmt: skip
_TYPES = {
    "int64": "BIGINT", "int32": "INTEGER", "string": "VARCHAR", "decimal128(38, 9)": "DECIMAL(38,9)"
}  # fmt: skip


def load(log: Path, store: Path, *, commit_events: int, memory_bytes: int) -> int:
    """Load a whole log to a new store, committing with the position; return how many events."""
    events = 0
    decoder = msgspec.json.Decoder(Batch)
    with duckdb.connect(str(store)) as connection:
        connection.execute(f"SET memory_limit = '{memory_bytes // 1024} KiB'")
        connection.execute("SET preserve_insertion_order = false")
        columns = ", ".join(f'"{f.name}" {_TYPES[str(f.type)]}' for f in _SCHEMA)
        connection.execute(f"CREATE TABLE event ({columns})")
        connection.execute("CREATE TABLE progress (position BIGINT)")
        connection.execute("INSERT INTO progress VALUES (0)")
        for rows in _steps(log, commit_events):
            arrow = _arrow([(row[0], decoder.decode(_plain(row[1], row[2]))) for row in rows])
            connection.execute("BEGIN")
            connection.register("incoming", arrow)
            connection.execute("INSERT INTO event SELECT * FROM incoming")
            connection.unregister("incoming")
            connection.execute("UPDATE progress SET position = ?", [rows[-1][0]])
            connection.execute("COMMIT")
            events += arrow.num_rows
    return events


def summary(store: Path) -> list[tuple[Any, ...]]:
    """Return by event name: events, people, sum of time, sum of the property amount."""
    with duckdb.connect(str(store), read_only=True) as connection:
        return connection.execute(
            """
            SELECT name, count(*), count(DISTINCT user_id), sum(time),
                   sum((properties->>'$.amount')::DECIMAL(38, 9))
            FROM event GROUP BY name ORDER BY name
            """
        ).fetchall()


def _steps(log: Path, events: int) -> Iterator[list[tuple[int, int, bytes]]]:
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True)) as connection:
        rows: list[tuple[int, int, bytes]] = []
        waiting = 0
        for position, codec, payload, items in connection.execute(
            "SELECT position, codec, payload, items FROM batch ORDER BY position"
        ):
            if rows and waiting + items > events:
                yield rows
                rows, waiting = [], 0
            rows.append((position, codec, payload))
            waiting += items
        if rows:
            yield rows


def _plain(codec: int, payload: bytes) -> bytes:
    return zstd.decompress(payload) if codec else payload


def _arrow(batches: list[tuple[int, Batch]]) -> pa.Table:
    placed = [
        (position * 65_536 + index, batch, event)
        for position, batch in batches
        for index, event in enumerate(batch.events)
    ]
    events = [event for _, _, event in placed]
    contexts = [event.context for event in events]
    columns: dict[str, list[Any]] = {
        "seq": [seq for seq, _, _ in placed],
        "received_at": [batch.received_at for _, batch, _ in placed],
        "source": [batch.source for _, batch, _ in placed],
        "protocol": [batch.protocol for _, batch, _ in placed],
        **{name: [getattr(event, name) for event in events] for name in _PLAIN},
        **{name: [getattr(context, name) for context in contexts] for name in _CONTEXT},
        "value": [event.value for event in events],
        "revenue": [event.revenue for event in events],
        "groups": [str(event.groups, "utf-8") for event in events],
        "properties": [str(event.properties, "utf-8") for event in events],
    }
    arrays = [pa.array(columns[field.name], field.type) for field in _SCHEMA]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)
