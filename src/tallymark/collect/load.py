"""From the log to the store: dedupe, identify, enrich, and commit with the new position.

Exactly once by construction: rows, keys, counters and log position are one store commit. Whatever
happens before it is forgotten; whatever happens after it is done.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Struct

from tallymark.collect import dedupe
from tallymark.collect.identify import Identifier
from tallymark.collect.ledger import Ledger, balances
from tallymark.collect.rows import Columns, Counts, Loading, columns_of, event_columns
from tallymark.core.clock import Clock
from tallymark.core.errors import CODES, Broken, Unavailable
from tallymark.core.event import Batch, Event, Failed
from tallymark.core.failpoint import reach
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, join, sql
from tallymark.log.codec import decode_batch
from tallymark.log.log import Record
from tallymark.store.engine import Commit, Engine
from tallymark.store.hash_index import HashIndex
from tallymark.store.tables import SEQ_PER_BATCH
from tallymark.store.variant import PropertyEncoder

_READ_BYTES = 16 * 1024 * 1024
_TAIL_ROWS = 1_000_000
# Each question joins them, so they are kept few.
_MOST_OVERRIDES = 2_000
_encode = msgspec.json.Encoder(decimal_format="number").encode


class LogReader(Protocol):
    """What loading needs of the log."""

    def read(self, after: int, *, max_bytes: int, max_items: int) -> list[Record]:
        """Return the records after a position, in order."""


class Loaded(Struct, frozen=True):
    """What one step did: the position reached, the items by outcome, and whether more waits."""

    position: int
    items: dict[str, int]


class Loader:
    """Loads one project; the only writer of its store."""

    def __init__(
        self,
        project: str,
        engine: Engine,
        log: LogReader,
        folder: Path,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._project = project
        self._engine = engine
        self._log = log
        self._settings = settings
        self._clock = clock
        self._keys = dedupe.Keys(project)
        self._encoder = PropertyEncoder()
        engine.open(project)
        counters = self._counters()
        self.position = counters.get("log_position", 0)
        newest = engine.fetch(project, Sql("SELECT coalesce(max(seq), -1) FROM dedupe_key"))
        self._index = HashIndex.open(
            folder / "dedupe",
            newest=int(newest.rows[0][0]),
            flush_keys=settings.index_flush_keys,
        )
        self._fill_index()
        self._identifier = Identifier(project, engine, folder, settings, counters)
        self._properties = self._known_properties()

    def step(self, max_items: int | None = None, *, isolate: bool = False) -> Loaded | None:
        """Load what waits, up to a limit, in one commit; None if nothing waits.

        With ``isolate``, an event that cannot be turned to a row is set aside as failed, and if the
        store still refuses, every new event of the step is. Raises Unavailable if the store cannot
        take anything now.
        """
        most = max_items or self._settings.load_batch_events
        records = self._log.read(self.position, max_bytes=_READ_BYTES, max_items=most)
        if not records:
            return None
        if not isolate:
            return self._load(records, lambda load: None)
        try:
            return self._load(records, lambda load: load.isolate(self._try))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  whatever it is, the queue must move
            return self._load(records, _Load.condemn)

    def _load(self, records: Sequence[Record], sift: Callable[["_Load"], None]) -> Loaded:
        load = _Load(self._project, self._identifier, self._encoder)
        try:
            load.take(records)
            load.dedupe(self._keys, self._index, self._contents)
            sift(load)
            commit = load.commit(self._properties, self._clock.now())
            reach("load.before_commit")
            self._engine.append(self._project, commit)
            reach("load.after_commit")
        except BaseException:
            self._identifier.rollback()
            self._encoder.take_counts()
            raise
        self.position = commit.log_position
        self._identifier.commit()
        self._properties.update(load.new_properties)
        new = load.claims.is_new
        self._index.add(load.claims.high[new], load.claims.low[new], load.seqs[new])
        return Loaded(self.position, load.ledger.totals())

    def maintain(self) -> None:
        """Fold journals and recent keys into files; safe to skip, safe to be killed in."""
        self._fold_overrides()
        self._engine.checkpoint(self._project)
        self._index.maintain()
        self._identifier.maintain()

    def close(self) -> None:
        """Release files; nothing is lost by not calling it."""
        self._index.close()
        self._identifier.close()

    def _fold_overrides(self) -> None:
        """Write late links into the events themselves once there are many to be looked up."""
        count = self._engine.fetch(self._project, Sql("SELECT count(*) FROM person_override"))
        if count.rows[0][0] < _MOST_OVERRIDES:
            return
        fold = Sql(
            "UPDATE event SET person_key = into_key FROM person_override"
            " WHERE event.person_key = person_override.person_key"
        )
        statements = (fold, Sql("DELETE FROM person_override"))
        self._engine.append(self._project, Commit(self.position, {}, statements))

    def _try(self, columns: Columns) -> None:
        self._engine.append(self._project, Commit(0, {"event": columns}), keep=False)

    def _counters(self) -> dict[str, int]:
        rows = self._engine.fetch(self._project, Sql("SELECT name, amount FROM progress"))
        return {name: int(amount) for name, amount in rows.rows}

    def _known_properties(self) -> set[tuple[str, str]]:
        rows = self._engine.fetch(self._project, Sql('SELECT name, "class" FROM property'))
        return {(name, kind) for name, kind in rows.rows}

    def _fill_index(self) -> None:
        """Bring the derived index up to the store, whose keys are the truth."""
        while True:
            rows = self._engine.fetch(
                self._project,
                sql(
                    "SELECT key_hi, key_lo, seq FROM dedupe_key WHERE seq > {after}"
                    " ORDER BY seq LIMIT {most}",
                    after=self._index.covered_or_recent,
                    most=_TAIL_ROWS,
                ),
            ).rows
            if not rows:
                return
            high, low, seqs = zip(*rows, strict=True)
            self._index.add(
                np.array(high, dtype=np.uint64),
                np.array(low, dtype=np.uint64),
                np.array(seqs, dtype=np.int64),
            )

    def _contents(self, seqs: Sequence[int]) -> dict[int, int]:
        rows = self._engine.fetch(
            self._project,
            sql(
                "SELECT seq, content FROM dedupe_key WHERE seq BETWEEN {first} AND {last}"
                " AND seq IN (SELECT unnest({seqs}::BIGINT[]))",
                first=min(seqs), last=max(seqs), seqs=list(seqs),
            ),
        )  # fmt: skip
        return {int(seq): int(content) for seq, content in rows.rows}


class _Load:
    """The work of one commit."""

    def __init__(self, project: str, identifier: Identifier, encoder: PropertyEncoder) -> None:
        self._project = project
        self._identifier = identifier
        self._encoder = encoder
        self._events: list[Loading] = []
        self._commands: list[tuple[int, Any, Batch]] = []
        self._failed: list[tuple[int, Failed, Batch, int]] = []
        self._duplicates: list[tuple[int, int, int]] = []
        self._position = 0
        self.ledger = Ledger()
        self.new_properties: set[tuple[str, str]] = set()
        self.claims: dedupe.Claims
        self.seqs: np.ndarray[Any, Any]

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            self._position = record.position
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
                self._commands.append((place + index, command, batch))
                self.ledger.add(batch, "accepted")
            place += len(batch.commands)
            for index, failed in enumerate(batch.failed):
                self._fail(place + index, failed, batch, "rejected")
            for reason, items in batch.dropped.items():
                self.ledger.add(batch, "dropped", items, reason)

    def dedupe(self, keys: dedupe.Keys, index: HashIndex, contents: dedupe.Contents) -> None:
        pairs = [(one.seq, one.event) for one in self._events]
        self.seqs = np.array([seq for seq, _ in pairs], dtype=np.int64)
        self.claims = dedupe.decide(keys, index, pairs, contents)
        fresh: list[Loading] = []
        for one, verdict in zip(self._events, self.claims.verdicts, strict=True):
            if verdict is dedupe.NEW:
                fresh.append(one)
            elif verdict.conflict:
                failed = _conflict(one.event)
                self._fail(one.seq, failed, one.batch, "conflict", verdict.first_seq)
            else:
                self._duplicates.append((one.seq, verdict.first_seq, one.batch.received_at))
                self.ledger.add(one.batch, "duplicate")
        self._events = fresh

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

    def condemn(self) -> None:
        """Set aside every new event: the store refuses them for a reason we cannot see."""
        for one in list(self._events):
            self._set_aside(one, "STORE_REJECTED", "")

    def commit(self, known: set[tuple[str, str]], now: int) -> Commit:
        for one in self._events:
            self.ledger.add(one.batch, "accepted")
        totals = self.ledger.totals()
        if not balances(totals):
            raise Broken(f"The ledger does not balance up to {self._position}: {totals}.")
        columns, counts = event_columns(self._events, self._encoder) if self._events else ({}, {})
        identified = self._identifier.identify(self._events, self._commands, now)
        columns.update(identified.event_columns)
        tables: dict[str, Columns] = {"event": columns, **identified.tables}
        new = self.claims.is_new
        tables["dedupe_key"] = {
            "key_hi": self.claims.high[new],
            "key_lo": self.claims.low[new],
            "seq": self.seqs[new],
            "content": [c for c, is_new in zip(self.claims.contents, new, strict=True) if is_new],
        }
        tables["duplicate"] = columns_of(("seq", "first_seq", "received_us"), self._duplicates)
        tables["failed_event"] = _failed_columns(self._failed)
        tables["property"] = self._property_rows(counts, known)
        return Commit(
            log_position=self._position,
            tables=tables,
            statements=(
                *self.ledger.statements(),
                *self._property_updates(counts, known),
                *identified.statements,
            ),
            counters=identified.counters,
        )

    def _take_lost(self, record: Record, base: int) -> None:
        code = CODES["LOG_DAMAGED"]
        batch = Batch(record.received_at, source="", protocol="log", received=record.items)
        self.ledger.add(batch, "received", record.items)
        if record.payload is None and not record.damaged:
            # Erased on purpose: what it held may not be kept, only that it was there.
            self.ledger.add(batch, "dropped", record.items, "ERASED")
            return
        self.ledger.add(batch, "quarantined", record.items, code.code)
        failed = Failed(code.code, code.stage, code.meaning)
        self._failed.append((base, failed, batch, 0))

    def _set_aside(self, one: Loading, code: str, why: str) -> None:
        known = CODES[code]
        raw = _encode(one.event)
        message = f"{known.meaning} {why}".strip()
        failed = Failed(
            known.code, known.stage, message,
            id=one.event.id, name=one.event.name, raw=raw, raw_bytes=len(raw),
        )  # fmt: skip
        self._fail(one.seq, failed, one.batch, "quarantined")
        self._events.remove(one)
        # Its id is free again, so that the repaired event can be replayed.
        self.claims.is_new[np.searchsorted(self.seqs, one.seq)] = False

    def _fail(
        self, seq: int, failed: Failed, batch: Batch, outcome: Any, first_seq: int = 0
    ) -> None:
        self._failed.append((seq, failed, batch, first_seq))
        self.ledger.add(batch, outcome, 1, failed.code)

    def _property_rows(self, counts: Counts, known: set[tuple[str, str]]) -> Columns:
        first = self._events[0].seq if self._events else 0
        last = self._events[-1].seq if self._events else 0
        new = [
            (name, kind, items)
            for (name, kind), items in counts.items()
            if (name, kind) not in known
        ]
        self.new_properties = {(name, kind) for name, kind, _ in new}
        return columns_of(
            ("name", "class", "events", "first_seq", "last_seq"),
            [(name, kind, items, first, last) for name, kind, items in new],
        )

    def _property_updates(self, counts: Counts, known: set[tuple[str, str]]) -> tuple[Sql, ...]:
        seen = [
            (name, kind, items) for (name, kind), items in counts.items() if (name, kind) in known
        ]
        if not seen:
            return ()
        lines = join(
            ", ",
            (
                sql("({name}, {kind}, {items}::BIGINT)", name=name, kind=kind, items=items)
                for name, kind, items in seen
            ),
        )
        return (
            sql(
                """
                UPDATE property SET events = property.events + seen.items, last_seq = {last}
                FROM (SELECT * FROM (VALUES {lines}) AS line (name, kind, items)) AS seen
                WHERE property.name = seen.name AND property."class" = seen.kind
                """,
                last=self._events[-1].seq,
                lines=lines,
            ),
        )


def _decode(record: Record) -> Batch | None:
    try:
        return decode_batch(record)
    except (Broken, msgspec.DecodeError):
        return None


def _conflict(event: Event) -> Failed:
    raw = _encode(event)
    code = CODES["DUPLICATE_CONFLICT"]
    return Failed(
        code.code,
        code.stage,
        code.meaning,
        id=event.id,
        name=event.name,
        raw=raw,
        raw_bytes=len(raw),
    )


def _failed_columns(failed: Sequence[tuple[int, Failed, Batch, int]]) -> Columns:
    return columns_of(
        (
            "seq", "received_us", "source", "protocol", "stage", "code", "message", "path",
            "event_id", "event_name", "first_seq", "raw", "raw_bytes", "status",
        ),
        [
            (
                seq, batch.received_at, batch.source, batch.protocol, one.stage, one.code,
                one.message, one.path, one.id, one.name, first_seq or None, one.raw, one.raw_bytes,
                "open",
            )
            for seq, one, batch, first_seq in failed
        ],
    )  # fmt: skip
