"""Funnels, counted by hand, one try at a time, and over all chains there can be."""

from bisect import bisect_right
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from msgspec.structs import replace
from tests.insights import funnel_oracle as oracle
from tests.insights.asking import Store, ask
from tests.insights.oracle import value_of
from tests.strategies import LINKS, NOW, PLAN, SINCE, UNTIL, ZONES, Link, Use, histories

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.funnels import table
from tallymark.insights.numbers import ratio
from tallymark.insights.ranges import Span, buckets

HOUR = DAY // 24
MINUTE = HOUR // 60
SECOND = MINUTE // 60
DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}


def bars(store: Store, *steps: Any, **question: Any) -> list[int]:
    found = ask(store, "funnels", **{"range": DAYS, "steps": steps, **question})
    return [step.count for step in found.total.steps]


# The example in Mixpanel's documentation: within one hour, does A lead to B and to C?
GOLDEN = [
    Use(name=name, user="ana", time=SINCE + minute * MINUTE)
    for minute, name in ((780, "a"), (810, "a"), (825, "b"), (855, "c"))
]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, [1, 1, 1]),
        ({"attempt": "any"}, [1, 1, 1]),
        ({"attempt": "first"}, [1, 1, 0]),
        ({"semantics": "mixpanel"}, [1, 1, 0]),
        ({"semantics": "mixpanel", "attempt": "any"}, [1, 1, 1]),
        ({"semantics": "posthog"}, [1, 1, 1]),
        ({"semantics": "amplitude"}, [1, 1, 1]),
        ({"semantics": "umami"}, [1, 1, 1]),
        ({"semantics": "plausible", "by": "person"}, [1, 1, 1]),
    ],
)
def test_the_golden_example_converts_as_each_tool_documents(
    store: Store, question: Any, expected: list[int]
) -> None:
    store.replace(GOLDEN)

    assert bars(store, "a", "b", "c", window="60min", **question) == expected


def at(minute: float, name: str, user: str | None = "ana", **use: Any) -> Use:
    return Use(time=SINCE + int(minute * MINUTE), name=name, user=user, **use)


def test_the_window_includes_its_last_instant_and_not_the_next(store: Store) -> None:
    store.replace(
        [at(0, "a"), at(60, "b"), at(0, "a", "bo"), Use(time=SINCE + HOUR + 1, name="b", user="bo")]
    )

    assert bars(store, "a", "b", window="60min") == [2, 1]
    assert bars(store, "a", "b", window="60min", window_from="previous_step") == [2, 1]


def test_one_enters_in_the_range_and_may_convert_after_it(store: Store) -> None:
    store.replace(
        [Use(time=SINCE - 1, name="a", user="early"), Use(time=SINCE, name="b", user="early"),
         Use(time=UNTIL - 1, name="a", user="ana"), Use(time=UNTIL + DAY - 1, name="b", user="ana"),
         Use(time=UNTIL, name="a", user="late")]
    )  # fmt: skip

    assert bars(store, "a", "b", window="1d") == [1, 1]


def test_an_event_is_one_step_of_a_try_even_where_it_could_be_two(store: Store) -> None:
    store.replace([at(0, "a"), at(0, "a", "bo"), at(1, "a", "bo")])

    for order in ("ordered", "strict", "any"):
        assert bars(store, "a", "a", order=order) == [2, 1]
        assert bars(store, "a", "a", "a", order=order, tie_tolerance="1min") == [2, 1, 0]


def test_of_three_equal_events_the_last_two_may_be_the_try(store: Store) -> None:
    store.replace([at(0, "a"), at(60, "a"), at(70, "a")])

    for order in ("ordered", "strict", "any"):
        assert bars(store, "a", "a", window="30min", order=order) == [1, 1]


def test_a_late_merge_makes_one_try_of_two_ids(store: Store) -> None:
    store.replace([at(0, "a", None, anonymous="phone"), at(1, "b"), Link("phone", "ana")])

    assert bars(store, "a", "b") == [1, 1]


def test_robots_and_nobody_go_through_no_funnel(store: Store) -> None:
    store.replace([at(0, "a", None), at(0, "a", "crawler", is_bot=True), at(0, "a")])

    assert bars(store, "a", "b") == [1, 0]
    assert bars(store, "a", "b", include_bots=True) == [2, 0]


def test_strict_order_is_broken_by_any_other_event_in_between(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "x"), at(2, "b"), at(0, "a", "bo"), at(1, "b", "bo")])

    assert bars(store, "a", "b", order="ordered") == [2, 2]
    assert bars(store, "a", "b", order="strict") == [2, 1]
    only_steps = {"op": "in", "field": "event", "values": ["a", "b"]}
    assert bars(store, "a", "b", order="strict", filter=only_steps) == [2, 2]


