"""Funnels, counted by hand, one try at a time, and over all chains there can be."""

from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from tests.insights import funnel_oracle as oracle
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, value_of
from tests.strategies import LINKS, NOW, PLAN, SINCE, UNTIL, ZONES, Use, histories

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.funnels import table
from tallymark.insights.numbers import ratio
from tallymark.insights.ranges import Span, buckets

HOUR = DAY // 24
MINUTE = HOUR // 60
SECOND = MINUTE // 60
DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}


def at(hour: int, minute: int = 0, **use: Any) -> Use:
    return Use(time=SINCE + hour * HOUR + minute * MINUTE, **{"user": "ana", **use})


def bars(store: Store, *steps: Any, **question: Any) -> list[int]:
    found = ask(store, "funnels", **{"range": DAYS, "steps": steps, **question})
    return [step.count for step in found.total.steps]


# The example in Mixpanel's documentation: within one hour, does A lead to B and to C?
GOLDEN = [at(13, name="a"), at(13, 30, name="a"), at(13, 45, name="b"), at(14, 15, name="c")]


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


NAMES = st.sampled_from(["a", "b", "c", "d"])
# Instants that lie within seconds, minutes and days of each other, and on the edges of windows.
CLOSE = st.one_of(
    st.integers(-3, 40).map(lambda n: SINCE + DAY + n * SECOND),
    st.integers(0, 24).map(lambda n: SINCE + DAY + n * 30 * MINUTE),
    st.integers(0, 11).map(lambda n: SINCE + n * DAY),
    st.integers(-2, 2).map(lambda n: UNTIL + n * SECOND),
)
VISITS = st.lists(
    st.one_of(
        st.builds(
            Use,
            name=NAMES,
            time=CLOSE,
            user=st.sampled_from(["ana", "ana", "bo", None]),
            anonymous=st.sampled_from([None, "phone"]),
            account=st.sampled_from([None, "acme", "initech"]),
            session=st.sampled_from(["s1", "s2", None]),
            path=st.sampled_from([None, "/", "/a"]),
            is_bot=st.sampled_from([None, False, False, True]),
            properties=st.fixed_dictionaries({}, optional={"plan": PLAN}),
        ),
        LINKS,
    ),
    max_size=25,
)
STEP = st.one_of(
    NAMES,
    st.fixed_dictionaries(
        {"event": st.one_of(NAMES, st.lists(NAMES, min_size=1, max_size=2), st.none())},
        optional={"filter": st.sampled_from([
            {"op": "equals", "field": "path", "value": "/a"},
            {"op": "equals", "field": "properties.plan", "value": "pro"},
        ])},
    ),
)  # fmt: skip
WINDOWS = st.sampled_from(["10s", "30min", "2h", "1d", "14d"])


@st.composite
def funnels(draw: st.DrawFn) -> dict[str, Any]:
    """Return questions of every kind that goes together."""
    steps: list[Any] = draw(st.lists(STEP, min_size=2, max_size=4))
    order = draw(st.sampled_from(["ordered", "ordered", "strict", "any"]))
    question: dict[str, Any] = {
        "steps": steps, "order": order, "window": draw(WINDOWS),
        "attempt": draw(st.sampled_from(["any", "first"])),
        "count": draw(st.sampled_from(["uniques", "uniques", "totals"])),
        "by": draw(st.sampled_from(["person", "person", "account", "session"])),
        "tie_tolerance": draw(st.sampled_from([None, None, "0s", "1s", "2s", "1min"])),
        "hold_constant": draw(st.sampled_from([[], [], ["path"], ["path", "session"]])),
        "filter": draw(st.none() | CONDITIONS),
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
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        one: dict[str, Any] = {"event": draw(NAMES)}
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


@settings(max_examples=300)
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
        reach(events[:14], len(steps), length, SINCE, UNTIL)
        for events in oracle.lanes(history, question).values()
        if len(events) <= 14
    ]
    if all(len(events) <= 14 for events in oracle.lanes(history, question).values()):
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


@settings(max_examples=300)
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


@settings(max_examples=300)
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


@settings(max_examples=300)
@given(VISITS, funnels(), GROUPED, st.sampled_from(["first_touch", "all_steps"]), st.data())
def test_the_people_behind_every_number_are_as_many_as_it_says(
    store: Store, history: Any, question: Any, by: Any, attribution: str, data: Any
) -> None:
    store.replace(history)
    question = {
        **question, "range": DAYS, "by": "person", "count": "uniques", "breakdown": by, "top": 2,
        "interval": "day", "attribution": attribution, "per_value": None,
    }  # fmt: skip
    if attribution == "all_steps":
        question["hold_constant"] = []

    numbers = numbers_behind(ask(store, "funnels", **question), by)

    for place, number in data.draw(st.lists(st.sampled_from(numbers), min_size=6, max_size=6)):
        behind = {"insight": "funnels", "question": question, "place": place}
        assert ask(store, "people", behind=behind).total == number


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


@settings(max_examples=300)
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


@settings(max_examples=300)
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
