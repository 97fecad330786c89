"""The frames of a protobuf export, walked without parsing what is in them.

Two bytes are a span, and a parsed one takes nearly two hundred: ten megabytes of empty spans would be
a gigabyte. So the frames are counted first, which takes no memory and ends as soon as there are too
many. And a parser refuses a whole export for one text that is not UTF-8, which Collectors pass on, so
such an export is taken apart and each item parsed alone.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from tallymark.core.errors import Refused

# Numbers of the fields that lead to an item: resource, scope, item; of a metric its data and points.
TO_ITEMS: Final = (frozenset({1}), frozenset({2}), frozenset({2}))
TO_POINTS: Final = (*TO_ITEMS, frozenset({5, 7, 9, 10, 11}), frozenset({1}))
_LEAST_BYTES: Final = 2
# Messages on the way to an item have few fields besides; what has more is made to be walked.
_FIELDS_PER_ITEM: Final = 16
_FIXED: Final = {1: 8, 5: 4}
_VARINT, _MESSAGE = 0, 2
_LONGEST_VARINT: Final = 10
# Each item brings its resource along, so a large resource must not be repeated without end.
_GROWTH: Final = 16


def check_frames(body: bytes, way: Sequence[frozenset[int]], most: int) -> None:
    """Raise Refused BATCH_TOO_LONG if more than ``most`` messages lie at any place of the way.

    What is not well-formed is left for the parser to refuse.
    """
    if len(body) <= _LEAST_BYTES * most:
        return
    found = [0] * len(way)
    walked = 0
    pending = [(0, len(body), 0)]
    while pending:
        start, end, depth = pending.pop()
        for number, _, begin, after in _fields(body, start, end):
            walked += 1
            if number in way[depth] and begin >= 0:
                found[depth] += 1
                if depth + 1 < len(way):
                    pending.append((begin, after, depth + 1))
            if found[depth] > most or walked > _FIELDS_PER_ITEM * most:
                raise Refused(f"The export holds more than {most} items.", code="BATCH_TOO_LONG")


def each_alone(body: bytes) -> Iterator[bytes]:
    """Give each item of an export as an export of its own, with its resource and scope.

    Ends early at what is not well-formed, and when the pieces outgrow the whole.
    """
    room = _GROWTH * len(body)
    to_resource, to_scope, to_item = TO_ITEMS
    for resource in _messages(body, to_resource):
        around = _others(resource, to_scope)
        for scope in _messages(resource, to_scope):
            about = _others(scope, to_item)
            for item in _messages(scope, to_item):
                piece = _framed(1, around + _framed(2, about + _framed(2, item)))
                room -= len(piece)
                if room < 0:
                    return
                yield piece


def varint(number: int) -> bytes:
    """Return a whole number from 0 as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _framed(number: int, content: bytes) -> bytes:
    return varint(number << 3 | _MESSAGE) + varint(len(content)) + content


def _messages(body: bytes, numbers: frozenset[int]) -> Iterator[bytes]:
    for number, _, begin, after in _fields(body, 0, len(body)):
        if number in numbers and begin >= 0:
            yield body[begin:after]


def _others(body: bytes, numbers: frozenset[int]) -> bytes:
    """Return the fields of a message but those that hold more on the way."""
    fields = _fields(body, 0, len(body))
    return b"".join(
        body[start:after] for number, start, _, after in fields if number not in numbers
    )


def _fields(body: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Give number, start, start of the content (-1 for no message) and end of each field.

    Ends at what is not well-formed.
    """
    while start < end:
        tag, place = _read_varint(body, start, end)
        kind, begin = tag & 7, -1
        if kind == _MESSAGE:
            length, begin = _read_varint(body, place, end)
            after = begin + length
        elif kind == _VARINT:
            after = _read_varint(body, place, end)[1]
        else:
            after = place + _FIXED[kind] if kind in _FIXED else end + 1
        if after > end:
            return
        yield tag >> 3, start, begin, after
        start = after


def _read_varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    number = shift = 0
    for at in range(place, min(end, place + _LONGEST_VARINT)):
        number |= (body[at] & 0x7F) << shift
        if body[at] < 0x80:
            return number, at + 1
        shift += 7
    # Beyond any end, so that the walk stops.
    return number, end + 1
