"""Lengths of time as a question states them: a number and a unit, such as 30min or 14d.

A day is 24 hours here and a month 30 days: a length has no date that it begins on.
"""

import re
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from tallymark.core.clock import DAY, MICROSECONDS
from tallymark.core.errors import InvalidQuery

from .numbers import Number, ratio
from .ranges import HOUR, MINUTE

Duration: TypeAlias = Annotated[
    str, Meta(description="A number and s, min, h, d, w or mo, such as 30min or 14d.")
]

_LENGTH: Final = re.compile(r"(0|[1-9][0-9]{0,5})(s|min|h|d|w|mo)", re.ASCII)
_UNITS: Final = {
    "mo": 30 * DAY, "w": 7 * DAY, "d": DAY, "h": HOUR, "min": MINUTE, "s": MICROSECONDS,
}  # fmt: skip


def duration_of(text: str, *, longest: int, path: str) -> int:
    """Return a length in microseconds; raises InvalidQuery if it is none, or longer than that."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise InvalidQuery(
            f"{text!r} is not a length of time.",
            hint="Write for example 90s, 30min, 12h, 14d, 2w.",
            path=path,
        )
    length = int(found[1]) * _UNITS[found[2]]
    if length > longest:
        raise InvalidQuery(f"{text} is longer than {duration_text(longest)}.", path=path)
    return length


def seconds(microseconds: int) -> Number:
    """Return a length in seconds, exactly."""
    return ratio(microseconds, MICROSECONDS) or 0


def duration_text(length: int) -> str:
    """Return whole seconds in the largest unit that divides them: 1209600 s as 14d."""
    for unit in ("d", "h", "min", "s"):
        if length % _UNITS[unit] == 0:
            return f"{length // _UNITS[unit]}{unit}"
    raise ValueError(f"not whole seconds: {length}")
