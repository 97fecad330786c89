"""What one hit of Google Analytics is as an event, however it was sent."""

from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, structs

from tallymark.core.event import Command, Context, Kind

from ._checks import Terms
from ._foreign import Told, profile, source
from ._values import amount, content_id, currency, text, when
from ._visit import screen

NAMESPACE: Final = "ga4"
_KINDS: Final[dict[str, Kind]] = {
    "page_view": "page",
    "screen_view": "screen",
    "session_start": "session",
    "user_engagement": "heartbeat",
    "exception": "exception",
    "app_exception": "exception",
    "purchase": "revenue",
    "in_app_purchase": "revenue",
    "refund": "revenue",
    "ad_impression": "revenue",
}
# A parameter of these names is the page or the visit, not a property of what happened.
_PLACE: Final = {
    "page_location": "page_url",
    "page_referrer": "referrer",
    "page_title": "page_title",
    "language": "locale",
    "gclid": "click_id",
}
_CAMPAIGN: Final = {
    "campaign": "utm_campaign",
    "source": "utm_source",
    "medium": "utm_medium",
    "term": "utm_term",
    "content": "utm_content",
}
_VISIT: Final = _PLACE | _CAMPAIGN
_SCREEN: Final = "screen_resolution"


class Hit(Struct, frozen=True, kw_only=True):
    """One event as it was sent. ``place`` has what is said of where beside the parameters."""

    name: str | None
    stream: str
    params: dict[str, Any]
    id: str | None
    client_id: str | None = None
    user_id: str | None = None
    time: int | None = None
    place: dict[str, Any] = {}
    consent: dict[str, str] = {}


def told(hit: Hit) -> Told:
    """Return a hit as an event; its session is its client's, since two may begin in one second."""
    params = hit.params
    place = _taken(hit.name, params)
    session = text(params.get("session_id"))
    owner = hit.client_id or hit.user_id
    left = {
        name: value
        for name, value in params.items()
        if name not in place and name != "session_id" and value is not None
    }
    kind = _KINDS.get(hit.name or "", "track")
    return Told(
        consent=hit.consent,
        name=hit.name,
        namespace=NAMESPACE,
        id=_id(hit),
        time=hit.time,
        kind=kind,
        user_id=hit.user_id,
        anonymous_id=hit.client_id,
        session_id=f"{owner}.{session}" if session and owner else session,
        properties=left,
        context=_context(place, params, hit.place),
        revenue=_revenue(hit.name, params) if kind == "revenue" else None,
        currency=currency(params.get("currency")) if kind == "revenue" else None,
    )


def profiles(hit: Hit, properties: dict[str, Any], terms: Terms) -> list[Command]:
    """Return what is told of a user, each property with its own time; None takes one away.

    Each is ``{"value": …, "timestamp_micros": …}``, or a value alone.
    """
    by_time: dict[int | None, dict[str, Any]] = {}
    for name, given in properties.items():
        is_whole = isinstance(given, dict)
        value = given.get("value") if is_whole else given
        time = when(given.get("timestamp_micros")) if is_whole else None
        by_time.setdefault(hit.time if time is None else time, {})[name] = value
    kind, who = ("user", hit.user_id) if hit.user_id else ("anonymous", hit.client_id)
    done: list[Command] = []
    for time, said in by_time.items():
        is_same_again = (
            hit.id if time is None else content_id("profile", hit.stream, who, time, said)
        )
        by = source(terms, NAMESPACE, is_same_again, time)
        by = structs.replace(by, consent=hit.consent)
        kept = {name: value for name, value in said.items() if value is not None}
        gone = {name: None for name, value in said.items() if value is None}
        done += profile(by, "set", (kind, who), kept, terms)
        done += profile(by, "unset", (kind, who), gone, terms)
    return done


def _id(hit: Hit) -> str | None:
    # A purchase counts once, whether the browser, a server or both told of it.
    order = text(hit.params.get("transaction_id"))
    if hit.name == "purchase" and order:
        return content_id("purchase", hit.stream, order)
    return hit.id


def _taken(name: str | None, params: dict[str, Any]) -> dict[str, str]:
    """Return the parameters that tell of the page or visit, with the fields they are."""
    # "source" or "content" alone may mean anything.
    is_campaign = name == "campaign_details" or "campaign" in params or "medium" in params
    known = _VISIT if is_campaign else _PLACE
    found = {name: known[name] for name in known.keys() & params.keys() if text(params[name])}
    if screen(params.get(_SCREEN)):
        found[_SCREEN] = "screen"
    return found


def _context(taken: dict[str, str], params: dict[str, Any], place: dict[str, Any]) -> Context:
    fields = {name: value for name, value in place.items() if value is not None}
    for param, field in taken.items():
        if field == "screen":
            fields |= screen(params[param])
        else:
            fields[field] = text(params[param])
    return Context(**fields)


def _revenue(name: str | None, params: dict[str, Any]) -> Decimal | None:
    value = amount(params.get("value"))
    return -value if value is not None and name == "refund" and value > 0 else value
