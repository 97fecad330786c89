"""How far a number of a sample of behaviour may be from that of all there might be.

Intervals are decimals, rounded to nine places like every other number, so that the same question has
the same bytes on every machine.
"""

from collections.abc import Iterable
from decimal import Context, Decimal, localcontext
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


class Clusters(Struct, frozen=True):
    """Trials of people who have several each, as sums over those people.

    Of x trials and y successes of a person, ``squares`` is Σx², ``products`` Σxy and ``successful``
    Σy². Sums over groups of people add up.
    """

    people: int
    trials: int
    successes: int
    squares: int
    products: int
    successful: int


def clusters(people: Iterable[tuple[int, int]]) -> Clusters:
    """Return the sums over people, of whom the successes and the trials are given."""
    told = [(y, x) for y, x in people if x]
    return Clusters(
        people=len(told),
        trials=sum(x for _, x in told),
        successes=sum(y for y, _ in told),
        squares=sum(x * x for _, x in told),
        products=sum(x * y for y, x in told),
        successful=sum(y * y for y, _ in told),
    )


def wilson(successes: int, trials: int) -> Interval | None:
    """Return the interval of a rate of independent trials, None if fewer than five say too little.

    Wilson, E. B. (1927), Probable Inference, the Law of Succession, and Statistical Inference,
    Journal of the American Statistical Association 22, without continuity correction.
    """
    if trials < ENOUGH:
        return None
    n = Decimal(trials)
    return _wilson(_CONTEXT.divide(Decimal(successes), n), n, Z95)


def by_people(found: Clusters) -> Interval | None:
    """Return the interval of a rate of trials that belong to people, who are what is independent.

    The variance is the linearised one of a ratio of sums over people (Cochran, W. G. (1977), Sampling
    Techniques, chapter 6; Deng, A. and others (2018), Applying the Delta Method in Metric Analytics,
    KDD): with r = Σy / Σx it is n / (n - 1) · Σ(y - r·x)² / (Σx)². An interval of r plus and minus so
    many deviations holds far too rarely near 0 and 1, so the number of independent trials that would
    have this variance, at most Σx, takes the place of the number of trials in Wilson's (Korn, E. L.
    and Graubard, B. I. (1998), Confidence Intervals for Proportions with Small Expected Number of
    Positive Counts Estimated from Survey Data, Survey Methodology 24).

    The people weigh as much as (Σx)² / Σx² who have equally many. Fewer than five of these say too
    little, so one who has most of the trials gives none; the quantile is that of t with one less.
    Where each trial succeeds, or none, nothing tells how alike those of one person are: then they
    count as one. People with one trial each are what Wilson's interval is for.
    """
    if found.squares == found.trials:
        return wilson(found.successes, found.trials)
    trials, successes = found.trials, found.successes
    weight = _CONTEXT.divide(Decimal(trials * trials), Decimal(found.squares))
    if weight < ENOUGH:
        return None
    rate = _CONTEXT.divide(Decimal(successes), Decimal(trials))
    return _wilson(rate, _independent(found, weight), _t95(_CONTEXT.subtract(weight, Decimal(1))))


def _independent(found: Clusters, weight: Decimal) -> Decimal:
    """Return how many independent trials would tell as much."""
    trials, successes = found.trials, found.successes
    if successes in {0, trials}:
        return weight
    # All of it whole: Σ(y - r·x)², times (Σx)².
    residual = (
        found.successful * trials**2
        - 2 * successes * trials * found.products
        + successes**2 * found.squares
    )
    if not residual:
        return Decimal(trials)
    told = Decimal(successes * (trials - successes) * trials**2 * (found.people - 1))
    return min(Decimal(trials), _CONTEXT.divide(told, Decimal(residual * found.people)))


def _t95(freedom: Decimal) -> Decimal:
    """Return the 97.5 % quantile of Student's t, right to three digits from four degrees on.

    Abramowitz, M. and Stegun, I. A. (1964), Handbook of Mathematical Functions, 26.7.5.
    """
    with localcontext(_CONTEXT):
        z = Z95
        terms = (
            (z**3 + z) / 4,
            (5 * z**5 + 16 * z**3 + 3 * z) / 96,
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        )
        return z + sum((term / freedom**k for k, term in enumerate(terms, 1)), Decimal(0))


def _wilson(rate: Decimal, n: Decimal, z: Decimal) -> Interval:
    square = _CONTEXT.multiply(z, z)
    whole = _CONTEXT.add(1, _CONTEXT.divide(square, n))
    middle = _CONTEXT.add(rate, _CONTEXT.divide(square, 2 * n))
    spread = _CONTEXT.divide(_CONTEXT.multiply(rate, _CONTEXT.subtract(Decimal(1), rate)), n)
    inner = _CONTEXT.add(spread, _CONTEXT.divide(square, 4 * n * n))
    half = _CONTEXT.multiply(z, _CONTEXT.sqrt(inner))
    low = _CONTEXT.divide(_CONTEXT.subtract(middle, half), whole)
    high = _CONTEXT.divide(_CONTEXT.add(middle, half), whole)
    return Interval(rounded(max(low, Decimal(0))) or 0, rounded(min(high, Decimal(1))) or 0)
