"""Files as other tools export them: plain, gzip, or a zip whose files are read one after another.

Nothing of a zip is ever written to disk, so its names decide nothing but the order. What it may cost
is bounded before it is opened: the size of its directory, which is held in memory, and later how far
it inflates.
"""

import gzip
import io
import struct
import zipfile
import zlib
from contextlib import ExitStack
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any, Final

from tallymark.core.errors import Refused

from ._lines import open_file, unreadable

# What reading damaged or hostile compression raises.
DAMAGED: Final = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError)

_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_MOST_ENTRIES: Final = 20_000
# About 250 bytes for each entry.
_LARGEST_DIRECTORY: Final = 5 * 1024 * 1024
# JSON of events shrinks to a twentieth, a repeated line to less; a bomb to a thousandth.
_LARGEST_RATIO: Final = 250
_ALWAYS_ALLOWED: Final = 64 * 1024 * 1024
_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_LARGE_END: Final = b"PK\x06\x07"
_LARGE_END_BYTES: Final = 20
_LONGEST_COMMENT: Final = 65_535
_KINDS: Final = (".json", ".jsonl", ".ndjson", ".gz", ".txt")


def open_packed(path: Path) -> BufferedIOBase:
    """Open a file for reading its content; raises Refused FILE_UNREADABLE.

    The files of a zip are joined in the order of their names, each ended by a line end; compressed
    ones are inflated.
    """
    with open_file(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            return open_file(path)
        head = stream.read(4)
    if head not in (_ZIP, _EMPTY_ZIP):
        return open_file(path)
    _check_directory(path)
    try:
        packed = zipfile.ZipFile(path)
    except DAMAGED as error:
        raise unreadable(path, f"the zip is damaged: {error}") from error
    entries = sorted((one for one in packed.infolist() if _holds_events(one)), key=_name)
    if not entries or len(entries) > _MOST_ENTRIES:
        packed.close()
        raise unreadable(path, f"the zip holds {len(entries) or 'no'} files of events")
    return io.BufferedReader(_Joined(packed, entries))


def most_inflated(path: Path) -> int:
    """Return how many bytes of content a file may have at most; more of it is a bomb."""
    return max(_ALWAYS_ALLOWED, _LARGEST_RATIO * path.stat().st_size)


def _holds_events(entry: zipfile.ZipInfo) -> bool:
    last = entry.filename.rpartition("/")[2]
    is_hidden = last.startswith((".", "_")) or entry.filename.startswith("__MACOSX/")
    return not entry.is_dir() and not is_hidden and last.lower().endswith(_KINDS)


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename


def _check_directory(path: Path) -> None:
    """Raise Refused for a zip whose directory would fill the memory, whatever count it states."""
    with path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT - _LARGE_END_BYTES))
        tail = stream.read()
        place = tail.rfind(_END)
        if place < 0 or place + _END_BYTES > len(tail):
            raise unreadable(path, "the zip has no end")
        sizes = [struct.unpack_from("<L", tail, place + 12)[0]]
        if place >= _LARGE_END_BYTES and tail.startswith(_LARGE_END, place - _LARGE_END_BYTES):
            stream.seek(min(size, struct.unpack_from("<Q", tail, place - _LARGE_END_BYTES + 8)[0]))
            large = stream.read(56)
            sizes = [struct.unpack_from("<Q", large, 40)[0]] if len(large) == 56 else [size]
    if max(sizes) > _LARGEST_DIRECTORY:
        raise unreadable(path, f"the zip has more than {_MOST_ENTRIES} entries; unpack it first")


class _Joined(io.RawIOBase):
    """The entries of a zip as one stream."""

    def __init__(self, packed: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
        super().__init__()
        self._packed = packed
        self._entries = iter(entries)
        self._open = ExitStack()
        self._stream = self._next()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._stream is None:
            return 0
        data = self._stream.read(len(buffer))
        if not data:
            self._stream = self._next()
            # A last line without an end must not run into the next file's first one.
            data = b"\n"
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._open.close()
        self._packed.close()
        super().close()

    def _next(self) -> IO[bytes] | gzip.GzipFile | None:
        self._open.close()
        entry = next(self._entries, None)
        if entry is None:
            return None
        stream = self._open.enter_context(self._packed.open(entry))
        if not entry.filename.lower().endswith(".gz"):
            return stream
        return self._open.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))


def refused_bomb(limit: int) -> Refused:
    """Return the error for content that inflates beyond what its file may hold."""
    return Refused(
        f"The file inflates to more than {limit} bytes, {_LARGEST_RATIO} times its size.",
        code="DECOMPRESS_LIMIT",
    )
