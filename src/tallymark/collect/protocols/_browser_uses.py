"""What the browser script calls things, and what they are called here.

Names that begin with a dollar sign are the script's own; the others are of the site that uses it.
"""

from collections.abc import Mapping
from typing import Any, Final

from tallymark.core.event import Kind
from tallymark.core.policy import Policy
from tallymark.privacy.scrub import scrub_url

from ._values import mapping, text

# What says who somebody is or what they chose, and is no use.
COMMANDS: Final = frozenset({"$identify", "$group", "$set", "$consent"})
_USES: Final[Mapping[str, tuple[str, Kind]]] = {
    "$pageview": ("page_view", "page"),
    "$engage": ("page_ping", "heartbeat"),
    "$click": ("click", "interaction"),
    "$outbound": ("outlink", "interaction"),
    "$download": ("download", "interaction"),
    "$contact": ("contact", "interaction"),
    "$rage": ("rage_click", "interaction"),
    "$dead": ("dead_click", "interaction"),
    "$heat": ("heat_points", "interaction"),
    "$error": ("exception", "exception"),
    "$vitals": ("web_vitals", "metric"),
    "$dropped": ("events_dropped", "system"),
}
_FORMS: Final = {"start": "form_start", "submit": "form_submit"}
# Addresses among the properties of the script's own events, which may have a query like any.
_ADDRESSES: Final = frozenset({"$outbound", "$download", "$error"})


def use_of(name: str | None, properties: Mapping[str, Any]) -> tuple[str | None, Kind]:
    """Return what an event is called here, and its kind."""
    if name == "$form":
        return _FORMS.get(text(properties.get("state")) or "", "form"), "interaction"
    return _USES.get(name or "", (name, "track"))


def kept(name: str | None, given: Any, policy: Policy) -> dict[str, Any]:
    """Return the properties of an event; what the script says of an address is scrubbed as a page is."""
    found = dict(mapping(given))
    if name in _ADDRESSES and "url" in found:
        address = text(found.pop("url"))
        if address is not None:
            found["url"] = scrub_url(address, policy).url
    if name == "$form":
        found.pop("state", None)
    return found
