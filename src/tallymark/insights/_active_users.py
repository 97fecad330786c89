"""The active people of a day, and of the week and month that it stands for."""

from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Literal, TypeAlias

from msgspec import Struct

from .insight import Table
from .numbers import Number, of_fraction, ratio
from .presence import Presence, Words, count
from .ranges import Buckets, Span, WeekStart, buckets
from .selection import Frame
from .timeline import timeline

Clock: TypeAlias = Literal["rolling", "calendar"]
Active: TypeAlias = Literal["dau", "wau", "mau"]

_WEEK_DAYS = 7


class ActiveDay(Struct, frozen=True):
    """The active people of a day, its week and its month; a ratio is null where it does not count."""

    label: str
    since: str
    until: str
    is_incomplete: bool
    dau: int
    wau: int
    mau: int
    dau_wau: Number | None
    dau_mau: Number | None
    wau_mau: Number | None


class MeanRatio(Struct, frozen=True):
    """The mean of a ratio over the days that have it."""

    mean: Number | None
    days: int


class Ratios(Struct, frozen=True):
    """The days of the range, and the means of their ratios."""

    clock: Clock
    month_days: int
    dau_wau: MeanRatio
    dau_mau: MeanRatio
    wau_mau: MeanRatio
    days: list[ActiveDay]


class Ends(Struct, frozen=True):
    """The instants at which a day, its week and its month are over."""

    day: int
    week: int
    month: int


class Windows(Struct, frozen=True):
    """The days of a range as bits, with those around them that their weeks and months need.

    ``asked`` are the days of the range, and ``first`` is the bit of the first of them. ``weeks`` and ``months`` hold, for each day of
    the range, the first and the last bit of what it stands for.
    """

    clock: Clock
    month_days: int
    cut: Buckets
    asked: Buckets
    first: int
    weeks: tuple[tuple[int, int], ...]
    months: tuple[tuple[int, int], ...]

    def ends(self, day: int) -> Ends:
        """Return when a day of the range, its week and its month are over."""
        edges = self.cut.edges
        return Ends(
            edges[self.first + day + 1],
            edges[self.weeks[day][1] + 1],
            edges[self.months[day][1] + 1],
        )

    def active(self, people: Presence, day: int, active: Active) -> Words:
        """Return who was active in a day of the range, in its week or in its month."""
        if active == "dau":
            return people.within(self.first + day)
        return people.within(*(self.weeks if active == "wau" else self.months)[day])

    def counts(self, people: Presence) -> Iterator[tuple[int, int, int]]:
        """Give the daily, weekly and monthly active people of each day of the range."""
        # The days of a week of the calendar have the same one.
        counted = cache(lambda low, high: count(people.within(low, high)))
        for day, (week, month) in enumerate(zip(self.weeks, self.months, strict=True)):
            yield counted(self.first + day, self.first + day), counted(*week), counted(*month)


def window_days(frame: Frame, week: WeekStart, clock: Clock, month_days: int) -> Windows:
    """Return the days of a range, which are looked at whole, and what lies around them."""
    zone = frame.zone
    days = buckets(frame.span, "day", zone, week)
    if clock == "rolling":
        since = days.edges[0]
        for _ in range(month_days - 1):
            since = buckets(Span(since - 1, since), "day", zone, week).edges[0]
        span = Span(since, days.edges[-1])
    else:
        whole = Span(days.edges[0], days.edges[-1])
        around = [buckets(whole, unit, zone, week).edges for unit in ("week", "month")]
        span = Span(min(one[0] for one in around), max(one[-1] for one in around))
    cut = buckets(span, "day", zone, week)
    first = cut.edges.index(days.edges[0])
    asked = Buckets(Span(days.edges[0], days.edges[-1]), days.edges)
    places = range(first, first + len(days.edges) - 1)
    if clock == "rolling":
        return Windows(
            clock,
            month_days,
            cut,
            asked,
            first,
            tuple((max(0, place - _WEEK_DAYS + 1), place) for place in places),
            tuple((max(0, place - month_days + 1), place) for place in places),
        )
    return Windows(
        clock,
        month_days,
        cut,
        asked,
        first,
        tuple(_unit_of(cut, buckets(span, "week", zone, week), place) for place in places),
        tuple(_unit_of(cut, buckets(span, "month", zone, week), place) for place in places),
    )


def ratio_table(found: Ratios) -> Table:
    """Return one row a day, below the means."""
    means = ("mean", None, None, None, found.dau_wau.mean, found.dau_mau.mean, found.wau_mau.mean)
    rows = [
        (one.label, one.dau, one.wau, one.mau, one.dau_wau, one.dau_mau, one.wau_mau)
        for one in found.days
    ]
    return Table(("day", "dau", "wau", "mau", "dau/wau", "dau/mau", "wau/mau"), [means, *rows])


def ratios_of(windows: Windows, people: Presence, frame: Frame) -> Ratios:
    """Return the ratios of each day of a range of whole days, and their means."""
    now = frame.scope.now
    days = []
    means: dict[str, list[Fraction]] = {"dau_wau": [], "dau_mau": [], "wau_mau": []}
    described = timeline(windows.asked, "day", frame)
    counts = windows.counts(people)
    for number, (bucket, (dau, wau, mau)) in enumerate(zip(described, counts, strict=True)):
        ends = windows.ends(number)
        parts = {
            "dau_wau": (dau, wau, max(ends.day, ends.week)),
            "dau_mau": (dau, mau, max(ends.day, ends.month)),
            "wau_mau": (wau, mau, max(ends.week, ends.month)),
        }
        ratios: dict[str, Number | None] = {}
        for name, (part, whole, end) in parts.items():
            counts_in = end <= now and whole > 0
            ratios[name] = ratio(part, whole) if counts_in else None
            means[name] += [Fraction(part, whole)] if counts_in else []
        days.append(
            ActiveDay(
                label=bucket.label,
                since=bucket.since,
                until=bucket.until,
                is_incomplete=bucket.is_incomplete,
                dau=dau,
                wau=wau,
                mau=mau,
                **ratios,
            )
        )
    return Ratios(
        clock=windows.clock,
        month_days=windows.month_days,
        days=days,
        **{name: _mean(some) for name, some in means.items()},
    )


def _unit_of(days: Buckets, units: Buckets, place: int) -> tuple[int, int]:
    """Return the first and the last day of the week or month in which a day lies."""
    unit = bisect_right(units.edges, days.edges[place]) - 1
    low = days.edges.index(units.edges[unit])
    return low, days.edges.index(units.edges[unit + 1]) - 1


def _mean(some: list[Fraction]) -> MeanRatio:
    return MeanRatio(of_fraction(sum(some, Fraction(0)) / len(some)) if some else None, len(some))
