"""One project's log and store, without the processes around them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.schema.plans import event, plan

from tallymark.api.answers import ReplayReport
from tallymark.app.folders import Folders
from tallymark.app.replaying import Replay
from tallymark.app.store_service import StoreService
from tallymark.collect.batch import Origin, Prepared, Surroundings, batch_of, prepare
from tallymark.collect.load import Loader
from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.segment import segment
from tallymark.collect.replay import Around, Where
from tallymark.core.clock import SystemClock
from tallymark.core.event import Batch, Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.schema.enforce import compiled
from tallymark.schema.repair import Repairer, read_repairs
from tallymark.store.engines.duckdb import DuckEngine

MIB = 1024 * 1024
NOW = 1_790_000_000_000_000
STRICT = event("a: {type: integer}", on="{invalid: quarantine, unplanned_property: quarantine}")
TO_INTEGER = "steps: [{cast: {path: properties.a, to: integer}}]"
OPEN = Where(status="open")


class World:
    """One project's log and store in a folder, without the processes around them."""

    def __init__(
        self, folder: Path, text: str | None = STRICT, policy: Policy | None = None
    ) -> None:
        self.folders = Folders(folder)
        self.folders.project("p").mkdir(parents=True)
        self.caller = Caller("p", "secret", "sk_1", policy or Policy(), compiled(plan(text)) if text else None)  # fmt: skip
        self.log = SqliteLog(self.folders.log("p"))
        self.open()

    def open(self) -> None:
        self.engine = DuckEngine(self.folders.store, memory_bytes=128 * MIB, threads=1)
        self.loader = Loader("p", self.engine, self.log, self.folders.index("p"), Settings(), SystemClock())  # fmt: skip
        self.service = StoreService(self.engine, self.folders, Settings(), SystemClock())

    def close(self) -> None:
        self.loader.close()
        self.engine.close()

    async def append(self, project: str, batch: Batch, *, size: int) -> int:
        assert (project, size > 0) == ("p", True)
        return self.log.append([encode_batch(batch)])

    async def call(self, method: str, params: dict[str, object]) -> bytes:
        return self.service.call(method, params)

    def send(self, *events: Event, source: str = "sk_1", **headers: str) -> None:
        """Take events through the steps, as they come from a protocol."""
        caller = Caller("p", "secret", source, self.caller.policy, self.caller.plan)
        decoded = Decoded(len(events), list(events))
        origin = Origin("native", NOW, headers=headers)
        batch = batch_of(decoded, caller, origin, clock=SystemClock(), around=self.surroundings)
        self.log.append([encode_batch(batch.batch)])

    surroundings = Surroundings(visitor=lambda _visit, _at: "d_1", key=lambda _: b"k" * 32)

    def send_wire(self, *items: Any, protocol: Any = native, kind: Any = "secret", source: str = "sk_1", query: str = "") -> Prepared:  # fmt: skip
        caller = Caller("p", kind, source, self.caller.policy, self.caller.plan)
        body = json.dumps({"batch" if protocol is segment else "events": items}).encode()
        request = Request("POST", "/v1/batch", query, {}, body, None, NOW)
        if protocol.open:
            request = Request("POST", "/v1/batch", "", {}, body, None, NOW, content=protocol.open(request, Settings()))  # fmt: skip
        made = prepare(protocol, request, caller, Settings(), clock=SystemClock(), around=self.surroundings)  # fmt: skip
        self.log.append([encode_batch(made.batch)])
        return made

    def load(self) -> None:
        while self.loader.step():
            pass

    def replay(self, text: str | None = None, where: Where = OPEN, *, dry_run: bool = False, load: bool = True) -> ReplayReport:  # fmt: skip
        repairer = None if text is None else Repairer(read_repairs(text.encode(), "fix"))
        around = Around(self.caller, Settings(), SystemClock(), self.surroundings.key, repairer)
        run = Replay("p", around, self.call, self, dry_run=dry_run).run(where, 5)
        report = asyncio.run(run)
        assert report.taken == report.fixed + report.still_failed + report.suppressed + report.duplicate  # fmt: skip
        if load:
            self.load()
        return report

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.engine.fetch("p", Sql(text)).rows

    def statuses(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT status FROM failed_event ORDER BY seq")]

    def ledger(self) -> dict[str, int]:
        rows = self.rows("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY outcome")
        return {outcome: int(items) for outcome, items in rows}
