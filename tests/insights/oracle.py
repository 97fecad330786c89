"""Which events a question means, decided one event at a time in plain Python."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from hypothesis import strategies as st
from tests.strategies import AMOUNTS, PLAN, TIMES, History, Use, owners, person, uses

from tallymark.core.clock import instant, rfc3339

FIELDS = ("event", "path", "user_id", "anonymous_id", "account", "session", "currency", "is_bot",
          "value", "revenue", "time", "properties.plan", "properties.seats", "properties.mixed",
          "properties.beta", "properties.nowhere")  # fmt: skip
_ATTRIBUTES = {"event": "name", "user_id": "user", "anonymous_id": "anonymous"}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
_BOUND_OPS = (*_ORDER, "between")
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
_NEGATED = {"not_equals": "equals", "not_in": "in", "not_contains": "contains", "not_exists": "exists"}  # fmt: skip


def at_nine_places(number: Decimal) -> Decimal:
    """Return a number as it is measured and compared: ties go to the even neighbour."""
    return number.quantize(Decimal("1E-9"), context=Context(prec=80, rounding=ROUND_HALF_EVEN))


def value_of(use: Use, name: str) -> Any:
    """Return what an event has in a field, None if nothing."""
    if name.startswith("properties."):
        value = use.properties.get(name.removeprefix("properties."))
        return at_nine_places(value) if isinstance(value, Decimal) else value
    return getattr(use, _ATTRIBUTES.get(name, name))


def is_same(found: Any, wanted: Any) -> bool:
    """Whether both are the same text, the same truth or the same number."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, str) or isinstance(wanted, str):
        return isinstance(found, str) and found == wanted
    if found is None or wanted is None:
        return found is wanted
    return bool(found == _number(wanted))


def satisfies(use: Use, chosen: dict[str, Any] | None) -> bool:
    """Whether an event satisfies a filter."""
    if chosen is None:
        return True
    op = chosen["op"]
    if op == "and":
        return all(satisfies(use, part) for part in chosen["filters"])
    if op == "or":
        return any(satisfies(use, part) for part in chosen["filters"])
    if op == "not":
        return not satisfies(use, chosen["filter"])
    if op in _NEGATED:
        return not satisfies(use, {**chosen, "op": _NEGATED[op]})
    return _holds(value_of(use, chosen["field"]), op, chosen)


def _holds(found: Any, op: str, chosen: dict[str, Any]) -> bool:
    if op in {"equals", "in"}:
        wanted = chosen["values"] if op == "in" else [chosen["value"]]
        return any(is_same(found, value) for value in wanted)
    if op in {"exists", "is_true", "is_false"}:
        return found is not None if op == "exists" else found is (op == "is_true")
    if isinstance(found, str):
        return _text_holds(found, op, chosen)
    if isinstance(found, bool) or not isinstance(found, int | Decimal) or op not in _BOUND_OPS:
        return False
    if op == "between":
        return bool(_limit(chosen["low"]) <= found < _limit(chosen["high"]))
    return _ORDER[op](found, _limit(chosen["value"]))


def _text_holds(found: str, op: str, chosen: dict[str, Any]) -> bool:
    if op == "matches":
        return re.search(chosen["pattern"], found) is not None
    return op in _TEXT and _TEXT[op](found, chosen["value"])


def _limit(value: Any) -> Any:
    if isinstance(value, str):
        return instant(datetime.fromisoformat(value).replace(tzinfo=UTC))
    return _number(value)


def _number(asked: Any) -> Any:
    return at_nine_places(Decimal(repr(asked))) if isinstance(asked, float) else asked


def chosen_uses(
    history: History,
    since: int,
    until: int,
    *,
    event: Any = None,
    filters: tuple[dict[str, Any] | None, ...] = (),
    include_bots: bool = False,
) -> list[Use]:
    """Return the events of a range that a series means."""
    names = [event] if isinstance(event, str) else event
    return [
        use
        for use in uses(history)
        if since <= use.time < until
        and (names is None or use.name in names)
        and (include_bots or not use.is_bot)
        and all(satisfies(use, chosen) for chosen in filters)
    ]


def people_of(history: History, chosen: list[Use]) -> set[str]:
    """Return the people of events, as known at the end of the history."""
    owner = owners(history)
    return {who for use in chosen if (who := person(use, owner)) is not None}


def _leaf(field: str, ops: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(ops).flatmap(
        lambda op: st.fixed_dictionaries({
            "op": st.just(op),
            "field": st.just(field),
            **({"values": st.lists(values, max_size=3)} if op in {"in", "not_in"}
               else {"low": values, "high": values} if op == "between"
               else {"pattern": st.sampled_from(["^/", "a|b", "[A-Z]", "o+$", "^$"])} if op == "matches"
               else {} if op in {"exists", "not_exists", "is_true", "is_false"}
               else {"value": values}),
        })
    )  # fmt: skip


_EQUALITY = ["equals", "not_equals", "in", "not_in", "exists", "not_exists"]
_TEXTS = ["contains", "not_contains", "starts_with", "ends_with", "matches"]
_BOUNDS = ["gt", "gte", "lt", "lte", "between"]
# Sent as JSON numbers; fifteen digits survive a float, which is what a question holds.
_NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 0.1, -2.5, 0.5, 0.30000000000000004, 0.1000000005, 1e-10]),
    st.floats(-(10**6), 10**6),
    AMOUNTS.filter(lambda amount: abs(amount) < 10**5).map(float),
)
_WORDS = st.one_of(PLAN, st.sampled_from(["", "/", "a", "open", "buy", "ana", "phone", "acme", "s1", "EUR"]))  # fmt: skip
_ANY = st.one_of(_WORDS, _NUMBERS, st.booleans())
_MOMENTS = TIMES.map(lambda time: rfc3339(time // 10**6 * 10**6))

CONDITIONS = st.one_of(
    *(_leaf(field, [*_EQUALITY, *_TEXTS], _WORDS) for field in
      ("event", "path", "user_id", "anonymous_id", "account", "session", "currency")),
    *(_leaf(field, [*_EQUALITY, *_BOUNDS], _NUMBERS) for field in ("value", "revenue")),
    _leaf("time", _BOUNDS, _MOMENTS),
    _leaf("is_bot", ["is_true", "is_false", *_EQUALITY], st.booleans()),
    *(_leaf(field, _EQUALITY, _ANY) for field in FIELDS if field.startswith("properties.")),
    *(_leaf(field, _BOUNDS, _NUMBERS) for field in FIELDS if field.startswith("properties.")),
    *(_leaf(field, ["is_true", "is_false"], st.none()) for field in FIELDS if field.startswith("p")
      and field != "path"),
    *(_leaf(field, _TEXTS, _WORDS) for field in FIELDS if field.startswith("properties.")),
)  # fmt: skip
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"op": st.just("and"), "filters": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"op": st.just("or"), "filters": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"op": st.just("not"), "filter": inner}),
    ),
    max_leaves=5,
)
