"""The Matomo tracking API: one hit in a query or form, or many as JSON, each a query of its own.

Site and key stand apart: ``idsite`` is a site or a public key, ``token_auth`` a secret key, and only
with the latter are somebody else's address, place and old times believed. Matomo's clients send no
event id. One is made of what tells hits apart: a random number and a clock, or the bulk a dated hit
came in; a hit without either is counted each time it is sent.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.collect.loose import form_fields, values
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.clock import DAY, MICROSECONDS
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Context, Event
from tallymark.core.settings import Settings

from ._checks import Terms
from ._foreign import Told, agreed, event, take
from ._hit import Use, use_of
from ._values import content_id, currency, mapping, sequence, text, when, without
from ._visit import (
    COOKIELESS,
    check_site,
    figure,
    language,
    open_form,
    query_of,
    screen,
)
from .pixel import picture

_SECRET: Final = "sk_"  # noqa: S105 - how our secret keys begin
_KEYS: Final = ("pk_", "sk_", "rk_")
_CAMPAIGN: Final = {
    "utm_campaign": ("mtm_campaign", "matomo_campaign", "pk_campaign", "pk_cpn", "piwik_campaign"),
    "utm_term": ("mtm_keyword", "mtm_kwd", "matomo_kwd", "pk_keyword", "pk_kwd", "piwik_kwd"),
    "utm_source": ("mtm_source", "matomo_source", "pk_source"),
    "utm_medium": ("mtm_medium", "matomo_medium", "pk_medium"),
    "utm_content": ("mtm_content", "matomo_content", "pk_content"),
}
# Says how a hit is to be taken, and may differ when it is sent again.
_CONTROL: Final = frozenset(
    {"token_auth", "cdo", "send_image", "queuedtracking", "debug", "apiv", "bots"}
)


class Hits(Struct, frozen=True):
    """The hits of a request, each with its parameters, or why they cannot be read.

    ``token`` is the secret key of the body. ``mark`` is the same for a bulk that is sent again, None
    for a single hit.
    """

    items: list[Any]
    token: str | None = None
    mark: str | None = None
    wants_picture: bool = True


class _Around(Struct, frozen=True):
    """What the hits of one request share."""

    terms: Terms
    caller: Caller
    request: Request
    site: str | None
    mark: str | None

    @property
    def is_trusted(self) -> bool:
        return not self.terms.public


def read(request: Request, settings: Settings) -> Hits:
    """Return the hits of a query, form or bulk; raises Refused for what is none of them."""
    content = open_form(request, settings)
    if content.content is None:
        fields = dict(content.fields)
        token = _key(fields.pop("token_auth", None))
        return Hits([fields], token, wants_picture=fields.get("send_image") != "0")
    bulk = mapping(content.content)
    items = content.content if isinstance(content.content, list) else sequence(bulk.get("requests"))
    hits = [_hit(one) for one in items]
    tokens = [_key(bulk.get("token_auth"))]
    # Taken out, so that no key is ever kept with a hit that failed.
    tokens += [_key(one.pop("token_auth", None)) for one in hits if isinstance(one, dict)]
    token = next((one for one in tokens if one is not None), None)
    return Hits(hits, token, content_id("matomo", items), wants_picture=False)


def credential(request: Request) -> str | None:
    """Return the secret key in ``token_auth`` of a body, else the site of the first hit."""
    hits: Hits | None = request.content
    if hits is None:
        return None
    if hits.token is not None:
        return hits.token
    return next((site for one in hits.items if (site := text(mapping(one).get("idsite")))), None)


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return what the hits tell; those without ``rec=1`` are not kept, as in Matomo."""
    hits: Hits = request.content
    public = caller.kind == "public"
    around = _Around(
        agreed(settings, received_at=request.received_at, public=public),
        caller,
        request,
        credential(request) if hits.token is None else None,
        hits.mark,
    )
    places = iter(range(len(hits.items)))

    def take_hit(item: Any) -> list[Event]:
        place = next(places)
        if isinstance(item, Refused):
            raise item
        if not isinstance(item, dict):
            raise Refused("The hit is neither a query nor an object.", code="BAD_FIELD")
        check_site(text(item.get("idsite")), around.site)
        if text(item.get("rec")) != "1":
            return []
        return [event(_told(item, place, around), around.terms)]

    return take(hits.items, take_hit, settings)


def reply(decoded: Decoded, request: Request) -> Reply:
    """Return a picture, nothing where none is wanted, and figures to a bulk."""
    hits: Hits = request.content
    if hits.mark is not None:
        failed = [item.index for item in decoded.failed]
        told = {
            "status": "success",
            "tracked": decoded.received - len(failed),
            "invalid": len(failed),
            "invalid_indices": failed,
        }
        return Reply(200, msgspec.json.encode(told))
    return picture() if hits.wants_picture else Reply(204, b"")


def refuse(error: TallymarkError, request: Request) -> Reply:
    """Return the status that says why nothing was taken, with the body that the request would get."""
    if request.method != "POST":
        return picture(error.status)
    told = {"status": "error", "tracked": 0, "message": error.message}
    return Reply(error.status, msgspec.json.encode(told))


