"""The native protocol: ``POST /tm/v1/events`` takes one event, an array, a batch or JSON lines.

The body is decoded in one typed pass. Only when that fails is it cut into items that are read one by
one, so that one bad item never costs the others, and good batches never pay for it.
"""

import urllib.parse
from collections.abc import Sequence
from typing import Final, assert_never

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from tallymark.collect.body import is_ndjson
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.consents import Statement
from tallymark.core.errors import Refused
from tallymark.core.event import (
    Command,
    Event,
    Failed,
    GroupMembership,
    IdentityLink,
    ProfileOp,
)
from tallymark.core.ids import new_id
from tallymark.core.settings import Settings

from ._checks import (
    Terms,
    are_flat,
    believed_time,
    check_groups,
    client_time,
    terms,
)
from ._commands import check_group_type, link_of, operations_of, statement_of
from ._failed import failed_lines
from ._imported import imported
from ._native_events import check_ids, event_of, have_plain_ids, sent_at_of
from ._native_verbatim import verbatim
from ._reading import Cut, Opened, check_text, cut, head, open_body, read_one
from ._wire import (
    WireAlias,
    WireCommand,
    WireConsent,
    WireEvent,
    WireGroup,
    WireIdentify,
    WireImported,
)

_MANY: Final = 8


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
    statements: list[Statement] = []


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
    sent_at = sent_at_of(request, opened.sent_at)
    # To look at few together costs four times as much as to look at each.
    are_many = len(opened.items) >= _MANY
    agreed = terms(
        settings,
        received_at=request.received_at,
        sent_at=sent_at,
        public=caller.kind == "public",
        plain_ids=are_many and have_plain_ids(opened.items, settings),
        plain_properties=are_many and _have_plain_properties(opened, settings),
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
        places=taken.places, statements=taken.statements,
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
    statements: list[Statement] = []
    surplus = empty = 0
    for index, item in enumerate(items):
        try:
            wire = read_one(item, agreed.settings) if isinstance(item, bytes) else item
            if isinstance(wire, WireEvent):
                events.append(event_of(wire, agreed))
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
            elif isinstance(wire, WireConsent):
                statements.append(statement_of(wire, index, agreed))
            else:
                found = _commands(wire, agreed)
                commands += found
                of_commands += [index] * len(found)
        except Refused as refusal:
            refusals[index] = refusal
    places = of_events + of_commands
    return _Taken(events, commands, refusals, places, surplus, empty, statements)


def _have_plain_properties(opened: Opened | Cut, settings: Settings) -> bool:
    # Items still to be read one by one are checked one by one too.
    return isinstance(opened, Opened) and are_flat(
        [event.properties for event in opened.items if event.properties], settings
    )


def _commands(wire: WireCommand, agreed: Terms) -> list[Command]:
    event_id = new_id(agreed.received_at) if wire.id is None else wire.id
    time = agreed.received_at
    if wire.time is not None:
        time, _ = believed_time(client_time(wire.time, "time"), agreed, is_metered=False)
    match wire:
        case WireAlias():
            return [link_of(wire, event_id, time, agreed)]
        case WireIdentify():
            check_ids(wire, event_id, agreed.settings.max_id_bytes)
            return _said(wire.consent, _identify(wire, event_id, time, agreed))
        case WireGroup():
            check_ids(wire, event_id, agreed.settings.max_id_bytes)
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
    event_id, name, sdk = head(raw)
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
        sdk_name=sdk[0],
        sdk_version=sdk[1],
    )


native = Protocol(
    name="native",
    routes=(("POST", "/tm/v1/events"),),
    decode=decode,
    verbatim=verbatim,
    reply=reply,
    summary="Tallymark's own: one event, an array, a batch or JSON lines.",
    answer=Outcome,
    query={"strict": "1 for all or nothing: one failed item fails the request, with 422."},
)