def test_in_any_order_a_bar_is_how_many_did_so_many_of_the_steps(store: Store) -> None:
    store.replace([at(0, "c"), at(1, "a"), at(2, "b"), at(0, "b", "bo"), at(1, "c", "bo"), at(1, "b", "cy")])  # fmt: skip

    found = ask(store, "funnels", range=DAYS, steps=["a", "b", "c"], order="any").total

    assert [(bar.label, bar.count) for bar in found.steps] == [
        ("1 of 3", 3), ("2 of 3", 2), ("3 of 3", 1),
    ]  # fmt: skip


def test_in_any_order_an_event_that_could_be_two_steps_is_the_rarer_one(store: Store) -> None:
    pricing = {"event": "view", "filter": {"op": "equals", "field": "path", "value": "/a"}}
    store.replace([at(0, "view", path="/a"), at(1, "view", path="/")])

    assert bars(store, "view", pricing, order="any") == [1, 1]


def test_an_optional_step_stops_nobody_and_counts_who_did_it(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "b"), at(2, "c"), at(0, "a", "bo"), at(1, "c", "bo"), at(2, "b", "bo"), at(0, "a", "cy")])  # fmt: skip

    found = ask(store, "funnels", range=DAYS, window="1d", steps=["a", {"event": "b", "optional": True}, "c"]).total  # fmt: skip

    assert [(bar.count, bar.dropped, bar.of_previous) for bar in found.steps] == [
        (3, 0, 1), (1, 2, Decimal("0.333333333")), (2, 1, Decimal("0.666666667")),
    ]  # fmt: skip


def test_events_of_one_instant_are_in_order_of_arrival_unless_tied(store: Store) -> None:
    store.replace([at(0, "b"), at(0, "a"), at(5, "c")])

    assert bars(store, "a", "b", "c") == [1, 0, 0]
    assert bars(store, "a", "b", "c", tie_tolerance="0s") == [1, 1, 1]
    assert bars(store, "a", "b", "c", semantics="posthog") == [1, 1, 1]


def test_within_the_tolerance_of_amplitude_and_mixpanel_either_order_will_do(store: Store) -> None:
    store.replace(
        [Use(time=SINCE, name="b", user="one"), Use(time=SINCE + SECOND, name="a", user="one"),
         Use(time=SINCE, name="b", user="two"), Use(time=SINCE + 2 * SECOND, name="a", user="two"),
         Use(time=SINCE, name="b", user="six"), Use(time=SINCE + 2 * SECOND + 1, name="a", user="six")]
    )  # fmt: skip

    assert bars(store, "a", "b") == [3, 0]
    assert bars(store, "a", "b", semantics="amplitude") == [3, 1]
    assert bars(store, "a", "b", semantics="mixpanel") == [3, 2]


def test_amplitude_lets_another_event_of_the_same_second_not_break_exact_order(
    store: Store,
) -> None:
    store.replace([at(0, "a"), Use(time=SINCE + SECOND // 2, name="x", user="ana"), at(1, "b")])

    assert bars(store, "a", "b", order="strict") == [1, 0]
    assert bars(store, "a", "b", order="strict", semantics="amplitude") == [1, 1]


# Documented by Mixpanel: A, A, A, B in a funnel from A to B that excludes A has two entries and one
# conversion, because who is excluded may enter again with the next A.
EXCLUDED = [at(0, "a"), at(1, "a"), at(2, "a"), at(3, "b")]


def test_mixpanels_example_of_an_exclusion_has_two_entries_and_one_conversion(store: Store) -> None:
    store.replace(EXCLUDED)
    exclude = {"exclusions": [{"event": "a"}], "semantics": "mixpanel"}

    assert bars(store, "a", "b", count="totals", **exclude) == [2, 1]
    assert bars(store, "a", "b", count="uniques", **exclude) == [1, 0]
    assert bars(store, "a", "b", count="uniques", attempt="any", **exclude) == [1, 1]


def test_who_is_excluded_drops_off_there_or_is_removed(store: Store) -> None:
    store.replace(
        [at(0, "a"), at(1, "b"), at(2, "x"), at(3, "c"), at(0, "a", "bo"), at(1, "b", "bo"),
         at(2, "c", "bo"), at(3, "x", "bo"), at(0, "a", "cy"), at(1, "x", "cy")]
    )  # fmt: skip
    between = {"exclusions": [{"event": "x", "after": 2, "before": 3}]}

    off = ask(store, "funnels", range=DAYS, steps=["a", "b", "c"], **between)
    removed = ask(
        store, "funnels", range=DAYS, steps=["a", "b", "c"], semantics="posthog", **between
    )

    assert [bar.count for bar in off.total.steps] == [3, 2, 1]
    assert ([bar.count for bar in removed.total.steps], removed.removed) == ([2, 1, 1], 1)


def test_a_clean_try_that_comes_as_far_saves_who_was_excluded(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "x"), at(2, "b"), at(10, "a"), at(11, "b")])

    assert bars(store, "a", "b", exclusions=[{"event": "x"}], on_exclusion="drop_actor") == [1, 1]


def test_a_value_held_constant_must_be_that_of_all_steps(store: Store) -> None:
    store.replace([at(0, "a", path="/"), at(1, "b", path="/a"), at(2, "a", path="/a"),
                   at(3, "b", path="/a"), at(4, "a"), at(5, "b")])  # fmt: skip

    assert bars(store, "a", "b", hold_constant=["path"]) == [1, 1]
    # Mixpanel holds the value of the first entry, and Amplitude counts pairs of user and value.
    assert bars(store, "a", "b", hold_constant=["path"], semantics="mixpanel") == [1, 0]
    assert bars(store, "a", "b", hold_constant=["path"], semantics="amplitude") == [2, 1]


def test_totals_count_every_try_and_one_conversion_once(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "a"), at(2, "b"), at(3, "a"), at(4, "b"), at(5, "a")])

    assert bars(store, "a", "b", count="totals") == [3, 2]
    # One after the other: from 0 to 2, from 3 to 4, from 5 on.
    assert bars(store, "a", "b", count="totals", attempt="first") == [3, 2]
    assert bars(store, "a", "b") == [1, 1]


