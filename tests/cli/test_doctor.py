"""How doctor words what it found."""

import pytest

from tallymark.cli.doctor import _long


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"), (119.96, "120.0 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h"),
        (172_800, "2 days"), (363_801_591.1, "12 years"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_told_in_a_unit_a_person_reads(seconds: float, said: str) -> None:
    assert _long(seconds) == said
