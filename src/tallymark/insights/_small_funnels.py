"""What is not told of a funnel.

Whoever comes to a step came to those before it, so what lies between two told numbers of a funnel is
a number of people too: those who were lost.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from msgspec.structs import replace

from ._funnel_numbers import Funnel, StepNumbers, Times
from ._small_parts import FEW, OF_MEDIAN, OF_P90, are_apart, fits, hidden, is_small, without
from .funnels import FunnelsData

_SHARES = ("complete", "of_first", "of_previous")
_OF_PREVIOUS: dict[str, Any] = {"of_previous_interval": None, "of_previous_state": "not_told"}
_INTERVALS: dict[str, Any] = {
    "of_first_interval": None, "of_first_state": "not_told", **_OF_PREVIOUS
}  # fmt: skip
_COMPLETE = ("incomplete", "complete_entered")


def funnels(data: FunnelsData, least: int) -> FunnelsData:
    """Tell the steps between which no few are lost, and of groups those that are told whole."""
    told = _told(data.total, least)
    groups = _groups(data, told, least)
    return replace(
        data,
        total=_funnel(data.total, told, least, has_rest=_is_settled(data.total, told, least)),
        groups=groups,
        # What came when adds up to the whole, and so do those who left.
        buckets=None,
        removed=FEW if is_small(data.removed, least) else data.removed,
        warnings=[],
    )


def _told(one: Funnel, least: int) -> list[bool]:
    """Return which steps may be told, the first ones first."""
    counts: list[int] = []
    units: list[int] = []
    told = []
    for step in one.steps:
        may = fits(step.count, counts, least) and fits(step.units, units, least)
        may = may and not (
            is_small(one.entered, least) or is_small(one.entered - step.count, least)
        )
        told.append(may)
        if may:
            counts.append(step.count)
            units.append(step.units)
    return told


def _is_settled(one: Funnel, told: Sequence[bool], least: int) -> bool:
    """Whether those whose window is over may be told beside all: no few can still get further."""
    steps = [step for step, may in zip(one.steps, told, strict=True) if may]
    return (
        are_apart((step.complete for step in steps), least)
        and not any(is_small(step.count - step.complete, least) for step in steps)
        and not is_small(one.incomplete, least)
        and not is_small(one.entered - one.complete_entered, least)
    )


def _funnel(one: Funnel, told: Sequence[bool], least: int, *, has_rest: bool) -> Funnel:
    steps = []
    before: int | None = None
    for place, (step, may) in enumerate(zip(one.steps, told, strict=True)):
        follows = place == 0 or (before is not None and told[before])
        steps.append(_step(step, least, follows=follows, has_rest=has_rest) if may else _none(step))
        if not step.is_optional:
            before = place
    times = _times(one.time_to_convert, one.converted, least)
    is_told = all(told[-1:]) and told[0]
    changed: dict[str, Any] = {
        "steps": steps,
        "time_to_convert": times if is_told else _no_times(),
        "histogram": _bins(one, least) if is_told and times.count is not FEW else [],
        "survival": None,
        "over_time": None,
    }
    names = [
        *(() if told[0] else ("entered",)),
        *(() if is_told else ("converted", "rate_so_far")),
        *(() if has_rest else _COMPLETE),
        *(() if has_rest and is_told else ("complete_converted", "rate")),
    ]
    if not (has_rest and is_told):
        changed |= {"rate_interval": None, "rate_state": "not_told"}
    return without(replace(one, **changed), *names)


def _step(step: StepNumbers, least: int, *, follows: bool, has_rest: bool) -> StepNumbers:
    changed: dict[str, Any] = {}
    if not follows or is_small(step.dropped, least):
        changed |= {"dropped": FEW, "of_previous": FEW, **_OF_PREVIOUS}
    if not has_rest:
        changed |= dict.fromkeys(_SHARES, FEW)
        changed |= _INTERVALS
    changed["from_previous"] = _times(step.from_previous, step.count, least)
    return replace(step, **changed)


def _none(step: StepNumbers) -> StepNumbers:
    told = replace(step, from_previous=_no_times(), **_INTERVALS)
    return without(told, "count", "units", "dropped", *_SHARES)


def _times(times: Times, of: int, least: int) -> Times:
    if is_small(times.count, least) or is_small(of - times.count, least):
        return _no_times()
    few = [
        name
        for name, needed in (("median", OF_MEDIAN), ("p90", OF_P90))
        if 0 < times.count < needed * least
    ]
    return without(times, *few)


def _no_times() -> Times:
    return Times(FEW, FEW, FEW, FEW)


def _bins(one: Funnel, least: int) -> list[Any]:
    few = hidden([each.count for each in one.histogram], least)
    return [
        without(each, "count") if place in few else each for place, each in enumerate(one.histogram)
    ]


def _groups(data: FunnelsData, told: Sequence[bool], least: int) -> list[Funnel]:
    """Return the groups that are told: each whole, and what the rest of them adds up to may be known."""
    if not any(told):
        return []
    rows = [_counts(one, told) for one in data.groups]
    few = {
        place
        for place, row in enumerate(rows)
        if not (are_apart(row, least) and are_apart(_units(data.groups[place], told), least))
    }
    rest = sorted(
        (row[:1], place) for place, row in enumerate(rows) if any(row) and place not in few
    )
    for _, place in rest:
        if not few or (len(few) > 1 and are_apart(_sums([rows[one] for one in few]), least)):
            break
        few.add(place)
    is_over = all(
        step.complete == step.count for one in (data.total, *data.groups) for step in one.steps
    )
    shown = [one for place, one in enumerate(data.groups) if place not in few]
    return [_group(one, told, least, is_over=is_over) for one in shown]


def _group(one: Funnel, told: Sequence[bool], least: int, *, is_over: bool) -> Funnel:
    found = _funnel(one, told, least, has_rest=is_over)
    return replace(found, histogram=[])


def _counts(one: Funnel, told: Sequence[bool]) -> list[int]:
    return [step.count for step, may in zip(one.steps, told, strict=True) if may]


def _units(one: Funnel, told: Sequence[bool]) -> list[int]:
    return [step.units for step, may in zip(one.steps, told, strict=True) if may]


def _sums(rows: Sequence[Sequence[int]]) -> list[int]:
    *_, last = accumulate(rows, lambda one, other: [a + b for a, b in zip(one, other, strict=True)])
    return list(last)
