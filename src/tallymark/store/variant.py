"""Event properties as Parquet-variant bytes, split by type class so that each key has one type.

A blob is metadata followed by value, as ``variant_bytes_to_variant`` reads it. A column of a store
answers a hundred times slower once one key holds two physical types, integer width and decimal
scale included; so text, numbers (each DECIMAL(38,9)) and the rest go to a column each.

A number of more than nine decimals is rounded among the numbers, and stands as it was sent, as text,
among the rest: nothing else there is text on its own.

Most events repeat the names, and many the values, of others. Everything that follows from names and
types alone is worked out once a *shape*; short texts and numbers are remembered encoded.

Source: Apache Parquet, Variant Binary Encoding, version 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from tallymark.store import decimals
from tallymark.store.decimals import SCALE, Rounded

PropertyClass: TypeAlias = Literal["text", "number", "other"]

_OBJECT: Final = 0b10
_ARRAY: Final = 0b11
_NULL, _TRUE, _FALSE, _INT64, _DECIMAL16, _LONG_TEXT = (
    bytes([kind << 2]) for kind in (0, 1, 2, 6, 10, 16)
)
_NUMBER_HEAD: Final = _DECIMAL16 + bytes([SCALE])
_NUMBER_WIDTH: Final = 18
_SHORT_TEXT_HEADS: Final = tuple(bytes([length << 2 | 1]) for length in range(64))
_FLAGS: Final[Mapping[object, bytes]] = {None: _NULL, True: _TRUE, False: _FALSE}

_MOST_REMEMBERED_VALUES: Final = 16_384
_MOST_REMEMBERED_NAMES: Final = 50_000

_Column: TypeAlias = Sequence[Any]
_Rows: TypeAlias = list[tuple[int, Mapping[str, Any]]]


class _Encoded(Struct, frozen=True):
    """The blobs of a batch by class, None where an event has nothing of it, and the flags."""

    text: list[bytes | None]
    number: list[bytes | None]
    other: list[bytes | None]
    inexact: list[bool]


class PropertyEncoder:
    """Encodes properties, remembering shapes and short values in bounded memory; for one thread."""

    def __init__(self) -> None:
        self._texts = _Texts()
        self._numbers = _Numbers()
        self._shapes: dict[tuple[tuple[str, ...], tuple[type, ...]], _Shape] = {}
        self._remembered_names = 0
        self._counts: dict[tuple[str, str], int] = {}

    def encode(
        self, properties: Mapping[str, Any]
    ) -> tuple[bytes | None, bytes | None, bytes | None, bool]:
        """Return the blobs of one event as (text, number, other) and whether it is inexact."""
        text, number, other, inexact = self.encode_many([properties])
        return text[0], number[0], other[0], inexact[0]

    def encode_many(
        self, batch: Sequence[Mapping[str, Any]]
    ) -> tuple[list[bytes | None], list[bytes | None], list[bytes | None], list[bool]]:
        """Return the blobs of a batch as (text, number, other, is inexact), each in its order.

        A blob is None where an event has nothing of the class. An event is inexact if it has a
        number that had to be rounded, or kept as text alone because it has too many digits before
        the point, or fits no decimal of 38 digits inside a list or object. Raises TypeError for
        what JSON cannot hold, as a float.
        """
        size = len(batch)
        done = _Encoded([None] * size, [None] * size, [None] * size, [False] * size)
        again = self._encode(enumerate(batch), done)
        if again:
            self._encode(again, done)
        return done.text, done.number, done.other, done.inexact

    def take_counts(self) -> dict[tuple[str, str], int]:
        """Return how many events carried each (name, class) since the last call."""
        counts, self._counts = self._counts, {}
        return counts

    def _encode(self, rows: Iterable[tuple[int, Mapping[str, Any]]], done: _Encoded) -> _Rows:
        """Fill in the rows; return those with a number that does not fit, made to fit."""
        groups: dict[tuple[tuple[str, ...], tuple[type, ...]], _Rows] = {}
        for row in rows:
            key = tuple(row[1]), tuple(map(type, row[1].values()))
            group = groups.get(key)
            if group is None:
                groups[key] = [row]
            else:
                group.append(row)
        again: _Rows = []
        for (names, types), group in groups.items():
            if names:
                shape = self._shape(names, types)
                misfits = self._encode_group(shape, group, done)
                again += misfits
                events = len(group) - len(misfits)
                for carried in shape.classes if events else ():
                    self._counts[carried] = self._counts.get(carried, 0) + events
        return again

    def _encode_group(self, shape: "_Shape", group: _Rows, done: _Encoded) -> _Rows:
        where = [index for index, _ in group]
        columns = list(zip(*[properties.values() for _, properties in group], strict=True))
        misfits: _Rows = []
        if shape.number:
            encoded = [map(self._numbers.__getitem__, columns[i]) for i in shape.number.places]
            for row, blob in zip(group, _fixed_blobs(shape.number, encoded), strict=True):
                if blob is None:
                    fits = {name: decimals.fitting(value) for name, value in row[1].items()}
                    misfits.append((row[0], fits))
                    done.inexact[row[0]] = True
                else:
                    done.number[row[0]] = blob
        if shape.text:
            texts = [list(map(self._texts.__getitem__, columns[i])) for i in shape.text.places]
            for index, blob in zip(where, _varying_blobs(shape.text, texts), strict=True):
                done.text[index] = blob
        self._encode_rest(shape, group, columns, done)
        return misfits

    def _encode_rest(
        self, shape: "_Shape", group: _Rows, columns: list[tuple[Any, ...]], done: _Encoded
    ) -> None:
        where = [index for index, _ in group]
        if shape.flags:
            flags = [map(_FLAGS.__getitem__, columns[i]) for i in shape.flags.places]
            for index, blob in zip(where, _fixed_blobs(shape.flags, flags), strict=True):
                done.other[index] = blob
        if shape.literals:
            flat = [list(map(self._flat, columns[i])) for i in shape.literals.places]
            for index, blob in zip(where, _varying_blobs(shape.literals, flat), strict=True):
                done.other[index] = blob
        for index, properties in group if shape.nested else ():
            nested = {name: properties[name] for name in shape.nested}
            done.other[index], is_inexact = _nested_blob(nested, self._texts)
            done.inexact[index] |= is_inexact

    def _flat(self, value: Any) -> bytes:
        return self._texts[value.literal] if type(value) is Rounded else _FLAGS[value]

    def _shape(self, names: tuple[str, ...], types: tuple[type, ...]) -> "_Shape":
        shape = self._shapes.get((names, types))
        if shape is None:
            self._remembered_names += len(names)
            if self._remembered_names > _MOST_REMEMBERED_NAMES:
                self._shapes.clear()
                self._remembered_names = len(names)
            shape = self._shapes[names, types] = _shape_of(names, types)
        return shape


class _Part(Struct, frozen=True):
    """One class of a shape: places of its values among the properties, in the order of names.

    ``narrow`` and ``wide`` are all bytes before the values, or before the offsets where those vary,
    for offsets of 1 and 4 bytes; ``size`` is the length of all values where it is fixed.
    """

    places: tuple[int, ...]
    narrow: bytes
    wide: bytes = b""
    size: int = 0


class _Shape(Struct, frozen=True):
    """What names and types alone decide of the encoding of an event.

    What is neither text nor a number lies in ``flags`` if it is truth or null alone, in ``literals``
    if some of it is a rounded number as sent, and in ``nested`` if some of it is a list or object.
    """

    text: _Part | None
    number: _Part | None
    flags: _Part | None
    literals: _Part | None
    nested: tuple[str, ...]
    classes: tuple[tuple[str, PropertyClass], ...]


class _Texts(dict[str, bytes]):
    """Texts as variant values; remembers the short ones."""

    def __missing__(self, text: str) -> bytes:
        data = text.encode()
        if len(data) >= len(_SHORT_TEXT_HEADS):
            return _LONG_TEXT + len(data).to_bytes(4, "little") + data
        if len(self) >= _MOST_REMEMBERED_VALUES:
            self.clear()
        value = self[text] = _SHORT_TEXT_HEADS[len(data)] + data
        return value


class _Numbers(dict[int | Decimal, bytes]):
    """Numbers as DECIMAL(38,9) variant values, which equal numbers share; b"" if it cannot be."""

    def __missing__(self, number: int | Decimal) -> bytes:
        scaled = decimals.scaled(number)
        if scaled is None:
            return b""
        if len(self) >= _MOST_REMEMBERED_VALUES:
            self.clear()
        value = self[number] = _NUMBER_HEAD + scaled.to_bytes(16, "little", signed=True)
        return value


def _class_of(kind: type) -> PropertyClass:
    if kind is str:
        return "text"
    return "number" if kind in (int, Decimal, Rounded) else "other"


def _shape_of(names: tuple[str, ...], types: tuple[type, ...]) -> _Shape:
    places: dict[PropertyClass, list[int]] = {"text": [], "number": [], "other": []}
    # Python orders text by code point, which is the order of its UTF-8 bytes, as the format wants.
    for place in sorted(range(len(names)), key=names.__getitem__):
        places[_class_of(types[place])].append(place)
        if types[place] is Rounded:
            places["other"].append(place)
    others = places["other"]
    kinds = {types[place] for place in others}
    is_flat = kinds <= {bool, type(None), Rounded}
    return _Shape(
        text=_varying_part(names, places["text"]),
        number=_fixed_part(names, places["number"], _NUMBER_WIDTH),
        flags=_fixed_part(names, others, 1) if is_flat and Rounded not in kinds else None,
        literals=_varying_part(names, others) if is_flat and Rounded in kinds else None,
        nested=() if is_flat else tuple(names[place] for place in others),
        classes=tuple((name, _class_of(kind)) for name, kind in zip(names, types, strict=True)),
    )


def _varying_part(names: tuple[str, ...], places: list[int]) -> _Part | None:
    if not places:
        return None
    metadata = _metadata([names[place] for place in places])
    ids = range(len(places))
    return _Part(tuple(places), metadata + _object_head(ids, 1), metadata + _object_head(ids, 4))


def _fixed_part(names: tuple[str, ...], places: list[int], width: int) -> _Part | None:
    if not places:
        return None
    size = len(places) * width
    offset_width = _width(size)
    head = _metadata([names[place] for place in places])
    head += _object_head(range(len(places)), offset_width)
    head += _integers(range(0, size + 1, width), offset_width)
    return _Part(tuple(places), head, size=size)


def _fixed_blobs(part: _Part, columns: Iterable[Iterable[bytes]]) -> list[bytes | None]:
    size = part.size
    head = part.narrow
    return [
        head + values if len(values) == size else None
        for values in map(b"".join, zip(*columns, strict=True))
    ]


def _varying_blobs(part: _Part, columns: list[list[bytes]]) -> list[bytes]:
    zeros = [0] * len(columns[0])
    lengths = zip(zeros, *[map(len, column) for column in columns], strict=True)
    bodies = map(b"".join, zip(*columns, strict=True))
    narrow, wide = part.narrow, part.wide
    return [
        narrow + bytes(accumulate(row)) + body
        if len(body) < 256
        else wide + _integers(accumulate(row), 4) + body
        for row, body in zip(lengths, bodies, strict=True)
    ]


def _nested_blob(properties: dict[str, Any], texts: _Texts) -> tuple[bytes, bool]:
    names: set[str] = set()
    _gather_names(properties, names)
    ordered = sorted(names)
    writer = _Nested({name: place for place, name in enumerate(ordered)}, texts)
    return _metadata(ordered) + writer.value(properties), writer.is_inexact


def _gather_names(value: object, into: set[str]) -> None:
    if isinstance(value, dict):
        into.update(value)
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        if isinstance(item, dict | list | tuple):
            _gather_names(item, into)


class _Nested:
    """Encodes any JSON value with the ids of its names; notes whether a number became text."""

    def __init__(self, ids: Mapping[str, int], texts: _Texts) -> None:
        self._ids = ids
        self._texts = texts
        self.is_inexact = False

    def value(self, value: object) -> bytes:
        """Return the value encoded; raises TypeError for what JSON cannot hold."""
        if isinstance(value, str):
            return self._texts[value]
        if isinstance(value, Rounded):
            return self._texts[value.literal]
        if isinstance(value, bool) or value is None:
            return _FLAGS[value]
        if isinstance(value, int | Decimal):
            return self._number(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list | tuple):
            return _array([self.value(item) for item in value])
        raise TypeError(f"a property cannot hold a {type(value).__name__}")

    def _object(self, fields: dict[str, object]) -> bytes:
        names = sorted(fields)
        ids = self._ids
        return _object([ids[name] for name in names], [self.value(fields[name]) for name in names])

    def _number(self, number: int | Decimal) -> bytes:
        if isinstance(number, int) and -(2**63) <= number < 2**63:
            return _INT64 + number.to_bytes(8, "little", signed=True)
        places = 0
        if isinstance(number, Decimal) and number.is_finite():
            places = max(0, -int(number.as_tuple().exponent))
        scaled = decimals.scaled(number, places) if places <= 38 else None
        if scaled is not None:
            return _DECIMAL16 + bytes([places]) + scaled.to_bytes(16, "little", signed=True)
        self.is_inexact = True
        return self._texts[decimals.literal(number)]


def _metadata(names: Sequence[str]) -> bytes:
    """Return the dictionary of names, which must be sorted."""
    encoded = [name.encode() for name in names]
    offsets = [0, *accumulate(map(len, encoded))]
    width = _width(offsets[-1])
    version_and_sorted = 0x11
    return b"".join(
        (
            bytes([version_and_sorted | (width - 1) << 6]),
            len(names).to_bytes(width, "little"),
            _integers(offsets, width),
            *encoded,
        )
    )


def _object(ids: Sequence[int], values: Sequence[bytes]) -> bytes:
    offsets = [0, *accumulate(map(len, values))]
    width = _width(offsets[-1])
    return b"".join((_object_head(ids, width), _integers(offsets, width), *values))


def _object_head(ids: Sequence[int], offset_width: int) -> bytes:
    """Return the type, count and ids of an object; offsets and values follow."""
    id_width = _width(max(ids, default=0))
    is_large = len(ids) > 255
    kind = _OBJECT | (offset_width - 1) << 2 | (id_width - 1) << 4 | is_large << 6
    count = len(ids).to_bytes(4 if is_large else 1, "little")
    return bytes([kind]) + count + _integers(ids, id_width)


def _array(values: Sequence[bytes]) -> bytes:
    offsets = [0, *accumulate(map(len, values))]
    width = _width(offsets[-1])
    is_large = len(values) > 255
    kind = _ARRAY | (width - 1) << 2 | is_large << 4
    count = len(values).to_bytes(4 if is_large else 1, "little")
    return b"".join((bytes([kind]), count, _integers(offsets, width), *values))


def _width(largest: int) -> int:
    if largest < 1 << 8:
        return 1
    return 2 if largest < 1 << 16 else 4


def _integers(values: Iterable[int], width: int) -> bytes:
    if width == 1:
        return bytes(values)
    return b"".join([value.to_bytes(width, "little") for value in values])
