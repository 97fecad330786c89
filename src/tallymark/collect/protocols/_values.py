"""What a value of any type means where a protocol expects a text, a number or a time.

Nothing here raises: what cannot be meant is None, or empty.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import msgspec

from tallymark.core.clock import EPOCH, MICROSECONDS
from tallymark.core.errors import Refused
from tallymark.core.ids import hash128

from ._checks import quantity

_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_FRACTION = re.compile(r"(?<=\d)[.,](\d+)")
# A number of seconds, milliseconds, microseconds or nanoseconds since 1970 tells by its size which.
_MILLISECONDS_FROM: Final = 10**11
_MICROSECONDS_FROM: Final = 10**14
_UNITS: Final = ((_MILLISECONDS_FROM, 1_000_000), (_MICROSECONDS_FROM, 1_000), (10**17, 1))
_SECONDS_OF_DAY: Final = 86_400
_NINE_DIGITS: Final = Decimal("1e-9")
# Here the context's 28 digits hold every rounded number.
_ROUNDED_BELOW: Final = 10**18
_LATEST: Final = 253_402_300_799_999_999


def text(value: Any) -> str | None:
    """Return a text, or a number as text; None for anything else and for nothing but white space."""
    # Most of what a protocol may say is not said, and nearly all that is said is text.
    if type(value) is str:
        return value.strip() or None
    if value is None:
        return None
    if type(value) is int:
        return str(value) if abs(value) < 10**40 else None
    return format(value.normalize(), "f") if isinstance(value, Decimal) else None


def mapping(value: Any) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def amount(value: Any) -> Decimal | None:
    """Return a number, or text that is one; None for anything else or out of range.

    It is exact up to nine digits after the point. More of them come of sums of floating point, such
    as 0.30000000000000004, and are rounded half away from zero.
    """
    if value is None:
        return None
    if type(value) is int and -_ROUNDED_BELOW < value < _ROUNDED_BELOW:
        return Decimal(value)
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except ArithmeticError:
            return None
        if not value.is_finite():
            return None
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _ROUNDED_BELOW:
        rounded = value.quantize(_NINE_DIGITS, ROUND_HALF_UP)
        value = value if rounded == value else rounded
    try:
        return quantity(value, "amount")
    except Refused:
        return None


def currency(value: Any, default: str | None = None) -> str | None:
    """Return an ISO 4217 code in capitals; the default for anything that is none."""
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if _CURRENCY.match(code) else default


def pixels(value: Any) -> int | None:
    """Return a length of a screen; None for anything that is none."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 9:
        value = int(value)
    if isinstance(value, Decimal) and abs(value) < 2**31:
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if good else None


def when(value: Any) -> int | None:
    """Return an instant in microseconds; None for anything that is no time in 1970 to 9999.

    Takes ISO 8601 (UTC where it names no offset) and numbers, or text of numbers, of seconds,
    milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
    """
    # First what nearly all numbers are.
    if type(value) is int and _MILLISECONDS_FROM <= value < _MICROSECONDS_FROM:
        return value * 1_000
    if isinstance(value, str):
        value = value.strip()
        if len(value) > 40:
            return None
        # Nearly every text is a date; no number has a hyphen there.
        if value[4:5] == "-" or not value.replace(".", "", 1).isdecimal():
            return _iso(value)
        value = int(value) if value.isdecimal() else Decimal(value)
    return None if value is None else _since_1970(value)


def content_id(*parts: Any) -> str:
    """Return an id that the same content always has, for clients that send none."""
    return hash128(*(part if isinstance(part, str) else as_json(part) for part in parts)).hex()


def without(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return an object without some of its members."""
    return {name: value for name, value in given.items() if name not in names}


def as_json(value: Any) -> str:
    """Return a value as JSON, always the same for the same value; nothing for what cannot be written."""
    try:
        return _encode(value).decode()
    except (RecursionError, ValueError, TypeError, msgspec.MsgspecError):
        return ""


def _since_1970(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
        return None
    for limit, scale in _UNITS:
        if value < limit:
            return int(value * scale)
    # Compared first: a number of more digits than the context has cannot be divided.
    return int(value // 1000) if value < _LATEST * 1000 else None


def _iso(value: str) -> int | None:
    try:
        # What clients write; only what is odd is looked at more closely.
        found = datetime.fromisoformat(value)
    except ValueError:
        try:
            found = datetime.fromisoformat(_FRACTION.sub(_six_digits, value, count=1))
        except ValueError:
            return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    try:
        gap = found - EPOCH
    except OverflowError:
        return None
    # ``instant`` would add a call, and multiply numbers too large for one machine word.
    micros = (gap.days * _SECONDS_OF_DAY + gap.seconds) * MICROSECONDS + gap.microseconds
    return micros if 0 <= micros <= _LATEST else None


def _six_digits(fraction: re.Match[str]) -> str:
    # Python 3.11 reads at most six digits of a second.
    return "." + fraction[1][:6]


_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
