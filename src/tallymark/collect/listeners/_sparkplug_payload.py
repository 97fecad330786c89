"""Payloads of Sparkplug B: a protobuf message with metrics, each by name or by an alias for it.

Source: Eclipse Sparkplug 3.0.0, chapter 6 (payloads), whose numbers of fields and types stand here.
"""

import struct
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct

from tallymark.core.clock import rfc3339
from tallymark.core.errors import Refused

from ._protobuf import (
    EIGHT_BYTES,
    FOUR_BYTES,
    LENGTH,
    VARINT,
    bytes_field,
    fields,
    varint_field,
)

Said: TypeAlias = int | Decimal | bool | str | None

BOOLEAN: Final = 11
_DATE_TIME: Final = 13
_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64, 5: 8, 6: 16, 7: 32, 8: 64}
_SIGNED: Final = frozenset({1, 2, 3, 4})
_TYPES: Final = (
    "", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double",
    "boolean", "string", "datetime", "text", "uuid", "dataset", "bytes", "file", "template",
)  # fmt: skip
# The member of a metric that is its value, by its number, with the wire type it has.
_INT, _LONG, _FLOAT, _DOUBLE, _TRUTH, _TEXT = 10, 11, 12, 13, 14, 15
_VALUES: Final = {
    _INT: VARINT, _LONG: VARINT, _FLOAT: FOUR_BYTES, _DOUBLE: EIGHT_BYTES, _TRUTH: VARINT, _TEXT: LENGTH,
    16: LENGTH, 17: LENGTH, 18: LENGTH, 19: LENGTH,
}  # fmt: skip
# The specification names no property for a unit; these are what gateways call it.
_UNITS: Final = frozenset({"engunit", "engunits", "engineeringunits", "unit", "units", "uom"})
_MOST_METRICS: Final = 10_000
# Instants from 1970 to 9999, in milliseconds.
_INSTANTS: Final = range(253_402_300_800_000)


class Metric(Struct, frozen=True):
    """One metric as it came; ``member`` is the number of its value's field, 0 if it has none.

    ``datatype`` is 0 where the metric does not say, since its birth did.
    """

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = 0
    is_historical: bool = False
    is_null: bool = False
    unit: str = ""
    quality: int | None = None
    member: int = 0
    number: int = 0
    content: bytes = b""


class Payload(Struct, frozen=True):
    """A payload, its metrics unread: one that cannot be read must not cost the others."""

    time_ms: int | None
    seq: int | None
    metrics: list[bytes]


def read_payload(body: bytes) -> Payload:
    """Return a payload; raises Refused for what is none, or has more metrics than one may have."""
    time_ms = seq = None
    metrics: list[bytes] = []
    for number, kind, value, content in fields(body):
        match number, kind:
            case 1, 0:
                time_ms = value
            case 2, 2:
                metrics.append(content)
            case 3, 0:
                seq = value
        if len(metrics) > _MOST_METRICS:
            raise Refused(
                f"The payload has more than {_MOST_METRICS} metrics.", code="BATCH_TOO_LONG"
            )
    return Payload(time_ms, seq, metrics)


def read_metric(message: bytes) -> Metric:
    """Return a metric; raises Refused for what is none."""
    found: dict[str, object] = {}
    for number, kind, value, content in fields(message):
        if _VALUES.get(number) == kind:
            # Of several members of a union the last one holds.
            found |= {"member": number, "number": value, "content": content}
            continue
        match number, kind:
            case 1, 2:
                found["name"] = _text(content)
            case 2, 0:
                found["alias"] = value
            case 3, 0:
                found["time_ms"] = value
            case 4, 0:
                found["datatype"] = value
            case 5, 0:
                found["is_historical"] = bool(value)
            case 7, 0:
                found["is_null"] = bool(value)
            case 9, 2:
                found |= _properties(content)
    return Metric(**found)  # type: ignore[arg-type]


def said(metric: Metric, datatype: int) -> Said:
    """Return the value of a metric of a type, None if it has none that can be written down.

    A float of four bytes is the shortest decimal that is that float. Raises Refused for a number that
    is not finite and for text that is none.
    """
    found: Said = None
    match metric.member:
        case 14:
            found = bool(metric.number)
        case 10 | 11 if datatype == BOOLEAN:
            found = bool(metric.number)
        case 10 | 11 if datatype == _DATE_TIME:
            found = instant(metric.number)
        case 10 | 11:
            found = _whole(metric, datatype)
        case 12 | 13:
            found = _decimal(metric)
        case 15:
            found = _text(metric.content)
    return found


def instant(time_ms: int) -> str:
    """Return milliseconds since 1970 as RFC 3339; raises Refused TIME_UNPARSABLE beyond the calendar."""
    if time_ms not in _INSTANTS:
        raise Refused(f"{time_ms} ms since 1970 is beyond the year 9999.", code="TIME_UNPARSABLE")
    return rfc3339(time_ms * 1000)


def type_name(datatype: int) -> str:
    """Return what the specification calls a type, in lower case; ``type 34`` for a rarer one."""
    return _TYPES[datatype] if datatype < len(_TYPES) else f"type {datatype}"


def rebirth_command(time_ms: int) -> bytes:
    """Return the payload that asks an edge node to tell its births again."""
    metric = (
        bytes_field(1, b"Node Control/Rebirth") + varint_field(3, time_ms)
        + varint_field(4, BOOLEAN) + varint_field(_TRUTH, 1)
    )  # fmt: skip
    return varint_field(1, time_ms) + bytes_field(2, metric)


def _whole(metric: Metric, datatype: int) -> int:
    bits = _BITS.get(datatype, 32 if metric.member == _INT else 64)
    # Senders write -1 of eight bits as 0xff or extended to any width.
    number = metric.number & ((1 << bits) - 1)
    is_negative = datatype in _SIGNED and number >> (bits - 1)
    return number - (1 << bits) if is_negative else number


def _decimal(metric: Metric) -> Decimal:
    code = "<f" if metric.member == _FLOAT else "<d"
    number: float = struct.unpack(code, metric.content)[0]
    exact = Decimal(repr(number))
    if not exact.is_finite():
        raise Refused(f"The value is {number}, which is no number.", code="JSON_NUMBER")
    if metric.member == _DOUBLE:
        return exact
    for digits in range(1, 9):
        short = f"{number:.{digits}g}"
        if _as_float(short) == metric.content:
            return Decimal(short)
    return Decimal(f"{number:.9g}")


def _as_float(text: str) -> bytes | None:
    try:
        return struct.pack("<f", float(text))
    except OverflowError:
        return None


def _properties(message: bytes) -> dict[str, object]:
    """Return what is understood of a metric's own properties: its unit, and how good the value is."""
    names: list[str] = []
    values: list[bytes] = []
    for number, kind, _, content in fields(message):
        if kind == LENGTH and number == 1:
            names.append(_text(content))
        elif kind == LENGTH and number == 2:
            values.append(content)
    found: dict[str, object] = {}
    for name, value in zip(names, values, strict=False):
        plain = "".join(name.lower().split()).replace("_", "")
        for number, kind, whole, content in fields(value):
            if plain in _UNITS and (number, kind) == (8, LENGTH):
                found["unit"] = _text(content)
            elif plain == "quality" and (number, kind) == (3, VARINT):
                found["quality"] = whole
    return found


def _text(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused("A text of the metric is not UTF-8.", code="UTF8_INVALID") from error
    if "\0" in text:
        raise Refused("A text of the metric holds NUL characters.", code="NUL_CHAR")
    return text
