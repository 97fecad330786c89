"""What PostHog's clients put among the properties: where a use took place, and their own notes.

Their own names begin with ``$``. What has a place of its own in an event goes there; what only served
to send it goes; the rest stays under its name. Addresses among them are scrubbed as those of the page
are: a query that the page's own address may not keep must not come back as ``$session_entry_url``.
"""

import re
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final

from tallymark.core.event import Context
from tallymark.core.policy import CAMPAIGN_PARAMETERS, Policy
from tallymark.privacy.scrub import scrub_ip, scrub_path, scrub_url

from ._alike import Alike, Names
from ._values import mapping, pixels, sequence, text

CLICK_IDS: Final = (
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "gad_source", "fbclid", "msclkid", "twclid",
    "ttclid", "li_fat_id", "igshid", "rdt_cid", "epik", "qclid", "sccid", "mc_cid", "oppref",
    "bfcid", "irclid", "_kx",
)  # fmt: skip
# Of several the first tells most; gclsrc, gad_source, mc_cid and _kx are no ids of a click.
_CLICKS: Final = tuple(n for n in CLICK_IDS if n not in ("gclsrc", "gad_source", "mc_cid", "_kx"))
_SERVER_FIELDS: Final[dict[str, str]] = {
    "$current_url": "page_url", "$pathname": "page_path", "$host": "page_host",
    **{name: name for name in CAMPAIGN_PARAMETERS},
    "$device_manufacturer": "device_brand", "$device_model": "device_model",
    "$browser": "browser", "$browser_version": "browser_version",
    "$app_name": "app_name", "$app_version": "app_version",
    "$lib": "library_name", "$lib_version": "library_version",
    "$browser_language": "locale", "$timezone": "timezone", "$geoip_country_code": "country",
    "$geoip_subdivision_1_code": "region", "$geoip_city_name": "city", "$ip": "ip",
    "$raw_user_agent": "user_agent",
}  # fmt: skip
# A server says its own system, which tells nothing of the person.
_FIELDS: Final = {**_SERVER_FIELDS, "$os": "os", "$os_version": "os_version"}
# They say it where the others do not.
_SECOND: Final = {"$device": "device_model", "$locale": "locale", "$user_agent": "user_agent"}
_SCREEN: Final = {"$screen_width": "screen_width", "$screen_height": "screen_height"}
_DEVICE_TYPES: Final = {
    "desktop": "desktop", "mobile": "mobile", "tablet": "tablet", "tv": "tv", "smarttv": "tv",
}  # fmt: skip
_DIRECT: Final = "$direct"
_CLOSER: Final = frozenset(
    {"title", "$device_type", "$referrer", "$referring_domain", *_SECOND, *_SCREEN, *_CLICKS}
)

# Who, when and how it was sent: all of it has been read by now.
_READ: Final = frozenset(
    {
        "token", "api_key", "distinct_id", "$distinct_id", "$device_id", "$user_id", "$session_id",
        "$is_identified", "$process_person_profile", "$groups", "$set", "$set_once", "$unset",
        "$insert_id", "$time", "$geoip_disable", "$is_server", "$ignore_sent_at", "$cookieless_mode",
        "$anon_distinct_id", "$lib_rate_limit_remaining_tokens",
    }
)  # fmt: skip
_MOVING: Final = {"$current_url": "page_url", "$pathname": "page_path"}
_JUDGED: Final = frozenset({*_FIELDS, *_CLOSER, *CLICK_IDS, "$is_server"} - {"title"})
# What makes more of an event than a use, or another use.
_ASKING: Final = frozenset(
    {"$set", "$set_once", "$unset", "$group_set", "$ignore_sent_at", "currency"}
)
_NAMES, _NAMES_OF_VIEWS = (
    Names(judged=_JUDGED, moving=moving, others=_READ, own="$", asking=_ASKING)
    for moving in (_MOVING, {**_MOVING, "title": "page_title"})
)
_IPS: Final = ("$ip", "$initial_ip")
_DIAGNOSTIC: Final = "$sdk_debug_"
_ELEMENTS: Final = "$elements_chain"
# How names of addresses end.
_ADDRESSES: Final = ("url", "referrer", "href")
_SCALARS: Final = frozenset({bool, int, Decimal})
_LONGEST_REMEMBERED: Final = 100
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*\Z")
_LINK = re.compile(r'((?:href|src|action|formaction)=")((?:[^"\\]|\\.)*)')
_DEEPEST: Final = 16


def places(policy: Policy) -> tuple[Alike, Alike]:
    """Return what does as ``split`` for the events of a request: for page views, and for all others."""
    look = partial(known, policy=policy)
    others = Alike(_NAMES, partial(split, policy=policy, is_pageview=False), look)
    return Alike(
        _NAMES_OF_VIEWS, partial(split, policy=policy, is_pageview=True), look, others
    ), others


