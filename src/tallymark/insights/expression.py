"""Computed properties: a small typed language over fields; parsed by our own grammar, nothing else runs.

either     = both { "or" both }
both       = refusal { "and" refusal }
refusal    = "not" refusal | comparison
comparison = sum [ ("=" | "!=" | "<" | "<=" | ">" | ">=") sum | "is" "missing" | "exists" ]
sum        = product { ("+" | "-") product }
product    = factor { ("*" | "/") factor }
factor     = "-" factor | number | "text" | true | false | field | function "(" [ either { "," either } ] ")"
           | "(" either ")"

Each part is text, a number or a truth, and that is known before anything is asked. A custom property
may be of any type: what stands around it says which one is meant.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, Literal, NoReturn, TypeAlias

from msgspec import Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.registry import did_you_mean

Kind: TypeAlias = Literal["text", "number", "truth"]

MAX_LENGTH: Final = 2_000
_MAX_DEPTH: Final = 30
_MAX_PARTS: Final = 200
_PATH: Final = "value"
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d{1,20}(?:\.\d{1,9})?)(?![\w.])|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<word>[^\W\d][\w.$-]*[\w$]|[^\W\d])|(?P<sign><=|>=|!=|[-+*/=<>(),]))""",
    re.DOTALL,
)
# What a function takes and gives; "same" is one type, whichever it is, "any" a field of any type.
# The last type may be repeated where the function takes any number.
FUNCTIONS: Final[dict[str, tuple[tuple[str, ...], str, bool]]] = {
    "if": (("truth", "same", "same"), "same", False),
    "coalesce": (("same", "same"), "same", True),
    "concat": (("text", "text"), "text", True),
    "lower": (("text",), "text", False),
    "upper": (("text",), "text", False),
    "trim": (("text",), "text", False),
    "replace": (("text", "text", "text"), "text", False),
    "before": (("text", "text"), "text", False),
    "after": (("text", "text"), "text", False),
    "length": (("text",), "number", False),
    "contains": (("text", "text"), "truth", False),
    "starts_with": (("text", "text"), "truth", False),
    "ends_with": (("text", "text"), "truth", False),
    "abs": (("number",), "number", False),
    "round": (("number",), "number", False),
    "floor": (("number",), "number", False),
    "text": (("text",), "text", False),
    "number": (("number",), "number", False),
    "truth": (("truth",), "truth", False),
}
_SIGNS: Final[dict[str, tuple[tuple[str, ...], str, bool]]] = {
    **dict.fromkeys(("+", "-", "*", "/"), (("number", "number"), "number", False)),
    **dict.fromkeys(("<", "<=", ">", ">="), (("number", "number"), "truth", False)),
    **dict.fromkeys(("=", "!="), (("same", "same"), "truth", False)),
    "and": (("truth", "truth"), "truth", False),
    "or": (("truth", "truth"), "truth", False),
    "not": (("truth",), "truth", False),
    "exists": (("any",), "truth", False),
}


class Const(Struct, frozen=True):
    """A value written in the expression."""

    value: str | Decimal | bool


class Name(Struct, frozen=True):
    """A field, read as one type; ``any`` only where it is asked whether there is a value."""

    name: str
    kind: Kind | Literal["any"] | None = None


class Call(Struct, frozen=True):
    """A function or a sign with what it is applied to."""

    function: str
    parts: tuple["Expression", ...]


Expression: TypeAlias = Const | Name | Call
# The type of a field that has one, None of one that may have any; raises InvalidQuery for no field.
KindOf: TypeAlias = Callable[[str], Kind | None]


def parse(text: str, kind: Kind, kind_of: KindOf) -> Expression:
    """Return the expression, which gives values of that type; raises InvalidQuery for what does not."""
    return _typed(_tree(text), kind, kind_of)[0]


def field_names(text: str) -> list[str]:
    """Return the names of the fields an expression uses, each once; raises InvalidQuery."""
    return list(dict.fromkeys(_names(_tree(text))))


def _tree(text: str) -> Expression:
    if len(text) > MAX_LENGTH:
        raise _wrong(f"An expression may have {MAX_LENGTH} characters.")
    parser = _Parser(_tokens(text))
    found = parser.either(0)
    if parser.text:
        raise _wrong(f"The expression has {parser.text!r} too much.")
    return found


def _names(tree: Expression) -> Iterator[str]:
    if isinstance(tree, Name):
        yield tree.name
    elif isinstance(tree, Call):
        for part in tree.parts:
            yield from _names(part)


def _typed(tree: Expression, wanted: str | None, kind_of: KindOf) -> tuple[Expression, Kind | None]:
    """Return the part with its fields' types, and its type; None if what it is cannot be told yet."""
    match tree:
        case Const(value):
            given = _kind_of_value(value)
            _check(given, wanted, repr(value) if isinstance(value, str) else str(value).lower())
            return tree, given
        case Name(name):
            return _typed_name(name, kind_of(name), wanted)
        case Call(function, parts):
            return _typed_call(function, parts, wanted, kind_of)


def _typed_name(name: str, known: Kind | None, wanted: str | None) -> tuple[Name, Kind | None]:
    if wanted == "any":
        return Name(name, "any"), None
    if known is not None:
        _check(known, wanted, name)
        return Name(name, known), known
    kind: Kind | None = None
    for one in ("text", "number", "truth"):
        kind = one if one == wanted else kind
    return Name(name, kind), kind


