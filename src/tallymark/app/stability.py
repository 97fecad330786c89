"""How far two counts of the same things lie apart, and how far chance alone would bring them.

PSI, the population stability index, is Σ (q - p) · ln(q / p) over the shares p before and q now of each
value. So that a value which is missing on one side is not infinitely far, half a use is added to each
value on both sides. Below 0.1 is usually called stable, from 0.25 on shifted. Few uses lie apart by
themselves: without any change PSI exceeds ``psi_by_chance`` once in a thousand times.

Source: PSI is the symmetric Kullback-Leibler divergence; of n and m independent uses over k values it
is distributed as (1/n + 1/m) · χ² with k - 1 degrees of freedom (B. Yurdakul, Statistical properties of
population stability index, 2018). The quantile of χ² is that of E. Wilson and M. Hilferty (1931).
"""

from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

_HALF: Final = Decimal("0.5")
# Of the normal distribution, and its square: exceeded once in a thousand times, to one side and to both.
_Z: Final = Decimal("3.0902323062")
_BOTH_SIDES: Final = Fraction("10.8275661707")
_PLACES: Final = Context(prec=40)


def psi(before: Sequence[int], now: Sequence[int]) -> Decimal:
    """Return the index of counts of the same values, in the same order; of fewer than two it is 0."""
    return sum(parts(before, now), Decimal(0))


def parts(before: Sequence[int], now: Sequence[int]) -> list[Decimal]:
    """Return what each value adds to the index; none of them is below 0."""
    of_before = sum(before) + len(before) * _HALF
    of_now = sum(now) + len(now) * _HALF
    found: list[Decimal] = []
    for was, has in zip(before, now, strict=True):
        p = _PLACES.divide(was + _HALF, of_before)
        q = _PLACES.divide(has + _HALF, of_now)
        found.append(_PLACES.multiply(q - p, _PLACES.ln(_PLACES.divide(q, p))))
    return found


def psi_by_chance(values: int, before: int, now: int) -> Decimal:
    """Return what the index of so many values exceeds once in a thousand times by chance alone."""
    if values < 2 or not before or not now:
        return Decimal(0)
    degrees = Decimal(values - 1)
    part = Decimal(2) / (9 * degrees)
    quantile = degrees * (1 - part + _Z * part.sqrt()) ** 3
    return quantile * (Decimal(1) / before + Decimal(1) / now)


def differs(before: tuple[int, int], now: tuple[int, int], least: Fraction) -> bool:
    """Whether two shares, each a count and what it is of, lie at least so far apart, and not by chance."""
    (was, of_before), (has, of_now) = before, now
    if not of_before or not of_now:
        return False
    apart = abs(Fraction(has, of_now) - Fraction(was, of_before))
    both = Fraction(was + has, of_before + of_now)
    spread = both * (1 - both) * (Fraction(1, of_before) + Fraction(1, of_now))
    return apart >= least and apart * apart > _BOTH_SIDES * spread
