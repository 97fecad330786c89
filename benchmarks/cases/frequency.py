"""How many people do anything how often in sixty days."""

from typing import Any

from benchmarks.baselines import frequency_baseline as baseline
from benchmarks.cases import Case


def _by_row(answer: Any) -> list[tuple[int, int]]:
    return [(one.units.count, one.events) for one in answer.rows]


CASES = [
    Case(
        name="frequency_people",
        insight="frequency",
        question={},
        by_hand=baseline.frequency_people,
        comparable=_by_row,
    )
]
