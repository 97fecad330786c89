"""CloudEvents 1.0 over HTTP, as OpenMeter's clients send them: ``POST /api/v1/events``.

One event or an array as JSON, or one event in headers (``ce-id``, ``ce-source`` …) with its data as
the body. An id is unique within its source, so ``source`` and ``id`` together are the event's; the
``subject`` is the customer. ``data`` becomes the properties, everything else that is no field of
ours a property ``ce_<name>``.

The time decides which bill a use belongs to, so it is never repaired: an event with one that cannot
be is set aside, as are those that lack an attribute. The others of the batch are kept and the answer
is 204, since to send the batch again would mend nothing; only what cannot be read at all is 400.
"""

import base64
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tallymark.collect.body import inflated, unmarked
from tallymark.collect.loose import from_base64, mended, values
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import CODES, Refused, TallymarkError
from tallymark.core.event import Event
from tallymark.core.settings import Settings

from ._checks import Terms, believed_time, check_id
from ._foreign import Told, agreed, event, take
from ._values import as_json, mapping, text, when

_HEADER: Final = "ce-"
_VERSIONS: Final = frozenset({"1.0", "1"})
_LONGEST_SOURCE: Final = 2_048
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OWN: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "data", "data_base64"}
)
# Told by the type of the data that is kept.
_JSON_TYPES: Final = frozenset({"", "application/json", "text/json"})
_PROBLEM: Final = "application/problem+json"


def read(request: Request, settings: Settings) -> bytes:
    """Return the body without its compression, unread: a wrong key never makes us parse it."""
    return inflated(request, settings)


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events of a request, each alone; raises Refused for a body that holds none."""
    items = _items(request.headers, request.content)
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    may_be_large = len(request.content) > settings.max_event_bytes

    def one(item: Any) -> list[Event]:
        if may_be_large and (size := len(as_json(item))) > settings.max_event_bytes:
            raise Refused(f"The event has {size} bytes.", code="EVENT_TOO_LARGE")
        return [event(_told(item, terms), terms)]

    return take(items, one, settings)


def reply(_decoded: Decoded, _request: Request) -> Reply:
    """Return 204 without a body: to anything else OpenMeter's client raises an error."""
    return Reply(204, b"", _PROBLEM)


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return problem+json with the members that OpenMeter's client looks for."""
    told = {
        "type": "about:blank",
        "title": CODES[error.code].meaning,
        "status": error.status,
        "detail": error.message.encode("utf-8", "replace").decode(),
        "code": error.code,
        "hint": error.hint,
    }
    return Reply(error.status, msgspec.json.encode(told), _PROBLEM)


def _items(headers: Mapping[str, str], body: bytes) -> list[Any]:
    """Return the events of a request, unread, in whichever mode they were sent."""
    media = _media(headers.get("content-type", ""))
    if media.startswith("application/cloudevents"):
        if not media.endswith("json"):
            raise Refused(
                f"CloudEvents as {media[:100]} are not read.",
                code="UNSUPPORTED_MEDIA",
                hint="Send them as application/cloudevents+json.",
            )
    elif "ce-specversion" in headers or "ce-id" in headers:
        return [_from_headers(headers, media, body)]
    found = values(unmarked(body))
    if not isinstance(found, dict | list):
        raise Refused("The body must be an object or an array.", code="BAD_FIELD")
    return found if isinstance(found, list) else [found]


def _told(item: Any, terms: Terms) -> Told:
    if not isinstance(item, dict):
        raise Refused("The event is no object.", code="BAD_FIELD")
    version = item.get("specversion")
    if version is not None and text(version) not in _VERSIONS:
        raise Refused("specversion is not 1.0.", code="BAD_FIELD", path="specversion")
    source, event_id = _required(item, "source"), _required(item, "id")
    check_id(source, "source", _LONGEST_SOURCE)
    data = _data(item)
    said = mapping(data)
    account = _attribute(item.get("subject"))
    return Told(
        name=_required(item, "type"),
        namespace=_namespace(source),
        id=event_id,
        time=_time(item.get("time"), terms),
        user_id=_first(item.get("userid"), said.get("user_id"), said.get("userId")),
        anonymous_id=_first(item.get("anonymousid"), said.get("anonymous_id")),
        session_id=_first(item.get("sessionid"), said.get("session_id")),
        groups={"account": account} if account else {},
        properties={**_about(item, source), **_properties(data)},
        is_repairable=False,
    )


