"""Exact arithmetic of answers: whole numbers and decimals with at most nine places, never floats.

What divides is rounded once, to nine places, half away from zero.
"""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from tallymark.core.errors import InvalidQuery

Number: TypeAlias = int | Decimal

PLACES: Final = Decimal("0.000000001")
_LARGEST: Final = Decimal(10) ** 29
# Sixty digits hold any sum or product of two stored decimals; a longer result is rounded there.
_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_UP, Emax=999_999, Emin=-999_999, traps=[])


def exact(value: Number | None) -> Number | None:
    """Return a stored number in its shortest form: 2.500000000 as 2.5, 3.000000000 as 3."""
    if value is None or isinstance(value, int):
        return value
    if not value.is_finite():
        return None
    # Beyond 38 digits an answer would be a shape, not a number anyone can use.
    if value.adjusted() >= 38:
        return None
    whole = value.to_integral_value(context=_WIDE)
    return int(whole) if whole == value else value.normalize(_WIDE)


def rounded(value: Decimal) -> Number | None:
    """Return the value at nine places, half away from zero; None if it is no finite number."""
    if not value.is_finite() or value.adjusted() >= 38:
        return None
    return exact(value.quantize(PLACES, context=_WIDE))


def combine(operator: str, left: Decimal | None, right: Decimal | None) -> Decimal | None:
    """Return left operator right at sixty digits; None if either is, or on division by zero."""
    if left is None or right is None:
        return None
    if operator == "+":
        return _WIDE.add(left, right)
    if operator == "-":
        return _WIDE.subtract(left, right)
    if operator == "*":
        return _WIDE.multiply(left, right)
    return _WIDE.divide(left, right) if right else None


def plus(left: Decimal, right: Decimal) -> Decimal:
    """Return the sum of two stored numbers, exactly: Python's own rounds to 28 digits."""
    return _WIDE.add(left, right)


def times(left: Decimal, right: Decimal) -> Decimal:
    """Return the product of two numbers at sixty digits."""
    return _WIDE.multiply(left, right)


def ratio(amount: Number | None, count: int | None) -> Number | None:
    """Return amount / count rounded; None if there is nothing to divide or to divide by."""
    if amount is None or not count:
        return None
    return rounded(_WIDE.divide(Decimal(amount), Decimal(count)))


def of_fraction(value: Fraction) -> Number:
    """Return a fraction rounded once to nine places, half away from zero."""
    twice = 2 * abs(value.numerator) * 10**9
    nearest = (twice + value.denominator) // (2 * value.denominator)
    return exact(_WIDE.divide(Decimal(-nearest if value < 0 else nearest), Decimal(10**9))) or 0


def stored(value: float | Decimal, path: str) -> Decimal:
    """Return a number of a question as the store keeps numbers: at nine places, ties to even.

    Raises InvalidQuery if no stored number is as large.
    """
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise InvalidQuery(f"{value!r} is larger than any stored number.", path=path)
    return number.quantize(PLACES, rounding=ROUND_HALF_EVEN, context=_WIDE)
