"""What the readers of other tools' exports share.

A reader gives what one record of an export tells as its protocol would give the live one: the same
name, properties, ids and the namespace of its id. So what came live before is not counted again, nor
an export that is loaded twice, in whatever file or order.

An export never grows, so a file is known by all of its content, and a record is told apart from
another by its own id; where a tool gives none, by what the record holds.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct, structs

from tallymark.collect.loose import values
from tallymark.collect.protocols._checks import Terms
from tallymark.collect.protocols._foreign import Source, agreed, another, profile
from tallymark.collect.protocols._values import content_id, when
from tallymark.core.errors import Refused
from tallymark.core.event import IMPORTED, Command, Event
from tallymark.core.policy import Policy

from ._lines import MAX_LINE, failure
from ._objects import objects, too_long
from .csv import Table, rows
from .source import Failure, Item, Line, Options, Record

_DIGEST_BYTES: Final = 12
# People whose last state is remembered, so that it is told again only when it changed.
_MOST_KNOWN: Final = 100_000
_EMPTY: Final = frozenset({"", "\\N", "NULL"})
_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


class Importing(Struct, frozen=True):
    """What the records of one file are read by; ``known`` holds the last state told of somebody."""

    terms: Terms
    policy: Policy
    timezone: str
    since: int
    until: int
    known: dict[tuple[str, str], bytes]


class Found(Struct, frozen=True):
    """What one record tells, and the names of its fields that are not in it.

    ``refused`` has the parts of a record that tell nothing, by their place in it.
    """

    items: list[Event | Command]
    left: tuple[str, ...] = ()
    refused: dict[int, Refused] = {}


Reader: TypeAlias = Callable[[dict[str, Any], Importing], Found]


def read_export(
    path: Path, options: Options, position: int, reader: Reader, *, longest: int = MAX_LINE
) -> Iterator[Item]:
    """Give what every object of a file tells, or the reason why it tells nothing."""
    by = importing(options)
    for line in objects(path, position, digest=digest(path, 0), longest=longest):
        if isinstance(line, Failure):
            yield line
            continue
        try:
            if (why := too_long(line, longest)) is not None:
                raise why
            yield from records(line, _object(line.text), reader, by)
        except Refused as refusal:
            yield failure(line, refusal)


def read_table(table: Table, options: Options, position: int, reader: Reader) -> Iterator[Item]:
    """Give what every record of a text table tells, or the reason why it tells nothing.

    What is empty is left out, also where a database says so in a word.
    """
    by = importing(options)
    for row in rows(table, position):
        if isinstance(row, Failure):
            yield row
            continue
        try:
            if row.is_latin:
                raise Refused("The record is not UTF-8.", code="UTF8_INVALID")
            cells = {name: cell for name, cell in row.cells.items() if cell not in _EMPTY}
            yield from records(row.line, cells, reader, by)
        except Refused as refusal:
            yield failure(row.line, refusal)


def importing(options: Options) -> Importing:
    """Return what the records of a file are read by."""
    around = options.around
    terms = agreed(around.settings, received_at=around.now, public=False)
    since = 0 if options.since is None else options.since
    until = sys.maxsize if options.until is None else options.until
    return Importing(terms, around.policy, options.fields.timezone, since, until, {})


def records(line: Line, row: dict[str, Any], reader: Reader, by: Importing) -> Iterator[Item]:
    """Give what one record tells, to be sent as it is, and why parts of it tell nothing.

    Raises Refused if all of it tells nothing.
    """
    found = reader(row, by)
    uses = [one for one in found.items if isinstance(one, Event)]
    changes = [one for one in found.items if not isinstance(one, Event)]
    refused = dict(found.refused)
    events: list[Event] = []
    for place, one in enumerate(uses):
        try:
            events.append(_original(one, row, place))
        except Refused as refusal:
            if len(uses) + len(refused) == 1:
                raise
            refused[len(uses) + place] = refusal
    for place, why in refused.items():
        whole = failure(line, why)
        yield structs.replace(whole, id=f"{whole.id}:{place}")
    kept = [one for one in events if by.since <= one.time < by.until]
    made = [one for one in changes if by.since <= one.time < by.until]
    if kept or made or not (events or changes or refused):
        told = {"type": IMPORTED, "events": kept, "commands": made}
        yield Record(line.number, line.offset, told, found.left)
    elif events or changes:
        yield Record(line.number, line.offset, {}, found.left)


def digest(path: Path, position: int) -> str:
    """Return what stands for a file: the digest of all of it."""
    del position
    with path.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)
        ).hexdigest()


def state(
    subject: tuple[str, str | None], given: Mapping[str, Any], origin: Source, by: Importing
) -> list[Command]:
    """Return what is known of somebody as a change, if it is another than the last one told.

    Exports repeat the whole state with every event. After a pause the first is told again, which
    changes nothing.
    """
    if not is_news(subject, given, by):
        return []
    return profile(another(origin, "state"), "set", subject, dict(given), by.terms)


def is_news(subject: tuple[str, str | None], given: Mapping[str, Any], by: Importing) -> bool:
    """Return whether the state of somebody is another than the last one told."""
    kind, who = subject
    if who is None or not given:
        return False
    seen = hashlib.blake2b(_encode(given), digest_size=8).digest()
    if by.known.get((kind, who)) == seen:
        return False
    if len(by.known) >= _MOST_KNOWN:
        by.known.clear()
    by.known[kind, who] = seen
    return True


def known_time(given: Any) -> int:
    """Return when something happened; raises Refused if it cannot be read: it was not just now."""
    found = when(given)
    if found is None:
        raise Refused(
            "The event has no time that can be read.", code="TIME_UNPARSABLE", path="time"
        )
    return found


def left(row: Mapping[str, Any], *known: frozenset[str]) -> tuple[str, ...]:
    """Return the names of the fields that say something and are not among the known ones."""
    return tuple(
        name
        for name, value in row.items()
        if value not in (None, "", [], {}) and not any(name in names for names in known)
    )


def _original(told: Event, row: dict[str, Any], place: int) -> Event:
    """Return an event at its own time; raises Refused if it tells none, or one still to come."""
    if told.time_client is None:
        raise Refused(
            "The event has no time that can be read.", code="TIME_UNPARSABLE", path="time"
        )
    if told.time_rule == "clamped":
        raise Refused("The time is not between 1970 and now.", code="TIME_FUTURE", path="time")
    event_id, flags = told.id, told.flags
    if "no_id" in flags:
        # The live one had no id either. Made from the record, this one is the same in every export.
        event_id = content_id("export", row, str(place))
    return structs.replace(told, id=event_id, flags=tuple(dict.fromkeys((*flags, IMPORTED))))


def _object(text: bytes) -> dict[str, Any]:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise Refused(
            f"The text is not UTF-8 at byte {error.start}.", code="UTF8_INVALID"
        ) from None
    found = values(text.strip())
    if not isinstance(found, dict):
        raise Refused("The line is no JSON object.", code="JSON_SYNTAX")
    return found
