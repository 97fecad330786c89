"""Which events a question means: conditions on fields, nested with and, or and not.

A condition compares like with like: text with text, a number with numbers, true or false with
truth. What is missing satisfies no condition but ``not_exists`` and the negated ones: a missing
value does count as not equal, not in, not containing. ``not`` is the exact complement.
"""

from collections.abc import Iterator
from typing import Annotated, Final, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, join, sql

from . import fields
from .fields import Field, field
from .held import Which, is_in, unit_of
from .insight import Scope
from .numbers import stored
from .ranges import instant_of

MAX_DEPTH: Final = 16
MAX_CONDITIONS: Final = 200
MAX_VALUES: Final = 1_000
MAX_PATTERN: Final = 1_000

Scalar: TypeAlias = str | int | float | bool
FieldName: TypeAlias = Annotated[
    str,
    Meta(
        description=(
            "A field of every event, properties.<name>, or person.<name>, account.<name> or"
            " group.<type>.<name> with @now or @<date> after it if not as of the event."
        ),
        max_length=300,
    ),
]
Text: TypeAlias = Annotated[str, Meta(description="Text, compared case and all.")]
Bound: TypeAlias = Annotated[
    str | int | float,
    Meta(description="A number; for a time field an RFC 3339 instant or a local date."),
]


