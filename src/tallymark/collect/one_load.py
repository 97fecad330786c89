"""The work of one store commit: what the log holds, decided, identified and made into rows."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from tallymark.collect import dedupe
from tallymark.collect.claims import command_claim, line_claim
from tallymark.collect.consent_rows import Fetch, ToldAt, settle
from tallymark.collect.failed_rows import (
    FailedAt,
    attempted,
    ended,
    failed_columns,
    failed_of,
    marked,
)
from tallymark.collect.identify import Identifier
from tallymark.collect.ledger import Ledger, balances
from tallymark.collect.rows import Columns, Counts, Loading, columns_of, event_columns
from tallymark.core.errors import CODES, Broken, Unavailable
from tallymark.core.event import (
    IMPORTED,
    UNPLACED,
    Batch,
    Command,
    Event,
    Failed,
    FailedStatus,
    Mark,
    Outcome,
)
from tallymark.core.sql import Sql, sql
from tallymark.log.codec import decode_batch
from tallymark.log.log import Record
from tallymark.store.engine import Commit
from tallymark.store.hash_index import HashIndex
from tallymark.store.tables import MOST_PROPERTIES, SEQ_PER_BATCH
from tallymark.store.variant import PropertyEncoder

# Properties by name and class: how many counted events carry each, and where it was first seen.
Properties: TypeAlias = dict[tuple[str, str], tuple[int, int]]


class OneLoad:
    """The work of one commit."""

    def __init__(self, project: str, identifier: Identifier, encoder: PropertyEncoder) -> None:
        self._project = project
        self._identifier = identifier
        self._encoder = encoder
        self._events: list[Loading] = []
        self._commands: list[tuple[int, Command, Batch]] = []
        # What stands among the events until it is known whether it came before, by its place.
        self._claimed: dict[int, Command | Failed] = {}
        self._failed: list[FailedAt] = []
        self._consents: list[tuple[ToldAt, Batch]] = []
        self._proven: Columns = {}
        self._duplicates: list[tuple[int, int, int]] = []
        self._marks: dict[int, FailedStatus] = {}
        self._attempts: Counter[int] = Counter()
        self._expired: set[int] = set()
        self.position = 0
        self.ledger = Ledger()
        self.properties: Properties = {}
        self._rows: tuple[Columns, Counts] | None = None
        self._keyed: dedupe.Keyed
        self.claims: dedupe.Claims
        self.seqs: np.ndarray[Any, Any]

    def take(self, records: Sequence[Record]) -> None:
        """Decode records of the log; what was refused there is accounted for at once."""
        for record in records:
            self.position = record.position
            base = record.position * SEQ_PER_BATCH
            batch = None if record.payload is None else _decode(record)
            if batch is None:
                self._take_lost(record, base)
                continue
            self.ledger.add(batch, "received", batch.received)
            for index, event in enumerate(batch.events):
                self._events.append(Loading(base + index, event, batch))
            place = base + len(batch.events)
            for index, command in enumerate(batch.commands):
                self._claim(place + index, command, command_claim(command), batch)
            place += len(batch.commands)
            for index, failed in enumerate(batch.failed):
                self._take_failed(place + index, failed, batch)
            place += len(batch.failed)
            for index, said in enumerate(batch.consents):
                self._consents.append((ToldAt(place + index, said, batch.received_at), batch))
            for mark in batch.marks:
                self._take_mark(mark)
            for reason, items in batch.dropped.items():
                self.ledger.add(batch, "dropped", items, reason)
            for code, times in batch.observed.items():
                self.ledger.add(batch, "observed", times, code)

    def prepare(self, keys: dedupe.Keys, encoder: PropertyEncoder | None = None) -> None:
        """Do what needs no knowledge of the store: keys, digests and, with an encoder, rows.

        So it can be done for one load while the load before it is being committed.
        """
        events = [one.event for one in self._events]
        self.seqs = np.array([one.seq for one in self._events], dtype=np.int64)
        self._keyed = dedupe.keyed(keys, events)
        if encoder is not None and events and not self._claimed:
            self._rows = event_columns(self._events, encoder)

    def dedupe(self, index: HashIndex, contents: dedupe.Contents) -> None:
        """Leave the events and commands that are new; count duplicates, keep what conflicts or failed."""
        self.claims = dedupe.decide(self._keyed, self.seqs.tolist(), index, contents)
        fresh: list[Loading] = []
        for one, verdict in zip(self._events, self.claims.verdicts, strict=True):
            if verdict is dedupe.NEW:
                match self._claimed.get(one.seq):
                    case None:
                        fresh.append(one)
                    case Failed() as line:
                        self._fail(one.seq, line, one.batch, "rejected")
                    case command:
                        self._commands.append((one.seq, command, one.batch))
                        self.ledger.add(one.batch, "accepted")
            elif verdict.conflict and IMPORTED not in one.event.flags:
                failed = _conflict(one.event)
                self._fail(one.seq, failed, one.batch, "conflict", verdict.first_seq)
            else:
                self._duplicates.append((one.seq, verdict.first_seq, one.batch.received_at))
                self.ledger.add(one.batch, "duplicate")
        if len(fresh) < len(self._events):
            self._rows = None
        self._events = fresh

    def prove(self, fetch: Fetch) -> None:
        """Leave the consent records that say something new; a statement without any is a duplicate."""
        if not self._consents:
            return
        settled = settle([told for told, _ in self._consents], fetch)
        self._proven = settled.columns
        items: dict[tuple[int, int], tuple[Batch, bool]] = {}
        for told, batch in self._consents:
            if told.record.item >= 0:
                of = (told.seq // SEQ_PER_BATCH, told.record.item)
                is_new = told.seq not in settled.repeated or items.get(of, (batch, False))[1]
                items[of] = batch, is_new
        for batch, is_new in items.values():
            self.ledger.add(batch, "accepted" if is_new else "duplicate")

    def isolate(self, attempt: Callable[[Columns], None]) -> None:
        """Set aside each event that by itself cannot be turned to a row, or stored."""
        for one in list(self._events):
            code = "ENRICH_FAILED"
            try:
                columns, _ = event_columns([one], self._encoder)
                code = "STORE_REJECTED"
                attempt(columns)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  this is where its kind is found out
                self._set_aside(one, code, type(error).__name__)
        self._encoder.take_counts()

    @property
    def size(self) -> int:
        """How many events it holds."""
        return len(self._events)

    def condemn(self) -> None:
        """Set aside every new event: the store refuses them for a reason we cannot see."""
        for one in list(self._events):
            self._set_aside(one, "STORE_REJECTED", "")

    def commit(self, known: Properties, now: int) -> Commit:
        """Return everything to be stored at once; ``known`` are the properties seen before.

        Raises Broken if an item met no outcome, or two.
        """
        for one in self._events:
            self.ledger.add(one.batch, "accepted")
        totals = self.ledger.totals()
        if not balances(totals):
            raise Broken(f"The ledger does not balance up to {self.position}: {totals}.")
        columns, counts = self._rows or self._made_rows()
        identified = self._identifier.identify(self._events, self._commands, now)
        columns.update(identified.event_columns)
        tables: dict[str, Columns] = {"event": columns, **identified.tables}
        new = self.claims.is_new
        tables["dedupe_key"] = {
            "key_hi": self.claims.keyed.high[new],
            "key_lo": self.claims.keyed.low[new],
            "seq": self.seqs[new],
            "content": [
                c for c, is_new in zip(self.claims.keyed.contents, new, strict=True) if is_new
            ],
        }
        tables["duplicate"] = columns_of(("seq", "first_seq", "received_us"), self._duplicates)
        tables["failed_event"] = failed_columns(self._failed)
        tables["consent_record"] = self._proven
        tables["ledger"] = self.ledger.columns()
        tables["property"] = self._property_rows(counts, known)
        return Commit(
            log_position=self.position,
            tables=tables,
            statements=(
                *self._property_statements(known),
                *marked(self._marks),
                *attempted(self._attempts),
                *ended(self._expired),
                *identified.statements,
            ),
            counters=identified.counters,
        )

    def _made_rows(self) -> tuple[Columns, Counts]:
        return event_columns(self._events, self._encoder) if self._events else ({}, {})

    def _take_lost(self, record: Record, base: int) -> None:
        code = CODES["LOG_DAMAGED"]
        batch = Batch(record.received_at, source="", protocol="log", received=record.items)
        self.ledger.add(batch, "received", record.items)
        if record.payload is None and not record.damaged:
            # Erased on purpose: what it held may not be kept, only that it was there.
            self.ledger.add(batch, "dropped", record.items, "ERASED")
            return
        self.ledger.add(batch, "quarantined", record.items, code.code)
        failed = Failed(code.code, code.stage, code.meaning, index=UNPLACED)
        self._failed.append(FailedAt(base, failed, batch, "quarantined"))

    def _take_mark(self, mark: Mark) -> None:
        self._attempts[mark.seq] += mark.is_attempt
        if mark.status == "expired":
            self._expired.add(mark.seq)
        elif mark.status is not None:
            self._marks[mark.seq] = mark.status

    def _take_failed(self, seq: int, failed: Failed, batch: Batch) -> None:
        if failed.line:
            self._claim(seq, failed, line_claim(failed), batch)
        else:
            self._fail(seq, failed, batch, "quarantined" if failed.is_quarantined else "rejected")

    def _claim(self, seq: int, what: Command | Failed, stand_in: Event, batch: Batch) -> None:
        # Whether it came before is decided with the events, in the order of the log.
        self._claimed[seq] = what
        self._events.append(Loading(seq, stand_in, batch))

    def _set_aside(self, one: Loading, code: str, why: str) -> None:
        known = CODES[code]
        message = f"{known.meaning} {why}".strip()
        failed = failed_of(one.event, known.code, message)
        self._fail(one.seq, failed, one.batch, "quarantined")
        self._events.remove(one)
        self._rows = None
        # Its id is free again, so that the repaired event can be replayed.
        self.claims.is_new[np.searchsorted(self.seqs, one.seq)] = False

    def _fail(
        self, seq: int, failed: Failed, batch: Batch, outcome: Outcome, first_seq: int = 0
    ) -> None:
        self._failed.append(FailedAt(seq, failed, batch, outcome, first_seq))
        self.ledger.add(batch, outcome, 1, failed.code)

    def _property_rows(self, counts: Counts, known: Properties) -> Columns:
        """Return the row of each property met here as it is now; the one before is taken away."""
        if not self._events:
            return {}
        left = MOST_PROPERTIES - len(known)
        first, last = self._events[0].seq, self._events[-1].seq
        for property_, items in counts.items():
            if property_ in known:
                events, first_seq = known[property_]
                self.properties[property_] = (events + items, first_seq)
            elif left > 0:
                left -= 1
                self.properties[property_] = (items, first)
        return columns_of(
            ("name", "class", "events", "first_seq", "last_seq"),
            [
                (name, kind, events, first_seq, last)
                for (name, kind), (events, first_seq) in self.properties.items()
            ],
        )

    def _property_statements(self, known: Properties) -> tuple[Sql, ...]:
        before = [property_ for property_ in self.properties if property_ in known]
        if not before:
            return ()
        # Not by UPDATE: see ``set_counters`` of the engine.
        return (
            sql(
                """
                DELETE FROM property
                WHERE last_seq < {last} AND (name, "class") IN (
                    SELECT (unnest({names}::VARCHAR[]), unnest({kinds}::VARCHAR[]))
                )
                """,
                last=self._events[-1].seq,
                names=[name for name, _ in before],
                kinds=[kind for _, kind in before],
            ),
        )


def _decode(record: Record) -> Batch | None:
    try:
        return decode_batch(record)
    except (Broken, msgspec.DecodeError):
        return None


def _conflict(event: Event) -> Failed:
    return failed_of(event, "DUPLICATE_CONFLICT", CODES["DUPLICATE_CONFLICT"].meaning)
