"""Trends whose numbers reach beyond their day."""

from typing import Any

from benchmarks.baselines import windows_baseline as baseline
from benchmarks.cases import Case


def _line(answer: Any) -> Any:
    line = answer.lines[0]
    return dict(enumerate(line.values)), line.total


CASES = [
    Case(
        name="monthly_people",
        insight="trends",
        question={"series": [{"measure": "unique_people", "window": "mau"}]},
        by_hand=baseline.monthly_people,
        comparable=_line,
    ),
    Case(
        name="running_people",
        insight="trends",
        question={"series": [{"measure": "unique_people", "cumulative": True}]},
        by_hand=baseline.running_people,
        comparable=_line,
    ),
]
