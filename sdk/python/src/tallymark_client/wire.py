"""Events as JSON, numbers exactly as they are: the standard encoder would write a Decimal as text."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_text = json.encoder.encode_basestring_ascii
_DEPTH = 20


def as_json(value: Any, depth: int = _DEPTH) -> str:
    """Return any value as JSON: what JSON has no form for becomes text, NaN and infinity null.

    A datetime must have a time zone; raises ValueError for one without.
    """
    match value:
        case None | True | False:
            written = {None: "null", True: "true", False: "false"}[value]
        case str():
            # Half a surrogate pair has no UTF-8 form, and would cost the whole event.
            written = _text(value.encode("utf-8", "replace").decode().replace("\0", ""))
        case int():
            written = str(int(value))
        case float():
            written = repr(float(value)) if math.isfinite(value) else "null"
        case Decimal():
            written = format(value, "f") if value.is_finite() else "null"
        case _ if depth <= 0:
            written = _text(str(value)[:200])
        case Mapping():
            members = (f"{_text(str(k))}:{as_json(v, depth - 1)}" for k, v in value.items())
            written = "{" + ",".join(members) + "}"
        case list() | tuple() | set() | frozenset():
            written = "[" + ",".join(as_json(one, depth - 1) for one in value) + "]"
        case _:
            written = _text(_other(value))
    return written


def instant(moment: datetime) -> str:
    """Return an aware datetime as RFC 3339; raises ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a datetime needs a time zone, for example datetime.now(timezone.utc)")
    return moment.isoformat()


def body(events: Iterable[str], sent_at_ms: int) -> bytes:
    """Return a request body; the time it is sent reveals a wrong clock, so it is of this attempt."""
    return f'{{"sent_at":{sent_at_ms},"events":[{",".join(events)}]}}'.encode()


def present(**fields: Any) -> dict[str, Any]:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def number(value: Any) -> Any | None:
    """Return a quantity that can be counted exactly; raises ValueError for what is no number."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, float):
        # What the program shows of a float is what it means.
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return value


def _other(value: Any) -> str:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, (date, UUID)):
        return str(value)
    return str(value)[:1000]
