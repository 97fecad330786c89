"""Each step of a repair does what it says, under its conditions, and nothing where it cannot."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.core.errors import Refused
from tallymark.schema.repair import Repairer, read_repairs


def repaired(text: str, item: dict[str, Any], code: str = "SCHEMA_TYPE") -> dict[str, Any]:
    return Repairer(read_repairs(text.encode(), "fix.yaml")).repaired(item, code)


def of(properties: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "buy", "id": "1", **fields, "properties": properties}


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("rename: {from: properties.amt, to: properties.amount}", {"amt": 1}, {"amount": 1}),
        ("rename: {from: properties.amt, to: properties.amount}", {"b": 1}, {"b": 1}),
        ("rename: {from: properties.a.b, to: properties.c.d}", {"a": {"b": 1}}, {"a": {}, "c": {"d": 1}}),
        ("rename: {from: properties.a.b, to: properties.c}", {"a.b": 1}, {"c": 1}),
        ("cast: {path: properties.a, to: number}", {"a": " 9.50 "}, {"a": Decimal("9.50")}),
        ("cast: {path: properties.a, to: number}", {"a": "9,5"}, {"a": "9,5"}),
        ("cast: {path: properties.a, to: number}", {"a": "1e999999999"}, {"a": "1e999999999"}),
        ("cast: {path: properties.a, to: number}", {"a": True}, {"a": 1}),
        ("cast: {path: properties.a, to: integer}", {"a": "12"}, {"a": 12}),
        ("cast: {path: properties.a, to: integer}", {"a": Decimal("2.0")}, {"a": 2}),
        ("cast: {path: properties.a, to: integer}", {"a": "1.5"}, {"a": "1.5"}),
        ("cast: {path: properties.a, to: string}", {"a": Decimal("0.10")}, {"a": "0.10"}),
        ("cast: {path: properties.a, to: string}", {"a": True}, {"a": "true"}),
        ("cast: {path: properties.a, to: boolean}", {"a": "Yes"}, {"a": True}),
        ("cast: {path: properties.a, to: boolean}", {"a": 0}, {"a": False}),
        ("cast: {path: properties.a, to: boolean}", {"a": "maybe"}, {"a": "maybe"}),
        ("cast: {path: properties.a, to: number}", {"a": [1]}, {"a": [1]}),
        ("cast: {path: properties.a, to: number}", {"a": None}, {"a": None}),
        ("set: {path: properties.a, value: EUR}", {}, {"a": "EUR"}),
        ("set: {path: properties.a.b, value: [1, 0.5]}", {}, {"a": {"b": [1, Decimal("0.5")]}}),
        ("set: {path: properties.a.b, value: 1}", {"a": 5}, {"a": 5}),
        ("drop: properties.a", {"a": 1, "b": 2}, {"b": 2}),
        ("drop: properties.a.b.c", {"a": {"b": 1}}, {"a": {"b": 1}}),
        ("set_version: 2-1-0", {}, {"schema_version": "2-1-0"}),
        ("regex_sub: {path: properties.a, pattern: '^EUR *', with: ''}", {"a": "EUR 9"}, {"a": "9"}),
        ("regex_sub: {path: properties.a, pattern: ' +', with: ' '}", {"a": "a  b   c"}, {"a": "a b c"}),
        ("regex_sub: {path: properties.a, pattern: x}", {"a": 5}, {"a": 5}),
    ],
)  # fmt: skip
def test_a_step_changes_what_it_names(step: str, before: Any, after: Any) -> None:
    item = of(before)

    assert repaired(f"steps: [{{{step}}}]", item) == of(after)
    assert item == of(before)


def test_an_event_gets_another_name() -> None:
    text = "steps: [{map_event: {buy: bought, other: x}}]"

    assert repaired(text, of({}))["name"] == "bought"
    assert repaired(text, {"name": 5}) == {"name": 5}
    assert repaired(text, {}) == {}


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("{}", True), ("{code: SCHEMA_TYPE}", True), ("{code: OTHER}", False),
        ("{event: buy}", True), ("{event: sell}", False),
        ("{path: properties.a, is: 1}", True), ("{path: properties.a, is: true}", False),
        ("{path: properties.a, is: 1.0}", True), ("{path: properties.b, is: ''}", False),
        ("{path: properties.a, type: number}", True), ("{path: properties.a, type: string}", False),
        ("{path: properties.t, matches: '^x'}", True), ("{path: properties.t, matches: ^y}", False),
        ("{path: properties.a, matches: 1}", None), ("{path: properties.b, missing: true}", True),
        ("{path: properties.a, missing: true}", False), ("{path: properties.a, missing: false}", True),
        ("{path: properties.n, missing: true}", True), ("{path: properties.n, is: ~}", True),
        ("{code: SCHEMA_TYPE, event: buy, path: properties.a, type: integer, is: 2}", False),
    ],
)  # fmt: skip
def test_a_step_is_taken_when_everything_named_holds(when: str, holds: bool | None) -> None:
    text = f"steps: [{{set: {{path: properties.x, value: 1}}, when: {when}}}]"
    item = of({"a": 1, "t": "xy", "n": None})
    if holds is None:
        with pytest.raises(Refused):
            repaired(text, item)
        return

    assert ("x" in repaired(text, item)["properties"]) is holds


def test_a_cast_number_is_exact_and_as_a_client_would_write_it() -> None:
    text = "steps: [{cast: {path: properties.a, to: number}}]"
    wide = "12345678901234567890123456789.123456789"

    for sent, written in [("9.50", "9.5"), ("100", "100"), ("-0.10", "-0.1"), ("7.0", "7"), (wide, wide)]:  # fmt: skip
        assert str(repaired(text, of({"a": sent}))["properties"]["a"]) == written


def test_steps_are_taken_in_their_order() -> None:
    text = """
