"""Numbers that reach beyond their bucket: its last days, its whole week or month, all days so far.

A window consists of whole local days. It reaches back before the range that is asked for, but never
beyond its end.
"""

import re
from datetime import date, timedelta
from fractions import Fraction
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.errors import InvalidQuery

from .measures import Measure, Series
from .numbers import Number, of_fraction
from .ranges import (
    Buckets,
    Interval,
    Span,
    WeekStart,
    buckets,
    calendar_floor,
    calendar_step,
    day_start,
    local_date,
)

Tool: TypeAlias = Literal["ga4", "mixpanel", "posthog"]

MAX_DAYS: Final = 366
# Each piece of time is a bit of a person, and each window a count of all of them.
MAX_PIECES: Final = 2_000
_DAYS: Final = re.compile(r"([1-9][0-9]{0,2})d", re.ASCII)
_ACTIVE: Final = {"dau": 1, "wau": 7, "mau": 30}
_MONTH_OF: Final[dict[Tool, int]] = {"ga4": 28, "mixpanel": 30, "posthog": 30}
_CALENDAR: Final[dict[str, Interval]] = {
    "week": "week", "month": "month", "quarter": "quarter", "year": "year",
}  # fmt: skip
_NAMES: Final = "dau, wau, mau; 28d or any other number of days; week, month, quarter, year"
_NOT_ADDED: Final[tuple[Measure, ...]] = ("median", "p90", "p95", "p99", "per_person")


class ReachingSeries(Series, frozen=True, forbid_unknown_fields=True):
    """A series whose numbers may reach beyond their bucket, in one of three ways."""

    window: Annotated[
        str | None,
        Meta(
            description=(
                "Count over more days than the bucket has, up to its last one: dau, wau, mau (1, 7,"
                " 30 days) or 28d; or its whole local week, month, quarter or year."
            )
        ),
    ] = None
    cumulative: Annotated[
        bool, Meta(description="Count from the start of the range up to the bucket's end.")
    ] = False
    moving_average: Annotated[
        Annotated[int, Meta(ge=2, le=MAX_DAYS)] | None,
        Meta(description="Mean of the numbers of this many buckets, up to this one."),
    ] = None


class WindowPart(Struct, frozen=True):
    """What a number of a window covers; it is incomplete if not over, or cut by the range's end."""

    since: str
    until: str
    is_incomplete: bool


class Windows(Struct, frozen=True):
    """The windows of the buckets, and the pieces of time that they are made of.

    Bucket i has the pieces from spans[i][0] to spans[i][1], the range those from whole[0] to
    whole[1], all of them included.
    """

    pieces: Buckets
    spans: tuple[tuple[int, int], ...]
    whole: tuple[int, int]
    parts: tuple[WindowPart, ...]

    def covered(self, bucket: int) -> Span:
        """Return the instants that the window of a bucket covers."""
        first, last = self.spans[bucket]
        return Span(self.pieces.edges[first], self.pieces.edges[last + 1])


class When(Struct, frozen=True):
    """The buckets of a range and how they were cut."""

    cut: Buckets
    interval: Interval
    zone: ZoneInfo
    week_start: WeekStart
    now: int


def checked(series: ReachingSeries, path: str) -> ReachingSeries:
    """Return the series; raises InvalidQuery if it reaches in two ways, or cannot."""
    ways = [series.window is not None, series.cumulative, series.moving_average is not None]
    if sum(ways) > 1:
        raise InvalidQuery(
            "A series has either a window, or is cumulative, or is a moving average.", path=path
        )
    if (series.window is not None or series.cumulative) and series.measure in _NOT_ADDED:
        raise InvalidQuery(
            f"{series.measure} has no window and is not cumulative.",
            hint="Divide a count or a sum by unique_people in a formula, or take a moving average."
            if series.measure == "per_person"
            else "A moving average of it can be asked for.",
            path=path,
        )
    return series


def is_named(window: str | None) -> bool:
    """Whether a window is one whose days a tool may define: dau, wau or mau."""
    return window in _ACTIVE


