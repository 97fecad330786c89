"""Mixpanel's raw export: one ``{"event", "properties"}`` a line, also with gzip; and its profiles.

What an event was sent with is in ``$distinct_id_before_identity`` where Mixpanel has since found
whose it is; ``distinct_id`` is then the person. The first is the id of the live event, and that both
are one person is told as a link. ``time`` is in seconds, or in milliseconds if the export was asked for
them; in projects that were made before 2023 it is the clock of the project's time zone, which
``--timezone`` says. A line with ``$properties`` is a profile, as the query of profiles gives it.
"""

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallymark.collect.protocols._foreign import link, source
from tallymark.collect.protocols._mixpanel_events import (
    NAMESPACE,
    Reading,
    bare,
    insert_namespace,
    link_end,
    read_event,
)
from tallymark.collect.protocols._mixpanel_profiles import read_person
from tallymark.collect.protocols._values import content_id, mapping, text, when, without
from tallymark.core.clock import EPOCH, instant
from tallymark.core.errors import Refused
from tallymark.core.event import Command

from ._export import Found, Importing, digest, is_news, known_time, left, read_export
from .source import Item, Options, Source

_BEFORE: Final = "$distinct_id_before_identity"
_READ: Final = frozenset({"event", "properties"})
_READ_OF_PROFILE: Final = frozenset({"$distinct_id", "$properties"})
_LAST_SEEN: Final = "$last_seen"


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give what every line tells, or the reason why it tells nothing."""
    _zone(options.fields.timezone)
    return read_export(path, options, position, _found)


def explain(path: Path, options: Options) -> list[str]:
    """Say how the export is read."""
    del path
    return [
        "each line is an event of Mixpanel with its $insert_id as the id, or a profile",
        f"times are in {_zone(options.fields.timezone).key}",
    ]


def _found(row: dict[str, Any], by: Importing) -> Found:
    reading = Reading(by.terms, by.policy, is_import=True)
    if "$properties" in row:
        return _profile(row, reading, by)
    given = mapping(row.get("properties"))
    time = _in_utc(known_time(given.get("time")), by.timezone)
    sent = text(given.get(_BEFORE)) or text(given.get("distinct_id"))
    item = {
        **row,
        "properties": {**without(given, _BEFORE), "time": time, "distinct_id": sent},
    }
    return Found([*read_event(item, reading), *_person(row, given, time, by)], left(row, _READ))


def _person(row: dict[str, Any], given: dict[str, Any], time: int, by: Importing) -> list[Command]:
    """Return that the id an event was sent with is the person Mixpanel found; once for each pair."""
    before, now = text(given.get(_BEFORE)), text(given.get("distinct_id"))
    if before is None or now is None or before == now:
        return []
    if not is_news((_BEFORE, before), {"is": now}, by):
        return []
    device = bare(text(given.get("$device_id")))
    one, other = link_end(before, device), link_end(now, device)
    namespace = insert_namespace(text(row.get("event")), before)
    origin = source(by.terms, namespace, content_id("is", before, now), time)
    # Mixpanel has decided that two of its users are one; nobody else may do that silently.
    return link(origin, one, other, "merge" if one[0] == other[0] else "identify")


def _profile(row: dict[str, Any], reading: Reading, by: Importing) -> Found:
    """Return a profile as it is now, which is told at the time it was seen last."""
    given = mapping(row["$properties"])
    seen = when(given.get(_LAST_SEEN)) or by.terms.received_at
    item = {
        "$distinct_id": row.get("$distinct_id"),
        "$set": given,
        "$time": seen,
        "$insert_id": content_id(NAMESPACE, row),
    }
    return Found(list(read_person(item, reading)), left(row, _READ_OF_PROFILE))


def _in_utc(time: int, timezone: str) -> int:
    """Return an instant that was written as the clock of a time zone; of two the first."""
    if timezone == "UTC":
        return time
    clock = (EPOCH + timedelta(microseconds=time)).replace(tzinfo=_zone(timezone))
    return instant(clock.astimezone(UTC))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(f"{name!r} is no time zone.", code="TIMEZONE_UNKNOWN") from error


mixpanel_export = Source(
    name="mixpanel-export",
    summary="Mixpanel's raw export of events, and its profiles, in JSON.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
)