def test_mixpanels_scenarios_of_reentry(store: Store) -> None:
    store.replace([at(0, "a"), at(50, "a"), at(70, "b")])

    first = {"count": "totals", "semantics": "mixpanel", "window": "60min"}
    assert bars(store, "a", "b", **first) == [1, 0]
    assert bars(store, "a", "b", attempt="any", **first) == [2, 1]


def test_accounts_and_sessions_go_through_funnels_too(store: Store) -> None:
    store.replace([at(0, "a", account="acme", session="s1"), at(1, "b", "bo", account="acme", session="s2"),
                   at(2, "b", account=None, session="s1")])  # fmt: skip

    assert bars(store, "a", "b", by="account") == [1, 1]
    assert bars(store, "a", "b", by="session") == [1, 1]
    assert bars(store, "a", "b", "b", by="session") == [1, 1, 0]
    assert bars(store, "a", "b", semantics="plausible") == [1, 1]


def test_the_window_of_umami_begins_with_the_step_before(store: Store) -> None:
    store.replace([at(0, "a"), at(50, "b"), at(100, "c"), at(200, "d")])

    assert bars(store, "a", "b", "c", "d", semantics="umami") == [1, 1, 1, 0]
    assert bars(store, "a", "b", "c", "d", window="60min") == [1, 1, 0, 0]


def test_a_later_second_step_links_where_the_first_one_is_too_far(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "b"), at(9, "b"), at(15, "c")])

    assert bars(store, "a", "b", "c", window="10min", window_from="previous_step") == [1, 1, 1]


def test_breakdown_takes_the_first_the_last_or_one_steps_value(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "b", path="/a"), at(2, "c", path="/b"), at(0, "a", "bo", path="/")])  # fmt: skip

    def groups(**asked: Any) -> dict[Any, list[int]]:
        found = ask(
            store, "funnels", range=DAYS, steps=["a", "b", "c"], breakdown=["path"], **asked
        )
        return {one.breakdown[0]: [bar.count for bar in one.steps] for one in found.groups}

    assert groups() == {"/a": [1, 1, 1], "/": [1, 0, 0]}
    assert groups(attribution="last_touch") == {"/b": [1, 1, 1], "/": [1, 0, 0]}
    assert groups(attribution="step", attribution_step=3) == {"/b": [1, 1, 1], None: [1, 0, 0]}
    assert groups(semantics="amplitude") == {None: [1, 1, 1], "/": [1, 0, 0]}
    assert groups(attribution="all_steps") == {None: [1, 0, 0], "/": [1, 0, 0]}


