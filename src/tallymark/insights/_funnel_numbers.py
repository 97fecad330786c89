"""The numbers of a funnel as its answer states them, from the tries that count."""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final

import numpy as np
from msgspec import Struct

from tallymark.core.clock import DAY, MICROSECONDS

from ._funnel_kernel import Tries
from ._funnel_question import Rules
from ._funnel_stream import Numbers, Stream, Truths
from .durations import seconds
from .lines import Value
from .numbers import Number, ratio, rounded
from .ranges import HOUR, MINUTE
from .rates import State
from .uncertainty import ENOUGH, wilson
from .uncertainty import Interval as Uncertainty

MOST_BINS: Final = 20
_WIDTHS: Final = (
    1_000, 10_000, 100_000, 500_000,
    *(count * MICROSECONDS for count in (1, 2, 5, 10, 15, 30)),
    *(count * MINUTE for count in (1, 2, 5, 10, 15, 30)),
    *(count * HOUR for count in (1, 2, 3, 6, 12)),
    *(count * DAY for count in (1, 2, 7, 14, 30, 61, 122, 366, 732, 1_464, 2_928, 5_856)),
)  # fmt: skip
_EXACT: Final = Context(prec=40)


class Times(Struct, frozen=True):
    """How long it took those who got there, in seconds; of two in a tie, nothing."""

    count: int
    median: Number | None
    mean: Number | None
    p90: Number | None


class Bin(Struct, frozen=True):
    """How many took at least ``low`` seconds, and less than ``high``."""

    low: Number
    high: Number
    count: int


class SurvivalPoint(Struct, frozen=True):
    """The estimated share converted within so many seconds, and how many were watched that long.

    Kaplan, E. L. and Meier, P. (1958), Nonparametric Estimation from Incomplete Observations, Journal
    of the American Statistical Association 53: who could not be watched to the end of the window
    counts for as long as they were.
    """

    seconds: Number
    at_risk: int
    converted: Number


class StepNumbers(Struct, frozen=True):
    """One step: ``count`` came to it, ``dropped`` came to the needed step before it but not here.

    Where a share has no interval its state says why, as that of a ``Rate`` does.

    ``units`` are how many different people, accounts or sessions the count is of. The shares are of
    those whose window is over, of whom ``complete`` came here: of all who entered, and of those who
    came to the needed step before.
    """

    step: int
    label: str
    is_optional: bool
    count: int
    units: int
    dropped: int
    complete: int
    of_first: Number | None
    of_first_interval: Uncertainty | None
    of_first_state: State
    of_previous: Number | None
    of_previous_interval: Uncertainty | None
    of_previous_state: State
    from_previous: Times


class EntryBucket(Struct, frozen=True):
    """Those who entered in one bucket of time; ``rate`` is of those whose window is over."""

    entered: int
    converted: int
    complete_entered: int
    complete_converted: int
    rate: Number | None
    rate_interval: Uncertainty | None
    rate_state: State


class Funnel(Struct, frozen=True):
    """The funnel of all, or of one group of the breakdown, or of Other.

    ``rate`` is ``complete_converted`` of ``complete_entered``: of those whose window is over, so that
    those who may still convert do not lower it. ``rate_so_far`` is ``converted`` of ``entered``.
    ``incomplete`` are those who entered and may still get further.
    """

    breakdown: list[Value] | None
    is_other: bool
    entered: int
    converted: int
    incomplete: int
    complete_entered: int
    complete_converted: int
    rate: Number | None
    rate_interval: Uncertainty | None
    rate_state: State
    rate_so_far: Number | None
    steps: list[StepNumbers]
    time_to_convert: Times
    histogram: list[Bin]
    survival: list[SurvivalPoint] | None
    over_time: list[EntryBucket] | None


class Counted(Struct, frozen=True):
    """Tries with what is asked about each: who, when they entered, how long it took, in which group.

    In microseconds: ``took`` is how long until the last step, -1 if it was not reached, and
    ``watched`` how long from its beginning until now.
    """

    stream: Stream
    rules: Rules
    tries: Tries
    unit: Numbers
    began: Numbers
    took: Numbers
    watched: Numbers

    @property
    def is_complete(self) -> Truths:
        """Which tries can get no further: their window was over before now."""
        return self.watched > self.rules.horizon

    @property
    def is_converted(self) -> Truths:
        """Which tries came to the last step."""
        is_converted: Truths = self.tries.reached[-1] >= 0
        return is_converted

    def of(self, chosen: Numbers | Truths) -> "Counted":
        """Return some of the tries."""
        return Counted(
            self.stream, self.rules, self.tries.of(chosen), self.unit[chosen], self.began[chosen],
            self.took[chosen], self.watched[chosen],
        )  # fmt: skip


