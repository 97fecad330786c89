"""How fast what lies in the log becomes queryable.

    python -m benchmarks.load [--large]

Two ratios: the loader against a baseline that reads the same log, decodes it, builds Arrow and
appends (see ``baselines/load_baseline.py`` for what it leaves out); and the loader with a full store
against the loader with an empty one. Runs take turns; the best of each counts. The answers of both
stores are asserted equal.
"""

import argparse
import gc
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from benchmarks import store_fill, workload
from benchmarks.baselines import load_baseline
from benchmarks.report import Line, finish, note
from msgspec import Struct

from tallymark.collect.batch import prepare
from tallymark.collect.load import Loader
from tallymark.collect.protocol import Caller, Request
from tallymark.collect.protocols.native import native
from tallymark.core.clock import SystemClock
from tallymark.core.settings import Settings
from tallymark.log.codec import encode_batch
from tallymark.log.log import Entry
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engines.duckdb import DuckEngine

BATCH = 500
EVENTS = 100_000
ADDED = 100_000
STORES = (1_000_000, 4_000_000)
LARGE_STORES = (1_000_000, 10_000_000, 100_000_000)
ROUNDS = 3
BUDGET = 0.5
GROWTH_BUDGET = 0.7

_CALLER = Caller("bench", "secret", "bench")
_CLOCK = SystemClock()
_SUMMARY = """
SELECT name, count(*), count(DISTINCT person_key), sum(time_us),
       sum(variant_extract(prop_number, 'amount')::DECIMAL(38, 9))
FROM event JOIN event_name USING (event_key) GROUP BY name ORDER BY name
"""


class Took(Struct, frozen=True):
    """How long it took: by the wall clock, and in seconds of all threads' work."""

    wall: float
    cpu: float


def entries(events: int) -> Iterable[Entry]:
    """Yield log entries with so many events, decoded and scrubbed as over HTTP."""
    settings = Settings()
    for first in range(0, events, BATCH):
        at = (workload.START_MS + (first + BATCH) * workload.STEP_MS) * 1000
        body = workload.body(first, BATCH)
        request = Request("POST", "/tm/v1/events", "", {}, body, "127.0.0.1", at)
        yield encode_batch(prepare(native, request, _CALLER, settings, clock=_CLOCK).batch)


def ours(log: Path, folder: Path, *, settings: Settings) -> Took:
    """Load what the log holds to the store of a folder, as the store process does."""
    engine = DuckEngine(lambda _: folder / "store.duckdb", memory_bytes=settings.store_memory_bytes)
    with closing(engine), closing(SqliteLog(log, readonly=True)) as reader:
        loader = Loader("bench", engine, reader, folder / "index", settings, _CLOCK)
        with closing(loader):
            loader.maintain()
            # As the store process does.
            gc.disable()
            try:
                return clocked(lambda: _load_all(loader))
            finally:
                gc.enable()


def clocked(act: Callable[[], object]) -> Took:
    """Return what an action took, in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def against_baseline(folder: Path, batches: Sequence[Entry]) -> list[Line]:
    """Return the ratio to the baseline by the clock and by work, from turns on the same log."""
    settings = Settings()
    log = folder / "log.db"
    store_fill.write_log(log, batches)
    mine: list[Took] = []
    theirs: list[Took] = []
    for turn in range(ROUNDS):
        here = folder / f"ours{turn}"
        here.mkdir()
        mine.append(ours(log, here, settings=settings))
        store = folder / f"baseline{turn}.duckdb"
        theirs.append(clocked(lambda store=store: _baseline(log, store, settings)))  # type: ignore[misc]
    assert summary(folder / "ours0" / "store.duckdb") == load_baseline.summary(store)
    best, base = min(mine, key=_wall), min(theirs, key=_wall)
    events = sum(entry.items for entry in batches)
    least, base_least = min(took.cpu for took in mine), min(took.cpu for took in theirs)
    return [
        Line(
            what="load, log → queryable",
            measured=f"{events / best.wall:,.0f} events/s",
            baseline=f"{events / base.wall:,.0f} events/s",
            number=base.wall / best.wall,
            budget=BUDGET,
        ),
        Line(
            what="the same, for each second of CPU",
            measured=f"{events / least:,.0f} events/s",
            baseline=f"{events / base_least:,.0f} events/s",
            number=base_least / least,
        ),
    ]


def on_full_stores(folder: Path, batches: Sequence[Entry], sizes: Sequence[int]) -> list[Line]:
    """Return the rate with each size of store, the last against the first."""
    settings = Settings()
    events = sum(entry.items for entry in batches)
    rates: list[float] = []
    lines: list[Line] = []
    for size in sizes:
        here = folder / f"full{size}"
        here.mkdir()
        note(f"  filling a store with {size:,} events")
        after = store_fill.fill(
            here / "store.duckdb", size, memory_bytes=settings.store_memory_bytes
        )
        store_fill.write_log(here / "log.db", batches, after=after)
        took = ours(here / "log.db", here, settings=settings)
        shutil.rmtree(here)
        rates.append(events / took.wall)
        lines.append(
            Line(
                what=f"load with {size / 1e6:g} M events stored",
                measured=f"{rates[-1]:,.0f} events/s",
                baseline=f"{rates[0]:,.0f} events/s",
                number=rates[-1] / rates[0],
                budget=GROWTH_BUDGET if size == sizes[-1] else None,
            )
        )
    return lines


def summary(store: Path) -> list[tuple[Any, ...]]:
    """Return by event name: events, people, sum of time, sum of the property amount."""
    with duckdb.connect(str(store), read_only=True) as connection:
        return connection.execute(_SUMMARY).fetchall()


def measure(*, large: bool = False) -> list[Line]:
    """Return the lines of this benchmark."""
    note("load: log → queryable")
    batches = list(entries(EVENTS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ratios = against_baseline(folder, batches)
        sizes = LARGE_STORES if large else STORES
        return [*ratios, *on_full_stores(folder, batches[: ADDED // BATCH], sizes)]


def _baseline(log: Path, store: Path, settings: Settings) -> int:
    return load_baseline.load(
        log,
        store,
        commit_events=settings.load_batch_events,
        memory_bytes=settings.store_memory_bytes,
    )


def _load_all(loader: Loader) -> None:
    while loader.step() is not None:
        pass


def _wall(took: Took) -> float:
    return took.wall


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also stores of 10 and 100 M events")
    sys.exit(finish(measure(large=parser.parse_args().large)))
