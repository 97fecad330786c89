"""Plausible's events API: one event a request, JSON that is sent as text.

It knows no ids: whoever visits is told apart for a day only, by a later step. ``d`` names the site, or
several of them, which then all count the event.
"""

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import structs

from tallymark.collect.loose import Loose, open_loosely, values
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Context, Event
from tallymark.core.settings import Settings

from ._foreign import Told, agreed, event, take
from ._values import amount, currency, mapping, pixels, text
from ._visit import COOKIELESS, figures, query_of

_ENGAGEMENT: Final = {"sd": "scroll_depth", "e": "engaged_ms"}
_MOST_SITES: Final = 20


def credential(request: Request) -> str | None:
    """Return the site, or the list of sites as it was sent."""
    return text(_first(_body(request), "d", "domain"))


def apart(request: Request) -> Sequence[Request]:
    """Return the request once for each of the sites it names; raises Refused for too many."""
    given = _body(request)
    sites = [one.strip() for one in (credential(request) or "").split(",") if one.strip()]
    if len(sites) < 2:
        return (request,)
    if len(sites) > _MOST_SITES:
        raise Refused(f"More than {_MOST_SITES} sites are named.", code="BAD_FIELD", path="d")
    return [
        structs.replace(request, content=Loose({**given, "d": site}))
        for site in dict.fromkeys(sites)
    ]


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the event; raises Refused if the body is no object."""
    given = _body(request)
    if not given:
        raise Refused("The body is no object.", code="BAD_FIELD")
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")

    def read(item: dict[str, Any]) -> list[Event]:
        return [event(_told(item), terms)]

    decoded = take([given], read, settings, Decoded(0, server_side=False))
    if decoded.failed:
        # A single event; whoever tries the protocol out is to see what is wrong with it.
        failed = decoded.failed[0]
        raise Refused(failed.message, code=failed.code, path=failed.path)
    return decoded


def reply(_decoded: Decoded, _request: Request) -> Reply:
    """Return what Plausible answers."""
    return Reply(202, b"ok", "text/plain; charset=utf-8")


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return 400 with what is wrong, or the status that says to come back."""
    status = error.status if error.status in (429, 503) else 503 if error.status >= 500 else 400
    field = (error.path or "request").rpartition(".")[2]
    return Reply(status, msgspec.json.encode({"errors": {field: [error.message]}}))


def _body(request: Request) -> dict[str, Any]:
    return mapping(request.content.content) if request.content is not None else {}


def _first(given: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if (value := given.get(name)) is not None:
            return value
    return None


def _told(given: dict[str, Any]) -> Told:
    name = text(_first(given, "n", "name"))
    revenue = mapping(_loose(_first(given, "$", "revenue")))
    properties = mapping(_loose(_first(given, "p", "props", "m", "meta")))
    if _first(given, "i", "interactive") is False:
        properties = {**properties, "interactive": False}
    told = Told(
        name=name,
        namespace="plausible",
        properties=properties,
        context=_context(given),
        revenue=amount(revenue.get("amount")),
        currency=currency(revenue.get("currency")),
        flags=(COOKIELESS,),
    )
    match name:
        case "pageview":
            return structs.replace(told, name="page_view", kind="page")
        case "engagement":
            about = {**properties, **figures(given, _ENGAGEMENT)}
            return structs.replace(told, name="page_ping", kind="heartbeat", properties=about)
        case _:
            return told


def _loose(value: Any) -> Any:
    """Return an object, also one that came as JSON text; None for text that is none."""
    if not isinstance(value, str):
        return value
    try:
        return values(value.encode("utf-8", "replace"))
    except Refused:
        return None


def _context(given: dict[str, Any]) -> Context:
    page = text(_first(given, "u", "url"))
    version = text(given.get("v"))
    found = Context(
        page_url=_with_hash_route(page) if given.get("h") in (1, "1", True) else page,
        referrer=text(_first(given, "r", "referrer")),
        library_name="plausible" if version else None,
        library_version=version,
        screen_width=pixels(_first(given, "w", "screen_width")),
    )
    query = query_of(page)
    # The short forms that sites use instead; those in full are found in every page's address.
    source = None if query.get("utm_source") else query.get("ref") or query.get("source")
    return structs.replace(found, utm_source=source) if source else found


def _with_hash_route(page: str | None) -> str | None:
    """Return the address of a page whose route stands in its fragment, with the route as its path."""
    before, mark, route = (page or "").partition("#")
    if not mark or not route.lstrip("!").startswith("/"):
        return page
    try:
        parts = urllib.parse.urlsplit(before)
    except ValueError:
        return page
    path = parts.path.rstrip("/") + route.lstrip("!").partition("?")[0]
    return urllib.parse.urlunsplit(parts._replace(path=path))


plausible = Protocol(
    name="plausible",
    routes=(("POST", "/api/event"),),
    decode=decode,
    reply=reply,
    summary="The scripts and events API of Plausible.",
    open=open_loosely,
    credential=credential,
    apart=apart,
    refuse=refuse,
)
