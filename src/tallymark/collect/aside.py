"""What the steps set aside, as what is kept of it and what its sender is told."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from tallymark.core.errors import CODES
from tallymark.core.event import UNPLACED, Command, Event, Failed

from .protocol import Decoded
from .steps import SetAside, Stepped

# What was set aside is kept as an event and not as it came: it is scrubbed, and can be replayed.
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class SortedOut(Struct, frozen=True):
    """What is left of a request's events and commands, and what failed; ``told`` is for the answer."""

    events: list[Event]
    commands: list[Command]
    failed: list[Failed]
    told: list[Failed]


def sort_out(decoded: Decoded, stepped: Stepped, commands: list[Command]) -> SortedOut:
    """Return what becomes of what the steps gave.

    What the plan rejects fails in the answer of a protocol that tells the outcome of each item, and
    fails the whole request if it asked for all or nothing. For any other, the client could do nothing
    about it, and it is set aside.
    """
    rejected = [one for one in stepped.aside if one.is_rejected and decoded.places]
    if not rejected:
        return SortedOut(
            stepped.events, commands, [_quarantined(one, decoded) for one in stepped.aside], []
        )
    failed = [_failed(one, decoded.places[one.place]) for one in rejected]
    if not decoded.strict:
        others = [_quarantined(one, decoded) for one in stepped.aside if not one.is_rejected]
        return SortedOut(stepped.events, commands, failed + others, failed)
    others = [
        _failed(one, decoded.places[one.place]) for one in stepped.aside if not one.is_rejected
    ]
    whole = _strict(stepped.events, [decoded.places[place] for place in stepped.places])
    # Those of the commands that consent let through.
    places = zip(map(id, decoded.commands), decoded.places[len(decoded.events) :], strict=True)
    place_of = dict(places)
    whole += _strict(commands, [place_of[id(one)] for one in commands])
    whole += [_all_or_nothing(one.place) for one in decoded.statements]
    named = {one.index for one in failed}
    # The answer names each item once, those that fail by themselves first.
    dropped = [
        _all_or_nothing(index)
        for index in dict.fromkeys(decoded.places)
        if index not in named | {one.index for one in others + whole}
    ]
    told = {one.index: one for one in reversed(failed + others + whole + dropped)}
    return SortedOut([], [], failed + others + whole, [told[index] for index in sorted(told)])


def _strict(items: Sequence[Event | Command], places: Sequence[int]) -> list[Failed]:
    found = []
    for item, index in zip(items, places, strict=True):
        raw = _encode(item)
        name = item.name if isinstance(item, Event) else None
        found.append(
            # The stage tells how what is kept is to be read: as an event, not as it came.
            msgspec.structs.replace(
                _all_or_nothing(index),
                stage="schema",
                id=item.id,
                name=name,
                raw=raw,
                raw_bytes=len(raw),
                time=item.time,
            )
        )
    return found


def _all_or_nothing(index: int) -> Failed:
    code = CODES["STRICT_BATCH"]
    return Failed(code.code, code.stage, code.meaning, index=index)


def _failed(one: SetAside, index: int) -> Failed:
    code = CODES[one.code]
    event = one.event
    raw = _encode(event)
    return Failed(
        code=code.code, stage=code.stage, message=one.message or code.meaning, index=index,
        path=one.path, id=event.id, name=event.name, raw=raw, raw_bytes=len(raw),
        faults=one.faults, time=event.time, sdk_name=event.context.library_name,
        sdk_version=event.context.library_version,
    )  # fmt: skip


def _quarantined(one: SetAside, decoded: Decoded) -> Failed:
    index = decoded.places[one.place] if decoded.places else UNPLACED
    return msgspec.structs.replace(_failed(one, index), is_quarantined=True)
