"""Segment's tracking API, which RudderStack's SDKs speak as well: one message a request, or a batch.

``track``, ``page`` and ``screen`` are uses; ``identify``, ``group`` and ``alias`` change what is
known of somebody. Every client counts a 200 as taken, so a message that cannot be counted is set
aside and the rest answered as a success, as Segment does.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from tallymark.collect.loose import Loose, form_fields, open_loosely
from tallymark.collect.places import Places
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.privacy.scrub import scrub_url

from ._checks import Terms
from ._foreign import (
    Told,
    agreed,
    event,
    is_placeholder,
    sent_at,
    source,
    take,
)
from ._segment_context import (
    LOOKED_AT,
    NOBODY,
    consent,
    context,
    is_server,
    library_of,
    page_of,
)
from ._segment_people import COMMANDS, Who
from ._segment_setup import ENDPOINTS
from ._segment_verbatim import Tracks, tracks_of, verbatim_tracks
from ._values import amount, content_id, currency, mapping, sequence, text, when
from ._verbatim import is_ordinary

_TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
_TYPE_OF: Final = {name: name for name in _TYPES} | {name[0]: name for name in _TYPES}
_BATCHES: Final = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/b")
_ORDER: Final = "order completed"
_MONEY: Final = frozenset({"revenue", "total", "value"})
# Each tells the revenue of an order that another event counts, or that was given back.
_NOT_EARNED: Final = frozenset(
    {"checkout started", "order updated", "order refunded", "order cancelled"}
)
# RudderStack's SDK for Node says once when it sends a batch, however often and late it then tries:
# that wait would be taken for a clock that is slow.
_STAMPS_ONCE: Final = "analytics-node"
# Of RudderStack's browser SDK: where somebody first came from.
_FIRST_REFERRER: Final = "initial_referrer"
_EPOCH = re.compile(r"\d{9,16}\Z")


_NOBODY: Final[Who] = (None, None)


class _Around(Struct, frozen=True):
    """What the messages of one request share; ``as_told`` are the terms that repair no clock.

    ``keeps_times`` says that none of them is to be repaired.
    """

    terms: Terms
    as_told: Terms
    type: str | None
    sent_at: int | None
    keeps_times: bool
    context: dict[str, Any]
    policy: Policy


def claims(request: Request) -> bool:
    """Return whether a request at an address that others have too is one of Segment's."""
    content = _content(request).content
    if not isinstance(content, dict):
        return False
    first = content
    if isinstance(content.get("batch"), list):
        first = mapping(next(iter(content["batch"]), None))
    return first.get("type") in _TYPES or "writeKey" in content


