"""The rows of a log file read page by page, without SQLite, for when SQLite refuses.

Every leaf page of every table is looked at, whether or not a root or interior page still leads
there; committed pages of the write-ahead log lie over those of the main file. Nothing here decides
whether a row is true: its digest does.
Source: https://www.sqlite.org/fileformat2.html
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, TypeAlias

from .file import PAGE_BYTES, family
from .wal import committed_frames, read_at

Value: TypeAlias = int | bytes | None

_LEAF = 0x0D
_FILE_HEADER_BYTES = 100
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_LARGEST_LOCAL = PAGE_BYTES - 35
_SMALLEST_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23


class Cell(NamedTuple):
    """Where a row lies: its key, its full length, its leaf page and where on it its content begins."""

    rowid: int
    length: int
    page: int
    at: int


class Pages:
    """The pages of a file that may be damaged anywhere; an unreadable page reads as zeros."""

    def __init__(self, path: Path) -> None:
        main, wal, _ = family(path)
        self._main = _open(main)
        self._wal = _open(wal)
        frames = committed_frames(self._wal) if self._wal else []
        size = main.stat().st_size if self._main else 0
        # No file outgrows its pages and frames; a flipped bit would make it four billion pages.
        most = -(-size // PAGE_BYTES) + len(frames)
        # The last image of a page is its newest.
        self._frames = {frame.page: frame.at for frame in frames if frame.page <= most}
        self.count = max(-(-size // PAGE_BYTES), max(self._frames, default=0))
        self._last = (0, b"")

    def __enter__(self) -> "Pages":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._main, self._wal):
            if file:
                file.close()

    def page(self, number: int) -> bytes:
        """Return a page, numbered from 1; zeros for what is not there."""
        if self._last[0] != number:
            if number in self._frames:
                data = read_at(self._wal, self._frames[number])
            else:
                data = read_at(self._main, (number - 1) * PAGE_BYTES)
            self._last = (number, data.ljust(PAGE_BYTES, b"\0"))
        return self._last[1]

    def cells(self) -> Iterator[Cell]:
        """Yield every cell of every leaf page, in page order."""
        for number in range(1, self.count + 1):
            page = self.page(number)
            start = _FILE_HEADER_BYTES if number == 1 else 0
            if page[start] == _LEAF:
                yield from _cells(page, number, start)

    def beginning(self, cell: Cell) -> bytes:
        """Return the part of a row that lies on its leaf page, at least its first 489 bytes."""
        return self.page(cell.page)[cell.at : cell.at + _local_bytes(cell.length)]

    def content(self, cell: Cell) -> bytes:
        """Return a whole row, shorter if its overflow chain is torn."""
        local = self.beginning(cell)
        parts = [local]
        missing = cell.length - len(local)
        pointer = self.page(cell.page)[cell.at + len(local) :][:4]
        number = int.from_bytes(pointer, "big")
        while missing > 0 and 0 < number <= self.count:
            page = self.page(number)
            part = page[4 : 4 + missing]
            parts.append(part)
            missing -= len(part)
            (number,) = struct.unpack_from(">I", page)
        return b"".join(parts)


def columns(content: bytes) -> tuple[Value, ...] | None:
    """Return the values of a row, None if it holds anything but integers, blobs and nulls.

    The last blob may be cut short when ``content`` is only the beginning of the row.
    """
    try:
        header_end, at = _varint(content, 0)
        kinds: list[int] = []
        while at < header_end:
            kind, at = _varint(content, at)
            kinds.append(kind)
    except IndexError:
        return None
    values: list[Value] = []
    at = header_end
    for kind in kinds:
        if kind == 0:
            values.append(None)
        elif 0 < kind < len(_INTEGER_BYTES):
            width = _INTEGER_BYTES[kind]
            values.append(int.from_bytes(content[at : at + width], "big", signed=True))
            at += width
        elif kind in {8, 9}:
            values.append(kind - 8)
        elif kind >= 12 and kind % 2 == 0:
            width = (kind - 12) // 2
            values.append(content[at : at + width])
            at += width
        else:
            return None
    return tuple(values)


def _cells(page: bytes, number: int, start: int) -> Iterator[Cell]:
    (count,) = struct.unpack_from(">H", page, start + 3)
    for index in range(min(count, PAGE_BYTES // 4)):
        pointer = start + 8 + 2 * index
        if pointer + 2 > PAGE_BYTES:
            return
        (at,) = struct.unpack_from(">H", page, pointer)
        try:
            length, at = _varint(page, at)
            rowid, at = _varint(page, at)
        except IndexError:
            continue
        yield Cell(rowid, length, number, at)


def _local_bytes(length: int) -> int:
    if length <= _LARGEST_LOCAL:
        return length
    local = _SMALLEST_LOCAL + (length - _SMALLEST_LOCAL) % (PAGE_BYTES - 4)
    return local if local <= _LARGEST_LOCAL else _SMALLEST_LOCAL


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    value = value << 8 | data[at]
    return value - (1 << 64) if value >> 63 else value, at + 1


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
