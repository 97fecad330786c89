"""JSON lines: one object a line, either an event as the server takes it, or mapped like a table's row.

An object whose members are all members of an event is one; nothing of it is changed but a missing
id. Otherwise, or with a mapping, its members are columns.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from tallymark.core.errors import Refused

from . import mapping
from ._lines import MAX_LINE, digest_at, ended_size, failure, lines, plain_text
from .source import Failure, Item, Line, Options, Record, Source, WireEvent

_EVENT_MEMBERS = frozenset(
    {
        "name", "id", "time", "user_id", "anonymous_id", "account", "groups", "session_id", "kind",
        "properties", "context", "value", "unit", "revenue", "currency", "type",
    }
)  # fmt: skip
# Objects of one file mostly have the same members.
_MOST_PLANS = 256
_Plans: TypeAlias = dict[tuple[str, ...], mapping.Plan]
_JSON = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give an event or a reason for every line that is not blank."""
    plans: _Plans = {}
    for line in lines(path, position=position):
        item = line if isinstance(line, Failure) else _item(line, options.fields, plans)
        if item is not None:
            yield item


def read_line(line: Line, options: Options) -> Item | None:
    """Return the event of one line, or why it gives none; None for a blank one."""
    return _item(line, options.fields, {})


def explain(path: Path, options: Options) -> list[str]:
    """Say how the first readable line is read; others may have other members."""
    for line in lines(path):
        if isinstance(line, Failure):
            break
        try:
            row = _object(line)
        except Refused:
            continue
        if _is_event(row, options.fields):
            return ["each line is an event as the server takes it"]
        return mapping.explain(mapping.settle(options.fields, row))
    return ["no line can be read"]


def _item(line: Line, fields: mapping.Fields, plans: _Plans) -> Item | None:
    if not line.text or line.text.isspace():
        return None
    try:
        return Record(line.number, line.offset, _event(line, fields, plans))
    except Refused as refusal:
        return failure(line, refusal)


def _event(line: Line, fields: mapping.Fields, plans: _Plans) -> WireEvent:
    row = _object(line)
    if _is_event(row, fields):
        event = row
    else:
        event = mapping.to_event(_plan(tuple(row), fields, plans), row)
    event.setdefault("id", f"{line.digest}:{line.offset}")
    return event


def _plan(columns: tuple[str, ...], fields: mapping.Fields, plans: _Plans) -> mapping.Plan:
    plan = plans.get(columns)
    if plan is None:
        if len(plans) >= _MOST_PLANS:
            plans.clear()
        try:
            plan = mapping.settle(mapping.present(fields, columns), columns)
        except Refused as refusal:
            raise Refused(refusal.message, code="MISSING_FIELD") from refusal
        plans[columns] = plan
    return plan


def _object(line: Line) -> dict[str, Any]:
    if len(line.text) > MAX_LINE:
        raise Refused(f"The line is longer than {MAX_LINE} bytes.", code="EVENT_TOO_LARGE")
    text, is_latin = plain_text(line.text)
    if is_latin:
        raise Refused("The line is not UTF-8.", code="UTF8_INVALID")
    try:
        return _JSON.decode(text)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise Refused(f"The line is no JSON object: {error}.", code="JSON_SYNTAX") from error


def _is_event(row: dict[str, Any], fields: mapping.Fields) -> bool:
    return "name" in row and not (fields.map or fields.set) and _EVENT_MEMBERS.issuperset(row)


ndjson = Source(
    name="ndjson",
    summary="JSON lines: events as the server takes them, or objects with a mapping.",
    read=read,
    explain=explain,
    digest=digest_at,
    line=read_line,
    ended=ended_size,
)
