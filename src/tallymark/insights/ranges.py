"""Which time a question is about, and the buckets it is cut into, in any IANA zone.

Ranges and buckets are half-open and made of instants. A local day starts at the first instant of
its date, so it has 23 or 25 hours when the clocks change, and a skipped date is no bucket. A minute
or hour bucket starts at each full local minute or hour and wherever the zone's offset changes, so
the two 02:00 hours of an autumn night stay apart.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Meta, Struct

from tallymark.core.clock import DAY, MICROSECONDS, instant, moment
from tallymark.core.errors import InvalidQuery
from tallymark.core.registry import did_you_mean
from tallymark.core.sql import Sql, sql

MAX_BUCKETS: Final = 10_000
MINUTE: Final = 60 * MICROSECONDS
HOUR: Final = 60 * MINUTE
# Inside these years every local time is an instant that Python can write.
_EARLIEST: Final = instant(datetime(2, 1, 1, tzinfo=UTC))
_LATEST: Final = instant(datetime(9998, 1, 1, tzinfo=UTC))

Interval: TypeAlias = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
WeekStart: TypeAlias = Literal["monday", "sunday"]

# No bucket is longer than this many times its shortest, so the estimate never refuses too early.
_LONGEST: Final[dict[Interval, int]] = {
    "minute": MINUTE, "hour": HOUR, "day": 26 * HOUR, "week": 8 * DAY, "month": 32 * DAY,
    "quarter": 93 * DAY, "year": 367 * DAY,
}  # fmt: skip
_MONTHS: Final[dict[Interval, int]] = {"month": 1, "quarter": 3, "year": 12}
_UNITS: Final[dict[str, Interval]] = {
    "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "q": "quarter", "y": "year",
}  # fmt: skip
_LAST: Final = re.compile(r"([1-9][0-9]{0,4})(min|h|d|w|mo|q|y)", re.ASCII)
_NAMED: Final[dict[str, tuple[Interval, int]]] = {
    "today": ("day", 0), "yesterday": ("day", 1), "this_week": ("week", 0), "last_week": ("week", 1),
    "this_month": ("month", 0), "last_month": ("month", 1), "this_quarter": ("quarter", 0),
    "last_quarter": ("quarter", 1), "this_year": ("year", 0), "last_year": ("year", 1),
}  # fmt: skip
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Dates(Struct, frozen=True, forbid_unknown_fields=True):
    """A range of time: from ``since`` up to but not including ``until``, or the ``last`` so many.

    The last 7d are today so far and the six local days before it.
    """

    since: Annotated[
        str | None, Meta(description="RFC 3339 instant, or a local date for its start.")
    ] = None
    until: Annotated[
        str | None,
        Meta(description="Not included; if left out, the end of the current local day."),
    ] = None
    last: Annotated[
        str | None,
        Meta(description="A number and min, h, d, w, mo, q or y, ending with the current one."),
    ] = None


class Span(Struct, frozen=True):
    """A half-open range of instants."""

    since: int
    until: int


class Buckets(Struct, frozen=True):
    """A span cut into buckets; bucket i is from edges[i] to edges[i + 1].

    The first and last bucket are whole, so the edges may reach beyond the span.
    """

    span: Span
    edges: tuple[int, ...]

    def clipped(self, index: int) -> Span:
        """Return the part of a bucket that lies in the span."""
        since, until = self.edges[index], self.edges[index + 1]
        return Span(max(since, self.span.since), min(until, self.span.until))

    def is_incomplete(self, index: int, now: int) -> bool:
        """Whether the bucket is not over yet, or only part of it was asked for."""
        since, until = self.edges[index], self.edges[index + 1]
        return until > now or since < self.span.since or until > self.span.until


def zone_of(name: str) -> ZoneInfo:
    """Return the zone; raises InvalidQuery TIMEZONE_UNKNOWN unless it is an IANA name."""
    if name not in _zone_names():
        raise InvalidQuery(
            f"There is no time zone {name!r}.",
            code="TIMEZONE_UNKNOWN",
            hint=did_you_mean(name, _zone_names()),
            path="timezone",
        )
    return ZoneInfo(name)


def span_of(asked: Dates | str, zone: ZoneInfo, now: int, week: WeekStart = "monday") -> Span:
    """Return the instants a range means at ``now``; raises InvalidQuery if it means none."""
    if isinstance(asked, str):
        return _relative(asked, zone, now, week)
    if asked.last is not None:
        if asked.since is not None or asked.until is not None:
            raise InvalidQuery("Give either last, or since and until.", path="range")
        return _relative(asked.last, zone, now, week)
    if asked.since is None:
        raise InvalidQuery("A range needs since, or last.", path="range")
    since = instant_of(asked.since, zone, path="range.since")
    until = (
        day_start(_local(now, zone).date() + timedelta(days=1), zone)
        if asked.until is None
        else instant_of(asked.until, zone, path="range.until")
    )
    if until <= since:
        raise InvalidQuery("The range is empty: until is not after since.", path="range")
    return Span(since, until)


def instant_of(text: str, zone: ZoneInfo, *, path: str) -> int:
    """Return an RFC 3339 instant, or the start of a local date, in microseconds."""
    try:
        if _DATE.fullmatch(text):
            return _bounded(day_start(date.fromisoformat(text), zone), path)
        if _INSTANT.fullmatch(text):
            return _bounded(instant(datetime.fromisoformat(text.upper())), path)
    except (ValueError, OverflowError):
        pass
    raise InvalidQuery(
        f"{text!r} is not a time.",
        hint="Write a local date such as 2026-11-01, or 2026-11-01T10:00:00Z with its offset.",
        path=path,
    )


@lru_cache(maxsize=32)
def buckets(span: Span, interval: Interval, zone: ZoneInfo, week: WeekStart = "monday") -> Buckets:
    """Return the buckets that cover the span; raises InvalidQuery QUERY_TOO_LARGE for too many."""
    if (span.until - span.since) // _LONGEST[interval] > MAX_BUCKETS:
        raise _too_many(interval)
    edges = (
        _clock_edges(span, HOUR if interval == "hour" else MINUTE, zone)
        if interval in {"hour", "minute"}
        else _calendar_edges(span, interval, zone, week)
    )
    if len(edges) - 1 > MAX_BUCKETS:
        raise _too_many(interval)
    return Buckets(span, tuple(edges))


def bucket_number(time_us: Sql, cut: Buckets) -> Sql:
    """Return the number of the bucket an instant of the span lies in, as integer arithmetic."""
    return _choose(time_us, _runs(cut.edges))


def day_start(day: date, zone: ZoneInfo) -> int:
    """Return the first instant at which the local date is ``day`` or later."""
    guess = instant(datetime.combine(day, time(), zone))
    if _local(guess, zone).time() == time():
        return guess
    # Clocks jumped over midnight: the day, or a later one, starts with the jump.
    low, high = guess - DAY, guess
    while high - low > 1:
        middle = (low + high) // 2
        if _local(middle, zone).date() >= day:
            high = middle
        else:
            low = middle
    return high


def calendar_floor(day: date, interval: Interval, week: WeekStart = "monday") -> date:
    """Return the first date of the day's week, month, quarter or year; or the day."""
    if interval == "week":
        return day - timedelta(days=day.weekday() if week == "monday" else day.isoweekday() % 7)
    if interval in _MONTHS:
        months = _MONTHS[interval]
        return day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return day


