"""Amplitude: HTTP V2, batches, and the identify addresses, as its SDKs send them.

Its clients go by the ``code`` in the answer. A 400 that does not say which events are bad makes them
send all of them again for ever, so every refusal here names what is wrong.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from tallymark.collect.loose import Loose, form_fields, open_loosely, values
from tallymark.collect.protocol import Caller, Decoded, Endpoint, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Event, IdentityLink
from tallymark.core.settings import Settings

from ._amplitude_events import NAMESPACE, Reading, own_id, read_event, shared
from ._amplitude_profiles import group_changes
from ._foreign import agreed, is_placeholder, link, source, take
from ._values import mapping, text, when

_SECRET = ("sk_", "rk_")
# Where each address has its items, if not among the events of a JSON body.
_FORM_FIELDS: Final = {
    "identify": "identification", "groupidentify": "identification", "usermap": "mapping",
}  # fmt: skip
_KEY_CODES: Final = frozenset({"AUTH_MISSING", "AUTH_INVALID", "AUTH_WRONG_KIND", "AUTH_IN_URL"})
_encode = msgspec.json.encode


class Note(Struct, frozen=True):
    """Of a request: whether nothing of it was good."""

    is_lost: bool


def claims(request: Request) -> bool:
    """Claim a batch with ``events``; PostHog's has ``batch``."""
    return _address(request) != "batch" or "events" in mapping(_content(request).content)


def credential(request: Request) -> str | None:
    """Return the API key of the body, form or query.

    Raises Refused AUTH_IN_URL for a secret key that came in the URL.
    """
    opened = _content(request)
    inside = text(mapping(opened.content).get("api_key"))
    if inside is not None:
        return inside
    found = text(opened.fields.get("api_key"))
    in_url = form_fields(request.query).get("api_key")
    if found is not None and found.startswith(_SECRET) and found == in_url:
        raise Refused("A secret key was sent in the URL.", code="AUTH_IN_URL")
    return found


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events, links and profile changes of a request; raises Refused."""
    opened = _content(request)
    items = _items(request, opened)
    body = mapping(opened.content)
    sent = when(body.get("client_upload_time"))
    terms = agreed(
        settings,
        received_at=request.received_at,
        sent_at=sent,
        public=caller.kind == "public",
    )
    remote = [text(mapping(item).get("ip")) == "$remote" for item in items]
    by = Reading(terms, caller.policy)
    if any(remote) and not all(remote):
        # The request is a server's, but some of it is of whoever sends it.
        agent = request.headers.get("user-agent")
        by = structs.replace(by, peer=request.peer, user_agent=agent)
    told = Decoded(0, sent_at=sent, server_side=not all(remote) if items else None)
    reader = _READERS[_address(request)]
    decoded = take(items, lambda item: reader(item, by), settings, told)
    lost = bool(decoded.failed) and not decoded.events and not decoded.commands
    return structs.replace(decoded, note=Note(lost))


def reply(decoded: Decoded, request: Request) -> Reply:
    """Return success; if nothing was good, which events are to be dropped, which is all of them."""
    if decoded.note.is_lost:
        first = decoded.failed[0]
        return _failure(
            400,
            first.message,
            events_with_invalid_fields={
                first.path or "event": [failed.index for failed in decoded.failed]
            },
        )
    if _address(request) in _FORM_FIELDS:
        return Reply(200, b"success", "text/plain")
    body = {
        "code": 200,
        "events_ingested": decoded.received - len(decoded.failed),
        "payload_size_bytes": len(request.body),
        "server_upload_time": request.received_at // 1000,
    }
    return Reply(200, _encode(body))


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return a failure that makes the SDKs drop what will never do, and send the rest again."""
    if error.code in _KEY_CODES:
        return _failure(400, f"Invalid API key: {error.message}")
    if error.status in (413, 429) or error.status >= 500:
        return _failure(error.status, error.message)
    return _failure(400, error.message, missing_field=error.path or "events")


def _failure(code: int, message: str, **which: Any) -> Reply:
    return Reply(code, _encode({"code": code, "error": message, **which}))


def _items(request: Request, opened: Loose) -> list[Any]:
    address = _address(request)
    field = _FORM_FIELDS.get(address, "events")
    body = mapping(opened.content)
    given = body.get(field)
    if given is None and address == "httpapi":
        given = body.get("event")
        field = "events" if given is None and "event" not in opened.fields else "event"
    if given is None:
        given = opened.fields.get(field)
    if isinstance(given, str):
        given = values(given.encode("utf-8", "surrogatepass"))
    if given is None:
        raise Refused(f"{field} is missing.", code="MISSING_FIELD", path=field)
    return given if isinstance(given, list) else [given]


def _identification(item: Any, by: Reading) -> Iterable[Event | Command]:
    if not isinstance(item, dict):
        raise Refused("The identification is no object.", path="identification")
    return read_event({**item, "event_type": "$identify"}, by)


def _group_identification(item: Any, by: Reading) -> Iterable[Event | Command]:
    given = mapping(item)
    kind, name = text(given.get("group_type")), text(given.get("group_value"))
    if kind is None or name is None:
        raise Refused(
            "A group needs group_type and group_value.", code="MISSING_FIELD", path="group_type"
        )
    return group_changes((kind, name), given.get("group_properties"), shared(given, by), by.terms)


def _mapping(item: Any, by: Reading) -> Iterable[Event | Command]:
    """Return that two user ids are one person, or that they are not after all."""
    given = mapping(item)
    user, everywhere = text(given.get("user_id")), text(given.get("global_user_id"))
    if user is None or everywhere is None:
        raise Refused(
            "A mapping needs user_id and global_user_id.",
            code="MISSING_FIELD",
            path="global_user_id",
        )
    claim = source(by.terms, NAMESPACE, None, None)
    if given.get("unmap") is True:
        if is_placeholder(user) or is_placeholder(everywhere):
            return []
        return [
            IdentityLink(
                user, everywhere, claim.id, claim.time, one_kind="user", how="retract",
                namespace=claim.namespace,
            )
        ]  # fmt: skip
    return link(claim, ("user", user), ("user", everywhere), "alias")


def _content(request: Request) -> Loose:
    """Return what was opened, nothing where it could not be."""
    return request.content if isinstance(request.content, Loose) else Loose()


def _address(request: Request) -> str:
    return request.path.rstrip("/").rpartition("/")[2]


def _configuration(_request: Request, _settings: Settings) -> Reply:
    return Reply(200, _encode({"configs": {}}), headers=(("Cache-Control", "no-store"),))


_READERS: Final = {
    "httpapi": read_event,
    "batch": read_event,
    "identify": _identification,
    "groupidentify": _group_identification,
    "usermap": _mapping,
}

amplitude = Protocol(
    name="amplitude",
    routes=(
        ("POST", "/2/httpapi"), ("POST", "/batch"), ("POST", "/httpapi"), ("POST", "/identify"),
        ("POST", "/groupidentify"), ("POST", "/usermap"),
    ),
    decode=decode,
    reply=reply,
    summary="Amplitude's SDKs, HTTP V2 and batch API, and identify.",
    open=open_loosely,
    credential=credential,
    claims=claims,
    refuse=refuse,
    own_id=own_id,
    endpoints=(Endpoint("GET", "/config", _configuration),),
)  # fmt: skip
