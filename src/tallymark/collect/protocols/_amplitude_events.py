"""What the events of Amplitude's SDKs say; some of them are no uses but changes of a profile."""

import decimal
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from tallymark.core.errors import Refused
from tallymark.core.event import Command, Context, Event, Kind
from tallymark.core.policy import Policy

from ._amplitude_profiles import groups_of, identified, profile_changes
from ._checks import Terms
from ._context_fields import ARRIVAL, sort_out, without_query
from ._foreign import Source, Told, event, source
from ._values import amount, content_id, currency, mapping, text, when

NAMESPACE: Final = "amplitude"
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
    f"{_AUTO}Viewport Content Updated": "interaction",
    f"{_AUTO}Web Vitals": "metric",
    f"{_AUTO}Network Request": "metric",
}
# Fields of the context beside the properties, and among them.
_FIELDS: Final[dict[str, str | None]] = {
    "os_name": "os", "os_version": "os_version", "device_model": "device_model",
    "device_brand": "device_brand", "device_manufacturer": "maker", "language": "locale",
    "country": "country", "region": "region", "city": "city", "user_agent": "user_agent",
    "app_version": "app_version", "version_name": "version", "library": "library",
}  # fmt: skip
_PAGE: Final[dict[str, str | None]] = {
    **ARRIVAL,
    f"{_AUTO}Page Location": "page_url",
    f"{_AUTO}Page URL": "plain_url",
    f"{_AUTO}Page Path": "page_path",
    f"{_AUTO}Page Domain": "page_host",
    f"{_AUTO}Page Title": "page_title",
    "referrer": "referrer",
    "referring_domain": None,
}
# What Amplitude says beside the properties and we have no field for.
_KEPT: Final = ("platform", "carrier", "dma", "partner_id", "plan", "ingestion_metadata")
# Two amounts of 38 digits each.
_EXACT: Final = decimal.Context(prec=76)
_MONEY: Final = ("price", "quantity", "revenue", "productId", "revenueType", "currency")


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
    namespace, found = own_id(item)
    return source(by.terms, namespace, found, when(item.get("time")))


def own_id(item: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an item, None if it names none."""
    return insert_namespace(item), text(item.get("insert_id"))


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
    found: dict[str, Any] = {}
    sort_out(item, _FIELDS, found)
    rest = sort_out(given, _PAGE, found, nothing="EMPTY")
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
        properties=_properties(item, rest, belongs, by.policy),
        context=_context(item, found, by),
        revenue=paid,
        currency=coin,
        flags=("time_unread",) if time is None and item.get("time") is not None else (),
    )


def _paid(given: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the amount: the revenue as told, else price times quantity, which is one if untold."""
    if not given:
        return None, None
    plain = {key.removeprefix("$"): value for key, value in given.items()}
    coin = currency(plain.get("currency"))
    if (total := amount(plain.get("revenue"))) is not None:
        return total, coin
    price, quantity = amount(plain.get("price")), amount(plain.get("quantity", 1))
    if price is None or quantity is None:
        return None, coin
    return amount(_EXACT.multiply(price, quantity)), coin


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
    item: dict[str, Any], rest: dict[str, Any], belongs: dict[str, list[str]], policy: Policy
) -> dict[str, Any]:
    found = {
        name: without_query(value, policy) if name[:1] == "[" else value
        for name, value in rest.items()
    }
    for name in (*_KEPT, *_MONEY):
        if item.get(name) is not None:
            found.setdefault(name, item[name])
    if any(len(names) > 1 for names in belongs.values()):
        # An event belongs to one group of a type; none of the others is lost.
        found.setdefault("groups", item["groups"])
    return found


def _context(item: dict[str, Any], found: dict[str, Any], by: Reading) -> Context:
    """Return the context of the fields ``found``; ``library`` tells a name and a version."""
    maker, version = found.pop("maker", None), found.pop("version", None)
    url, library = found.pop("plain_url", None), found.pop("library", None)
    found.setdefault("device_brand", maker)
    found.setdefault("app_version", version)
    found.setdefault("page_url", url)
    if library is not None:
        name, slash, release = library.rpartition("/")
        found["library_name"] = name if slash else library
        found["library_version"] = release if slash else None
    ip = text(item.get("ip"))
    if ip == "$remote":
        found["ip"] = by.peer
        found.setdefault("user_agent", by.user_agent)
    elif not by.terms.public:
        # Whoever sends may say anything, so only a server is believed to name another address.
        found["ip"] = ip
    return Context(**found)
