"""What the events of Mixpanel's SDKs say: uses, and three special ones that only link ids.

An id that begins with ``$device:`` is a device's, and so is one that equals ``$device_id``; any other
``distinct_id`` is a user's, since that is what servers send.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from tallymark.core.errors import Refused
from tallymark.core.event import Command, Context, Event, IdKind, Kind
from tallymark.core.ids import hash128
from tallymark.core.policy import Policy

from ._checks import Terms
from ._context_fields import ARRIVAL, sort_out, without_query
from ._foreign import Source, Told, another, event, is_placeholder, link, source
from ._values import mapping, pixels, sequence, text, when

NAMESPACE: Final = "mixpanel"
DEVICE: Final = "$device:"
# Names of Mixpanel's own that mean something everywhere.
_KNOWN: Final[dict[str, tuple[str | None, Kind]]] = {
    "$mp_web_page_view": ("page_view", "page"),
    "$mp_click": (None, "interaction"),
    "$mp_dead_click": (None, "interaction"),
    "$mp_rage_click": (None, "interaction"),
    "$mp_scroll": (None, "interaction"),
    "$mp_input_change": (None, "interaction"),
    "$mp_submit": (None, "interaction"),
    "$mp_page_leave": (None, "interaction"),
    "$mp_session_record": (None, "system"),
    "$session_start": (None, "session"),
    "$session_end": (None, "session"),
    "$ae_session": (None, "session"),
}
# What is no property: fields of the context, and, without a field, who, when and how it was sent.
_FIELDS: Final[dict[str, str | None]] = {
    **ARRIVAL,
    "$current_url": "page_url", "current_page_title": "page_title", "current_url_path": "page_path",
    "current_domain": "page_host", "$referrer": "referrer", "$browser": "browser",
    "$browser_version": "browser_version", "$os": "os", "$os_version": "os_version",
    "$brand": "device_brand", "$manufacturer": "maker", "$model": "device_model",
    "$device": "device", "$app_version_string": "app_version", "mp_lib": "library_name",
    "$lib_version": "library_version", "$locale": "locale", "$timezone": "timezone",
    "mp_country_code": "country", "$region": "region", "$city": "city", "$user_agent": "user_agent",
    **dict.fromkeys((
        "token", "time", "distinct_id", "$device_id", "$user_id", "$insert_id", "$screen_width",
        "$screen_height", "ip", "$ip", "$had_persisted_distinct_id", "current_url_search",
        "current_url_protocol", "mp_sent_by_lib_version", "mp_processing_time_ms",
        "$mp_api_endpoint", "$mp_api_timestamp_ms",
    )),
}  # fmt: skip
_EARLIEST = 31_536_000_000_000
_IMPORT_AHEAD = 3_600_000_000


class Reading(Struct, frozen=True):
    """What the items of one request are read by; ``token`` is the project its first item names."""

    terms: Terms
    policy: Policy
    token: str | None = None
    is_import: bool = False
    is_strict: bool = False


def read_event(item: Any, by: Reading) -> Iterable[Event | Command]:
    """Return the use that an item tells, or the links that it claims; raises Refused."""
    if not isinstance(item, dict):
        raise Refused("The event is no object.", path="event")
    given = item.get("properties", {})
    if not isinstance(given, dict):
        raise Refused("The properties are no object.", path="properties")
    check_token(given.get("token"), by)
    if by.is_strict:
        _check_import(given, by.terms.received_at)
    name = text(item.get("event"))
    match name:
        case "$identify":
            return _identified(given, by)
        case "$create_alias":
            return _aliased(given, by)
        case "$merge":
            return _merged(given, by)
        case _:
            return [event(_told(name, given, by), by.terms)]


def check_token(given: Any, by: Reading) -> None:
    """Raise AUTH_INVALID for an item of another project than the request's: it must not land here."""
    token = text(given)
    if token is not None and by.token is not None and token != by.token:
        raise Refused(
            "The token is another one than the first's.", code="AUTH_INVALID", path="token"
        )


def who(distinct_id: Any, device_id: Any, user_id: Any) -> tuple[str | None, str | None]:
    """Return the user id and the device id that an item asserts."""
    distinct, device, user = text(distinct_id), bare(text(device_id)), text(user_id)
    if distinct is not None and distinct.startswith(DEVICE):
        return user, device or bare(distinct)
    if user is None and distinct is not None and distinct != device:
        user = distinct
    return user, device


def bare(given: str | None) -> str | None:
    """Return an id of a device without its prefix."""
    return None if given is None else given.removeprefix(DEVICE) or None


def groups(given: dict[str, Any], by: Reading) -> dict[str, list[str]]:
    """Return the groups among some properties: the keys that the settings name as such."""
    limits = by.terms.settings
    if not limits.mixpanel_groups and not limits.account_group:
        return {}
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys((*limits.mixpanel_groups, limits.account_group)):
        value = given.get(key) if key else None
        names = [name for one in sequence(value) or [value] if (name := text(one))]
        if names:
            found[key] = names
    return found


