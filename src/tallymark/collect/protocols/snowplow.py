"""The Snowplow tracker protocol: one event in a query, or a batch of them as JSON.

All values are text. ``aid``, the app id, says whose they are. A page ping is a heartbeat; of a
self-describing event the name is that of its schema, and its contexts become properties under theirs.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

from msgspec import Struct, structs

from tallymark.collect.loose import Loose, from_base64, values
from tallymark.collect.protocol import Caller, Decoded, Endpoint, Protocol, Reply, Request
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.event import Context, Event, Kind
from tallymark.core.known import Known
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.privacy.scrub import scrub_url

from ._checks import Terms
from ._foreign import Told, agreed, event, is_placeholder, sent_at, take
from ._values import amount, currency, mapping, sequence, text, when
from ._visit import (
    COOKIELESS,
    check_site,
    figures,
    language,
    open_form,
    screen,
    words,
)
from .pixel import picture

_SERVERS: Final = frozenset({"srv", "pc"})
_KINDS: Final[Mapping[str, Kind]] = {
    "screen_view": "screen", "application_error": "exception", "diagnostic_error": "exception",
    "link_click": "interaction", "button_click": "interaction", "focus_form": "interaction",
    "change_form": "interaction", "submit_form": "interaction", "timing": "metric",
    "web_vitals": "metric", "page_ping": "heartbeat", "page_view": "page",
}  # fmt: skip
_LINKS: Final = frozenset({"targetUrl", "href", "url"})
_STRUCTURED: Final = {"se_ca": "category", "se_la": "label", "se_pr": "property"}
_SCROLL: Final = {
    "pp_mix": "scroll_x_min", "pp_max": "scroll_x_max",
    "pp_miy": "scroll_y_min", "pp_may": "scroll_y_max",
}  # fmt: skip
_ORDER: Final = {
    "tr_id": "order_id", "tr_af": "affiliation", "tr_ci": "city", "tr_st": "state",
    "tr_co": "country",
}  # fmt: skip
_AMOUNTS: Final = {"tr_tt": "total", "tr_tx": "tax", "tr_sh": "shipping"}
_ITEM: Final = {"ti_id": "order_id", "ti_sk": "sku", "ti_nm": "name", "ti_ca": "category"}
_ITEM_AMOUNTS: Final = {"ti_pr": "price", "ti_qu": "quantity"}
# Told by the context of the event, its ids and its page view, and not again as properties.
_ABSORBED: Final = frozenset(
    {"web_page", "client_session", "mobile_context", "application", "browser_context", "account"}
)
_MACHINES: Final = frozenset({"mobile_context", "application", "browser_context"})
_STOP: Final = frozenset({400, 401, 403, 429, 503})


class _Use(Struct, frozen=True):
    """What one event is, whoever did it."""

    name: str | None
    kind: Kind = "track"
    properties: dict[str, Any] = {}
    revenue: Decimal | None = None
    currency: str | None = None


def credential(request: Request) -> str | None:
    """Return the app id of the first event that has one."""
    if request.content is None:
        return None
    return next((aid for one in _items(request.content) if (aid := text(mapping(one).get("aid")))), None)  # fmt: skip


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the events of a batch or query.

    With the header ``SP-Anonymous`` neither ids nor the address are taken.
    """
    items = _items(request.content)
    site = credential(request)
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    is_anonymous = "sp-anonymous" in request.headers
    is_server = bool(items) and all(text(mapping(one).get("p")) in _SERVERS for one in items)
    by_sent: Known[int | None, Terms] = Known(partial(sent_at, terms))

    def read(item: Any) -> list[Event]:
        given = mapping(item)
        if not given:
            raise Refused("The event is no object.", code="BAD_FIELD")
        check_site(text(given.get("aid")), site)
        told, sent = _told(given, caller.policy)
        if is_anonymous:
            told = _without_ids(told)
        elif told.user_id is None and told.anonymous_id is None and not is_server:
            told = structs.replace(told, flags=(*told.flags, COOKIELESS))
        return [event(told, by_sent[sent])]

    decoded = Decoded(0, server_side=is_server, hides_address=is_anonymous)
    return take(items, read, settings, decoded)


def reply(_decoded: Decoded, request: Request) -> Reply:
    """Return a picture to a query and ``ok`` to a batch."""
    return picture() if request.method == "GET" else _ok()


