"""Whether the properties of an event are as planned: compiled once, run for every event.

A planned property that is ``null`` counts as left out. A property with a ``treat`` is looked at after the treatment,
which leaves text or nothing, so only its type is checked. Messages name the property and what was
expected, never what was sent.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from msgspec import Struct

from .pattern import Pattern
from .plan import VERSION_PROPERTY, EventPlan, Property, Type

_LISTED: Final = 10

_Told: TypeAlias = tuple[str, str, str]
"""A code, the words for a message, and what was expected."""


class Finding(Struct, frozen=True):
    """One thing that is not as planned: the top-level property, the code, and where and what it is.

    ``expected`` says what would have been right, ``got`` of which type it was.
    """

    name: str
    code: str
    path: str
    message: str
    expected: str = ""
    got: str = ""


class Check(Struct, frozen=True):
    """What the value of one property must be."""

    type: Type
    expected: str
    is_type: Callable[[Any], bool]
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None
    enum: frozenset[Any] = frozenset()
    pattern: Pattern | None = None
    items: "Check | None" = None
    is_plain: bool = False


class Checks(Struct, frozen=True):
    """What the properties of one version of an event must be; ``required`` are in order."""

    by_name: Mapping[str, Check]
    required: tuple[str, ...]


def checks_of(planned: EventPlan) -> Checks:
    """Return an event's plan ready to be run; it must be free of problems."""
    by_name = {name: _check(one) for name, one in planned.properties.items()}
    by_name.setdefault(VERSION_PROPERTY, _check(Property("string")))
    required = tuple(sorted(name for name, one in planned.properties.items() if one.required))
    return Checks(by_name, required)


def findings(properties: Mapping[str, Any], checks: Checks) -> list[Finding]:
    """Return everything about the properties that is not as planned, in their order."""
    found: list[Finding] = []
    by_name = checks.by_name
    for name, value in properties.items():
        check = by_name.get(name)
        if check is None:
            found.append(
                _finding(name, ("UNPLANNED_PROP", "is not in the plan", ""), "", _got(value))
            )
        elif value is None or (check.is_type(value) and (check.is_plain or _fits(check, value))):
            # The ordinary case; which condition does not hold is looked for only if one does not.
            continue
        else:
            found.append(_wrong(name, check, value, ""))
    for name in checks.required:
        if properties.get(name) is None:
            found.append(missing(name))  # noqa: PERF401 - most often there is none, and no list to make
    return found


def missing(name: str) -> Finding:
    """Return the finding for a required property that is not there."""
    return _finding(name, ("SCHEMA_REQUIRED", "is required and missing", "a value"), "", "nothing")


def kind_of(value: Any) -> Type | None:
    """Return the narrowest type of a value; None for null, which has none."""
    match value:
        case str():
            return "string"
        case bool():
            return "boolean"
        case int() | Decimal():
            return "integer" if _is_integer(value) else "number"
        case dict():
            return "object"
        case list() | tuple():
            return "array"
        case _:
            return None


def _fits(check: Check, value: Any) -> bool:
    """Return whether a value of the right type fits in every other way too."""
    return (
        (not check.enum or value in check.enum)
        and (check.minimum is None or value >= check.minimum)
        and (check.maximum is None or value <= check.maximum)
        and (check.pattern is None or check.pattern.matches(value))
        and (check.items is None or _fit_all(check.items, value))
    )


def _fit_all(check: Check, values: list[Any]) -> bool:
    is_type, is_plain = check.is_type, check.is_plain
    return all(is_type(value) and (is_plain or _fits(check, value)) for value in values)


def _wrong(name: str, check: Check, value: Any, inside: str) -> Finding:
    """Return what is wrong with a value that does not fit."""
    told = _misfit(check, value)
    if told is not None:
        return _finding(name, told, inside, _got(value))
    items = check.items
    assert items is not None  # noqa: S101 - only a member of a list is left to be wrong
    place = next(n for n, item in enumerate(value) if not _fit_all(items, [item]))
    return _wrong(name, items, value[place], f"{inside}[{place}]")


def _misfit(check: Check, value: Any) -> _Told | None:
    """Return the code and the words for what a value itself is not; None if it fits."""
    told: _Told | None = None
    if not check.is_type(value):
        told = "SCHEMA_TYPE", f"must be {check.expected}, not {_called(value)}", check.type
    elif check.enum and value not in check.enum:
        listed = _listed(check.enum)
        told = "SCHEMA_ENUM", f"must be one of {listed}", listed
    elif check.minimum is not None and value < check.minimum:
        told = "SCHEMA_RANGE", f"must be at least {check.minimum}", f">= {check.minimum}"
    elif check.maximum is not None and value > check.maximum:
        told = "SCHEMA_RANGE", f"must be at most {check.maximum}", f"<= {check.maximum}"
    elif check.pattern is not None and not check.pattern.matches(value):
        text = check.pattern.text
        told = "SCHEMA_PATTERN", f"must match {text}", text
    return told


def _called(value: Any) -> str:
    kind = kind_of(value)
    return "null" if kind is None else _EXPECTED[kind]


def _got(value: Any) -> str:
    return kind_of(value) or "null"


def _listed(values: frozenset[Any]) -> str:
    listed = sorted(map(str, values))
    more = f" … ({len(listed)} in all)" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more


def _finding(name: str, told: _Told, inside: str, got: str) -> Finding:
    # A name is chosen by whoever sends, and a message is to be read.
    shown = ascii(name)[1:-1] if not name.isprintable() else name
    short = shown if len(shown) <= 80 else shown[:79] + "…"
    code, what, expected = told
    path = f"properties.{short}{inside}"
    return Finding(name, code, path, f"{short}{inside} {what}.", expected, got)


def _check(planned: Property) -> Check:
    if planned.treat is not None:
        return Check("string", _EXPECTED["string"], _IS_TYPE["string"], is_plain=True)
    items = None if planned.items is None else _check(planned.items)
    pattern = None if planned.pattern is None else Pattern(planned.pattern)
    is_bounded = planned.minimum is not None or planned.maximum is not None
    return Check(
        planned.type,
        _EXPECTED[planned.type],
        _IS_TYPE[planned.type],
        planned.minimum,
        planned.maximum,
        frozenset(planned.enum),
        pattern,
        items,
        is_plain=not (is_bounded or planned.enum or pattern or items),
    )


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is Decimal


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is Decimal and value == value.to_integral_value())


def _is_truth(value: Any) -> bool:
    return type(value) is bool


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_array(value: Any) -> bool:
    return type(value) is list


_IS_TYPE: Final[Mapping[Type, Callable[[Any], bool]]] = {
    "string": _is_text, "number": _is_number, "integer": _is_integer, "boolean": _is_truth,
    "object": _is_object, "array": _is_array,
}  # fmt: skip
_EXPECTED: Final[Mapping[Type, str]] = {
    "string": "text", "number": "a number", "integer": "a whole number", "boolean": "true or false",
    "object": "an object", "array": "a list",
}  # fmt: skip