def test_who_may_still_convert_is_counted_and_not_in_the_rate(store: Store) -> None:
    early, late = NOW - DAY - 1, NOW - DAY
    store.replace(
        [Use(name="a", user="one", time=early), Use(name="b", user="one", time=early + 1),
         Use(name="a", user="two", time=early), Use(name="a", user="six", time=late)]
    )  # fmt: skip

    found = ask(store, "funnels", range=DAYS, steps=["a", "b"], window="1d")

    total = found.total
    assert (total.entered, total.converted, total.incomplete) == (3, 1, 1)
    assert (total.complete_entered, total.complete_converted) == (2, 1)
    assert (total.rate, total.rate_so_far) == (Decimal("0.5"), Decimal("0.333333333"))
    assert found.warnings == [
        "1 of 3 people may still convert: they are in the counts, and not in the rates."
    ]


def test_with_nobody_whose_window_is_over_there_is_no_rate(store: Store) -> None:
    store.replace([Use(name="a", user="ana", time=NOW - 1)])

    total = ask(store, "funnels", range=DAYS, steps=["a", "b"]).total

    assert (total.entered, total.rate, total.rate_so_far, total.rate_interval) == (1, None, 0, None)


def test_times_and_the_estimate_of_kaplan_and_meier_by_hand(store: Store) -> None:
    # Converted after 1, 2 and 4 hours; one was watched for three hours only, one to the end.
    ends = {"one": 1, "two": 2, "six": 4}
    history = [Use(name="a", user=user, time=SINCE) for user in (*ends, "never")]
    history += [Use(name="b", user=user, time=SINCE + hours * HOUR) for user, hours in ends.items()]
    history.append(Use(name="a", user="new", time=NOW - 3 * HOUR))
    store.replace(history)

    total = ask(store, "funnels", range=DAYS, steps=["a", "b"], window="1d", survival=True).total

    times = total.time_to_convert
    assert (times.count, times.median, times.mean, times.p90) == (3, 7200, 8400, 12_960)
    assert [(one.low, one.count) for one in total.histogram if one.count] == [
        (3600, 1), (7200, 1), (14_400, 1),
    ]  # fmt: skip
    # 4/5 are left after an hour, of these 3/4 after two; then one is no longer watched, so 1/2 of it.
    assert [point.converted for point in total.survival if point.seconds % 3600 == 900] == [
        0, Decimal("0.2"), Decimal("0.4"), Decimal("0.4"), Decimal("0.7"),
    ]  # fmt: skip


def test_nobody_at_all_gives_empty_bars(store: Store) -> None:
    store.replace([])

    found = ask(
        store, "funnels", range=DAYS, steps=["a", "b"], breakdown=["path"], interval="day",
        order="strict", hold_constant=["path"], tie_tolerance="1s", survival=True,
    )  # fmt: skip

    assert [bar.count for bar in found.total.steps] == [0, 0]
    assert (found.groups, found.total.rate, found.total.histogram) == ([], None, [])
    assert len(found.total.over_time) == 12
    assert found.warnings == [
        "No event is named 'a'.", "No event is named 'b'.",
    ]  # fmt: skip


def test_a_day_of_twenty_five_hours_is_one_bucket(store: Store) -> None:
    night = [Use(name="a", user=f"u{hour}", time=SINCE + DAY + (22 + hour) * HOUR) for hour in range(26)]  # fmt: skip
    store.replace(night)

    found = ask(
        store, "funnels", range={"since": "2025-10-25", "until": "2025-10-28"}, steps=["a", "b"],
        timezone="Europe/Berlin", interval="day",
    )  # fmt: skip

    # Berlin's 26 October begins at 22:00 UTC and lasts for 25 hours.
    assert [cell.entered for cell in found.total.over_time] == [0, 25, 1]


def test_a_breakdown_without_groups_is_a_table_without_rows(store: Store) -> None:
    store.replace([])

    for interval in (None, "week"):
        found = table(
            ask(store, "funnels", steps=["a", "b"], breakdown=["path"], interval=interval)
        )
        assert "path" in found.columns
        assert found.rows == []


def test_the_table_has_a_row_for_each_step_and_group_or_each_bucket(store: Store) -> None:
    store.replace([at(0, "a", path="/"), at(1, "b"), at(0, "a", "bo")])
    question = {"range": DAYS, "steps": ["a", "b"], "breakdown": ["path"], "top": 1, "window": "1d"}

    steps, days = (table(ask(store, "funnels", **question, interval=one)) for one in (None, "week"))

    assert steps.columns == (
        "path", "step", "event", "people", "dropped", "of first", "of previous", "median seconds",
    )  # fmt: skip
    assert steps.rows == [
        ("/", 1, "a", 1, 0, 1, 1, None), ("/", 2, "b", 1, 0, 1, 1, 60),
        ("Other", 1, "a", 1, 0, 1, 1, None), ("Other", 2, "b", 0, 1, 0, 0, None),
    ]  # fmt: skip
    assert days.columns == ("entered in", "path", "people", "converted", "rate", "is incomplete")
    assert days.rows[:2] == [
        ("2025-10-20", "/", 1, 1, 1, True),
        ("2025-10-20", "Other", 1, 0, 0, True),
    ]


