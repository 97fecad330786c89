"""What is known of a person or group, as the fold of the operations that said it.

Operations count in order of their time, then of their arrival; one that arrives late takes its
place in the past. So the profile at any instant is a function of the operations alone:

- ``set`` overwrites: the last one holds. ``set_once`` says only what nothing said: the earliest holds.
- ``add`` adds a number, to 0 where there is none; what is no number stays as it is.
- ``append`` and ``prepend`` put values at an end of a list, ``union`` those that it does not hold
  yet, ``remove`` takes out every equal one. A list of values stands for each of them, and a value
  that is no list is a list of one.
- ``unset`` forgets the named properties; ``clear`` and ``delete`` forget all of them.
"""

from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any, Final, TypeAlias, assert_never

from msgspec import Struct

from tallymark.core.event import Json, Operation

Profile: TypeAlias = dict[str, Json]

# Wide enough for every number that can be sent, so that a sum is exact.
_EXACT: Final = Context(prec=20_000)


class Told(Struct, frozen=True):
    """One operation as the store keeps it; ``time`` is when it holds from."""

    seq: int
    time: int
    op: Operation
    properties: Profile


def profile(told: Iterable[Told], at: int | None = None) -> Profile:
    """Return the properties as of an instant, by default with everything that was told.

    What holds from the instant itself is part of it. Names are in alphabetical order.
    """
    known: Profile = {}
    for one in sorted(told, key=lambda one: (one.time, one.seq)):
        if at is None or one.time <= at:
            apply(known, one)
    return dict(sorted(known.items()))


def apply(known: Profile, told: Told) -> None:
    """Do one operation on what is known before it."""
    match told.op:
        case "set":
            known.update(told.properties)
        case "set_once":
            known.update({k: value for k, value in told.properties.items() if k not in known})
        case "unset":
            for name in told.properties:
                known.pop(name, None)
        case "clear" | "delete":
            known.clear()
        case "add":
            for name, value in told.properties.items():
                _add(known, name, value)
        case "append" | "prepend" | "union" | "remove":
            for name, value in told.properties.items():
                _change_list(known, name, told.op, _items(value))
        case _:
            assert_never(told.op)


def is_same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal; 1 equals 1.0, but true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(is_same(*pair) for pair in pairs)
    return bool(one == other)


def _add(known: Profile, name: str, value: Json) -> None:
    held = known.get(name, 0)
    if not (_is_number(held) and _is_number(value)):
        return
    if isinstance(held, int) and isinstance(value, int):
        known[name] = held + value
    else:
        known[name] = _EXACT.add(Decimal(held), Decimal(value))


def _change_list(known: Profile, name: str, op: Operation, values: list[Json]) -> None:
    if op == "remove" and not isinstance(known.get(name), list):
        return
    held = _items(known[name]) if name in known else []
    match op:
        case "append":
            known[name] = held + values
        case "prepend":
            known[name] = values + held
        case "remove":
            known[name] = [one for one in held if not _holds(values, one)]
        case _:
            for value in values:
                if not _holds(held, value):
                    held = [*held, value]
            known[name] = held


def _items(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else [value]


def _holds(values: list[Json], wanted: Json) -> bool:
    return any(is_same(value, wanted) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