class _Node(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    """A filter."""


class _Condition(_Node, frozen=True):
    """A condition on one field."""

    field: FieldName


class And(_Node, frozen=True, tag="and"):
    """All of the filters hold; true if there are none."""

    filters: list["Filter"]


class Or(_Node, frozen=True, tag="or"):
    """At least one of the filters holds; false if there are none."""

    filters: list["Filter"]


class Not(_Node, frozen=True, tag="not"):
    """The filter does not hold."""

    filter: "Filter"


class Equals(_Condition, frozen=True, tag="equals"):
    """The field is this text, number or truth."""

    value: Scalar


class NotEquals(_Condition, frozen=True, tag="not_equals"):
    """The field is anything else, or missing."""

    value: Scalar


class In(_Condition, frozen=True, tag="in"):
    """The field is one of these."""

    values: list[Scalar]


class NotIn(_Condition, frozen=True, tag="not_in"):
    """The field is none of these, or missing."""

    values: list[Scalar]


class Contains(_Condition, frozen=True, tag="contains"):
    """The text contains this."""

    value: Text


class NotContains(_Condition, frozen=True, tag="not_contains"):
    """The text does not contain this, or the field is no text or missing."""

    value: Text


class StartsWith(_Condition, frozen=True, tag="starts_with"):
    """The text starts with this."""

    value: Text


class EndsWith(_Condition, frozen=True, tag="ends_with"):
    """The text ends with this."""

    value: Text


class Matches(_Condition, frozen=True, tag="matches"):
    """Some part of the text matches this regular expression (RE2: linear time, no look-around)."""

    pattern: Annotated[str, Meta(description="RE2 regular expression.", max_length=MAX_PATTERN)]


class Greater(_Condition, frozen=True, tag="gt"):
    """The number or time is greater."""

    value: Bound


class AtLeast(_Condition, frozen=True, tag="gte"):
    """The number or time is greater or equal."""

    value: Bound


class Less(_Condition, frozen=True, tag="lt"):
    """The number or time is less."""

    value: Bound


class AtMost(_Condition, frozen=True, tag="lte"):
    """The number or time is less or equal."""

    value: Bound


class Between(_Condition, frozen=True, tag="between"):
    """The number or time is at least ``low`` and less than ``high``."""

    low: Bound
    high: Bound


class IsTrue(_Condition, frozen=True, tag="is_true"):
    """The field is true."""


class IsFalse(_Condition, frozen=True, tag="is_false"):
    """The field is false, and not missing."""


class Exists(_Condition, frozen=True, tag="exists"):
    """The field has a value; JSON null is none."""


class NotExists(_Condition, frozen=True, tag="not_exists"):
    """The field has no value."""


class InCohort(_Node, frozen=True, tag="in_cohort"):
    """The person, or the account, of the event is a member of this cohort."""

    cohort: Annotated[Which, Meta(description="Name of a cohort, or its definition.")]


Condition: TypeAlias = Equals | NotEquals | In | NotIn | Contains | NotContains | StartsWith | EndsWith | Matches | Greater | AtLeast | Less | AtMost | Between | IsTrue | IsFalse | Exists | NotExists  # fmt: skip
Filter: TypeAlias = And | Or | Not | InCohort | Condition

_BY_SIZE: Final = (Greater, AtLeast, Less, AtMost, Between)
_NEVER: Final = Sql("false")


def condition(chosen: Filter, scope: Scope, zone: ZoneInfo) -> Sql:
    """Return the filter as SQL; what is NULL in it means false.

    Raises InvalidQuery for an unknown field, a value of the wrong type.
    """
    match chosen:
        case And(filters):
            return _all([condition(part, scope, zone) for part in filters], " AND ", "true")
        case Or(filters):
            return _all([condition(part, scope, zone) for part in filters], " OR ", "false")
        case Not(inner):
            # Three-valued logic would make NOT of a missing value false; it must be the complement.
            return sql("({inner}) IS NOT TRUE", inner=condition(inner, scope, zone))
        case InCohort(cohort):
            return is_in(fields.unit_key(unit_of(cohort, scope), scope), cohort, scope)
        case _:
            return _leaf(chosen, field(chosen.field, scope, path="filter.field"), zone)


def names(chosen: Filter | None) -> list[str]:
    """Return the names of the fields a filter uses; raises InvalidQuery if it is too large."""
    found = [_field_of(leaf) for leaf in _leaves(chosen, 1)] if chosen is not None else []
    if len(found) > MAX_CONDITIONS:
        raise InvalidQuery(f"A filter may have {MAX_CONDITIONS} conditions.", path="filter")
    return found


def compared(chosen: Filter | None) -> list[str]:
    """Return the names of the fields a filter compares by size."""
    leaves = _leaves(chosen, 1) if chosen is not None else ()
    return [leaf.field for leaf in leaves if isinstance(leaf, _BY_SIZE)]


def _field_of(leaf: InCohort | Condition) -> str:
    # Whoever is a member is told by the person's key; that of the account needs no table.
    return "person" if isinstance(leaf, InCohort) else leaf.field


def equal(found: Field, value: Scalar) -> Sql:
    """Return that the field is this value; a value of a class the property never had is false."""
    match value:
        case bool():
            truth = _typed(found, found.truth, "truth", value)
            return sql("{truth} = {value}", truth=truth, value=value) if truth else _NEVER
        case str():
            text = _typed(found, found.text, "text", value)
            return sql("{text} = {value}", text=text, value=value) if text else _NEVER
        case int() | float():
            number = _typed(found, found.number, "number", value)
            return _compared(number, "=", value) if number else _NEVER


def exists(found: Field) -> Sql:
    """Return that the field has a value of any type."""
    typed = [found.text, found.number, found.time, found.other or found.truth]
    present = [sql("{it} IS NOT NULL", it=it) for it in typed if it is not None]
    return _all(present, " OR ", "false")


def _leaf(chosen: Condition, found: Field, zone: ZoneInfo) -> Sql:
    match chosen:
        case Contains() | NotContains() | StartsWith() | EndsWith() | Matches():
            return _text_leaf(chosen, found)
        case Greater() | AtLeast() | Less() | AtMost() | Between():
            return _order_leaf(chosen, found, zone)
        case _:
            return _equality_leaf(chosen, found)


def _equality_leaf(
    chosen: Equals | NotEquals | In | NotIn | IsTrue | IsFalse | Exists | NotExists, found: Field
) -> Sql:
    match chosen:
        case Equals(value=value) | NotEquals(value=value):
            inner = equal(found, value)
        case In(values=values) | NotIn(values=values):
            inner = _one_of(found, values)
        case IsTrue() | IsFalse():
            inner = equal(found, isinstance(chosen, IsTrue))
        case Exists() | NotExists():
            inner = exists(found)
        case _:
            assert_never(chosen)
    return _negated(inner) if isinstance(chosen, NotEquals | NotIn | NotExists) else inner


def _text_leaf(
    chosen: Contains | NotContains | StartsWith | EndsWith | Matches, found: Field
) -> Sql:
    text = _typed(found, found.text, "text", None)
    if text is None:
        return Sql("true") if isinstance(chosen, NotContains) else _NEVER
    match chosen:
        case Contains(value=value):
            return sql("contains({text}, {value})", text=text, value=value)
        case NotContains(value=value):
            return _negated(sql("contains({text}, {value})", text=text, value=value))
        case StartsWith(value=value):
            return sql("starts_with({text}, {value})", text=text, value=value)
        case EndsWith(value=value):
            return sql("ends_with({text}, {value})", text=text, value=value)
        case Matches(pattern=pattern):
            # The engine compiles it, and refuses the question if it is no RE2 pattern.
            return sql("regexp_matches({text}, {pattern})", text=text, pattern=pattern)
        case _:
            assert_never(chosen)


def _order_leaf(
    chosen: Greater | AtLeast | Less | AtMost | Between, found: Field, zone: ZoneInfo
) -> Sql:
    match chosen:
        case Greater(value=value):
            return _ordered(found, ">", value, zone)
        case AtLeast(value=value):
            return _ordered(found, ">=", value, zone)
        case Less(value=value):
            return _ordered(found, "<", value, zone)
        case AtMost(value=value):
            return _ordered(found, "<=", value, zone)
        case Between(low=low, high=high):
            above = _ordered(found, ">=", low, zone)
            return _all([above, _ordered(found, "<", high, zone)], " AND ", "true")
        case _:
            assert_never(chosen)


def _ordered(found: Field, operator: str, value: str | float, zone: ZoneInfo) -> Sql:
    if found.time is not None:
        if not isinstance(value, str):
            raise InvalidQuery(f"{found.name} is a time; compare it with one.", path="filter.value")
        instant = instant_of(value, zone, path="filter.value")
        return found.time + Sql(f" {operator} ") + sql("{instant}", instant=instant)
    if isinstance(value, str):
        raise InvalidQuery(
            f"{found.name} is compared with {value!r}, which is no number.",
            hint="Text has no order here; use equals, in, contains or matches.",
            path="filter.value",
        )
    number = _typed(found, found.number, "number", value)
    return _compared(number, operator, value) if number else _NEVER


def _compared(number: Sql, operator: str, value: float) -> Sql:
    # The operator is one of our own constants.
    limit = sql("CAST({value} AS DECIMAL(38,9))", value=stored(value, "filter.value"))
    return number + Sql(f" {operator} ") + limit


def _one_of(found: Field, values: list[Scalar]) -> Sql:
    if len(values) > MAX_VALUES:
        raise InvalidQuery(f"A list may have {MAX_VALUES} values.", path="filter.values")
    texts = [value for value in values if isinstance(value, str)]
    parts = [equal(found, value) for value in values if not isinstance(value, str)]
    if texts and (text := _typed(found, found.text, "text", texts[0])):
        listed = join(", ", (sql("{value}", value=value) for value in texts))
        parts.append(sql("{text} IN ({listed})", text=text, listed=listed))
    return _all(parts, " OR ", "false")


def _typed(found: Field, expression: Sql | None, kind: str, value: object) -> Sql | None:
    if expression is None and not found.is_property:
        shown = "this condition" if value is None else repr(value)
        raise InvalidQuery(
            f"{found.name} is not {kind}, which {shown} needs.",
            hint="Compare text with text, numbers with numbers, and truth with true or false.",
            path="filter.value",
        )
    return expression


def _negated(inner: Sql) -> Sql:
    return sql("({inner}) IS NOT TRUE", inner=inner)


def _all(parts: list[Sql], separator: str, empty: str) -> Sql:
    return Sql("(") + join(separator, parts) + Sql(")") if parts else Sql(empty)


def _leaves(chosen: Filter, depth: int) -> Iterator[InCohort | Condition]:
    if depth > MAX_DEPTH:
        raise InvalidQuery(f"A filter may nest {MAX_DEPTH} deep.", path="filter")
    match chosen:
        case And(filters) | Or(filters):
            for part in filters:
                yield from _leaves(part, depth + 1)
        case Not(inner):
            yield from _leaves(inner, depth + 1)
        case _:
            yield chosen
