"""Ranges and buckets against the zone database itself, for every zone there is."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.insights.asking import Store

from tallymark.core.clock import DAY, MICROSECONDS, instant, moment, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, join, sql
from tallymark.insights.ranges import (
    HOUR,
    MINUTE,
    Dates,
    Interval,
    Span,
    bucket_number,
    buckets,
    calendar_floor,
    day_start,
    span_of,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = instant(datetime(2025, 11, 20, 15, 30, tzinfo=UTC))

zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
intervals: st.SearchStrategy[Interval] = st.sampled_from(
    ["minute", "hour", "day", "week", "month", "quarter", "year"]
)
instants = st.integers(
    instant(datetime(1970, 1, 3, tzinfo=UTC)), instant(datetime(2037, 12, 31, tzinfo=UTC))
)
LONGEST = {
    "minute": 3 * HOUR, "hour": 4 * DAY, "day": 400 * DAY, "week": 800 * DAY,
    "month": 2_000 * DAY, "quarter": 4_000 * DAY, "year": 9_000 * DAY,
}  # fmt: skip


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Span, Interval, ZoneInfo]:
    interval = draw(intervals)
    since = draw(instants)
    return Span(since, since + draw(st.integers(1, LONGEST[interval]))), interval, draw(zones)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return instant(datetime(year, month, day, hour, minute, tzinfo=UTC))


def local(instant_us: int, zone: ZoneInfo) -> datetime:
    return moment(instant_us).astimezone(zone)


def hours(span: Span, interval: Interval, zone: ZoneInfo) -> list[float]:
    edges = buckets(span, interval, zone).edges
    return [(until - since) / HOUR for since, until in pairwise(edges)]


def test_days_have_23_and_25_hours_when_clocks_change() -> None:
    spring = Span(at(2026, 3, 27, 23), at(2026, 3, 30, 22))
    autumn = Span(at(2026, 10, 23, 22), at(2026, 10, 26, 23))

    assert hours(spring, "day", BERLIN) == [24, 23, 24]
    assert hours(autumn, "day", BERLIN) == [24, 25, 24]


def test_the_two_hours_of_an_autumn_night_stay_apart() -> None:
    night = Span(at(2026, 10, 25, 0), at(2026, 10, 25, 3))

    found = buckets(night, "hour", BERLIN)

    assert [local(edge, BERLIN).hour for edge in found.edges] == [2, 2, 3, 4]


def test_a_half_hour_shift_makes_a_half_hour_bucket() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    since = instant(datetime(2025, 10, 5, 0, tzinfo=zone))

    found = buckets(Span(since, since + 3 * HOUR), "hour", zone)

    assert [local(edge, zone).strftime("%H:%M") for edge in found.edges] == [
        "00:00", "01:00", "02:30", "03:00", "04:00",
    ]  # fmt: skip


def test_a_day_whose_midnight_does_not_exist_starts_at_one() -> None:
    zone = ZoneInfo("America/Santiago")

    assert local(day_start(date(2025, 9, 7), zone), zone).hour == 1


def test_a_date_the_zone_skipped_is_no_bucket() -> None:
    zone = ZoneInfo("Pacific/Apia")
    span = Span(day_start(date(2011, 12, 29), zone), day_start(date(2012, 1, 1), zone))

    found = buckets(span, "day", zone)

    assert [local(edge, zone).day for edge in found.edges] == [29, 31, 1]


def test_weeks_start_on_monday_unless_asked_for_sunday() -> None:
    wednesday = date(2025, 11, 19)

    assert calendar_floor(wednesday, "week") == date(2025, 11, 17)
    assert calendar_floor(wednesday, "week", "sunday") == date(2025, 11, 16)
    assert calendar_floor(date(2025, 11, 16), "week", "sunday") == date(2025, 11, 16)


@pytest.mark.parametrize(
    ("asked", "since", "until"),
    [
        ("today", "2025-11-19T23:00:00Z", "2025-11-20T23:00:00Z"),
        ("yesterday", "2025-11-18T23:00:00Z", "2025-11-19T23:00:00Z"),
        ("7d", "2025-11-13T23:00:00Z", "2025-11-20T23:00:00Z"),
        ("30d", "2025-10-21T22:00:00Z", "2025-11-20T23:00:00Z"),
        ("this_week", "2025-11-16T23:00:00Z", "2025-11-23T23:00:00Z"),
        ("last_month", "2025-09-30T22:00:00Z", "2025-10-31T23:00:00Z"),
        ("3mo", "2025-08-31T22:00:00Z", "2025-11-30T23:00:00Z"),
        ("2q", "2025-06-30T22:00:00Z", "2025-12-31T23:00:00Z"),
        ("this_year", "2024-12-31T23:00:00Z", "2025-12-31T23:00:00Z"),
        ("24h", "2025-11-19T16:00:00Z", "2025-11-20T16:00:00Z"),
        ("90min", "2025-11-20T14:01:00Z", "2025-11-20T15:31:00Z"),
    ],
)
def test_a_relative_range_ends_with_the_current_unit(asked: str, since: str, until: str) -> None:
    found = span_of(asked, BERLIN, NOW)

    assert (rfc3339(found.since), rfc3339(found.until)) == (since, until)
    assert span_of(Dates(last=asked), BERLIN, NOW) == found


def test_dates_are_local_and_until_is_not_included() -> None:
    found = span_of(Dates(since="2025-10-26", until="2025-10-27"), BERLIN, NOW)

    assert found.until - found.since == 25 * HOUR
    assert span_of(Dates(since="2025-11-20"), BERLIN, NOW).until == at(2025, 11, 20, 23)
    assert span_of(Dates(since="2025-11-20T10:00:00+02:00"), BERLIN, NOW).since == at(
        2025, 11, 20, 8
    )


@pytest.mark.parametrize(
    "asked",
    [
        "", "d", "0d", "-1d", "30 d", "1e3d", "٣d", "tomorrow", "99999y", "30d; DROP",
        Dates(),
        Dates(until="2025-01-01"),
        Dates(since="2025-01-02", until="2025-01-02"),
        Dates(since="2025-02-30"),
        Dates(since="2025-01-01T00:00:00"),
        Dates(since="2025-01-01T25:00:00Z"),
        Dates(since="0001-01-01"),
        Dates(since="2025-01-01", last="7d"),
        Dates(since="2025-01-01'--"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(asked: Dates | str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        span_of(asked, BERLIN, NOW)

    assert refused.value.code == "QUERY_INVALID"


@pytest.mark.parametrize(
    "name", ["", "europe/berlin", "Mars/Phobos", "../../etc/passwd", "UTC'; DROP TABLE event; --"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        zone_of(name)

    assert refused.value.code == "TIMEZONE_UNKNOWN"


@pytest.mark.parametrize("interval", ["minute", "hour", "day", "week", "month"])
def test_a_thousand_years_are_too_many_buckets(interval: Interval) -> None:
    span = span_of(Dates(since="1500-01-01", until="2500-01-01"), BERLIN, NOW)

    with pytest.raises(InvalidQuery) as refused:
        buckets(span, interval, BERLIN)

    assert refused.value.code == "QUERY_TOO_LARGE"


@given(cuts())
def test_buckets_cover_their_span_without_gap_or_overlap(
    cut: tuple[Span, Interval, ZoneInfo],
) -> None:
    span, interval, zone = cut

    edges = buckets(span, interval, zone).edges

    assert edges[0] <= span.since < edges[1]
    assert edges[-2] < span.until <= edges[-1]
    assert all(earlier < later for earlier, later in pairwise(edges))


@given(zones, st.dates(date(1970, 1, 3), date(2037, 12, 31)))
@example(ZoneInfo("America/St_Johns"), date(2006, 10, 29))
@example(ZoneInfo("Pacific/Kwajalein"), date(1993, 8, 21))
def test_a_day_starts_at_the_first_instant_of_its_date(zone: ZoneInfo, day: date) -> None:
    start = day_start(day, zone)

    assert local(start, zone).date() >= day
    assert local(start - 1, zone).date() < day


@given(cuts(), st.data())
def test_an_instant_lies_in_the_bucket_its_local_time_names(
    cut: tuple[Span, Interval, ZoneInfo], data: st.DataObject
) -> None:
    span, interval, zone = cut
    edges = buckets(span, interval, zone).edges
    when = data.draw(st.integers(span.since, span.until - 1))
    edge = edges[bisect_right(edges, when) - 1]

    here, start = local(when, zone), local(edge, zone)
    if interval in {"minute", "hour"}:
        unit = HOUR if interval == "hour" else MINUTE
        assert here.utcoffset() == start.utcoffset()
        offset = (here.utcoffset() or timedelta()) // timedelta(microseconds=1)
        assert (when + offset) // unit == (edge + offset) // unit
        return
    first = calendar_floor(here.date(), interval)
    # Where clocks go back over midnight, the new date has begun and its eve comes once more.
    went_back = here.date() < start.date() and (start.utcoffset() or 0) != here.utcoffset()
    assert day_start(first, zone) == edge or went_back


def test_sql_puts_every_instant_in_the_bucket_python_does(store: Store) -> None:
    @given(st.lists(st.tuples(cuts(), st.floats(0, 1, exclude_max=True)), min_size=20, max_size=20))
    def agree(cases: list[tuple[tuple[Span, Interval, ZoneInfo], float]]) -> None:
        expected: list[int] = []
        asked: list[Sql] = []
        for (span, interval, zone), share in cases:
            cut = buckets(span, interval, zone)
            when = span.since + int(share * (span.until - span.since))
            edge = min(cut.edges, key=lambda edge: abs(edge - when))
            for instant_us in {when, max(span.since, edge - 1), min(edge, span.until - 1)}:
                inside = min(max(instant_us, span.since), span.until - 1)
                expected.append(bisect_right(cut.edges, inside) - 1)
                number = bucket_number(sql("CAST({at} AS BIGINT)", at=inside), cut)
                asked.append(
                    sql("SELECT {place} AS place, {number}", place=len(asked), number=number)
                )
        statement = join(" UNION ALL ", asked) + Sql(" ORDER BY place")

        assert [row[1] for row in store.engine.fetch("test", statement).rows] == expected

    agree()


def test_every_zone_of_the_database_agrees_between_sql_and_python(store: Store) -> None:
    span = Span(at(2025, 1, 15, 13), at(2026, 1, 15, 13))
    probes = [span.since + n * 8_641 * MICROSECONDS * 37 for n in range(98)]

    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        cut = buckets(span, "day", zone)
        first = local(span.since, zone).date()
        number = bucket_number(Sql("probe"), cut)
        found = store.engine.fetch(
            "test",
            sql("SELECT {number} FROM (SELECT unnest({probes}) AS probe)", number=number, probes=probes),
        )  # fmt: skip

        # In 2025 no zone skipped a date or went back over midnight, so dates can be counted.
        assert [row[0] for row in found.rows] == [
            (local(probe, zone).date() - first).days for probe in probes
        ], name
