"""Retention, counted by hand and by an oracle in plain Python."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from msgspec.structs import replace
from tests.insights.asking import Store, ask, behind
from tests.insights.oracle import CONDITIONS
from tests.insights.retention_oracle import Oracle, assert_group
from tests.strategies import NOW, SINCE, UNTIL, ZONES, Link, Use, histories

from tallymark.core.clock import DAY, instant, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.retention import table

HOUR = DAY // 24
THREE_DAYS = {"since": "2025-10-24", "until": "2025-10-27"}
PRESETS = ["mixpanel", "amplitude", "posthog"]

# Ana opens twice on the day she signs up and once on the next; bo three days later; cy never.
SIGNUPS = [
    Use(name="signup", user="ana", time=SINCE + HOUR, properties={"plan": "pro"}),
    Use(name="open", user="ana", time=SINCE + 2 * HOUR, revenue=Decimal("2.50")),
    Use(name="open", user="ana", time=SINCE + 3 * HOUR, revenue=Decimal("0.25")),
    Use(name="open", user="ana", time=SINCE + DAY, revenue=Decimal(1)),
    Use(name="signup", user="bo", time=SINCE + HOUR, properties={"plan": "free"}),
    Use(name="open", user="bo", time=SINCE + 3 * DAY, revenue=Decimal(4)),
    Use(name="signup", user="cy", time=SINCE + 2 * DAY, properties={"plan": "pro"}),
]


def asked(store: Store, **question: Any) -> Any:
    basis = {"range": THREE_DAYS, "start": "signup", "returning": "open", "buckets": 4}
    return ask(store, "retention", **{**basis, **question})


def rows(data: Any, group: int = 0) -> dict[str, Any]:
    """Return what came back in each bucket, by cohort and for all."""
    found = {
        row.label: (row.people, [cell.returned for cell in row.cells])
        for row in data.groups[group].cohorts
    }
    overall = data.groups[group].overall
    return {**found, "all": [(cell.returned, cell.people) for cell in overall]}


def test_a_cell_is_the_people_of_the_cohort_who_came_back_in_the_bucket(store: Store) -> None:
    store.replace(SIGNUPS)

    found = asked(store)

    assert rows(found) == {
        "2025-10-24": (2, [1, 1, 0, 1]),
        "2025-10-25": (0, [0, 0, 0, 0]),
        "2025-10-26": (1, [0, 0, 0, 0]),
        "all": [(1, 3), (1, 3), (0, 3), (1, 3)],
    }
    assert [cell.rate for cell in found.groups[0].cohorts[0].cells] == [Decimal("0.5"), Decimal("0.5"), 0, Decimal("0.5")]  # fmt: skip
    assert found.groups[0].cohorts[1].cells[0].rate is None


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [("on", [1, 1, 0, 1]), ("on_or_after", [2, 2, 1, 1]), ("on_or_before", [1, 1, 1, 2]), ("streak", [1, 1, 0, 0])],
)  # fmt: skip
def test_each_criterion_says_who_is_retained(
    store: Store, criterion: str, expected: list[int]
) -> None:
    store.replace(SIGNUPS)

    assert rows(asked(store, criterion=criterion))["2025-10-24"] == (2, expected)


def test_brackets_are_buckets_of_several_days(store: Store) -> None:
    store.replace(SIGNUPS)

    found = asked(store, brackets=[1, 2, 4])

    assert [bucket.label for bucket in found.buckets] == ["day 0", "day 1–2", "day 3–6"]
    assert rows(found)["2025-10-24"] == (2, [1, 1, 1])


def test_a_rolling_day_is_24_hours_from_the_start_and_a_calendar_day_ends_at_midnight(
    store: Store,
) -> None:
    late = SINCE + DAY - HOUR // 4
    store.replace(
        [
            Use(name="signup", user="ana", time=late),
            Use(name="open", user="ana", time=late + HOUR // 2),
            Use(name="signup", user="bo", time=late),
            Use(name="open", user="bo", time=late + DAY),
            Use(name="signup", user="cy", time=late),
            Use(name="open", user="cy", time=late + DAY - 1),
        ]
    )

    assert rows(asked(store, clock="calendar"))["2025-10-24"] == (3, [0, 3, 0, 0])
    assert rows(asked(store, clock="rolling"))["2025-10-24"] == (3, [2, 1, 0, 0])


def test_a_calendar_day_of_25_hours_is_one_day(store: Store) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = instant(datetime(2025, 10, 25, 23, 59, tzinfo=berlin))
    last = instant(datetime(2025, 10, 26, 23, 59, tzinfo=berlin))
    store.replace([Use(name="signup", user="ana", time=start), Use(name="open", user="ana", time=last)])  # fmt: skip

    # From 23:59 to 23:59 these are 25 hours: the next day of the calendar, and past 24 hours.
    assert last - start == 25 * HOUR
    for clock in ("calendar", "rolling"):
        found = asked(store, timezone=berlin.key, clock=clock)
        assert rows(found)["2025-10-25"] == (1, [0, 1, 0, 0])


def test_what_happens_at_the_instant_of_the_start_is_no_return(store: Store) -> None:
    both = {"start": "open", "returning": "open"}
    store.replace(
        [Use(user="ana"), Use(user="bo"), Use(user="bo", time=SINCE + 1), Use(user="cy"), Use(user="cy")]
    )  # fmt: skip
    assert rows(asked(store, **both))["2025-10-24"] == (3, [1, 0, 0, 0])

    store.replace([Use(name="open", user="ana"), Use(name="signup", user="ana", time=SINCE + 1)])
    assert rows(asked(store))["2025-10-24"] == (1, [0, 0, 0, 0])


def test_the_first_that_matches_and_the_first_ever_are_two_options(store: Store) -> None:
    store.replace(
        [
            Use(user="ana", time=SINCE, properties={"plan": "free"}),
            Use(user="ana", time=SINCE + DAY, properties={"plan": "pro"}),
            Use(user="bo", time=SINCE + DAY, properties={"plan": "pro"}),
            Use(user="bo", time=SINCE + 2 * DAY, properties={"plan": "pro"}),
            Use(user="cy", time=SINCE - DAY, properties={"plan": "pro"}),
            Use(user="cy", time=SINCE + DAY, properties={"plan": "pro"}),
        ]
    )
    pro = {"event": "open", "filter": {"op": "equals", "field": "properties.plan", "value": "pro"}}

    def people(cohort: str) -> list[int]:
        found = asked(store, start=pro, returning="open", cohort=cohort)
        return [row.people for row in found.groups[0].cohorts]

    # Ana was free first; cy was there before the range.
    assert people("first_matching") == [0, 2, 0]
    assert people("first_ever") == [0, 1, 0]
    assert people("recurring") == [0, 3, 1]


def test_a_cell_that_is_not_over_is_marked_and_one_that_has_not_begun_is_no_zero(
    store: Store,
) -> None:
    # It is 4 November, shortly after midnight.
    store.replace([Use(name="signup", user=name, time=NOW - 2 * DAY) for name in ("ana", "bo")])

    found = asked(store, range="4d", criterion="on").groups[0]

    assert [(row.label, [cell.returned for cell in row.cells], [cell.is_complete for cell in row.cells])
            for row in found.cohorts] == [
        ("2025-11-01", [0, 0, 0, 0], [True, True, True, False]),
        ("2025-11-02", [0, 0, 0, None], [True, True, False, False]),
        ("2025-11-03", [0, 0, None, None], [True, False, False, False]),
        ("2025-11-04", [0, None, None, None], [False, False, False, False]),
    ]  # fmt: skip
    assert [(cell.returned, cell.people) for cell in found.overall] == [(0, 2), (0, 2), (0, 0), (None, 0)]  # fmt: skip
    assert found.cohorts[1].cells[3].rate is None


def test_all_is_weighted_by_people_over_complete_cells_only(store: Store) -> None:
    three = [Use(name="signup", user=f"a{n}", time=NOW - 3 * DAY) for n in range(3)]
    one = [Use(name="signup", user="b", time=NOW - 2 * DAY), Use(name="open", user="b", time=NOW - DAY)]  # fmt: skip
    fresh = [Use(name="signup", user="c", time=NOW - DAY), Use(name="open", user="c", time=NOW - 1)]
    store.replace([*three, *one, *fresh])

    overall = asked(store, range="5d").groups[0].overall

    # Day 1 of c is today: neither in the numerator nor in the denominator.
    assert (overall[1].returned, overall[1].people, overall[1].rate) == (1, 4, Decimal("0.25"))


def test_revenue_of_several_currencies_is_said_to_be_added_up(store: Store) -> None:
    def bought(day: int, currency: str) -> Use:
        return Use(user="ana", time=SINCE + day * DAY, revenue=Decimal(1), currency=currency)

    asked_for = {"measure": "sum", "of": "revenue"}
    euros = [Use(name="signup", user="ana"), bought(0, "EUR"), bought(1, "EUR")]
    store.replace(euros)
    alike = asked(store, **asked_for)
    store.replace([*euros, bought(2, "USD")])
    mixed = asked(store, **asked_for)

    assert alike.warnings == []
    assert mixed.warnings == [
        "Revenue of 2 currencies is added up; filter or break down by currency."
    ]


@pytest.mark.parametrize(
    ("measure", "criterion", "expected"),
    [
        ("sum", "on", [Decimal("2.75"), 1, 0, 4]),
        ("sum", "on_or_before", [Decimal("2.75"), Decimal("3.75"), Decimal("3.75"), Decimal("7.75")]),
        ("sum", "on_or_after", [Decimal("7.75"), 5, 4, 4]),
        ("per_person", "on_or_before", [Decimal("1.375"), Decimal("1.875"), Decimal("1.875"), Decimal("3.875")]),
        ("per_returning", "on", [Decimal("2.75"), 1, None, 4]),
    ],
)  # fmt: skip
def test_revenue_of_a_cohort_over_time_is_exact(
    store: Store, measure: str, criterion: str, expected: list[Any]
) -> None:
    store.replace(SIGNUPS)

    found = asked(store, measure=measure, of="revenue", criterion=criterion)

    assert [cell.value for cell in found.groups[0].cohorts[0].cells] == expected


def test_the_largest_numbers_add_up_exactly(store: Store) -> None:
    huge = Decimal("9999999999999999999999999999.999999999")
    store.replace(
        [
            Use(name="signup", user="ana"),
            *(Use(name="open", user="ana", time=SINCE + 1, value=value)
              for value in (huge, huge, huge.copy_negate(), Decimal("-0.000000001"), Decimal("-1.5"))),
        ]
    )  # fmt: skip

    cell = asked(store, measure="sum", of="value").groups[0].cohorts[0].cells[0]

    assert cell.value == Decimal("9999999999999999999999999998.499999998")


def test_a_breakdown_is_by_the_value_at_the_start_or_at_both(store: Store) -> None:
    store.replace([*SIGNUPS, Use(name="open", user="bo", time=SINCE + DAY, properties={"plan": "free"})])  # fmt: skip
    by = {"breakdown": ["properties.plan"]}

    start = asked(store, **by)
    both = asked(store, **by, breakdown_on="both")

    assert [(one.breakdown, one.people) for one in start.groups] == [(["pro"], 2), (["free"], 1)]
    assert rows(start, 0)["2025-10-24"] == (1, [1, 1, 0, 0])
    assert rows(start, 1)["2025-10-24"] == (1, [0, 1, 0, 1])
    assert rows(both, 0)["2025-10-24"] == (1, [0, 0, 0, 0])
    assert rows(both, 1)["2025-10-24"] == (1, [0, 1, 0, 0])


def test_cookieless_visitors_are_left_out_and_counted_only_if_asked_for(store: Store) -> None:
    visit = Use(name="signup", anonymous="d_a", is_cookieless=True)
    identified = Use(name="signup", user="ana", anonymous="d_c", is_cookieless=True)
    store.replace([visit, replace(visit, anonymous="d_b"), identified])

    without, with_them = asked(store), asked(store, include_cookieless=True)

    assert (without.groups[0].people, without.cookieless_left_out) == (1, 2)
    assert "2 cookieless visitors are left out" in without.warnings[-1]
    assert (with_them.groups[0].people, with_them.cookieless_left_out) == (3, 0)
    assert "seem never to come back" in with_them.warnings[-1]


def test_an_interval_is_given_where_people_are_independent_and_enough(store: Store) -> None:
    store.replace([Use(name="signup", user=f"u{n}") for n in range(5)] + [Use(name="open", user="u0", time=SINCE + 1)])  # fmt: skip

    first, recurring = asked(store).groups[0], asked(store, cohort="recurring").groups[0]

    # Wilson for 1 of 5, as published tables have it: 3.6 % to 62.4 %.
    interval = first.cohorts[0].cells[0].interval
    assert (round(interval.low, 3), round(interval.high, 3)) == (Decimal("0.036"), Decimal("0.624"))
    assert first.overall[0].interval == interval
    assert recurring.cohorts[0].cells[0].interval == interval
    assert recurring.overall[0].interval is None
    assert recurring.overall[0].state == "not_independent"
    assert first.cohorts[1].cells[0].interval is None


def test_somebody_in_two_cohorts_counts_twice_or_once_in_the_row_of_all(store: Store) -> None:
    store.replace([Use(user="ana", time=SINCE + day * DAY) for day in range(3)])
    question = {"start": "open", "returning": "open", "cohort": "recurring", "buckets": 2}

    weighted = asked(store, **question).groups[0]
    people = asked(store, **question, overall="people").groups[0]

    assert (weighted.people, weighted.overall[1].returned, weighted.overall[1].people) == (3, 2, 3)
    assert (people.people, people.overall[1].returned, people.overall[1].people) == (1, 1, 1)


def test_an_empty_range_has_cohorts_of_nobody(store: Store) -> None:
    store.replace([])

    found = asked(store)

    assert rows(found)["all"] == [(0, 0)] * 4
    assert asked(store, breakdown=["path"]).groups == []


def test_the_table_is_a_matrix_that_says_what_is_complete(store: Store) -> None:
    store.replace(SIGNUPS)

    found = table(asked(store, breakdown=["properties.plan"], top=1))

    assert found.columns == ("cohort", "properties.plan", "people", "day 0", "day 1", "day 2", "day 3", "complete")  # fmt: skip
    assert found.rows[0] == ("all", "pro", 2, Decimal("0.5"), Decimal("0.5"), 0, 0, 4)
    assert found.rows[4] == ("all", "Other", 1, 0, 0, 0, 1, 4)


# Rules that other tools document, with the examples of their documentation.


def test_mixpanel_counts_rolling_days_or_any_later_and_everybody_in_every_bucket(
    store: Store,
) -> None:
    # Monday 20:00 and Tuesday 06:00: day 1 of the calendar, but ten hours later.
    monday = instant(datetime(2025, 10, 20, 20, tzinfo=UTC))
    store.replace(
        [Use(name="open", user="ana", time=monday), Use(name="open", user="ana", time=monday + 10 * HOUR)]
    )  # fmt: skip
    week = {"range": {"since": "2025-10-20", "until": "2025-10-22"}, "start": "open", "returning": "open"}  # fmt: skip

    rolling = asked(store, semantics="mixpanel", **week)
    calendar = asked(store, semantics="mixpanel", clock="calendar", **week)

    assert (rolling.cohort, rolling.clock, rolling.criterion) == ("recurring", "rolling", "on_or_after")  # fmt: skip
    assert rows(rolling)["2025-10-20"] == (1, [1, 0, 0, 0])
    assert rows(rolling)["2025-10-21"] == (1, [0, 0, 0, 0])
    assert rows(calendar)["2025-10-20"] == (1, [1, 1, 0, 0])


def test_mixpanel_counts_the_start_towards_a_streak_of_the_same_event(store: Store) -> None:
    store.replace([Use(user="ana", time=SINCE + day * DAY) for day in (0, 1, 2)])

    same = asked(store, semantics="mixpanel", criterion="streak", start="open", returning="open")

    assert rows(same)["2025-10-24"] == (1, [1, 1, 1, 0])


@pytest.mark.parametrize(
    ("interval", "first", "then", "expected"),
    [
        # 5:59 pm is 5:00 pm, so that 5:00 pm of the next day is the 24th hour.
        ("day", datetime(2021, 12, 1, 17, 59, tzinfo=UTC), datetime(2021, 12, 2, 17, 0, tzinfo=UTC), 1),
        ("day", datetime(2021, 12, 1, 17, 59, tzinfo=UTC), datetime(2021, 12, 2, 16, 59, tzinfo=UTC), 0),
        # From 1 December, 1 to 7 December are week 0 and 8 to 14 December week 1.
        ("week", datetime(2021, 12, 1, 23, tzinfo=UTC), datetime(2021, 12, 7, 23, 59, tzinfo=UTC), 0),
        ("week", datetime(2021, 12, 1, 23, tzinfo=UTC), datetime(2021, 12, 8, 0, 1, tzinfo=UTC), 1),
        # A month is 30 days.
        ("month", datetime(2021, 12, 6, 12, tzinfo=UTC), datetime(2022, 1, 4, 23, 59, tzinfo=UTC), 0),
        ("month", datetime(2021, 12, 6, 12, tzinfo=UTC), datetime(2022, 1, 5, 0, 0, tzinfo=UTC), 1),
    ],
)  # fmt: skip
def test_amplitude_rounds_the_start_down_to_the_hour_or_the_day(
    store: Store, interval: str, first: datetime, then: datetime, expected: int
) -> None:
    store.replace([Use(name="signup", user="ana", time=instant(first)), Use(name="open", user="ana", time=instant(then))])  # fmt: skip

    found = asked(
        store, semantics="amplitude", criterion="on", interval=interval, buckets=2,
        range={"since": "2021-11-01", "until": "2022-01-31"},
    )  # fmt: skip

    back = [cell.returned for cell in found.groups[0].overall]
    assert back == [int(expected == 0), int(expected == 1)]


def test_amplitude_starts_several_clocks_and_counts_people_once_in_all(store: Store) -> None:
    # One return is day 1 of the second start and day 2 of the first.
    store.replace(
        [
            Use(name="signup", user="ana", time=SINCE),
            Use(name="signup", user="ana", time=SINCE + DAY),
            Use(name="open", user="ana", time=SINCE + 2 * DAY),
        ]
    )

    found = asked(store, semantics="amplitude", criterion="on")

    assert rows(found)["2025-10-24"] == (1, [0, 0, 1, 0])
    assert rows(found)["2025-10-25"] == (1, [0, 1, 0, 0])
    assert rows(found)["all"] == [(0, 1), (1, 1), (1, 1), (0, 1)]


def test_posthog_puts_everyone_in_period_0_and_breaks_down_by_the_value_of_both(
    store: Store,
) -> None:
    # The start in Chrome, the return in Firefox: not counted for Chrome.
    store.replace(
        [
            Use(name="signup", user="ana", properties={"plan": "chrome"}),
            Use(name="open", user="ana", time=SINCE + DAY, properties={"plan": "firefox"}),
        ]
    )

    whole = asked(store, semantics="posthog")
    broken = asked(store, semantics="posthog", breakdown=["properties.plan"])

    assert rows(whole)["2025-10-24"] == (1, [1, 1, 0, 0])
    assert [one.breakdown for one in broken.groups] == [["chrome"]]
    assert rows(broken)["2025-10-24"] == (1, [1, 0, 0, 0])


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({"measure": "sum"}, "of"),
        ({"of": "revenue"}, "of"),
        ({"measure": "sum", "of": "path"}, "of"),
        ({"measure": "sum", "of": "revenue", "criterion": "streak"}, "measure"),
        ({"bucket_zero": "everyone", "criterion": "on_or_before"}, "bucket_zero"),
        ({"semantics": "posthog", "criterion": "on_or_before"}, "bucket_zero"),
        ({"brackets": [400, 1]}, "brackets"),
        ({"breakdown": ["time"]}, "by"),
        ({"interval": "hour", "range": "300d", "buckets": 400}, "interval"),
    ],
)
def test_what_cannot_be_asked_is_refused(store: Store, question: Any, path: str) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery) as refused:
        asked(store, **question)

    assert refused.value.path == path


@pytest.mark.parametrize(
    "question",
    [{"semantics": "matomo"}, {"buckets": 0}, {"brackets": [0]}, {"interval": "minute"}, {"clock": "24h"}],
)  # fmt: skip
def test_an_unknown_shape_is_refused_when_read(store: Store, question: Any) -> None:
    with pytest.raises(ValidationError):
        asked(store, **question)


@pytest.mark.parametrize(
    ("place", "question"),
    [
        ({"cohort": 3}, {}),
        ({"cohort": 0, "bucket": 4}, {}),
        ({"bucket": 0}, {"cohort": "recurring"}),
        ({"cohort": 2, "bucket": 3}, {"range": "3d"}),
        ({"cohort": 0, "group": {"by": ["path"], "values": ["/"]}}, {}),
    ],
)
def test_nobody_is_behind_what_is_no_number_of_people(
    store: Store, place: Any, question: Any
) -> None:
    store.replace(SIGNUPS)
    whole = {"range": THREE_DAYS, "start": "signup", "returning": "open", "buckets": 4, **question}

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "people", behind={"insight": "retention", "question": whole, "place": place})

    assert str(refused.value.path).startswith("behind.place")


STEPS = st.fixed_dictionaries(
    {"event": st.sampled_from(["open", "buy", ["buy", "open file"], None])},
    optional={"filter": CONDITIONS},
)
RANGES = st.sampled_from(
    [
        (SINCE, UNTIL),
        (SINCE + 2 * DAY, SINCE + 9 * DAY),
        (SINCE + DAY + HOUR, SINCE + 5 * DAY + 1),
        (SINCE + 7 * DAY, UNTIL + 20 * DAY),
    ]
).map(lambda both: {"since": rfc3339(both[0]), "until": rfc3339(both[1])})
MEASURES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "measure": st.sampled_from(["sum", "per_person", "per_returning"]),
            "of": st.sampled_from(["value", "revenue", "properties.seats", "properties.mixed"]),
        }
    ),
)
QUESTIONS = st.builds(
    lambda plain, measure: {**plain, **measure},
    st.fixed_dictionaries(
        {
            "range": RANGES,
            "timezone": st.sampled_from(ZONES),
            "start": STEPS,
            "filter": st.none() | CONDITIONS,
            "interval": st.sampled_from(["hour", "day", "day", "week", "month"]),
            "week_start": st.sampled_from(["monday", "sunday"]),
            "buckets": st.integers(1, 9),
        },
        optional={
            "returning": STEPS,
            "semantics": st.sampled_from(PRESETS),
            "cohort": st.sampled_from(["first_matching", "first_ever", "recurring"]),
            "clock": st.sampled_from(["calendar", "rolling", "rounded"]),
            "criterion": st.sampled_from(["on", "on_or_after", "on_or_before", "streak"]),
            "bucket_zero": st.sampled_from(["after_start", "everyone"]),
            "overall": st.sampled_from(["weighted", "people"]),
            "brackets": st.lists(st.integers(1, 4), min_size=1, max_size=4),
        },
    ),
    MEASURES,
).filter(
    lambda asked: (
        not (asked.get("measure") and asked.get("criterion") == "streak")
        and not (
            asked.get("criterion") == "on_or_before"
            and (
                asked.get("bucket_zero")
                or ("everyone" if asked.get("semantics") == "posthog" else "")
            )
            == "everyone"
        )
    )
)
BY = st.lists(
    st.sampled_from(["path", "event", "properties.plan", "properties.beta", "properties.seats", "properties.nowhere"]),
    min_size=1, max_size=2, unique=True,
)  # fmt: skip


def some_cookieless(history: list[Use | Link]) -> list[Use | Link]:
    """Return the history with the television as a visitor whose id lasts a day."""
    return [
        replace(item, is_cookieless=True) if isinstance(item, Use) and item.anonymous == "tv" else item
        for item in history
    ]  # fmt: skip


HISTORIES = histories().map(some_cookieless)


@settings(max_examples=300)
@given(HISTORIES, QUESTIONS)
def test_every_cell_agrees_with_the_oracle_on_any_history(
    store: Store, history: Any, question: Any
) -> None:
    store.replace(history)

    found = ask(store, "retention", **question)

    oracle = Oracle(history, question)
    assert_group(oracle, found.groups[0], oracle.starts)


@settings(max_examples=60)
@given(HISTORIES, QUESTIONS, BY, st.integers(1, 3), st.sampled_from([None, "start", "both"]))
def test_every_group_agrees_with_the_oracle_on_any_history(
    store: Store, history: Any, question: Any, by: Any, top: int, on: str | None
) -> None:
    store.replace(history)
    question = {**question, "breakdown": by, **({"breakdown_on": on} if on else {})}

    found = ask(store, "retention", **question, top=top)

    oracle = Oracle(history, question)
    values = oracle.shown()
    assert [one.breakdown for one in found.groups if not one.is_other] == [list(one) for one in values[:top]]  # fmt: skip
    assert any(one.is_other for one in found.groups) == (len(values) > top)
    for group in found.groups:
        assert_group(
            oracle,
            group,
            [
                start
                for start in oracle.starts
                if (
                    start[4] in values[top:]
                    if group.is_other
                    else list(start[4]) == group.breakdown
                )
            ],
        )


@settings(max_examples=60)
@given(HISTORIES, QUESTIONS, BY, st.integers(1, 3), st.sampled_from([None, "both"]))
def test_the_groups_of_people_add_up_to_all_where_the_answer_says_so(
    store: Store, history: Any, question: Any, by: Any, top: int, on: str | None
) -> None:
    store.replace(history)
    whole = ask(store, "retention", **question)
    broken = {"breakdown": by, "top": top, **({"breakdown_on": on} if on else {})}
    parts = ask(store, "retention", **question, **broken)

    assert whole.sums_to_total
    is_each_once = parts.cohort != "recurring" or parts.overall == "weighted"
    assert parts.sums_to_total == (is_each_once and parts.breakdown_on == "start")
    (everybody,) = whole.groups
    for cohort, row in enumerate(everybody.cohorts):
        # In a cohort each is in one group, whatever the rules.
        assert row.people == sum(one.cohorts[cohort].people for one in parts.groups)
    if parts.sums_to_total:
        assert everybody.people == sum(one.people for one in parts.groups)
        for bucket, cell in enumerate(everybody.overall):
            some = [one.overall[bucket] for one in parts.groups]
            assert cell.people == sum(one.people for one in some)
            assert (cell.returned or 0) == sum(one.returned or 0 for one in some)


def test_who_starts_in_two_groups_is_marked_as_more_than_one_of_all(store: Store) -> None:
    store.replace(
        [
            Use(name="signup", user="ana", path=path, time=SINCE + day * DAY)
            for day, path in enumerate(["/a", "/b"])
        ]
    )
    twice = {"cohort": "recurring", "overall": "people"}

    found = asked(store, breakdown=["path"], **twice)

    assert [one.people for one in found.groups] == [1, 1]
    assert asked(store, **twice).groups[0].people == 1
    assert not found.sums_to_total
    assert asked(store, breakdown=["path"], cohort="recurring").sums_to_total


@given(HISTORIES, QUESTIONS, BY, st.integers(1, 2), st.data())
def test_the_people_behind_every_number_are_as_many_as_it_says(
    store: Store, history: Any, question: Any, by: Any, top: int, data: st.DataObject
) -> None:
    store.replace(history)
    is_broken = data.draw(st.booleans()) and "properties.seats" not in by
    question = {**question, "interval": "week", **({"breakdown": by, "top": top} if is_broken else {})}  # fmt: skip
    found = ask(store, "retention", **question)
    shown = [one.breakdown for one in found.groups if not one.is_other]

    def listed(group: Any, **place: Any) -> int:
        if is_broken:
            place["group"] = {"by": by, **({"other_than": shown} if group.is_other else {"values": group.breakdown})}  # fmt: skip
        return behind(store, "retention", question, place)

    for group in found.groups:
        cohort = data.draw(st.integers(0, len(group.cohorts) - 1))
        bucket = data.draw(st.integers(0, len(group.overall) - 1))
        row, cell, overall = group.cohorts[cohort], group.cohorts[cohort].cells[bucket], group.overall[bucket]  # fmt: skip
        assert listed(group, cohort=cohort) == row.people
        if cell.returned is not None:
            assert listed(group, cohort=cohort, bucket=bucket) == cell.returned
            gone = listed(group, cohort=cohort, bucket=bucket, returned=False)
            assert gone == row.people - cell.returned
        if found.cohort == "recurring" and found.overall == "weighted":
            continue
        assert listed(group) == group.people
        assert listed(group, bucket=bucket) == (overall.returned or 0)
        gone = listed(group, bucket=bucket, returned=False)
        assert gone == overall.people - (overall.returned or 0)


@settings(max_examples=50)
@given(HISTORIES, QUESTIONS)
def test_who_comes_back_on_or_after_a_bucket_never_grows_and_on_or_before_never_shrinks(
    store: Store, history: Any, question: Any
) -> None:
    store.replace(history)
    plain = {name: value for name, value in question.items() if name not in {"measure", "of", "semantics", "bucket_zero"}}  # fmt: skip

    def cells(criterion: str) -> list[list[int]]:
        found = ask(store, "retention", **{**plain, "criterion": criterion})
        return [[cell.returned for cell in row.cells if cell.returned is not None] for row in found.groups[0].cohorts]  # fmt: skip

    for after, before, on, streak in zip(*map(cells, ("on_or_after", "on_or_before", "on", "streak")), strict=True):  # fmt: skip
        assert after == sorted(after, reverse=True)
        assert before == sorted(before)
        assert streak == sorted(streak, reverse=True)
        assert all(one <= both for one, both in zip(on, before, strict=True))
        assert all(one <= both for one, both in zip(on, after, strict=True))


def test_an_hour_is_an_interval_too(store: Store) -> None:
    store.replace(
        [
            Use(name="signup", user="ana", time=SINCE + HOUR // 2),
            Use(name="open", user="ana", time=SINCE + HOUR),
            Use(name="open", user="ana", time=SINCE + 2 * HOUR + HOUR // 2),
        ]
    )
    hours = {"interval": "hour", "range": {"since": rfc3339(SINCE), "until": rfc3339(SINCE + HOUR)}}

    assert rows(asked(store, **hours))["2025-10-24T00:00+00:00"] == (1, [0, 1, 1, 0])
    assert rows(asked(store, **hours, clock="rolling"))["2025-10-24T00:00+00:00"] == (1, [1, 0, 1, 0])  # fmt: skip
