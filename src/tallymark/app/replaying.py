"""Replays failed events: page by page, what can be stored goes to the log with its new status.

    in = fixed + still_failed + suppressed + duplicate

holds for every run. Statuses travel through the log with the events themselves, so neither can be
there without the other.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Final

import msgspec
from msgspec import structs

from tallymark.api.answers import ReplayExample, ReplayReport
from tallymark.collect.accept import Appender
from tallymark.collect.claims import command_claim, content
from tallymark.collect.replay import Around, Attempt, FailedRow, Where, attempt, caller_kind
from tallymark.core.consents import ConsentRecord
from tallymark.core.errors import CODES
from tallymark.core.event import Batch, Event, FailedStatus, Mark

MOST_EXAMPLES: Final = 100
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

StoreCall = Callable[[str, dict[str, object]], Awaitable[bytes]]


class Replay:
    """One run over the failed events that are meant."""

    def __init__(
        self, project: str, around: Around, call: StoreCall, log: Appender, *, dry_run: bool
    ) -> None:
        self._project = project
        self._around = around
        self._call = call
        self._log = log
        self._dry_run = dry_run
        self._seen: dict[tuple[str, str], int] = {}
        self._counts = dict.fromkeys(("fixed", "still_failed", "suppressed", "duplicate"), 0)
        self._reasons: dict[str, int] = {}
        self._examples: list[ReplayExample] = []

    async def run(self, where: Where, examples: int) -> ReplayReport:
        """Try everything that is meant; return what became of it once it is durable."""
        after = 0
        while rows := await failed_rows(self._call, self._project, where, after):
            after = rows[-1].seq
            tried = await asyncio.to_thread(self._attempts, rows)
            judged = await self._judge(tried)
            for one, outcome in judged:
                self._count(one, outcome, examples)
            if not self._dry_run:
                await self._store(judged)
        return ReplayReport(
            self._dry_run, sum(self._counts.values()), **self._counts, reasons=self._reasons,
            examples=self._examples,
        )  # fmt: skip

    def _attempts(self, rows: list[FailedRow]) -> list[Attempt]:
        return [attempt(row, self._around) for row in rows]

    async def _judge(self, tried: list[Attempt]) -> list[tuple[Attempt, str]]:
        """Return the outcome of each: what would be stored may be there already, or clash with it."""
        claims = [claim for one in tried for claim in _claims(one)]
        ids = [[claim.namespace, claim.id] for claim in claims]
        answer = await self._call("held", {"project": self._project, "ids": ids}) if ids else b"[]"
        for (namespace, event_id), digest in zip(ids, msgspec.json.decode(answer), strict=True):
            if digest is not None:
                self._seen.setdefault((namespace, event_id), digest)
        return [self._judged(one) for one in tried]

    def _judged(self, one: Attempt) -> tuple[Attempt, str]:
        if one.outcome not in ("fixed", "replayed"):
            return one, one.outcome
        claims = _claims(one)
        there = [self._seen.get((claim.namespace, claim.id)) for claim in claims]
        digests = [content(claim) for claim in claims]
        if any(was is not None and was != now for was, now in zip(there, digests, strict=True)):
            code = CODES["DUPLICATE_CONFLICT"]
            clash = msgspec.structs.replace(one, code=code.code, message=code.meaning)
            return clash, "still_failed"
        if claims and all(was is not None for was in there):
            return one, "duplicate"
        for claim, digest in zip(claims, digests, strict=True):
            self._seen[claim.namespace, claim.id] = digest
        return one, "fixed"

    def _count(self, one: Attempt, outcome: str, examples: int) -> None:
        self._counts[outcome] += 1
        if one.code:
            self._reasons[one.code] = self._reasons.get(one.code, 0) + 1
        if len(self._examples) < min(examples, MOST_EXAMPLES):
            self._examples.append(
                ReplayExample(one.row.seq, outcome, one.code, one.message, one.before, one.after)
            )

    async def _store(self, judged: list[tuple[Attempt, str]]) -> None:
        tried = sorted(judged, key=lambda pair: (pair[0].row.source, pair[0].row.protocol))
        groups = groupby(tried, key=lambda pair: (pair[0].row.source, pair[0].row.protocol))
        for (source, protocol), members in groups:
            pairs = list(members)
            stored = [one for one, outcome in pairs if outcome == "fixed"]
            events = [event for one in stored for event in one.events]
            commands = [command for one in stored for command in one.commands]
            made_of = [one.row.seq for one in stored for _ in one.events]
            made_of += [one.row.seq for one in stored for _ in one.commands]
            consents = [record for place, one in enumerate(stored) for record in _said(one, place)]
            statements = len({record.item for record in consents if record.item >= 0})
            observed: Counter[str] = Counter()
            for one in stored:
                observed.update(one.observed)
            batch = Batch(
                received_at=self._around.clock.now(),
                source=source,
                protocol=protocol,
                received=len(events) + len(commands) + statements,
                server_side=caller_kind(source) != "public",
                events=events,
                commands=commands,
                observed=dict(observed),
                marks=[Mark(one.row.seq, _status(one, outcome), True) for one, outcome in pairs],
                replayed=made_of,
                consents=consents,
            )
            await self._log.append(self._project, batch, size=len(_encode(batch)))


async def failed_rows(call: StoreCall, project: str, where: Where, after: int) -> list[FailedRow]:
    """Return the next failed events that are meant, in the order of the log."""
    asked: dict[str, object] = {"project": project, "where": msgspec.to_builtins(where), "after": after}  # fmt: skip
    return msgspec.json.decode(await call("failed_rows", asked), type=list[FailedRow])


async def mark(
    project: str, where: Where, status: FailedStatus, call: StoreCall, log: Appender, now: int
) -> int:
    """Give failed events another status; return how many, once it is durable."""
    after = marked = 0
    while rows := await failed_rows(call, project, where, after):
        after = rows[-1].seq
        marks = [Mark(row.seq, status) for row in rows]
        batch = Batch(now, source="local", protocol="native", received=0, marks=marks)
        await log.append(project, batch, size=len(_encode(batch)))
        marked += len(marks)
    return marked


def _said(one: Attempt, place: int) -> list[ConsentRecord]:
    """Return the consent records of an attempt; ``place`` tells its statement from those of others."""
    return [
        structs.replace(record, item=place) if record.item >= 0 else record
        for record in one.consents
    ]


def _claims(one: Attempt) -> list[Event]:
    return [*one.events, *map(command_claim, one.commands)]


def _status(one: Attempt, outcome: str) -> FailedStatus | None:
    if outcome == "still_failed":
        return None
    if outcome == "suppressed":
        return "ignored"
    return "fixed" if outcome == "fixed" and one.outcome == "fixed" else "replayed"
