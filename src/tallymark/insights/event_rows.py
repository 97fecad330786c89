"""Events with everything known of each, for lists of them."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.core.clock import rfc3339
from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Rows
from tallymark.store.tables import BY_NAME

from . import fields
from .fields import field
from .insight import Scope
from .numbers import Number, exact

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
    "e.seq", "e.time_us", "e.session_key", "e.event_id", "event_name.name", "e.kind", "e.received_us",
    "e.time_client_us", "e.time_sent_us", "e.time_rule", "page.person", "asserted_user.id",
    "asserted_anonymous.id", "account.id", "session.id", 'e."value"', "e.unit", "e.revenue",
    "e.currency", "e.groups", "e.flags",
    *(f"CAST(CAST(e.prop_{kind} AS JSON) AS VARCHAR)" for kind in ("text", "number", "other")),
)  # fmt: skip
_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)
_TO_JSON: Final = msgspec.json.Encoder(decimal_format="number")


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


def rows_of(page: Sql, scope: Scope) -> Sql:
    """Return everything known of the events of a page, which is a query of (at, time_us, person).

    The rows are in no order and begin with seq, time_us and the key of the session.
    """
    named = [
        field(name, scope) for name in ("event", "user_id", "anonymous_id", "account", "session")
    ]
    columns = (*(Sql(text) for text in _OWN), *(Sql(f'e."{name}"') for name in _CONTEXT))
    return sql(
        "WITH page AS MATERIALIZED (\n{page}\n)\nSELECT {columns}\n"
        # By row, not by seq: the engine then reads no row group that has none of them.
        "FROM page JOIN {events} ON e.rowid = page.at{joins}",
        page=page,
        events=fields.events(scope),
        columns=join(", ", columns),
        joins=fields.joins(named, scope),
    )


def newest_first(rows: Rows) -> list[tuple[Any, ...]]:
    """Return the rows by time, the newest first, those of one instant by arrival."""
    # Sorted here, because a sort that carries all columns costs the engine more than the page.
    return sorted(rows.rows, key=lambda row: (row[1], row[0]), reverse=True)


def as_json(value: Any) -> str:
    """Return properties or context as the JSON of a table."""
    return _TO_JSON.encode(value).decode()


def event_row(row: tuple[Any, ...]) -> EventRow:
    """Return one row of the statement of ``rows_of`` as it is told."""
    (
        _, time_us, _, event_id, name, kind, received, client, sent, rule, person, user, anonymous,
        account, session, value, unit, revenue, currency, groups, flags, text, number, other,
        *context,
    ) = row  # fmt: skip
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
        properties=properties_of(text, number, other),
    )


def properties_of(text: str | None, number: str | None, other: str | None) -> dict[str, Any]:
    """Return properties by name from the JSON of what is text, number and anything else of them."""
    properties: dict[str, Any] = {}
    for stored in (text, number):
        properties |= _exactly(_JSON.decode(stored)) if stored else {}
    properties |= _as_sent(_JSON.decode(other)) if other else {}
    return dict(sorted(properties.items()))


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
