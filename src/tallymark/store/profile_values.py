"""What operations on profiles say of each property, as columns that questions can compare.

Most histories are folded by the engine itself. Those that take more than its arithmetic, lists and
numbers of any length, go through ``states``, which folds with the code that tells of one person.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, cast

import msgspec
from msgspec import Struct

from tallymark.core.event import Json, Operation
from tallymark.core.profiles import Profile, Told, apply

from . import decimals

LISTS: Final = ("append", "prepend", "union", "remove")
WHOLE: Final = ("clear", "delete")
# A sum of fewer than 10 ** 11 numbers below this has less than 29 digits before the point.
_ADDABLE: Final = 10**18
# What one history may take: seconds of Python, and the memory of all it makes.
_MOST_COMPARED: Final = 5_000_000
_MOST_BYTES: Final = 32 * 1024 * 1024
_NAME: Final = "value"
_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Value(Struct, frozen=True, gc=False):
    """A value by type class, as the columns of ``profile_value`` hold it; decimals as text."""

    text: str | None = None
    number: str | None = None
    other: str | None = None
    is_long: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The type classes it may give a property, alone or added to others."""
        if self.is_long and (self.number is None or abs(Decimal(self.number)) >= _ADDABLE):
            return ("text", "number")
        if self.text is not None:
            return ("text",)
        if self.number is not None:
            return ("number",)
        return ("",) if self.other is None else ("other",)


def value_of(value: Json) -> Value:
    """Return a value as its columns; a number is measured as the store measures those of events."""
    if isinstance(value, str):
        return Value(text=value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return Value(other=_encode(value).decode())
    near = decimals.fitting(value)
    if isinstance(near, str):
        return Value(text=near, other=near, is_long=True)
    if type(near) is decimals.Rounded:
        return Value(number=format(near, "f"), other=near.literal, is_long=True)
    is_long = abs(near) >= _ADDABLE
    return Value(
        number=format(Decimal(near), "f"),
        other=decimals.literal(near) if is_long else None,
        is_long=is_long,
    )


def told_values(op: Operation, properties: Profile) -> Iterator[tuple[str | None, Value]]:
    """Yield what an operation says of each property, without what can never have an effect."""
    if op in WHOLE:
        yield None, Value()
    elif op == "unset":
        yield from ((name, Value()) for name in properties)
    else:
        for name, value in properties.items():
            told = value_of(value)
            if op != "add" or told.number is not None or told.is_long:
                yield name, told


def states(ops: Sequence[str], every: bool) -> list[str | None]:
    """Return what is known after each of the operations on one property, or after all of them.

    An operation is its name, a blank and the value as JSON. What is known is a letter for its class,
    ``t``, ``n`` or ``o``, and the value; None if there is none. Raises ValueError if the history takes
    more than a question may take.
    """
    known: Profile = {}
    found: list[str | None] = []
    compared = size = 0
    for one in ops:
        op, _, said = one.partition(" ")
        value = _decode(said) if said else None
        compared += _length(known.get(_NAME)) * _length(value) if op in LISTS else 0
        apply(known, Told(0, 0, cast("Operation", op), {_NAME: value}))
        if every:
            found.append(_state(known))
            size += len(found[-1] or "")
        if compared > _MOST_COMPARED or size > _MOST_BYTES:
            raise ValueError("A list of a profile has too long a history; ask for it @now.")
    return found if every else [_state(known)]


def _state(known: Profile) -> str | None:
    value = known.get(_NAME)
    if value is None:
        return None
    made = value_of(value)
    if made.number is not None:
        return "n" + made.number
    return f"o{made.other}" if made.text is None else f"t{made.text}"


def _length(value: Json) -> int:
    return len(value) if isinstance(value, list) else 1