def _hit(given: Any) -> Any:
    """Return the parameters of one hit of a bulk, or why they cannot be read."""
    if isinstance(given, dict):
        return dict(given)
    if not isinstance(given, str):
        return given
    try:
        return form_fields(given.strip().rpartition("?")[2])
    except Refused as why:
        return why


def _key(given: Any) -> str | None:
    # Tokens of Matomo itself mean nothing here; they may stay where they are.
    token = text(given)
    return token if token is not None and token.startswith(_SECRET) else None


def _told(given: dict[str, Any], place: int, around: _Around) -> Told:
    use = use_of(given, around.caller.policy)
    anonymous = text(given.get("cid")) or text(given.get("_id"))
    user = text(given.get("uid"))
    is_person_told = not around.is_trusted or "cip" in given or "ua" in given
    is_nobody = user is None and anonymous is None and is_person_told
    properties = {**_custom(given), **use.properties}
    site = text(given.get("idsite"))
    if around.is_trusted and site is not None and not site.startswith(_KEYS):
        # One key may bring the hits of many sites.
        properties = {"idsite": site, **properties}
    return Told(
        name=use.name,
        namespace="matomo",
        id=_id(given, place, around.mark),
        time=_time(given, around),
        is_repairable=False,
        kind=use.kind,
        user_id=user,
        anonymous_id=anonymous,
        properties=properties,
        context=_context(given, use, around),
        revenue=use.revenue,
        currency=currency(given.get("currency")),
        flags=(COOKIELESS,) if is_nobody else (),
    )


def _id(given: dict[str, Any], place: int, mark: str | None) -> str | None:
    is_random = "r" in given or "rand" in given
    has_clock = "cdt" in given or all(name in given for name in ("h", "m", "s"))
    if is_random and has_clock:
        return content_id("matomo", without(given, *_CONTROL))
    return content_id(mark, str(place)) if mark is not None and "cdt" in given else None


def _time(given: dict[str, Any], around: _Around) -> int | None:
    """Return when the hit took place, if it says so; a public site may only say so of the last day."""
    received = around.terms.received_at
    ago = figure(given.get("cdo"))
    if ago is not None and ago >= 0:
        time: int | None = received - int(ago * MICROSECONDS)
    else:
        time = when(given.get("cdt"))
    if time is not None and time < received - DAY and not around.is_trusted:
        raise Refused(
            "A time more than a day ago needs a secret key in token_auth, in the body.",
            code="AUTH_WRONG_KIND",
            path="cdt",
        )
    return time


def _custom(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return custom variables under their names, custom dimensions, and the view of the page."""
    found: dict[str, Any] = {}
    for scope in ("_cvar", "cvar"):
        for pair in _json(given[scope]).values() if scope in given else ():
            match pair:
                case [str(name), value] if name:
                    found[name] = value
    found |= {
        name: value
        for name, value in given.items()
        if name[:9] == "dimension" and name[9:].isdecimal()
    }
    view = text(given.get("pv_id"))
    if view is not None:
        found["page_view_id"] = view
    return found


def _json(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return {}
    try:
        return mapping(values(value.encode("utf-8", "replace")))
    except Refused:
        return {}


def _context(given: Mapping[str, Any], use: Use, around: _Around) -> Context:
    page = text(given.get("url")) or text(around.request.headers.get("referer"))
    hints = _json(given["uadata"]) if "uadata" in given else {}
    place = given if around.is_trusted else {}
    return Context(
        page_url=page,
        page_title=use.title,
        referrer=text(given.get("urlref")),
        device_model=text(hints.get("model")),
        os=text(hints.get("platform")),
        os_version=text(hints.get("platformVersion")),
        locale=language(given.get("lang")),
        country=text(place.get("country")),
        region=text(place.get("region")),
        city=text(place.get("city")),
        ip=text(place.get("cip")),
        user_agent=text(given.get("ua")),
        **_campaign(page, given),
        **screen(given.get("res")),
    )


def _campaign(page: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the campaign in Matomo's own words; that in ``utm_…`` is found in every page's address."""
    query = query_of(page)
    if not query and "_rcn" not in given:
        return {}
    found = {
        name: next((query[key] for key in keys if query.get(key)), None)
        for name, keys in _CAMPAIGN.items()
    }
    if not any(found.values()) and not any(query.get(name) for name in _CAMPAIGN):
        found["utm_campaign"] = text(given.get("_rcn"))
        found["utm_term"] = text(given.get("_rck"))
    return found


matomo = Protocol(
    name="matomo",
    routes=tuple(
        (method, path)
        for path in ("/matomo.php", "/piwik.php", "/js/tracker.php")
        for method in ("GET", "POST")
    ),
    decode=decode,
    reply=reply,
    summary="The trackers of Matomo.",
    open=read,
    credential=credential,
    refuse=refuse,
    # The hits of a bulk are queries inside of texts.
    is_legible=False,
)
