"""What there is to ask about: events with how often they came lately, and properties."""

from typing import Final

from tallymark.api.names_answers import KnownEvent, KnownProperty, Names
from tallymark.core.clock import DAY
from tallymark.core.sql import sql
from tallymark.insights import fields
from tallymark.store.engine import Fetch

_DAYS: Final = 30
_MOST: Final = 2_000


def names(fetch: Fetch, now: int) -> Names:
    """Return the names of a project, those of most use first; events of robots are left out.

    What is read of events is two columns of the last days and one of all.
    """
    since = now - _DAYS * DAY
    events = fetch(
        sql(
            "SELECT name, count(event.seq) FILTER (WHERE event.time_us >= {since}) AS events,\n"
            "  max(event.time_us) AS last_us\n"
            "FROM event_name\n"
            "LEFT JOIN event ON event.event_key = event_name.event_key\n"
            "  AND event.is_bot IS DISTINCT FROM true\n"
            "GROUP BY name\nORDER BY events DESC, name\nLIMIT {most}",
            since=since,
            most=_MOST,
        )
    )
    properties = fetch(
        sql(
            'SELECT name, list_sort(list("class")), sum(events)::BIGINT AS events FROM property\n'
            "GROUP BY name\nORDER BY events DESC, name\nLIMIT {most}",
            most=_MOST,
        )
    )
    profiles = fetch(
        sql(
            "SELECT DISTINCT subject_kind, name FROM profile_property\n"
            "WHERE name IS NOT NULL\nORDER BY ALL\nLIMIT {most}",
            most=_MOST,
        )
    )
    return Names(
        since_us=since,
        events=[KnownEvent(name, int(count), last) for name, count, last in events.rows],
        properties=[KnownProperty(name, list(kinds), int(n)) for name, kinds, n in properties.rows],
        profiles=sorted({_profile(kind, name) for kind, name in profiles.rows}),
        fields=list(fields.NAMES),
    )


def _profile(kind: str, name: str) -> str:
    """Return the name of a profile's property as a question writes it."""
    if kind in ("user", "anonymous"):
        return f"person.{name}"
    return f"account.{name}" if kind == "account" else f"group.{kind}.{name}"
