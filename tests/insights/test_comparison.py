"""What each bucket is held against, read off a calendar."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import ZONES

from tallymark.core.clock import DAY, instant, moment
from tallymark.core.errors import InvalidQuery
from tallymark.insights.comparison import Compare, Comparison, compared
from tallymark.insights.ranges import Buckets, Dates, Interval, buckets, span_of

BERLIN = ZoneInfo("Europe/Berlin")


def cut_of(since: str, until: str, interval: Interval, zone: ZoneInfo = BERLIN) -> Buckets:
    return buckets(span_of(Dates(since=since, until=until), zone, 0), interval, zone)


def dates(found: Comparison, zone: ZoneInfo = BERLIN) -> list[str | None]:
    """Return the local start of the counterpart of each bucket."""
    return [
        None
        if number is None
        else moment(found.cut.edges[number]).astimezone(zone).strftime("%a %Y-%m-%d %H:%M")
        for number in found.counterparts
    ]


@pytest.mark.parametrize(
    ("since", "until", "interval", "how", "expected"),
    [
        ("2025-11-03", "2025-11-05", "day", "previous_period", ["Sat 2025-11-01 00:00", "Sun 2025-11-02 00:00"]),
        ("2025-10-27", "2025-10-28", "day", "previous_period", ["Sun 2025-10-26 00:00"]),
        ("2025-03-01", "2025-04-01", "month", "previous_period", ["Sat 2025-02-01 00:00"]),
        ("2025-03-01", "2025-05-01", "month", "previous_period", ["Wed 2025-01-01 00:00", "Sat 2025-02-01 00:00"]),
        ("2025-11-03", "2025-11-17", "week", "previous_period", ["Mon 2025-10-20 00:00", "Mon 2025-10-27 00:00"]),
        ("2025-11-05", "2025-11-06", "day", "same_weekdays", ["Wed 2025-10-29 00:00"]),
        ("2025-10-27", "2025-10-29", "day", "same_weekdays", ["Mon 2025-10-20 00:00", "Tue 2025-10-21 00:00"]),
        ("2025-11-01", "2025-11-03", "day", "previous_year", ["Fri 2024-11-01 00:00", "Sat 2024-11-02 00:00"]),
        ("2024-02-28", "2024-03-02", "day", "previous_year",
         ["Tue 2023-02-28 00:00", None, "Wed 2023-03-01 00:00"]),
        ("2025-02-28", "2025-03-02", "day", "previous_year", ["Wed 2024-02-28 00:00", "Fri 2024-03-01 00:00"]),
        ("2025-11-03", "2025-11-10", "week", "previous_year", ["Mon 2024-11-04 00:00"]),
        ("2025-01-01", "2025-03-01", "month", "previous_year", ["Mon 2024-01-01 00:00", "Thu 2024-02-01 00:00"]),
        ("2025-01-01", "2026-01-01", "year", "previous_year", ["Mon 2024-01-01 00:00"]),
    ],
)  # fmt: skip
def test_each_bucket_has_the_counterpart_the_calendar_gives(
    since: str, until: str, interval: Interval, how: Compare, expected: list[str | None]
) -> None:
    found = compared(cut_of(since, until, interval), how, interval, BERLIN, "monday")

    assert dates(found) == expected


def test_the_hour_that_only_autumn_has_meets_no_hour_of_a_week_before() -> None:
    cut = cut_of("2025-10-26", "2025-10-27", "hour")

    found = compared(cut, "same_weekdays", "hour", BERLIN, "monday")

    assert len(found.counterparts) == 25
    assert len(found.cut.edges) - 1 == 24
    assert dates(found)[2:5] == [
        "Sun 2025-10-19 02:00", "Sun 2025-10-19 02:00", "Sun 2025-10-19 03:00",
    ]  # fmt: skip


def test_weekdays_cannot_meet_by_month() -> None:
    with pytest.raises(InvalidQuery, match="Weekdays cannot be compared by month"):
        compared(cut_of("2025-01-01", "2025-03-01", "month"), "same_weekdays", "month", BERLIN, "monday")  # fmt: skip


days = st.dates(datetime(1990, 1, 1).date(), datetime(2030, 1, 1).date())  # noqa: DTZ001


@given(days, st.integers(1, 60), st.sampled_from(["hour", "day", "week"]), st.sampled_from(ZONES))
def test_the_earlier_range_never_overlaps_and_previous_period_touches(
    first: datetime, length: int, interval: Interval, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    cut = cut_of(str(first), str(first + timedelta(days=length)), interval, zone)

    for how in ("previous_period", "same_weekdays", "previous_year"):
        found = compared(cut, how, interval, zone, "monday")
        assert found.cut.span.until <= cut.span.since
        assert len(found.counterparts) == len(cut.edges) - 1
        if how == "previous_period":
            assert found.cut.span.until == cut.span.since


@given(days, st.integers(1, 60), st.sampled_from(ZONES))
def test_same_weekdays_meet_and_no_bucket_is_used_twice(
    first: datetime, length: int, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    cut = cut_of(str(first), str(first + timedelta(days=length)), "day", zone)

    found = compared(cut, "same_weekdays", "day", zone, "monday")

    used = [number for number in found.counterparts if number is not None]
    assert len(used) == len(set(used))
    for edge, number in zip(cut.edges, found.counterparts, strict=False):
        if number is not None:
            here = moment(edge).astimezone(zone).date()
            earlier = moment(found.cut.edges[number]).astimezone(zone).date()
            assert (here - earlier).days % 7 == 0


def test_a_range_inside_a_day_is_held_against_the_same_length_before() -> None:
    since = instant(datetime(2025, 11, 5, 10, tzinfo=UTC))
    cut = cut_of("2025-11-05T10:00:00Z", "2025-11-05T13:30:00Z", "hour")

    found = compared(cut, "previous_period", "hour", BERLIN, "monday")

    assert found.cut.span.since == since - 7 * DAY // 48
    assert found.counterparts == (0, 1, 2, 3)
