"""Arithmetic between series, such as ``A / B * 100``: parsed by our own grammar, nothing else runs.

sum     = product { ("+" | "-") product }
product = factor { ("*" | "/") factor }
factor  = ["-"] ( number | letter | "(" sum ")" )
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct

from tallymark.core.errors import InvalidQuery

from .numbers import Number, combine, rounded

MAX_LENGTH: Final = 200
_MAX_DEPTH: Final = 20
_TOKEN: Final = re.compile(r"\s*(?:(\d{1,20}(?:\.\d{1,9})?)|([A-Z])|([-+*/()]))", re.ASCII)


class Literal(Struct, frozen=True):
    """A number written in the formula."""

    value: Decimal


class Letter(Struct, frozen=True):
    """The value of a series."""

    name: str


class Operation(Struct, frozen=True):
    """left operator right."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression: TypeAlias = Literal | Letter | Operation


def parse(text: str, letters: str) -> Expression:
    """Return the formula over the series of these letters; raises InvalidQuery."""
    if len(text) > MAX_LENGTH:
        raise InvalidQuery(f"A formula may have {MAX_LENGTH} characters.", path="formulas")
    parser = _Parser(_tokens(text), letters)
    found = parser.sum(0)
    if parser.token:
        raise InvalidQuery(f"The formula has {parser.token!r} too much.", path="formulas")
    return found


def evaluate(expression: Expression, values: Mapping[str, Number | None]) -> Number | None:
    """Return the value, rounded once; None if one it needs is None, or on division by zero."""
    value = _value(expression, values)
    return None if value is None else rounded(value)


def _value(expression: Expression, values: Mapping[str, Number | None]) -> Decimal | None:
    match expression:
        case Literal(value):
            return value
        case Letter(name):
            value_of = values[name]
            return None if value_of is None else Decimal(value_of)
        case Operation(operator, left, right):
            return combine(operator, _value(left, values), _value(right, values))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise InvalidQuery(
                f"The formula cannot be read at {text[place : place + 10]!r}.",
                hint="Use series letters A, B …, numbers, + - * / and parentheses.",
                path="formulas",
            )
        tokens.append(found.group().strip())
        place = found.end()
    return tokens


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str], letters: str) -> None:
        self._tokens = tokens
        self._place = 0
        self._letters = letters

    @property
    def token(self) -> str:
        """The token not yet read, or nothing at the end."""
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def sum(self, depth: int) -> Expression:
        left = self._product(depth)
        while self.token in {"+", "-"}:
            left = Operation(self._read(), left, self._product(depth))
        return left

    def _product(self, depth: int) -> Expression:
        left = self._factor(depth)
        while self.token in {"*", "/"}:
            left = Operation(self._read(), left, self._factor(depth))
        return left

    def _factor(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise InvalidQuery("The formula nests too deep.", path="formulas")
        word = self._read()
        if word == "-":
            return Operation("-", Literal(Decimal(0)), self._factor(depth + 1))
        if word == "(":
            inner = self.sum(depth + 1)
            if self._read() != ")":
                raise InvalidQuery("A parenthesis of the formula is not closed.", path="formulas")
            return inner
        if word and word in self._letters:
            return Letter(word)
        if word[:1].isdigit():
            return Literal(Decimal(word))
        raise InvalidQuery(
            f"The formula has {word!r} where a number or series is needed."
            if word
            else "The formula ends too early.",
            hint=f"The series are {', '.join(self._letters)}.",
            path="formulas",
        )

    def _read(self) -> str:
        token = self.token
        self._place += 1
        return token