def refuse(error: TallymarkError, request: Request) -> Reply:
    """Return a status after which trackers stop, unless they shall come back: 503.

    They try again after every status but 2xx, 400, 401, 403, 410 and 422.
    """
    status = error.status if error.status in _STOP else 503 if error.status >= 500 else 400
    if request.method == "GET":
        return picture(status)
    return Reply(status, error.message.encode(), "text/plain; charset=utf-8")


def _ok(_request: Request | None = None, _settings: Settings | None = None) -> Reply:
    return Reply(200, b"ok", "text/plain; charset=utf-8")


def _no_redirect(_request: Request, _settings: Settings) -> Reply:
    # It would send people anywhere, under the name of whoever runs the server.
    text = b"Redirects are not followed here: link to the page itself and track the click."
    return Reply(400, text, "text/plain; charset=utf-8")


def _items(content: Loose) -> list[Any]:
    body = content.content
    if body is None:
        return [dict(content.fields)]
    if isinstance(body, dict):
        return [body] if "e" in body else sequence(body.get("data"))
    return sequence(body)


def _told(given: dict[str, Any], policy: Policy) -> tuple[Told, int | None]:
    """Return what an event says, and when it was sent."""
    flags: list[str] = []
    entities = _entities(given, flags)
    session = _one(entities, "client_session")
    use = _use(given, entities, policy)
    true_time, made = when(given.get("ttm")), when(given.get("dtm"))
    told = Told(
        name=use.name,
        namespace="snowplow",
        id=text(given.get("eid")),
        time=true_time or made,
        is_repairable=true_time is None,
        kind=use.kind,
        user_id=text(given.get("uid")),
        anonymous_id=_anonymous(given, session),
        session_id=text(given.get("sid")) or text(session.get("sessionId")),
        groups=_groups(entities),
        properties={**_told_by(entities), **use.properties},
        context=_context(given, entities),
        revenue=use.revenue,
        currency=use.currency,
        flags=tuple(flags),
    )
    sent = when(given.get("stm"))
    # Some trackers cut the milliseconds off the time of sending, and seem to send before the event.
    return told, sent if sent is None or made is None else max(sent, made)


def _without_ids(told: Told) -> Told:
    context = structs.replace(told.context, ip=None)
    return structs.replace(told, user_id=None, anonymous_id=None, context=context)


def _anonymous(given: dict[str, Any], session: dict[str, Any]) -> str | None:
    for one in (given.get("duid"), session.get("userId"), given.get("tnuid"), given.get("nuid")):
        if one is not None and (known := text(one)) is not None and not is_placeholder(known):
            return known
    return None


def _use(given: dict[str, Any], entities: Mapping[str, list[Any]], policy: Policy) -> _Use:
    match given.get("e"):
        case "pv":
            return _Use("page_view", "page")
        case "pp":
            return _Use("page_ping", "heartbeat", figures(given, _SCROLL))
        case "se":
            about = {**words(given, _STRUCTURED), **figures(given, {"se_va": "value"})}
            return _Use(text(given.get("se_ac")), "track", about)
        case "ue":
            return _self_described(given, entities, policy)
        case "tr":
            about = {**words(given, _ORDER), **figures(given, _AMOUNTS)}
            money = currency(given.get("tr_cu"))
            return _Use("transaction", "revenue", about, amount(given.get("tr_tt")), money)
        case "ti":
            about = {**words(given, _ITEM), **figures(given, _ITEM_AMOUNTS)}
            return _Use("transaction_item", "track", about)
        case other:
            raise Refused(
                f"There is no event type {text(other)!a:.80}.", code="BAD_FIELD", path="e"
            )


def _self_described(
    given: dict[str, Any], entities: Mapping[str, list[Any]], policy: Policy
) -> _Use:
    inner = mapping(mapping(_packed(given, "ue_px", "ue_pr")).get("data"))
    name = _schema_name(inner.get("schema"))
    if name is None:
        raise Refused(
            "The self-describing event has no schema.", code="MISSING_FIELD", path="ue_pr"
        )
    about = mapping(inner.get("data"))
    for key in _LINKS & about.keys():
        if isinstance(about[key], str):
            about = {**about, key: scrub_url(about[key], policy).url}
    kind = _KINDS.get(name, "track")
    if name == "snowplow_ecommerce_action" and about.get("type") == "transaction":
        order = _one(entities, "transaction")
        money = currency(order.get("currency"))
        return _Use(name, "revenue", about, amount(order.get("revenue")), money)
    return _Use(name, kind, {"schema": text(inner.get("schema")), **about})


