"""What is not told of answers whose groups are parts of one whole: states, times, bins, visits."""

from msgspec.structs import replace

from ._active_users import Ratios
from ._small_parts import FEW, FEW_OF_FEW, OF_MEDIAN, OF_P90, are_apart, hidden, is_small, without
from .distribution import DistributionData
from .frequency import FrequencyData
from .lifecycle import LifecycleBucket, LifecycleData
from .stickiness import StickinessData, StickyPeriod
from .web import WebData, WebNumbers

_STATES = ("new", "returning", "resurrecting", "first_use", "dormant")


def lifecycle(data: LifecycleData, least: int) -> LifecycleData:
    """Tell the states of a bucket all or not at all: each two of its sums have parts in common."""
    buckets = [_states(one, least) for one in data.buckets]
    is_whole = all(one.new is not FEW for one in buckets)
    return replace(data, buckets=buckets, pulse=data.pulse if is_whole else FEW, warnings=[])


def _states(one: LifecycleBucket, least: int) -> LifecycleBucket:
    if not any(is_small(getattr(one, state), least) for state in _STATES):
        return one
    told = replace(without(one, *_STATES, "pulse"), kept=FEW_OF_FEW)
    return without(told, "active") if is_small(one.active, least) else told


def stickiness(data: StickinessData, least: int) -> StickinessData:
    """Tell how many came how often; with one of them hidden neither the sums nor the mean are told."""
    ratios = None if data.ratios is None else _ratios(data.ratios, least)
    return replace(
        data, periods=[_period(one, least) for one in data.periods], ratios=ratios, warnings=[]
    )


def _period(one: StickyPeriod, least: int) -> StickyPeriod:
    if is_small(one.people, least):
        times = [replace(row, exactly=FEW_OF_FEW, at_least=FEW_OF_FEW) for row in one.times]
        return replace(without(one, "people", "mean"), times=times)
    few = hidden([row.exactly.count for row in one.times], least)
    if not few:
        return one
    times = [
        replace(row, exactly=FEW_OF_FEW if place in few else row.exactly, at_least=FEW_OF_FEW)
        for place, row in enumerate(one.times)
    ]
    return replace(without(one, "mean"), times=times)


def _ratios(ratios: Ratios, least: int) -> Ratios:
    names = ("dau", "wau", "mau", "dau_wau", "dau_mau", "wau_mau")
    # Who came on a day came in its week, and who came in a week came in its month.
    days = [
        one if are_apart((one.dau, one.wau, one.mau), least) else without(one, *names)
        for one in ratios.days
    ]
    if days == ratios.days:
        return ratios
    means = {
        name: without(getattr(ratios, name), "mean") for name in ("dau_wau", "dau_mau", "wau_mau")
    }
    return replace(ratios, days=days, **means)


def frequency(data: FrequencyData, least: int) -> FrequencyData:
    """Tell how many did it how often; with a row hidden the sum of events is not told either."""
    if is_small(data.units, least):
        rows = [without(replace(one, units=FEW_OF_FEW), "events", "share_of_events") for one in data.rows]  # fmt: skip
        told = without(data, "units", "events", "mean", "median", "p90", "most")
        return replace(told, rows=rows, warnings=[])
    few = hidden([one.units.count for one in data.rows], least)
    rows = [
        without(replace(one, units=FEW_OF_FEW), "events", "share_of_events") if place in few
        else without(one, "share_of_events") if few
        else one
        for place, one in enumerate(data.rows)
    ]  # fmt: skip
    told = without(data, "most", *(("events", "mean") if few else ()), *_ranks(data.units, least))
    return replace(told, rows=rows, warnings=[])


def distribution(data: DistributionData, least: int) -> DistributionData:
    """Tell how many are in which bin; the bins may end where single units are."""
    if is_small(data.units, least):
        rows = [without(replace(one, units=FEW_OF_FEW), "amount") for one in data.rows]
        told = without(data, "units", "amount", "mean", "median", "p90", "least", "most")
        return replace(told, rows=rows, warnings=[])
    few = hidden([one.units.count for one in data.rows], least)
    rows = [
        without(replace(one, units=FEW_OF_FEW), "amount") if place in few else one
        for place, one in enumerate(data.rows)
    ]
    sums = ("amount", "mean") if few else ()
    told = without(data, "least", "most", *sums, *_ranks(data.units, least))
    return replace(told, rows=rows, warnings=[])


def web(data: WebData, least: int) -> WebData:
    """Tell the numbers of the whole site; its tables overlap in too many ways to hide one row."""
    earlier = data.compared
    return replace(
        data,
        numbers=_numbers(data.numbers, least),
        compared=earlier and replace(earlier, numbers=_numbers(earlier.numbers, least)),
        tables={},
        pages=[],
        goals=[],
        warnings=[],
    )


def _numbers(one: WebNumbers, least: int) -> WebNumbers:
    if is_small(one.visitors, least) or is_small(one.visits, least):
        names = [name for name in WebNumbers.__struct_fields__ if name != "bounce_rate"]
        return replace(without(one, *names), bounce_rate=FEW_OF_FEW)
    if are_apart((one.visits, one.bounces), least):
        # What an interval knows of single people could be reckoned back from it.
        told = replace(one.bounce_rate, interval=None, state="not_told")
        return replace(one, bounce_rate=told)
    return replace(without(one, "bounces"), bounce_rate=FEW_OF_FEW)


def _ranks(units: int, least: int) -> tuple[str, ...]:
    """Return which percentiles of so many are not told: those beyond which there are few."""
    return (
        *(("median",) if units < OF_MEDIAN * least else ()),
        *(("p90",) if units < OF_P90 * least else ()),
    )
