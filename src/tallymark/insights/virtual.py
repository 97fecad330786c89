"""What a project defines itself: several events under one name, and values computed from fields."""

from collections.abc import Iterator
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from tallymark.core.sql import Sql, join, sql

from . import filters
from .expression import Kind
from .filters import Filter
from .insight import Scope


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Events of one name that are meant by another."""

    event: Annotated[str, Meta(description="Name of the event, as it is sent.", min_length=1)]
    filter: Annotated[Filter | None, Meta(description="Only events that satisfy this.")] = None


class VirtualEvent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A name for several events, each with a filter of its own.

    Wherever a question names an event, it may name this one; what it holds are events as they are
    sent, also where one of them has the same name.
    """

    events: Annotated[
        tuple[Part, ...], Meta(description="What is meant: any of these.", min_length=1, max_length=100)
    ]  # fmt: skip
    description: str = ""


class ComputedProperty(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value computed from the fields of each event, used as ``computed.<name>``."""

    type: Annotated[Kind, Meta(description="What it is: text, number or truth.")]
    value: Annotated[
        str, Meta(description="Expression over fields, such as revenue - properties.cost.")
    ]
    description: str = ""


def virtual_event(name: str, scope: Scope) -> VirtualEvent | None:
    """Return what a name stands for, None if it is defined nowhere."""
    known = {} if scope.definitions is None else scope.definitions.events
    found: VirtualEvent | None = known.get(name)
    return found


def real_names(names: list[str], scope: Scope) -> list[str]:
    """Return the names of the events that are meant, as they are sent, each once."""
    found: dict[str, None] = {}
    for name in names:
        virtual = virtual_event(name, scope)
        parts = [name] if virtual is None else [part.event for part in virtual.events]
        found.update(dict.fromkeys(parts))
    return list(found)


def filters_of(names: list[str], scope: Scope) -> Iterator[Filter]:
    """Yield the filters of the virtual events among the names."""
    for name in names:
        virtual = virtual_event(name, scope)
        for part in virtual.events if virtual else ():
            if part.filter is not None:
                yield part.filter


def is_any(names: list[str], scope: Scope, zone: ZoneInfo) -> Sql:
    """Return whether an event is one of those that virtual names among ``names`` stand for."""
    choices: list[Sql] = []
    plain: dict[int, None] = {}
    for name in names:
        virtual = virtual_event(name, scope)
        for part in (Part(name),) if virtual is None else virtual.events:
            key = scope.event_names.get(part.event)
            if key is not None and part.filter is None:
                plain[key] = None
            elif key is not None and part.filter is not None:
                wanted = filters.condition(part.filter, scope, zone)
                choices.append(sql("(e.event_key = {key} AND {wanted})", key=key, wanted=wanted))
    if plain:
        keys = join(", ", (sql("{key}", key=key) for key in sorted(plain)))
        choices.insert(0, sql("e.event_key IN ({keys})", keys=keys))
    return Sql("(") + join(" OR ", choices or [Sql("false")]) + Sql(")")
