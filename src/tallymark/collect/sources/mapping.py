"""Which column is which field of an event, and how the literals of a column are read.

A mapping comes from flags (``--map time=created_at``), from a YAML or TOML file, or is guessed from
the names of the columns. Columns that are no field become properties.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from tallymark.core.clock import instant, rfc3339
from tallymark.core.errors import Refused
from tallymark.core.event import Json
from tallymark.core.registry import did_you_mean

Value: TypeAlias = Json

_EVENT_FIELDS = (
    "time", "name", "id", "user_id", "anonymous_id", "account", "session_id", "kind",
    "value", "unit", "revenue", "currency",
)  # fmt: skip
_NUMBERS = frozenset({"value", "revenue"})
# A field of the event's context, and where it stands there.
_CONTEXT_FIELDS: dict[str, tuple[str, ...]] = {
    "url": ("page", "url"),
    "path": ("page", "path"),
    "title": ("page", "title"),
    "referrer": ("page", "referrer"),
    "user_agent": ("user_agent",),
    "ip": ("ip",),
    "locale": ("locale",),
    "utm_source": ("campaign", "source"),
    "utm_medium": ("campaign", "medium"),
    "utm_campaign": ("campaign", "name"),
}
FIELDS: tuple[str, ...] = (*_EVENT_FIELDS, *_CONTEXT_FIELDS)

# The first column that is there is taken; columns are compared in lower case.
_GUESSES: dict[str, tuple[str, ...]] = {
    "time": ("timestamp", "time", "event_time", "datetime", "date_time", "created_at", "occurred_at",
             "ts", "@timestamp", "date"),
    "name": ("event", "event_name", "event_type", "name", "action"),
    "id": ("event_id", "insert_id", "message_id"),
    "user_id": ("user_id", "userid", "user", "customer_id", "customerid", "customer", "client_id",
                "distinct_id"),
    "anonymous_id": ("anonymous_id", "anonymousid", "visitor_id", "device_id"),
    "session_id": ("session_id", "sessionid", "session"),
    "account": ("account", "account_id"),
    "url": ("url", "page_url"),
    "referrer": ("referrer", "referer"),
    "user_agent": ("user_agent", "useragent"),
    "ip": ("ip", "ip_address", "remote_addr"),
}  # fmt: skip

# Longer ones are codes, not counts, and would not fit DECIMAL(38, 9).
_INTEGER = re.compile(r"-?[1-9]\d{0,17}|0")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,17})\.\d{1,9}")
_EPOCH = re.compile(r"-?\d{9,10}(?:\.\d{1,6})?|\d{13}|\d{16}")


class Fields(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping: ``map`` from field to column, ``set`` from field to a fixed text.

    ``text`` names columns whose literals stay text, such as postal codes; ``ignore`` columns that
    are not kept. ``timezone`` is of times without an offset; ``time_format`` is as in strptime.
    Of an hour that the clocks repeat in autumn, the first is taken.
    """

    map: dict[str, str] = {}
    set: dict[str, str] = {}
    text: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    timezone: str = "UTC"
    time_format: str | None = None


class Plan(Struct, frozen=True):
    """A mapping settled for the columns of one file; every column is in at most one place."""

    fields: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, str], ...]
    properties: tuple[str, ...]
    text: frozenset[str]
    timezone: str
    time_format: str | None


def present(fields: Fields, columns: Iterable[str]) -> Fields:
    """Return the mapping without the columns that one object of a file lacks."""
    there = set(columns)
    return msgspec.structs.replace(
        fields,
        map={field: column for field, column in fields.map.items() if column in there},
        text=tuple(filter(there.__contains__, fields.text)),
        ignore=tuple(filter(there.__contains__, fields.ignore)),
    )


def read_fields(path: Path) -> Fields:
    """Return the mapping of a YAML or TOML file; raises Refused FILE_UNREADABLE."""
    try:
        text = path.read_text("utf-8")
        found = tomllib.loads(text) if path.suffix == ".toml" else _yaml(text)
        return msgspec.convert(found, Fields)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise Refused(f"The mapping {path}: {error}.", code="FILE_UNREADABLE") from error


def settle(fields: Fields, columns: Iterable[str]) -> Plan:
    """Return the plan for a file with these columns; raises Refused if it cannot give events.

    What the mapping does not say is guessed, unless the field is set to a fixed text.
    """
    columns = tuple(columns)
    _check(fields, columns)
    by_lower = {column.lower(): column for column in reversed(columns)}
    free = set(columns) - set(fields.map.values()) - set(fields.ignore)
    mapped = dict(fields.map)
    for field, names in _GUESSES.items():
        if field not in mapped and field not in fields.set:
            for column in filter(free.__contains__, map(by_lower.get, names)):
                mapped[field] = str(column)
                free.discard(str(column))
                break
    for needed, example in (("time", "--map time=COLUMN"), ("name", "--map name=COLUMN")):
        if needed not in mapped and needed not in fields.set:
            raise Refused(
                f"No column looks like the event's {needed}; there are: {', '.join(columns)}.",
                code="FILE_UNREADABLE",
                hint=f"Say which with {example}, or give all one with --set {needed}=VALUE.",
            )
    return Plan(
        fields=tuple(sorted(mapped.items())),
        constants=tuple(sorted(fields.set.items())),
        properties=tuple(column for column in columns if column in free),
        text=frozenset(fields.text),
        timezone=fields.timezone,
        time_format=fields.time_format,
    )


