"""The write-ahead log of a damaged file, read frame by frame without SQLite.

SQLite trusts the frames before the first one whose checksum fails and forgets the rest: right for a
torn end, but one flipped bit in the middle silently loses every commit behind it.
Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import os
import struct
from collections import Counter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .file import PAGE_BYTES

# A disk may fail for a moment; a sector that fails for good must not stop the rest.
_READ_TRIES = 3

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_FRAME_BYTES = _FRAME_HEADER_BYTES + PAGE_BYTES
_VOTERS = 5
_BIG_ENDIAN_SUMS = 0x377F0683

_Sums = tuple[int, int]


class Frame(NamedTuple):
    """A page image: its page number, where in the file it lies, whether it ends a commit."""

    page: int
    at: int
    commits: bool


def read_at(file: BinaryIO | None, at: int, length: int = PAGE_BYTES) -> bytes:
    """Return bytes of a file, fewer where it ends, none where the disk cannot read it."""
    if file is None:
        return b""
    for _ in range(_READ_TRIES):
        try:
            return os.pread(file.fileno(), length, at)
        except OSError:
            continue
    return b""


def committed_frames(file: BinaryIO) -> list[Frame]:
    """Return the frames of the present generation up to its last commit, in order.

    Checksums are not followed here: rows have digests of their own. Frames left of an earlier
    generation carry other salts.
    """
    salts = _salts(file)
    frames: list[Frame] = []
    end = 0
    at = _HEADER_BYTES
    while len(header := read_at(file, at, _FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
        page, pages_after_commit = struct.unpack_from(">II", header)
        if header[8:16] == salts and page:
            frames.append(Frame(page, at + _FRAME_HEADER_BYTES, pages_after_commit > 0))
            if pages_after_commit:
                end = len(frames)
        at += _FRAME_BYTES
    return frames[:end]


def is_broken_inside(path: Path) -> bool:
    """Return whether SQLite would forget commits because something before them was changed.

    A broken last commit does not count: it may be a torn write that nobody was told of.
    """
    try:
        with path.open("rb", buffering=0) as file:
            commits = [frame for frame in committed_frames(file) if frame.commits]
            return len(commits) > 1 and _sound_until(file) <= commits[-2].at
    except FileNotFoundError:
        return False


def _sound_until(file: BinaryIO) -> int:
    """Return where the first frame begins that SQLite would not trust."""
    header = read_at(file, 0, _HEADER_BYTES)
    sums = _header_sums(header)
    if sums is None:
        return 0
    order = _order(header)
    at = _HEADER_BYTES
    while len(frame := read_at(file, at, _FRAME_BYTES)) == _FRAME_BYTES:
        sums = _sum(order, frame[:8], sums)
        sums = _sum(order, frame[_FRAME_HEADER_BYTES:], sums)
        if frame[8:16] != header[16:24] or struct.unpack_from(">II", frame, 16) != sums:
            break
        at += _FRAME_BYTES
    return at


def _salts(file: BinaryIO) -> bytes:
    header = read_at(file, 0, _HEADER_BYTES)
    if len(header) == _HEADER_BYTES and _header_sums(header) is None:
        # The present generation begins the file; its first frame may be damaged with the header.
        first = (read_at(file, _HEADER_BYTES + 8 + n * _FRAME_BYTES, 8) for n in range(_VOTERS))
        return Counter(first).most_common(1)[0][0]
    return header[16:24]


def _header_sums(header: bytes) -> _Sums | None:
    """Return the checksum of the header, None if it does not hold."""
    if len(header) < _HEADER_BYTES:
        return None
    sums = _sum(_order(header), header[:24], (0, 0))
    return sums if struct.unpack_from(">II", header, 24) == sums else None


def _order(header: bytes) -> str:
    (magic,) = struct.unpack_from(">I", header)
    return ">" if magic == _BIG_ENDIAN_SUMS else "<"


def _sum(order: str, data: bytes, sums: _Sums) -> _Sums:
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for word in words:
        first = (first + word + second) & 0xFFFFFFFF
        second = (second + next(words) + first) & 0xFFFFFFFF
    return first, second
