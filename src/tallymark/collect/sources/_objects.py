"""The JSON objects of an export, one a line or as the elements of an array, read block by block."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tallymark.core.errors import Refused

from ._lines import BLOCK
from ._packed import DAMAGED, most_inflated, open_packed, refused_bomb
from .source import MAX_RAW, Failure, Line

_BOM: Final = b"\xef\xbb\xbf"
_MARK = re.compile(rb'["\\{}\[\]]')
_BETWEEN: Final = b" \t\r\n,"


def objects(path: Path, position: int, *, digest: str, longest: int) -> Iterator[Line | Failure]:
    """Give every object that begins at ``position`` or after it, and every line that is none.

    An object of more than ``longest`` bytes is cut one byte behind that. Numbers count lines, of an
    array its elements. Damaged compression, and content that inflates too far, end the file.
    """
    cutter: _Lines | _Elements | None = None
    limit, read = most_inflated(path), 0
    with open_packed(path) as stream:
        while True:
            try:
                # No more than there is: damage further on must not cost what can be read.
                block = stream.read1(BLOCK)
            except DAMAGED as error:
                message = f"The file is damaged from here on: {error}."
                yield _ended(cutter, read, digest, Refused(message, code="FILE_UNREADABLE"))
                return
            read += len(block)
            if read > limit:
                yield _ended(cutter, read, digest, refused_bomb(limit))
                return
            if cutter is None and (text := block.removeprefix(_BOM).lstrip()):
                cutter = (_Elements if text.startswith(b"[") else _Lines)(digest, longest)
                cutter.offset = read - len(block)
                block = block.removeprefix(_BOM) if read == len(block) else block
            elif cutter is None:
                if not block:
                    return
                continue
            found = cutter.cut(block) if block else cutter.finish()
            yield from (one for one in found if one.offset >= position)
            if not block:
                return


def too_long(line: Line, longest: int) -> Refused | None:
    """Return why an object is not read, if it is longer than may be."""
    if len(line.text) <= longest:
        return None
    return Refused(f"The record is longer than {longest} bytes.", code="EVENT_TOO_LARGE")


def _ended(cutter: "_Lines | _Elements | None", offset: int, digest: str, why: Refused) -> Failure:
    number = 1 if cutter is None else cutter.number + 1
    return Failure(number, offset, f"{digest}:{offset}", why.code, why.message)


class _Lines:
    """Cuts blocks into lines that are not blank."""

    def __init__(self, digest: str, longest: int) -> None:
        self._digest, self._longest = digest, longest
        self._pending, self._dropped, self.number = b"", 0, 0
        self.offset = 0

    def cut(self, block: bytes) -> Iterator[Line]:
        first, *rest = block.split(b"\n")
        self._grow(first)
        for following in rest:
            yield from self._line()
            self.offset += len(self._pending) + self._dropped + 1
            self._pending, self._dropped = b"", 0
            self._grow(following)

    def finish(self) -> Iterator[Line]:
        yield from self._line()

    def _grow(self, more: bytes) -> None:
        room = self._longest + 1 - len(self._pending)
        self._pending += more[:room]
        self._dropped += max(0, len(more) - room)

    def _line(self) -> Iterator[Line]:
        self.number += 1
        if self._pending and not self._pending.isspace():
            yield Line(self.number, self.offset, self._digest, self._pending)


class _Elements:
    """Cuts blocks into the objects of an array; ``offset`` is where the next block begins."""

    def __init__(self, digest: str, longest: int) -> None:
        self._digest, self._longest = digest, longest
        self._depth = self.number = self._skip_until = self._start = 0
        self._in_text = False
        self._kept = bytearray()
        self.offset = 0

    def cut(self, block: bytes) -> Iterator[Line | Failure]:
        base, done = self.offset, 0
        self.offset += len(block)
        for mark in _MARK.finditer(block):
            place = mark.start()
            if base + place < self._skip_until:
                continue
            sign = mark[0]
            if self._in_text:
                self._skip_until = base + place + 2 if sign == b"\\" else 0
                self._in_text = sign != b'"'
            elif sign == b'"':
                self._in_text = True
            elif sign in b"{[":
                if self._depth == 0 or (self._depth == 1 and sign == b"{"):
                    yield from self._between(block[done:place])
                    done = place + (self._depth == 0)
                    self._start = base + done
                self._depth += 1
            elif sign in b"}]" and self._depth:
                self._depth -= 1
                if self._depth == 1 and sign == b"}":
                    yield self._element(block[done : place + 1])
                elif self._depth == 0:
                    yield from self._between(block[done:place])
                else:
                    continue
                done = place + 1
                self._start = base + done
        self._keep(block[done:])

    def finish(self) -> Iterator[Line | Failure]:
        if self._depth or self._kept.strip(_BETWEEN):
            yield self._odd("The file ends within its array.")

    def _keep(self, more: bytes) -> None:
        room = self._longest + 1 - len(self._kept)
        self._kept += more[:room]

    def _element(self, last: bytes) -> Line:
        self._keep(last)
        self.number += 1
        text = bytes(self._kept)
        self._kept.clear()
        return Line(self.number, self._start, self._digest, text)

    def _between(self, last: bytes) -> Iterator[Failure]:
        """Give what stands between two objects, if it is more than a comma."""
        self._keep(last)
        if self._kept.strip(_BETWEEN):
            yield self._odd("This stands where an object should.")
        self._kept.clear()

    def _odd(self, message: str) -> Failure:
        self.number += 1
        raw = bytes(self._kept[:MAX_RAW])
        event_id = f"{self._digest}:{self._start}"
        return Failure(
            self.number, self._start, event_id, "JSON_SYNTAX", message, raw, len(self._kept)
        )
