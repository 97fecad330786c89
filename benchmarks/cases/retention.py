"""Retention: eight by eight, of chosen events and of any, of the new, and what they are worth."""

from collections.abc import Callable
from typing import Any

import duckdb
from benchmarks.baselines import retention_baseline as baseline
from benchmarks.cases import Case

from tallymark.core.clock import DAY, rfc3339

# The first Monday of the store; eight weeks from then on lie within it.
_MONDAY = 20_003 * DAY
_WEEKS = {
    "range": {"since": rfc3339(_MONDAY), "until": rfc3339(_MONDAY + 56 * DAY)},
    "interval": "week",
}
_LATER = {
    "range": {"since": rfc3339(_MONDAY), "until": rfc3339(_MONDAY + 8 * DAY)},
    "interval": "day",
}
_STEPS = {"start": "event 1", "returning": "event 2"}


def _by_hand(name: str, days: int) -> Any:
    def ask(connection: duckdb.DuckDBPyConnection, _since: int, _until: int) -> Any:
        return getattr(baseline, name)(connection, _MONDAY, _MONDAY + days * DAY)

    return ask


def _people(answer: Any) -> Any:
    return _cells(answer, lambda cell: cell.returned)


def _worth(answer: Any) -> Any:
    return _cells(answer, lambda cell: (cell.returned, cell.value))


def _cells(answer: Any, number: Callable[[Any], Any]) -> Any:
    rows = answer.groups[0].cohorts
    return (
        {place: row.people for place, row in enumerate(rows) if row.people},
        {
            (place, bucket): number(cell)
            for place, row in enumerate(rows)
            for bucket, cell in enumerate(row.cells)
            if cell.returned
        },
    )


CASES = [
    Case(
        name="retention_weeks",
        insight="retention",
        question={**_WEEKS, **_STEPS, "cohort": "recurring"},
        by_hand=_by_hand("retention_weeks", 56),
        comparable=_people,
    ),
    Case(
        name="retention_any",
        insight="retention",
        question={**_WEEKS, "cohort": "recurring"},
        by_hand=_by_hand("retention_any", 56),
        comparable=_people,
    ),
    Case(
        name="retention_new",
        insight="retention",
        question={**_LATER, "start": "event 1", "returning": {}, "clock": "rolling"},
        by_hand=_by_hand("retention_new", 8),
        comparable=_people,
    ),
    Case(
        name="retention_worth",
        insight="retention",
        question={**_WEEKS, **_STEPS, "measure": "sum", "of": "value"},
        by_hand=_by_hand("retention_worth", 56),
        comparable=_worth,
    ),
]
