"""Which questions anybody may see the answer of: those that count people, and never tell them apart.

A link shows numbers to whoever has it, so a question that lists people or events, or that groups by
what stands for one person, is not shown by one.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.core.errors import InvalidQuery, NotAllowed

from . import expression
from .definitions import Definitions
from .fields import COMPUTED
from .insight import Insight

# Insights whose answers are counts. A new one is shown by no link until somebody has thought of it.
SHAREABLE: Final = frozenset(
    "trends funnels retention paths lifecycle stickiness web frequency distribution sessions segments"
    " features property_lifecycle cohorts".split()
)
# Each value of these is one person, device, visit or event.
_IDENTIFYING: Final = frozenset(
    {"user_id", "anonymous_id", "session", "event_id", "ip", "user_agent", "time", "received_at"}
)
# Last words of names of properties that say who somebody is; of people also what they are called.
_TELLING: Final = frozenset(
    "email mail e-mail full_name fullname first_name firstname last_name lastname username user_name"
    " login phone phone_number mobile address street ssn passport iban birthday birthdate"
    " date_of_birth user_id userid customer_id person_id ip ip_address device_id".split()
)
_OF_PEOPLE: Final = frozenset({"name", "id"})
# Under these stands what is compared with, shown or chosen, not what is grouped by.
_NO_FIELDS: Final = frozenset(
    "value values pattern low high event name label description range timezone interval filter also"
    " entry exit unit per count measure semantics op order window".split()
)


def check_shareable(insight: Insight, question: Struct, definitions: Definitions | None) -> None:
    """Raise NotAllowed SHARE_PERSONAL for a question whose answer tells single people apart."""
    if insight.name not in SHAREABLE:
        raise NotAllowed(
            f"A question of {insight.name} may name single people, so no link shows it.",
            code="SHARE_PERSONAL",
        )
    for text in _grouped_by(msgspec.to_builtins(question), ""):
        if _is_identifying(text, definitions or Definitions(), ()):
            raise NotAllowed(
                f"The question groups by {text[:80]!r}, of which each value may be one person.",
                code="SHARE_PERSONAL",
            )


def _is_identifying(field: str, definitions: Definitions, seen: tuple[str, ...]) -> bool:
    name = field.partition("@")[0]
    if name.startswith(COMPUTED) and name not in seen:
        known = definitions.properties.get(name.removeprefix(COMPUTED))
        return known is not None and any(
            _is_identifying(one, definitions, (*seen, name)) for one in _fields_of(known.value)
        )
    kind, _, rest = name.partition(".")
    if rest:
        last = rest.rpartition(".")[2].lower().replace(" ", "_")
        return last in _TELLING or (kind == "person" and last in _OF_PEOPLE)
    return name in _IDENTIFYING


def _fields_of(text: str) -> list[str]:
    try:
        return expression.field_names(text)
    except InvalidQuery:
        return []


def _grouped_by(value: Any, key: str) -> Iterator[str]:
    """Yield each text that may name a field by which an answer is grouped."""
    if isinstance(value, str):
        # A funnel is of people, sessions or accounts; nobody groups by the word alone there.
        if (key, value) != ("by", "session"):
            yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            if name not in _NO_FIELDS:
                yield from _grouped_by(one, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _grouped_by(one, key)
