"""Amplitude's export: one event a line, in a zip of gzip files or in those files, as its API gives it.

The members are those of its export schema, with times as ``2025-07-17 10:36:28.583000`` in UTC.
``client_event_time`` is what the client said and ``event_time`` that by a right clock; an event without
``$insert_id`` is known by its ``uuid``. With every event the export repeats what was known of the user
and of the groups; it is told when it changes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from tallymark.collect.protocols._amplitude_events import Reading, read_event, shared
from tallymark.collect.protocols._foreign import Source as Origin
from tallymark.collect.protocols._foreign import another
from tallymark.collect.protocols._values import mapping, text, when
from tallymark.core.event import Command, Event

from ._export import Found, Importing, digest, known_time, left, read_export, state
from .source import Item, Options, Source

# Members of the export by what the same is called where events are sent.
_NAMES: Final = {
    "event_type": "event_type", "user_id": "user_id", "device_id": "device_id",
    "event_properties": "event_properties", "groups": "groups", "session_id": "session_id",
    "os_name": "os_name", "os_version": "os_version", "device_brand": "device_brand",
    "device_manufacturer": "device_manufacturer", "device_model": "device_model",
    "device_carrier": "carrier", "language": "language", "country": "country", "region": "region",
    "city": "city", "dma": "dma", "platform": "platform", "version_name": "version_name",
    "library": "library", "ip_address": "ip", "plan": "plan", "partner_id": "partner_id",
    "$insert_id": "insert_id",
}  # fmt: skip
_READ: Final = frozenset(
    {
        *_NAMES, "event_time", "client_event_time", "uuid", "user_properties", "group_properties",
    }
)  # fmt: skip
# Kinds of subjects that are no groups; a group of that type would be taken for a person.
_PEOPLE: Final = frozenset({"user", "anonymous"})


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give what every event tells, or the reason why it tells nothing."""
    return read_export(path, options, position, _found)


def explain(path: Path, options: Options) -> list[str]:
    """Say how the export is read."""
    del path, options
    return ["each line is an event of Amplitude, with its $insert_id or uuid as the id"]


def _found(row: dict[str, Any], by: Importing) -> Found:
    item = {name: row[key] for key, name in _NAMES.items() if row.get(key) is not None}
    item["time"] = row.get("client_event_time") or row.get("event_time")
    item["insert_id"] = text(row.get("$insert_id")) or text(row.get("uuid"))
    reading = Reading(by.terms, by.policy)
    items: list[Event | Command] = []
    if item.get("event_type") != "$groupidentify":
        items = [_at(one, when(row.get("event_time"))) for one in read_event(item, reading)]
    known_time(item["time"])
    origin = shared(item, reading)
    return Found([*items, *_known(row, item, origin, by)], left(row, _READ))


def _at(told: Event | Command, time: int | None) -> Event | Command:
    """Return an event at the time that Amplitude believes; what the client said stays beside it."""
    if not isinstance(told, Event) or time is None or time == told.time:
        return told
    return structs.replace(told, time=time, time_rule="repaired")


def _known(
    row: dict[str, Any], item: dict[str, Any], origin: Origin, by: Importing
) -> list[Command]:
    user, device = text(item.get("user_id")), text(item.get("device_id"))
    subject = ("anonymous", device) if user is None else ("user", user)
    found = state(subject, mapping(row.get("user_properties")), origin, by)
    for kind, groups in mapping(row.get("group_properties")).items():
        for place, (name, properties) in enumerate(mapping(groups).items()):
            if kind not in _PEOPLE:
                each = another(origin, f"{kind}/{place}")
                found += state((kind, name), mapping(properties), each, by)
    return found


amplitude_export = Source(
    name="amplitude-export",
    summary="Amplitude's export of events: a zip or its files of JSON lines.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
)
