"""Examples on the pages of insights: events one a line, questions, and numbers of their answers.

A block of text below ``<!-- checked -->`` is such an example. Its lines are

- ``2026-11-02 09:00 ana open path=/a``: when (in UTC), who, what, and fields or properties. ``~phone``
  is an anonymous id, ``-`` nobody; ``ana,bo`` and ``u1..u9`` are several; ``x3`` says how often.
- ``2026-11-02 09:00 ana has plan=free``: what is told of a person; without a value it is unset.
- ``~phone is ana``: two ids are one person.
- ``now 2026-11-10 12:00``: when the questions below are asked; 1 December 2026 if it is not said.
- ``ask {…}``: a question as JSON, which may go on on the next lines.
- ``rows.0.units.count = 2``: a number of the answer. ``*`` are all of a list, ``[name=b]`` the one
  whose name is b.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from tests.insights.asking import Store, ask
from tests.strategies import Link, ToldHistory, Use

from tallymark.core.clock import instant
from tallymark.core.event import Operation, ProfileOp
from tallymark.core.registry import discover
from tallymark.insights.insight import Insight

_BLOCK: Final = re.compile(r"<!-- checked -->\n```text\n(?P<text>.*?)```", re.DOTALL)
_SEVERAL: Final = re.compile(r"(?P<name>\D*)(?P<first>\d+)\.\.\D*(?P<last>\d+)")
_PART: Final = re.compile(r"(?P<name>\w+|\*)(\[(?P<key>\w+)=(?P<value>[^\]]*)\])?")
_LATER: Final = "2026-12-01 00:00"
_NUMBERS: Final = ("value", "revenue")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Expected(Struct, frozen=True):
    """One number that a page tells, with where it is in the answer."""

    path: str
    value: Any


class Asked(Struct):
    """One question of an example, when it is asked, and what the page says of its answer."""

    now: int
    question: dict[str, Any]
    expected: list[Expected]


class Example(Struct, frozen=True):
    """What happened, in the order in which it arrived, and what is asked of it."""

    history: ToldHistory
    asked: list[Asked]


def examples(insight: Insight) -> list[Example]:
    """Return the checked examples on the page of an insight."""
    return [_read(match["text"]) for match in _BLOCK.finditer(insight.rules)]


def wrong(store: Store, name: str, example: Example) -> list[str]:
    """Return a line for each number of an example that the answer has otherwise."""
    store.replace(example.history)
    lines = []
    for one in example.asked:
        store.scope = structs.replace(store.scope, now=one.now)
        data = msgspec.to_builtins(ask(store, name, **one.question), builtin_types=(Decimal,))
        for expected in one.expected:
            found = _at(data, expected.path)
            if found != expected.value:
                lines.append(f"{expected.path} is {found!r}, and not {expected.value!r}")
    return lines


def insights() -> dict[str, Insight]:
    """Return every insight by name."""
    return dict(discover("tallymark.insights", Insight))


def _read(text: str) -> Example:
    history: list[Any] = []
    asked: list[Asked] = []
    now = _instant(_LATER)
    lines = iter(line for line in text.splitlines() if line.strip())
    for line in lines:
        if line.startswith("ask "):
            asked.append(Asked(now, _question(line.removeprefix("ask "), lines), []))
        elif line.startswith("now "):
            now = _instant(line.removeprefix("now "))
        elif " = " in line:
            path, _, value = line.partition(" = ")
            asked[-1].expected.append(Expected(path.strip(), _decode(value)))
        else:
            history += _happened(line)
    return Example(history, asked)


def _question(text: str, lines: Iterator[str]) -> dict[str, Any]:
    while True:
        try:
            found: dict[str, Any] = _decode(text)
        except msgspec.DecodeError:
            text += next(lines)
        else:
            return found


def _happened(line: str) -> Iterator[Any]:
    words = shlex.split(line)
    if words[1] == "is":
        yield Link(words[0].removeprefix("~"), words[2])
        return
    day, hour, whom, name, *rest = words
    often = 1
    if rest and re.fullmatch(r"x\d+", rest[0]):
        often = int(rest.pop(0)[1:])
    given = dict(word.split("=", 1) for word in rest)
    time = _instant(f"{day} {hour}")
    for who in _names(whom):
        if name == "has":
            told = {key: _value(value) for key, value in given.items()}
            op: Operation = "unset" if None in told.values() else "set"
            yield ProfileOp(op, who, "", time, told, "user")
            continue
        for _ in range(often):
            yield _use(who, name, time, given)


def _use(who: str, name: str, time: int, given: dict[str, str]) -> Use:
    known = {key: value for key, value in given.items() if key in Use.__struct_fields__}
    fields: dict[str, Any] = {
        key: Decimal(value) if key in _NUMBERS else value == "true" if key == "is_bot" else value
        for key, value in known.items()
    }
    if who.startswith("~"):
        fields["anonymous"] = who.removeprefix("~")
    elif who != "-":
        fields["user"] = who
    properties = {key: _value(value) for key, value in given.items() if key not in known}
    return Use(name=name, time=time, properties=properties, **fields)


def _names(whom: str) -> Iterator[str]:
    for part in whom.split(","):
        if several := _SEVERAL.fullmatch(part):
            for number in range(int(several["first"]), int(several["last"]) + 1):
                yield f"{several['name']}{number}"
        else:
            yield part


def _value(text: str) -> Any:
    if not text:
        return None
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return text


def _instant(text: str) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _at(data: Any, path: str) -> Any:
    # A point may stand in the value of a part in brackets.
    parts = re.findall(r"[\w*]+(?:\[[^\]]*\])?", path)
    for place, text in enumerate(parts):
        part = _PART.fullmatch(text)
        assert part is not None, path
        if part["name"] == "*":
            rest = ".".join(parts[place + 1 :])
            return [_at(one, rest) if rest else one for one in data]
        data = data[int(part["name"])] if part["name"].isdigit() else data[part["name"]]
        if part["key"]:
            data = next(one for one in data if one[part["key"]] == part["value"])
    return data
