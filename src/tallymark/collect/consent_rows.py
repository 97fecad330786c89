"""Consent records on their way into the store: each that says something new is added, and stays.

What an app says with every event is one statement until it says something else, or the yes has run
out; what comes again changes nothing. Records are in the order in which things were said, so one that
comes late finds its place, and ``previous`` is what held before it.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from tallymark.collect.rows import Columns, columns_of
from tallymark.core.consents import ConsentRecord
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

COLUMNS: Final = (
    "seq", "subject", "purpose", "state", "at_us", "received_us", "source", "policy_version",
    "ui_version", "raw", "jurisdiction", "expires_us", "is_limited", "previous",
)  # fmt: skip
_LATEST: Final = 2**62

Fetch: TypeAlias = Callable[[Sql], Rows]
_Content: TypeAlias = tuple[Any, ...]


class ToldAt(Struct, frozen=True):
    """A record with its place in the log, and when its request was received."""

    seq: int
    record: ConsentRecord
    received_us: int


class Settled(Struct, frozen=True):
    """The rows to be added, and the places of the records that said nothing new."""

    columns: Columns
    repeated: set[int]


class _Held(Struct, frozen=True, order=True):
    at: int
    seq: int
    content: _Content = ()
    expires_at: int | None = None


def settle(told: Sequence[ToldAt], fetch: Fetch) -> Settled:
    """Return what becomes of records, in the order of the log, beside those the store has."""
    histories = _histories(sorted({one.record.subject for one in told}), fetch)
    rows: list[tuple[Any, ...]] = []
    repeated: set[int] = set()
    for one in told:
        record = one.record
        history = histories.setdefault((record.subject, record.purpose), [])
        place = bisect_right(history, _Held(record.at, _LATEST))
        before = history[place - 1] if place else None
        content = _content(record)
        if before is not None and _is_same(record, content, before):
            repeated.add(one.seq)
            continue
        insort(history, _Held(record.at, one.seq, content, record.expires_at))
        rows.append(
            (
                one.seq, record.subject, record.purpose, record.state, record.at, one.received_us,
                record.source, record.policy_version, record.ui_version, record.raw,
                record.jurisdiction, record.expires_at, record.is_limited,
                None if before is None else before.seq,
            )
        )  # fmt: skip
    return Settled(columns_of(COLUMNS, rows), repeated)


def _histories(subjects: Sequence[str], fetch: Fetch) -> dict[tuple[str, str], list[_Held]]:
    found: dict[tuple[str, str], list[_Held]] = {}
    rows = fetch(
        sql(
            "SELECT subject, purpose, at_us, seq, state, source, policy_version, ui_version, raw,"
            " jurisdiction, CASE WHEN is_limited THEN NULL ELSE expires_us END, expires_us"
            " FROM consent_record WHERE subject IN (SELECT unnest({subjects}::VARCHAR[]))"
            " ORDER BY at_us, seq",
            subjects=subjects,
        )
    ).rows
    for subject, purpose, at, seq, *content, expires in rows:
        held = _Held(int(at), int(seq), tuple(content), expires)
        found.setdefault((subject, purpose), []).append(held)
    return found


def _content(record: ConsentRecord) -> _Content:
    """Return what a record says but for when; an end that only the policy set is no part of it."""
    return (
        record.state, record.source, record.policy_version, record.ui_version, record.raw,
        record.jurisdiction, None if record.is_limited else record.expires_at,
    )  # fmt: skip


def _is_same(record: ConsentRecord, content: _Content, before: _Held) -> bool:
    """Return whether a record repeats the one before it: a new date is a new yes.

    What is said along with events repeats it too where it says less, such as not under which text.
    """
    if record.is_dated:
        return content == before.content and record.at == before.at
    if before.expires_at is not None and record.at >= before.expires_at:
        return False
    state, _source, *told = content
    was, _source_then, *known = before.content
    return state == was and all(
        one is None or one == other for one, other in zip(told, known, strict=True)
    )
