"""On how many of sixty days people come, and DAU by WAU and MAU of the last thirty."""

from typing import Any

from benchmarks.baselines import stickiness_baseline as baseline
from benchmarks.cases import Case

from tallymark.core.clock import DAY, rfc3339


def _by_times(answer: Any) -> list[tuple[int, int]]:
    return [(row.exactly.count, row.at_least.count) for row in answer.periods[0].times]


def _by_day(answer: Any) -> Any:
    found = answer.ratios
    return [(one.dau, one.wau, one.mau) for one in found.days], found.dau_mau.mean


CASES = [
    Case(
        name="stickiness_days",
        insight="stickiness",
        question={},
        by_hand=baseline.stickiness_days,
        comparable=_by_times,
    ),
    Case(
        name="dau_by_mau",
        insight="stickiness",
        question={
            "measure": "ratio",
            # The last thirty of the sixty days that the store holds.
            "range": {"since": rfc3339(20_030 * DAY), "until": rfc3339(20_060 * DAY)},
        },
        by_hand=baseline.dau_by_mau,
        comparable=_by_day,
    ),
]