def to_event(plan: Plan, row: Mapping[str, Value]) -> dict[str, Json]:
    """Return a row as an event to send; raises Refused TIME_UNPARSABLE, MISSING_FIELD, BAD_FIELD.

    An empty text, or null, is a column without a value.
    """
    event: dict[str, Json] = {}
    for field, column in plan.fields:
        value = row.get(column)
        if value is not None and value != "":
            _put(event, field, _field(plan, field, value))
    for field, constant in plan.constants:
        _put(event, field, _field(plan, field, constant))
    for needed in ("time", "name"):
        if needed not in event:
            raise Refused(f"The {needed} is empty.", code="MISSING_FIELD", path=needed)
    properties = {
        column: _property(plan, column, value)
        for column in plan.properties
        if (value := row.get(column)) is not None and value != ""
    }
    if properties:
        event["properties"] = properties
    return event


def set_constants(fields: Fields, event: dict[str, Json]) -> None:
    """Put the fixed values of a mapping into an event that a format has made by itself."""
    for field, constant in fields.set.items():
        _put(event, field, constant)


def explain(plan: Plan) -> list[str]:
    """Say how the columns are read, for the person who loads the file."""
    said = [f"{field} = {column}" for field, column in plan.fields]
    said += [f"{field} = {constant!r}" for field, constant in plan.constants]
    lines = ["fields: " + ", ".join(said)]
    if plan.properties:
        lines.append("properties: " + ", ".join(plan.properties))
    lines.append(f"times without an offset are read as {plan.timezone}")
    return lines


def literal(text: str) -> Json:
    """Return a literal as the JSON value that prints as exactly this text, or as the text itself.

    So 12 and 11.70 are numbers, while 007, 1e5, +1, -0 and an 19-digit code stay text.
    """
    if _INTEGER.fullmatch(text):
        return int(text)
    # A negative zero would lose its sign.
    if _DECIMAL.fullmatch(text) and (text[0] != "-" or text.strip("-0.")):
        return Decimal(text)
    return {"true": True, "false": False}.get(text, text)


@lru_cache(maxsize=65_536)
def time_text(text: str, timezone: str, time_format: str | None) -> str:
    """Return a time as RFC 3339 in UTC; raises Refused TIME_UNPARSABLE.

    Known are ISO 8601 with or without offset, a date (its midnight), whole or fractional seconds,
    milliseconds (13 digits) and microseconds (16 digits) since 1970, or ``time_format``.
    """
    try:
        if time_format is not None:
            return _in_utc(datetime.strptime(text, time_format), timezone)  # noqa: DTZ007 - zoned next
        if _EPOCH.fullmatch(text):
            return rfc3339(_epoch(text))
        return _in_utc(datetime.fromisoformat(text), timezone)
    except (ValueError, OverflowError) as error:
        raise Refused(
            f"The time {_quoted(text)} cannot be read.",
            code="TIME_UNPARSABLE",
            hint="Say its format with --time-format, as in strptime.",
            path="time",
        ) from error


def _quoted(text: str) -> str:
    # Not cut: half an address would not be recognised as one where such are removed.
    return repr(text) if len(text) <= 80 else f"of {len(text)} characters"


def _in_utc(moment: datetime, timezone: str) -> str:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    return rfc3339(instant(moment.astimezone(UTC)))


def _epoch(text: str) -> int:
    if "." in text or len(text.lstrip("-")) <= 10:
        return int(Decimal(text) * 1_000_000)
    return int(text) * (1_000 if len(text) == 13 else 1)


def _field(plan: Plan, field: str, value: Value) -> Json:
    if field == "time":
        if isinstance(value, datetime):
            return _in_utc(value, plan.timezone)
        return time_text(str(value).strip(), plan.timezone, plan.time_format)
    if field in _NUMBERS:
        number = literal(value.strip()) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int | Decimal):
            raise Refused(f"The {field} {value!r} is not a number.", code="BAD_FIELD", path=field)
        return number
    return value if isinstance(value, str) else str(value)


def _property(plan: Plan, column: str, value: Value) -> Json:
    if isinstance(value, str):
        return value if column in plan.text else literal(value)
    return _in_utc(value, plan.timezone) if isinstance(value, datetime) else value


def _put(event: dict[str, Json], field: str, value: Json) -> None:
    if field in _CONTEXT_FIELDS:
        *outer, last = ("context", *_CONTEXT_FIELDS[field])
        place = event
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    else:
        event[field] = value


def _check(fields: Fields, columns: tuple[str, ...]) -> None:
    for field in (*fields.map, *fields.set):
        if field not in FIELDS:
            raise Refused(
                f"An event has no field {field!r}.",
                code="FILE_UNREADABLE",
                hint=did_you_mean(field, FIELDS) or f"Fields: {', '.join(FIELDS)}.",
            )
    for column in (*fields.map.values(), *fields.text, *fields.ignore):
        if column not in columns:
            raise Refused(
                f"There is no column {column!r}.",
                code="FILE_UNREADABLE",
                hint=did_you_mean(column, columns) or f"Columns: {', '.join(columns)}.",
            )
    try:
        ZoneInfo(fields.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(f"{fields.timezone!r} is no time zone.", code="TIMEZONE_UNKNOWN") from error


def _yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - slow to load, and rarely needed

    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
