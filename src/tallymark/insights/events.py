"""The events behind a number, newest first, with everything known of each."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.core.clock import rfc3339
from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Rows
from tallymark.store.tables import BY_NAME

from . import fields, measures
from .fields import field
from .insight import Insight, Scope, Table
from .numbers import Number, exact
from .pages import PagedQuestion, Place, cursor_after, opened
from .selection import Frame, Period, frame_of, period, warnings_of

# What is told by its own name, by an id instead of a key, or as properties.
_APART: Final = (
    "seq", "event_id", "event_key", "kind", "time_us", "time_client_us", "time_sent_us",
    "received_us", "time_rule", "actor_key", "anon_key", "person_key", "account_key",
    "session_key", "value", "unit", "revenue", "currency", "groups", "flags",
    "prop_text", "prop_number", "prop_other",
)  # fmt: skip
_CONTEXT: Final = tuple(
    column.name for column in BY_NAME["event"].columns if column.name not in _APART
)
_OWN: Final = (
    "e.seq", "e.time_us", "e.event_id", "event_name.name", "e.kind", "e.received_us",
    "e.time_client_us", "e.time_sent_us", "e.time_rule", "page.person", "asserted_user.id",
    "asserted_anonymous.id", "account.id", "session.id", 'e."value"', "e.unit", "e.revenue",
    "e.currency", "e.groups", "e.flags",
    *(f"CAST(CAST(e.prop_{kind} AS JSON) AS VARCHAR)" for kind in ("text", "number", "other")),
)  # fmt: skip
_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)
_TO_JSON: Final = msgspec.json.Encoder(decimal_format="number")


class EventsQuestion(PagedQuestion, frozen=True, kw_only=True):
    """The events that made a number."""


class EventRow(Struct, frozen=True):
    """One event. Times are RFC 3339 in UTC; numbers are exact; ``person`` is who it is by now."""

    id: str
    event: str
    kind: str
    time: str
    received_at: str | None
    time_client: str | None
    time_sent: str | None
    time_rule: str | None
    person: int | None
    user_id: str | None
    anonymous_id: str | None
    account: str | None
    session: str | None
    value: Number | None
    unit: str | None
    revenue: Number | None
    currency: str | None
    groups: dict[str, str]
    flags: list[str]
    context: dict[str, Any]
    properties: dict[str, Any]


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
        "SELECT e.seq, e.time_us, {person} AS person\n{source}{after}\n"
        "ORDER BY e.time_us DESC, e.seq DESC\nLIMIT {limit}",
        person=fields.person(pinned),
        source=source,
        after=_after(place),
        limit=question.limit + 1,
    )
    named = [
        field(name, pinned) for name in ("event", "user_id", "anonymous_id", "account", "session")
    ]
    columns = (*(Sql(text) for text in _OWN), *(Sql(f'e."{name}"') for name in _CONTEXT))
    rows = sql(
        "WITH page AS MATERIALIZED (\n{page}\n)\nSELECT {columns}\n"
        "FROM page JOIN {events} ON e.seq = page.seq{joins}",
        page=page,
        events=fields.events(pinned),
        columns=join(", ", columns),
        joins=fields.joins(named, pinned),
    )
    return rows, sql("SELECT count(*)\n{source}", source=source)


def shape(question: EventsQuestion, scope: Scope, rows: Sequence[Rows]) -> EventsData:
    """Return the page from the rows of the statements."""
    pinned, _ = opened(question, scope, "events")
    frame = frame_of(question, pinned)
    # Sorted here, because a sort that carries all columns costs the engine more than the page.
    newest = sorted(rows[0].rows, key=lambda row: (row[1], row[0]), reverse=True)
    listed = newest[: question.limit]
    more = len(rows[0].rows) > question.limit
    return EventsData(
        range=period(frame.span),
        total=int(rows[1].rows[0][0]),
        events=[_event(row) for row in listed],
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
            _TO_JSON.encode(getattr(event, name)).decode()
            if name in {"context", "properties"}
            else getattr(event, name)
            for name in columns
        )
        for event in data.events
    ]
    return Table(columns, rows)


def _after(place: Place | None) -> Sql:
    if place is None:
        return Sql("")
    # The first comparison lets the engine skip whole blocks of newer events.
    return sql(
        "\n  AND e.time_us <= {time} AND (e.time_us < {time} OR e.seq < {key})",
        time=place.time_us,
        key=place.key,
    )


def _event(row: tuple[Any, ...]) -> EventRow:
    (
        _, time_us, event_id, name, kind, received, client, sent, rule, person, user, anonymous,
        account, session, value, unit, revenue, currency, groups, flags, text, number, other,
        *context,
    ) = row  # fmt: skip
    properties: dict[str, Any] = {}
    for stored in (text, number):
        properties |= _exactly(_JSON.decode(stored)) if stored else {}
    properties |= _as_sent(_JSON.decode(other)) if other else {}
    return EventRow(
        id=event_id,
        event=name,
        kind=kind,
        time=rfc3339(time_us),
        received_at=_time(received),
        time_client=_time(client),
        time_sent=_time(sent),
        time_rule=rule,
        person=person,
        user_id=user,
        anonymous_id=anonymous,
        account=account,
        session=session,
        value=exact(value),
        unit=unit,
        revenue=exact(revenue),
        currency=currency,
        groups=_JSON.decode(groups) if groups else {},
        flags=flags.split(",") if flags else [],
        context={
            name: value for name, value in zip(_CONTEXT, context, strict=True) if value is not None
        },
        properties=dict(sorted(properties.items())),
    )


def _as_sent(other: dict[str, Any]) -> dict[str, Any]:
    # Text on its own is a number as it was sent, which the store rounded to measure it.
    return {
        name: Decimal(value) if isinstance(value, str) else _exactly(value)
        for name, value in other.items()
    }


def _exactly(value: Any) -> Any:
    match value:
        case Decimal():
            return exact(value)
        case dict():
            return {name: _exactly(item) for name, item in value.items()}
        case list():
            return [_exactly(item) for item in value]
        case _:
            return value


def _time(instant_us: int | None) -> str | None:
    return None if instant_us is None else rfc3339(instant_us)


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
    view="list",
    pinned=lambda question, scope: opened(question, scope, "events")[0],
    example={"range": "7d", "limit": 20},
)
