"""The values of a breakdown as an answer states them."""

from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from . import fields
from .fields import Field
from .numbers import exact

NONE_LABEL: Final = "(none)"
OTHER_LABEL: Final = "Other"
_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)

Value: TypeAlias = str | int | float | bool | None


def value_of(found: Field, stored: Any) -> Any:
    """Return a value that the engine gave for the breakdown by a field."""
    return read_value(fields.breakdown(found)[1], stored)


def read_value(kind: fields.ValueKind, stored: Any) -> Any:
    """Return a value of that kind; lists and objects as the JSON text they are."""
    if kind == "json" and stored is not None:
        read = _JSON.decode(stored)
        stored = stored if isinstance(read, list | dict) else read
    return exact(stored) if isinstance(stored, Decimal) else stored
