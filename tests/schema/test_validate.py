"""The validator against a slow one that says the same in other words."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.plans import CHECKOUT, plan

from tallymark.schema.plan import EventPlan, Property
from tallymark.schema.validate import checks_of, findings

SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", "b1"])
    | st.sampled_from([Decimal("0.5"), Decimal("1.0"), Decimal("-2.50"), Decimal("1E+300")])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
PATTERNS = ("^a", "b?$", "^[a-b]+[0-9]?$")


@st.composite
def planned_properties(draw: st.DrawFn, depth: int = 2) -> Property:
    kind = draw(st.sampled_from(["string", "number", "integer", "boolean", "object", "array"]))
    more: dict[str, Any] = {"required": draw(st.booleans())} if depth == 2 else {}
    if kind in ("number", "integer") and draw(st.booleans()):
        more["minimum"] = draw(st.integers(-2, 2) | st.just(Decimal("0.5")))
    if kind in ("number", "integer") and draw(st.booleans()):
        more["maximum"] = draw(st.integers(-2, 2) | st.just(Decimal("1.5")))
    members: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(["a", "ab", "b1"]),
        "number": st.sampled_from([1, Decimal("0.5"), -2]),
        "integer": st.sampled_from([1, 2]),
        "boolean": st.booleans(),
    }
    if kind in members and draw(st.booleans()):
        more["enum"] = tuple(draw(st.lists(members[kind], min_size=1, max_size=2, unique=True)))
    if kind == "string" and draw(st.booleans()):
        more["pattern"] = draw(st.sampled_from(PATTERNS))
    if kind == "array" and depth and draw(st.booleans()):
        more["items"] = draw(planned_properties(depth - 1))
    return Property(kind, **more)  # type: ignore[arg-type]


def is_valid(planned: Property, value: Any) -> bool:
    """The oracle: plain conditions, each on its own."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    of_type = {
        "string": isinstance(value, str),
        "number": is_number,
        "integer": is_number and (abs(value) > 10**20 or Decimal(value) % 1 == 0),
        "boolean": isinstance(value, bool),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
    }[planned.type]  # fmt: skip
    return (
        of_type
        and (not planned.enum or any(value == one for one in planned.enum))
        and (planned.minimum is None or value >= planned.minimum)
        and (planned.maximum is None or value <= planned.maximum)
        and (planned.pattern is None or re.search(planned.pattern, value) is not None)
        and (planned.items is None or all(is_valid(planned.items, one) for one in value))
    )


@given(
    st.dictionaries(st.sampled_from("abcd"), planned_properties(), max_size=3),
    st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=4),
)
def test_each_property_is_judged_as_by_plain_conditions(
    planned: dict[str, Property], sent: dict[str, Any]
) -> None:
    found = findings(sent, checks_of(EventPlan("e", "1-0-0", properties=planned)))

    expected = {name: "UNPLANNED_PROP" for name in sent if name not in planned}
    for name, one in planned.items():
        if sent.get(name) is None:
            expected |= {name: "SCHEMA_REQUIRED"} if one.required else {}
        elif not is_valid(one, sent[name]):
            expected[name] = "SCHEMA_"
    assert {one.name for one in found} == set(expected)
    assert all(one.code.startswith(expected[one.name]) for one in found)


@pytest.mark.parametrize(
    ("change", "code", "path", "message"),
    [
        ({"amount": "9.5"}, "SCHEMA_TYPE", "properties.amount", "amount must be a number, not text."),
        ({"amount": True}, "SCHEMA_TYPE", "properties.amount", "amount must be a number, not true or false."),
        ({"amount": Decimal("-0.01")}, "SCHEMA_RANGE", "properties.amount", "amount must be at least 0."),
        ({"amount": None}, "SCHEMA_REQUIRED", "properties.amount", "amount is required and missing."),
        ({"currency": "eur"}, "SCHEMA_ENUM", "properties.currency", "currency must be one of EUR, USD."),
        ({"coupon": "abcd12"}, "SCHEMA_PATTERN", "properties.coupon", "coupon must match ^[A-Z]{4}[0-9]{2}$."),
        ({"lines": [3, 0]}, "SCHEMA_RANGE", "properties.lines[1]", "lines[1] must be at least 1."),
        ({"lines": [None]}, "SCHEMA_TYPE", "properties.lines[0]", "lines[0] must be a whole number, not null."),
        ({"lines": [Decimal("1.5")]}, "SCHEMA_TYPE", "properties.lines[0]", "lines[0] must be a whole number, not a number."),
        ({"colour": 1}, "UNPLANNED_PROP", "properties.colour", "colour is not in the plan."),
        ({"a\x00" + "b" * 100: 1}, "UNPLANNED_PROP", "properties.a\\x00" + "b" * 74 + "…", "a\\x00" + "b" * 74 + "… is not in the plan."),
    ],
)  # fmt: skip
def test_a_finding_names_the_property_and_never_what_was_sent(
    change: dict[str, Any], code: str, path: str, message: str
) -> None:
    checks = checks_of(plan(CHECKOUT).events[0])

    (found,) = findings({"amount": 1, "currency": "EUR", **change}, checks)

    assert (found.code, found.path, found.message) == (code, path, message)


def test_null_counts_as_left_out_and_whole_decimals_as_whole() -> None:
    checks = checks_of(plan(CHECKOUT).events[0])

    sent = {
        "amount": 0,
        "currency": "USD",
        "email": None,
        "lines": [Decimal("2.0"), Decimal("1E+1")],
    }
    assert findings(sent, checks) == []


def test_what_is_treated_is_text_by_then() -> None:
    checks = checks_of(plan(CHECKOUT).events[0])

    sent = {"amount": 0, "currency": "USD", "email": "h_0123456789abcdef0123456789abcdef"}
    assert findings(sent, checks) == []
    assert [one.code for one in findings({**sent, "email": 5}, checks)] == ["SCHEMA_TYPE"]