steps:
  - rename: {from: properties.amt, to: properties.amount}
  - regex_sub: {path: properties.amount, pattern: '^EUR ', with: ''}
    when: {path: properties.amount, matches: '^EUR '}
  - set: {path: properties.currency, value: EUR}
    when: {path: properties.currency, missing: true}
  - cast: {path: properties.amount, to: number}
"""
    assert repaired(text, of({"amt": "EUR 9.50"})) == of({"amount": Decimal("9.50"), "currency": "EUR"})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("steps: [{}]", "steps[0]: a step does one of"),
        ("steps: [{drop: a, set_version: 1-0-0}]", "steps[0]: a step does one of"),
        ("steps: [{run: 'rm -rf /'}]", "unknown field `run`"),
        ("steps: [{cast: {path: a, to: money}}]", "Invalid enum value 'money'"),
        ("steps: [{rename: {to: a}}]", "missing required field `from`"),
        ("steps: [{set_version: new}]", "steps[0].set_version: it is no version."),
        ("steps: [{regex_sub: {path: a, pattern: '(?=a)'}}]", "looks around"),
        ("steps: [{drop: a, when: {matches: x}}]", "need a path"),
        ("steps: [{drop: a, when: {path: b, matches: '('}}]", "without its )"),
        ("{}", "missing required field `steps`"),
        ("[]", "Expected `object`"),
        ("steps: &a [*a]", "anchors and aliases are not allowed"),
        ("steps: [{drop: !!python/name:os.system x}]", "tags are not allowed"),
        ("steps: [" + "{drop: a}," * 101 + "]", "more than 100"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, what: str) -> None:
    with pytest.raises(Refused) as caught:
        read_repairs(text.encode(), "fix.yaml")

    assert what in caught.value.message
    assert caught.value.message.startswith("fix.yaml: ")
    assert caught.value.code == "PLAN_INVALID"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "name", "properties"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
EVERYTHING = """
steps:
  - rename: {from: properties.a, to: properties.b.c}
  - rename: {from: a, to: a.b}
  - cast: {path: properties.b, to: number}
  - cast: {path: properties.a, to: integer}
  - cast: {path: a.b, to: boolean}
  - cast: {path: b, to: string}
  - set: {path: properties.a.b, value: {x: 1}}
  - drop: properties.b.a
  - map_event: {a: b}
  - set_version: 1-0-0
  - regex_sub: {path: a, pattern: 'a+', with: b}
    when: {path: b, type: string}
"""


@given(st.dictionaries(st.sampled_from(["a", "b", "a.b", "name", "properties"]), JSON, max_size=4))
def test_no_item_makes_a_repair_fail_or_change_what_it_was_given(item: dict[str, Any]) -> None:
    before = repr(item)

    repaired(EVERYTHING, item)

    assert repr(item) == before