def _entities(given: dict[str, Any], flags: list[str]) -> dict[str, list[Any]]:
    """Return the contexts of an event by the name of their schema; they cost no event."""
    if "cx" not in given and "co" not in given:
        return {}
    try:
        listed = sequence(mapping(_packed(given, "cx", "co")).get("data"))
    except Refused:
        flags.append("context_unreadable")
        return {}
    found: dict[str, list[Any]] = {}
    for one in listed:
        name = _schema_name(mapping(one).get("schema"))
        if name is not None:
            found.setdefault(name, []).append(mapping(one).get("data"))
    return found


def _packed(given: dict[str, Any], packed: str, plain: str) -> Any:
    """Return JSON that came as base64 or as it is, None if neither did; raises JSON_SYNTAX."""
    if (coded := text(given.get(packed))) is not None:
        body = from_base64(coded)
        if body is None:
            raise Refused("It is no base64.", code="JSON_SYNTAX", path=packed)
        return values(body)
    value = given.get(plain)
    return values(value.encode("utf-8", "replace")) if isinstance(value, str) and value else value


def _schema_name(schema: Any) -> str | None:
    # Such as iglu, the vendor, the name, the format and the version, with slashes between them.
    parts = (text(schema) or "").removeprefix("iglu:").split("/")
    return parts[1].strip() or None if len(parts) > 1 else None


def _one(entities: Mapping[str, list[Any]], name: str) -> dict[str, Any]:
    return mapping(entities[name][0]) if name in entities else {}


def _groups(entities: Mapping[str, list[Any]]) -> dict[str, str]:
    account = text(_one(entities, "account").get("id")) if entities else None
    return {"account": account} if account is not None else {}


def _told_by(entities: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return contexts as properties: those that a site made, and the view of the page."""
    if not entities:
        return {}
    found = {
        name: many[0] if len(many) == 1 else many
        for name, many in entities.items()
        if name not in _ABSORBED
    }
    view = text(_one(entities, "web_page").get("id"))
    return {**found, "page_view_id": view} if view is not None else found


def _context(given: dict[str, Any], entities: Mapping[str, list[Any]]) -> Context:
    tracker, _, version = (text(given.get("tv")) or "").partition("-")
    here = Context(
        page_url=text(given.get("url")),
        page_title=text(given.get("page")),
        referrer=text(given.get("refr")),
        library_name=f"snowplow-{tracker}" if tracker else None,
        library_version=version or None,
        locale=language(given.get("lang")),
        timezone=text(given.get("tz")),
        ip=text(given.get("ip")),
        user_agent=text(given.get("ua")),
        **screen(given.get("res")),
    )
    # Most events come without any of these, and do not pay for looking.
    return _machine(here, entities) if _MACHINES & entities.keys() else here


def _machine(here: Context, entities: Mapping[str, list[Any]]) -> Context:
    mobile, app = _one(entities, "mobile_context"), _one(entities, "application")
    browser = _one(entities, "browser_context")
    size = screen(browser.get("resolution")) if here.screen_width is None else {}
    return structs.replace(
        here,
        device_brand=text(mobile.get("deviceManufacturer")),
        device_model=text(mobile.get("deviceModel")),
        os=text(mobile.get("osType")),
        os_version=text(mobile.get("osVersion")),
        app_version=text(app.get("version")),
        locale=here.locale or language(browser.get("browserLanguage")),
        **size,
    )


def own_id(given: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an event, None if its tracker named none."""
    return "snowplow", text(given.get("eid"))


snowplow = Protocol(
    name="snowplow",
    routes=(
        ("POST", "/com.snowplowanalytics.snowplow/tp2"),
        ("GET", "/i"),
        ("POST", "/snowplow/{vendor}/{version}"),
    ),
    decode=decode,
    reply=reply,
    summary="The trackers of Snowplow.",
    open=open_form,
    credential=credential,
    refuse=refuse,
    own_id=own_id,
    endpoints=(Endpoint("GET", "/r/tp2", _no_redirect), Endpoint("GET", "/health", _ok)),
)
