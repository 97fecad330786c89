"""What operations say of a property, and the fold of those that the engine leaves to Python."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import TELLS

from tallymark.core.profiles import Told, profile
from tallymark.store.profile_values import Value, states, told_values, value_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", Value(text="1")),
        (12, Value(number="12")),
        (Decimal("1E+3"), Value(number="1000")),
        (True, Value(other="true")),
        (None, Value(other="null")),
        ({"b": 1, "a": [Decimal("1.50")]}, Value(other='{"a":[1.50],"b":1}')),
        (Decimal("0.30000000000000004"), Value(number="0.300000000", other="0.30000000000000004", is_long=True)),
        (10**18, Value(number="1000000000000000000", other="1000000000000000000", is_long=True)),
        (10**29, Value(text="1" + "0" * 29, other="1" + "0" * 29, is_long=True)),
    ],
)  # fmt: skip
def test_a_value_is_told_by_its_class(value: Any, expected: Value) -> None:
    assert value_of(value) == expected


def test_what_can_have_no_effect_is_not_kept() -> None:
    assert list(told_values("add", {"a": "text", "b": True})) == []
    assert list(told_values("clear", {"a": 1})) == [(None, Value())]
    assert list(told_values("unset", {"a": 1})) == [("a", Value())]


@given(st.lists(TELLS, max_size=12))
def test_the_states_of_any_history_are_those_of_the_profile(history: Any) -> None:
    told = [
        (one.op, one.properties.get("plan"))
        for one in history
        if one.op in {"clear", "delete"} or "plan" in one.properties
    ]

    found = states([_written(op, value) for op, value in told], True)

    assert found == [
        _state(profile(Told(n, n, op, {"plan": value}) for n, (op, value) in enumerate(told[:end])))
        for end in range(1, len(told) + 1)
    ]
    assert states([_written(op, value) for op, value in told], False) == (found[-1:] or [None])


def test_a_list_whose_history_would_take_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="ask for it @now"):
        states([f'append "{number}"' for number in range(20_000)], True)
    with pytest.raises(ValueError, match="too long a history"):
        states([f'union "{number}"' for number in range(20_000)], False)


def _written(op: str, value: Any) -> str:
    told = value_of(value)
    return f"{op} {told.other or (told.number if told.text is None else _quoted(told.text))}"


def _quoted(text: str) -> str:
    return json.dumps(text)


def _state(known: dict[str, Any]) -> str | None:
    value = known.get("plan")
    if value is None:
        return None
    told = value_of(value)
    if told.number is not None:
        return f"n{told.number}"
    return f"t{told.text}" if told.text is not None else f"o{told.other}"
