"""How much more often something goes together with an outcome than without it, and how sure that is.

All in decimals at forty digits, rounded to nine places, so that the same counts give the same bytes
on every machine.
"""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from .numbers import Number, rounded
from .uncertainty import Z95

Correction: TypeAlias = Literal["benjamini_hochberg", "holm", "none"]

_EXACT: Final = Context(prec=60)
_HALF: Final = Decimal("0.5")
_ROOT_OF_PI: Final = Decimal("1.77245385090551602729816748334114518279754945612238712821381")
# From here on the normal distribution leaves less than a thousand millionth outside.
_FAR: Final = Decimal("6.5")


class Odds(Struct, frozen=True):
    """The odds ratio with the interval that holds the true one 95 times in 100, and its p-value.

    The p-value is how often a ratio as far from one, or further, is seen where the true one is one.
    """

    ratio: Number
    low: Number
    high: Number
    p_value: Decimal


def odds(with_: tuple[int, int], without: tuple[int, int]) -> Odds:
    """Return the odds ratio of (converted, dropped) with something and without it.

    Woolf, B. (1955), On Estimating the Relation between Blood Group and Disease, Annals of Human
    Genetics 19; where a count is zero, a half is added to all four (Haldane 1956, Anscombe 1956).
    """
    counts = [Decimal(count) for count in (*with_, *without)]
    if not all(counts):
        counts = [count + _HALF for count in counts]
    a, b, c, d = counts
    ratio = _EXACT.divide(_EXACT.multiply(a, d), _EXACT.multiply(b, c))
    middle = ratio.ln(_EXACT)
    variance = sum((_EXACT.divide(Decimal(1), count) for count in counts), Decimal(0))
    error = _EXACT.sqrt(variance)
    half = _EXACT.multiply(Z95, error)
    return Odds(
        ratio=rounded(ratio) or 0,
        low=rounded(_EXACT.exp(_EXACT.subtract(middle, half))) or 0,
        high=rounded(_EXACT.exp(_EXACT.add(middle, half))) or 0,
        p_value=two_sided(_EXACT.divide(middle, error)),
    )


def two_sided(z: Decimal) -> Decimal:
    """Return how much of the normal distribution lies as far from zero as z, or further."""
    x = _EXACT.divide(abs(z), _EXACT.sqrt(Decimal(2)))
    if x > _FAR:
        return Decimal(0)
    term, total, place = x, x, 0
    square = _EXACT.multiply(x, x)
    # The series of erf, whose terms grow to e^42 at most, so sixty digits leave forty.
    while abs(term) > Decimal("1E-40"):
        place += 1
        term = _EXACT.divide(_EXACT.multiply(-term, square), Decimal(place))
        total = _EXACT.add(total, _EXACT.divide(term, Decimal(2 * place + 1)))
    inside = _EXACT.divide(_EXACT.multiply(Decimal(2), total), _ROOT_OF_PI)
    return max(_EXACT.subtract(Decimal(1), inside), Decimal(0))


def adjusted(p_values: Sequence[Decimal], how: Correction) -> list[Decimal]:
    """Return the p-values corrected for their being many, in the same order.

    ``benjamini_hochberg`` bounds the share of false ones among those called significant (Benjamini
    and Hochberg 1995), ``holm`` the chance of any false one (Holm 1979).
    """
    count = len(p_values)
    if how == "none":
        return list(p_values)
    order = sorted(range(count), key=lambda place: p_values[place])
    found = [Decimal(1)] * count
    if how == "holm":
        worst = Decimal(0)
        for rank, place in enumerate(order):
            worst = max(
                worst, min(Decimal(1), _EXACT.multiply(p_values[place], Decimal(count - rank)))
            )
            found[place] = worst
        return found
    best = Decimal(1)
    for rank in range(count, 0, -1):
        place = order[rank - 1]
        scaled = _EXACT.divide(_EXACT.multiply(p_values[place], Decimal(count)), Decimal(rank))
        best = min(best, scaled)
        found[place] = best
    return found