def split(
    given: dict[str, Any], policy: Policy, *, is_pageview: bool
) -> tuple[Context, dict[str, Any]]:
    """Return where a use took place, and what stays a property beside that.

    The title is that of a page view only: elsewhere the name is free for whoever sends the event.
    """
    fields = _SERVER_FIELDS if given.get("$is_server") is True else _FIELDS
    told: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in given.items():
        field = fields.get(name)
        if field is not None and (value is None or (said := text(value)) is not None):
            if value is not None:
                told[field] = said
        elif name not in _READ:
            rest[name] = value
    if not _CLOSER.isdisjoint(rest):
        _look_closer(told, rest, is_pageview=is_pageview)
    return Context(**told), known(rest, policy)


def known(given: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """Return properties of an event or a person without what is empty or must not be kept.

    The clients say of every campaign parameter that there is none; that is nothing to keep. What has
    no ``$`` is whoever's it is that sends the event, and stays as it is.
    """
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None and (name[:1] != "$" or _is_free(name, value)):
            kept[name] = value
        elif _may_stay(name, value, policy):
            kept[name] = _scrubbed(name, value, policy)
    return kept


def groups(given: dict[str, Any]) -> dict[str, str]:
    """Return the groups by type, such as company → acme."""
    found = mapping(given.get("$groups"))
    return {kind: name for kind, value in found.items() if (name := text(value)) is not None}


def _is_free(name: str, value: Any) -> bool:
    """Return whether a value of an SDK's stays as it is, whatever the policy: most of them do."""
    if type(value) is str:
        return "://" not in value and len(name) <= _LONGEST_REMEMBERED and _is_plain(name)
    return type(value) in _SCALARS and len(name) <= _LONGEST_REMEMBERED and _is_plain(name)


@lru_cache(maxsize=1024)
def _is_plain(name: str) -> bool:
    """Return whether a name of an SDK's asks for no look at its value."""
    return not (
        name in _IPS
        or name == _ELEMENTS
        or name.startswith(_DIAGNOSTIC)
        or name.endswith(("user_agent", "pathname", *_ADDRESSES))
    )


def _may_stay(name: str, value: Any, policy: Policy) -> bool:
    if value is None:
        return not (
            name in CAMPAIGN_PARAMETERS or name in CLICK_IDS or name.startswith("$initial_")
        )
    if name in _IPS:
        return scrub_ip(text(value), policy.ip) is not None
    if name.startswith("$") and name.endswith("user_agent"):
        return policy.keep_user_agent
    return not name.startswith(_DIAGNOSTIC)


def _look_closer(told: dict[str, Any], rest: dict[str, Any], *, is_pageview: bool) -> None:
    """Move what only some events say, or what takes more than copying."""
    kind = text(rest.pop("$device_type", None))
    if kind is not None:
        told["device_type"] = _DEVICE_TYPES.get(kind.lower().replace(" ", ""), "other")
    referrer = text(rest.pop("$referrer", None))
    if referrer is not None and referrer != _DIRECT:
        told["referrer"] = referrer
    if rest.get("$referring_domain") == _DIRECT:
        del rest["$referring_domain"]
    for name, field in _SCREEN.items():
        if (size := pixels(rest.get(name))) is not None:
            told[field] = size
            del rest[name]
    for name, field in _SECOND.items():
        if field not in told and (said := text(rest.get(name))) is not None:
            told[field] = said
            del rest[name]
    if is_pageview and (title := text(rest.get("title"))) is not None:
        told["page_title"] = title
        del rest["title"]
    click = next((name for name in _CLICKS if text(rest.get(name)) is not None), None)
    if click is not None:
        told["click_id"] = f"{click}:{text(rest.pop(click))}"


def _scrubbed(name: str, value: Any, policy: Policy, depth: int = 0) -> Any:
    """Return a value with every address in it scrubbed; what is nested too deeply is refused later."""
    match value:
        case str():
            return _scrubbed_text(name, value, policy)
        case list() if depth < _DEEPEST:
            return [_scrubbed(name, one, policy, depth + 1) for one in value]
        case dict() if depth < _DEEPEST:
            kept: dict[str, Any] = {}
            for key, one in value.items():
                # A heat map is told by page: those that differed in their query are one page now.
                clean = scrub_url(key, policy).url if _ADDRESS.match(key) else key
                said = _scrubbed(key, one, policy, depth + 1)
                is_both = isinstance(said, list) and isinstance(kept.get(clean), list)
                kept[clean] = [*sequence(kept[clean]), *said] if is_both else said
            return kept
        case _:
            return value


def _scrubbed_text(name: str, value: str, policy: Policy) -> str:
    if name == _ELEMENTS:
        return _LINK.sub(lambda found: found[1] + scrub_url(found[2], policy).url, value)
    if name in _IPS:
        return scrub_ip(value, policy.ip) or ""
    if name.endswith("pathname"):
        return scrub_path(value, policy)
    if name.endswith(_ADDRESSES) or ("://" in value and _ADDRESS.match(value)):
        return scrub_url(value, policy).url
    return value
