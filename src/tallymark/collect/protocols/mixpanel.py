"""Mixpanel: events, profiles of people and groups, and imports, as its SDKs send them.

What is wrong with one item costs no other: the good ones are stored and the client gets its success.
Only when nothing of a request was good is that told, since Mixpanel's clients do not come back for
what was refused.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from tallymark.collect.loose import Loose, form_fields, open_loosely
from tallymark.collect.protocol import Caller, Decoded, Endpoint, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Event
from tallymark.core.settings import Settings

from . import _mixpanel_events, _mixpanel_profiles
from ._foreign import agreed, take
from ._mixpanel_events import Reading, read_event
from ._mixpanel_profiles import read_group, read_person
from ._values import mapping, text
from .pixel import picture
from .posthog import OWN_MEMBERS

_READERS: Final[Mapping[str, Callable[[Any, Reading], Iterable[Event | Command]]]] = {
    "track": read_event,
    "import": read_event,
    "engage": read_person,
    "groups": read_group,
}
_KEY = ("pk_", "sk_", "rk_")
_SECRET = ("sk_", "rk_")
_encode = msgspec.json.encode


class Note(Struct, frozen=True):
    """Of a request: whether nothing of it was good, and what its failed items said of themselves."""

    is_lost: bool
    is_strict: bool = False
    failed: tuple[dict[str, Any], ...] = ()


def claims(request: Request) -> bool:
    """Claim what names its project and its person inside the event, as PostHog's old aliases do not."""
    content = _content(request).content
    first = mapping(content[0] if isinstance(content, list) and content else content)
    return "batch" not in first and OWN_MEMBERS.isdisjoint(first)


def credential(request: Request) -> str | None:
    """Return a key of ours in the Authorization header, else the token of the first item that has one.

    Raises Refused AUTH_IN_URL for a secret key that came in the URL, as base64 too.
    """
    if (key := _authorized(request.headers)) is not None:
        return key
    opened = _content(request)
    found = _token(_items(opened.content)) or text(opened.fields.get("api_key"))
    if found is None or not found.startswith(_SECRET):
        return found
    if not request.body or found == form_fields(request.query).get("api_key"):
        raise Refused("A secret key was sent in the URL.", code="AUTH_IN_URL")
    return found


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events, links and profile changes of a request; raises Refused."""
    opened = _content(request)
    address = _address(request)
    is_import = address == "import"
    if is_import and caller.kind == "public":
        raise Refused("An import needs a secret key.", code="AUTH_WRONG_KIND")
    if opened.content is None:
        raise Refused("data is missing or empty.", code="MISSING_FIELD", path="data")
    items = _items(opened.content)
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    strict = is_import and not _is_form(opened) and opened.fields.get("strict") != "0"
    by = Reading(terms, caller.policy, _token(items), is_import, strict)
    reader = _READERS[address]
    server_side = {"0": True, "1": False}.get(opened.fields.get("ip", ""))
    told = Decoded(0, server_side=server_side)
    decoded = take(items, lambda item: reader(item, by), settings, told)
    lost = bool(decoded.failed) and not decoded.events and not decoded.commands
    return structs.replace(decoded, note=Note(lost, strict, _failures(decoded, items)))


def reply(decoded: Decoded, request: Request) -> Reply:
    """Return success in the form that was asked for; the failed items of an import, if it is strict."""
    note: Note = decoded.note
    first = decoded.failed[0].message if decoded.failed else ""
    if _is_json_import(request):
        stored = decoded.received - len(decoded.failed)
        return _imported(stored, note)
    return _answer(
        request, error=first if note.is_lost else None, status=400 if note.is_lost else 200
    )


def refuse(error: TallymarkError, request: Request) -> Reply:
    """Return a failure that makes the clients stop, or come back if the server is in trouble."""
    if _is_json_import(request):
        phrase = HTTPStatus(error.status).phrase
        body = {"code": error.status, "error": error.message, "status": phrase}
        return Reply(error.status, _encode(body))
    return _answer(request, error=error.message, status=error.status)


def _answer(request: Request, *, error: str | None, status: int) -> Reply:
    fields = _content(request).fields
    if fields.get("img") == "1":
        return picture(status)
    if fields.get("verbose") in ("1", "true"):
        # An integer, and always with an error: the SDK for Python fails on anything else.
        return Reply(status, _encode({"status": 0 if error is not None else 1, "error": error}))
    return Reply(status, b"1" if error is None else b"0", "text/plain")


def _imported(stored: int, note: Note) -> Reply:
    if note.failed and note.is_strict:
        body: dict[str, Any] = {
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": note.failed,
            "num_records_imported": stored,
            "status": "Bad Request",
        }
        return Reply(400, _encode(body))
    return Reply(200, _encode({"code": 200, "num_records_imported": stored, "status": "OK"}))


def _failures(decoded: Decoded, items: list[Any]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "index": failed.index,
            "insert_id": text(_properties(items[failed.index]).get("$insert_id")) or "",
            "field": failed.path or "",
            "message": failed.message,
        }
        for failed in decoded.failed
    )


def _content(request: Request) -> Loose:
    """Return what was opened; of what could not be read, at least how it wants to be answered."""
    if isinstance(request.content, Loose):
        return request.content
    try:
        return Loose(None, form_fields(request.query))
    except Refused:
        return Loose()


def _items(content: Any) -> list[Any]:
    if content is None:
        return []
    return content if isinstance(content, list) else [content]


def _properties(item: Any) -> dict[str, Any]:
    return mapping(mapping(item).get("properties"))


def _token(items: list[Any]) -> str | None:
    found = (
        text(_properties(item).get("token")) or text(mapping(item).get("$token")) for item in items
    )
    return next((token for token in found if token is not None), None)


def _authorized(headers: Mapping[str, str]) -> str | None:
    """Return a key of ours that stands in the header as a user, a password or a bearer's token."""
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        candidates = [rest.strip()]
    else:
        try:
            candidates = base64.b64decode(rest.strip()).decode("latin-1").split(":")
        except (binascii.Error, ValueError):
            return None
    return next((one for one in candidates if one.startswith(_KEY)), None)


