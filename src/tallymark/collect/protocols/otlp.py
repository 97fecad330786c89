"""OpenTelemetry over HTTP: ``/v1/traces``, ``/v1/metrics`` and ``/v1/logs``, in protobuf or JSON.

Answers are in the encoding of the request. Items that cannot be taken are told in a partial success,
which a client must not send again; a request that cannot be read is 400, and trouble of ours is 503,
since exporters give up at 500.
"""

from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from tallymark.collect.body import inflated, unmarked
from tallymark.collect.loose import values
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Event
from tallymark.core.settings import Settings

from ._foreign import agreed, take
from ._otlp_attributes import is_client
from ._otlp_events import Reading, own_id, read_item
from ._otlp_frames import varint
from ._otlp_items import Item, Signal, Unread, from_protobuf
from ._otlp_json import from_json
from ._values import as_json, mapping

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_REJECTED: Final[dict[Signal, str]] = {
    "traces": "rejectedSpans",
    "metrics": "rejectedDataPoints",
    "logs": "rejectedLogRecords",
}
_MOST_REASONS: Final = 3
# Of google.rpc.Code: what each HTTP status is there, INVALID_ARGUMENT for any other.
_CODES: Final = {401: 16, 403: 7, 413: 11, 429: 8, 503: 14}
_INVALID_ARGUMENT: Final = 3
# Number and type of the fields of google.rpc.Status and of the responses, as protobuf writes them.
_STATUS_CODE, _STATUS_MESSAGE = b"\x08", b"\x12"
_PARTIAL, _REJECTED_COUNT, _REJECTED_WHY = b"\x0a", b"\x08", b"\x12"


class Export(Struct, frozen=True):
    """The body of a request without its compression, unread, and whether it is JSON."""

    body: bytes
    is_json: bool


def read(request: Request, settings: Settings) -> Export:
    """Return what a request exports, unread: nobody whose key is wrong makes us parse it."""
    body = inflated(request, settings)
    return Export(body, _is_json(request, body))


def credential(request: Request) -> str | None:
    """Return the key of an ``x-api-key`` header; an Authorization header goes before it."""
    headers = request.headers
    return None if "authorization" in headers else headers.get("x-api-key")


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events of an export, and what it tells of its users.

    Raises Refused for a body that is no export.
    """
    export: Export = request.content
    items = _items(export, _signal(request), settings)
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    reading = Reading(_signal(request), terms, caller.policy, set(), {})
    # An exporter in a browser or phone is the person's; any other is a server, or speaks for many.
    is_persons = caller.kind == "public" and any(
        is_client(mapping(mapping(item).get("resource"))) for item in items[:1]
    )
    may_be_large = export.is_json and len(export.body) > settings.max_event_bytes

    def one(item: Item) -> list[Event | Command]:
        if isinstance(item, Unread):
            raise Refused(f"The item of {item.bytes} bytes cannot be read.", code=item.code)
        if may_be_large and (size := len(as_json(item))) > settings.max_event_bytes:
            raise Refused(f"The item has {size} bytes.", code="EVENT_TOO_LARGE")
        return read_item(item, reading)

    return take(items, one, settings, Decoded(0, server_side=not is_persons))


def reply(decoded: Decoded, request: Request) -> Reply:
    """Return 200 with the empty response, or with how many items were set aside and why."""
    failed = decoded.failed
    reasons = list(dict.fromkeys(f"{one.code}: {one.message}" for one in failed))[:_MOST_REASONS]
    message = " ".join(reasons)
    if request.content.is_json:
        told: dict[str, Any] = {}
        if failed:
            rejected = {_REJECTED[_signal(request)]: str(len(failed)), "errorMessage": message}
            told = {"partialSuccess": rejected}
        return Reply(200, msgspec.json.encode(told), _JSON)
    if not failed:
        return Reply(200, b"", _PROTOBUF)
    partial = _REJECTED_COUNT + varint(len(failed)) + _REJECTED_WHY + _sized(message)
    return Reply(200, _PARTIAL + _sized(partial), _PROTOBUF)


def refuse(error: TallymarkError, request: Request) -> Reply:
    """Return a google.rpc.Status in the encoding of the request."""
    status = 503 if error.status >= 500 else error.status
    code, message = _CODES.get(status, _INVALID_ARGUMENT), f"{error.code}: {error.message}"
    if _is_json(request, request.body):
        return Reply(
            status, msgspec.json.encode({"code": code, "message": _sayable(message)}), _JSON
        )
    body = _STATUS_CODE + varint(code) + _STATUS_MESSAGE + _sized(message)
    return Reply(status, body, _PROTOBUF)


def _items(export: Export, signal: Signal, settings: Settings) -> list[Item]:
    if not export.is_json:
        return from_protobuf(signal, export.body, settings)
    content = values(unmarked(export.body))
    return from_json(signal, content, settings.max_batch_events)


def _signal(request: Request) -> Signal:
    last = request.path.rstrip("/").rpartition("/")[2]
    return next(one for one in get_args(Signal) if one == last)


def _is_json(request: Request, body: bytes) -> bool:
    """Return whether a request is JSON: by its type, or by a first byte that no export begins with."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media == _JSON or media.endswith("+json") or body[:1] == b"{"


def _sized(content: str | bytes) -> bytes:
    raw = _sayable(content).encode() if isinstance(content, str) else content
    return varint(len(raw)) + raw


def _sayable(message: str) -> str:
    # A message may quote what was sent, and half a surrogate pair has no UTF-8 form.
    return message.encode("utf-8", "replace").decode()


otlp = Protocol(
    name="otlp",
    routes=(("POST", "/v1/traces"), ("POST", "/v1/metrics"), ("POST", "/v1/logs")),
    decode=decode,
    reply=reply,
    summary="OpenTelemetry over HTTP: spans, metric points and log records, protobuf or JSON.",
    open=read,
    credential=credential,
    refuse=refuse,
    own_id=own_id,
)
