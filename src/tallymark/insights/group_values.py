"""The values of a group of a breakdown: read from what the store gives, shown, and told apart."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from .fields import Field, ValueKind, breakdown
from .filters import Scalar
from .lines import Value
from .numbers import exact, stored

NONE_LABEL: Final = "(none)"
OTHER_LABEL: Final = "Other"
_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)


def value_of(kind: ValueKind, found: Any) -> Any:
    """Return a value of a group as an answer has it, from what its expression gave."""
    if kind == "json" and found is not None:
        read = _JSON.decode(found)
        # Lists and objects are shown as the JSON text they are.
        found = found if isinstance(read, list | dict) else read
    return exact(found) if isinstance(found, Decimal) else found


def values_of(by: Sequence[Field], found: Sequence[Any]) -> list[Any]:
    """Return the values of a group, one for each field."""
    return [value_of(breakdown(one)[1], value) for one, value in zip(by, found, strict=True)]


def shown(value: Value) -> Value:
    """Return a value as a table shows it, where nothing has a name."""
    return NONE_LABEL if value is None else value


def is_same(values: Sequence[Any], asked: Sequence[Scalar | None]) -> bool:
    """Whether values of a group are those asked for: text, truth, a number or nothing."""
    return len(values) == len(asked) and all(map(_equal, values, asked))


def _equal(value: Any, asked: Scalar | None) -> bool:
    if value is None or asked is None:
        return value is asked
    if isinstance(value, bool) or isinstance(asked, bool):
        return value is asked
    if isinstance(value, str) or isinstance(asked, str):
        return isinstance(value, str) and value == asked
    return Decimal(value) == stored(asked, "group.values")
