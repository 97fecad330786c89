"""Repairs of failed events as data: steps with conditions, applied in their order, never code.

A file of repairs:

    steps:
      - rename: {from: properties.amt, to: properties.amount}
        when: {code: SCHEMA_REQUIRED, event: checkout_completed}
      - regex_sub: {path: properties.amount, pattern: '^EUR ', with: ''}
      - cast: {path: properties.amount, to: number}
      - set: {path: properties.currency, value: EUR}
        when: {path: properties.currency, missing: true}
      - drop: properties.debug
      - map_event: {checkout: checkout_completed}
      - set_version: 2-1-0

A path names members by dots. What a step does not find, or cannot do, it leaves as it is.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct

from tallymark.core.errors import Refused, misfit

from .pattern import Pattern
from .plan import VERSION_PROPERTY, Type, version_of
from .validate import kind_of
from .yaml_file import read_yaml

Item: TypeAlias = dict[str, Any]
CastTo: TypeAlias = Literal["string", "number", "integer", "boolean"]

MOST_STEPS: Final = 100
_NUMBER: Final = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?")
_to_json: Final = msgspec.json.Encoder(decimal_format="number").encode
_TRUTHS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_OPERATIONS: Final = ("rename", "cast", "set", "drop", "map_event", "set_version", "regex_sub")


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a file of repairs."""


class Rename(_Part, frozen=True, rename={"source": "from"}):
    """Move what stands at one path to another."""

    source: str
    to: str


class Cast(_Part, frozen=True):
    """Turn a value into another type, if it says the same there."""

    path: str
    to: CastTo


class Assign(_Part, frozen=True):
    """Put a value at a path."""

    path: str
    value: Any


class Substitute(_Part, frozen=True, rename={"by": "with"}):
    """Replace what matches a pattern within a text."""

    path: str
    pattern: str
    by: str = ""


class When(_Part, frozen=True, rename={"equal": "is"}):
    """When a step is taken: everything named must hold."""

    code: str | None = None
    event: str | None = None
    path: str | None = None
    equal: Any = UNSET
    type: Type | None = None
    missing: bool | None = None
    matches: str | None = None


class Step(_Part, frozen=True):
    """One repair: exactly one operation, and when it is done."""

    rename: Rename | None = None
    cast: Cast | None = None
    set: Assign | None = None
    drop: str | None = None
    map_event: dict[str, str] | None = None
    set_version: str | None = None
    regex_sub: Substitute | None = None
    when: When = When()


class Repairs(_Part, frozen=True):
    """A file of repairs."""

    steps: tuple[Step, ...]


def read_repairs(content: bytes, name: str) -> Repairs:
    """Return a file of repairs; raises Refused PLAN_INVALID that says what is wrong with it."""
    return checked_repairs(read_yaml(content, name), name)


def checked_repairs(value: Any, name: str) -> Repairs:
    """Return repairs from plain values; raises Refused PLAN_INVALID."""
    try:
        repairs = msgspec.convert(value, Repairs)
    except msgspec.ValidationError as error:
        what, path = misfit(error)
        raise _refused(name, path or "file", what.removeprefix(f"{path}: ")) from None
    if len(repairs.steps) > MOST_STEPS:
        raise _refused(name, "steps", f"there are more than {MOST_STEPS}.")
    for place, step in enumerate(repairs.steps):
        _check(step, name, f"steps[{place}]")
    return repairs


class Repairer:
    """Takes the steps of repairs; patterns are compiled once."""

    def __init__(self, repairs: Repairs) -> None:
        self._steps = repairs.steps
        texts = [step.regex_sub.pattern for step in repairs.steps if step.regex_sub is not None]
        texts += [step.when.matches for step in repairs.steps if step.when.matches is not None]
        self._patterns = {text: Pattern(text) for text in texts}

    def repaired(self, item: Item, code: str) -> Item:
        """Return an item that failed with a code after every step that applies; it stays as it was."""
        made: Item = _copied(item)
        for step in self._steps:
            if self._holds(step.when, made, code):
                self._take(step, made)
        return made

    def _holds(self, when: When, item: Item, code: str) -> bool:
        if when.code not in (None, code) or when.event not in (None, item.get("name")):
            return False
        if when.path is None:
            return True
        there = _find(item, when.path)
        value = UNSET if there is None else there[0][there[1]]
        is_missing = value is UNSET or value is None
        return (
            (when.missing is None or when.missing == is_missing)
            and (when.equal is UNSET or _is_same(value, when.equal))
            and (when.type is None or _is_of(value, when.type))
            and (when.matches is None or self._matches(value, when.matches))
        )

    def _matches(self, value: Any, pattern: str) -> bool:
        return isinstance(value, str) and self._patterns[pattern].matches(value)

    def _take(self, step: Step, item: Item) -> None:
        if (move := step.rename) is not None:
            _move(item, move.source, move.to)
        elif (cast := step.cast) is not None:
            _change(item, cast.path, lambda value: _cast(value, cast.to))
        elif (given := step.set) is not None:
            _put(item, given.path, _copied(given.value))
        elif step.drop is not None:
            _remove(item, step.drop)
        elif step.map_event is not None:
            _change(item, "name", lambda name: _mapped(name, step.map_event or {}))
        elif step.set_version is not None:
            _put(item, f"properties.{VERSION_PROPERTY}", step.set_version)
        elif (part := step.regex_sub) is not None:
            pattern = self._patterns[part.pattern]
            _change(item, part.path, lambda value: _substituted(value, pattern, part.by))


