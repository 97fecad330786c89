"""How a value that a breakdown found is read back."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from .fields import ValueKind
from .numbers import exact

_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)


def value_of(kind: ValueKind, stored: Any) -> Any:
    """Return the value of a group from what ``fields.breakdown`` gives."""
    if kind == "json" and stored is not None:
        read = _JSON.decode(stored)
        # Lists and objects are shown as the JSON text they are.
        stored = stored if isinstance(read, list | dict) else read
    return exact(stored) if isinstance(stored, Decimal) else stored
