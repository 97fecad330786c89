"""Odds ratios and corrected p-values, beside figures that were published or made in another way."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.insights.odds import adjusted, odds, two_sided


def test_an_odds_ratio_by_hand() -> None:
    # 20 of 30 converted with it and 10 of 40 without: (20 × 30) / (10 × 10).
    found = odds((20, 10), (10, 30))

    assert found.ratio == 6
    # ln 6 ± 1.96 × √(1/20 + 1/10 + 1/10 + 1/30) = 1.7918 ± 1.0434
    assert (round(found.low, 3), round(found.high, 3)) == (Decimal("2.114"), Decimal("17.031"))
    assert round(found.p_value, 5) == Decimal("0.00076")


def test_a_count_of_zero_adds_a_half_to_all() -> None:
    assert odds((10, 0), (5, 5)).ratio == 21


@pytest.mark.parametrize(
    ("z", "p"),
    [("0", "1"), ("1.959963984540054", "0.050000000"), ("-2.575829303548901", "0.010000000"),
     ("6", "0.000000002"), ("40", "0")],
)  # fmt: skip
def test_the_normal_distribution_at_points_of_its_table(z: str, p: str) -> None:
    assert round(two_sided(Decimal(z)), 9) == Decimal(p)


@given(st.decimals(-9, 9, places=6))
def test_the_tails_are_those_of_the_library_of_c(z: Decimal) -> None:
    assert abs(float(two_sided(z)) - math.erfc(abs(float(z)) / math.sqrt(2))) < 1e-12


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
