"""Where a use took place, as Segment's and RudderStack's SDKs tell it in ``context``."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tallymark.core.event import Context

from ._foreign import NOWHERE
from ._values import mapping, pixels, sequence, text

# Members of a section, and the fields they become.
_SECTIONS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "campaign": (
        ("source", "utm_source"), ("medium", "utm_medium"), ("name", "utm_campaign"),
        ("term", "utm_term"), ("content", "utm_content"),
    ),
    "device": (("type", "device_type"), ("manufacturer", "device_brand"), ("model", "device_model")),
    "os": (("name", "os"), ("version", "os_version")),
    "app": (("name", "app_name"), ("version", "app_version")),
    "library": (("name", "library_name"), ("version", "library_version")),
    "location": (("country", "country"), ("region", "region"), ("city", "city")),
}  # fmt: skip
_TEXTS: Final = {
    "locale": "locale", "timezone": "timezone", "ip": "ip", "userAgent": "user_agent",
}  # fmt: skip
_OF_PAGE: Final = ("url", "path", "title", "referrer", "search")
# What RudderStack's browser SDK adds: the address again, with everything the policy takes off it.
_AGAIN: Final = "tab_url"
_USAGE: Final = ("measurement", "product", "performance")
# The categories that consent managers are usually set up with, and the purposes they are about.
_PURPOSES: Final[Mapping[str, tuple[str, ...]]] = {
    "analytics": _USAGE, "statistics": _USAGE, "performance": _USAGE, "c0002": _USAGE,
    "functional": ("personalization",), "preferences": ("personalization",),
    "personalization": ("personalization",), "c0003": ("personalization",),
    "advertising": ("sharing",), "marketing": ("sharing",), "targeting": ("sharing",),
    "c0004": ("sharing",), "measurement": ("measurement",), "product": ("product",),
    "sharing": ("sharing",),
}  # fmt: skip
_SERVER = re.compile(r"\b(python|ruby|go|java|php|net|node|rust|elixir|scala|perl)\b")
_CLIENT = re.compile(
    r"\b(js|next|javascript|ios|android|swift|kotlin|flutter|react|native|cordova|unity)\b"
)
# Who sent the first few messages sent them all.
LOOKED_AT: Final = 10
# How RudderStack's browser SDK says that nobody referred.
NOBODY: Final = "$direct"


def context(given: dict[str, Any], page: dict[str, Any]) -> Context:
    """Return the context of a message; ``page`` is what both it and a page call tell of the page."""
    found: dict[str, Any] = {}
    for name, told in given.items():
        if name in _TEXTS:
            found[_TEXTS[name]] = text(told)
        elif name in _SECTIONS and isinstance(told, dict):
            for member, field in _SECTIONS[name]:
                if member in told:
                    found[field] = text(told[member])
    if "app_name" in found and found["app_name"] == found.get("library_name"):
        # RudderStack's browser SDK takes itself for the app.
        found["app_name"] = found["app_version"] = None
    if isinstance(screen := given.get("screen"), dict):
        found["screen_width"] = pixels(screen.get("width"))
        found["screen_height"] = pixels(screen.get("height"))
    if page:
        referrer = text(page.get("referrer"))
        found["page_url"] = _url(page)
        found["page_path"] = text(page.get("path"))
        found["page_title"] = text(page.get("title"))
        found["referrer"] = None if referrer == NOBODY else referrer
    return Context(**found) if found else NOWHERE


def consent(given: dict[str, Any]) -> dict[str, str]:
    """Return what the person said, by purpose; of several categories of one purpose a no holds.

    A category whose name says nothing to us says nothing: it is neither a yes nor a no. Consent strings
    stand beside it, by their own names.
    """
    said: list[tuple[Any, bool]] = []
    for name, told in mapping(mapping(given.get("consent")).get("categoryPreferences")).items():
        said.append((name, told is True))
    managed = mapping(given.get("consentManagement"))
    said += [(name, True) for name in sequence(managed.get("allowedConsentIds"))]
    said += [(name, False) for name in sequence(managed.get("deniedConsentIds"))]
    found = {
        name: string
        for name in ("tcf", "gpp")
        if (string := text(mapping(given.get("consent")).get(name))) is not None
    }
    for name, is_yes in said:
        for purpose in _PURPOSES.get(str(name)[:40].strip().lower(), ()):
            if found.get(purpose) != "denied":
                found[purpose] = "granted" if is_yes else "denied"
    return found


def is_server(messages: list[Any]) -> bool | None:
    """Return whether a server's SDK sent this, by what it says of itself; None if it does not."""
    for message in messages[:LOOKED_AT]:
        given = mapping(message)
        channel = given.get("channel")
        if channel in ("server", "web", "mobile"):
            return bool(channel == "server")
        name = library_of([given])
        # Servers first: Node's are named after a language of browsers too.
        if _SERVER.search(name):
            return True
        if _CLIENT.search(name):
            return False
    return None


def library_of(messages: list[Any]) -> str:
    """Return the name of the SDK that the first message tells; empty if it does not."""
    given = mapping(next(iter(messages), None))
    library = mapping(mapping(given.get("context")).get("library"))
    return (text(library.get("name")) or "")[:100].lower()


def page_of(
    page: dict[str, Any], properties: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the page that a page call tells of, and its properties without what was moved there.

    The address is kept once, where the policy scrubs it.
    """
    told = {name: properties[name] for name in _OF_PAGE if text(properties.get(name)) is not None}
    kept = {
        name: value
        for name, value in properties.items()
        if name != _AGAIN and not (name in _OF_PAGE and isinstance(value, str | None))
    }
    return mapping(page) | told, kept


def _url(page: dict[str, Any]) -> str | None:
    """Return the address with its query, which a canonical one lacks: campaigns are read from it."""
    url, search = text(page.get("url")), text(page.get("search"))
    if url is None or search is None or "?" in url or not search.startswith("?"):
        return url
    return url.partition("#")[0] + search
