"""What Google's own server would find wrong with a request: ``/debug/mp/collect``.

These are its limits and not ours: a request that breaks them is stored all the same, but would not
arrive where it is sent to as well.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tallymark.collect.body import inflated
from tallymark.collect.loose import values
from tallymark.collect.protocol import Reply, Request
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings

from ._values import mapping, sequence, text

_LARGEST_BODY: Final = 130_000
_MOST_EVENTS: Final = 25
_MOST_PARAMS: Final = 25
_LONGEST_VALUE: Final = 100
_LONGEST_PAGE: Final = 1_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_RESERVED: Final = ("ga_", "google_", "firebase_")
_PAGES: Final = frozenset({"page_location", "page_referrer", "page_title"})
_MOST_SHOWN: Final = 100


def validate(request: Request, settings: Settings) -> Reply:
    """Return what is wrong with the body of a request, of which nothing is stored."""
    found = [
        {"fieldPath": path, "description": description, "validationCode": code}
        for _, (path, description, code) in zip(
            range(_MOST_SHOWN), _read(request, settings), strict=False
        )
    ]
    return Reply(200, msgspec.json.encode({"validationMessages": found}))


def _read(request: Request, settings: Settings) -> Iterator[tuple[str, str, str]]:
    # Anybody may ask, so nothing large is looked at.
    if len(request.body) > _LARGEST_BODY:
        yield "", f"The body has more than {_LARGEST_BODY} bytes.", "VALUE_OUT_OF_BOUNDS"
        return
    try:
        body = inflated(request, settings)
        if len(body) > _LARGEST_BODY:
            yield "", f"The body has more than {_LARGEST_BODY} bytes.", "VALUE_OUT_OF_BOUNDS"
            return
        content = values(body)
    except Refused as why:
        yield "", why.message, "VALUE_INVALID"
        return
    if not isinstance(content, dict):
        yield "", "The body is no object.", "VALUE_INVALID"
        return
    yield from _messages(content)


def _messages(content: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not text(content.get("client_id")) and not text(content.get("app_instance_id")):
        yield "client_id", "client_id or app_instance_id is missing.", "VALUE_REQUIRED"
    events = content.get("events")
    if not isinstance(events, list) or not events:
        yield "events", "There are no events.", "VALUE_REQUIRED"
    found = sequence(events)
    if len(found) > _MOST_EVENTS:
        yield "events", f"There are more than {_MOST_EVENTS} events.", "EXCEEDED_MAX_ENTITIES"
    for index, event in enumerate(found):
        yield from _event(f"events[{index}]", event)
    for name in mapping(content.get("user_properties")):
        yield from _name(f"user_properties.{name[:40]}", name)


def _event(path: str, event: Any) -> Iterator[tuple[str, str, str]]:
    given = mapping(event)
    yield from _name(f"{path}.name", given.get("name"))
    params = given.get("params", {})
    if not isinstance(params, dict):
        yield f"{path}.params", "The parameters are no object.", "VALUE_INVALID"
        return
    if len(params) > _MOST_PARAMS:
        yield (
            f"{path}.params",
            f"There are more than {_MOST_PARAMS} parameters.",
            "EXCEEDED_MAX_ENTITIES",
        )
    for name, value in params.items():
        yield from _name(f"{path}.params.{name[:40]}", name)
        limit = _LONGEST_PAGE if name in _PAGES else _LONGEST_VALUE
        if isinstance(value, str) and len(value) > limit:
            yield (
                f"{path}.params.{name[:40]}",
                f"The value has more than {limit} characters.",
                "VALUE_OUT_OF_BOUNDS",
            )


def _name(path: str, name: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(name, str) or not name:
        yield path, "There is no name.", "VALUE_REQUIRED"
    elif not _NAME.fullmatch(name):
        yield path, "A name is a letter, then letters, digits and _, 40 in all.", "NAME_INVALID"
    elif name.startswith(_RESERVED):
        yield path, f"Names that begin with {', '.join(_RESERVED)} are reserved.", "NAME_RESERVED"
