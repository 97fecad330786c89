"""Sessions as rows: each with its start, its length, what was done in it, and how it began and ended.

A session is what the events say by their session: an id that the client gave, or one that loading
computed from pauses. It is looked at whole, also beyond the range, and belongs to the instant at which it
starts. Its *entry* is its first page view, its *exit* the last one; without any, its first and last event.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias, assert_never

import msgspec
from msgspec import Struct

from tallymark.core.sql import Sql, ident, join, sql

from . import fields, filters
from .fields import Field, field
from .filters import Filter
from .ranges import Buckets, Span, bucket_number, buckets
from .selection import Frame, Step, field_names, matches, of_steps, step_fields

Bounce: TypeAlias = Literal["plausible", "ga4", "posthog", "umami", "matomo"]
End: TypeAlias = Literal["entry", "exit"]

# Kinds of events that are a view of a page or screen, and that are something somebody did.
VIEWS: Final = Sql("('page', 'screen')")
ACTIONS: Final = Sql("('track', 'revenue', 'interaction')")
# No stored instant is earlier, or later.
EVER: Final = Span(-(2**62), 2**62)
_INTERACTIVE: Final = "properties.interactive"
# Time and seq in one number, so that what is first among events of one instant is what came first.
# Stored instants lie within 2**59 microseconds of 1970.
_ORDER: Final = Sql("(CAST(time_us + 1152921504606846976 AS HUGEINT) * 18446744073709551616 + seq)")


class Wanted(Struct, frozen=True, kw_only=True):
    """Which sessions are meant, and what is to be known of them.

    A session counts if each of ``filters`` is satisfied by any of its events, ``entry`` by its entry
    and ``exit`` by its exit; with ``only``, a query of session keys, no others do. ``ends`` are fields to
    be known of the entry or the exit, of ``firsts`` the first value there is; ``steps`` are counted in
    each session, as s0, s1 …; ``sums`` are numbers added up. With ``split_midnight`` a local midnight
    ends a session.
    """

    include_bots: bool
    filters: Sequence[Filter] = ()
    entry: Filter | None = None
    exit: Filter | None = None
    only: Sql | None = None
    ends: Mapping[str, tuple[End, Field]] = {}
    firsts: Mapping[str, Field] = {}
    steps: Sequence[Step] = ()
    sums: Mapping[str, Field] = {}
    split_midnight: bool = False


def visits(frame: Frame, wanted: Wanted) -> Sql:
    """Return the sessions that start in the span, one row each.

    Their columns are visit, part (the day, where midnight splits), person (NULL if unknown), start_us,
    end_us, events, views, actions, interactions, customs, and what ``wanted`` names.
    """
    span = frame.span
    conditions = [
        sql(
            "min(time_us) >= {since} AND min(time_us) < {until}", since=span.since, until=span.until
        )
    ]
    conditions += [Sql(f"bool_or(holds_{number})") for number in range(len(wanted.filters))]
    given: dict[End, Filter | None] = {"entry": wanted.entry, "exit": wanted.exit}
    conditions += [
        _end_of(Sql(f"holds_{end}"), end) for end, chosen in given.items() if chosen is not None
    ]
    columns = [
        Sql("visit, part" if wanted.split_midnight else "visit, 0 AS part"),
        # Somebody who signed in on the way is who they are from the start.
        sql("arg_min(person, {order}) AS person", order=_ORDER),
        Sql("min(time_us) AS start_us, max(time_us) AS end_us, count(*) AS events"),
        Sql("count(*) FILTER (is_view) AS views, count(*) FILTER (is_action) AS actions"),
        Sql("count(*) FILTER (is_interaction) AS interactions"),
        Sql("count(*) FILTER (is_custom) AS customs"),
        *(
            sql("{it} AS {name}", it=_end_of(ident(name), end), name=ident(name))
            for name, (end, _) in wanted.ends.items()
        ),
        *(
            sql("arg_min({it}, {order}) AS {it}", it=ident(name), order=_ORDER)
            for name in wanted.firsts
        ),
        *(Sql(f"count(*) FILTER (is_{n}) AS s{n}") for n in range(len(wanted.steps))),
        *(sql("sum({it}) AS {it}", it=ident(name)) for name in wanted.sums),
    ]
    return sql(
        "SELECT {columns}\nFROM (\n{events}\n)\nGROUP BY {parts}\nHAVING {conditions}",
        # To group by what is the same in every row costs a twentieth.
        parts=Sql("visit, part" if wanted.split_midnight else "visit"),
        columns=join(",\n  ", columns),
        events=_events(frame, wanted),
        conditions=join("\n  AND ", conditions),
    )


def keys(found: Sql, unit: Literal["person", "session"]) -> Sql:
    """Return the keys of the people, or of the sessions, of rows of ``visits``."""
    return sql(
        "SELECT DISTINCT {key} AS key FROM (\n{found}\n)\nWHERE {key} IS NOT NULL",
        key=Sql("person" if unit == "person" else "visit"),
        found=found,
    )


def is_bounce(rule: Bounce, key_events: int) -> Sql:
    """Return whether a session is a bounce; the first ``key_events`` steps are what counts as one."""
    match rule:
        case "plausible":
            return Sql("(views <= 1 AND actions = 0)")
        case "ga4":
            return sql("(NOT {engaged})", engaged=is_engaged(key_events))
        case "posthog":
            return Sql("(views = 1 AND interactions = 0 AND end_us - start_us < 10000000)")
        case "umami":
            return Sql("(views = 1)")
        case "matomo":
            return Sql("(views + customs = 1)")
        case _:
            assert_never(rule)


def is_engaged(key_events: int) -> Sql:
    """Return whether a session is engaged, as GA4 says."""
    keys = [Sql(f"s{number} > 0") for number in range(key_events)]
    return sql(
        "({any})",
        any=join(" OR ", [Sql("end_us - start_us > 10000000"), Sql("views >= 2"), *keys]),
    )


def _events(frame: Frame, wanted: Wanted) -> Sql:
    """Return the events of all sessions that may start in the span, also those beyond it."""
    scope, zone = frame.scope, frame.zone
    chosen = {
        **{f"holds_{number}": one for number, one in enumerate(wanted.filters)},
        "holds_entry": wanted.entry,
        "holds_exit": wanted.exit,
    }
    conditions = {
        name: sql("({it}) IS TRUE", it=filters.condition(one, scope, zone))
        for name, one in chosen.items()
        if one is not None
    }
    days = _days(frame) if wanted.split_midnight else None
    part = Sql("0") if days is None else bucket_number(Sql("e.time_us"), days)
    unattended = field(_INTERACTIVE, scope)
    of_no_action = filters.equal(unattended, False)
    columns = [
        sql("e.session_key AS visit, {part} AS part, e.time_us, e.seq", part=part),
        sql("{person} AS person", person=fields.person(scope)),
        sql("e.kind IN {views} AS is_view", views=VIEWS),
        sql(
            "e.kind IN {actions} AND ({not_it}) IS NOT TRUE AS is_action",
            actions=ACTIONS,
            not_it=of_no_action,
        ),
        Sql("e.kind = 'interaction' AS is_interaction"),
        sql("e.kind IN {actions} AS is_custom", actions=ACTIONS),
        *(sql("{it} AS {name}", it=it, name=ident(name)) for name, it in conditions.items()),
        *(
            sql("{it} AS {name}", it=fields.breakdown(one)[0], name=ident(name))
            for name, one in [
                *((name, one) for name, (_, one) in wanted.ends.items()),
                *wanted.firsts.items(),
            ]
        ),
        *(
            sql("{it} IS TRUE AS {name}", it=matches(step, frame), name=ident(f"is_{number}"))
            for number, step in enumerate(wanted.steps)
        ),
        *(
            sql(
                "{it} AS {name}",
                it=one.number or Sql("CAST(NULL AS DECIMAL(38,9))"),
                name=ident(name),
            )
            for name, one in wanted.sums.items()
        ),
    ]
    also = [
        *(field(name, scope) for name in field_names(chosen.values())),
        *(one for _, one in wanted.ends.values()),
        *wanted.firsts.values(),
        *step_fields(wanted.steps, scope),
        *wanted.sums.values(),
        field("person", scope),
    ]
    selected = join(",\n  ", columns)
    span = frame.span if days is None else Span(days.edges[0], days.edges[-1])
    within = sql(
        "SELECT {columns}\n{source}\n  AND e.session_key IS NOT NULL",
        columns=selected,
        source=_source(frame, span, wanted, also),
    )
    if wanted.only is not None:
        return sql("{within}\n  AND e.session_key IN (\n{only}\n)", within=within, only=wanted.only)
    if days is not None:
        return within
    # What lies beyond the range is read for the sessions in it alone: a condition on all events would
    # look each of them up. Where nothing lies beyond it, those sessions need not be gathered.
    return sql(
        "{within}\nUNION ALL\nSELECT {columns}\n{source}\n  AND (e.time_us < {since} OR e.time_us >= {until})\n"
        "  AND e.session_key IN (\nSELECT e.session_key\n{inside}\n"
        "  AND EXISTS (FROM event WHERE time_us < {since} OR time_us >= {until})\n)",
        within=within,
        columns=selected,
        source=_source(frame, EVER, wanted, also),
        since=span.since,
        until=span.until,
        inside=_source(frame, span, wanted, []),
    )


def _source(frame: Frame, span: Span, wanted: Wanted, also: Sequence[Field]) -> Sql:
    return of_steps(
        [Step()],
        msgspec.structs.replace(frame, span=span),
        wanted=None,
        include_bots=wanted.include_bots,
        also=also,
    )


def _days(frame: Frame) -> Buckets:
    days = buckets(frame.span, "day", frame.zone)
    return Buckets(Span(days.edges[0], days.edges[-1]), days.edges)


def _end_of(value: Sql, end: End) -> Sql:
    """Return what the first or last view of a session has, or without views its first or last event."""
    chosen = "arg_min_null" if end == "entry" else "arg_max_null"
    return sql(
        "CASE WHEN bool_or(is_view) THEN {chosen}({value}, {order}) FILTER (is_view)"
        " ELSE {chosen}({value}, {order}) END",
        chosen=Sql(chosen),
        value=value,
        order=_ORDER,
    )
