"""Computed properties give what one calculates by hand, and cannot say what has no meaning."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import value_of
from tests.insights.test_cohorts import DAYS, define
from tests.strategies import Use, histories, uses

from tallymark.core.errors import InvalidQuery
from tallymark.insights.expression import field_names

_WIDE = Context(prec=100)
_NINE = Decimal("1E-9")


def totals(store: Store, text: str, kind: str = "number", **more: Any) -> dict[Any, int]:
    """Return how many events have which value."""
    define(store, properties={"x": {"type": kind, "value": text}, **more})
    data = ask(store, "trends", range=DAYS, breakdown=["computed.x"], top=1000, include_bots=True)
    return {line.breakdown[0]: line.total for line in data.lines}


def test_a_margin_is_summed_exactly(store: Store) -> None:
    store.replace(
        [
            Use(revenue=Decimal("10.10"), properties={"cost": Decimal("0.35")}),
            Use(revenue=Decimal(5), properties={"cost": Decimal("5.000000001")}),
            Use(revenue=Decimal(7)),
            Use(revenue=Decimal(7), properties={"cost": "none"}),
        ]
    )
    define(store, properties={"margin": {"type": "number", "value": "revenue - properties.cost"}})

    data = ask(store, "trends", range=DAYS, series=[{"measure": "sum", "of": "computed.margin"}])

    assert data.lines[0].total == Decimal("9.749999999")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("2 / 3", "number", Decimal("0.666666667")),
        ("-2 / 3 * 3", "number", Decimal("-2.000000001")),
        ("1 / 0", "number", None),
        ("0.5 * 0.000000001", "number", Decimal("0.000000001")),
        ("99999999999999999999 * 99999999999999999999", "number", None),
        ("round(-2.5) + floor(-2.5)", "number", -6),
        ('if(value > 1 and not (path = "/"), "deep", "shallow")', "text", "deep"),
        ('after(path, "/") = "a" or false', "truth", True),
        ('before(path, "?")', "text", None),
        ('concat(upper(path), ":", "it\'s \\"ü\\"")', "text", '/A:it\'s "ü"'),
        ("length(path)", "number", 2),
        ("coalesce(properties.nick, path)", "text", "/a"),
        ("properties.nick is missing", "truth", True),
        ("properties.plan exists", "truth", True),
        ('properties.plan != "free"', "truth", True),
        ("properties.seats * 2 = properties.seats + properties.seats", "truth", True),
        ("text(properties.mixed) = text(properties.plan)", "truth", False),
        ("computed.y + 1", "number", 3),
        ('"a" = "a" and 3 >= value', "truth", True),
    ],
)
def test_an_expression_gives_its_value(store: Store, text: str, kind: str, value: Any) -> None:
    use = Use(path="/a", value=Decimal(2), properties={"plan": "pro", "seats": 3, "mixed": 1})
    store.replace([use])

    assert totals(store, text, kind, y={"type": "number", "value": "value"}) == {value: 1}


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("path + 1", "number", "path is a text where a number is needed"),
        ("value", "text", "value is a number where a text is needed"),
        ("1 +", "number", "lacks a field, a value or a function at the end"),
        ("1 2", "number", "'2' too much"),
        ("(1", "number", r"lacks '\)'"),
        ("properties.a = properties.b", "truth", "may be of any type"),
        ("nothing", "number", "no field 'nothing'"),
        ("time", "number", "time is a time"),
        ("lowr(path)", "text", "no function 'lowr'"),
        ("lower(path, path)", "text", "lower takes 1 part, not 2"),
        ("1 is missing", "truth", "only a field may be missing"),
        ("value is 3", "truth", "'missing' after 'is'"),
        ("path; DROP TABLE event", "text", "cannot be read at '; DROP TAB'"),
        ("(" * 40 + "1" + ")" * 40, "number", "nests too deep"),
        ("- " * 50 + "1", "number", "nests too deep"),
        ("1" + " + 1" * 300, "number", "may have 200 operations"),
        ("1" + " " * 3000 + "+ 1", "number", "may have 2000 characters"),
        ("12345678901234567890123", "number", "cannot be read"),
        ("", "number", "lacks a field"),
        ("computed.z", "number", "no computed property 'z'"),
    ],
)
def test_what_has_no_meaning_is_refused(store: Store, text: str, kind: str, says: str) -> None:
    store.replace([Use()])

    with pytest.raises(InvalidQuery, match=says):
        totals(store, text, kind)


def test_the_fields_of_an_expression_are_named_once() -> None:
    assert field_names('if(value > 1, properties.a-b.c, "x") = properties.a-b.c') == ["value", "properties.a-b.c"]  # fmt: skip


def test_a_computed_property_filters_and_joins_what_it_needs(store: Store) -> None:
    store.replace([Use(name="open", user="ana", account="acme"), Use(name="buy", user="bo")])
    define(store, properties={"at": {"type": "text", "value": 'concat(event, " at ", account)'}})
    wanted = {"op": "equals", "field": "computed.at", "value": "open at acme"}

    assert ask(store, "trends", range=DAYS, filter=wanted).lines[0].total == 1
    assert ask(store, "people", range=DAYS, filter=wanted).people[0].user_ids == ["ana"]


def test_a_property_that_never_came_is_told_also_where_something_is_computed_from_it(
    store: Store,
) -> None:
    store.replace([Use(properties={"cost": 1})])
    define(store, properties={
        "a": {"type": "number", "value": "properties.cots + 1"},
        "b": {"type": "number", "value": "computed.a * 2"},
    })  # fmt: skip

    data = ask(store, "trends", range=DAYS, breakdown=["computed.b"])

    assert data.warnings == ["No event has a property 'cots'. Did you mean 'cost'?"]


# Expressions with their values, calculated in plain Python over a use.

_AMOUNTS = {"value": "value", "revenue": "revenue", "properties.seats": "properties.seats"}
_TEXTS = ["path", "properties.plan", "currency", "event"]


def _number(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None  # fmt: skip


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _evaluate(tree: Any, use: Use) -> Any:
    kind, *parts = tree
    if kind == "const":
        return parts[0]
    if kind == "number field":
        return _number(value_of(use, parts[0]))
    if kind == "text field":
        return _text(value_of(use, parts[0]))
    values = [_evaluate(part, use) for part in parts]
    if kind in _DEFINITE:
        return _DEFINITE[kind](*values)
    return None if None in values else _CALLS[kind](*values)


def _scaled(number: Decimal) -> int:
    return int(_WIDE.multiply(number, Decimal(10**9)))


def _nine(number: Decimal) -> Decimal | None:
    found = number.quantize(_NINE, rounding=ROUND_HALF_UP, context=_WIDE)
    return found if abs(found) < 10**29 else None


def _times(left: Decimal, right: Decimal) -> Decimal | None:
    # Two numbers of nine places each have eighteen together, which leave twenty before the point.
    return _nine(_WIDE.multiply(left, right)) if abs(_scaled(left) * _scaled(right)) < 10**38 else None  # fmt: skip


def _through(left: Decimal, right: Decimal) -> Any:
    if not right or abs(left) >= 10**19 or abs(right) >= 10**19:
        return None
    return _nine(_WIDE.divide(left, right))


_CALLS: dict[str, Any] = {
    "+": lambda a, b: _nine(a + b),
    "-": lambda a, b: _nine(a - b),
    "*": _times,
    "/": _through,
    "abs": abs,
    "floor": lambda a: a.quantize(Decimal(1), rounding=ROUND_FLOOR, context=_WIDE),
    "round": lambda a: a.quantize(Decimal(1), rounding=ROUND_HALF_UP, context=_WIDE),
    "length": lambda a: Decimal(len(a)),
    "lower": str.lower,
    "concat": lambda a, b: a + b,
    "replace": lambda a, b, c: a.replace(b, c) if b else a,
    "before": lambda a, b: a.partition(b)[0] if b in a else None,
    "after": lambda a, b: a.partition(b)[2] if b in a else None,
}
_DEFINITE: dict[str, Any] = {
    "if": lambda c, a, b: a if c else b,
    "coalesce": lambda a, b: b if a is None else a,
    "=": lambda a, b: None not in (a, b) and a == b,
    "!=": lambda a, b: None in (a, b) or a != b,
    "<": lambda a, b: None not in (a, b) and a < b,
    ">=": lambda a, b: None not in (a, b) and a >= b,
    "and": lambda a, b: bool(a and b),
    "or": lambda a, b: bool(a or b),
    "not": lambda a: not a,
    "contains": lambda a, b: None not in (a, b) and b in a,
    "exists": lambda a: a is not None,
}
_INFIX = {"+", "-", "*", "/", "=", "!=", "<", ">=", "and", "or"}


def _written(tree: Any) -> str:  # noqa: PLR0911
    kind, *parts = tree
    if kind == "const":
        value = parts[0]
        if isinstance(value, bool):
            return str(value).lower()
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else str(value)  # fmt: skip
    if kind.endswith("field"):
        # Where two of any type meet, one says which is meant.
        return f"{kind.split()[0]}({parts[0]})" if "." in parts[0] else str(parts[0])
    if kind == "exists":
        return f"({parts[0][1]} exists)"
    said = [_written(part) for part in parts]
    if kind in _INFIX:
        return f"({said[0]} {kind} {said[1]})"
    if kind == "not":
        return f"(not {said[0]})"
    return f"{kind}({', '.join(said)})"


def _trees(depth: int, kind: str) -> st.SearchStrategy[Any]:
    number = st.sampled_from([("number field", one) for one in _AMOUNTS]) | st.sampled_from(
        [("const", Decimal(text)) for text in ("0", "1", "3", "0.5", "2.000000001", "1000000")]
    )
    text = st.sampled_from([("text field", one) for one in _TEXTS]) | st.sampled_from(
        [("const", one) for one in ("/", "a", "ü", "free", 'x"\\', "R")]
    )
    truth = st.sampled_from([("const", True), ("const", False)])
    if depth == 0:
        return {"number": number, "text": text, "truth": truth}[kind]
    n, t, b = (_trees(depth - 1, one) for one in ("number", "text", "truth"))
    if kind == "number":
        return st.one_of(
            number, st.tuples(st.sampled_from("+-*/"), n, n), st.tuples(st.just("if"), b, n, n),
            st.tuples(st.sampled_from(["abs", "round", "floor"]), n), st.tuples(st.just("length"), t),
            st.tuples(st.just("coalesce"), n, n),
        )  # fmt: skip
    if kind == "text":
        return st.one_of(
            text, st.tuples(st.sampled_from(["concat", "before", "after", "coalesce"]), t, t),
            st.tuples(st.just("lower"), t), st.tuples(st.just("replace"), t, t, t),
            st.tuples(st.just("if"), b, t, t),
        )  # fmt: skip
    return st.one_of(
        st.tuples(st.sampled_from(["=", "!=", "<", ">="]), n, n),
        st.tuples(st.sampled_from(["=", "!=", "contains"]), t, t),
        st.tuples(st.sampled_from(["and", "or"]), b, b),
        st.tuples(st.just("not"), b),
        st.tuples(st.just("exists"), number.filter(lambda one: one[0] != "const")),
    )


_KINDS = st.sampled_from(["number", "text", "truth"]).flatmap(
    lambda kind: st.tuples(st.just(kind), _trees(3, kind))
)


@settings(max_examples=150, deadline=None)
@given(histories(8), _KINDS)
def test_any_expression_gives_what_plain_python_gives(
    store: Store, history: Any, chosen: Any
) -> None:
    kind, tree = chosen
    store.replace(history)

    wanted: dict[Any, int] = {}
    for use in uses(history):
        value = _evaluate(tree, use)
        wanted[value] = wanted.get(value, 0) + 1

    assert totals(store, _written(tree), kind) == wanted
