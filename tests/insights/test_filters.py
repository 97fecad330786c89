"""Filters against an oracle that looks at one event at a time."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from msgspec import ValidationError
from tests.insights.asking import Store, ask
from tests.insights.oracle import FILTERS, chosen_uses
from tests.strategies import SINCE, UNTIL, Use, histories

from tallymark.core.errors import InvalidQuery, Refused

RANGE = {"since": "2025-10-24", "until": "2025-11-05"}
PLANS = [
    Use(properties={"plan": "pro", "n": 1}),
    Use(properties={"plan": "Pro", "n": "1"}),
    Use(properties={"plan": None, "n": True}),
    Use(properties={"n": Decimal("1.5")}),
]


def count(store: Store, chosen: Any) -> Any:
    return ask(store, "trends", range=RANGE, filter=chosen).lines[0].total


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"op": "equals", "field": "properties.plan", "value": "pro"}, 1),
        ({"op": "not_equals", "field": "properties.plan", "value": "pro"}, 3),
        ({"op": "not_in", "field": "properties.plan", "values": ["pro", "Pro"]}, 2),
        ({"op": "not_contains", "field": "properties.plan", "value": "ro"}, 2),
        ({"op": "exists", "field": "properties.plan"}, 2),
        ({"op": "not_exists", "field": "properties.plan"}, 2),
        ({"op": "equals", "field": "properties.n", "value": 1}, 1),
        ({"op": "equals", "field": "properties.n", "value": "1"}, 1),
        ({"op": "equals", "field": "properties.n", "value": True}, 1),
        ({"op": "in", "field": "properties.n", "values": [1, "1", 1.5]}, 3),
        ({"op": "gte", "field": "properties.n", "value": 1}, 2),
        ({"op": "between", "field": "properties.n", "low": 1, "high": 1.5}, 1),
        ({"op": "is_true", "field": "properties.n"}, 1),
        ({"op": "is_false", "field": "properties.n"}, 0),
        ({"op": "exists", "field": "properties.n"}, 4),
        ({"op": "and", "filters": []}, 4),
        ({"op": "or", "filters": []}, 0),
        ({"op": "not", "filter": {"op": "gt", "field": "properties.n", "value": 1}}, 3),
        ({"op": "matches", "field": "properties.plan", "pattern": "(?i)^pro$"}, 2),
        ({"op": "lt", "field": "time", "value": "2025-10-24"}, 0),
        ({"op": "lte", "field": "time", "value": "2025-10-24"}, 4),
        ({"op": "exists", "field": "properties.unheard of"}, 0),
        ({"op": "not_equals", "field": "properties.unheard of", "value": 1}, 4),
    ],
)
def test_a_missing_or_other_typed_value_is_not_equal(
    store: Store, chosen: Any, expected: int
) -> None:
    store.replace(PLANS)

    assert count(store, chosen) == expected


@pytest.mark.parametrize("key", ["a.b", "q\"q'q", "]", "x]; DROP TABLE event; --", "$.k", "ü\n", "", "Case"])  # fmt: skip
def test_any_property_name_is_only_a_name(store: Store, key: str) -> None:
    store.replace([Use(properties={key: "yes"}), Use(properties={"case": "yes"}), Use()])

    assert count(store, {"op": "equals", "field": f"properties.{key}", "value": "yes"}) == 1
    lines = ask(store, "trends", range=RANGE, breakdown=[f"properties.{key}"]).lines
    assert [(line.breakdown, line.total) for line in lines] == [([None], 2), (["yes"], 1)]


@pytest.mark.parametrize("value", ["'; DROP TABLE event; --", '"', "\\", "{}", "?", "$1", "ü𝄞"])
def test_any_text_is_only_a_value(store: Store, value: str) -> None:
    store.replace([Use(path=value), Use(path="/")])

    for op in ("equals", "contains", "starts_with", "ends_with"):
        assert count(store, {"op": op, "field": "path", "value": value}) == 1


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"op": "exists", "field": "pth"}, "no field 'pth'"),
        ({"op": "exists", "field": 'path" OR 1=1 --'}, "no field"),
        ({"op": "exists", "field": "e.path"}, "no field"),
        ({"op": "equals", "field": "path", "value": 1}, "path is not number"),
        ({"op": "equals", "field": "value", "value": "1"}, "value is not text"),
        ({"op": "is_true", "field": "path"}, "path is not truth"),
        ({"op": "contains", "field": "value", "value": "1"}, "value is not text"),
        ({"op": "gt", "field": "path", "value": "/"}, "which is no number"),
        ({"op": "gt", "field": "time", "value": 1}, "time is a time"),
        ({"op": "gt", "field": "time", "value": "yesterday'"}, "is not a time"),
        ({"op": "gt", "field": "value", "value": 10**30}, "larger than any stored number"),
        ({"op": "in", "field": "path", "values": ["/"] * 1001}, "1000 values"),
        ({"op": "and", "filters": [{"op": "exists", "field": "path"}] * 201}, "200 conditions"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_reason(
    store: Store, chosen: Any, message: str
) -> None:
    store.replace([])

    with pytest.raises(InvalidQuery, match=message):
        count(store, chosen)


def test_a_filter_may_not_nest_without_end(store: Store) -> None:
    chosen: Any = {"op": "exists", "field": "path"}
    for _ in range(20):
        chosen = {"op": "not", "filter": chosen}

    with pytest.raises(InvalidQuery, match="nest 16 deep"):
        count(store, chosen)


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{2000}", "[z-a]"])
def test_a_pattern_that_is_not_re2_is_refused(store: Store, pattern: str) -> None:
    store.replace([Use(path="/a")])

    with pytest.raises(Refused) as refused:
        count(store, {"op": "matches", "field": "path", "pattern": pattern})

    assert refused.value.code == "QUERY_INVALID"
    assert "Error" not in refused.value.message


@pytest.mark.parametrize(
    "chosen",
    [
        {"op": "equals", "field": "path"},
        {"op": "equal", "field": "path", "value": "/"},
        {"op": "equals", "field": "path", "value": "/", "extra": 1},
        {"op": "equals", "field": "path", "value": {"a": 1}},
        {"field": "path", "value": "/"},
    ],
)
def test_an_unknown_shape_is_refused_when_read(store: Store, chosen: Any) -> None:
    with pytest.raises(ValidationError):
        count(store, chosen)


def test_an_unknown_property_is_named_with_the_one_that_was_meant(store: Store) -> None:
    store.replace(PLANS)

    asked = {"op": "exists", "field": "properties.plam"}

    assert ask(store, "trends", range=RANGE, filter=asked).warnings == [
        "No event has a property 'plam'. Did you mean 'plan'?"
    ]


def test_text_where_a_number_is_compared_comes_with_a_warning(store: Store) -> None:
    store.replace(PLANS)

    asked = {"op": "or", "filters": [{"op": "gt", "field": "properties.n", "value": 1}]}

    (warning,) = ask(store, "trends", range=RANGE, filter=asked).warnings
    assert warning.startswith("Some events have 'n' as text")


@given(histories(max_size=15), FILTERS)
def test_agrees_with_the_oracle_on_any_filter(store: Store, history: Any, chosen: Any) -> None:
    store.replace(history)

    answer = ask(store, "trends", range=RANGE, filter=chosen, include_bots=True)

    expected = chosen_uses(history, SINCE, UNTIL, filters=(chosen,), include_bots=True)
    assert answer.lines[0].total == len(expected)


@given(histories(max_size=15), FILTERS)
def test_not_is_the_exact_complement(store: Store, history: Any, chosen: Any) -> None:
    store.replace(history)

    everything = count(store, None)

    assert count(store, chosen) + count(store, {"op": "not", "filter": chosen}) == everything
