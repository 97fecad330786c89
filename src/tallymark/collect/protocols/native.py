"""The native protocol: ``POST /tm/v1/events`` takes one event, an array, a batch or JSON lines.

The body is decoded in one typed pass. Only when that fails is it cut into items that are read one by
one, so that one bad item never costs the others, and good batches never pay for it.
"""

import urllib.parse
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from tallymark.collect.body import is_ndjson
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import Refused
from tallymark.core.event import (
    Command,
    Event,
    Failed,
    GroupMembership,
    IdentityLink,
    ProfileOp,
    TimeRule,
)
from tallymark.core.ids import new_id
from tallymark.core.settings import Settings

from ._checks import (
    Terms,
    are_flat,
    are_plain,
    believed_time,
    check_currency,
    check_groups,
    check_id,
    check_person,
    check_properties,
    checked_name,
    client_time,
    quantity,
    terms,
)
from ._commands import check_group_type, link_of, operations_of
from ._failed import failed_lines
from ._imported import imported
from ._reading import Cut, Opened, check_text, cut, head, open_body, read_one
from ._wire import (
    NOWHERE,
    AwareTime,
    Time,
    WireAlias,
    WireCommand,
    WireEvent,
    WireGroup,
    WireIdentify,
    WireImported,
    context,
)

SENT_AT_HEADER = "tallymark-sent-at"


class FailedItem(Struct, frozen=True):
    """An item that was not taken, by its place in the request, and the field that is wrong."""

    index: int
    id: str | None
    code: str
    message: str
    path: str | UnsetType = UNSET


class Outcome(Struct, frozen=True):
    """What became of a request: how many items are durable, and which were not taken."""

    accepted: int
    failed: list[FailedItem]