def windows_of(window: str, when: When, semantics: Tool | None, *, path: str) -> Windows:
    """Return the window of each bucket; raises InvalidQuery for one that cannot be."""
    if when.interval in {"minute", "hour"}:
        raise InvalidQuery(
            f"A window of {window} needs buckets of a day or longer.", path="interval"
        )
    # PostHog leaves out the first midnight of a window and takes in the one that ends it.
    late = 1 if semantics == "posthog" and is_named(window) else 0
    cut = when.cut
    limit = cut.span.until + late
    meant = [_meant(window, day, when, semantics, path) for day in _last_days(when)]
    covered = [Span(one.since + late, min(one.until + late, limit)) for one in meant]
    instants = {cut.span.since, cut.span.until}
    for one in covered:
        instants |= {one.since, one.until}
    edges = sorted(instants)
    if len(edges) > MAX_PIECES:
        raise InvalidQuery(
            f"A window may be asked of at most {MAX_PIECES} days.",
            code="QUERY_TOO_LARGE",
            path="range",
        )
    place = {edge: number for number, edge in enumerate(edges)}
    return Windows(
        pieces=Buckets(Span(edges[0], edges[-1]), tuple(edges)),
        spans=tuple((place[one.since], place[one.until] - 1) for one in covered),
        whole=(place[cut.span.since], place[cut.span.until] - 1),
        parts=tuple(
            WindowPart(
                rfc3339(here.since),
                rfc3339(here.until),
                is_incomplete=one.until > when.now or one.until > cut.span.until,
            )
            for one, here in zip(meant, covered, strict=True)
        ),
    )


def lengthened(when: When, by: int) -> Buckets:
    """Return the buckets with so many before them, all of them whole but where the range ends."""
    edges = when.cut.edges
    for _ in range(by):
        before = buckets(Span(edges[0] - 1, edges[0]), when.interval, when.zone, when.week_start)
        edges = (before.edges[0], *edges)
    return Buckets(Span(edges[0], when.cut.span.until), edges)


def averages(
    values: list[Number | None], cut: Buckets, width: int, now: int
) -> list[Number | None]:
    """Return the mean of each bucket's number and those of the ``width`` - 1 before it.

    ``cut`` has that many buckets more than numbers are returned. A bucket that is not over has no
    mean, and a bucket without a number, such as an average of nothing, is not averaged in.
    """
    found: list[Number | None] = []
    for last in range(width - 1, len(values)):
        known = [Fraction(one) for one in values[last - width + 1 : last + 1] if one is not None]
        is_over = not cut.is_incomplete(last, now)
        found.append(
            of_fraction(sum(known, Fraction(0)) / len(known)) if is_over and known else None
        )
    return found


def carried(
    values: dict[int, Number | None], count: int, empty: Number | None
) -> list[Number | None]:
    """Return a running number of each bucket: where nothing came, that of the bucket before."""
    found: list[Number | None] = []
    for bucket in range(count):
        found.append(values.get(bucket, found[-1] if found else empty))
    return found


def _last_days(when: When) -> list[date]:
    """Return the last local day of each bucket that lies in the range and has begun."""
    found = []
    for number in range(len(when.cut.edges) - 1):
        part = when.cut.clipped(number)
        # Of this month so far, the last thirty days are those up to today.
        last = min(part.until - 1, max(when.now, part.since))
        found.append(local_date(last if when.now >= part.since else part.until - 1, when.zone))
    return found


def _meant(window: str, day: date, when: When, semantics: Tool | None, path: str) -> Span:
    if window in _CALENDAR:
        unit = _CALENDAR[window]
        first = calendar_floor(day, unit, when.week_start)
        return Span(
            day_start(first, when.zone), day_start(calendar_step(first, unit, 1), when.zone)
        )
    days = _days_of(window, semantics, path)
    return Span(
        day_start(day - timedelta(days=days - 1), when.zone),
        day_start(day + timedelta(days=1), when.zone),
    )


def _days_of(window: str, semantics: Tool | None, path: str) -> int:
    if window == "mau" and semantics is not None:
        return _MONTH_OF[semantics]
    if window in _ACTIVE:
        return _ACTIVE[window]
    found = _DAYS.fullmatch(window)
    if found is None or int(found[1]) > MAX_DAYS:
        raise InvalidQuery(f"{window!r} is not a window.", hint=f"Write {_NAMES}.", path=path)
    return int(found[1])
