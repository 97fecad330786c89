"""Who is new, stays, comes back and goes each day, of one event in twenty, and of any event."""

from typing import Any

from benchmarks.baselines import lifecycle_baseline as baseline
from benchmarks.cases import Case


def _by_day(answer: Any) -> list[tuple[int, int, int, int]]:
    return [(one.new, one.returning, one.resurrecting, one.dormant) for one in answer.buckets]


CASES = [
    Case(
        name="lifecycle_daily",
        insight="lifecycle",
        question={"step": "event 3"},
        by_hand=baseline.lifecycle_daily,
        comparable=_by_day,
    ),
    Case(
        name="lifecycle_any",
        insight="lifecycle",
        question={},
        by_hand=baseline.lifecycle_any,
        comparable=_by_day,
    ),
]
