"""Intervals of rates, against the formula in floating point and against published figures."""

from decimal import Decimal
from math import isclose, sqrt

from hypothesis import given
from hypothesis import strategies as st

from tallymark.insights.uncertainty import ENOUGH, wilson

COUNTS = st.integers(ENOUGH, 10**9).flatmap(
    lambda trials: st.tuples(st.integers(0, trials), st.just(trials))
)


def test_the_published_interval_of_81_in_263() -> None:
    # Newcombe, R. G. (1998), Statistics in Medicine 17, table I, method 3.
    found = wilson(81, 263)

    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (Decimal("0.2553"), Decimal("0.3662"))


def test_of_few_trials_nothing_is_said() -> None:
    assert wilson(4, 4) is None
    assert wilson(0, 5) is not None


@given(COUNTS)
def test_the_interval_is_the_formula_s_and_holds_the_rate(counts: tuple[int, int]) -> None:
    successes, trials = counts

    found = wilson(successes, trials)

    assert found is not None
    rate, z = successes / trials, 1.959963984540054
    middle = rate + z * z / (2 * trials)
    half = z * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    whole = 1 + z * z / trials
    assert isclose(found.low, max(0.0, (middle - half) / whole), abs_tol=1e-8)
    assert isclose(found.high, min(1.0, (middle + half) / whole), abs_tol=1e-8)
    assert found.low <= Decimal(successes) / trials + Decimal("1e-9")
    assert found.high >= Decimal(successes) / trials - Decimal("1e-9")
