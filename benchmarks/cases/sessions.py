"""Sessions of each day, and by the browser they begin in."""

from typing import Any

from benchmarks.baselines import sessions_baseline as baseline
from benchmarks.cases import Case

from tallymark.core.clock import MICROSECONDS


def _numbers(one: Any) -> Any:
    length = int(one.seconds * MICROSECONDS)
    return one.sessions, one.people, one.bounces, one.engaged, length, one.events


def _by_day(answer: Any) -> Any:
    (only,) = answer.groups
    days = {day: _numbers(one) for day, one in enumerate(only.buckets) if one.sessions}
    return {**days, None: _numbers(only.total)}


def _by_group(answer: Any) -> Any:
    return {group.breakdown[0]: _numbers(group.total) for group in answer.groups}


CASES = [
    Case(
        name="sessions_daily",
        insight="sessions",
        question={"pages": 0},
        by_hand=baseline.sessions_daily,
        comparable=_by_day,
    ),
    Case(
        name="sessions_by_browser",
        insight="sessions",
        question={"breakdown": ["browser"], "top": 20, "pages": 0},
        by_hand=baseline.sessions_by_browser,
        comparable=_by_group,
    ),
]
