"""Trends that reach beyond a bucket: windows of days, running numbers, moving averages."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, chosen_uses, people_of
from tests.insights.test_trends import assert_is, number
from tests.strategies import NOW, SINCE, UNTIL, ZONES, Link, Use, histories

from tallymark.core.clock import DAY, instant, moment, rfc3339
from tallymark.core.errors import InvalidQuery

HOUR = DAY // 24
FOUR_DAYS = {"since": "2025-10-27", "until": "2025-10-31"}


def day(number: int, hour: int = 12) -> int:
    """Return an instant of a day of October 2025."""
    return instant(datetime(2025, 10, number, hour, tzinfo=UTC))


# Ana is there on Friday the 24th, Monday and Tuesday; Bo on Tuesday; Cy on Thursday.
WEEK: list[Use | Link] = [
    Use(user="ana", time=day(24)),
    Use(anonymous="phone", time=day(27)),
    Use(user="ana", time=day(28)),
    Use(user="bo", time=day(28)),
    Use(user="bo", time=day(28)),
    Use(user="cy", time=day(30)),
    Use(user="crawler", time=day(29), is_bot=True),
    Link("phone", "ana"),
]


def values(store: Store, **question: Any) -> list[Any]:
    return [line.values for line in ask(store, "trends", **{"range": FOUR_DAYS, **question}).lines]


def people(**more: Any) -> dict[str, Any]:
    return {"measure": "unique_people", **more}


def test_three_days_count_everybody_once_who_was_there_on_any_of_them(store: Store) -> None:
    store.replace(WEEK)

    found = ask(store, "trends", range=FOUR_DAYS, series=[people(window="3d"), people()])

    # Monday: Ana. Tuesday and Wednesday: Ana and Bo. Thursday: Ana and Bo of Tuesday, and Cy.
    assert [line.values for line in found.lines] == [[1, 2, 2, 3], [1, 2, 0, 1]]
    assert [line.total for line in found.lines] == [3, 3]
    monday = found.lines[0].windows[0]
    assert (monday.since, monday.until) == ("2025-10-25T00:00:00Z", "2025-10-28T00:00:00Z")
    assert found.lines[1].windows is None


def test_a_window_reaches_back_before_the_range_but_not_beyond_its_end(store: Store) -> None:
    store.replace([*WEEK, Use(user="dee", time=day(31))])

    found = ask(store, "trends", range=FOUR_DAYS, series=[people(window="week")])

    # The calendar week of all four days goes on until Sunday; the range ends with Thursday.
    assert found.lines[0].values == [3, 3, 3, 3]
    assert [one.until for one in found.lines[0].windows] == ["2025-10-31T00:00:00Z"] * 4
    assert [one.is_incomplete for one in found.lines[0].windows] == [True] * 4
    assert values(store, series=[people(window="4d")])[0][0] == 1


def test_active_people_of_a_month_are_those_of_thirty_days_and_twenty_eight_in_ga4(
    store: Store,
) -> None:
    store.replace([Use(user="ana", time=day(1)), Use(user="bo", time=day(3))])
    asked = {"range": {"since": "2025-10-30", "until": "2025-10-31"}}
    series = [people(window=window) for window in ("dau", "wau", "mau", "30d")]

    assert values(store, **asked, series=series) == [[0], [0], [2], [2]]
    assert values(store, **asked, series=series, semantics="mixpanel") == [[0], [0], [2], [2]]
    # From 3 October on; what is given in days stays what it is.
    assert values(store, **asked, series=series, semantics="ga4") == [[0], [0], [1], [2]]


def test_a_month_of_mixpanel_is_the_thirty_days_that_end_with_it(store: Store) -> None:
    december = {"since": "2024-12-01", "until": "2025-01-01"}
    first = instant(datetime(2024, 12, 1, 12, tzinfo=UTC))
    store.replace([Use(user="ana", time=first), Use(user="bo", time=first + DAY)])
    asked = {"range": december, "interval": "month"}

    found = ask(store, "trends", **asked, series=[people(window="mau")], semantics="mixpanel")
    calendar = ask(store, "trends", **asked, series=[people(), people(window="month")])

    assert found.lines[0].windows[0].since == "2024-12-02T00:00:00Z"
    assert (found.lines[0].values, found.lines[0].total) == ([1], 2)
    assert [line.values for line in calendar.lines] == [[2], [2]]


def test_a_window_of_posthog_has_the_midnight_that_ends_it_and_not_the_first(store: Store) -> None:
    monday, next_monday = day(20, 0), day(27, 0)
    store.replace([Use(user="ana", time=monday), Use(user="bo", time=next_monday)])
    asked = {
        "range": {"since": "2025-10-26", "until": "2025-10-27"},
        "series": [people(window="wau")],
    }

    assert values(store, **asked) == [[1]]
    assert values(store, **asked, semantics="posthog") == [[1]]
    ours = ask(
        store, "people", behind={"insight": "trends", "question": asked, "place": {"bucket": 0}}
    )
    theirs = {**asked, "semantics": "posthog"}
    found = ask(
        store, "people", behind={"insight": "trends", "question": theirs, "place": {"bucket": 0}}
    )
    assert [one.user_ids for one in (*ours.people, *found.people)] == [["ana"], ["bo"]]


def test_of_a_month_that_is_not_over_the_last_thirty_days_are_those_up_to_today(
    store: Store,
) -> None:
    store.replace([Use(user="ana", time=NOW - 29 * DAY), Use(user="bo", time=NOW - 30 * DAY)])

    found = ask(
        store, "trends", range="this_month", interval="month", series=[people(window="mau")]
    )

    window = found.lines[0].windows[0]
    assert (window.since, window.until) == ("2025-10-06T00:00:00Z", "2025-11-05T00:00:00Z")
    assert window.is_incomplete
    assert found.lines[0].values == [1]


def test_a_day_with_a_clock_change_is_one_day_of_a_window(store: Store) -> None:
    # In Berlin 26 October has 25 hours: from 22:00 of the 25th to 23:00 of the 26th in UTC.
    first, last = day(25, 22), day(26, 23) - 1
    store.replace(
        [Use(user="ana", time=first), Use(user="bo", time=last), Use(user="cy", time=first - 1)]
    )
    asked = {"range": {"since": "2025-10-27", "until": "2025-10-28"}, "timezone": "Europe/Berlin"}

    assert values(store, **asked, series=[people(window="2d"), people(window="3d")]) == [[2], [3]]


def test_running_people_are_counted_on_the_day_they_come_first(store: Store) -> None:
    store.replace(WEEK)
    series = [people(cumulative=True), {"cumulative": True}]

    found = ask(store, "trends", range=FOUR_DAYS, series=series)

    assert [line.values for line in found.lines] == [[1, 2, 2, 3], [1, 4, 4, 5]]
    assert [line.total for line in found.lines] == [3, 5]


def test_a_running_average_is_of_all_so_far_and_none_before_the_first(store: Store) -> None:
    store.replace([Use(value=Decimal(2), time=day(28)), Use(value=Decimal(5), time=day(30))])
    averages = {"of": "value", "cumulative": True}

    found = values(store, series=[{"measure": m, **averages} for m in ("avg", "sum", "min", "max")])

    assert found == [[None, 2, 2, Decimal("3.5")], [0, 2, 2, 7], [None, 2, 2, 2], [None, 2, 2, 5]]


def test_a_moving_average_starts_with_whole_buckets_before_the_range(store: Store) -> None:
    store.replace(WEEK)

    found = ask(store, "trends", range=FOUR_DAYS, series=[{"moving_average": 3}, {}])

    # Saturday 0, Sunday 0, then 1, 3, 0, 1.
    third = Decimal("0.333333333")
    assert found.lines[0].values == [third, 1 + third, 1 + third, 1 + third]
    assert found.lines[0].total is None
    assert found.lines[1].values == [1, 3, 0, 1]


def test_a_day_that_is_not_over_is_never_averaged_in(store: Store) -> None:
    store.replace([Use(time=NOW - DAY), Use(time=NOW)])

    found = ask(store, "trends", range="2d", series=[{"moving_average": 2}])

    assert found.lines[0].values == [Decimal("0.5"), None]


def test_how_far_all_series_reach_may_be_said_once(store: Store) -> None:
    store.replace(WEEK)

    found = ask(store, "trends", range=FOUR_DAYS, series=[people(), people(cumulative=True)],
                window="3d", formulas=["A / B"])  # fmt: skip

    assert [line.label for line in found.lines] == [
        "unique people: any event (3d)", "unique people: any event (cumulative)", "A / B",
    ]  # fmt: skip
    assert found.lines[2].values == [1, 1, 1, 1]


def test_a_window_is_compared_with_the_window_before(store: Store) -> None:
    store.replace(WEEK)

    found = ask(store, "trends", range=FOUR_DAYS, series=[people(window="4d")], compare="previous_period")  # fmt: skip

    assert found.lines[0].values == [1, 2, 2, 3]
    assert found.lines[0].compared_values == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({"window": "0d"}, "window"),
        ({"window": "367d"}, "window"),
        ({"window": "fortnight"}, "window"),
        ({"window": "7d", "interval": "hour"}, "interval"),
        ({"window": "7d", "cumulative": True}, "series[0]"),
        ({"series": [{"measure": "p95", "of": "value", "window": "7d"}]}, "series[0]"),
        ({"series": [{"measure": "per_person", "cumulative": True}]}, "series[0]"),
        ({"semantics": "ga4"}, "semantics"),
        ({"semantics": "ga4", "window": "28d"}, "semantics"),
        ({"window": "7d", "range": "10y"}, "range"),
    ],
)
def test_what_cannot_reach_is_refused_with_the_place(
    store: Store, question: Any, path: str
) -> None:
    store.replace(WEEK)

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "trends", **question)

    assert refused.value.path == path


@pytest.mark.parametrize("tool", ["amplitude", "matomo", "plausible"])
def test_a_tool_without_a_documented_rule_is_refused(store: Store, tool: str) -> None:
    with pytest.raises(ValidationError):
        ask(store, "trends", window="mau", semantics=tool)


def test_nobody_is_behind_a_mean_of_several_numbers(store: Store) -> None:
    store.replace(WEEK)
    asked = {"moving_average": 2, "series": [people()]}

    with pytest.raises(InvalidQuery, match="several numbers"):
        ask(store, "people", behind={"insight": "trends", "question": asked})


# The oracle.

ADDED = ("count", "unique_people", "unique_accounts", "sessions", "sum", "avg", "min", "max")
MEASURED = ("sum", "avg", "min", "max")


def local(use: Use, zone: ZoneInfo) -> date:
    return moment(use.time).astimezone(zone).date()


def window_days(window: str, last: date, week_start: str) -> tuple[date, date]:
    """Return the first and the last local day of a window that ends with, or holds, a day."""
    if window == "week":
        first = last
        while f"{first:%A}".lower() != week_start:
            first -= timedelta(days=1)
        return first, first + timedelta(days=6)
    if window == "month":
        following = (last.replace(day=1) + timedelta(days=40)).replace(day=1)
        return last.replace(day=1), following - timedelta(days=1)
    if window == "quarter":
        first = date(last.year, {1: 1, 2: 4, 3: 7, 4: 10}[-(-last.month // 3)], 1)
        following = (first + timedelta(days=100)).replace(day=1)
        return first, following - timedelta(days=1)
    if window == "year":
        return date(last.year, 1, 1), date(last.year, 12, 31)
    return last - timedelta(days=int(window.removesuffix("d")) - 1), last


@settings(max_examples=300)
@given(
    histories(),
    st.sampled_from(ADDED),
    st.sampled_from(["1d", "2d", "3d", "7d", "100d", "week", "month", "quarter", "year"]),
    st.none() | CONDITIONS,
    st.sampled_from(ZONES),
    st.integers(0, 11 * 24),
    st.booleans(),
    st.sampled_from(["monday", "sunday"]),
)
def test_windows_agree_with_the_oracle_on_any_history(
    store: Store, history: Any, measure: str, window: str, chosen: Any, zone_name: str, start: int,
    by_path: bool, week_start: str,
) -> None:  # fmt: skip
    store.replace(history)
    zone = ZoneInfo(zone_name)
    since = SINCE + start * HOUR
    of = {"of": "value"} if measure in MEASURED else {}
    asked = {
        "range": {"since": rfc3339(since), "until": rfc3339(UNTIL)}, "timezone": zone_name,
        "filter": chosen, "series": [{"measure": measure, "window": window, **of}],
        "breakdown": ["path"] if by_path else [], "top": 2, "week_start": week_start,
    }  # fmt: skip

    answer = ask(store, "trends", **asked)

    ever = chosen_uses(history, SINCE - 400 * DAY, UNTIL, filters=(chosen,))
    shown = [line.breakdown for line in answer.lines if not line.is_other]
    for line in answer.lines:
        mine = [
            use
            for use in ever
            if not by_path
            or (line.is_other and [use.path] not in shown)
            or (not line.is_other and [use.path] == line.breakdown)
        ]
        for bucket, value in zip(answer.buckets, line.values, strict=True):
            # The label of a day is its local date.
            first, last = window_days(window, date.fromisoformat(bucket.label), week_start)
            those = [use for use in mine if first <= local(use, zone) <= last]
            assert_is(measure, value, number(measure, "value", those, history))
        those = [use for use in mine if use.time >= since]
        assert_is(measure, line.total, number(measure, "value", those, history))


@settings(max_examples=100)
@given(
    histories(), st.sampled_from(ADDED), st.sampled_from(["hour", "day", "week"]),
    st.sampled_from(ZONES), st.booleans(),
)  # fmt: skip
def test_running_numbers_agree_with_the_same_question_of_the_range_up_to_there(
    store: Store, history: Any, measure: str, interval: str, zone: str, by_path: bool
) -> None:
    store.replace(history)
    of = {"of": "value"} if measure in MEASURED else {}
    asked = {
        "range": {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}, "timezone": zone,
        "interval": interval, "series": [{"measure": measure, "cumulative": True, **of}],
        "breakdown": ["path"] if by_path else [], "top": 9,
    }  # fmt: skip

    answer = ask(store, "trends", **asked)

    ever = chosen_uses(history, SINCE, UNTIL)
    for line in answer.lines:
        mine = [use for use in ever if not by_path or [use.path] == line.breakdown]
        for bucket, value in zip(answer.buckets, line.values, strict=True):
            until = instant(datetime.fromisoformat(bucket.until))
            those = [use for use in mine if use.time < until]
            assert_is(measure, value, number(measure, "value", those, history))
        assert_is(measure, line.total, number(measure, "value", mine, history))


@settings(max_examples=100)
@given(
    histories(), st.sampled_from(["count", "unique_people", "avg", "median", "per_person"]),
    st.integers(2, 5), st.sampled_from(["hour", "day", "week"]), st.sampled_from(ZONES),
)  # fmt: skip
def test_a_moving_average_is_the_mean_of_the_numbers_of_its_buckets(
    store: Store, history: Any, measure: str, width: int, interval: str, zone: str
) -> None:
    store.replace(history)
    series = {"measure": measure, **({"of": "value"} if measure in {"avg", "median"} else {})}
    asked = {"timezone": zone, "interval": interval}
    part = {"since": rfc3339(SINCE + 5 * DAY), "until": rfc3339(UNTIL - DAY // 2)}
    whole = {"since": rfc3339(SINCE - 40 * DAY), "until": rfc3339(UNTIL - DAY // 2)}

    found = ask(store, "trends", range=part, series=[{**series, "moving_average": width}], **asked)
    plain = ask(store, "trends", range=whole, series=[series], **asked)

    places = {bucket.label: place for place, bucket in enumerate(plain.buckets)}
    for bucket, value in zip(found.buckets, found.lines[0].values, strict=True):
        place = places[bucket.label]
        known = [
            Fraction(one) for one in plain.lines[0].values[place - width + 1 : place + 1] if one is not None
        ]  # fmt: skip
        if plain.buckets[place].is_incomplete or not known:
            assert value is None
        else:
            assert_is("avg", value, sum(known, Fraction(0)) / len(known))


@settings(max_examples=60)
@given(
    histories(), st.sampled_from([{"window": "3d"}, {"window": "week"}, {"cumulative": True}, {}]),
    st.sampled_from(ZONES), st.integers(0, 11),
)  # fmt: skip
def test_as_many_people_are_behind_a_number_as_it_says(
    store: Store, history: Any, reach: Any, zone: str, place: int
) -> None:
    store.replace(history)
    asked = {
        "range": {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}, "timezone": zone,
        "series": [people(**reach)],
    }  # fmt: skip

    line = ask(store, "trends", **asked).lines[0]

    for bucket, expected in ((place, line.values[place]), (None, line.total)):
        behind = {"insight": "trends", "question": asked, "place": {"bucket": bucket}}
        found = ask(store, "people", behind=behind)
        assert (found.total, len(found.people)) == (expected, expected)
    assert line.total == len(people_of(history, chosen_uses(history, SINCE, UNTIL)))
