"""How text becomes wire structs, and which code each kind of unreadable text gets.

msgspec decides what is valid; the standard library's more lenient parser only tells afterwards why
something was not: it takes NaN and half surrogate pairs, so a text that it alone accepts holds one.
"""

import json
import re
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.json import Decoder

from tallymark.core.errors import Refused
from tallymark.core.registry import did_you_mean
from tallymark.core.settings import Settings

from ._wire import (
    OUT_OF_RANGE,
    Time,
    WireBatch,
    WireCampaign,
    WireCommand,
    WireContext,
    WireDevice,
    WireEvent,
    WireHead,
    WireLocation,
    WirePage,
    WireRawBatch,
    WireScreen,
    number,
)

# Set by the server alone. A client that sends one of them believes it can choose it.
RESERVED = frozenset(
    {
        "received_at", "received_us", "sent_us", "time_us", "time_rule", "time_client", "project",
        "project_id", "is_bot", "person_id", "person_key", "actor_key", "anon_key", "account_key",
        "session_key", "event_key", "seq", "position", "source", "protocol", "namespace", "flags",
        "channel", "server_side",
    }
)  # fmt: skip

_EVENTS = Decoder(list[WireEvent], float_hook=number)
_EVENT = Decoder(WireEvent, float_hook=number)
_BATCH = Decoder(WireBatch, float_hook=number)
_COMMAND: Decoder[WireCommand] = Decoder(WireCommand, float_hook=number)
_RAWS = Decoder(list[Raw])
_RAW_BATCH = Decoder(WireRawBatch)
_HEAD = Decoder(WireHead, float_hook=number)

_SHAPES: dict[str, type[Struct]] = {
    "": WireEvent,
    "context": WireContext,
    "context.page": WirePage,
    "context.campaign": WireCampaign,
    "context.device": WireDevice,
    "context.screen": WireScreen,
    "context.location": WireLocation,
}

# Everything that a decoder raises on hostile text.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?\Z", re.DOTALL)
_FIELD = re.compile(
    r"Object (?P<is>contains unknown|missing required) field `(?P<name>.*)`\Z", re.DOTALL
)


class Opened(Struct, frozen=True):
    """The items of a body: read already, or cut apart to be read one by one."""

    items: Sequence[WireEvent | bytes]
    sent_at: Time | None = None


def open_body(body: bytes, settings: Settings, *, is_lines: bool) -> Opened:
    """Return the items of a body; raises Refused if it is not JSON as a whole.

    They are read in one typed pass if all can be; a body that may hold an event over the size limit
    or a NUL is cut apart instead, because the typed pass sees neither.
    """
    if len(body) <= settings.max_event_bytes and not holds_nul(body):
        try:
            return _read_at_once(body, is_lines=is_lines)
        except UNREADABLE:
            pass
    return cut(body, is_lines=is_lines)


