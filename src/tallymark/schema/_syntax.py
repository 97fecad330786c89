"""The syntax of patterns: from text to a tree."""

import sys
from typing import Final, TypeAlias

from msgspec import Struct

from tallymark.core.errors import Refused

_Ranges: TypeAlias = tuple[tuple[str, str], ...]

_HIGHEST: Final = chr(sys.maxunicode)
_DIGIT: Final[_Ranges] = (("0", "9"),)
_WORD: Final[_Ranges] = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
_SPACE: Final[_Ranges] = (("\t", "\r"), (" ", " "))
_CLASSES: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}-/")
_MOST_REPEATED: Final = 1_000


class Symbols(Struct, frozen=True):
    """One character out of a set."""

    ranges: _Ranges
    is_negated: bool = False

    def holds(self, char: str) -> bool:
        """Return whether a character is one of them."""
        return any(low <= char <= high for low, high in self.ranges) != self.is_negated


class Edge(Struct, frozen=True):
    """The begin of the text, or its end."""

    is_begin: bool


class Sequence(Struct, frozen=True):
    """Parts one after another; none for the empty pattern."""

    parts: tuple["Node", ...]


class Alternatives(Struct, frozen=True):
    """One of several parts."""

    parts: tuple["Node", ...]


class Repeated(Struct, frozen=True):
    """A part several times; without a most for as often as it goes."""

    part: "Node"
    least: int
    most: int | None


Node: TypeAlias = Symbols | Edge | Sequence | Alternatives | Repeated


def parse(text: str) -> Node:
    """Return the tree of a pattern; raises Refused PLAN_INVALID for one that is not supported."""
    reader = _Reader(text)
    node = reader.alternatives()
    if not reader.is_at_end:
        raise reader.refused("has a ) without its (")
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._text)

    def refused(self, what: str) -> Refused:
        return Refused(
            f"The pattern {self._text!r} {what}, at character {self._at + 1}.",
            code="PLAN_INVALID",
            hint="Patterns know literals, classes, groups, |, * + ? {m,n}, ^ and $.",
        )

    def alternatives(self) -> Node:
        parts = [self._sequence()]
        while self._takes("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Alternatives(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while not self.is_at_end and self._peek() not in "|)":
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        if self._takes("*"):
            node = Repeated(node, 0, None)
        elif self._takes("+"):
            node = Repeated(node, 1, None)
        elif self._takes("?"):
            node = Repeated(node, 0, 1)
        elif self._takes("{"):
            node = Repeated(node, *self._bounds())
        else:
            return node
        if not self.is_at_end and self._peek() in "*+?{":
            raise self.refused("repeats a repetition")
        return node

    def _bounds(self) -> tuple[int, int | None]:
        inside, closed, _ = self._text[self._at :].partition("}")
        low, comma, high = inside.partition(",")
        numbers = [low, high] if comma and high else [low]
        if not closed or not all(n.isascii() and n.isdigit() and len(n) < 5 for n in numbers):
            raise self.refused("has a { that is no {m}, {m,} or {m,n}")
        self._at += len(inside) + 1
        least = int(low)
        most = least if not comma else int(high) if high else None
        if max(numbers, key=int) and int(max(numbers, key=int)) > _MOST_REPEATED:
            raise self.refused("repeats too much")
        if most is not None and most < least:
            raise self.refused("has the bounds of {m,n} the wrong way round")
        return least, most

    def _atom(self) -> Node:
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return Symbols((("\n", "\n"),), is_negated=True)
            case "^" | "$":
                return Edge(char == "^")
            case "\\":
                return self._escaped()
            case "*" | "+" | "?" | "{":
                self._at -= 1
                raise self.refused("repeats nothing")
            case _:
                return Symbols(((char, char),))

    def _group(self) -> Node:
        if self._takes("?") and not self._takes(":"):
            raise self.refused("has a group that looks around, or has a name or flags")
        node = self.alternatives()
        if not self._takes(")"):
            raise self.refused("has a ( without its )")
        return node

    def _escaped(self) -> Symbols:
        if self.is_at_end:
            raise self.refused("ends in a backslash")
        char = self._next()
        if char.lower() in _CLASSES:
            return Symbols(_CLASSES[char.lower()], is_negated=char.isupper())
        if char in _CONTROLS:
            return Symbols(((_CONTROLS[char], _CONTROLS[char]),))
        if char not in _SPECIAL:
            self._at -= 1
            raise self.refused(f"has the escape \\{char}")
        return Symbols(((char, char),))

    def _class(self) -> Symbols:
        is_negated = self._takes("^")
        ranges: list[tuple[str, str]] = []
        is_first = True
        while is_first or self.is_at_end or self._peek() != "]":
            is_first = False
            if self.is_at_end:
                raise self.refused("has a [ without its ]")
            ranges += self._range()
        self._at += 1
        return Symbols(tuple(ranges), is_negated)

    def _range(self) -> _Ranges:
        first = self._member()
        if first.is_negated:
            return _others(first.ranges)
        low, high = first.ranges[0]
        is_range = (
            self._text[self._at : self._at + 1] == "-" and self._text[self._at + 1 :][:1] != "]"
        )
        if len(first.ranges) > 1 or low != high or not is_range:
            return first.ranges
        self._at += 1
        if self.is_at_end:
            raise self.refused("has a [ without its ]")
        last = self._member()
        end = last.ranges[0][0]
        if last.is_negated or last.ranges != ((end, end),) or end < low:
            raise self.refused("has a range that ends before it begins")
        return ((low, end),)

    def _member(self) -> Symbols:
        char = self._next()
        return self._escaped() if char == "\\" else Symbols(((char, char),))

    def _peek(self) -> str:
        return self._text[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _takes(self, char: str) -> bool:
        is_there = self._text[self._at : self._at + 1] == char
        self._at += is_there
        return is_there


def _others(ranges: _Ranges) -> _Ranges:
    """Return the characters that are in none of the ranges, which are in order."""
    found: list[tuple[str, str]] = []
    low = 0
    for begin, end in ranges:
        if ord(begin) > low:
            found.append((chr(low), chr(ord(begin) - 1)))
        low = ord(end) + 1
    return (*found, (chr(low), _HIGHEST))
