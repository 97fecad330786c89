"""Intervals of rates, against the formula in floating point and against published figures."""

from decimal import Decimal
from math import isclose, sqrt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallymark.insights.rates import rate, rate_alone, rate_by_people, rate_per
from tallymark.insights.uncertainty import ENOUGH, Interval, by_people, clusters, wilson

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


# People, each with how many of how many sessions bounce.
PEOPLE = st.lists(
    st.integers(1, 40).flatmap(lambda x: st.tuples(st.integers(0, x), st.just(x))), max_size=60
)
T95 = {4: 2.7764, 5: 2.5706, 7: 2.3646, 10: 2.2281, 20: 2.0860, 30: 2.0423, 100: 1.9840}


def plainly(people: list[tuple[int, int]], t: float) -> tuple[float, float]:
    """Return the interval as the sources write it, with one loop over the people."""
    trials, successes = sum(x for _, x in people), sum(y for y, _ in people)
    r, n = successes / trials, len(people)
    residual = 0.0
    for y, x in people:
        residual += (y - r * x) ** 2
    variance = n / (n - 1) * residual / trials**2
    if successes in {0, trials}:
        independent = trials**2 / sum(x * x for _, x in people)
    else:
        independent = min(trials, r * (1 - r) / variance) if variance > 1e-15 else trials
    half = t * sqrt(r * (1 - r) / independent + (t / independent / 2) ** 2)
    middle, whole = r + t * t / (2 * independent), 1 + t * t / independent
    return (middle - half) / whole, (middle + half) / whole


def test_six_people_with_two_sessions_each_counted_by_hand() -> None:
    # r = 6 / 12, the residuals 1, 1, 0, 0, -1, -1: a variance of 6/5 · 4 / 144 = 1/30, which 7.5
    # independent sessions would have. t of 5 degrees is 2.5706, so the half of the interval is
    # 2.5706 · √(0.25 / 7.5 + 6.6079 / 225) / (1 + 6.6079 / 7.5) = 0.3422.
    found = by_people(clusters([(2, 2), (2, 2), (1, 2), (1, 2), (0, 2), (0, 2)]))

    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (Decimal("0.1578"), Decimal("0.8422"))
    independent = wilson(6, 12)
    assert independent is not None
    assert found.low < independent.low < independent.high < found.high


def test_fifty_bounces_of_one_person_say_nothing_of_people() -> None:
    assert by_people(clusters([(50, 50)])) is None
    # Nor do they beside a few others, who hardly weigh.
    assert by_people(clusters([(50, 50), *[(0, 1)] * 9])) is None


def test_where_nobody_bounces_many_sessions_of_a_person_tell_no_more_than_one() -> None:
    found, of_sessions = by_people(clusters([(0, 10)] * 20)), wilson(0, 200)

    assert found is not None
    assert of_sessions is not None
    assert found.low == 0
    assert found.high > 5 * of_sessions.high


@given(st.lists(st.tuples(st.integers(0, 1), st.just(1)), max_size=60))
def test_of_one_session_each_the_interval_is_the_usual_one(people: list[tuple[int, int]]) -> None:
    assert by_people(clusters(people)) == wilson(sum(y for y, _ in people), len(people))


@given(st.lists(st.tuples(st.integers(0, 1), st.just(1)), min_size=150, max_size=200))
def test_where_hardly_anybody_comes_again_it_is_close_to_the_usual(
    people: list[tuple[int, int]],
) -> None:
    again = [*people, (1, 2), (1, 2)]

    found, usual = by_people(clusters(again)), wilson(sum(y for y, _ in again), len(again) + 2)

    assert found is not None
    assert usual is not None
    assert isclose(found.low, usual.low, abs_tol=0.01)
    assert isclose(found.high, usual.high, abs_tol=0.01)


@pytest.mark.parametrize("freedom", T95)
def test_the_quantile_is_that_of_published_tables_of_t(freedom: int) -> None:
    people = [(2, 2), *[(1, 2)] * (freedom - 1), (0, 2)]

    found = by_people(clusters(people))

    assert found is not None
    assert isclose(found.low, plainly(people, T95[freedom])[0], abs_tol=1e-4)


@given(PEOPLE)
@example([(1, 2)] * 7)
@example([(0, 3)] * 6)
@example([(3, 3)] * 6)
def test_the_interval_of_people_is_that_of_a_plain_loop_over_them(
    people: list[tuple[int, int]],
) -> None:
    found = by_people(clusters(people))

    trials = sum(x for _, x in people)
    weight = trials**2 / sum(x * x for _, x in people) if people else 0.0
    if weight < ENOUGH - 1e-9:
        assert found is None
        return
    assert found is not None
    assert 0 <= found.low <= Decimal(sum(y for y, _ in people)) / trials + Decimal("1e-9")
    assert Decimal(sum(y for y, _ in people)) / trials - Decimal("1e-9") <= found.high <= 1
    if trials > len(people):
        low, high = plainly(people, student(weight - 1))
        assert isclose(found.low, max(0.0, low), abs_tol=1e-7)
        assert isclose(found.high, min(1.0, high), abs_tol=1e-7)


def student(freedom: float) -> float:
    """Return the 97.5 % quantile of t (Abramowitz and Stegun, 26.7.5)."""
    z = 1.959963984540054
    return z + (
        (z**3 + z) / 4 / freedom
        + (5 * z**5 + 16 * z**3 + 3 * z) / 96 / freedom**2
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / freedom**3
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160 / freedom**4
    )


def test_a_rate_says_why_it_has_no_interval() -> None:
    assert rate(3, 5).state == "ok"
    assert (rate(3, 4).state, rate(3, 4).interval) == ("not_enough_data", None)
    assert (rate(0, 0).state, rate(0, 0).value) == ("not_enough_data", None)
    assert rate_by_people(clusters([(50, 50)])).state == "not_enough_data"
    assert rate_by_people(clusters([(1, 2)] * 5)).state == "ok"
    alone = rate_alone(50, 50)
    assert (alone.value, alone.interval, alone.state) == (1, None, "not_independent")
    assert rate_per("session", 50, 50) == alone
    assert rate_per("person", 50, 50).interval == Interval(Decimal("0.928652401"), 1)
