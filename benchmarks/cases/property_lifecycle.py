"""Who gets, keeps and changes one of six plans from day to day, in sixty days."""

from typing import Any

from benchmarks.baselines import property_lifecycle_baseline as baseline
from benchmarks.cases import Case


def _by_day(answer: Any) -> dict[tuple[str, int], tuple[int, int, int]]:
    return {
        (line.value, day): numbers
        for line in answer.values
        for day, one in enumerate(line.buckets)
        if any(numbers := (one.new, one.back, one.changed))
    }


CASES = [
    Case(
        name="property_lifecycle_daily",
        insight="property_lifecycle",
        question={"of": "properties.plan", "interval": "day"},
        by_hand=baseline.property_lifecycle_daily,
        comparable=_by_day,
    )
]