def _typed_call(
    function: str, parts: tuple[Expression, ...], wanted: str | None, kind_of: KindOf
) -> tuple[Expression, Kind | None]:
    takes, gives, is_repeated = {**FUNCTIONS, **_SIGNS}[function]
    if is_repeated and len(parts) > len(takes):
        takes = (*takes, *takes[-1:] * (len(parts) - len(takes)))
    if len(parts) != len(takes):
        raise _wrong(f"{function} takes {_counted(takes, is_repeated)}, not {len(parts)}.")
    if gives != "same":
        _check(gives, wanted, function)
    same = wanted if gives == "same" else None
    if "same" in takes and same is None:
        kinds = (
            _typed(part, None, kind_of)[1]
            for part, one in zip(parts, takes, strict=True)
            if one == "same"
        )
        same = next((kind for kind in kinds if kind is not None), None)
        if same is None and function in _SIGNS:
            raise _wrong(
                f"What {function!r} compares may be of any type.",
                hint="Say which one is meant, such as text(properties.plan).",
            )
    typed = tuple(
        _typed(part, same if one == "same" else one, kind_of)[0]
        for part, one in zip(parts, takes, strict=True)
    )
    kind = same if gives == "same" else gives
    return Call(function, typed), next(
        (one for one in ("text", "number", "truth") if one == kind), None
    )


def _kind_of_value(value: str | Decimal | bool) -> Kind:
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "number"


def _check(given: str, wanted: str | None, what: str) -> None:
    if wanted is not None and wanted not in {given, "any"}:
        raise _wrong(f"{what} is {_a(given)} where {_a(wanted)} is needed.")
    if wanted == "any":
        raise _wrong(f"{what} is no field; only a field may be missing.")


def _a(kind: str) -> str:
    return "a text" if kind == "text" else f"a {kind}"


def _counted(takes: tuple[str, ...], is_repeated: bool) -> str:
    return f"{'at least ' if is_repeated else ''}{len(takes)} part{'s' if len(takes) > 1 else ''}"


def _wrong(text: str, hint: str | None = None) -> InvalidQuery:
    return InvalidQuery(
        text, path=_PATH, hint=hint or "Fields, numbers, \"text\", + - * / = != < >, and, or, not, and functions such as if(…)."
    )  # fmt: skip


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _wrong(f"The expression cannot be read at {text[place : place + 10].strip()!r}.")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0
        self._parts = 0

    @property
    def text(self) -> str:
        """The token not yet read, or nothing at the end."""
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    @property
    def _kind(self) -> str:
        return self._tokens[self._place][0] if self._place < len(self._tokens) else ""

    def either(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise _wrong("The expression nests too deep.")
        left = self._both(depth)
        while self._take("or"):
            left = self._call("or", left, self._both(depth))
        return left

    def _both(self, depth: int) -> Expression:
        left = self._refusal(depth)
        while self._take("and"):
            left = self._call("and", left, self._refusal(depth))
        return left

    def _refusal(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise _wrong("The expression nests too deep.")
        if self._take("not"):
            return self._call("not", self._refusal(depth + 1))
        return self._comparison(depth)

    def _comparison(self, depth: int) -> Expression:
        left = self._sum(depth)
        if self._kind == "sign" and self.text in {"=", "!=", "<", "<=", ">", ">="}:
            sign = self._read()
            return self._call(sign, left, self._sum(depth))
        if self._take("exists"):
            return self._call("exists", left)
        if self._take("is"):
            if not self._take("missing"):
                self._fail("'missing' after 'is'")
            return self._call("not", self._call("exists", left))
        return left

    def _sum(self, depth: int) -> Expression:
        left = self._product(depth)
        while self._kind == "sign" and self.text in {"+", "-"}:
            left = self._call(self._read(), left, self._product(depth))
        return left

    def _product(self, depth: int) -> Expression:
        left = self._factor(depth)
        while self._kind == "sign" and self.text in {"*", "/"}:
            left = self._call(self._read(), left, self._factor(depth))
        return left

    def _factor(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise _wrong("The expression nests too deep.")
        kind, text = self._kind, self.text
        if self._take("-", "sign"):
            return self._call("-", Const(Decimal(0)), self._factor(depth + 1))
        if self._take("(", "sign"):
            inner = self.either(depth + 1)
            self._need(")")
            return inner
        if kind in {"number", "text", "word"}:
            self._read()
            if kind == "word" and self._take("(", "sign"):
                return self._function(text, depth)
            return self._value(kind, text)
        return self._fail("a field, a value or a function")

    def _function(self, name: str, depth: int) -> Expression:
        if name not in FUNCTIONS:
            raise _wrong(
                f"There is no function {name!r}.",
                hint=did_you_mean(name, FUNCTIONS) or f"Functions: {', '.join(FUNCTIONS)}.",
            )
        parts: list[Expression] = []
        while not self._take(")", "sign"):
            if parts:
                self._need(",")
            parts.append(self.either(depth + 1))
        return self._call(name, *parts)

    def _value(self, kind: str, text: str) -> Expression:
        if kind == "number":
            return Const(Decimal(text))
        if kind == "text":
            return Const(re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL))
        if text in {"true", "false"}:
            return Const(text == "true")
        return Name(text)

    def _call(self, function: str, *parts: Expression) -> Call:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise _wrong(f"An expression may have {_MAX_PARTS} operations.")
        return Call(function, parts)

    def _take(self, text: str, kind: str = "word") -> bool:
        is_it = (self._kind, self.text) == (kind, text)
        self._place += is_it
        return is_it

    def _need(self, sign: str) -> None:
        if not self._take(sign, "sign"):
            self._fail(repr(sign))

    def _read(self) -> str:
        text = self.text
        self._place += 1
        return text

    def _fail(self, wanted: str) -> NoReturn:
        where = f"before {self.text!r}" if self.text else "at the end"
        raise _wrong(f"The expression lacks {wanted} {where}.")
