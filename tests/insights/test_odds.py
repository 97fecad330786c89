"""Odds ratios and corrected p-values, beside figures that were published or made in another way."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.insights.odds import adjusted, by_chance, odds


def test_an_odds_ratio_by_hand() -> None:
    # 20 of 30 converted with it and 10 of 40 without: (20 × 30) / (10 × 10).
    found = odds((20, 10), (10, 30))

    assert found.ratio == 6
    # ln 6 ± 1.96 × √(1/20 + 1/10 + 1/10 + 1/30) = 1.7918 ± 1.0434
    assert (round(found.low, 3), round(found.high, 3)) == (Decimal("2.114"), Decimal("17.031"))
    assert round(found.p_value, 9) == Decimal("0.000655677")


def test_a_count_of_zero_adds_a_half_to_all() -> None:
    assert odds((10, 0), (5, 5)).ratio == 21


# Fisher's tea: of eight cups the lady named the four rightly that had the milk first, or three of them.
@pytest.mark.parametrize(
    ("with_", "without", "p"),
    [
        ((4, 0), (0, 4), Fraction(2, 70)),
        ((3, 1), (1, 3), Fraction(34, 70)),
        ((2, 2), (2, 2), Fraction(1)),
    ],
)
def test_how_often_chance_alone_does_as_much_in_a_published_example(
    with_: tuple[int, int], without: tuple[int, int], p: Fraction
) -> None:
    assert round(by_chance(with_, without), 20) == round(Decimal(p.numerator) / p.denominator, 20)


@given(*[st.tuples(st.integers(0, 60), st.integers(0, 60))] * 2)
def test_chance_alone_agrees_with_counting_all_ways(
    with_: tuple[int, int], without: tuple[int, int]
) -> None:
    have, converted, everybody = sum(with_), with_[0] + without[0], sum(with_) + sum(without)
    ways = {
        count: math.comb(converted, count) * math.comb(everybody - converted, have - count)
        for count in range(have + 1)
    }
    rare = sum(number for number in ways.values() if number <= ways[with_[0]])

    found = by_chance(with_, without)

    assert abs(Fraction(found) - Fraction(rare, sum(ways.values()))) < Fraction(1, 10**20)


def test_chance_alone_takes_no_time_where_many_are_compared() -> None:
    assert by_chance((200_000, 300_000), (250_000, 350_000)) == 0
    assert 0 < by_chance((200_000, 300_000), (240_500, 360_000)) < 1


# Benjamini and Hochberg (1995), table of section 3: fifteen p-values, of which four are significant
# at 0.05 by their procedure, and three by the stepwise one of Hochberg, as of Holm.
PUBLISHED = [Decimal(p) for p in (
    "0.0001", "0.0004", "0.0019", "0.0095", "0.0201", "0.0278", "0.0298", "0.0344", "0.0459",
    "0.3240", "0.4262", "0.5719", "0.6528", "0.7590", "1.0000",
)]  # fmt: skip


def test_of_the_published_example_as_many_are_significant_as_was_published() -> None:
    level = Decimal("0.05")

    assert sum(p <= level for p in adjusted(PUBLISHED, "benjamini_hochberg")) == 4
    assert sum(p <= level for p in adjusted(PUBLISHED, "holm")) == 3
    assert sum(p <= level for p in adjusted(PUBLISHED, "none")) == 9


@given(st.lists(st.decimals(0, 1, places=4), max_size=30))
def test_a_correction_never_lowers_a_p_value_nor_changes_the_order(values: list[Decimal]) -> None:
    for found in (adjusted(values, "holm"), adjusted(values, "benjamini_hochberg")):
        assert all(before <= after <= 1 for before, after in zip(values, found, strict=True))
        ordered = [after for _, after in sorted(zip(values, found, strict=True))]
        assert ordered == sorted(ordered)
    for one, other in zip(
        adjusted(values, "benjamini_hochberg"), adjusted(values, "holm"), strict=True
    ):
        assert one <= other


@given(*[st.integers(0, 1_000)] * 4)
def test_the_interval_holds_the_ratio_and_turning_the_table_around_inverts_it(
    a: int, b: int, c: int, d: int
) -> None:
    one, other = odds((a, b), (c, d)), odds((c, d), (a, b))

    assert one.low <= one.ratio <= one.high
    assert one.p_value == pytest.approx(other.p_value)
    # Both are rounded to nine places, and may be as small as one in four million.
    assert float(one.ratio) * float(other.ratio) == pytest.approx(1, rel=0.01)
