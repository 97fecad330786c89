"""Google Analytics 4: the Measurement Protocol (``/mp/collect``) and what gtag.js sends.

The project is found by the measurement id, if it was registered as a site, or by a public key in
its place or in that of ``api_secret``; a server may send a secret key in the Authorization header
instead. Hits have no id, so theirs is made from what they say where they tell a time or a count, and
a purchase is known by its ``transaction_id``.

The answer is 204 whatever was sent, as Google's is; only a wrong key and trouble of ours are told.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.collect.body import inflated, unmarked
from tallymark.collect.loose import form_fields, mended, values
from tallymark.collect.protocol import Caller, Decoded, Endpoint, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Event
from tallymark.core.settings import Settings

from ._checks import Terms
from ._foreign import agreed, event, take
from ._ga4_debug import validate
from ._ga4_gtag import hits, lines, user_properties
from ._ga4_hits import Hit, profiles, told
from ._values import content_id, mapping, text, when
from ._visit import screen

_GTAG: Final = "/g/collect"
_KEY: Final = "pk_"
_STREAMS: Final = ("measurement_id", "firebase_app_id", "tid")
_CONSENT: Final = {"ad_user_data": "sharing", "ad_personalization": "personalization"}
_TOLD: Final = frozenset({401, 403, 429, 503})


class Opened(Struct, frozen=True):
    """The parameters of the query, and the body unread: no wrong key makes us parse it."""

    fields: dict[str, str]
    body: bytes


def read(request: Request, settings: Settings) -> Opened:
    """Return the parameters and body of a request; raises Refused for damaged compression."""
    body = inflated(request, settings)
    return Opened(form_fields(request.query), body)


def credential(request: Request) -> str | None:
    """Return our key, or the name of the stream; None if there is a key in the header."""
    if "authorization" in request.headers:
        return None
    fields = request.content.fields if request.content else form_fields(request.query)
    secret = fields.get("api_secret", "")
    return secret if secret.startswith(_KEY) else _stream(fields) or None


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events of a request and what it tells of its user; raises Refused for no JSON."""
    opened: Opened = request.content
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    if request.path.rstrip("/").endswith(_GTAG):
        return _gtag(opened, terms)
    body = values(unmarked(opened.body))
    if not isinstance(body, dict):
        raise Refused("The body must be an object.", code="BAD_FIELD")
    return _protocol(body, _stream(opened.fields), terms)


def reply(_decoded: Decoded, _request: Request) -> Reply:
    """Return 204 without a body, not to be kept by anybody on the way."""
    return Reply(204, b"", "text/plain", (("Cache-Control", "no-store"),))


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return the status of a wrong key or of trouble, with its code; 204 for anything else."""
    is_told = error.stage == "auth" or error.status in _TOLD or error.status >= 500
    if not is_told:
        return reply(Decoded(0), _request)
    status = 503 if error.status >= 500 else error.status
    told = {"code": error.code, "message": error.message.encode("utf-8", "replace").decode()}
    return Reply(status, msgspec.json.encode(told))


def _stream(fields: dict[str, str]) -> str:
    return next((found for name in _STREAMS if (found := fields.get(name))), "")


def _gtag(opened: Opened, terms: Terms) -> Decoded:
    body = str(mended(unmarked(opened.body).decode("utf-8", "replace")))
    if body.count("\n") > terms.settings.max_batch_events:
        raise Refused("The body has too many lines.", code="BATCH_TOO_LONG")

    def one(fields: dict[str, str]) -> Iterator[Event | Command]:
        found = hits(fields)
        for hit in found:
            yield event(told(hit), terms)
        yield from profiles(found[-1], user_properties(fields), terms)

    items = lines(opened.fields, body)
    return take(items, one, terms.settings, Decoded(0, server_side=False))


class _Whole(Struct, frozen=True):
    """What a request says of all its events, read once."""

    stream: str
    client_id: str | None
    user_id: str | None
    time: int | None
    place: dict[str, Any]
    consent: dict[str, str]
    equal: Counter[str]


# Stands for the user properties among the items of a request.
_USER: Final = {"name": "user_properties"}


def _protocol(body: dict[str, Any], stream: str, terms: Terms) -> Decoded:
    given = body.get("events")
    events = given if isinstance(given, list) else [] if given is None else [given]
    user = mapping(body.get("user_properties"))
    whole = _Whole(
        stream=stream,
        client_id=text(body.get("client_id")) or text(body.get("app_instance_id")),
        user_id=text(body.get("user_id")),
        time=when(body.get("timestamp_micros")),
        place=_place(body),
        consent=_consent(body),
        equal=Counter(),
    )

    def one(item: Any) -> Iterator[Event | Command]:
        if item is _USER:
            yield from profiles(_hit({}, whole), user, terms)
            return
        if not isinstance(item, dict) or not isinstance(item.get("params", {}), dict):
            raise Refused("The event is no object with parameters.", code="BAD_FIELD")
        yield event(told(_hit(item, whole)), terms)

    items = [*([_USER] if user else []), *events]
    # It is servers that speak this; whom they speak for, they say.
    return take(items, one, terms.settings, Decoded(0, server_side=True))


def _hit(item: dict[str, Any], whole: _Whole) -> Hit:
    own = item.get("timestamp_micros")
    time = whole.time if own is None else when(own) or whole.time
    name, params = text(item.get("name")), mapping(item.get("params"))
    found = None
    if time is not None:
        said = [whole.stream, whole.client_id, whole.user_id, name, time, params]
        found = content_id("event", said)
        # Two equal events of one request are two, and are so again when it is sent again.
        whole.equal[found] += 1
        if whole.equal[found] > 1:
            found = content_id(found, whole.equal[found])
    return Hit(
        name=name,
        stream=whole.stream,
        params=params,
        id=found,
        client_id=whole.client_id,
        user_id=whole.user_id,
        time=time,
        place=whole.place,
        consent=whole.consent,
    )


def _consent(body: dict[str, Any]) -> dict[str, str]:
    given = mapping(body.get("consent"))
    said = {ours: text(given.get(theirs)) for theirs, ours in _CONSENT.items()}
    found = {purpose: answer.lower() for purpose, answer in said.items() if answer}
    return found | (
        {"personalization": "denied"} if body.get("non_personalized_ads") is True else {}
    )


def _place(body: dict[str, Any]) -> dict[str, Any]:
    device, location = mapping(body.get("device")), mapping(body.get("user_location"))
    return {
        "ip": text(body.get("ip_override")),
        "user_agent": text(body.get("user_agent")),
        "device_type": text(device.get("category")),
        "device_brand": text(device.get("brand")),
        "device_model": text(device.get("model")),
        "os": text(device.get("operating_system")),
        "os_version": text(device.get("operating_system_version")),
        "browser": text(device.get("browser")),
        "browser_version": text(device.get("browser_version")),
        "locale": text(device.get("language")),
        **screen(device.get("screen_resolution")),
        "city": text(location.get("city")),
        "region": text(location.get("region_id")),
        "country": text(location.get("country_id")),
    }


ga4 = Protocol(
    name="ga4",
    routes=(
        ("POST", "/mp/collect"),
        ("POST", "/g/collect"),
        ("GET", "/g/collect"),
        ("POST", "/{path}/g/collect"),
        ("GET", "/{path}/g/collect"),
    ),
    decode=decode,
    reply=reply,
    summary="Google Analytics 4: the Measurement Protocol, and what gtag.js sends.",
    open=read,
    credential=credential,
    refuse=refuse,
    endpoints=(Endpoint("POST", "/debug/mp/collect", validate),),
)
