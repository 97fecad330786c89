"""A first draft of a plan, from events that were counted: what they had in common, loosely.

A draft is not enforced. It states types, what was always there, and values where there were few of
them; whoever owns the event tightens it and makes it live.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from .lint import LONGEST_NAME, MOST_PROPERTIES
from .plan import VERSION_PROPERTY, EventPlan, Plan, Property, Type
from .validate import kind_of

# So few values in so many events are meant to be chosen from.
MOST_VALUES: Final = 10
_ENOUGH: Final = 50
_LONGEST_VALUE: Final = 60


class Sample(Struct, frozen=True):
    """One counted event: its name and properties."""

    event: str
    properties: Mapping[str, Any]


class Inferred(Struct, frozen=True):
    """A draft, and what of the events could not be said in it."""

    plan: Plan
    notes: list[str]


def infer(samples: Iterable[Sample]) -> Inferred:
    """Return a draft with an event for each name; the same samples in any order give the same."""
    seen: dict[str, _Seen] = {}
    for sample in samples:
        seen.setdefault(sample.event, _Seen()).add(sample.properties)
    notes: list[str] = []
    events = [
        EventPlan(name, "1-0-0", status="draft", properties=one.properties(name, notes))
        for name, one in sorted(seen.items())
        if _is_name(name, notes)
    ]
    return Inferred(Plan(tuple(events)), notes)


class _Seen:
    """What was seen of the events of one name."""

    def __init__(self) -> None:
        self._count = 0
        self._values: dict[str, list[Any]] = {}

    def add(self, properties: Mapping[str, Any]) -> None:
        self._count += 1
        for name, value in properties.items():
            if name != VERSION_PROPERTY:
                values = self._values.setdefault(name, [])
                values += [] if value is None else [value]

    def properties(self, event: str, notes: list[str]) -> dict[str, Property]:
        found: dict[str, Property] = {}
        for name, values in sorted(self._values.items()):
            if len(found) == MOST_PROPERTIES:
                notes.append(f"{event}: it has more than {MOST_PROPERTIES} properties.")
                break
            if not _is_name(name, notes):
                continue
            if not values:
                notes.append(f"{event}: {name} came only as null; left out.")
                continue
            kind = _common(values)
            if kind is None:
                kinds = sorted({str(kind_of(value)) for value in values})
                notes.append(f"{event}: {name} came as {' and as '.join(kinds)}; left out.")
                continue
            is_always = len(values) == self._count and self._count >= _ENOUGH
            found[name] = _property(kind, values, is_always)
        return found


def _property(kind: Type, values: list[Any], is_always: bool) -> Property:
    if kind == "array":
        members = [one for value in values for one in value]
        inner = _common(members) if members and None not in members else None
        items = None if inner is None else Property(inner)
        return Property(kind, required=is_always, items=items)
    enum: tuple[Any, ...] = ()
    if kind == "string" and len(values) >= _ENOUGH:
        distinct = sorted(set(values))
        is_short = all(0 < len(one) <= _LONGEST_VALUE for one in distinct)
        if len(distinct) <= MOST_VALUES and is_short:
            enum = tuple(distinct)
    return Property(kind, required=is_always, enum=enum)


def _common(values: list[Any]) -> Type | None:
    kinds = {kind_of(value) for value in values}
    if kinds == {"integer", "number"}:
        return "number"
    return next(iter(kinds)) if len(kinds) == 1 else None


def _is_name(name: str, notes: list[str]) -> bool:
    if name.strip() and name.isprintable() and len(name.encode()) <= LONGEST_NAME:
        return True
    notes.append(f"{ascii(name)[:80]} cannot stand in a plan; left out.")
    return False
