"""The events behind a number, newest first, with everything known of each."""

from collections.abc import Sequence

from msgspec import Struct

from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

from . import fields, measures
from ._events_rules import RULES
from .event_rows import EventRow, as_json, event_row, newest_first, rows_of
from .insight import Insight, Scope, Table
from .pages import PagedQuestion, Place, cursor_after, opened
from .selection import Frame, Period, frame_of, period, warnings_of


class EventsQuestion(PagedQuestion, frozen=True, kw_only=True):
    """The events that made a number."""


class EventsData(Struct, frozen=True):
    """A page of events; ``total`` counts those of all pages."""

    range: Period
    total: int
    events: list[EventRow]
    cursor: str | None
    warnings: list[str]


def to_sql(question: EventsQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return the statement of the page and that of the total."""
    pinned, place = opened(question, scope, "events")
    frame = frame_of(question, pinned)
    source = measures.behind(question.series, question, question.group, frame)
    page = sql(
        "SELECT e.rowid AS at, e.time_us, {person} AS person\n{source}{after}\n"
        "ORDER BY e.time_us DESC, e.seq DESC\nLIMIT {limit}",
        person=fields.person(pinned),
        source=source,
        after=_after(place),
        limit=question.limit + 1,
    )
    rows = rows_of(page, pinned)
    return rows, sql("SELECT count(*)\n{source}", source=source)


def shape(question: EventsQuestion, scope: Scope, rows: Sequence[Rows]) -> EventsData:
    """Return the page from the rows of the statements."""
    pinned, _ = opened(question, scope, "events")
    frame = frame_of(question, pinned)
    listed = newest_first(rows[0])[: question.limit]
    more = len(rows[0].rows) > question.limit
    return EventsData(
        range=period(frame.span),
        total=int(rows[1].rows[0][0]),
        events=[event_row(row) for row in listed],
        cursor=cursor_after(question, pinned, "events", listed[-1][1], listed[-1][0])
        if more
        else None,
        warnings=_warnings(question, frame),
    )


def table(data: EventsData) -> Table:
    """Return one row an event; context and properties as JSON."""
    columns = (
        "time", "event", "person", "user_id", "account", "value", "revenue", "currency", "context",
        "properties", "id",
    )  # fmt: skip
    rows = [
        tuple(
            as_json(getattr(event, name))
            if name in {"context", "properties"}
            else getattr(event, name)
            for name in columns
        )
        for event in data.events
    ]
    keys = tuple(map(columns.index, ("time", "event", "id")))
    return Table(columns, rows, keys=keys, remarks=(columns.index("person"),))


def _after(place: Place | None) -> Sql:
    if place is None:
        return Sql("")
    # The first comparison lets the engine skip whole blocks of newer events.
    return sql(
        "\n  AND e.time_us <= {time} AND (e.time_us < {time} OR e.seq < {key})",
        time=place.time_us,
        key=place.key,
    )


def _warnings(question: EventsQuestion, frame: Frame) -> list[str]:
    return warnings_of(
        question.series.event,
        measures.names_behind(question.series, question, question.group),
        frame.scope,
        measured=measures.measured(question.series, question),
    )


events = Insight(
    name="events",
    summary="The events behind a number, newest first.",
    question=EventsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=EventsData,
    rules=RULES,
    view="list",
    pinned=lambda question, scope: opened(question, scope, "events")[0],
    example={"range": "7d", "limit": 20},
)
