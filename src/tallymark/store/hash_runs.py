"""Immutable files of sorted keys: how a run is written, verified, read, searched and merged.

A run is a header and three arrays of 8-byte words, native little-endian: the high halves of the
keys, sorted; their low halves; their values. Of equal keys the older comes first.
"""

import io
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Halves: TypeAlias = NDArray[np.uint64]
Values: TypeAlias = NDArray[np.int64]

_MAGIC: Final = b"TMKEYRUN"
_VERSION: Final = 1
# Magic, version, checksum of each array, count; a multiple of 8 bytes, so that arrays are aligned.
_HEADER: Final = struct.Struct("<8sI3IQ")
_WORD: Final = 8
_READ_BYTES: Final = 1 << 20
MERGE_KEYS: Final = 1 << 18


class Keys(NamedTuple):
    """Keys and their values, sorted by the high half; of equal keys the older comes first."""

    high: Halves
    low: Halves
    values: Values


class RunEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """What identifies a run: its file, how many keys it has, a checksum of each array."""

    file: str
    count: int
    checksums: tuple[int, int, int]


class Run(NamedTuple):
    """A verified run, its keys mapped from the file."""

    entry: RunEntry
    keys: Keys
    mapping: mmap.mmap

    def release(self) -> None:
        """Give back the memory through which the file was read; it stays in the page cache."""
        self.mapping.madvise(mmap.MADV_DONTNEED)


NO_KEYS: Final = Keys(
    np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
)


def open_run(folder: Path, entry: RunEntry) -> Run:
    """Verify every byte of a run and map it; raises ValueError or OSError if it is not whole."""
    path = folder / entry.file
    with path.open("rb", buffering=0) as file:
        size = _WORD * entry.count
        if os.fstat(file.fileno()).st_size != _HEADER.size + 3 * size:
            raise ValueError(f"{entry.file} has the wrong size")
        if file.read(_HEADER.size) != _header(entry.count, entry.checksums):
            raise ValueError(f"{entry.file} has another header")
        for checksum in entry.checksums:
            if _checksum(file, size) != checksum:
                raise ValueError(f"{entry.file} is damaged")
    return _mapped(path, entry)


def find(keys: Keys, high: Halves, low: Halves, found: Values) -> None:
    """Write the value of each wanted key that is among ``keys`` into ``found``.

    ``high`` must be sorted, so that the search walks through the file once.
    """
    if not len(keys.high):
        return
    places = keys.high.searchsorted(high)
    wanted = np.flatnonzero(keys.high.take(places, mode="clip") == high)
    places = places[wanted]
    while len(wanted):
        hit = keys.low[places] == low[wanted]
        found[wanted[hit]] = keys.values[places[hit]]
        # Keys may share a high half: look at the neighbour of those not found yet.
        wanted, places = wanted[~hit], places[~hit] + 1
        more = keys.high.take(places, mode="clip") == high[wanted]
        more &= places < len(keys.high)
        wanted, places = wanted[more], places[more]


def merged(folder: Path, inputs: Sequence[Run]) -> Iterator[Keys]:
    """Yield the keys of the runs, oldest run first, in order and in pieces of bounded size."""
    step = max(1, MERGE_KEYS // len(inputs))
    starts = [0] * len(inputs)
    while True:
        ahead = [
            run.keys.high[start + step - 1]
            for run, start in zip(inputs, starts, strict=True)
            if start + step <= run.entry.count
        ]
        # Up to the nearest of these no run can give more than a step, save for equal halves.
        ends = [
            int(run.keys.high.searchsorted(min(ahead), side="right")) if ahead else run.entry.count
            for run in inputs
        ]
        pieces = [
            _read(folder, run.entry, start, end)
            for run, start, end in zip(inputs, starts, ends, strict=True)
            if start < end
        ]
        if pieces:
            piece = Keys(*map(np.concatenate, zip(*pieces, strict=True)))
            order = np.argsort(piece.high, kind="stable")
            yield Keys(piece.high[order], piece.low[order], piece.values[order])
        if not ahead:
            return
        starts = ends


class RunWriter:
    """Writes a run of a known number of keys, piece by piece; leaves no file unless finished."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        self._path = folder / f"{number:08}.run"
        self._count = count
        self._written = 0
        self._checksums = [0, 0, 0]
        self._file = self._path.open("wb", buffering=0)
        self._is_finished = False

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._is_finished:
            self._path.unlink(missing_ok=True)

    def append(self, keys: Keys) -> None:
        """Write the next keys, which must not come before those already written."""
        for place, array in enumerate(keys):
            data = array.view(np.uint8).data
            self._checksums[place] = zlib.crc32(data, self._checksums[place])
            words_before = place * self._count + self._written
            self._write(data, _HEADER.size + _WORD * words_before)
        self._written += len(keys.high)

    def finish(self) -> Run:
        """Make the file durable and return it as a run; its folder is left to be synced."""
        first, second, third = self._checksums
        entry = RunEntry(self._path.name, self._count, (first, second, third))
        self._write(memoryview(_header(entry.count, entry.checksums)), 0)
        os.fsync(self._file.fileno())
        self._is_finished = True
        return _mapped(self._path, entry)

    def _write(self, data: memoryview, offset: int) -> None:
        while data:
            written = os.pwrite(self._file.fileno(), data, offset)
            data, offset = data[written:], offset + written


def _header(count: int, checksums: tuple[int, int, int]) -> bytes:
    return _HEADER.pack(_MAGIC, _VERSION, *checksums, count)


def _checksum(file: io.FileIO, size: int) -> int:
    checksum = 0
    while size:
        data = file.read(min(size, _READ_BYTES))
        if not data:
            raise ValueError("the file became shorter while it was read")
        checksum = zlib.crc32(data, checksum)
        size -= len(data)
    return checksum


def _mapped(path: Path, entry: RunEntry) -> Run:
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    count = entry.count
    size = _WORD * count
    keys = Keys(
        np.frombuffer(mapping, np.uint64, count, _HEADER.size),
        np.frombuffer(mapping, np.uint64, count, _HEADER.size + size),
        np.frombuffer(mapping, np.int64, count, _HEADER.size + 2 * size),
    )
    return Run(entry, keys, mapping)


def _read(folder: Path, entry: RunEntry, start: int, end: int) -> Keys:
    # Read, not mapped: a merge passes over whole files and should leave no pages with us.
    path = folder / entry.file
    offset = _HEADER.size + _WORD * start
    size = _WORD * entry.count
    return Keys(
        np.fromfile(path, np.uint64, end - start, offset=offset),
        np.fromfile(path, np.uint64, end - start, offset=offset + size),
        np.fromfile(path, np.int64, end - start, offset=offset + 2 * size),
    )
