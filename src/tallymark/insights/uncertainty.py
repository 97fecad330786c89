"""How far a number of a sample of behaviour may be from that of all there might be.

Intervals are decimals, rounded to nine places like every other number, so that the same question has
the same bytes on every machine.
"""

from decimal import Context, Decimal
from typing import Final

from msgspec import Struct

from .numbers import Number, rounded

# The 97.5 % quantile of the normal distribution, for intervals that hold 95 times in 100.
Z95: Final = Decimal("1.959963984540054")
# Below this many a rate is no more than a handful of people.
ENOUGH: Final = 5
_CONTEXT: Final = Context(prec=40)


class Interval(Struct, frozen=True):
    """Where the true rate lies, 95 times in 100: from ``low`` to ``high``, both shares of one."""

    low: Number
    high: Number


def wilson(successes: int, trials: int) -> Interval | None:
    """Return the interval of a rate, None if fewer than five trials say too little.

    Wilson, E. B. (1927), Probable Inference, the Law of Succession, and Statistical Inference,
    Journal of the American Statistical Association 22, without continuity correction.
    """
    if trials < ENOUGH:
        return None
    n, z = Decimal(trials), Z95
    rate = _CONTEXT.divide(Decimal(successes), n)
    square = _CONTEXT.multiply(z, z)
    whole = _CONTEXT.add(1, _CONTEXT.divide(square, n))
    middle = _CONTEXT.add(rate, _CONTEXT.divide(square, 2 * n))
    spread = _CONTEXT.divide(_CONTEXT.multiply(rate, _CONTEXT.subtract(Decimal(1), rate)), n)
    inner = _CONTEXT.add(spread, _CONTEXT.divide(square, 4 * n * n))
    half = _CONTEXT.multiply(z, _CONTEXT.sqrt(inner))
    low = _CONTEXT.divide(_CONTEXT.subtract(middle, half), whole)
    high = _CONTEXT.divide(_CONTEXT.add(middle, half), whole)
    return Interval(rounded(max(low, Decimal(0))) or 0, rounded(min(high, Decimal(1))) or 0)
