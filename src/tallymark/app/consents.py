"""What one person agreed to, found by the keyed hashes of all their ids."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tallymark.api.consent_answers import ConsentProof, HeldConsent, ProvenConsent
from tallymark.core.clock import rfc3339
from tallymark.core.consents import ConsentSource
from tallymark.core.errors import NotFound
from tallymark.core.policy import PURPOSES, Purpose
from tallymark.core.sql import Sql, sql
from tallymark.privacy.records import subject_ref
from tallymark.store.engine import Rows

StoreCall = Callable[[str, dict[str, object]], Awaitable[bytes]]


class Record(Struct, frozen=True):
    """A row of the store."""

    seq: int
    purpose: Purpose
    state: Literal["granted", "withdrawn"]
    at_us: int
    received_us: int
    source: ConsentSource
    policy_version: str | None
    ui_version: str | None
    raw: str | None
    jurisdiction: str | None
    expires_us: int | None
    previous: int | None


class _Id(Struct, frozen=True):
    kind: str
    id: str


class _Person(Struct, frozen=True):
    ids: list[_Id]


def records_of(
    fetch: Callable[[str, Sql], Rows], project: str, subjects: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the rows of subjects, in the order in which they were said."""
    names = ", ".join(Record.__struct_fields__)
    found = fetch(
        project,
        Sql(f"SELECT {names} FROM consent_record")  # noqa: S608 - names of our own struct
        + sql(
            " WHERE subject IN (SELECT unnest({subjects}::VARCHAR[])) ORDER BY at_us, seq",
            subjects=list(subjects),
        ),
    )
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


async def proof(params: dict[str, object], call: StoreCall, key: bytes, now: int) -> ConsentProof:
    """Return what the person an id belongs to agreed to; raises NotFound if nothing is known of them.

    Their other ids are looked up as well: a yes may have been given before anybody knew who it was.
    """
    project, kind, name = (str(params[part]) for part in ("project", "kind", "id"))
    ids = [_Id(kind, name)]
    is_known = True
    try:
        answer = await call("person", {"project": project, "kind": kind, "id": name})
        ids += msgspec.json.decode(answer, type=_Person).ids
    except NotFound:
        is_known = False
    subjects = sorted({subject_ref(one.kind, one.id, key) for one in ids})
    rows = await call("consents", {"project": project, "subjects": subjects})
    records = msgspec.json.decode(rows, type=list[Record])
    if not records and not is_known:
        raise NotFound(
            f"Nothing is known of {kind} {name[:80]!r}.",
            hint="What was sent a moment ago may still be loading; ask again.",
        )
    given = params.get("at")
    at = given if isinstance(given, int) else now
    return ConsentProof(
        kind, name, rfc3339(at), _holds(records, at), [_told(one) for one in records]
    )


def _holds(records: Sequence[Record], at: int) -> dict[str, HeldConsent]:
    """Return what holds at an instant: of each purpose what was said last by then."""
    last = {one.purpose: one for one in records if one.at_us <= at}
    return {purpose: _held(last[purpose], at) for purpose in sorted(PURPOSES) if purpose in last}


def _held(record: Record, at: int) -> HeldConsent:
    is_over = record.expires_us is not None and record.expires_us <= at
    return HeldConsent(
        "unknown" if is_over else record.state,
        rfc3339(record.at_us),
        None if record.expires_us is None else rfc3339(record.expires_us),
        record.seq,
    )


def _told(one: Record) -> ProvenConsent:
    return ProvenConsent(
        seq=one.seq,
        purpose=one.purpose,
        state=one.state,
        at=rfc3339(one.at_us),
        received_at=rfc3339(one.received_us),
        source=one.source,
        policy_version=one.policy_version,
        ui_version=one.ui_version,
        raw=one.raw,
        jurisdiction=one.jurisdiction,
        expires_at=None if one.expires_us is None else rfc3339(one.expires_us),
        previous=one.previous,
    )
