"""What a question may look at: the store as it is now, or as it was at an earlier position."""

from typing import Any

from msgspec import Struct

from tallymark.app.as_of import AsOf, parse
from tallymark.core.clock import Clock
from tallymark.core.errors import InvalidQuery
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.insights.definitions import Definitions, decode_definitions, in_force
from tallymark.insights.insight import Scope, known_profiles
from tallymark.store.engine import Fetch
from tallymark.store.tables import MOST_PROPERTIES, SEQ_PER_BATCH

_EVENT_NAMES = Sql("SELECT name, event_key FROM event_name ORDER BY event_key")


class Asking(Struct, frozen=True):
    """A question as it comes: which insight, of which project, and the project's time zone.

    ``as_of`` names an earlier moment; ``id`` names the question while it is being answered.
    ``definitions`` are the project's as JSON, of the version named; without them names mean nothing.
    """

    project: str
    insight: str
    question: Any
    timezone: str = "UTC"
    seconds: float | None = None
    as_of: str | None = None
    id: str | None = None
    definitions: str | None = None
    definitions_version: int | None = None


class Scoped(Struct, frozen=True):
    """A scope, and the seq of the last claim on identity within it."""

    scope: Scope
    identity_position: int


def definitions_of(asking: Asking) -> Definitions | None:
    """Return what a question is asked with, None if its project defines nothing."""
    return None if asking.definitions is None else decode_definitions(asking.definitions)


def scope_of(fetch: Fetch, asking: Asking, settings: Settings, clock: Clock) -> Scoped:
    """Return what a question may look at; raises InvalidQuery for a moment that has not come."""
    counters = dict(fetch(Sql("SELECT name, amount FROM progress")).rows)
    position = counters.get("log_position", 0)
    identity = counters.get("identity_position", 0)
    as_of = None if asking.as_of is None else parse(asking.as_of)
    if as_of is not None and as_of.position > position:
        raise InvalidQuery(
            f"Log position {as_of.position} is not loaded yet; the store is at {position}.",
            hint="Ask again in a moment, or as of an earlier position.",
            path="as_of",
        )
    page = settings.question_rows
    overrides = fetch(Sql("SELECT count(*) FROM person_override WHERE NOT is_folded")).rows[0][0]
    known = _properties(fetch, page, as_of)
    ways = _every(fetch, _ways(as_of), page)
    profiles, cleared = known_profiles(ways)
    classes: dict[str, frozenset[Any]] = {}
    for name, kind in known:
        classes[name] = classes.get(name, frozenset()) | {kind}
    definitions = definitions_of(asking)
    scope = Scope(
        project=asking.project,
        timezone=asking.timezone,
        now=clock.now() if as_of is None else _now(fetch, as_of, clock),
        log_position=position if as_of is None else as_of.position,
        event_names=dict(_every(fetch, _names(as_of), page)),
        properties=classes,
        has_overrides=overrides > 0,
        identity_position=identity,
        session_position=counters.get("session_position", 0),
        has_more_properties=len(known) >= MOST_PROPERTIES,
        max_rows=settings.question_rows,
        profiles=profiles,
        cleared_profiles=cleared,
        has_more_profiles=len(ways) >= MOST_PROPERTIES,
        # A store that was loaded before it was counted may have some.
        has_fleeting=counters.get("first_fleeting") != 0,
        definitions=None if definitions is None else in_force(definitions),
    )
    return Scoped(scope, identity if as_of is None else _identity(fetch, as_of))


def _end(as_of: AsOf) -> int:
    return (as_of.position + 1) * SEQ_PER_BATCH


def _names(as_of: AsOf | None) -> Sql:
    if as_of is None:
        return _EVENT_NAMES
    return sql(
        "SELECT name, event_key FROM event_name SEMI JOIN"
        " (SELECT event_key FROM event WHERE seq < {end}) USING (event_key) ORDER BY event_key",
        end=_end(as_of),
    )


def _properties(fetch: Fetch, page: int, as_of: AsOf | None) -> list[tuple[Any, ...]]:
    known = Sql('SELECT name, "class" FROM property')
    if as_of is not None:
        known = sql("{known} WHERE first_seq < {end}", known=known, end=_end(as_of))
    return _every(fetch, known + Sql(" ORDER BY ALL"), page)


def _ways(as_of: AsOf | None) -> Sql:
    known = Sql('SELECT subject_kind, name, "class", op, is_long FROM profile_property')
    if as_of is not None:
        known = sql("{known} WHERE first_seq < {end}", known=known, end=_end(as_of))
    return known + Sql(" ORDER BY ALL")


def _now(fetch: Fetch, as_of: AsOf, clock: Clock) -> int:
    if as_of.now is not None:
        return as_of.now
    last = sql("SELECT max(received_us) FROM event WHERE seq < {end}", end=_end(as_of))
    received = fetch(last).rows[0][0]
    return clock.now() if received is None else int(received)


def _identity(fetch: Fetch, as_of: AsOf) -> int:
    last = sql("SELECT coalesce(max(seq), 0) FROM identity_link WHERE seq < {end}", end=_end(as_of))
    return int(fetch(last).rows[0][0])


def _every(fetch: Fetch, rows: Sql, most: int) -> list[tuple[Any, ...]]:
    """Return all rows, in pages: a list of names may be longer than an answer may be."""
    found: list[tuple[Any, ...]] = []
    while True:
        page = sql("{rows} LIMIT {most} OFFSET {had}", rows=rows, most=most, had=len(found))
        more = fetch(page).rows
        found += more
        if len(more) < most:
            return found