class Layout(Struct, frozen=True):
    """How the numbers of all groups are cut: names of steps, edges of bins and buckets."""

    labels: Sequence[str]
    bins: Sequence[int]
    edges: Sequence[int] | None
    is_survival: bool


def counted(stream: Stream, rules: Rules, tries: Tries, now: int) -> Counted:
    """Return the tries with when they entered, and what is known of them now."""
    began = stream.time[tries.reached[0]]
    end = tries.reached[-1]
    took = np.where(end >= 0, np.maximum(stream.time[end] - began, 0), -1) if len(tries) else began
    return Counted(
        stream=stream,
        rules=rules,
        tries=tries,
        unit=stream.unit[tries.reached[0]],
        began=began,
        took=took,
        watched=now - began,
    )


def funnel(
    found: Counted, layout: Layout, *, breakdown: list[Value] | None = None, is_other: bool = False
) -> Funnel:
    """Return the numbers of some tries."""
    converted, complete = found.is_converted, found.is_complete
    steps = _steps(found, layout)
    entered, all_converted = len(found.tries), int(converted.sum())
    complete_entered, complete_converted = int(complete.sum()), int((complete & converted).sum())
    took = found.took[converted]
    return Funnel(
        breakdown=breakdown,
        is_other=is_other,
        entered=entered,
        converted=all_converted,
        incomplete=entered - complete_entered,
        complete_entered=complete_entered,
        complete_converted=complete_converted,
        rate=ratio(complete_converted, complete_entered),
        rate_interval=_interval(found.rules, complete_converted, complete_entered),
        rate_state=_state(found.rules, complete_entered),
        rate_so_far=ratio(all_converted, entered),
        steps=steps,
        time_to_convert=times(took),
        histogram=_histogram(took, layout.bins),
        survival=_survival(found, layout.bins) if layout.is_survival else None,
        over_time=None if layout.edges is None else _over_time(found, layout.edges),
    )