def test_events_after_the_log_position_are_not_seen(store: Store) -> None:
    store.replace([at(0, "a"), at(1, "b")])
    now = store.scope

    store.scope = replace(now, log_position=1)
    before = bars(store, "a", "b")
    store.scope = now

    assert (before, bars(store, "a", "b")) == ([1, 0], [1, 1])


@pytest.mark.parametrize(
    "question",
    [
        {"window": "14"}, {"window": "1y"}, {"window": "367d"}, {"window": "-1d"},
        {"tie_tolerance": "61s"}, {"breakdown": ["nothing"]}, {"hold_constant": ["nothing"]},
        {"steps": [{"event": "a", "optional": True}, "b"]}, {"steps": ["a", {"optional": True}]},
        {"steps": ["a", {"optional": True}, "b"], "order": "any"},
        {"exclusions": [{"event": "x", "after": 2}]}, {"exclusions": [{"event": "x", "before": 3}]},
        {"exclusions": [{"event": "x", "after": 2, "before": 3}], "order": "any", "steps": ["a", "b", "c"]},
        {"exclusions": [{"event": "x", "after": 2, "before": 4}], "steps": ["a", {"optional": True}, "c", "d"]},
        {"exclusions": [{"event": "x"}], "count": "totals", "on_exclusion": "drop_actor"},
        {"attribution": "step", "attribution_step": 3}, {"per_value": True},
        {"attribution": "all_steps", "breakdown": ["path"], "hold_constant": ["path"]},
        {"window_from": "previous_step", "attempt": "first"}, {"semantics": "umami", "order": "strict"},
        {"semantics": "plausible", "steps": list("abcdefghi")},
        {"steps": [{"event": []}, "b"]},
        {"range": "366d", "interval": "hour", "breakdown": ["path"], "top": 200},
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(store: Store, question: Any) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery):
        ask(store, "funnels", **{"range": DAYS, "steps": ["a", "b"], **question})


@pytest.mark.parametrize(
    "question",
    [{"steps": ["a"]}, {"steps": ["a"] * 21}, {}, {"steps": ["a", "b"], "semantics": "ga4"},
     {"steps": ["a", "b"], "top": 0}, {"steps": ["a", "b"], "order": "backwards"}],
)  # fmt: skip
def test_an_unknown_shape_is_refused_when_read(store: Store, question: Any) -> None:
    with pytest.raises(ValidationError):
        ask(store, "funnels", **question)


@pytest.mark.parametrize(
    ("by", "place"),
    [("session", {}), ("person", {"step": 3}), ("person", {"bucket": 0}),
     ("person", {"group": {"by": ["path"], "values": ["/"]}})],
)  # fmt: skip
def test_a_place_that_names_no_number_of_people_is_refused(
    store: Store, by: str, place: Any
) -> None:
    store.replace([at(0, "a")])
    question = {"range": DAYS, "steps": ["a", "b"], "by": by}

    with pytest.raises(InvalidQuery):
        ask(store, "people", behind={"insight": "funnels", "question": question, "place": place})


# Few names, people and instants, so that most tries come to something: instants lie within seconds,
# half-hours and days of each other, and on the edges of windows and of the range.
NAMES = st.sampled_from(["a", "a", "b", "b", "b", "c", "c", "d"])
CLOSE = st.one_of(
    st.integers(-2, 12).map(lambda n: SINCE + DAY + n * SECOND),
    st.integers(0, 8).map(lambda n: SINCE + DAY + n * 30 * MINUTE),
    st.integers(0, 11).map(lambda n: SINCE + n * DAY),
    st.integers(-2, 2).map(lambda n: UNTIL + n * SECOND),
)


def visits(**extra: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(Use, name=NAMES, time=CLOSE, **extra)


ANAS = visits(user=st.just("ana"), session=st.just("s1"), account=st.just("acme"), path=st.sampled_from(["/", "/a"]))  # fmt: skip
ANYBODYS = visits(
    user=st.sampled_from(["ana", "bo", None]),
    anonymous=st.sampled_from([None, "phone"]),
    account=st.sampled_from([None, "acme", "initech"]),
    session=st.sampled_from(["s1", "s2", None]),
    path=st.sampled_from([None, "/", "/a"]),
    is_bot=st.sampled_from([None, False, False, True]),
    properties=st.fixed_dictionaries({}, optional={"plan": PLAN}),
)
# Mostly one person with many events, since of few events hardly any try comes to something.
VISITS = st.builds(
    lambda often, seldom: [*often, *seldom],
    st.lists(ANAS, min_size=6, max_size=14),
    st.lists(st.one_of(ANYBODYS, ANYBODYS, LINKS), max_size=8),
).flatmap(st.permutations)
PICKY = st.fixed_dictionaries(
    {"event": st.one_of(NAMES, st.lists(NAMES, min_size=1, max_size=2), st.none())},
    optional={"filter": st.sampled_from([
        {"op": "equals", "field": "path", "value": "/a"},
        {"op": "equals", "field": "properties.plan", "value": "pro"},
    ])},
)  # fmt: skip
STEP = st.one_of(st.sampled_from(["a", "b", "c"]), st.sampled_from(["a", "b"]), PICKY)
WINDOWS = st.sampled_from(["30min", "10s", "2h", "1d", "14d", "1h"])


def seldom(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Return one value most of the time: what is asked of a funnel is seldom asked all at once."""
    return st.integers(0, 5).flatmap(lambda n: st.just(usual) if n < 4 else st.sampled_from(others))


@st.composite
def funnels(draw: st.DrawFn) -> dict[str, Any]:
    """Return questions of every kind that goes together."""
    steps: list[Any] = draw(st.lists(STEP, min_size=2, max_size=4))
    order = draw(st.sampled_from(["ordered", "ordered", "strict", "any"]))
    question: dict[str, Any] = {
        "steps": steps, "order": order, "window": draw(WINDOWS),
        "attempt": draw(st.sampled_from(["any", "any", "first"])),
        "count": draw(st.sampled_from(["uniques", "uniques", "totals"])),
        "by": draw(seldom("person", "account", "session")),
        "tie_tolerance": draw(st.sampled_from([None, None, "0s", "1s", "2s", "1min"])),
        "hold_constant": draw(seldom([], ["path"], ["path", "session"])),
        "filter": draw(seldom(None, {"op": "exists", "field": "path"}, {"op": "not_equals", "field": "path", "value": "/a"})),
    }  # fmt: skip
    if question["hold_constant"] and question["count"] == "uniques":
        question["per_value"] = draw(st.booleans())
    if order != "any":
        for place in range(1, len(steps) - 1):
            if draw(st.integers(0, 2)) == 0:
                given_step = (
                    steps[place] if isinstance(steps[place], dict) else {"event": steps[place]}
                )
                steps[place] = {**given_step, "optional": True}
    question["exclusions"] = draw(exclusions(steps, order))
    if question["exclusions"] and question["count"] == "uniques":
        question["on_exclusion"] = draw(st.sampled_from(["drop_off", "drop_actor"]))
    return question


@st.composite
def exclusions(draw: st.DrawFn, steps: list[Any], order: str) -> list[Any]:
    needed = [
        place for place, one in enumerate(steps, start=1)
        if not (isinstance(one, dict) and one.get("optional"))
    ]  # fmt: skip
    found = []
    for _ in range(draw(seldom(0, 1, 1, 2))):
        one: dict[str, Any] = {"event": draw(st.sampled_from(["d", "d", "c", "a"]))}
        if order != "any":
            after = draw(st.sampled_from(needed[:-1]))
            before = draw(st.sampled_from([place for place in needed if place > after]))
            one |= {"after": after, "before": before}
        found.append(one)
    return found


def expected_bars(tries: list[oracle.Try], steps: int) -> list[int]:
    return [sum(one.chain[step] is not None for one in tries) for step in range(steps)]


@settings(max_examples=300)
@given(VISITS, funnels())
def test_every_kind_of_funnel_agrees_with_the_oracle(
    store: Store, history: Any, question: Any
) -> None:
    store.replace(history)

    found = ask(store, "funnels", range=DAYS, **question)

    tries, removed = oracle.tries(history, question, SINCE, UNTIL)
    steps = len(question["steps"])
    assert [step.count for step in found.total.steps] == expected_bars(tries, steps)
    assert found.removed == removed
    assert [step.units for step in found.total.steps] == [
        len({one.unit for one in tries if one.chain[step] is not None}) for step in range(steps)
    ]


@given(
    VISITS,
    st.lists(STEP, min_size=2, max_size=3),
    WINDOWS,
    st.sampled_from(["first_step", "previous_step"]),
)
def test_everybody_comes_as_far_as_any_chain_of_events_there_is(
    store: Store, history: Any, steps: Any, window: str, window_from: str
) -> None:
    store.replace(history)

    found = bars(store, *steps, window=window, window_from=window_from)

    question = {"steps": steps}
    reach = oracle.furthest if window_from == "first_step" else oracle.furthest_linked
    length = oracle.microseconds(window)
    furthest = [
        reach(events, len(steps), length, SINCE, UNTIL)
        for events in oracle.lanes(history, question).values()
    ]
    assert found == [sum(one > step for one in furthest) for step in range(len(steps))]


def group_of(one: oracle.Try, by: list[str], attribution: str, step: int) -> tuple[Any, ...]:
    """Return the values that put a try in a group, by the events of its steps."""
    chain = list(one.chain)
    if attribution == "last_touch":
        chain.reverse()
    if attribution == "step":
        chain = [chain[step - 1]]
    for event in chain:
        values = tuple(value_of(event.use, name) for name in by) if event else ()
        if any(value is not None for value in values):
            return values
    return (None,) * len(by)


GROUPED = st.sampled_from([["path"], ["properties.plan"], ["session", "path"]])


@given(
    VISITS,
    funnels(),
    GROUPED,
    st.sampled_from(["first_touch", "last_touch", "step"]),
    st.integers(1, 2),
    st.integers(1, 3),
)
def test_groups_are_those_of_the_oracle_and_add_up(
    store: Store, history: Any, question: Any, by: Any, attribution: str, step: int, top: int
) -> None:
    store.replace(history)
    asked = {"range": DAYS, "breakdown": by, "attribution": attribution, "attribution_step": step}

    every = ask(store, "funnels", **question, **asked, top=200)
    some = ask(store, "funnels", **question, **asked, top=top)

    tries, _ = oracle.tries(history, question, SINCE, UNTIL)
    expected: dict[tuple[Any, ...], list[oracle.Try]] = {}
    for one in tries:
        expected.setdefault(group_of(one, by, attribution, step), []).append(one)
    steps = len(question["steps"])
    assert {tuple(one.breakdown): [bar.count for bar in one.steps] for one in every.groups} == {
        values: expected_bars(mine, steps) for values, mine in expected.items()
    }
    for found in (every, some):
        assert found.sums_to_total
        assert [sum(one.steps[at].count for one in found.groups) for at in range(steps)] == [
            bar.count for bar in found.total.steps
        ]
    most = sorted((len(mine) for mine in expected.values()), reverse=True)[:top]
    assert [one.entered for one in some.groups if not one.is_other] == most


@given(VISITS, st.lists(STEP, min_size=2, max_size=3), WINDOWS, GROUPED, st.integers(1, 3))
def test_a_funnel_for_each_value_is_that_of_its_events_alone(
    store: Store, history: Any, steps: Any, window: str, by: Any, top: int
) -> None:
    store.replace(history)
    question = {"range": DAYS, "steps": steps, "window": window}

    found = ask(store, "funnels", **question, breakdown=by, attribution="all_steps", top=top)

    for one in found.groups:
        if not one.is_other:
            alone = [
                {"op": "not_exists", "field": name}
                if value is None
                else {"op": "equals", "field": name, "value": value}
                for name, value in zip(by, one.breakdown, strict=True)
            ]
            kept = ask(store, "funnels", **question, filter={"op": "and", "filters": alone})
            assert [bar.count for bar in one.steps] == [bar.count for bar in kept.total.steps]
    if found.groups:
        assert found.total.entered <= sum(one.entered for one in found.groups)
        assert found.total.converted >= max(one.converted for one in found.groups)


def numbers_behind(data: Any, by: list[str]) -> list[tuple[dict[str, Any], int]]:
    """Return every number of people of an answer, with its place."""
    shown = [one.breakdown for one in data.groups if not one.is_other]
    found: list[tuple[dict[str, Any], int]] = []
    for one in (data.total, *data.groups):
        group: dict[str, Any] = {}
        if one.is_other:
            group = {"group": {"by": by, "other_than": shown}}
        elif one is not data.total:
            group = {"group": {"by": by, "values": one.breakdown}}
        for bar in one.steps:
            found.append(({**group, "step": bar.step}, bar.units))
            found.append(({**group, "step": bar.step, "outcome": "dropped"}, bar.dropped))
            found.append(({**group, "step": bar.step, "entries": "complete"}, bar.complete))
        found.append(({**group, "entries": "incomplete"}, one.incomplete))
        last = one.steps[-1].step
        for place, bin_ in enumerate(one.histogram):
            found.append(({**group, "step": last, "bin": place}, bin_.count))
        for place, cell in enumerate(one.over_time or ()):
            found.append(({**group, "bucket": place}, cell.entered))
            found.append(({**group, "bucket": place, "step": last}, cell.converted))
    return found


@given(VISITS, funnels(), GROUPED, st.sampled_from(["first_touch", "all_steps"]), st.data())
def test_the_people_or_accounts_behind_every_number_are_as_many_as_it_says(
    store: Store, history: Any, question: Any, by: Any, attribution: str, data: Any
) -> None:
    store.replace(history)
    unit = data.draw(st.sampled_from(["person", "account"]))
    question = {
        **question, "range": DAYS, "by": unit, "count": "uniques", "breakdown": by, "top": 2,
        "interval": "day", "attribution": attribution, "per_value": None,
    }  # fmt: skip
    if attribution == "all_steps":
        question["hold_constant"] = []

    numbers = numbers_behind(ask(store, "funnels", **question), by)

    for place, number in data.draw(st.lists(st.sampled_from(numbers), min_size=6, max_size=6)):
        behind = {"insight": "funnels", "question": question, "place": place}
        listed = "people" if unit == "person" else "accounts"
        assert ask(store, listed, behind=behind).total == number


def times_of(tries: list[oracle.Try]) -> list[int]:
    return sorted(
        max(one.chain[-1].time - oracle.began(one)[0], 0) for one in tries if one.chain[-1]
    )


def quantile(values: list[int], percent: int) -> Fraction:
    rank = Fraction((len(values) - 1) * percent, 100)
    low, high = values[int(rank)], values[min(int(rank) + 1, len(values) - 1)]
    return low + (high - low) * (rank - int(rank))


def in_seconds(value: Fraction) -> Fraction:
    nano = value * 1_000
    return Fraction(int(nano + Fraction(1, 2)), 10**9)


def converted_by(tries: list[oracle.Try], horizon: int, edge: int) -> Fraction:
    """Return the Kaplan–Meier estimate, one time after the other."""
    took = times_of(tries)
    watched = [
        min(max(NOW - oracle.began(one)[0], 0), horizon) for one in tries if not one.chain[-1]
    ]
    left = Fraction(1)
    for time in sorted({one for one in took if one < edge}):
        at_risk = sum(one >= time for one in took) + sum(one >= time for one in watched)
        left *= 1 - Fraction(took.count(time), at_risk)
    return 1 - left


@given(VISITS, funnels(), st.sampled_from(ZONES), st.sampled_from(["hour", "day", "week"]))
def test_times_rates_and_buckets_agree_with_the_oracle(
    store: Store, history: Any, question: Any, zone: str, interval: Any
) -> None:
    store.replace(history)

    data = ask(
        store, "funnels", **question, range=DAYS, interval=interval, timezone=zone, survival=True
    )

    tries, _ = oracle.tries(history, question, SINCE, UNTIL)
    horizon = oracle.microseconds(question["window"])
    over = [one for one in tries if oracle.began(one)[0] + horizon < NOW]
    done = [one for one in over if one.chain[-1]]
    total, took = data.total, times_of(tries)
    assert (total.complete_entered, total.complete_converted) == (len(over), len(done))
    assert total.rate == (ratio(len(done), len(over)))
    assert total.time_to_convert.count == len(took) == sum(one.count for one in total.histogram)
    if took:
        times = total.time_to_convert
        assert Fraction(times.median) == in_seconds(quantile(took, 50))
        assert Fraction(times.p90) == in_seconds(quantile(took, 90))
        assert Fraction(times.mean) == in_seconds(Fraction(sum(took), len(took)))
    for one, point in zip(total.histogram, total.survival, strict=True):
        low, high = Fraction(one.low) * 10**6, Fraction(one.high) * 10**6
        assert one.count == sum(low <= time < high for time in took)
        estimate = converted_by(tries, horizon, int(high))
        assert abs(Fraction(point.converted) - estimate) <= Fraction(1, 2 * 10**9)
    cut = buckets(Span(SINCE, UNTIL), interval, ZoneInfo(zone))
    for place, cell in enumerate(total.over_time):
        inside = [
            one for one in tries if bisect_right(cut.edges, oracle.began(one)[0]) - 1 == place
        ]
        assert cell.entered == len(inside)
        assert cell.converted == sum(one.chain[-1] is not None for one in inside)
        assert cell.complete_entered == sum(one in over for one in inside)


@given(histories(), funnels())
def test_bars_of_needed_steps_never_grow_and_drops_are_the_difference(
    store: Store, history: Any, question: Any
) -> None:
    store.replace(history)

    found = ask(store, "funnels", range=DAYS, **question).total

    needed = [bar for bar in found.steps if not bar.is_optional]
    for before, bar in pairwise(needed):
        assert bar.count + bar.dropped == before.count
        assert bar.complete <= before.complete <= before.count
    assert found.entered == needed[0].count
    assert found.converted == needed[-1].count