def _address(request: Request) -> str:
    return request.path.rstrip("/").rpartition("/")[2]


def _is_form(opened: Loose) -> bool:
    return "data" in opened.fields


def _is_json_import(request: Request) -> bool:
    return _address(request) == "import" and not _is_form(_content(request))


def _always(body: dict[str, Any]) -> Callable[[Request, Settings], Reply]:
    answer = Reply(200, _encode(body), headers=(("Cache-Control", "no-store"),))
    return lambda _request, _settings: answer


def _own_id(item: dict[str, Any]) -> tuple[str, str | None]:
    own_id = _mixpanel_events.own_id if "properties" in item else _mixpanel_profiles.own_id
    return own_id(item)


mixpanel = Protocol(
    name="mixpanel",
    routes=(
        ("POST", "/track"), ("GET", "/track"), ("POST", "/engage"), ("GET", "/engage"),
        ("POST", "/groups"), ("GET", "/groups"), ("POST", "/import"),
    ),
    decode=decode,
    reply=reply,
    summary="Mixpanel's SDKs, its profiles and its import API.",
    open=open_loosely,
    credential=credential,
    claims=claims,
    refuse=refuse,
    own_id=_own_id,
    endpoints=(
        # Nothing is switched on, and the SDKs fail on an answer without these members.
        Endpoint("GET", "/flags", _always({"flags": {}})),
        # It wants some setting; we keep no recordings, so none need be made.
        Endpoint("GET", "/settings", _always({"sdk_config": {"config": {"record_sessions_percent": 0}}})),
        Endpoint("GET", "/decide", _always({"notifications": [], "config": {}})),
        # Recordings of screens are no uses; they are taken and forgotten.
        Endpoint("POST", "/record", _always({"code": 200, "status": "OK"})),
    ),
)  # fmt: skip