def own_id(item: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an event: ids are told apart by their source alone."""
    return _namespace(_attribute(item.get("source")) or ""), _attribute(item.get("id"))


def _namespace(source: str) -> str:
    return f"cloudevents:{source}"


def _required(item: dict[str, Any], name: str) -> str:
    found = _attribute(item.get(name))
    if found is None:
        raise Refused(f"{name} is missing.", code="MISSING_FIELD", path=name)
    return found


def _attribute(value: Any) -> str | None:
    """Return a text as it is, since ids are compared whole, or a number as text."""
    if isinstance(value, str):
        return value if value.strip() else None
    return text(value)


def _first(*candidates: Any) -> str | None:
    for one in candidates:
        if one is not None and (found := text(one)):
            return found
    return None


def _time(given: Any, terms: Terms) -> int | None:
    if given is None:
        return None
    found = when(given)
    if found is None:
        raise Refused("time is no RFC 3339 time.", code="TIME_UNPARSABLE", path="time")
    believed_time(found, terms, is_metered=True)
    return found


def _data(item: dict[str, Any]) -> Any:
    packed = item.get("data_base64")
    if packed is None:
        return item.get("data")
    if packed == "":
        return None
    content = from_base64(packed) if isinstance(packed, str) else None
    if content is None:
        raise Refused("data_base64 is no Base64.", code="BAD_FIELD", path="data_base64")
    return _content(content, _media(_attribute(item.get("datacontenttype")) or ""))


def _content(content: bytes, media: str) -> Any:
    """Return what the data of an event is: a JSON value, a text, or Base64 of anything else."""
    if not content.strip():
        return None
    if media in _JSON_TYPES or media.endswith("+json"):
        try:
            return values(content.strip())
        except Refused:
            if media:
                raise
    try:
        return mended(content.decode())
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(content).decode()}


def _properties(data: Any) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    return {} if data is None else {"value": data}


def _about(item: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the attributes that are no field of ours, as properties that no data is named like."""
    kept: dict[str, Any] = {"ce_source": source}
    for name, value in item.items():
        is_plain_type = name == "datacontenttype" and _media(text(value) or "") in _JSON_TYPES
        if name not in _OWN and value is not None and not is_plain_type:
            kept[f"ce_{name}"] = value
    return kept


def _from_headers(headers: Mapping[str, str], media: str, body: bytes) -> dict[str, Any]:
    """Return an event in binary mode as the object that it would be in JSON.

    Data that is not what its type says is left as Base64 for the item's reader to refuse.
    """
    found: dict[str, Any] = {
        name.removeprefix(_HEADER): _header(value)
        for name, value in headers.items()
        if name.startswith(_HEADER) and name[len(_HEADER) :] not in ("data", "data_base64")
    }
    if media:
        found["datacontenttype"] = mended(headers["content-type"].strip())
    if body.strip():
        try:
            found["data"] = _content(body, media)
        except Refused:
            found["data_base64"] = base64.b64encode(body).decode()
    return found


def _header(value: str) -> str:
    """Return the text of an attribute in a header.

    Headers arrive as Latin-1, quoted and percent-encoded as the binding says, or, from a converter
    that does neither, as plain UTF-8.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        return str(mended(value))
    plain = raw if _BROKEN_ESCAPE.search(raw) else urllib.parse.unquote_to_bytes(raw)
    for candidate in (plain, raw):
        try:
            return str(mended(candidate.decode()))
        except UnicodeDecodeError:
            continue
    return str(mended(value))


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


cloudevents = Protocol(
    name="cloudevents",
    routes=(("POST", "/api/v1/events"),),
    decode=decode,
    reply=reply,
    summary="CloudEvents 1.0 as OpenMeter's clients send them: structured, batched and binary.",
    open=read,
    refuse=refuse,
    own_id=own_id,
)
