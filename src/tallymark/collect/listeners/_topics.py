"""What an MQTT topic and its payload mean: templates such as ``site/{site}/{device}/{metric}``."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from tallymark.collect.sources.mapping import literal, time_text
from tallymark.collect.sources.source import WireEvent
from tallymark.core.errors import Refused, TallymarkError

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_TIMES = ("time", "timestamp", "ts", "datetime", "created_at")
_IDS = ("id", "event_id", "message_id")
_NAMES = ("metric", "name")


class Template(Struct, frozen=True):
    """A topic whose levels are fixed, open (``+``) or named (``{site}``); ``#`` ends it with any."""

    levels: tuple[str, ...]

    @property
    def subscription(self) -> str:
        """The topic filter to ask a broker for."""
        return "/".join("+" if level.startswith("{") else level for level in self.levels)

    def names(self, topic: str) -> dict[str, str] | None:
        """Return the named levels of a topic, None if it is another's."""
        parts = topic.split("/")
        is_open = self.levels[-1] == "#"
        fixed = self.levels[:-1] if is_open else self.levels
        if len(parts) < len(fixed) or (len(parts) > len(fixed) and not is_open):
            return None
        found = {}
        for level, part in zip(fixed, parts, strict=False):
            if level.startswith("{"):
                found[level[1:-1]] = part
            elif level not in ("+", part):
                return None
        return found

    def device(self, topic: str) -> str | None:
        """Return the topic up to its device, which tells it from those of other places."""
        if "{device}" not in self.levels:
            return None
        return "/".join(topic.split("/")[: self.levels.index("{device}") + 1])


def read_template(text: str) -> Template:
    """Return a template; raises TallymarkError SETTING_INVALID for one no broker would take."""
    levels = tuple(text.split("/"))
    named = [level for level in levels if level.startswith("{")]
    is_sound = all(
        level in ("+", "") or not set(level) & set("+#{}\0") or _is_named(level)
        for level in (levels[:-1] if levels[-1] == "#" else levels)
    )
    if not text or not is_sound or len(set(named)) < len(named):
        raise TallymarkError(
            f"{text!r} is no topic.",
            code="SETTING_INVALID",
            hint="Write for example site/{site}/{device}/{metric}, or sensors/#.",
        )
    return Template(levels)


def _is_named(level: str) -> bool:
    return level[:1] == "{" and level[-1:] == "}" and level[1:-1].isidentifier()


class Reading(Struct, frozen=True):
    """An event without id, and what makes a message the same as another: empty if nothing does."""

    event: WireEvent
    same: str = ""


def find(templates: Sequence[Template], topic: str) -> tuple[Template, dict[str, str]] | None:
    """Return the first template that a topic is like, and its named levels."""
    for template in templates:
        names = template.names(topic)
        if names is not None:
            return template, names
    return None


def read_message(
    topic: str, payload: bytes, *, template: Template, names: dict[str, str], default_name: str
) -> Reading:
    """Return what a message says; raises Refused for a payload that is no text or has a wrong time.

    A JSON object gives properties, with ``value``, ``unit``, ``time`` and ``id`` in their places; a
    bare number is the value; other text is the property ``payload``.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise Refused("The payload is not UTF-8 text.", code="UTF8_INVALID") from error
    if "\0" in text:
        raise Refused("The payload holds NUL characters.", code="NUL_CHAR")
    properties: dict[str, Any] = {
        name: literal(level) for name, level in names.items() if name not in _NAMES
    }
    event: WireEvent = {"kind": "metric", "properties": properties}
    device = template.device(topic)
    if device is not None:
        # Named as a text even where it looks like a number: it says which one.
        properties["device"] = names["device"]
        event["anonymous_id"] = device
    same = _take_payload(event, text)
    named = next((names[name] for name in _NAMES if names.get(name)), None)
    event["name"] = named or properties.pop("metric", None) or default_name
    if not isinstance(event["name"], str):
        event["name"] = str(event["name"])
    return Reading(event, same)


def _take_payload(event: WireEvent, text: str) -> str:
    """Put what a payload says into an event; return what tells it from others, if anything does."""
    properties = event["properties"]
    try:
        said = _JSON.decode(text)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        properties["payload"] = text
        return ""
    match said:
        case bool() | str() | list() | None:
            properties["payload"] = said
        case int() | Decimal():
            event["value"] = said
        case dict():
            return _take_object(event, said)
    return ""


def _take_object(event: WireEvent, said: dict[str, Any]) -> str:
    same = ""
    for name in _TIMES:
        if said.get(name) is not None:
            event["time"] = time_text(str(said.pop(name)).strip(), "UTC", None)
            same = "time"
            break
    for name in _IDS:
        if isinstance(said.get(name), str | int) and not isinstance(said[name], bool):
            same = f"id:{said.pop(name)}"
            break
    value = said.get("value")
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        event["value"] = said.pop("value")
        if isinstance(said.get("unit"), str) and said["unit"]:
            event["unit"] = said.pop("unit")
    # What the topic says of a message is not overruled by what it says of itself.
    event["properties"] |= {k: v for k, v in said.items() if k not in event["properties"]}
    return same
