"""What values of any type mean where a protocol expects something else."""

from decimal import Decimal
from typing import Any

import pytest

from tallymark.collect.protocols._values import amount


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
