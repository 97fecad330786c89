"""What values of any type mean where a protocol expects something else."""

from decimal import Decimal
from typing import Any

import pytest

from tallymark.collect.protocols._values import amount, when


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Decimal("0.30000000000000004"), "0.3"),
        ("19.990000000000002", "19.99"),
        (Decimal("-0.0000000005"), "-0.000000001"),
        (Decimal("1e-300"), "0"),
        (Decimal("19.90"), "19.90"),
        ("123456789012345678901234567.123456789", "123456789012345678901234567.123456789"),
        (Decimal("12345678901234567890.1234567891"), None),
        ("1e29", None),
        ("Infinity", None),
        ("twelve", None),
        (True, None),
    ],
)
def test_an_amount_is_exact_and_what_floating_point_adds_is_rounded(
    given: Any, expected: str | None
) -> None:
    assert amount(given) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    "given", [Decimal("1E+31"), "9" * 39, 10**40, Decimal("1E+308"), 253_402_300_800_000_000_000]
)
def test_a_number_beyond_the_calendar_is_no_time(given: Any) -> None:
    assert when(given) is None


def test_a_number_tells_its_unit_by_its_size() -> None:
    second = 1_790_000_000

    found = [when(second * scale) for scale in (1, 10**3, 10**6, 10**9)]

    assert found == [second * 1_000_000] * 4
    assert when(Decimal("1790000000.123456")) == second * 1_000_000 + 123_456
    assert when("1790000000123") == second * 1_000_000 + 123_000
