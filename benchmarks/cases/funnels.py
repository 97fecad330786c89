"""Funnels: two and five steps, by a property, in strict order."""

from typing import Any

from benchmarks.baselines import funnels_baseline as baseline
from benchmarks.cases import Case


def _steps(count: int) -> list[dict[str, str]]:
    return [{"event": f"event {number}"} for number in range(1, count + 1)]


def _bars(answer: Any) -> list[int]:
    return [step.count for step in answer.total.steps]


def _bars_and_times(answer: Any) -> Any:
    times = answer.total.time_to_convert
    found = (times.median, times.mean, times.p90) if times.count else ()
    return _bars(answer), tuple(round(float(one), 3) for one in found)


def _groups(answer: Any) -> dict[str, list[int]]:
    return {one.breakdown[0]: [step.count for step in one.steps] for one in answer.groups}


CASES = [
    Case(
        name="funnel_of_five",
        insight="funnels",
        question={"steps": _steps(5)},
        by_hand=baseline.five_steps,
        comparable=_bars_and_times,
    ),
    Case(
        name="funnel_of_two",
        insight="funnels",
        question={"steps": _steps(2)},
        by_hand=baseline.two_steps,
        comparable=_bars_and_times,
    ),
    Case(
        name="funnel_by_plan",
        insight="funnels",
        question={"steps": _steps(3), "breakdown": ["properties.plan"], "attribution": "step"},
        by_hand=baseline.by_plan,
        comparable=_groups,
    ),
    Case(
        name="strict_funnel",
        insight="funnels",
        question={"steps": _steps(2), "order": "strict"},
        by_hand=baseline.strict,
        comparable=_bars,
    ),
]
