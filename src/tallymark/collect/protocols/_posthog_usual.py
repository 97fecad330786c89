"""The usual event of PostHog's clients: a use and nothing more, told much as the others of its request."""

from typing import Any, Final, TypeAlias

from tallymark.core.errors import Refused
from tallymark.core.event import Event, Kind
from tallymark.core.policy import Policy

from ._alike import Order
from ._checks import Terms
from ._foreign import are_plain, believed, kept_groups
from ._names import named
from ._posthog_context import groups, places
from ._posthog_people import who
from ._values import text, when

NOT_USES: Final = frozenset({"$snapshot", "$snapshot_items"})
COMMANDS: Final = frozenset(
    {"$identify", "$create_alias", "$merge_dangerously", "$groupidentify", "$set", "$set_once", "$unset"}
)  # fmt: skip
KINDS: Final[dict[str, Kind]] = {
    "$pageview": "page", "$screen": "screen", "$exception": "exception",
    "$pageleave": "interaction", "$autocapture": "interaction", "$rageclick": "interaction",
    "$dead_click": "interaction", "$copy_autocapture": "interaction",
    "$web_vitals": "metric", "$performance_event": "metric", "$ai_metric": "metric",
    "$ai_generation": "span", "$ai_embedding": "span", "$ai_span": "span", "$ai_trace": "span",
    "$$heatmap": "system", "$feature_flag_called": "system", "$opt_in": "system",
    "$$client_ingestion_warning": "system",
}  # fmt: skip
NAMES: Final = {"$pageview": "page_view", "$screen": "screen_view"}
_CONTAINERS: Final = frozenset({dict, list})
# What stands beside the properties and changes a profile, or tells the time in another way.
_MORE: Final = frozenset({"$set", "$set_once", "$unset", "$group_set", "offset"})

_Called: TypeAlias = tuple[str, Kind, tuple[str, ...]]
"""A name as it is kept, the kind of what is called so, and the flags of what was mended in it."""

_Groups: TypeAlias = tuple[dict[str, str], tuple[str, ...]]
"""Groups as they are kept, and the flags of what was left out."""


class Usual:
    """Reads the usual events of one request, and gives what ``reader`` gives of each."""

    def __init__(self, policy: Policy, terms: Terms) -> None:
        self._terms = terms
        self._views, self._others = places(policy)
        self._called: dict[str, _Called | None] = {}
        self._beside: dict[tuple[str, ...], bool] = {}
        self._groups: dict[tuple[tuple[str, str], ...], _Groups] = {}

    def event(self, item: dict[str, Any], given: dict[str, Any]) -> Event | None:
        """Return the event of an item and its properties, None if they need a closer look."""
        terms, name = self._terms, item.get("event")
        called = self._call(name) if type(name) is str else None
        beside = tuple(item)
        if called is None or not (self._beside.get(beside) or self._is_usual(beside)):
            return None
        alike = self._views if name == "$pageview" else self._others
        order = alike.order(given)
        if order.asks or self._is_large(order):
            return None
        event_id, session = text(item.get("uuid")), text(given.get("$session_id"))
        person = who(item, given)
        user, anonymous = person.user, person.anonymous
        longest = terms.settings.max_id_bytes
        if event_id is None or not are_plain(user, anonymous, event_id, session, longest):
            return None
        where, rest = alike.apart(order, given)
        if not _CONTAINERS.isdisjoint(map(type, rest.values())):
            return None
        kept, kind, flags = called
        client = when(item.get("timestamp"))
        time, rule = believed(client, terms)
        belongs: dict[str, str] = {}
        if "$groups" in given:
            belongs, left_out = self._belongs(groups(given))
            flags = (*flags, *left_out)
        if given.get("$browser_type") == "bot":
            flags = ("bot", *flags)
        # By their places: see ``event``.
        return Event(
            kept, event_id, time, rule, client, kind, "posthog", user, anonymous, belongs, session,
            rest, where, flags=flags,
        )  # fmt: skip

    def _is_large(self, order: Order) -> bool:
        limits = self._terms.settings
        return order.longest > limits.max_key_bytes or len(order.names) > limits.max_properties

    def _call(self, name: str) -> _Called | None:
        if name not in self._called:
            self._called[name] = _called(name, self._terms.settings.max_name_bytes)
        return self._called[name]

    def _belongs(self, told: dict[str, str]) -> _Groups:
        key = tuple(told.items())
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = kept_groups(told, self._terms.settings)
        return found

    def _is_usual(self, beside: tuple[str, ...]) -> bool:
        found = self._beside[beside] = _MORE.isdisjoint(beside)
        return found


def _called(given: str, max_bytes: int) -> _Called | None:
    name = text(given)
    # One with spaces around it is no other name, but is not looked up by them.
    if name is None or name != given or name in COMMANDS or name in NOT_USES:
        return None
    try:
        kept, flags = named(NAMES.get(name, name), max_bytes)
    except Refused:
        return None
    return kept, KINDS.get(name, "track"), flags
