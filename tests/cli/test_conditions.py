import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.cli.conditions import parse_exclusion, parse_filter, parse_step
from tallymark.core.errors import InvalidQuery
from tallymark.insights import filters


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("plan = pro", {"op": "equals", "field": "properties.plan", "value": "pro"}),
        ("person.plan@now = pro", {"op": "equals", "field": "person.plan@now", "value": "pro"}),
        ("account.seats@2026-01-31T10:00:00+01:00 > 5", {"op": "gt", "field": "account.seats@2026-01-31T10:00:00+01:00", "value": 5}),
        ("channel != email", {"op": "not_equals", "field": "channel", "value": "email"}),
        ("n >= 5", {"op": "gte", "field": "properties.n", "value": 5}),
        ("n<-2.50", {"op": "lt", "field": "properties.n", "value": Decimal("-2.50")}),
        ('n = "5"', {"op": "equals", "field": "properties.n", "value": "5"}),
        ("is_bot = true", {"op": "equals", "field": "is_bot", "value": True}),
        ("is_bot is false", {"op": "is_false", "field": "is_bot"}),
        ("path starts with /docs", {"op": "starts_with", "field": "path", "value": "/docs"}),
        ("path ends_with 5", {"op": "ends_with", "field": "path", "value": "5"}),
        ("title not contains 'a b'", {"op": "not_contains", "field": "title", "value": "a b"}),
        ("path ~ ^/a", {"op": "matches", "field": "path", "pattern": "^/a"}),
        ("country in DE, FR", {"op": "in", "field": "country", "values": ["DE", "FR"]}),
        ("country not in (DE)", {"op": "not_in", "field": "country", "values": ["DE"]}),
        ("n between 1 and 2", {"op": "between", "field": "properties.n", "low": 1, "high": 2}),
        ("user_id exists", {"op": "exists", "field": "user_id"}),
        ("user_id is missing", {"op": "not_exists", "field": "user_id"}),
        ("user_id is not set", {"op": "not_exists", "field": "user_id"}),
        ("properties.a is x", {"op": "equals", "field": "properties.a", "value": "x"}),
    ],
)  # fmt: skip
def test_a_condition_means_what_it_says(text: str, meant: dict[str, Any]) -> None:
    assert parse_filter(text) == meant


def test_and_binds_stronger_than_or_and_brackets_stronger_than_both() -> None:
    found = parse_filter("a = 1 or b = 2 and not (c = 3 or d = 4)")

    a, b, c, d = (
        {"op": "equals", "field": f"properties.{name}", "value": value}
        for value, name in enumerate("abcd", start=1)
    )
    unless = {"op": "not", "filter": {"op": "or", "filters": [c, d]}}
    assert found == {"op": "or", "filters": [a, {"op": "and", "filters": [b, unless]}]}


@pytest.mark.parametrize(
    "text",
    ["", "plan", "plan =", "= pro", "plan = pro and", "(plan = pro", "plan = pro)", "plan = 'pro",
     "plan = pro x", "n between 1", "country in ()", "plan contains", "a = b c = d", "not"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_filter(text)

    assert refused.value.code == "QUERY_INVALID"
    assert refused.value.hint


SCALARS = (
    st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.decimals(-(10**6), 10**6, places=3)
    | st.text(max_size=12)
)
NAMES = st.sampled_from(["channel", "path", "user_id", "properties.plan", "properties.a b"])
LEAVES = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["equals", "not_equals"]), "field": NAMES, "value": SCALARS}),
    st.fixed_dictionaries({"op": st.sampled_from(["contains", "starts_with"]), "field": NAMES, "value": st.text(max_size=12)}),
    st.fixed_dictionaries({"op": st.sampled_from(["in", "not_in"]), "field": NAMES, "values": st.lists(SCALARS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"op": st.just("matches"), "field": NAMES, "pattern": st.text(max_size=12)}),
    st.fixed_dictionaries({"op": st.just("between"), "field": NAMES, "low": st.integers(), "high": st.integers()}),
    st.fixed_dictionaries({"op": st.sampled_from(["exists", "not_exists", "is_true"]), "field": NAMES}),
)  # fmt: skip
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["and", "or"]), "filters": st.lists(inner, min_size=2, max_size=3)}),
        st.fixed_dictionaries({"op": st.just("not"), "filter": inner}),
    ),
    max_leaves=6,
)  # fmt: skip


WRITTEN = {
    "equals": "=", "not_equals": "!=", "in": "in", "not_in": "not in", "contains": "contains",
    "starts_with": "starts with", "matches": "~", "between": "between", "exists": "exists",
    "not_exists": "is missing", "is_true": "is true",
}  # fmt: skip


@given(FILTERS)
def test_a_filter_written_out_and_read_again_is_the_same(chosen: dict[str, Any]) -> None:
    assert parse_filter(_written(chosen)) == chosen


@given(FILTERS)
def test_every_filter_read_is_one_a_question_takes(chosen: dict[str, Any]) -> None:
    encoded = msgspec.json.Encoder(decimal_format="number").encode(parse_filter(_written(chosen)))

    decoded: filters.Filter = msgspec.json.decode(encoded, type=filters.Filter)

    assert msgspec.to_builtins(decoded)["op"] == chosen["op"]


@given(st.text(alphabet="ab=<>!~(),'\" \\1.andornot", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_filter(text)
    except InvalidQuery:
        return
    assert "op" in found


def _written(chosen: dict[str, Any]) -> str:
    op = chosen["op"]
    if op in {"and", "or"}:
        return "(" + f" {op} ".join(_written(part) for part in chosen["filters"]) + ")"
    if op == "not":
        return f"not ({_written(chosen['filter'])})"
    return f"{_quoted(chosen['field'])} {WRITTEN[op]} {_written_value(chosen)}"


def _written_value(chosen: dict[str, Any]) -> str:
    match chosen:
        case {"values": values}:
            return f"({', '.join(map(_value, values))})"
        case {"low": low, "high": high}:
            return f"{low} and {high}"
        case {"pattern": pattern}:
            return _quoted(pattern)
        case {"value": value}:
            return _value(value)
        case _:
            return ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("signup", {"event": "signup"}),
        ("open file", {"event": "open file"}),
        ("somewhere for orders", {"event": "somewhere for orders"}),
        ("'where or' or \"b\"", {"event": ["where or", "b"]}),
        ("'it\\'s'", {"event": "it's"}),
        ("any event", {}),
        ("* WHERE a = 'where'", {"filter": parse_filter("a = 'where'")}),
        ("buy OR sell where a = 1 or b = 2", {"event": ["buy", "sell"], "filter": parse_filter("a = 1 or b = 2")}),
    ],
)  # fmt: skip
def test_a_step_is_the_names_of_events_and_a_filter(text: str, step: Any) -> None:
    assert parse_step(text) == step


@pytest.mark.parametrize(
    "text", ["", " ", "where a = 1", "a or", "or", "a or or b", "a where", "a where b"]
)
def test_half_a_step_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_step(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("refund", {"event": "refund"}),
        ("refund between 1 and 3", {"event": "refund", "after": 1, "before": 3}),
        ("refund AFTER 2 where a = 1", {"event": "refund", "after": 2, "filter": parse_filter("a = 1")}),
        ("refund before 3", {"event": "refund", "before": 3}),
        ("refund where a between 1 and 3", {"event": "refund", "filter": parse_filter("a between 1 and 3")}),
        ("'refund after 2'", {"event": "refund after 2"}),
    ],
)  # fmt: skip
def test_an_exclusion_may_say_between_which_steps(text: str, found: Any) -> None:
    assert parse_exclusion(text) == found