def own_id(item: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an event, None if its client named none."""
    given = mapping(item.get("properties"))
    namespace = insert_namespace(text(item.get("event")), given.get("distinct_id"))
    return namespace, text(given.get("$insert_id"))


def insert_namespace(name: str | None, distinct_id: Any) -> str:
    """Return the namespace of an insert id: it is only told apart for one event of one id."""
    scope = hash128(name or "", text(distinct_id) or "").hex()
    return f"{NAMESPACE}/{scope}"


def link_end(given: Any, device_id: str | None) -> tuple[IdKind, str | None]:
    """Return an id as the end of a link: a device's or a user's."""
    found = text(given)
    if found is not None and (found.startswith(DEVICE) or found == device_id):
        return "anonymous", bare(found)
    return "user", found


def _told(name: str | None, given: dict[str, Any], by: Reading) -> Told:
    user, device = who(given.get("distinct_id"), given.get("$device_id"), given.get("$user_id"))
    canonical, kind = _KNOWN.get(name or "", (None, "track"))
    belongs = groups(given, by)
    time = when(given.get("time"))
    found: dict[str, Any] = {}
    properties = {
        key: without_query(value, by.policy) if key[:1] == "$" else value
        for key, value in sort_out(given, _FIELDS, found).items()
    }
    return Told(
        name=canonical or name,
        namespace=insert_namespace(name, given.get("distinct_id")),
        id=text(given.get("$insert_id")),
        time=time,
        kind=kind,
        user_id=user,
        anonymous_id=device,
        groups={key: names[0] for key, names in belongs.items()},
        properties=properties,
        context=_context(given, found, by),
        flags=("time_unread",) if time is None and given.get("time") is not None else (),
        is_repairable=not by.is_import,
    )


def _identified(given: dict[str, Any], by: Reading) -> list[Command]:
    device = bare(text(given.get("$device_id")))
    before = given.get("$anon_distinct_id") or given.get("$anon_id")
    now = given.get("$identified_id") or given.get("distinct_id")
    user, _ = who(now, None, None)
    if user is None:
        raise Refused(
            "$identify names no user.", code="MISSING_FIELD", path="properties.distinct_id"
        )
    shared = _claim("$identify", given, by)
    end = link_end(before, device)
    claims = link(shared, end, ("user", user))
    if device is None or end == ("anonymous", device):
        return claims
    # The device may have been known under another id before.
    return claims + link(another(shared, "device"), ("anonymous", device), ("user", user))


def _aliased(given: dict[str, Any], by: Reading) -> list[Command]:
    shared = _claim("$create_alias", given, by)
    device = bare(text(given.get("$device_id")))
    one = link_end(given.get("distinct_id"), device)
    other = link_end(given.get("alias"), device)
    if one[1] is None or other[1] is None:
        raise Refused(
            "$create_alias needs distinct_id and alias.",
            code="MISSING_FIELD",
            path="properties.alias",
        )
    return link(shared, one, other, "alias")


def _merged(given: dict[str, Any], by: Reading) -> list[Command]:
    ends = [link_end(one, None) for one in sequence(given.get("$distinct_ids"))]
    ends = [(kind, one) for kind, one in ends if one is not None and not is_placeholder(one)]
    if len(ends) < 2:
        raise Refused(
            "$merge needs two ids.", code="MISSING_FIELD", path="properties.$distinct_ids"
        )
    shared = _claim("$merge", given, by)
    claims: list[Command] = []
    for place, other in enumerate(ends[1:]):
        each = shared if place == 0 else another(shared, str(place))
        claims += link(each, ends[0], other, "merge")
    return claims


def _claim(name: str, given: dict[str, Any], by: Reading) -> Source:
    """Return what the claims of an item share; without an insert id each is one of its own.

    To claim again what is so already changes nothing.
    """
    namespace = insert_namespace(name, given.get("distinct_id"))
    time = when(given.get("time"))
    return source(by.terms, namespace, text(given.get("$insert_id")), time)


def _check_import(given: dict[str, Any], received_at: int) -> None:
    """Raise Refused for what a strict import does not take: it may come again, so it needs an id."""
    time = when(given.get("time"))
    if time is None:
        code = "MISSING_FIELD" if given.get("time") is None else "TIME_UNPARSABLE"
        raise Refused("'properties.time' is no time.", code=code, path="properties.time")
    if time < _EARLIEST:
        raise Refused(
            "'properties.time' lies before 1971.", code="TIME_TOO_OLD", path="properties.time"
        )
    if time > received_at + _IMPORT_AHEAD:
        raise Refused(
            "'properties.time' lies over an hour ahead.", code="TIME_FUTURE", path="properties.time"
        )
    if text(given.get("$insert_id")) is None:
        raise Refused(
            "'properties.$insert_id' is missing.",
            code="MISSING_FIELD",
            path="properties.$insert_id",
        )
    distinct = given.get("distinct_id")
    if distinct is None and "$distinct_ids" not in given:
        raise Refused(
            "'properties.distinct_id' is missing.",
            code="MISSING_FIELD",
            path="properties.distinct_id",
        )
    named = text(distinct)
    if named is not None and (is_placeholder(named) or named.lower() == "anon"):
        raise Refused(
            f"'properties.distinct_id' {named!a} is a placeholder.",
            code="ILLEGAL_ID",
            path="properties.distinct_id",
        )


def _context(given: dict[str, Any], found: dict[str, Any], by: Reading) -> Context:
    """Return the context of the fields ``found``, and of what is no text."""
    maker, device = found.pop("maker", None), found.pop("device", None)
    found.setdefault("device_brand", maker)
    found.setdefault("device_model", device)
    if found.get("referrer") == "$direct":
        del found["referrer"]
    if "browser_version" in found:
        # We keep major versions only, as user agents are read.
        found["browser_version"] = found["browser_version"].partition(".")[0]
    if "$screen_width" in given:
        found["screen_width"] = pixels(given["$screen_width"])
        found["screen_height"] = pixels(given.get("$screen_height"))
    if not by.terms.public:
        # Whoever sends may say anything, so only a server is believed to name another address.
        found["ip"] = text(given.get("ip")) or text(given.get("$ip"))
    return Context(**found)
