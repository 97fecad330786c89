"""SQL as values: text with slots, so that no value is ever written into a statement.

>>> sql("SELECT count(*) FROM event WHERE event_key = {key}", key=7)
Sql(text='SELECT count(*) FROM event WHERE event_key = ?', params=(7,))

A slot takes a value (bound as a parameter) or another ``Sql`` (spliced in with its parameters).
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from string import Formatter
from typing import TypeAlias

from msgspec import Struct

Scalar: TypeAlias = bool | int | str | bytes | Decimal | None
Value: TypeAlias = Scalar | Sequence[int] | Sequence[str]

_IDENT = re.compile(r"[a-z_][a-z0-9_]*\Z")
_LARGEST = Decimal(10) ** 29


class Sql(Struct, frozen=True):
    """A statement or a part of one: text with ``?`` for each parameter, in order."""

    text: str
    params: tuple[Value, ...] = ()

    def __add__(self, other: "Sql") -> "Sql":
        return Sql(self.text + other.text, self.params + other.params)


def sql(template: str, **slots: "Value | Sql") -> Sql:
    """Fill the ``{slots}`` of a template; raises KeyError for a missing or an unused slot."""
    text: list[str] = []
    params: list[Value] = []
    used: set[str] = set()
    for literal, field, _, _ in Formatter().parse(template):
        text.append(literal)
        if field is None:
            continue
        used.add(field)
        slot = slots[field]
        if isinstance(slot, Sql):
            text.append(slot.text)
            params.extend(slot.params)
        else:
            text.append("?")
            params.append(_checked(slot))
    if unused := slots.keys() - used:
        raise KeyError(f"unused slots: {sorted(unused)}")
    return Sql("".join(text), tuple(params))


def ident(name: str) -> Sql:
    """Return a column or table name, which must be lower-case letters, digits and underscores."""
    if not _IDENT.match(name):
        raise ValueError(f"not an identifier: {name!r}")
    return Sql(f'"{name}"')


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """Return the parts with the separator between them."""
    parts = list(parts)
    return Sql(
        separator.join(part.text for part in parts),
        tuple(param for part in parts for param in part.params),
    )


def _checked(value: Value) -> Value:
    # The DuckDB client binds a decimal that does not fit as a DOUBLE without saying so.
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value) >= _LARGEST):
        raise ValueError("a decimal parameter must fit DECIMAL(38, 9)")
    return value
