"""Failed events as rows of the store, and what becomes of them later."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tallymark import __version__
from tallymark.collect.rows import Columns, columns_of
from tallymark.core.errors import CODES
from tallymark.core.event import UNPLACED, Batch, Event, Failed, FailedStatus, Outcome
from tallymark.core.sql import Sql, sql
from tallymark.store.tables import SEQ_PER_BATCH

Severity: TypeAlias = Literal["reject", "quarantine"]

_COLUMNS: Final = (
    "seq", "received_us", "source", "protocol", "stage", "code", "message", "path", "event_id",
    "event_name", "first_seq", "raw", "raw_bytes", "status", "severity", "faults", "batch_index",
    "event_time_us", "sdk_name", "sdk_version", "server_version", "plan_version", "attempts",
    "replay_of", "sampled",
)  # fmt: skip
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class FailedAt(Struct, frozen=True):
    """A failed item on its way into the store: its place, its batch, and how it was counted.

    ``first_seq`` is the event that a conflict is with.
    """

    seq: int
    failed: Failed
    batch: Batch
    outcome: Outcome
    first_seq: int = 0


def failed_of(event: Event, code: str, message: str) -> Failed:
    """Return an event that had been read and cannot be stored, kept whole."""
    known = CODES[code]
    raw = _encode(event)
    return Failed(
        known.code, known.stage, message, index=UNPLACED, id=event.id, name=event.name, raw=raw,
        raw_bytes=len(raw), time=event.time, sdk_name=event.context.library_name,
        sdk_version=event.context.library_version,
    )  # fmt: skip


def failed_columns(failed: Sequence[FailedAt]) -> Columns:
    """Return the rows of failed events."""
    return columns_of(_COLUMNS, [(*_reason(one), *_around(one)) for one in failed])


def marked(marks: Mapping[int, FailedStatus]) -> Iterator[Sql]:
    """Yield what gives failed events their new status."""
    for status in sorted(set(marks.values())):
        yield sql(
            "UPDATE failed_event SET status = {status}"
            " WHERE seq IN (SELECT unnest({seqs}::BIGINT[]))",
            status=status, seqs=[seq for seq, one in marks.items() if one == status],
        )  # fmt: skip


def attempted(times: Mapping[int, int]) -> Iterator[Sql]:
    """Yield what counts how often failed events were tried again."""
    for count in sorted(set(times.values()) - {0}):
        yield sql(
            "UPDATE failed_event SET attempts = attempts + {count}"
            " WHERE seq IN (SELECT unnest({seqs}::BIGINT[]))",
            count=count, seqs=[seq for seq, one in times.items() if one == count],
        )  # fmt: skip


def ended(seqs: Collection[int]) -> Iterator[Sql]:
    """Yield what takes away all that was sent; what has been repaired stays known as that."""
    if seqs:
        yield sql(
            "UPDATE failed_event SET raw = ''::BLOB,"
            " status = CASE WHEN status IN ('open', 'ignored') THEN 'expired' ELSE status END"
            " WHERE seq IN (SELECT unnest({seqs}::BIGINT[]))",
            seqs=sorted(seqs),
        )


def _reason(at: FailedAt) -> tuple[object, ...]:
    one, batch = at.failed, at.batch
    return (
        at.seq, batch.received_at, batch.source, batch.protocol, one.stage, one.code, one.message,
        one.path or _line(one), one.id, one.name, at.first_seq or None, one.raw, one.raw_bytes,
        "open",
    )  # fmt: skip


def _around(at: FailedAt) -> tuple[object, ...]:
    one, batch = at.failed, at.batch
    severity: Severity = "reject" if at.outcome == "rejected" else "quarantine"
    place = at.seq % SEQ_PER_BATCH
    # A line of a file has no place in the request that tells of it.
    is_placed = one.index != UNPLACED and not one.line
    return (
        severity, _encode(one.faults).decode() if one.faults else None,
        one.index if is_placed else None, one.time, one.sdk_name, one.sdk_version,
        # What is found out in loading, this version found out.
        batch.server or __version__, batch.plan_version or None, 1,
        batch.replayed[place] if place < len(batch.replayed) else None, one.sampled,
    )  # fmt: skip


def _line(failed: Failed) -> str | None:
    return f"line {failed.line}" if failed.line else None