def credential(request: Request) -> str | None:
    """Return the write key: the Basic user name, else that of the body, else that of the query."""
    given = _basic_user(request.headers)
    if given:
        return given
    if isinstance(request.content, Tracks):
        return request.content.key or text(request.content.fields.get("writeKey"))
    content = _content(request)
    body = mapping(content.content)
    messages = (mapping(one) for one in sequence(body.get("batch"))[:LOOKED_AT])
    keys = (text(one.get("writeKey")) for one in (body, *messages))
    return next(filter(None, keys), None) or text(content.fields.get("writeKey"))


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return what the messages hold; raises Refused for a body that has none."""
    is_batch = request.path.rstrip("/").endswith(_BATCHES)
    messages, envelope = _messages(_content(request).content, is_batch=is_batch)
    single = messages[0] if not envelope and len(messages) == 1 else None
    when_sent = when(envelope.get("sentAt")) or when(mapping(single).get("sentAt"))
    context = mapping(envelope.get("context"))
    around = _around(request, caller, settings, messages, when_sent)
    if context:
        around = structs.replace(around, context=context)
    said = Decoded(0, sent_at=around.sent_at, server_side=is_server(messages))
    return take(messages, lambda message: _read(message, around), settings, said)


def verbatim(request: Request, caller: Caller, settings: Settings) -> Decoded | None:
    """Return a batch of ordinary ``track`` messages, ready for the log; None for anything else."""
    found = request.content
    if not isinstance(found, Tracks) or not is_ordinary(request, caller):
        return None
    first = found.first
    around = _around(request, caller, settings, first, when(found.envelope.sentAt))
    if around.keeps_times or around.type is not None:
        return None
    server_side = is_server(first)
    by_server = caller.kind != "public" if server_side is None else server_side
    places = Places(caller.policy, None if by_server else request.headers.get("user-agent"))
    indifferent = caller.policy.suspects == "off"
    events = verbatim_tracks(found.messages, around.terms, places, may_be_personal=indifferent)
    if events is None:
        return None
    return Decoded(
        len(events), [*events], sent_at=around.sent_at, server_side=server_side, is_ready=True
    )


def _content(request: Request) -> Loose:
    """Return the content; of a body that could not be read the query is left."""
    found: Loose | Tracks | None = request.content
    if isinstance(found, Tracks):
        return found.loosely()
    return found or Loose(None, form_fields(request.query))


def _around(
    request: Request,
    caller: Caller,
    settings: Settings,
    messages: list[Any],
    said: int | None,
) -> _Around:
    """Return what messages share; ``said`` is when they were sent, as their body tells."""
    address = request.path.rstrip("/")
    when_sent = said or when(request.headers.get("sentat"))
    is_public, now = caller.kind == "public", request.received_at
    return _Around(
        terms=agreed(settings, received_at=now, sent_at=when_sent, public=is_public),
        as_told=agreed(settings, received_at=now, public=is_public),
        type=_TYPE_OF.get(address.rpartition("/")[2]),
        sent_at=when_sent,
        keeps_times=address.endswith("/import") or library_of(messages) == _STAMPS_ONCE,
        context={},
        policy=caller.policy,
    )


def reply(_decoded: Decoded, _request: Request) -> Reply:
    """Return what Segment answers; RudderStack's SDKs look for exactly the 200."""
    return Reply(200, b'{"success":true}')


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return the two members that the SDKs show; they come back after a 429 or 5xx, and only then."""
    return Reply(error.status, msgspec.json.encode({"code": error.code, "message": error.message}))


def own_id(message: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of a message, None if its client named none."""
    return "segment", text(message.get("messageId"))


