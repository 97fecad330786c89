"""What a question names: the cohorts it needs, and all definitions it depends on."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.core.errors import InvalidQuery

from . import expression
from .definitions import Definition, Definitions, KindName
from .fields import COHORT, COMPUTED
from .filters import InCohort
from .held import Which
from .insight import Scope
from .virtual import virtual_event


def cohorts_in(value: Any, scope: Scope) -> Iterator[Which]:
    """Yield each cohort whose members have to be known to ask something, those of its parts aside."""
    if isinstance(value, InCohort):
        yield value.cohort
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from cohorts_in(getattr(value, name), scope)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from cohorts_in(one, scope)
    elif isinstance(value, str):
        yield from _in_text(value, scope)


def _in_text(text: str, scope: Scope) -> Iterator[Which]:
    if scope.definitions is None:
        return
    if text.startswith(COHORT):
        name = text.removeprefix(COHORT)
        if name in scope.definitions.cohorts:
            yield name
    elif text.startswith(COMPUTED):
        known = scope.definitions.properties.get(text.removeprefix(COMPUTED))
        for name in expression.field_names(known.value) if known else ():
            yield from _in_text(name, scope)
    elif virtual := virtual_event(text, scope):
        # Its parts are events as they are sent, so only what their filters hold is looked at.
        yield from cohorts_in([part.filter for part in virtual.events], scope)


def used(value: Any, definitions: Definitions) -> dict[tuple[KindName, str], Definition]:
    """Return every definition that a value names, and that these name, in a fixed order.

    What names an event may stand anywhere in a question, so any text that is the name of a virtual
    event counts where a name can stand: one more than needed is better than one that is missed.
    """
    found: dict[tuple[KindName, str], Definition] = {}
    waiting = list(_texts(value, ""))
    while waiting:
        for kind, name in _meant(*waiting.pop()):
            definition = getattr(definitions, kind).get(name)
            if definition is None or (kind, name) in found:
                continue
            found[kind, name] = definition
            if kind == "properties":
                waiting += [("field", one) for one in _fields_of(definition.value)]
            elif kind == "events":
                waiting += _texts([part.filter for part in definition.events], "filter")
            else:
                waiting += _texts(definition, "")
    return dict(sorted(found.items()))


def _meant(key: str, text: str) -> Iterator[tuple[KindName, str]]:
    if text.startswith(COMPUTED):
        yield "properties", text.removeprefix(COMPUTED)
    elif text.startswith(COHORT):
        yield "cohorts", text.removeprefix(COHORT)
    if key in {"cohort", "cohorts"}:
        yield "cohorts", text
    elif key == "metrics":
        yield "metrics", text
    elif key not in _NO_EVENTS:
        yield "events", text


def _fields_of(text: str) -> list[str]:
    try:
        return expression.field_names(text)
    except InvalidQuery:
        return []


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield each text with the key it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Struct):
        yield from _texts(msgspec.to_builtins(value), key)
    elif isinstance(value, dict):
        for name, one in value.items():
            # Words about it name nothing.
            if name not in {"description", "label", "op"}:
                yield from _texts(one, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, key)


# Keys under which no event is named.
_NO_EVENTS: Final = frozenset(
    "field value values pattern low high of by breakdown range interval timezone week_start measure"
    " compare ids insight cursor".split()
)