def calendar_step(first: date, interval: Interval, count: int) -> date:
    """Return the first date ``count`` units later, or earlier if negative."""
    if interval in _MONTHS:
        month = first.year * 12 + first.month - 1 + count * _MONTHS[interval]
        return date(month // 12, month % 12 + 1, 1)
    return first + timedelta(days=count * (7 if interval == "week" else 1))


def local_date(instant_us: int, zone: ZoneInfo) -> date:
    """Return the local date of an instant."""
    return _local(instant_us, zone).date()


def _relative(text: str, zone: ZoneInfo, now: int, week: WeekStart) -> Span:
    if text in _NAMED:
        interval, ago = _NAMED[text]
        count = 1
    elif found := _LAST.fullmatch(text):
        interval, ago, count = _UNITS[found[2]], 0, int(found[1])
    else:
        raise InvalidQuery(
            f"{text!r} is not a range.",
            hint=did_you_mean(text, _NAMED)
            or "Write for example 30d, 12h, 3mo, today, last_month.",
            path="range",
        )
    if interval in {"minute", "hour"}:
        unit = HOUR if interval == "hour" else MINUTE
        current = _clock_floor(now, unit, zone)
        return Span(_bounded(current - (count - 1) * unit, "range"), current + unit)
    first = calendar_floor(_local(now, zone).date(), interval, week)
    try:
        since = calendar_step(first, interval, 1 - count - ago)
    except (ValueError, OverflowError):
        raise InvalidQuery(f"{text!r} reaches back too far.", path="range") from None
    until = calendar_step(first, interval, 1 - ago)
    return Span(_bounded(day_start(since, zone), "range"), day_start(until, zone))


def _calendar_edges(span: Span, interval: Interval, zone: ZoneInfo, week: WeekStart) -> list[int]:
    first = calendar_floor(local_date(span.since, zone), interval, week)
    edges = [day_start(first, zone)]
    while edges[-1] < span.until:
        first = calendar_step(first, interval, 1)
        edge = day_start(first, zone)
        # A date that the zone skipped, such as 2011-12-30 in Apia, starts where the next one does.
        if edge > edges[-1]:
            edges.append(edge)
        if len(edges) > MAX_BUCKETS + 1:
            raise _too_many(interval)
    # Where clocks go back over midnight, an instant of the old date may follow the new day's start.
    while len(edges) > 2 and edges[1] <= span.since:
        del edges[0]
    return edges


def _clock_edges(span: Span, unit: int, zone: ZoneInfo) -> list[int]:
    edges = [_clock_floor(span.since, unit, zone)]
    while edges[-1] < span.until:
        if len(edges) > MAX_BUCKETS:
            raise _too_many("hour" if unit == HOUR else "minute")
        edges.append(_clock_next(edges[-1], unit, zone))
    return edges


def _clock_floor(instant_us: int, unit: int, zone: ZoneInfo) -> int:
    offset = _offset(instant_us, zone)
    floor = (instant_us + offset) // unit * unit - offset
    if _offset(floor, zone) == offset:
        return floor
    return _change(floor, instant_us, zone)


def _clock_next(edge: int, unit: int, zone: ZoneInfo) -> int:
    offset = _offset(edge, zone)
    following = ((edge + offset) // unit + 1) * unit - offset
    if _offset(following - 1, zone) == offset:
        return following
    return _change(edge, following, zone)


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """Return the instant between the two at which the offset becomes that of ``after``."""
    final = _offset(after, zone)
    low, high = before, after
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == final:
            high = middle
        else:
            low = middle
    return high


def _runs(edges: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return (start, length of each bucket, number of the first) of runs of equal buckets."""
    runs: list[tuple[int, int, int]] = []
    for number in range(len(edges) - 1):
        length = edges[number + 1] - edges[number]
        if not runs or runs[-1][1] != length:
            runs.append((edges[number], length, number))
    return runs


def _choose(time_us: Sql, runs: list[tuple[int, int, int]]) -> Sql:
    """Return a balanced tree of comparisons, so that many runs cost few comparisons a row."""
    if len(runs) == 1:
        start, length, first = runs[0]
        return sql(
            "({time_us} - {start}) // {length} + {first}",
            time_us=time_us,
            start=start,
            length=length,
            first=first,
        )
    middle = len(runs) // 2
    return sql(
        "CASE WHEN {time_us} < {start} THEN {before} ELSE {after} END",
        time_us=time_us,
        start=runs[middle][0],
        before=_choose(time_us, runs[:middle]),
        after=_choose(time_us, runs[middle:]),
    )


def _local(instant_us: int, zone: ZoneInfo) -> datetime:
    return moment(instant_us).astimezone(zone)


def _offset(instant_us: int, zone: ZoneInfo) -> int:
    offset = _local(instant_us, zone).utcoffset() or timedelta()
    return offset.days * DAY + offset.seconds * MICROSECONDS


def _bounded(instant_us: int, path: str) -> int:
    if not _EARLIEST <= instant_us <= _LATEST:
        raise InvalidQuery("The time lies outside the years 2 to 9997.", path=path)
    return instant_us


def _too_many(interval: Interval) -> InvalidQuery:
    return InvalidQuery(
        f"By {interval}, this range has more than {MAX_BUCKETS} buckets.",
        code="QUERY_TOO_LARGE",
        path="interval",
    )


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())
