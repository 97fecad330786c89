"""Typed code for the events of a plan, so that a wrong event does not compile.

One function and type an event, of the newest version that may be sent. Names come from people: in the
code they stand only as literals, and as identifiers made of letters, digits and underscores.
"""

import json
import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from .plan import VERSION_PROPERTY, EventPlan, Plan, Property, version_of

Language: TypeAlias = Literal["python", "typescript"]

_PYTHON_HEAD: Final = '''\
"""Events of the tracking plan, made by `tallymark plan gen python`; changes here are lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Required, TypedDict

from tallymark_client import Client
'''
_PYTHON_FUNCTION: Final = '''

def {function}(client: Client, properties: {type}, **fields: Any) -> str:
    """Count {called} and return its id.

    ``fields`` are those of ``Client.track``, such as ``user_id``.
    """
    return client.track(
        {event},
        properties={{**properties, {named}: {version}}},
        **fields,
    )
'''
_TYPESCRIPT_HEAD: Final = """\
// Events of the tracking plan, made by `tallymark plan gen typescript`; changes here are lost.
"""
_TYPESCRIPT_TAIL: Final = """
export type Track = <Name extends keyof Events>(name: Name, properties: Events[Name]) => void;

/** Returns a `track` that takes planned events only, and says which version each is of. */
export function planned(
  send: (name: string, properties: Record<string, unknown>) => void,
): Track {
  return (name, properties) => send(name, { ...properties, %s: versions[name] });
}
"""


def generate(plan: Plan, language: Language) -> str:
    """Return a module of the language."""
    return LANGUAGES[language](plan)


def sendable(plan: Plan) -> list[EventPlan]:
    """Return the newest version of each event that is not retired, by name."""
    newest: dict[str, EventPlan] = {}
    for one in plan.events:
        there = newest.get(one.event)
        if one.status != "retired" and (
            there is None or version_of(one.version) > version_of(there.version)
        ):
            newest[one.event] = one
    return [newest[name] for name in sorted(newest)]


def _python(plan: Plan) -> str:
    events = sendable(plan)
    functions = _distinct((_snake(one.event) for one in events), {"Client"})
    types = _distinct((_pascal(one.event) for one in events), _PYTHON_TAKEN)
    parts = [_PYTHON_HEAD]
    for one, function, name in zip(events, functions, types, strict=True):
        members = "".join(
            f"        {_quoted(key)}: {_python_member(planned)},\n"
            for key, planned in _own(one).items()
        )
        inside = f"\n{members}    " if members else ""
        parts.append(
            f'\n\n{name} = TypedDict(\n    "{name}",\n    {{{inside}}},\n    total=False,\n)\n'
        )
        parts.append(
            _PYTHON_FUNCTION.format(
                function=function, type=name, called=_called(one), event=_quoted(one.event),
                named=_quoted(VERSION_PROPERTY), version=_quoted(one.version),
            )
        )  # fmt: skip
    return "".join(parts)


def _python_member(planned: Property) -> str:
    kind = _python_type(planned)
    return f"Required[{kind}]" if planned.required else kind


def _python_type(planned: Property) -> str:
    if planned.enum and all(not isinstance(one, Decimal) for one in planned.enum):
        return f"Literal[{', '.join(_python_literal(one) for one in planned.enum)}]"
    if planned.type == "array":
        return f"Sequence[{'Any' if planned.items is None else _python_type(planned.items)}]"
    return _PYTHON_TYPES[planned.type]


def _python_literal(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _typescript(plan: Plan) -> str:
    events = sendable(plan)
    types = _distinct((_pascal(one.event) for one in events), {"Events", "Track"})
    parts = [_TYPESCRIPT_HEAD]
    for one, name in zip(events, types, strict=True):
        members = "".join(
            f"  {_quoted(key)}{'' if planned.required else '?'}: {_typescript_type(planned)};\n"
            for key, planned in _own(one).items()
        )
        parts.append(f"\n/** {_called(one)} */\nexport interface {name} {{\n{members}}}\n")
    listed = zip(events, types, strict=True)
    members = "".join(f"  {_quoted(one.event)}: {name};\n" for one, name in listed)
    parts.append(f"\nexport interface Events {{\n{members}}}\n")
    members = "".join(f"  {_quoted(one.event)}: {_quoted(one.version)},\n" for one in events)
    parts.append(f"\nexport const versions: Record<keyof Events, string> = {{\n{members}}};\n")
    parts.append(_TYPESCRIPT_TAIL % VERSION_PROPERTY)
    return "".join(parts)


def _typescript_type(planned: Property) -> str:
    if planned.enum:
        return " | ".join(_typescript_literal(one) for one in planned.enum)
    if planned.type == "array":
        inner = "unknown" if planned.items is None else _typescript_type(planned.items)
        return f"ReadonlyArray<{inner}>"
    return _TYPESCRIPT_TYPES[planned.type]


def _typescript_literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return _quoted(value) if isinstance(value, str) else str(value)


def _own(one: EventPlan) -> Mapping[str, Property]:
    # The version is the code's to say, and what is dropped need not be sent.
    return {
        name: planned
        for name, planned in one.properties.items()
        if name != VERSION_PROPERTY and planned.treat != "drop"
    }


def _called(one: EventPlan) -> str:
    """Return how to call an event in a comment: nothing of it may end the comment."""
    plain = re.sub(r"[^\w .:-]", "_", one.event)
    owner = re.sub(r"[^\w .:@-]", "_", one.owner or "")
    return f"`{plain}` {one.version}" + (f", owned by {owner}" if owner.strip() else "")


def _quoted(text: str) -> str:
    """Return text as a literal, which both languages read the same."""
    # Not ASCII alone: JSON writes a rare character as two halves, which Python reads as two.
    return json.dumps(text, ensure_ascii=False)


def _snake(name: str) -> str:
    return "_".join(_words(name)) or "event"


def _pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in _words(name)) or "Event"


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", apart)]


def _distinct(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return the names as identifiers that differ from each other and from those taken."""
    used = set(taken)
    found: list[str] = []
    for name in names:
        base = f"e_{name}" if name[0].isdigit() else name
        base = f"{base}_" if keyword.iskeyword(base) else base
        one, number = base, 2
        while one in used:
            one, number = f"{base}_{number}", number + 1
        used.add(one)
        found.append(one)
    return found


_PYTHON_TAKEN: Final = frozenset(
    {"Any", "Client", "Decimal", "Literal", "Mapping", "Required", "Sequence", "TypedDict"}
)
_PYTHON_TYPES: Final = {
    "string": "str", "number": "int | float | Decimal", "integer": "int", "boolean": "bool",
    "object": "Mapping[str, Any]",
}  # fmt: skip
_TYPESCRIPT_TYPES: Final = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean",
    "object": "Record<string, unknown>",
}  # fmt: skip
LANGUAGES: Final[Mapping[Language, Callable[[Plan], str]]] = {
    "python": _python, "typescript": _typescript,
}  # fmt: skip
