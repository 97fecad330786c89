"""Cohorts and segments: their size, as a filter, and side by side."""

from typing import Any

from benchmarks.baselines import cohorts_baseline as baseline
from benchmarks.cases import Case

BUSY = {
    "op": "and",
    "members": [
        {"op": "did", "event": "event 1", "at_least": 3, "range": "14d"},
        {"op": "not", "member": {"op": "did", "event": "event 2"}},
    ],
}


def sizes(answer: Any) -> tuple[int, int]:
    """Return the size of the cohort, and how many everybody is."""
    line = answer.cohorts[0]
    return line.size, line.everybody


def daily(answer: Any) -> tuple[dict[int, Any], Any]:
    """Return the people of each day that has any, and of all days."""
    line = answer.lines[0]
    return {day: value for day, value in enumerate(line.values) if value}, line.total


def side_by_side(answer: Any) -> list[tuple[Any, ...]]:
    """Return of each segment its people, events and people of one event, and the overlap."""
    return [
        (one.people, *(row.values[place].value for row in answer.measures), *answer.overlap[place])
        for place, one in enumerate(answer.segments)
    ]


CASES = [
    Case(
        name="cohort_size",
        insight="cohorts",
        question={"cohorts": [{"who": BUSY}]},
        by_hand=baseline.cohort_size,
        comparable=sizes,
    ),
    Case(
        name="cohort_filter",
        insight="trends",
        question={
            "series": [{"measure": "unique_people"}],
            "filter": {"op": "in_cohort", "cohort": {"who": BUSY}},
        },
        by_hand=baseline.cohort_filter,
        comparable=daily,
    ),
    Case(
        name="segments",
        insight="segments",
        question={
            "segments": [
                {"filter": {"op": "equals", "field": "browser", "value": f"browser {number}"}}
                for number in (3, 7)
            ],
            "series": [{"measure": "count"}, {"event": "event 1", "measure": "unique_people"}],
        },
        by_hand=baseline.segments,
        comparable=side_by_side,
    ),
]