def bin_edges(took: Numbers) -> list[int]:
    """Return the edges of at most twenty bins of a round width, in microseconds, from zero."""
    if not len(took):
        return [0]
    longest = int(took.max())
    width = _WIDTHS[min(bisect_left(_WIDTHS, longest // MOST_BINS + 1), len(_WIDTHS) - 1)]
    return [width * number for number in range(longest // width + 2)]


def times(took: Numbers) -> Times:
    """Return median, mean and 90th percentile of lengths in microseconds, as seconds."""
    count = len(took)
    if not count:
        return Times(0, None, None, None)
    # A sum of many long times may be too large for sixty-four bits.
    total = (int((took >> 20).sum()) << 20) + int((took & 0xFFFFF).sum())
    ranks = [(count - 1) * percent // 100 for percent in (50, 90)]
    places = sorted({min(rank + more, count - 1) for rank in ranks for more in (0, 1)})
    inside = np.partition(took, places)
    return Times(
        count=count,
        median=_percentile(inside, 50),
        mean=ratio(total, count * MICROSECONDS),
        p90=_percentile(inside, 90),
    )


def _percentile(inside: Numbers, percent: int) -> Number | None:
    """Return a percentile, linear between the two values next to its rank (Hyndman and Fan, type 7)."""
    rank, part = divmod((len(inside) - 1) * percent, 100)
    low, high = int(inside[rank]), int(inside[min(rank + 1, len(inside) - 1)])
    return ratio(low * (100 - part) + high * part, 100 * MICROSECONDS)


def _steps(found: Counted, layout: Layout) -> list[StepNumbers]:
    reached, complete = found.tries.reached >= 0, found.is_complete
    numbers: list[StepNumbers] = []
    previous = 0
    for step, label in enumerate(layout.labels):
        here, before = reached[step], reached[previous]
        done = int((here & complete).sum())
        base, first = int((before & complete).sum()), int((reached[0] & complete).sum())
        numbers.append(
            StepNumbers(
                step=step + 1,
                label=label,
                is_optional=found.rules.optional[step],
                count=int(here.sum()),
                units=_units(found, here),
                dropped=int((before & ~here).sum()),
                complete=done,
                of_first=ratio(done, first),
                of_first_interval=_interval(found.rules, done, first),
                of_first_state=_state(found.rules, first),
                of_previous=ratio(done, base),
                of_previous_interval=_interval(found.rules, done, base),
                of_previous_state=_state(found.rules, base),
                from_previous=times(_between(found, previous, step) if step else found.took[:0]),
            )
        )
        if not found.rules.optional[step]:
            previous = step
    return numbers


def _units(found: Counted, chosen: Truths) -> int:
    """Return how many different units have a chosen try; those of one unit lie together."""
    unit = found.unit[chosen]
    return int((unit[1:] != unit[:-1]).sum()) + 1 if len(unit) else 0


def _between(found: Counted, before: int, step: int) -> Numbers:
    here = found.tries.reached[step]
    there = found.tries.reached[before][here >= 0]
    time = found.stream.time
    between: Numbers = np.maximum(time[here[here >= 0]] - time[there], 0)
    return between


def _interval(rules: Rules, successes: int, trials: int) -> Uncertainty | None:
    """Return the interval of a share, none of what is not independent."""
    return None if _is_dependent(rules) else wilson(successes, trials)


def _state(rules: Rules, trials: int) -> State:
    if _is_dependent(rules):
        return "not_independent"
    return "ok" if trials >= ENOUGH else "not_enough_data"


def _is_dependent(rules: Rules) -> bool:
    """Whether several tries may be of one person: many of one unit, or sessions."""
    return rules.count == "totals" or rules.per_value or rules.by == "session"


def _histogram(took: Numbers, edges: Sequence[int]) -> list[Bin]:
    counts = np.bincount(np.searchsorted(edges, took, side="right") - 1, minlength=len(edges) - 1)
    return [
        Bin(seconds(low), seconds(high), int(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _survival(found: Counted, edges: Sequence[int]) -> list[SurvivalPoint]:
    """Return the Kaplan–Meier estimate at the upper edges of the bins."""
    took = np.sort(found.took[found.took >= 0])
    # A try that did not convert was watched until its window was over, or until now.
    watched = np.sort(np.clip(found.watched[~found.is_converted], 0, found.rules.horizon))
    points, share, at = [], Decimal(1), 0
    for edge in edges[1:]:
        upto = int(np.searchsorted(took, edge, side="left"))
        share = _EXACT.multiply(share, _remaining(took[at:upto], watched, len(took) - at))
        at = upto
        left = len(took) - at + len(watched) - int(np.searchsorted(watched, edge, side="left"))
        points.append(SurvivalPoint(seconds(edge), left, rounded(1 - share) or 0))
    return points


def _remaining(took: Numbers, watched: Numbers, not_yet: int) -> Decimal:
    """Return the share of those at risk that is left after these conversions, in order of time.

    Conversions between which nobody left the watch count as one factor: what is left of all of them.
    """
    share = Decimal(1)
    gone = np.searchsorted(watched, took, side="left")
    heads = np.flatnonzero(np.append(len(took) > 0, gone[1:] != gone[:-1]))
    for number, head in enumerate(heads):
        end = heads[number + 1] if number + 1 < len(heads) else len(took)
        at_risk = not_yet - int(head) + len(watched) - int(gone[head])
        left = Decimal(at_risk - int(end - head))
        share = _EXACT.multiply(share, _EXACT.divide(left, Decimal(at_risk)))
    return share


def _over_time(found: Counted, edges: Sequence[int]) -> list[EntryBucket]:
    bucket = np.searchsorted(edges, found.began, side="right") - 1
    size = len(edges) - 1
    complete, converted = found.is_complete, found.is_converted
    counts = [
        np.bincount(bucket[chosen], minlength=size)
        for chosen in (slice(None), converted, complete, complete & converted)
    ]
    return [
        EntryBucket(
            entered=int(entered),
            converted=int(done),
            complete_entered=int(over),
            complete_converted=int(over_done),
            rate=ratio(int(over_done), int(over)),
            rate_interval=_interval(found.rules, int(over_done), int(over)),
            rate_state=_state(found.rules, int(over)),
        )
        for entered, done, over, over_done in zip(*counts, strict=True)
    ]
