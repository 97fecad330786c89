"""What the events of Amplitude's SDKs say; some of them are no uses but changes of a profile."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from tallymark.core.errors import Refused
from tallymark.core.event import Command, Context, Event, Kind
from tallymark.core.policy import Policy
from tallymark.privacy.scrub import scrub_url

from ._amplitude_profiles import groups_of, identified, profile_changes
from ._checks import Terms
from ._foreign import Source, Told, event, source
from ._values import amount, content_id, currency, mapping, text, when

NAMESPACE: Final = "amplitude"
_CAMPAIGN: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_CLICK_IDS: Final = (
    "gclid", "dclid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "ko_click_id",
    "wbraid", "gbraid", "rdt_cid", "sccid",
)  # fmt: skip
_AUTO: Final = "[Amplitude] "
_KINDS: Final[dict[str, Kind]] = {
    "revenue_amount": "revenue",
    "session_start": "session",
    "session_end": "session",
    f"{_AUTO}Page Viewed": "page",
    f"{_AUTO}Element Clicked": "interaction",
    f"{_AUTO}Element Changed": "interaction",
    f"{_AUTO}Form Started": "interaction",
    f"{_AUTO}Form Submitted": "interaction",
    f"{_AUTO}File Downloaded": "interaction",
    f"{_AUTO}Rage Click": "interaction",
    f"{_AUTO}Dead Click": "interaction",
    f"{_AUTO}Web Vitals": "metric",
    f"{_AUTO}Network Request": "metric",
}
_CONTEXT: Final = {
    "os": "os_name", "os_version": "os_version", "device_model": "device_model",
    "locale": "language", "country": "country", "region": "region", "city": "city",
    "user_agent": "user_agent",
}  # fmt: skip
_PAGE: Final = {
    "page_path": f"{_AUTO}Page Path",
    "page_host": f"{_AUTO}Page Domain",
    "page_title": f"{_AUTO}Page Title",
    "referrer": "referrer",
}
# What Amplitude says beside the properties and we have no field for.
_KEPT: Final = ("platform", "carrier", "dma", "partner_id", "plan", "ingestion_metadata")
_MONEY: Final = ("price", "quantity", "revenue", "productId", "revenueType", "currency")
_LOCATION = f"{_AUTO}Page Location"
_CONSUMED: Final = frozenset(
    {*_PAGE.values(), *_CAMPAIGN, *_CLICK_IDS, _LOCATION, f"{_AUTO}Page URL", "referring_domain"}
)


class Reading(Struct, frozen=True):
    """What the events of one request are read by.

    ``peer`` and ``user_agent`` are the person's for the events that say so with ``$remote``, where
    others of the request do not; else None.
    """

    terms: Terms
    policy: Policy
    peer: str | None = None
    user_agent: str | None = None


def read_event(item: Any, by: Reading) -> Iterable[Event | Command]:
    """Return what one event tells: a use, changes of profiles, or both; raises Refused."""
    if not isinstance(item, dict):
        raise Refused("The event is no object.", path="event_type")
    name = text(item.get("event_type"))
    if name is None:
        raise Refused("The event has no event_type.", code="MISSING_FIELD", path="event_type")
    match name:
        case "$identify" | "$groupidentify":
            return identified(item, name, shared(item, by), by.terms)
        case _:
            changes = profile_changes(item, lambda: shared(item, by), by.terms)
            return [event(_told(name, item, by), by.terms), *changes]


def shared(item: dict[str, Any], by: Reading) -> Source:
    """Return what the commands of an item share."""
    namespace = insert_namespace(item)
    return source(by.terms, namespace, text(item.get("insert_id")), when(item.get("time")))


def insert_namespace(item: dict[str, Any]) -> str:
    """Return the namespace of an insert id: it is only told apart on one device, or for one user."""
    scope = text(item.get("device_id")) or text(item.get("user_id"))
    if scope is None:
        return NAMESPACE
    return f"{NAMESPACE}/{scope if len(scope) <= 64 else content_id(scope)}"


def _told(name: str, item: dict[str, Any], by: Reading) -> Told:
    given = mapping(item.get("event_properties"))
    kind = _KINDS.get(name, "track")
    belongs = groups_of(item)
    money = {key: item[key] for key in _MONEY if item.get(key) is not None}
    paid, coin = _paid(given if name == "revenue_amount" else money)
    time = when(item.get("time"))
    return Told(
        name="page_view" if kind == "page" else name,
        namespace=insert_namespace(item),
        id=text(item.get("insert_id")),
        time=time,
        kind="revenue" if kind == "track" and paid is not None else kind,
        user_id=text(item.get("user_id")),
        anonymous_id=text(item.get("device_id")),
        session_id=_session(item, by),
        groups={group: names[0] for group, names in belongs.items()},
        properties=_properties(item, given, belongs, by.policy),
        context=_context(item, given, by),
        revenue=paid,
        currency=coin,
        flags=("time_unread",) if time is None and item.get("time") is not None else (),
    )


def _paid(given: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the amount: the revenue as told, else price times quantity, which is one if untold."""
    plain = {key.removeprefix("$"): value for key, value in given.items()}
    coin = currency(plain.get("currency"))
    total = amount(plain.get("revenue"))
    if total is not None:
        return total, coin
    price, quantity = amount(plain.get("price")), amount(plain.get("quantity", 1))
    if price is None or quantity is None:
        return None, coin
    return amount(price * quantity), coin