def check_text(body: bytes) -> None:
    """Raise Refused for a body that is empty, or in another encoding than UTF-8 without a mark."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        raise Refused("The body is not UTF-8 without a byte order mark.", code="UTF8_INVALID")
    if not body.strip():
        raise Refused("The body is empty.", code="JSON_SYNTAX")


def cut(body: bytes, *, is_lines: bool) -> Opened:
    """Return the items of the body unread; raises Refused if it is not JSON as a whole.

    Text that is no JSON document but begins with one on its first line is read as lines.
    """
    if is_lines:
        return Opened(_lines(body))
    text = body.strip()
    try:
        if text.startswith(b"["):
            return Opened([bytes(raw) for raw in _RAWS.decode(text)])
        head = _HEAD.decode(text) if text.startswith(b"{") else None
        if head is None or head.events is UNSET:
            if head is None:
                msgspec.json.decode(text, type=Raw)
                raise Refused("The body must be an object or an array.", code="BAD_FIELD")
            return Opened([text])
        batch = _RAW_BATCH.decode(text)
        return Opened([bytes(raw) for raw in batch.events], batch.sent_at)
    except msgspec.ValidationError as error:
        raise refusal(error, text) from error
    except UNREADABLE as error:
        if _is_lines(text):
            return Opened(_lines(text))
        raise refusal(error, text) from error


def read_one(item: bytes, settings: Settings) -> WireEvent | WireCommand:
    """Return one item; raises Refused with what is wrong with it."""
    if len(item) > settings.max_event_bytes:
        raise Refused(
            f"The event has {len(item)} bytes, more than {settings.max_event_bytes}.",
            code="EVENT_TOO_LARGE",
        )
    try:
        if b'"type"' in item and _HEAD.decode(item).type in ("identify", "group"):
            wire: WireEvent | WireCommand = _COMMAND.decode(item)
        else:
            wire = _EVENT.decode(item)
    except UNREADABLE as error:
        raise refusal(error, item) from error
    if holds_nul(item):
        raise Refused("A string holds a NUL character.", code="NUL_CHAR")
    return wire


def holds_nul(body: bytes) -> bool:
    """Return whether a string of the JSON text holds NUL (which JSON can only write escaped)."""
    return b"\\u0000" in body and _NUL.search(body) is not None


def head(item: bytes) -> tuple[str | None, str | None]:
    """Return the id and the name of an item as far as they can be read."""
    try:
        found = _HEAD.decode(item)
    except UNREADABLE:
        return None, None
    return (
        found.id if isinstance(found.id, str) else None,
        found.name if isinstance(found.name, str) else None,
    )


def refusal(error: Exception, text: bytes) -> Refused:
    """Return the Refused that says why msgspec could not read the text."""
    if isinstance(error, RecursionError):
        return Refused("The JSON is nested too deeply.", code="JSON_DEPTH")
    if isinstance(error, msgspec.ValidationError):
        return _misfit(str(error))
    try:
        text.decode()
    except UnicodeDecodeError as fault:
        return Refused(f"The text is not UTF-8 at byte {fault.start}.", code="UTF8_INVALID")
    return _syntax(str(error), text)


def _read_at_once(body: bytes, *, is_lines: bool) -> Opened:
    if is_lines:
        return Opened(_EVENT.decode_lines(body))
    first = body[:1] if not body[:1].isspace() else body.lstrip()[:1]
    if first == b"[":
        return Opened(_EVENTS.decode(body))
    # A single event may hold this text too; it then fails here and is read as one below.
    if b'"events"' in body:
        batch = _BATCH.decode(body)
        return Opened(batch.events, batch.sent_at)
    return Opened([_EVENT.decode(body)])


def _misfit(problem: str) -> Refused:
    found = _FAULT.match(problem)
    what, path = (found["what"], found["path"]) if found else (problem, None)
    path = re.sub(r"^\[\d+\]\.?", "", path)[:200] if path else None
    if OUT_OF_RANGE in what or "Integer value out of range" in what:
        return Refused("A number is too long or too large.", code="JSON_NUMBER", path=path)
    if field := _FIELD.match(what):
        return _field(field["name"], path, is_missing=field["is"] == "missing required")
    if path in ("time", "sent_at"):
        return Refused(f"{path}: {what}.", code="TIME_UNPARSABLE", path=path)
    return Refused(f"{path or 'The event'}: {what[:200]}.", code="BAD_FIELD", path=path)


def _field(name: str, parent: str | None, *, is_missing: bool) -> Refused:
    path = f"{parent}.{name}"[:200] if parent else name[:200]
    if is_missing:
        return Refused(f"{path} is missing.", code="MISSING_FIELD", path=path)
    if parent is None and (name in RESERVED or name.startswith("$")):
        return Refused(f"{path} is set by the server.", code="RESERVED_KEY", path=path)
    shape = _SHAPES.get(parent or "")
    near = did_you_mean(name[:100], shape.__struct_fields__) if shape else None
    message = f"There is no field {path!r}."
    return Refused(f"{message} {near}" if near else message, code="BAD_FIELD", path=path, hint=near)


def _syntax(problem: str, text: bytes) -> Refused:
    constants: list[str] = []
    lenient = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=constants.append)
    try:
        lenient.decode(text.decode())
    except RecursionError:
        return Refused("The JSON is nested too deeply.", code="JSON_DEPTH")
    except ValueError:
        if constants:
            return Refused(f"{constants[0]} is not a JSON number.", code="JSON_NUMBER")
        return Refused(
            f"The body is not valid JSON: {problem.removeprefix('JSON is malformed: ')}.",
            code="JSON_SYNTAX",
        )
    if constants:
        return Refused(f"{constants[0]} is not a JSON number.", code="JSON_NUMBER")
    return Refused("A string holds half of a surrogate pair.", code="SURROGATE")


def _is_lines(text: bytes) -> bool:
    first, newline, _ = text.partition(b"\n")
    if not newline or not text.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(first, type=Raw)
    except UNREADABLE:
        return False
    return True


def _lines(body: bytes) -> list[bytes]:
    return [line for line in (line.strip() for line in body.split(b"\n")) if line]
