"""Filters as one writes them on a command line, read to what a question's ``filter`` takes.

    plan = pro and country in (DE, FR)
    duration_ms > 500 or status = 503
    not (path starts with /docs) and user_id exists
    title contains "annual report"
    duration_ms between 100 and 200
    person.plan@now = pro and account.seats > 10

A word is text, a number or true or false; what is quoted is always text. ``and`` binds stronger than
``or``. A name that is neither a field of every event nor ``person.<name>``, ``account.<name>`` or
``group.<type>.<name>`` is a custom property.

A step is the names of its events, and after ``where`` a filter:

    signup
    purchase or 'gift bought' where plan = pro
    any event where path = /pricing
"""

import re
from decimal import Decimal
from typing import Any, Final, TypeAlias

from tallymark.core.errors import InvalidQuery
from tallymark.insights.fields import NAMES, PROPERTY
from tallymark.insights.profiles import is_profile

Filter: TypeAlias = dict[str, Any]
Scalar: TypeAlias = str | int | Decimal | bool

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign>==|!=|>=|<=|=|>|<|~|\(|\)|,)|(?P<word>[^\s=!<>~(),"']+))""",
    re.DOTALL,
)
_QUOTED: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_PLACES: Final = re.compile(
    r"\s(?:between\s+(?P<low>\d+)\s+and\s+(?P<high>\d+)|after\s+(?P<after>\d+)|before\s+(?P<before>\d+))\s*\Z",
    re.IGNORECASE | re.ASCII,
)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
_SIGNS: Final = {
    "=": "equals", "==": "equals", "!=": "not_equals", ">": "gt", ">=": "gte", "<": "lt",
    "<=": "lte", "~": "matches",
}  # fmt: skip
_WORDS: Final = {
    ("contains",): "contains", ("not", "contains"): "not_contains",
    ("starts", "with"): "starts_with", ("starts_with",): "starts_with",
    ("ends", "with"): "ends_with", ("ends_with",): "ends_with",
    ("matches",): "matches", ("is",): "equals", ("is", "not"): "not_equals",
    ("in",): "in", ("not", "in"): "not_in", ("between",): "between",
    ("exists",): "exists", ("not", "exists"): "not_exists", ("is", "set"): "exists",
    ("is", "not", "set"): "not_exists", ("is", "missing"): "not_exists",
    ("is", "true"): "is_true", ("is", "false"): "is_false",
}  # fmt: skip
_ALONE: Final = frozenset({"exists", "not_exists", "is_true", "is_false"})
_TEXT_ONLY: Final = frozenset({"contains", "not_contains", "starts_with", "ends_with", "matches"})


def parse_filter(text: str) -> Filter:
    """Return the filter that a text means; raises InvalidQuery that names where it goes wrong."""
    reader = _Reader(text)
    found = reader.alternatives()
    if reader.at < len(reader.tokens):
        raise reader.wrong("'and' or 'or'")
    return found


def field_name(name: str) -> str:
    """Return a field of events or profiles as it is, and any other name as a custom property."""
    is_field = name in NAMES or name.startswith(PROPERTY) or is_profile(name)
    return name if is_field else PROPERTY + name


def parse_step(text: str) -> dict[str, Any]:
    """Return the step that a text means; raises InvalidQuery that names where it goes wrong."""
    names, where, wanted = _parted(text, "where")
    found: dict[str, Any] = {}
    if names.strip().lower() not in {"any event", "*"}:
        listed = _names(names, text)
        found["event"] = listed[0] if len(listed) == 1 else listed
    if where:
        found["filter"] = parse_filter(wanted)
    return found


def parse_exclusion(text: str) -> dict[str, Any]:
    """Return what must not happen, and between which steps, if the text says so after its events.

    That is ``between 1 and 3``, ``after 2`` or ``before 3``.
    """
    names, where, wanted = _parted(text, "where")
    places = _PLACES.search(names)
    if places is None:
        return parse_step(text)
    step = parse_step(f"{names[: places.start()]} {where} {wanted}")
    low, high = places["low"] or places["after"], places["high"] or places["before"]
    return {
        **step,
        **({"after": int(low)} if low else {}),
        **({"before": int(high)} if high else {}),
    }


class _Reader:
    """The tokens of a text and how many are read; each is (kind, text, place)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0

    def alternatives(self) -> Filter:
        parts = [self._conjunction()]
        while self._take_word("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else {"op": "or", "filters": parts}

    def wrong(self, wanted: str) -> InvalidQuery:
        """Return the error that says what was expected where the reading stopped."""
        after = self.text[: self.tokens[self.at][2]] if self.at < len(self.tokens) else self.text
        return InvalidQuery(
            f"In the filter {self.text!r}, {wanted} is expected after {after.strip()!r}.",
            hint="Write for example: plan = pro and country in (DE, FR). Quote text with blanks.",
            path="filter",
        )

    def _conjunction(self) -> Filter:
        parts = [self._unit()]
        while self._take_word("and"):
            parts.append(self._unit())
        return parts[0] if len(parts) == 1 else {"op": "and", "filters": parts}

    def _unit(self) -> Filter:
        if self._take_word("not"):
            return {"op": "not", "filter": self._unit()}
        if self._take_sign("("):
            inner = self.alternatives()
            self._need(")")
            return inner
        return self._condition()

    def _condition(self) -> Filter:
        name = self._text("a field")
        found: Filter = {"op": self._operator(), "field": field_name(name)}
        op = found["op"]
        if op in _ALONE:
            return found
        if op in {"in", "not_in"}:
            return {**found, "values": self._list()}
        if op == "between":
            low = self._value()
            if not self._take_word("and"):
                raise self.wrong("'and'")
            return {**found, "low": low, "high": self._value()}
        value = self._text("a text") if op in _TEXT_ONLY else self._value()
        return {**found, "pattern" if op == "matches" else "value": value}

    def _operator(self) -> str:
        kind, text, _ = self._look()
        if kind == "sign" and text in _SIGNS:
            self.at += 1
            return _SIGNS[text]
        for length in (3, 2, 1):
            words = self.tokens[self.at : self.at + length]
            key = tuple(word.lower() for _, word, _ in words)
            if len(words) == length and all(one == "word" for one, _, _ in words) and key in _WORDS:
                self.at += length
                return _WORDS[key]
        raise self.wrong("a comparison such as =, !=, >, contains, in or exists")

    def _list(self) -> list[Scalar]:
        has_brackets = self._take_sign("(")
        values = [self._value()]
        while self._take_sign(","):
            values.append(self._value())
        if has_brackets:
            self._need(")")
        return values

    def _value(self) -> Scalar:
        kind, text, _ = self._look()
        value = self._text("a value")
        if kind == "quoted":
            return value
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if _NUMBER.match(text):
            return Decimal(text) if set(text) & set(".eE") else int(text)
        return value

    def _text(self, wanted: str) -> str:
        kind, text, _ = self._look()
        if kind not in {"word", "quoted"}:
            raise self.wrong(wanted)
        self.at += 1
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if kind == "quoted" else text

    def _look(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "", len(self.text))

    def _take_word(self, word: str) -> bool:
        kind, text, _ = self._look()
        is_it = kind == "word" and text.lower() == word
        self.at += is_it
        return is_it

    def _take_sign(self, sign: str) -> bool:
        is_it = self._look()[:2] == ("sign", sign)
        self.at += is_it
        return is_it

    def _need(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self.wrong(f"{sign!r}")


def _parted(text: str, word: str) -> tuple[str, str, str]:
    """Return what stands before a word that is not quoted, the word if it is there, and the rest."""
    for match in re.finditer(rf"""{_QUOTED}|(?<!\S)(?P<word>{word})(?!\S)""", text, re.IGNORECASE):
        if match["word"]:
            return text[: match.start()], match["word"], text[match.end() :]
    return text, "", ""


def _names(text: str, whole: str) -> list[str]:
    found = []
    word = "or"
    while word:
        part, word, text = _parted(text, "or")
        name = part.strip()
        if not name:
            raise _no_step(whole)
        is_quoted = re.fullmatch(_QUOTED, name, re.DOTALL)
        found.append(re.sub(r"\\(.)", r"\1", name[1:-1], flags=re.DOTALL) if is_quoted else name)
    return found


def _no_step(text: str) -> InvalidQuery:
    return InvalidQuery(
        f"In the step {text!r}, the name of an event is missing.",
        hint="Write for example: signup, or: purchase where plan = pro. Quote names with where or or.",
        path="steps",
    )


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise InvalidQuery(
                f"The filter {text!r} cannot be read from {text[at:].strip()[:20]!r} on.",
                hint="Close every quote, and quote text that holds signs.",
                path="filter",
            )
        found.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return found