class _Taken(Struct, frozen=True):
    """What became of the items of a request; refusals by the index of the item.

    ``places`` are the items of the events and, after them, of the commands. ``surplus`` is how many
    more there are than were sent: a record of an export may tell several.
    """

    events: list[Event]
    commands: list[Command]
    refusals: dict[int, Refused]
    places: list[int]
    surplus: int = 0
    empty: int = 0


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events, commands and failed items of a request.

    With ``strict=1`` in the query one failed item fails all. Raises Refused for a body that is not
    JSON, too many items, or a single item that cannot be read at all.
    """
    body = request.body
    is_lines = is_ndjson(request.headers.get("content-type", ""))
    check_text(body)
    opened = open_body(body, settings, is_lines=is_lines)
    lines = failed_lines(opened.failed, caller, settings)
    sent_at = _sent_at(request, opened.sent_at)
    agreed = terms(
        settings,
        received_at=request.received_at,
        sent_at=sent_at,
        public=caller.kind == "public",
        plain_ids=_have_plain_ids(opened.items, settings),
        plain_properties=_have_plain_properties(opened, settings),
    )
    taken = _take_each(opened.items, agreed, caller)
    events, commands, refusals = taken.events, taken.commands, taken.refusals
    received, strict = len(opened.items) + len(lines), _is_strict(request.query)
    dropped = {"NOT_KEPT": taken.empty} if taken.empty else {}
    if received == 1 and refusals and refusals[0].stage in ("transport", "decode"):
        raise refusals[0]
    if refusals and strict:
        taken = _Taken([], [], {}, [])
        events, commands, dropped = [], [], {}
    decoded = Decoded(
        received + taken.surplus, events, commands, lines, dropped, sent_at, strict=strict,
        places=taken.places,
    )  # fmt: skip
    if not refusals:
        return decoded
    if strict:
        why = Refused(f"Item {min(refusals)} of a strict request failed.", code="STRICT_BATCH")
        refusals = {index: refusals.get(index, why) for index in range(len(opened.items))}
    raws = cut(body, settings, is_lines=is_lines).items
    failed = [_failed(index, why, raws[index], settings) for index, why in refusals.items()]
    return structs.replace(decoded, failed=failed + lines)


def reply(decoded: Decoded, _request: Request | None = None) -> Reply:
    """Return 202 with the outcome of each failed item; 422 if a strict request failed.

    Lines that came as failed are counted only: who sent them knows.
    """
    failed = [
        FailedItem(item.index, item.id, item.code, item.message, item.path or UNSET)
        for item in decoded.failed
        if not item.line
    ]
    accepted = decoded.received - len(decoded.failed) - sum(decoded.dropped.values())
    body = msgspec.json.encode(Outcome(accepted, failed))
    return Reply(422 if decoded.strict and failed else 202, body)


def _take_each(items: Sequence[WireEvent | bytes], agreed: Terms, caller: Caller) -> _Taken:
    events: list[Event] = []
    commands: list[Command] = []
    refusals: dict[int, Refused] = {}
    of_events: list[int] = []
    of_commands: list[int] = []
    surplus = empty = 0
    for index, item in enumerate(items):
        try:
            wire = read_one(item, agreed.settings) if isinstance(item, bytes) else item
            if isinstance(wire, WireEvent):
                events.append(_event(wire, agreed))
                of_events.append(index)
            elif isinstance(wire, WireImported):
                uses, changes = imported(wire, caller, agreed)
                events += uses
                commands += changes
                of_events += [index] * len(uses)
                of_commands += [index] * len(changes)
                told = len(uses) + len(changes)
                surplus += max(0, told - 1)
                empty += told == 0
            else:
                found = _commands(wire, agreed)
                commands += found
                of_commands += [index] * len(found)
        except Refused as refusal:
            refusals[index] = refusal
    return _Taken(events, commands, refusals, of_events + of_commands, surplus, empty)


def _event(wire: WireEvent, agreed: Terms) -> Event:
    event_id = new_id(agreed.received_at) if wire.id is None else wire.id
    if not agreed.plain_ids:
        _check_ids(wire, event_id, agreed.settings.max_id_bytes)
    properties = wire.properties or {}
    if properties and not agreed.plain_properties:
        check_properties(properties, "properties", agreed)
    rare = _rare_fields(wire, agreed)
    time, client = agreed.received_at, None
    rule: TimeRule = "received"
    if wire.time is not None:
        client = client_time(wire.time, "time")
        is_billed = "value" in rare and not agreed.public
        time, rule = believed_time(client, agreed, is_metered=is_billed)
    event = Event(
        name=checked_name(wire.name, agreed.settings.max_name_bytes),
        id=event_id,
        time=time,
        time_rule=rule,
        time_client=client,
        kind=wire.kind,
        user_id=wire.user_id,
        anonymous_id=wire.anonymous_id,
        session_id=wire.session_id,
        properties=properties,
        context=NOWHERE if wire.context is None else context(wire.context),
    )
    return structs.replace(event, **rare) if rare else event


def _rare_fields(wire: WireEvent, agreed: Terms) -> dict[str, Any]:
    """Return what most events do not have, so that they need not pay for it."""
    rare: dict[str, Any] = {}
    if wire.id is None:
        rare["flags"] = ("no_id",)
    if wire.account is not None or wire.groups:
        rare["groups"] = groups = dict(wire.groups or {})
        if wire.account is not None:
            groups["account"] = wire.account
        check_groups(groups, agreed.settings)
    if wire.consent is not None:
        rare["consent"] = wire.consent
    if wire.value is not UNSET or wire.unit is not None:
        rare |= {"value": _metered(wire, agreed), "unit": wire.unit}
    if wire.revenue is not UNSET or wire.currency is not None:
        rare |= {"revenue": _money(wire), "currency": wire.currency}
    return rare


def _have_plain_ids(items: Sequence[WireEvent | bytes], settings: Settings) -> bool:
    events = [item for item in items if isinstance(item, WireEvent)]
    persons = [event.user_id for event in events if event.user_id is not None]
    persons += [event.anonymous_id for event in events if event.anonymous_id is not None]
    ids = [event.id for event in events if event.id is not None]
    ids += [event.session_id for event in events if event.session_id is not None]
    # Items still to be read one by one are checked one by one too.
    return len(events) == len(items) and are_plain(persons + ids, persons, settings.max_id_bytes)


def _have_plain_properties(opened: Opened | Cut, settings: Settings) -> bool:
    # Items still to be read one by one are checked one by one too.
    return isinstance(opened, Opened) and are_flat(
        [event.properties for event in opened.items if event.properties], settings
    )


def _check_ids(wire: WireEvent | WireIdentify | WireGroup, event_id: str, max_bytes: int) -> None:
    check_id(event_id, "id", max_bytes)
    if wire.user_id is not None:
        check_person(wire.user_id, "user_id", max_bytes)
    if wire.anonymous_id is not None:
        check_person(wire.anonymous_id, "anonymous_id", max_bytes)
    if isinstance(wire, WireEvent) and wire.session_id is not None:
        check_id(wire.session_id, "session_id", max_bytes)


def _metered(wire: WireEvent, agreed: Terms) -> Decimal:
    if agreed.public:
        raise Refused(
            "A public key may not send value or unit.", code="METER_KEY_KIND", path="value"
        )
    if wire.value is UNSET:
        raise Refused("unit needs a value.", code="MISSING_FIELD", path="value")
    if wire.unit is not None:
        check_id(wire.unit, "unit", agreed.settings.max_key_bytes)
    return quantity(wire.value, "value")


def _money(wire: WireEvent) -> Decimal:
    if wire.revenue is UNSET:
        raise Refused("currency needs a revenue.", code="MISSING_FIELD", path="revenue")
    amount = quantity(wire.revenue, "revenue")
    check_currency(wire.currency)
    return amount


def _commands(wire: WireCommand, agreed: Terms) -> list[Command]:
    event_id = new_id(agreed.received_at) if wire.id is None else wire.id
    time = agreed.received_at
    if wire.time is not None:
        time, _ = believed_time(client_time(wire.time, "time"), agreed, is_metered=False)
    match wire:
        case WireAlias():
            return [link_of(wire, event_id, time, agreed)]
        case WireIdentify():
            _check_ids(wire, event_id, agreed.settings.max_id_bytes)
            return _said(wire.consent, _identify(wire, event_id, time, agreed))
        case WireGroup():
            _check_ids(wire, event_id, agreed.settings.max_id_bytes)
            return _said(wire.consent, _group(wire, event_id, time, agreed))
        case _:
            assert_never(wire)


def _said(consent: dict[str, str], done: list[Command]) -> list[Command]:
    return [structs.replace(one, consent=consent) for one in done] if consent else done


def _identify(wire: WireIdentify, event_id: str, time: int, agreed: Terms) -> list[Command]:
    subject = wire.user_id or wire.anonymous_id
    if subject is None:
        raise Refused(
            "identify needs user_id or anonymous_id.", code="MISSING_FIELD", path="user_id"
        )
    done: list[Command] = []
    if wire.user_id is not None and wire.anonymous_id is not None:
        done.append(IdentityLink(wire.anonymous_id, wire.user_id, event_id, time))
    for op, properties in operations_of(wire, agreed, always=not done):
        kind = "user" if wire.user_id else "anonymous"
        done.append(ProfileOp(op, subject, event_id, time, properties, kind))
    return done


def _group(wire: WireGroup, event_id: str, time: int, agreed: Terms) -> list[Command]:
    check_group_type(wire.group_type)
    check_groups({wire.group_type: wire.group_id}, agreed.settings)
    done: list[Command] = []
    if wire.user_id is not None or wire.anonymous_id is not None:
        done.append(
            GroupMembership(
                wire.group_type, wire.group_id, event_id, time, wire.user_id, wire.anonymous_id
            )
        )
    for op, properties in operations_of(wire, agreed, always=not done):
        done.append(ProfileOp(op, wire.group_id, event_id, time, properties, wire.group_type))
    return done


def _sent_at(request: Request, given: Time | None) -> int | None:
    header = request.headers.get(SENT_AT_HEADER)
    if given is None and header is not None:
        try:
            # A header is text, so milliseconds come as digits.
            given = int(header) if header.isdecimal() else msgspec.convert(header, AwareTime)
        except (msgspec.ValidationError, ValueError) as error:
            raise Refused(
                f"{SENT_AT_HEADER} {header[:100]!r} is no time.",
                code="TIME_UNPARSABLE",
                path=SENT_AT_HEADER,
            ) from error
    return None if given is None else client_time(given, "sent_at")


def _is_strict(query: str) -> bool:
    if "strict" not in query:
        return False
    given = urllib.parse.parse_qs(query, keep_blank_values=True).get("strict", ["0"])[-1]
    # To take another word for no would store the half of a batch that was meant to be all or nothing.
    if given not in {"0", "1"}:
        raise Refused(
            f"strict is 1 or 0, not {given[:100]!r}.",
            hint="Send ?strict=1 for all or nothing.",
            path="strict",
        )
    return given == "1"


def _failed(index: int, why: Refused, raw: bytes, settings: Settings) -> Failed:
    event_id, name = head(raw)
    return Failed(
        code=why.code,
        stage=why.stage,
        message=why.message,
        index=index,
        path=why.path,
        id=event_id and event_id[: settings.max_id_bytes],
        name=name and name[: settings.max_name_bytes],
        raw=raw[: settings.max_failed_bytes],
        raw_bytes=len(raw),
    )


native = Protocol(
    name="native",
    routes=(("POST", "/tm/v1/events"),),
    decode=decode,
    reply=reply,
    summary="Tallymark's own: one event, an array, a batch or JSON lines.",
    answer=Outcome,
    query={"strict": "1 for all or nothing: one failed item fails the request, with 422."},
)