def _check(step: Step, name: str, key: str) -> None:
    operations = [one for one in _OPERATIONS if getattr(step, one) is not None]
    if len(operations) != 1:
        raise _refused(name, key, f"a step does one of {', '.join(_OPERATIONS)}.")
    if step.set_version is not None:
        try:
            version_of(step.set_version)
        except ValueError:
            raise _refused(name, f"{key}.set_version", "it is no version.") from None
    when = step.when
    is_about = (when.equal, when.type, when.missing, when.matches) != (UNSET, None, None, None)
    if is_about and when.path is None:
        raise _refused(name, f"{key}.when", "is, type, missing and matches need a path.")
    replaced = None if step.regex_sub is None else step.regex_sub.pattern
    for pattern in (replaced, when.matches):
        if pattern is not None:
            try:
                Pattern(pattern)
            except Refused as why:
                raise _refused(name, key, why.message) from None


def _refused(name: str, key: str, what: str) -> Refused:
    return Refused(
        f"{name}: {key}: {what}", code="PLAN_INVALID", path=key,
        hint="See docs/how-to/repair-failed-events.md for what a step can do.",
    )  # fmt: skip


def _find(item: Item, path: str) -> tuple[Item, str] | None:
    """Return the object and the key at a path, None if nothing is there.

    A key that has dots itself is found before one that is nested.
    """
    parts = path.split(".")
    here = item
    for place, part in enumerate(parts):
        whole = ".".join(parts[place:])
        if whole in here:
            return here, whole
        inner = here.get(part)
        if not isinstance(inner, dict):
            return None
        here = inner
    return None


def _put(item: Item, path: str, value: Any) -> None:
    there = _find(item, path)
    if there is not None:
        there[0][there[1]] = value
        return
    *parts, last = path.split(".")
    here = item
    for part in parts:
        inner = here.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        here = inner
    here[last] = value


def _remove(item: Item, path: str) -> Any:
    there = _find(item, path)
    return UNSET if there is None else there[0].pop(there[1])


def _move(item: Item, source: str, to: str) -> None:
    value = _remove(item, source)
    if value is not UNSET:
        _put(item, to, value)


def _change(item: Item, path: str, change: Callable[[Any], Any]) -> None:
    there = _find(item, path)
    if there is not None:
        there[0][there[1]] = change(there[0][there[1]])


def _mapped(name: Any, names: Mapping[str, str]) -> Any:
    return names.get(name, name) if isinstance(name, str) else name


def _substituted(value: Any, pattern: Pattern, by: str) -> Any:
    return pattern.replaced(value, by) if isinstance(value, str) else value


def _cast(value: Any, to: CastTo) -> Any:
    if value is None or isinstance(value, dict | list):
        return value
    match to:
        case "string":
            return value if isinstance(value, str) else _to_json(value).decode()
        case "boolean":
            known = _TRUTHS.get(str(value).strip().lower())
            return value if known is None else known
        case _:
            return _number(value, to)


def _number(value: Any, to: CastTo) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            return value
        text = value.strip()
        # As a client writes it: 9.5 and 9.50 are one number, but would be two contents of an event.
        number: int | Decimal = Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
    else:
        number = value
    if number == int(number):
        return int(number)
    return value if to == "integer" else number


def _is_same(value: Any, other: Any) -> bool:
    # To Python true is 1; to whoever sent it, it is not.
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _is_of(value: Any, wanted: Type) -> bool:
    kind = kind_of(value)
    return kind == wanted or (wanted == "number" and kind == "integer")


def _copied(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copied(one) for key, one in value.items()}
        case list() | tuple():
            return [_copied(one) for one in value]
        case _:
            return value
