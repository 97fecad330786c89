"""Funnels, counted by hand, one try at a time, and over all chains there can be."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights import funnel_oracle as oracle
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS
from tests.strategies import LINKS, PLAN, SINCE, UNTIL, Use

from tallymark.core.clock import DAY, rfc3339

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
