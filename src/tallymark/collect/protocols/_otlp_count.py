"""How much a protobuf export holds, known before it is parsed.

Two bytes are a span, and a parsed one takes nearly two hundred: ten megabytes of empty spans would be
a gigabyte. So the frames of the messages are walked first, which takes no memory, and the walk ends
as soon as there are too many.
"""

from collections.abc import Sequence
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
        place, end, depth = pending.pop()
        while place < end:
            walked += 1
            tag, place = _varint(body, place, end)
            start, place = _skipped(body, place, end, tag & 7)
            if place > end or place < 0:
                return
            if tag & 7 == _MESSAGE and tag >> 3 in way[depth]:
                found[depth] += 1
                if depth + 1 < len(way):
                    pending.append((start, place, depth + 1))
            if found[depth] > most or walked > _FIELDS_PER_ITEM * most:
                raise Refused(f"The export holds more than {most} items.", code="BATCH_TOO_LONG")


def _skipped(body: bytes, place: int, end: int, kind: int) -> tuple[int, int]:
    """Return where the content of a field begins and ends; an end of -1 for what is none."""
    if kind == _MESSAGE:
        length, place = _varint(body, place, end)
        return place, place + length
    if kind == _VARINT:
        return place, _varint(body, place, end)[1]
    return place, place + _FIXED[kind] if kind in _FIXED else -1


def _varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    number = shift = 0
    for at in range(place, min(end, place + _LONGEST_VARINT)):
        number |= (body[at] & 0x7F) << shift
        if body[at] < 0x80:
            return number, at + 1
        shift += 7
    # Beyond any end, so that the walk stops.
    return number, end + 1