def _basic_user(headers: Mapping[str, str]) -> str | None:
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user = base64.b64decode(rest.strip(), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return None
    return text(user.partition(":")[0])


def _messages(content: Any, *, is_batch: bool) -> tuple[list[Any], dict[str, Any]]:
    """Return the messages, and what stands around them if anything does."""
    if isinstance(content, list):
        return content, {}
    if not isinstance(content, dict):
        raise Refused("The body holds no JSON object.", code="JSON_SYNTAX")
    if "batch" in content:
        if not isinstance(content["batch"], list):
            raise Refused("batch must be a list of messages.", code="BAD_FIELD", path="batch")
        return content["batch"], content
    if is_batch and "type" not in content:
        raise Refused("There is no batch.", code="MISSING_FIELD", path="batch")
    return [content], {}


def _read(message: Any, around: _Around) -> list[Event] | list[Command]:
    if not isinstance(message, dict):
        raise Refused("A message must be an object.")
    kind = _type(message, around)
    who = text(message.get("userId")), text(message.get("anonymousId"))
    if who == _NOBODY:
        raise Refused(
            "The message has neither userId nor anonymousId.", code="MISSING_FIELD", path="userId"
        )
    time, terms = _clock(message, around)
    if kind in ("track", "page", "screen"):
        return [event(_use(kind, message, who, time=time, around=around), terms)]
    by = source(terms, "segment", text(message.get("messageId")), time)
    said = consent(around.context | mapping(message.get("context")))
    by = structs.replace(by, consent=said) if said else by
    return COMMANDS[kind](message, by, terms)


def _type(message: dict[str, Any], around: _Around) -> str:
    given = message.get("type")
    if given is None:
        guessed = around.type or ("track" if text(message.get("event")) else None)
        if guessed is None:
            raise Refused("The message has no type.", code="MISSING_FIELD", path="type")
        return guessed
    found = given.strip().lower() if isinstance(given, str) else None
    if found not in _TYPES:
        raise Refused(f"There is no type {given!a:.100}.", path="type")
    return found


def _clock(message: dict[str, Any], around: _Around) -> tuple[int | None, Terms]:
    """Return when the client says it was, and the terms that say how far to believe it."""
    time, original = when(message.get("timestamp")), when(message.get("originalTimestamp"))
    # Beside the clock's own reading, a time is what a program says, or what Segment repaired before
    # it passed this on; and what is imported was never read off this clock.
    if around.keeps_times or None not in (time, original):
        return original if time is None else time, around.as_told
    own = when(message.get("sentAt"))
    is_same = own is None or own == around.sent_at
    terms = around.terms if is_same else sent_at(around.terms, own)
    return original if time is None else time, terms


def _use(
    kind: str, message: dict[str, Any], who: Who, *, time: int | None, around: _Around
) -> Told:
    given = mapping(message.get("context"))
    if around.context:
        given = around.context | given
    properties = mapping(message.get("properties"))
    name = text(message.get("event"))
    page = mapping(given.get("page"))
    if kind != "track":
        name = f"{kind}_view"
        titles = {"name": message.get("name"), "category": message.get("category")}
        properties = {key: one for key, one in titles.items() if one is not None} | properties
    if kind == "page":
        page, properties = page_of(page, properties)
        first = text(properties.pop(_FIRST_REFERRER, None))
        if first is not None and first != NOBODY:
            properties[_FIRST_REFERRER] = scrub_url(first, around.policy).url
    money, code = _money(name, properties)
    account = text(given.get("groupId") or message.get("groupId"))
    user, anonymous = who
    session = given.get("sessionId")
    return Told(
        name=name,
        namespace="segment",
        id=text(message.get("messageId")),
        time=time,
        kind="track" if kind == "track" else "page" if kind == "page" else "screen",
        user_id=user,
        anonymous_id=anonymous,
        session_id=session and _session(session, anonymous or user),
        groups={"account": account} if account and not is_placeholder(account) else {},
        properties=properties,
        context=context(given, page),
        revenue=money,
        currency=code,
        consent=consent(given) if "consent" in given or "consentManagement" in given else {},
    )


def _session(given: Any, who: str | None) -> str | None:
    """Return the id of a session, made unique where it is no more than the instant it began."""
    found = text(given)
    if found is None or not _EPOCH.match(found):
        return found
    return f"{found}-{content_id(who or '')[:12]}"


def _money(name: str | None, properties: dict[str, Any]) -> tuple[Decimal | None, str | None]:
    """Return revenue and currency as the e-commerce events tell them; US dollars if none is named."""
    if _MONEY.isdisjoint(properties):
        return None, None
    said = (name or "")[:100].lower().replace("_", " ")
    if said in _NOT_EARNED:
        return None, None
    names = ("revenue", "total", "value") if said == _ORDER else ("revenue",)
    found = next(
        (
            one
            for key in names
            if key in properties and (one := amount(properties[key])) is not None
        ),
        None,
    )
    if found is None:
        return None, None
    given = properties.get("currency")
    return found, currency(given) if given else "USD"


segment = Protocol(
    name="segment",
    routes=tuple(
        ("POST", path)
        for path in (
            *_BATCHES,
            *(f"/v1/{name}" for name in _TYPES),
            # Browsers whose `apiHost` has no `/v1` send to the bare letters.
            *(f"{base}/{name[0]}" for base in ("/v1", "") for name in _TYPES),
        )
    ),
    decode=decode,
    verbatim=verbatim,
    reply=reply,
    summary="Segment's SDKs, and RudderStack's.",
    open=open_loosely,
    peek=tracks_of,
    credential=credential,
    claims=claims,
    refuse=refuse,
    own_id=own_id,
    endpoints=ENDPOINTS,
)
