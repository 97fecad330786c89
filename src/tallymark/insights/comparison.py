"""The earlier range a range is compared with, and which earlier bucket each bucket is held against.

``previous_period`` is as many buckets, right before. ``same_weekdays`` is the nearest whole number
of weeks earlier, so that Mondays meet Mondays. ``previous_year`` is the same dates a year earlier,
or 52 weeks by week; 29 February has no counterpart.
"""

from datetime import UTC, date, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from tallymark.core.clock import instant, moment
from tallymark.core.errors import InvalidQuery

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

Compare: TypeAlias = Literal["previous_period", "same_weekdays", "previous_year"]

_COARSE: frozenset[Interval] = frozenset(("month", "quarter", "year"))


class Comparison(Struct, frozen=True):
    """The earlier buckets, and for each bucket of the question the number of its counterpart."""

    cut: Buckets
    counterparts: tuple[int | None, ...]


def compared(
    cut: Buckets, how: Compare, interval: Interval, zone: ZoneInfo, week: WeekStart
) -> Comparison:
    """Return what the buckets are compared with; raises InvalidQuery where weekdays cannot meet."""
    if how == "previous_period":
        earlier = buckets(_previous(cut, interval, zone, week), interval, zone, week)
        known = len(earlier.edges) - 1
        here = range(len(cut.edges) - 1)
        return Comparison(earlier, tuple(number if number < known else None for number in here))
    if how == "same_weekdays":
        if interval in _COARSE:
            raise InvalidQuery(
                f"Weekdays cannot be compared by {interval}.",
                hint="Use an interval of a week or shorter, or compare with previous_year.",
                path="compare",
            )
        days = -7 * -(-_days(cut.span, zone) // 7)
        return _shifted(cut, interval, zone, week, days=-days)
    if interval == "week":
        return _shifted(cut, interval, zone, week, days=364)
    return _shifted(cut, interval, zone, week, days=None)


def _previous(cut: Buckets, interval: Interval, zone: ZoneInfo, week: WeekStart) -> Span:
    span = cut.span
    since, until = local_date(span.since, zone), local_date(span.until, zone)
    whole_days = day_start(since, zone) == span.since and day_start(until, zone) == span.until
    if interval in {"minute", "hour"} or not whole_days:
        return Span(2 * span.since - span.until, span.since)
    unit = interval
    if calendar_floor(since, unit, week) != since or calendar_floor(until, unit, week) != until:
        unit = "day"
    count = len(cut.edges) - 1 if unit == interval else (until - since).days
    return Span(day_start(calendar_step(since, unit, -count), zone), span.since)


def _shifted(
    cut: Buckets, interval: Interval, zone: ZoneInfo, week: WeekStart, *, days: int | None
) -> Comparison:
    since, until = (
        _earlier(edge, zone, days) or _first_of_march(edge, zone)
        for edge in (cut.span.since, cut.span.until)
    )
    if since >= until:
        raise InvalidQuery("The range has no counterpart a year earlier.", path="compare")
    earlier = buckets(Span(since, until), interval, zone, week)
    numbers = {edge: number for number, edge in enumerate(earlier.edges[:-1])}
    targets = (_earlier(edge, zone, days) for edge in cut.edges[:-1])
    return Comparison(
        earlier,
        tuple(None if target is None else numbers.get(target) for target in targets),
    )


def _earlier(instant_us: int, zone: ZoneInfo, days: int | None) -> int | None:
    """Return the same local time so many days, or a year, earlier; None if there is no such date."""
    local = moment(instant_us).astimezone(zone)
    try:
        target = (
            local.replace(year=local.year - 1) if days is None else local - timedelta(days=days)
        )
    except ValueError:
        return None
    if day_start(local.date(), zone) == instant_us:
        return day_start(target.date(), zone)
    return instant(target.astimezone(UTC))


def _first_of_march(instant_us: int, zone: ZoneInfo) -> int:
    return day_start(date(local_date(instant_us, zone).year - 1, 3, 1), zone)


def _days(span: Span, zone: ZoneInfo) -> int:
    last = local_date(span.until - 1, zone)
    return (last - local_date(span.since, zone)).days + 1
