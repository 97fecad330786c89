"""Which numbers a DECIMAL(38,9) holds, and what stands for those it does not."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

SCALE: Final = 9
_BEYOND: Final = 10**38
# Refuses to round and to exceed 38 digits, so what it quantizes fits DECIMAL(38,9) exactly.
_EXACT: Final = Context(prec=38, Emin=-999_999, Emax=999_999, traps=[Inexact, InvalidOperation])
_LAST_PLACE: Final = Decimal((0, (1,), -SCALE))
_ROUNDING: Final = Context(
    prec=38, Emin=-999_999, Emax=999_999, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation]
)


class Rounded(Decimal):
    """A number at nine places that remembers how it was sent."""

    __slots__ = ("literal",)
    literal: str


def scaled(number: int | Decimal, places: int = SCALE) -> int | None:
    """Return the number times 10 ** places if that is whole and has at most 38 digits."""
    if isinstance(number, int):
        whole = number * 10**places
        return whole if -_BEYOND < whole < _BEYOND else None
    if not number:
        return 0
    if not number.is_finite() or number.adjusted() >= _EXACT.prec - places:
        return None
    try:
        shifted = number.scaleb(places, _EXACT)
    except ArithmeticError:
        return None
    whole = int(shifted)
    return whole if whole == shifted and -_BEYOND < whole < _BEYOND else None


def fitting(value: Any) -> Any:
    """Return a number rounded to nine places, ties to even, or as text if it is too large for that.

    Whatever fits is returned as it is.
    """
    if type(value) is int:
        return value if scaled(value) is not None else literal(value)
    if type(value) is not Decimal:
        return value
    try:
        near = value.quantize(_LAST_PLACE, context=_ROUNDING)
    except InvalidOperation:
        return literal(value)
    if not near.is_finite():
        return literal(value)
    if near == value:
        return value
    rounded = Rounded(near)
    rounded.literal = str(value)
    return rounded


def literal(number: int | Decimal) -> str:
    """Return the number as text, every digit of it."""
    # Through Decimal, because str() refuses integers of more than 4300 digits.
    return str(Decimal(number))
