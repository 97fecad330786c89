"""The fields of a protobuf message as they lie on the wire, without knowing what they mean."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from tallymark.core.errors import Refused

# Wire types: a field of another one than expected is a field we do not know.
VARINT: Final = 0
EIGHT_BYTES: Final = 1
LENGTH: Final = 2
FOUR_BYTES: Final = 5

Field: TypeAlias = tuple[int, int, int, bytes]
_LONGEST_VARINT: Final = 10
_WORD: Final = (1 << 64) - 1
_FIXED: Final = {EIGHT_BYTES: 8, FOUR_BYTES: 4}


def fields(message: bytes) -> Iterator[Field]:
    """Give number, wire type, varint (else 0) and bytes (else none) of each field in its order.

    Raises Refused PROTO_SYNTAX where the message is not well-formed.
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise _broken(place)
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, kind, value, b""
            continue
        if kind == LENGTH:
            length, place = _varint(message, place)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise _broken(place)
        if length > end - place:
            raise _broken(place)
        yield number, kind, 0, message[place : place + length]
        place += length


def varint_field(number: int, value: int) -> bytes:
    """Return a field of a whole number from 0 as it lies on the wire."""
    return _written(number << 3 | VARINT) + _written(value)


def bytes_field(number: int, content: bytes) -> bytes:
    """Return a field of text, bytes or a message as it lies on the wire."""
    return _written(number << 3 | LENGTH) + _written(len(content)) + content


def _varint(message: bytes, start: int) -> tuple[int, int]:
    number = shift = 0
    for place in range(start, min(len(message), start + _LONGEST_VARINT)):
        byte = message[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _WORD, place + 1
        shift += 7
    raise _broken(start)


def _written(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _broken(place: int) -> Refused:
    return Refused(f"The payload is no protobuf message at byte {place}.", code="PROTO_SYNTAX")
