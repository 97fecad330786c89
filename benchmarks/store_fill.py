"""Fills a store with so many events in seconds, so that a large one can be measured.

Past the loader: rows come from the engine's own ``range``. Ids, keys and counters are those of a
store that was loaded, so that loading goes on from there.
"""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb
from benchmarks.processes import Tallymark, running
from benchmarks.workload import START_MS, STEP_MS

from tallymark.log.log import Entry
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engines.duckdb import DuckEngine
from tallymark.store.tables import SEQ_PER_BATCH

PROJECT = "default"
PEOPLE = 300_000
BATCH = 500
NAMES = 12


def fill(path: Path, events: int, *, memory_bytes: int) -> int:
    """Write a store of so many events with their dedupe keys; return its log position.

    Times end where those of the workload begin.
    """
    engine = DuckEngine(lambda _: path, memory_bytes=memory_bytes)
    engine.open(PROJECT)
    engine.close()
    positions = -(-events // BATCH)
    numbers = {
        "events": events, "batch": BATCH, "per_batch": SEQ_PER_BATCH, "people": PEOPLE,
        "names": NAMES, "start": (START_MS - events * STEP_MS) * 1000, "step": STEP_MS * 1000,
    }  # fmt: skip
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"SET memory_limit = '{memory_bytes // 1024} KiB'")
        connection.execute("SET preserve_insertion_order = true")
        _events(connection, numbers)
        _rest(connection, numbers, positions)
    return positions


def write_log(path: Path, batches: Sequence[Entry], *, after: int = 0) -> None:
    """Write a log of these batches; ``after`` so many that seem to have been trimmed."""
    with closing(SqliteLog(path)) as log:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE meta SET head = ?, trim_position = ?", (after, after))
        if batches:
            log.append(batches)


def serve_filled(data: Path, events: int, *, memory_bytes: int) -> dict[str, str]:
    """Make a data folder with so many events; return the keys of its project by kind."""
    server = Tallymark(data)
    with running(server):
        keys = server.keys
    folder = data / "projects" / PROJECT
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    positions = fill(folder / "store.duckdb", events, memory_bytes=memory_bytes)
    write_log(folder / "log.db", [], after=positions)
    return keys


def _events(connection: duckdb.DuckDBPyConnection, numbers: dict[str, int]) -> None:
    seq = "(i // $batch + 1) * $per_batch + i % $batch"
    connection.execute(
        f"""
        INSERT INTO event (
            seq, event_id, event_key, kind, time_us, time_client_us, received_us, time_rule,
            actor_key, person_key, session_key, session_rule, source, protocol, page_url, path,
            host, referrer_host, channel, browser, os, device_type, is_bot, "value", prop_text
        )
        SELECT {seq}, 'old-' || i, (hash(i) % $names)::INT + 1, 'track',
               $start + i * $step, $start + i * $step, $start + i * $step, 'client',
               person, person, 2 * ((hash(i * 5) % ($events // 20 + 1))::BIGINT + 1), 'given',
               'key', 'native', 'https://shop.example/p/' || page, '/p/' || page,
               'shop.example', 'www.google.com', 'search', 'browser ' || (hash(i * 3) % 12),
               'os ' || (hash(i * 4) % 5), 'desktop', hash(i * 13) % 50 = 0,
               ((hash(i * 17) % 100000)::DECIMAL(38, 9) / 8)::DECIMAL(38, 9),
               {{'plan': 'plan ' || (hash(i * 19) % 4)}}::VARIANT
        FROM (SELECT i, (hash(i * 7) % $people)::BIGINT + 1 AS person, hash(i * 11) % 2000 AS page
              FROM range($events) AS numbered (i))
        """,  # noqa: S608  only our own constants
        {
            name: numbers[name]
            for name in ("events", "batch", "per_batch", "people", "names", "start", "step")
        },
    )
    connection.execute(
        f"""
        INSERT INTO dedupe_key
        SELECT hash(i * 31), hash(i * 37 + 1), {seq}, hash(i) FROM range($events) AS numbered (i)
        """,  # noqa: S608  only our own constants
        {name: numbers[name] for name in ("events", "batch", "per_batch")},
    )


def _rest(connection: duckdb.DuckDBPyConnection, numbers: dict[str, int], positions: int) -> None:
    connection.execute(
        "INSERT INTO event_name SELECT n + 1, 'old event ' || n FROM range(?) AS numbered (n)",
        [numbers["names"]],
    )
    connection.execute(
        "INSERT INTO actor SELECT n + 1, 'user', 'old-user-' || n, 0 FROM range(?) AS numbered (n)",
        [numbers["people"]],
    )
    connection.execute(
        "INSERT INTO session SELECT 2 * (n + 1), 'old-session-' || n, 0"
        " FROM range(? // 20 + 1) AS numbered (n)",
        [numbers["events"]],
    )
    connection.execute("INSERT INTO property VALUES ('plan', 'text', ?, 0, 0)", [numbers["events"]])
    connection.execute(
        "INSERT INTO ledger SELECT 0, 'key', 'native', outcome, '', ?"
        " FROM (VALUES ('received'), ('accepted')) AS line (outcome)",
        [numbers["events"]],
    )
    connection.execute("INSERT INTO progress VALUES ('log_position', ?)", [positions])
