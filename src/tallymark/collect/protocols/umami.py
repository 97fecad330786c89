"""Umami's collection API: one event a request, or a list of them.

``website`` says whose they are. Only a distinct ``id`` names somebody; who else visits is told apart
for a day only, by a later step. The token and ids in the answer are hashes that say nothing and are
kept nowhere.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from tallymark.collect.loose import open_loosely
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.clock import DAY
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Command, Context, Event, Kind
from tallymark.core.ids import hash128
from tallymark.core.settings import Settings

from ._checks import Terms
from ._foreign import Told, agreed, event, profile, source, take
from ._values import amount, currency, mapping, sequence, text, when
from ._visit import COOKIELESS, check_site, figures, language, screen

_SITES: Final = ("website", "link", "pixel")
_SPEED: Final = {
    "lcp": "lcp_ms", "inp": "inp_ms", "cls": "cls", "fcp": "fcp_ms", "ttfb": "ttfb_ms",
}  # fmt: skip
# How the package for servers names itself, whose machine is not the visitor's.
_SERVER_AGENT: Final = "Umami/"
_NAMES: Final[Mapping[str, tuple[str, Kind]]] = {
    "performance": ("performance", "metric"),
    "engagement": ("page_ping", "heartbeat"),
}


def credential(request: Request) -> str | None:
    """Return the website, link or pixel of the first event."""
    if request.content is None:
        return None
    return next((site for one in _items(request) if (site := _site(_payload(one)))), None)


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events, and what ``identify`` tells of somebody.

    A single one that cannot be taken fails the request; of a batch each is judged alone.
    """
    items = _items(request)
    site = credential(request)
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    is_server = _SERVER_AGENT in request.headers.get("user-agent", "")

    def read(item: Any) -> list[Event | Command]:
        payload = _payload(item)
        if not payload:
            raise Refused("There is no payload.", code="MISSING_FIELD", path="payload")
        check_site(_site(payload), site)
        return _read(
            text(mapping(item).get("type")) or "event", payload, terms, is_server=is_server
        )

    decoded = take(items, read, settings, Decoded(0, server_side=is_server))
    if decoded.failed and not _is_batch(request):
        failed = decoded.failed[0]
        raise Refused(failed.message, code=failed.code, path=failed.path)
    return decoded


def reply(decoded: Decoded, request: Request) -> Reply:
    """Return a token and ids that are the same for a visitor all day, with the figures of a batch."""
    site, day = credential(request) or "", str(request.received_at // DAY)
    first = next((_payload(one) for one in _items(request)), {})
    who = text(first.get("ip")) or request.peer or ""
    agent = text(first.get("userAgent")) or request.headers.get("user-agent", "")
    told: dict[str, Any] = {
        "cache": hash128("umami cache", site, day, who, agent).hex(),
        "sessionId": _uuid("umami session", site, day, who, agent),
        "visitId": _uuid("umami visit", site, day, who, agent),
    }
    if _is_batch(request):
        failed = [{"index": one.index, "message": one.message} for one in decoded.failed]
        told = {
            "size": decoded.received,
            "processed": decoded.received - len(failed),
            "errors": len(failed),
            "details": failed,
            "cache": told["cache"],
        }
    return Reply(200, msgspec.json.encode(told))


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return 400 with what is wrong, or the status that says to come back."""
    status = error.status if error.status in (429, 503) else 503 if error.status >= 500 else 400
    told = {"message": error.message, "code": error.code, "status": status}
    return Reply(status, msgspec.json.encode({"error": told}))


def _is_batch(request: Request) -> bool:
    return isinstance(request.content.content, list)


def _items(request: Request) -> list[Any]:
    content = request.content.content
    return sequence(content) if isinstance(content, list) else [content]


def _payload(item: Any) -> dict[str, Any]:
    return mapping(mapping(item).get("payload"))


def _site(payload: Mapping[str, Any]) -> str | None:
    return next((site for name in _SITES if (site := text(payload.get(name)))), None)


def _uuid(*parts: str) -> str:
    found = hash128(*parts).hex()
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"


def _read(
    kind: str, payload: dict[str, Any], terms: Terms, *, is_server: bool
) -> list[Event | Command]:
    told = _told(kind, payload, is_server=is_server)
    if kind != "identify":
        return [event(told, terms)]
    # What is said of nobody in particular is kept, but changes nobody.
    if told.user_id is None:
        return [event(structs.replace(told, name="identify", kind="system"), terms)]
    by = source(terms, "umami", None, told.time)
    return [*profile(by, "set", ("user", told.user_id), told.properties, terms)]


def _told(kind: str, payload: dict[str, Any], *, is_server: bool) -> Told:
    data = mapping(payload.get("data"))
    money = mapping(data.get("commerce")) or data
    user = text(payload.get("id"))
    is_person_told = not is_server or "ip" in payload or "userAgent" in payload
    name = text(payload.get("name"))
    told = Told(
        name=name or "page_view",
        namespace="umami",
        time=when(payload.get("timestamp")),
        is_repairable=False,
        kind="track" if name else "page",
        user_id=user,
        properties={**_apart(payload), **data},
        context=_context(payload),
        revenue=amount(money.get("revenue")),
        currency=currency(money.get("currency")),
        flags=(COOKIELESS,) if user is None and is_person_told else (),
    )
    if kind not in _NAMES:
        return told
    told_name, told_kind = _NAMES[kind]
    measured = figures(payload, _SPEED if kind == "performance" else {"engagement": "engaged_ms"})
    return structs.replace(
        told, name=told_name, kind=told_kind, properties={**told.properties, **measured}
    )


def _apart(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Umami itself keeps beside the data of an event."""
    names = {"tag": "tag"} if "website" in payload else {name: name for name in ("tag", *_SITES)}
    found = {key: text(payload.get(name)) for name, key in names.items()}
    return {key: value for key, value in found.items() if value is not None}


def _context(payload: Mapping[str, Any]) -> Context:
    page, host = text(payload.get("url")), text(payload.get("hostname"))
    return Context(
        page_url=page,
        # The address that servers send is a path, which names no host.
        page_host=host if page is None or page.startswith("/") else None,
        page_title=text(payload.get("title")),
        referrer=text(payload.get("referrer")),
        locale=language(payload.get("language")),
        browser=text(payload.get("browser")),
        os=text(payload.get("os")),
        device_type=text(payload.get("device")),
        ip=text(payload.get("ip")),
        user_agent=text(payload.get("userAgent")),
        **screen(payload.get("screen")),
    )


umami = Protocol(
    name="umami",
    routes=(("POST", "/api/send"), ("POST", "/api/batch")),
    decode=decode,
    reply=reply,
    summary="The scripts and packages of Umami.",
    open=open_loosely,
    credential=credential,
    refuse=refuse,
)
