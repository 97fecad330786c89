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
_RARE: Final = Context(prec=40)
# What is as likely as what was seen, but for the last digits; and what no sum of others can show.
_NO_LIKELIER: Final = _RARE.add(Decimal(1), Decimal("1E-30"))
_NEVER: Final = Decimal("1E-60")
_SURELY_NOT: Final = Decimal("1E40")
_HALF: Final = Decimal("0.5")


class Odds(Struct, frozen=True):
    """The odds ratio with the interval that holds the true one 95 times in 100, and its p-value.

    The p-value is how often chance alone shares out as many converted and dropped so unevenly, or more.
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
        p_value=by_chance(with_, without),
    )


def by_chance(with_: tuple[int, int], without: tuple[int, int]) -> Decimal:
    """Return how often chance alone gives counts that are as rare as these, or rarer; 0 below 1E-30.

    Exact also where a count is small or zero: Fisher, R. A. (1935), The Logic of Inductive Inference,
    Journal of the Royal Statistical Society 98; two-sided as the sum of all that is no likelier.
    """
    have, converted = sum(with_), with_[0] + without[0]
    everybody = have + sum(without)
    low, high = max(0, have + converted - everybody), min(have, converted)
    # The likelihoods of all that may be, by the ratio of each to the one before, from the one seen on.
    weights = {with_[0]: Decimal(1)}
    for step, last in ((1, high), (-1, low)):
        weight = Decimal(1)
        for count in range(with_[0], last, step):
            up, down = _ways(count, step, have, converted, everybody)
            weight = _RARE.divide(_RARE.multiply(weight, up), down)
            weights[count + step] = weight
            if weight > _SURELY_NOT:
                return Decimal(0)
            if weight < _NEVER:
                break
    as_rare = sum((one for one in weights.values() if one <= _NO_LIKELIER), Decimal(0))
    return min(_RARE.divide(as_rare, sum(weights.values(), Decimal(0))), Decimal(1))


def _ways(
    count: int, step: int, have: int, converted: int, everybody: int
) -> tuple[Decimal, Decimal]:
    """Return by what the likelihood of a count is multiplied and divided for the next, up or down."""
    if step > 0:
        up = (have - count) * (converted - count)
        return Decimal(up), Decimal((count + 1) * (everybody - have - converted + count + 1))
    up = count * (everybody - have - converted + count)
    return Decimal(up), Decimal((have - count + 1) * (converted - count + 1))


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
