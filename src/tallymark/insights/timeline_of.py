"""The timeline of one person or account: their events, newest first, session by session."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

from . import fields
from ._timeline_rules import RULES
from .event_rows import EventRow, as_json, event_row, newest_first, rows_of
from .fields import field
from .insight import Insight, Scope, Table
from .pages import Listing, Place, cursor_after, opened
from .ranges import Dates
from .selection import (
    EventNames,
    Period,
    chosen,
    field_names,
    frame_of,
    period,
    warnings_of,
)
from .whose import SUBJECTS, AccountId, AnonymousId, PersonKey, Subject, UserId, subject_of, theirs


class TimelineQuestion(Listing, frozen=True, kw_only=True):
    """What one person or account did; exactly one of the four says who."""

    range: Annotated[
        Dates | str,
        Meta(
            description="Absolute (since, until) or relative: 30d, 12h, today; ten years if left out."
        ),
    ] = "10y"
    person: PersonKey = None
    user_id: UserId = None
    anonymous_id: AnonymousId = None
    account: AccountId = None
    event: EventNames = None


class TimelineSession(Struct, frozen=True):
    """One session, or one event without any; ``session`` is its id as it was given.

    ``first_time``, ``last_time`` and ``events`` are of the whole session, ``shown`` is on this page.
    """

    session: str | None
    first_time: str
    last_time: str
    events: int
    shown: list[EventRow]


class TimelineData(Struct, frozen=True):
    """A page of a timeline; ``total`` counts the events of all pages, ``total_sessions`` the sessions."""

    range: Period
    total: int
    total_sessions: int
    sessions: list[TimelineSession]
    cursor: str | None
    warnings: list[str]


def to_sql(question: TimelineQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return the statements of the page, and of the sessions on it with the totals."""
    pinned, place = opened(question, scope, "timeline")
    source = _source(question, pinned)
    page = sql(
        "SELECT e.rowid AS at, e.time_us, {person} AS person\n{source}{after}\n"
        "ORDER BY e.time_us DESC, e.seq DESC\nLIMIT {limit}",
        person=fields.person(pinned),
        source=source,
        after=_after(place),
        limit=question.limit + 1,
    )
    # The totals come with the sessions, from one look at all of them, and also without any session.
    beside = sql(
        "WITH mine AS MATERIALIZED (\nSELECT e.seq, e.session_key, e.time_us\n{source}\n"
        "), page AS (\nSELECT session_key FROM mine AS e\nWHERE true{after}\n"
        "ORDER BY e.time_us DESC, e.seq DESC\nLIMIT {limit}\n), known AS (\n"
        "SELECT session_key, min(time_us) AS first_us, max(time_us) AS last_us, count(*) AS events\n"
        "FROM mine SEMI JOIN page USING (session_key)\nGROUP BY session_key\n)\n"
        "SELECT total, sessions, session_key, first_us, last_us, events\n"
        "FROM (SELECT count(*) AS total, count(DISTINCT session_key) AS sessions FROM mine)\n"
        "LEFT JOIN known ON true",
        source=source,
        after=_after(place),
        limit=question.limit,
    )
    return rows_of(page, pinned), beside


def shape(question: TimelineQuestion, scope: Scope, rows: Sequence[Rows]) -> TimelineData:
    """Return the page from the rows of the statements."""
    pinned, _ = opened(question, scope, "timeline")
    listed = newest_first(rows[0])[: question.limit]
    more = len(rows[0].rows) > question.limit
    total, total_sessions = rows[1].rows[0][:2]
    warnings = warnings_of(question.event, field_names([question.filter]), pinned)
    if not total:
        warnings.append(f"There is no event of this {_subject(question).replace('_', ' ')}.")
    return TimelineData(
        range=period(frame_of(question, pinned).span),
        total=total,
        total_sessions=total_sessions,
        sessions=_sessions(listed, rows[1]),
        cursor=cursor_after(question, pinned, "timeline", listed[-1][1], listed[-1][0])
        if more
        else None,
        warnings=warnings,
    )


def table(data: TimelineData) -> Table:
    """Return one row an event; properties as JSON."""
    columns = ("session_began", "time", "event", "user_id", "account", "path", "properties")
    rows: list[tuple[Any, ...]] = [
        (
            one.first_time, event.time, event.event, event.user_id, event.account,
            event.context.get("path"), as_json(event.properties),
        )
        for one in data.sessions
        for event in one.shown
    ]  # fmt: skip
    return Table(columns, rows, keys=(1, 2))


def _subject(question: TimelineQuestion) -> Subject:
    subject = subject_of(question)
    if subject is None:
        raise InvalidQuery(
            "A timeline is of one person or account.",
            hint=f"Give one of {', '.join(SUBJECTS)}.",
            path="user_id",
        )
    return subject


def _source(question: TimelineQuestion, scope: Scope) -> Sql:
    _subject(question)
    source = chosen(
        question.event,
        (question.filter,),
        frame_of(question, scope),
        include_bots=question.include_bots,
        also=[field("person", scope)],
    )
    return sql("{source}\n  AND {theirs}", source=source, theirs=theirs(question, scope))


def _after(place: Place | None) -> Sql:
    if place is None:
        return Sql("")
    return sql(
        "\n  AND e.time_us <= {time} AND (e.time_us < {time} OR e.seq < {key})",
        time=place.time_us,
        key=place.key,
    )


def _sessions(listed: Sequence[tuple[Any, ...]], beside: Rows) -> list[TimelineSession]:
    """Return the sessions of a page where their newest event stands."""
    known_of = {key: told for _, _, key, *told in beside.rows}
    shown: dict[Any, list[tuple[Any, ...]]] = {}
    for row in listed:
        # An event without a session stands alone, under its own place in the log.
        shown.setdefault(("none", row[0]) if row[2] is None else row[2], []).append(row)
    found = []
    for key, rows in shown.items():
        first_us, last_us, count = known_of.get(key) or (rows[0][1], rows[0][1], 1)
        events = [event_row(row) for row in rows]
        found.append(
            TimelineSession(
                session=events[0].session,
                first_time=rfc3339(first_us),
                last_time=rfc3339(last_us),
                events=count,
                shown=events,
            )
        )
    return found


timeline = Insight(
    name="timeline",
    summary="What one person or account did, newest first, session by session.",
    question=TimelineQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=TimelineData,
    rules=RULES,
    view="list",
    pinned=lambda question, scope: opened(question, scope, "timeline")[0],
    example={"user_id": "ana", "range": "90d", "limit": 50},
)
