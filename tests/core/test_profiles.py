"""A profile is the fold of the operations in order of time, whatever order they arrive in."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.core.event import Operation
from tallymark.core.profiles import Told, is_same, profile


def told(*operations: tuple[int, Operation, dict[str, Any]]) -> list[Told]:
    return [Told(seq, time, op, said) for seq, (time, op, said) in enumerate(operations)]


def test_the_last_set_holds_by_time_not_by_arrival() -> None:
    assert profile(told((9, "set", {"plan": "pro"}), (5, "set", {"plan": "free"}))) == {
        "plan": "pro"
    }


def test_of_two_sets_at_one_instant_the_later_arrival_holds() -> None:
    assert profile(told((5, "set", {"plan": "a"}), (5, "set", {"plan": "b"}))) == {"plan": "b"}


def test_the_earliest_set_once_holds() -> None:
    assert profile(
        told((9, "set_once", {"first": "b"}), (5, "set_once", {"first": "a"}))
    ) == {"first": "a"}  # fmt: skip


def test_the_value_at_an_instant_is_what_was_told_up_to_it() -> None:
    history = told((5, "set", {"plan": "free"}), (9, "set", {"plan": "pro"}))

    assert [profile(history, at) for at in (4, 5, 8, 9)] == [
        {}, {"plan": "free"}, {"plan": "free"}, {"plan": "pro"}
    ]  # fmt: skip


def test_a_sum_is_exact() -> None:
    wide = Decimal("1E+300")
    history = told((1, "add", {"n": Decimal("0.1")}), (2, "add", {"n": Decimal("0.2")}), (3, "add", {"n": wide}))  # fmt: skip

    assert profile(history, 2) == {"n": Decimal("0.3")}
    assert str(profile(history)["n"]) == "1" + "0" * 300 + ".3"


@pytest.mark.parametrize("held", ["text", True, [1], None])
def test_adding_to_what_is_no_number_changes_nothing(held: Any) -> None:
    assert profile(told((1, "set", {"n": held}), (2, "add", {"n": 1}))) == {"n": held}


def test_lists_take_and_lose_values() -> None:
    history = told(
        (1, "append", {"tags": "b"}),
        (2, "prepend", {"tags": ["z", "a"]}),
        (3, "union", {"tags": ["b", "c"]}),
        (4, "append", {"tags": "b"}),
        (5, "remove", {"tags": "b"}),
    )

    assert profile(history) == {"tags": ["z", "a", "c"]}


def test_true_is_not_the_number_one_in_a_list() -> None:
    history = told((1, "set", {"t": [1, True]}), (2, "remove", {"t": Decimal("1.0")}))

    assert profile(history) == {"t": [True]}
    assert not is_same([1, {"a": True}], [1, {"a": 1}])


@pytest.mark.parametrize("op", ["clear", "delete"])
def test_what_comes_after_everything_was_forgotten_is_known(op: Operation) -> None:
    history = told((1, "set", {"a": 1, "b": 2}), (2, op, {}), (3, "set_once", {"a": 3}))

    assert profile(history) == {"a": 3}


def test_a_list_held_by_a_profile_is_not_the_one_that_was_told() -> None:
    said = [1]

    profile(told((1, "set", {"t": said}), (2, "append", {"t": 2})))

    assert said == [1]


VALUES = st.sampled_from(
    [0, 1, -1, Decimal("1.0"), Decimal("0.1"), "a", True, False, None, [], ["a", 1], [True, [1]], {"x": 1}]
)  # fmt: skip
TOLD = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(get_args(Operation)),
        st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2),
    ),
    max_size=12,
)


@settings(max_examples=400)
@given(TOLD, st.one_of(st.none(), st.integers(0, 6)), st.randoms())
def test_agrees_with_the_oracle_at_any_instant_in_any_order(
    operations: list[tuple[int, Operation, dict[str, Any]]], at: int | None, random: Any
) -> None:
    history = told(*operations)
    shuffled = list(history)
    random.shuffle(shuffled)

    found = profile(shuffled, at)

    assert canonical(found) == canonical({name: known for name in "ab" if (known := value_of(history, name, at)) is not GONE})  # fmt: skip


# The oracle: one property at a time, from the history of that property alone.

GONE = object()


def value_of(history: list[Told], name: str, at: int | None) -> Any:
    value: Any = GONE
    for time in range(7 if at is None else at + 1):
        for one in (one for one in history if one.time == time):
            if one.op in ("clear", "delete"):
                value = GONE
            elif name in one.properties:
                value = after(value, one.op, one.properties[name])
    return value


def after(value: Any, op: str, given: Any) -> Any:
    if op in ("append", "prepend", "union", "remove"):
        return after_list(value, op, given if isinstance(given, list) else [given])
    before = 0 if value is GONE else value
    numbers = op == "add" and all(type(one) in (int, Decimal) for one in (before, given))
    return {
        "set": given,
        "unset": GONE,
        "set_once": given if value is GONE else value,
        "add": before + given if numbers else value,
    }[op]


def after_list(value: Any, op: str, given: list[Any]) -> Any:
    if op == "remove" and not isinstance(value, list):
        return value
    held = [] if value is GONE else value if isinstance(value, list) else [value]
    if op in ("append", "prepend"):
        return held + given if op == "append" else given + held
    texts = [canonical(one) for one in given]
    if op == "remove":
        return [one for one in held if canonical(one) not in texts]
    for one in given:
        if canonical(one) not in [canonical(there) for there in held]:
            held = [*held, one]
    return held


def canonical(value: Any) -> str:
    """Return a text that is the same for equal JSON values only."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | Decimal):
        return f"n{Decimal(value).normalize():f}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}={canonical(value[key])}" for key in sorted(value)) + "}"
    return repr(value)
