"""A failed event tried again: repaired, checked as any other, through the steps of today.

What had been read before it failed is kept as an event; anything else as it came, and is taken for an
item of the native protocol once it is repaired. It keeps its id, with the namespace that its own
protocol would give it, its time and when it was received, so however often it is replayed, and even if
its client sends it once more and it can be taken then, it counts once.
"""

from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct, structs

from tallymark.core.clock import Clock, rfc3339
from tallymark.core.consents import ConsentRecord
from tallymark.core.errors import CODES, Refused
from tallymark.core.event import Batch, Command, Event, FailedStatus
from tallymark.core.registry import did_you_mean, discover
from tallymark.core.settings import Settings
from tallymark.schema.repair import Repairer, Repairs

from .batch import Origin, Surroundings, batch_of
from .protocol import Caller, Decoded, KeyKind, Protocol, Request
from .protocols.native import native
from .steps import COOKIELESS

Tried: TypeAlias = Literal["fixed", "replayed", "still_failed", "suppressed"]

REPLAYED: Final = "replayed"
# What failed in one of these had been read, and is kept as an event.
_READ: Final = frozenset({"schema", "dedupe", "enrich", "store"})
_VIEWED: Final = (
    "name", "id", "user_id", "anonymous_id", "session_id", "kind", "groups", "properties", "value",
    "unit", "revenue", "currency",
)  # fmt: skip
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_decode_event: Final = msgspec.json.Decoder(Event, float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Where(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which failed events are meant: those for which everything named holds.

    ``since`` and ``until`` are of receipt, in microseconds, the last left out. ``seqs`` names them
    one by one.
    """

    code: str | None = None
    event: str | None = None
    source: str | None = None
    protocol: str | None = None
    status: FailedStatus | None = None
    since: int | None = None
    until: int | None = None
    seqs: tuple[int, ...] | None = None


def checked(where: Where) -> Where:
    """Return what is meant; raises Refused for a code that nothing can have failed by."""
    code = where.code
    if code is not None and code not in CODES:
        raise Refused(
            f"There is no error code {code[:40]!r}.",
            path="code",
            hint=did_you_mean(code.upper(), CODES)
            or "The error codes are listed in the reference.",
        )
    return where


class FailedRow(Struct, frozen=True):
    """A failed event as the store keeps it."""

    seq: int
    received_us: int
    source: str
    protocol: str
    stage: str
    code: str
    raw: bytes
    raw_bytes: int
    event_id: str | None = None


class Attempt(Struct, frozen=True):
    """What became of one failed event: what is to be stored if it can be, and why not otherwise.

    ``before`` and ``after`` are the item as repairs see it, None if it cannot be read.
    """

    row: FailedRow
    outcome: Tried
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    events: list[Event] = []
    commands: list[Command] = []
    consents: list[ConsentRecord] = []
    observed: dict[str, int] = {}
    code: str = ""
    message: str = ""


class Around(Struct, frozen=True):
    """What every attempt of a run shares; ``caller`` is the owner, with today's policy and plan."""

    caller: Caller
    settings: Settings
    clock: Clock
    key: Any
    repairer: Repairer | None = None


class ReplayOrder(Struct, frozen=True):
    """What is to be replayed, for whom, and with which repairs."""

    caller: Caller
    where: Where
    repairs: Repairs | None = None
    dry_run: bool = False
    examples: int = 0


class MarkOrder(Struct, frozen=True):
    """Which failed events of a project get which status."""

    project: str
    where: Where
    status: FailedStatus


class _Item(Struct, frozen=True):
    """A failed item as repairs see it, whose ids its id is of, and the event it was if it was read."""

    view: dict[str, Any]
    namespace: str
    event: Event | None = None


def attempt(row: FailedRow, around: Around) -> Attempt:
    """Return what becomes of a failed event now."""
    try:
        item = _opened(row)
        repairer = around.repairer
        after = item.view if repairer is None else repairer.repaired(item.view, row.code)
    except Refused as why:
        return Attempt(row, "still_failed", code=row.code, message=why.message)
    except RecursionError:
        return Attempt(row, "still_failed", code=row.code, message="It is nested too deeply.")
    tried = Attempt(row, "replayed" if after == item.view else "fixed", item.view, after)
    try:
        batch = _taken(item, after, row, around)
    except (Refused, RecursionError, UnicodeEncodeError) as why:
        code = why.code if isinstance(why, Refused) else row.code
        return structs.replace(tried, outcome="still_failed", code=code, message=str(why))
    if batch.failed:
        (first, *_) = batch.failed
        return structs.replace(
            tried, outcome="still_failed", code=first.code, message=first.message
        )
    if batch.dropped:
        (code, *_) = batch.dropped
        return structs.replace(tried, outcome="suppressed", code=code, message=CODES[code].meaning)
    events = [_kept(one, item) for one in batch.events]
    return structs.replace(
        tried,
        events=events,
        commands=batch.commands,
        consents=batch.consents,
        observed=batch.observed,
    )


def caller_kind(source: str) -> KeyKind:
    """Return the kind of key that a failed event came by: its replay may do no more than it."""
    if source == "local":
        return "local"
    return "secret" if source.startswith("sk_") else "public"


def _opened(row: FailedRow) -> _Item:
    if len(row.raw) < row.raw_bytes:
        raise Refused(f"Only {len(row.raw):,} of its {row.raw_bytes:,} bytes were kept.")
    try:
        if row.stage in _READ or row.code == "PII_BLOCKED":
            event = _decode_event(row.raw)
            return _Item(_view(event), event.namespace, event)
        item = _decode(row.raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refused("What was kept of it is no JSON of an event.") from None
    if not isinstance(item, dict):
        raise Refused("What was kept of it is no JSON object.")
    protocol = discover("tallymark.collect.protocols", Protocol).get(row.protocol)
    if protocol is None or protocol.own_id is None:
        namespace, own = row.protocol, item.get("id")
    else:
        namespace, own = protocol.own_id(item)
    # Without an id of its own it is given one that every replay gives it.
    event_id = row.event_id or f"failed:{row.seq}" if own is None else own
    return _Item({**item, "id": event_id}, namespace)


def _view(event: Event) -> dict[str, Any]:
    found = {name: getattr(event, name) for name in _VIEWED}
    shown = {name: value for name, value in found.items() if value is not None and value != {}}
    return {**shown, "time": rfc3339(event.time)}


def _taken(item: _Item, after: dict[str, Any], row: FailedRow, around: Around) -> Batch:
    caller = structs.replace(around.caller, kind=caller_kind(row.source), source=row.source)
    request = Request("POST", "/", "", {}, _encode(after), None, row.received_us)
    decoded = native.decode(request, caller, around.settings)
    events = [_restored(one, item, after, row) for one in decoded.events]
    origin = Origin(row.protocol, around.clock.now())
    # One that failed undecoded may be a change of a profile, which must not be made twice either.
    commands = [structs.replace(one, namespace=item.namespace) for one in decoded.commands]
    return batch_of(
        Decoded(decoded.received, events, commands, decoded.failed, statements=decoded.statements),
        caller, origin, clock=around.clock, around=Surroundings(key=around.key),
    ).batch  # fmt: skip


def _restored(event: Event, item: _Item, after: dict[str, Any], row: FailedRow) -> Event:
    """Return a repaired event with what repairs do not touch: whose it is, and when."""
    was = item.event
    if was is None:
        return structs.replace(
            event,
            namespace=item.namespace,
            flags=(*event.flags, REPLAYED),
            received_at=row.received_us,
        )
    kept = structs.replace(
        event,
        namespace=was.namespace,
        context=was.context,
        consent=was.consent,
        flags=tuple(dict.fromkeys((*was.flags, REPLAYED))),
        received_at=was.received_at or row.received_us,
    )
    if after.get("time") != item.view["time"]:
        return kept
    return structs.replace(
        kept, time=was.time, time_rule=was.time_rule, time_client=was.time_client
    )


def _kept(event: Event, item: _Item) -> Event:
    """Return an event with the id of its day, which can be made only while its request is there."""
    was = item.event
    if was is None or COOKIELESS not in was.flags or event.anonymous_id is not None:
        return event
    return structs.replace(
        event, anonymous_id=was.anonymous_id, flags=tuple(dict.fromkeys(event.flags))
    )