def _session(item: dict[str, Any], by: Reading) -> str | None:
    """Return the session, which Amplitude names by its first millisecond: not of one device alone."""
    given = text(item.get("session_id"))
    if given is None or given == "-1":
        return None
    scope = text(item.get("device_id")) or text(item.get("user_id"))
    whole = f"{scope}/{given}" if scope else given
    fits = len(whole.encode()) <= by.terms.settings.max_id_bytes
    return whole if fits else content_id(whole)


def _properties(
    item: dict[str, Any], given: dict[str, Any], belongs: dict[str, list[str]], policy: Policy
) -> dict[str, Any]:
    found = {
        name: _without_query(value, policy) if name.startswith(_AUTO) else value
        for name, value in given.items()
        if name not in _CONSUMED
    }
    for name in (*_KEPT, *_MONEY):
        if item.get(name) is not None:
            found.setdefault(name, item[name])
    if any(len(names) > 1 for names in belongs.values()):
        # An event belongs to one group of a type; none of the others is lost.
        found.setdefault("groups", item["groups"])
    return found


def _without_query(value: Any, policy: Policy) -> Any:
    """Return what the SDK collected by itself; an address only as far as a page's is kept."""
    if isinstance(value, str) and "://" in value:
        return scrub_url(value, policy).url
    return value


def _context(item: dict[str, Any], given: dict[str, Any], by: Reading) -> Context:
    found: dict[str, Any] = {
        field: value for field, name in _CONTEXT.items() if (value := text(item.get(name)))
    }
    found |= {field: value for field, name in _PAGE.items() if (value := _said(given.get(name)))}
    found |= {name: value for name in _CAMPAIGN if (value := _said(given.get(name)))}
    found["page_url"] = text(given.get(_LOCATION)) or text(given.get(f"{_AUTO}Page URL"))
    clicked = (_said(given.get(name)) for name in _CLICK_IDS)
    found["click_id"] = next((one for one in clicked if one), None)
    found["app_version"] = text(item.get("app_version")) or text(item.get("version_name"))
    found["device_brand"] = text(item.get("device_brand")) or text(item.get("device_manufacturer"))
    library = text(item.get("library"))
    if library is not None:
        name, _, version = library.rpartition("/")
        found["library_name"], found["library_version"] = (name or library), (name and version)
    found |= _address(item, by)
    return Context(**found)


def _address(item: dict[str, Any], by: Reading) -> dict[str, str | None]:
    ip = text(item.get("ip"))
    if ip == "$remote":
        agent = text(item.get("user_agent")) or by.user_agent
        return {"ip": by.peer} | ({} if item.get("user_agent") else {"user_agent": agent})
    # Whoever sends may say anything, so only a server is believed to name another address.
    return {} if by.terms.public else {"ip": ip}


def _said(value: Any) -> str | None:
    """Return a text of a campaign; the SDK says ``EMPTY`` where there is none."""
    found = text(value)
    return None if found == "EMPTY" else found
