"""PostHog's events as its batch exports write them: one JSON object a line, also with gzip.

The members are those of its events model: ``uuid``, ``event``, ``distinct_id``, ``properties``,
``timestamp``, ``person_properties``, ``elements_chain`` … An export to a database writes the two
kinds of properties as text; both are read. So is an array, and what its API calls ``id``. PostHog has
moved times by the client's clock already, and its ``uuid`` is the one that the client sent.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tallymark.collect.loose import values
from tallymark.collect.protocols._foreign import source
from tallymark.collect.protocols._posthog_context import known
from tallymark.collect.protocols._posthog_people import who
from tallymark.collect.protocols._values import mapping, text
from tallymark.collect.protocols.posthog import reader
from tallymark.core.errors import Refused
from tallymark.core.event import Command, Event

from ._export import Found, Importing, digest, known_time, left, read_export, state
from .source import Item, Options, Source

_READ: Final = frozenset(
    {
        "uuid", "id", "event", "distinct_id", "properties", "timestamp", "person_properties",
        "elements_chain",
    }
)  # fmt: skip


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give what every event of an export tells, or the reason why it tells nothing."""
    return read_export(path, options, position, _found)


def explain(path: Path, options: Options) -> list[str]:
    """Say how the export is read."""
    del path, options
    return ["each object is an event of PostHog, with its uuid as the id"]


def _found(row: dict[str, Any], by: Importing) -> Found:
    given = _object(row.get("properties"), "properties")
    chain = text(row.get("elements_chain"))
    if chain is not None:
        given = {"$elements_chain": chain, **given}
    item = {
        "uuid": row.get("uuid") or row.get("id"),
        "event": row.get("event"),
        "distinct_id": row.get("distinct_id"),
        "timestamp": row.get("timestamp"),
        "properties": given,
    }
    known_time(item["timestamp"])
    items = list(reader(by.policy, plain=by.terms, skewed=by.terms)(item))
    return Found([*items, *_state(row, item, items, by)], left(row, _READ))


def _state(
    row: dict[str, Any], item: dict[str, Any], items: list[Event | Command], by: Importing
) -> list[Command]:
    """Return what PostHog knew of the person, once for as long as it stays the same."""
    told = next((one for one in items if isinstance(one, Event)), None)
    person = who(item, mapping(item["properties"]))
    if told is None or not person.has_profile:
        return []
    subject = ("user", told.user_id) if person.user else ("anonymous", told.anonymous_id)
    given = _object(row.get("person_properties"), "person_properties")
    origin = source(by.terms, told.namespace, told.id, told.time)
    return state(subject, known(given, by.policy), origin, by)


def _object(given: Any, path: str) -> dict[str, Any]:
    """Return an object, also one that was written as text; raises Refused for any other text."""
    if isinstance(given, str) and given.strip():
        given = values(given.encode("utf-8", "replace"))
        if not isinstance(given, dict):
            raise Refused(f"{path} is no object.", code="BAD_FIELD", path=path)
    return mapping(given)


posthog_export = Source(
    name="posthog-export",
    summary="Events as PostHog's batch exports write them, in JSON.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
)
