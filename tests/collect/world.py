"""One project's log and store in a folder, loaded as the store process loads it."""

from pathlib import Path
from typing import Any

from tallymark.collect.load import Loader
from tallymark.core.clock import SystemClock
from tallymark.core.event import Batch, Event
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engines.duckdb import DuckEngine

MIB = 1024 * 1024
T0 = 1_780_000_000_000_000
MINUTE = 60_000_000


class World:
    """A log, a store and the loader between them."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder = folder
        self.settings = settings or Settings()
        self.log = SqliteLog(folder / "log.db")
        self.engine = DuckEngine(
            lambda _: folder / "store.duckdb", memory_bytes=128 * MIB, threads=1
        )
        self.loader = self.build()

    def build(self) -> Loader:
        return Loader(
            "p", self.engine, self.log, self.folder / "index", self.settings, SystemClock()
        )

    def restart(self) -> None:
        self.loader.close()
        self.loader = self.build()

    def send(self, *events: Event, **fields: Any) -> None:
        received = len(events) + len(fields.get("failed", ())) + len(fields.get("commands", ()))
        batch = Batch(T0, "pk_1", "native", received, events=list(events), **fields)
        self.log.append([encode_batch(batch)])

    def load(self, most: int | None = None) -> None:
        while self.loader.step(most):
            pass

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.engine.fetch("p", Sql(text)).rows

    def ledger(self) -> dict[str, int]:
        rows = self.rows("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY outcome")
        return {outcome: int(items) for outcome, items in rows}

    def close(self) -> None:
        self.loader.close()
        self.engine.close()
        self.log.close()
