"""How text becomes wire structs, and which code each kind of unreadable text gets."""

import re
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from tallymark.core.errors import Refused
from tallymark.core.registry import did_you_mean
from tallymark.core.settings import Settings

from ._sdk import Sdk, sdk_of
from ._wire import (
    OUT_OF_RANGE,
    Time,
    WireBatch,
    WireCampaign,
    WireCommand,
    WireConsent,
    WireContext,
    WireDevice,
    WireEvent,
    WireFailed,
    WireHead,
    WireImported,
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
_CONSENT = Decoder(WireConsent, float_hook=number)
_IMPORTED = Decoder(WireImported, float_hook=number)
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
_HIGH_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
# What no decoder takes, though the text around it is JSON; each cover is as long as what it covers.
_NO_HIGH_BYTES = bytes(range(128)) + b"x" * 128
_COVERS = (
    (re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"), rb"\\u0020"),
    (re.compile(rb"NaN"), b"0.0"),
    (re.compile(rb"Infinity"), b"0.000000"),
)
_BYTE = re.compile(r"byte (\d+)")
_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?\Z", re.DOTALL)
_FIELD = re.compile(
    r"Object (?P<is>contains unknown|missing required) field `(?P<name>.*)`\Z", re.DOTALL
)


class Opened(Struct, frozen=True):
    """The items of a body that could be read all at once."""

    items: Sequence[WireEvent]
    sent_at: Time | None = None
    failed: Sequence[WireFailed] | UnsetType = UNSET


class Cut(Struct, frozen=True):
    """The items of a body cut apart, to be read one by one."""

    items: Sequence[bytes]
    sent_at: Time | None = None
    failed: Sequence[WireFailed] | UnsetType = UNSET


def open_body(body: bytes, settings: Settings, *, is_lines: bool) -> Opened | Cut:
    """Return the items of a body; raises Refused if it is not JSON as a whole, or has too many.

    They are read in one typed pass if all can be; a body that may hold an event over the size limit
    or a NUL is cut apart instead, because the typed pass sees neither.
    """
    if len(body) <= settings.max_event_bytes and not holds_nul(body):
        try:
            opened = _read_at_once(body, is_lines=is_lines)
        except UNREADABLE:
            return cut(body, settings, is_lines=is_lines)
        _check_count(opened.items, settings, opened.failed)
        return opened
    return cut(body, settings, is_lines=is_lines)


def check_text(body: bytes) -> None:
    """Raise Refused for a body that is empty, or in another encoding than UTF-8 without a mark."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        raise Refused("The body is not UTF-8 without a byte order mark.", code="UTF8_INVALID")
    if not body.strip():
        raise Refused("The body is empty.", code="JSON_SYNTAX")


def cut(body: bytes, settings: Settings, *, is_lines: bool) -> Cut:
    """Return the items of the body unread; raises Refused if it is not JSON as a whole.

    Text that is no JSON document but begins with one on its first line is read as lines.
    """
    if is_lines:
        return Cut(_lines(body, settings))
    text = body.strip()
    try:
        return _cut_document(text, settings)
    except msgspec.ValidationError as error:
        raise refusal(error, text) from error
    except UNREADABLE as error:
        if _is_lines(text):
            return Cut(_lines(text, settings))
        apart = _cut_around(text, settings)
        if apart is None:
            raise refusal(error, text) from error
        return apart


def read_one(
    item: bytes, settings: Settings
) -> WireEvent | WireCommand | WireImported | WireConsent:
    """Return one item; raises Refused with what is wrong with it."""
    if len(item) > settings.max_event_bytes:
        raise Refused(
            f"The event has {len(item)} bytes, more than {settings.max_event_bytes}.",
            code="EVENT_TOO_LARGE",
        )
    try:
        wire = _typed(item)
    except UNREADABLE as error:
        raise refusal(error, item) from error
    if holds_nul(item):
        raise Refused("A string holds a NUL character.", code="NUL_CHAR")
    return wire


def _typed(item: bytes) -> WireEvent | WireCommand | WireImported | WireConsent:
    match _HEAD.decode(item).type if b'"type"' in item else None:
        case "identify" | "group" | "alias" | "unlink":
            return _COMMAND.decode(item)
        case "consent":
            return _CONSENT.decode(item)
        case "imported":
            return _IMPORTED.decode(item)
        case _:
            return _EVENT.decode(item)


def holds_nul(body: bytes) -> bool:
    """Return whether a string of the JSON text holds NUL (which JSON can only write escaped)."""
    # One byte is looked for much quicker than six.
    return b"\\" in body and b"\\u0000" in body and _NUL.search(body) is not None


def head(item: bytes) -> tuple[str | None, str | None, Sdk]:
    """Return the id and the name of an item, and the SDK it names, as far as they can be read."""
    try:
        found = _HEAD.decode(item)
    except UNREADABLE:
        return None, None, sdk_of({})
    return (
        found.id if isinstance(found.id, str) else None,
        found.name if isinstance(found.name, str) else None,
        sdk_of({"context": found.context}),
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
        return Opened(batch.events, batch.sent_at, batch.failed)
    return Opened([_EVENT.decode(body)])


def _cut_document(text: bytes, settings: Settings) -> Cut:
    if text.startswith(b"["):
        return Cut(_plain(_RAWS.decode(text), settings))
    if not text.startswith(b"{"):
        msgspec.json.decode(text, type=Raw)
        raise Refused("The body must be an object or an array.", code="BAD_FIELD")
    if _HEAD.decode(text).events is UNSET:
        return Cut([text])
    batch = _RAW_BATCH.decode(text)
    events = _plain(batch.events, settings, batch.failed)
    return Cut(events, batch.sent_at, batch.failed)


def _cut_around(text: bytes, settings: Settings) -> Cut | None:
    """Return the items of a body with values that no decoder takes; None if more is wrong with it.

    To see where the items lie, such values are covered by as many bytes of text or number. What is
    returned is cut from the body as it came, so that each item meets its own refusal.
    """
    covered = text.translate(_NO_HIGH_BYTES)
    for value, cover in _COVERS:
        covered = value.sub(cover, covered)
    if covered == text or not text.startswith((b"[", b"{")):
        return None
    try:
        found = _cut_document(covered, settings)
    except UNREADABLE:
        return None
    items: list[bytes] = []
    end = 0
    for item in found.items:
        start = covered.index(item, end)
        end = start + len(item)
        items.append(text[start:end])
    return Cut(items, found.sent_at, found.failed)


def _misfit(problem: str) -> Refused:
    found = _FAULT.match(problem)
    what, path = (found["what"], found["path"]) if found else (problem, None)
    # "[...]" is how msgspec writes "somewhere in here".
    path = path.replace("[...]", "")[:200] if path else None
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
    # Commands have other fields than events; what is a field of the one is no help for the other.
    shape = _SHAPES.get(parent or "")
    if shape is not None and name in shape.__struct_fields__:
        shape = None
    near = did_you_mean(name[:100], shape.__struct_fields__) if shape else None
    message = f"There is no field {path!r}."
    return Refused(f"{message} {near}" if near else message, code="BAD_FIELD", path=path, hint=near)


def _syntax(problem: str, text: bytes) -> Refused:
    place = _BYTE.search(problem)
    if place and text.startswith((b"NaN", b"Infinity"), int(place[1])):
        return Refused(f"There is a number that is not finite at {place[0]}.", code="JSON_NUMBER")
    if "surrogate" in problem or "hex escape" in problem or _ends_in_half_pair(problem, text):
        return Refused("A string holds half of a surrogate pair.", code="SURROGATE")
    problem = problem.removeprefix("JSON is malformed: ")
    if "truncated" in problem:
        problem = f"it ends too early (byte {len(text)})"
    return Refused(f"The text is not valid JSON: {problem}.", code="JSON_SYNTAX")


def _ends_in_half_pair(problem: str, text: bytes) -> bool:
    # Looking for the other half, msgspec runs over the end and calls the text truncated.
    end = text.rstrip()
    is_whole = end.endswith((b"}", b"]"))
    return "truncated" in problem and is_whole and _HIGH_HALF.search(end[-16:]) is not None


def _is_lines(text: bytes) -> bool:
    first, newline, _ = text.partition(b"\n")
    if not newline or not text.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(first, type=Raw)
    except UNREADABLE:
        return False
    return True


def _lines(body: bytes, settings: Settings) -> Sequence[bytes]:
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    _check_count(lines, settings)
    return [line.strip() for line in lines]


def _plain(
    raws: list[Raw], settings: Settings, failed: Sequence[object] | UnsetType = UNSET
) -> Sequence[bytes]:
    # Counted before they are copied: ten megabytes can hold five million items.
    _check_count(raws, settings, failed)
    return [bytes(raw) for raw in raws]


def _check_count(
    items: Sequence[object], settings: Settings, failed: Sequence[object] | UnsetType = UNSET
) -> None:
    count = len(items) + (0 if failed is UNSET else len(failed))
    if count > settings.max_batch_events:
        raise Refused(
            f"The batch holds {count} events, more than {settings.max_batch_events}.",
            code="BATCH_TOO_LONG",
        )
