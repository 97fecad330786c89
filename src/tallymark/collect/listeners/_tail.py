"""Follows files while they are written, through rotation by renaming and by copying and truncating.

A file is known by its beginning, as ``sources.source`` tells, and while it is open by its device and
inode. A rotated file is read on until it has been quiet for long, because a server may write to it
for as long as an old request lasts. Half a line waits for its end.
"""

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from gzip import GzipFile
from io import BufferedIOBase
from pathlib import Path

from msgspec import Struct

from tallymark.collect.sources._lines import BLOCK, Cutter, open_file
from tallymark.collect.sources.source import Failure, Item, Line, Record, Source
from tallymark.core.clock import DAY
from tallymark.core.errors import Refused, TallymarkError

from .listener import Portion, Surroundings
from .memory import Change

_LOOK_SECONDS = 0.25
_QUIET_SECONDS = 600
_MOST_EARLIER = 16
_PORTION_ITEMS = 2_000
_COMPARED_BYTES = 64
_FORGET_AFTER = 90 * DAY
# What a rotation puts behind a name, as in access.log.1 and access.log-20261125.gz, or into it, as in
# access-20261125.log: there a date, because access-443.log is another log.
_BEHIND = re.compile(r"[._-]\d[\w.-]*")
_WITHIN = re.compile(r"[._-]\d{4}-?\d{2}[\w.-]*")
_PACKED = (".xz", ".zst", ".bz2", ".lz4", ".zip")


class Place(Struct, frozen=True):
    """How far a file was read: where its last durable line begins, and that line's digest."""

    position: int = 0
    digest: str = ""
    device: int = 0
    inode: int = 0
    at: int = 0
    is_done: bool = False


class _File:
    """One open file of a followed path; lines that begin before ``start`` are not given."""

    def __init__(self, path: Path, start: int, now: float) -> None:
        self.path = path
        self.start = start
        self.stream: BufferedIOBase = open_file(path)
        self.status = os.fstat(self.stream.fileno())
        self.is_plain = not isinstance(self.stream, GzipFile)
        self.cutter = Cutter()
        self.changed = now
        self.last = b""
        self.place: Place | None = None
        self.is_broken = False

    def is_at(self, path: Path) -> bool:
        """Whether the path still leads to this file."""
        try:
            found = path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self.status.st_dev, self.status.st_ino)

    def is_as_read(self) -> bool:
        """Whether what was read is still there, so that the file was only added to."""
        if not self.is_plain:
            return True
        handle, size = self.stream.fileno(), self.cutter.size
        if os.fstat(handle).st_size < size:
            return False
        return os.pread(handle, len(self.last), size - len(self.last)) == self.last

    def read(self, now: float) -> list[Line] | None:
        """Return the lines that the next block completes; None at the end of what is written."""
        try:
            block = self.stream.read(BLOCK)
        except (EOFError, OSError, ValueError, zlib.error):
            # A compressed file that is damaged, or still being written.
            self.is_broken = True
            return None
        if not block:
            return None
        self.changed = now
        self.last = (self.last + block)[-_COMPARED_BYTES:]
        return self._given(self.cutter.cut(block))

    def finish(self) -> list[Line]:
        """Return a last line that never got its end."""
        return self._given(self.cutter.finish())

    def close(self) -> None:
        self.stream.close()

    def _given(self, lines: Sequence[Line]) -> list[Line]:
        return [line for line in lines if line.offset >= self.start]


class _Path:
    """One followed path: the file it leads to now, and earlier ones that may still be written."""

    def __init__(self, path: Path, source: Source, around: Surroundings, *, from_end: bool) -> None:
        self.path = path
        self._source = source
        self._around = around
        self.current: _File | None = None
        self.earlier: list[_File] = []
        self._is_missed = False
        self._open(from_end=from_end)

    def files(self) -> list[_File]:
        """Return every open file, the oldest first, after looking for what was rotated."""
        now = self._around.clock.monotonic()
        current = self.current
        if current is not None and not current.is_as_read():
            self._read_copy(current, now)
            current.close()
            self.current = current = None
            self._open_current(0, now)
        elif current is None or (not current.is_at(self.path) and self.path.exists()):
            if current is not None:
                self.earlier.append(current)
                self.current = None
            self._open_current(0, now)
        return [*self.earlier, *([self.current] if self.current else [])]

    def is_over(self, file: _File) -> bool:
        """Whether nothing more is to be expected of an earlier file that is read to its end."""
        quiet = self._around.clock.monotonic() - file.changed
        is_one_too_many = len(self.earlier) > _MOST_EARLIER and file is self.earlier[0]
        return file in self.earlier and (
            not file.is_plain or quiet > _QUIET_SECONDS or is_one_too_many
        )

    def end(self, file: _File) -> None:
        """Close an earlier file, all of whose lines are durable."""
        self.earlier.remove(file)
        file.close()
        place = file.place or Place()
        if file.is_broken:
            self._around.tell(
                f"{file.path} is damaged or was not whole yet; started again, it is read again."
            )
        elif file.cutter.head:
            self._around.memory.change([self._change(file, place, is_done=True)])

    def change(self, file: _File, line: Line) -> Change:
        """Return how far a file is once that line is durable."""
        file.place = Place(line.offset, line.digest)
        return self._change(file, file.place)

    def close(self) -> None:
        for file in [*self.earlier, *([self.current] if self.current else [])]:
            file.close()

    def _change(self, file: _File, place: Place, *, is_done: bool = False) -> Change:
        value = Place(
            place.position, place.digest, file.status.st_dev, file.status.st_ino,
            self._around.clock.now(), is_done,
        )  # fmt: skip
        return Change("place", f"{self._source.name}\0{self.path}\0{file.cutter.head}", value)

    # What was there before

    def _open(self, *, from_end: bool) -> None:
        """Open the file, and what was rotated away from it since it was last followed."""
        memory, now = self._around.memory, self._around.clock.now()
        followed = f"{self._source.name}\0{self.path}"
        seen = memory.get("seen", followed, int)
        places = self._places(followed)
        if seen is None:
            memory.change([Change("seen", followed, now)])
        else:
            last = max([seen, *(place.at for place in places.values())])
            self._open_rotated(places, last)
        self._open_current(self._start(places, from_end=from_end and seen is None), 0.0)

    def _places(self, followed: str) -> dict[str, Place]:
        """Return what is remembered of the files of this path, by their beginning."""
        memory, now = self._around.memory, self._around.clock.now()
        found, old = {}, []
        for key, place in memory.all("place", Place).items():
            if key.rpartition("\0")[0] != followed:
                continue
            if place.is_done and place.at < now - _FORGET_AFTER:
                old.append(Change("place", key, None))
            else:
                found[key.rpartition("\0")[2]] = place
        memory.change(old)
        return found

    def _open_rotated(self, places: dict[str, Place], last: int) -> None:
        current = self.path.stat().st_ino if self.path.exists() else 0
        for file, status in self._rotated():
            if status.st_ino == current:
                continue
            try:
                head = self._source.digest(file, 0)
            except Refused:
                continue
            place = places.get(head)
            if place is None and status.st_mtime_ns // 1000 < last:
                # Rotated before this path was ever followed.
                continue
            if place is None or not place.is_done:
                start = self._checked(file, place) if place else 0
                self.earlier.append(_File(file, start, self._around.clock.monotonic()))

    def _start(self, places: dict[str, Place], *, from_end: bool) -> int:
        if not self.path.exists():
            return 0
        head = self._source.digest(self.path, 0)
        if head in places:
            return self._checked(self.path, places[head])
        if from_end:
            size = self.path.stat().st_size
            status = self.path.stat()
            place = Place(
                size, self._source.digest(self.path, size), status.st_dev, status.st_ino,
                self._around.clock.now(),
            )  # fmt: skip
            key = f"{self._source.name}\0{self.path}\0{head}"
            self._around.memory.change([Change("place", key, place)])
            return size
        return self._around.reached(self._source, self.path)

    def _checked(self, file: Path, place: Place) -> int:
        is_same = self._source.digest(file, place.position) == place.digest
        return place.position if is_same else 0

    def _rotated(self) -> list[tuple[Path, os.stat_result]]:
        """Return the files that look like rotated ones of this path, the oldest first."""
        found = []
        stem, suffix = self.path.stem, self.path.suffix
        for file in self.path.parent.iterdir():
            name = file.name
            if name.startswith(self.path.name):
                is_rotated = _BEHIND.fullmatch(name.removeprefix(self.path.name))
            elif suffix and suffix in name and name.startswith(stem):
                is_rotated = _WITHIN.fullmatch(name.removeprefix(stem).replace(suffix, "", 1))
            else:
                is_rotated = None
            if is_rotated and not name.endswith(_PACKED):
                found.append((file, file.stat()))
        return sorted(found, key=lambda one: one[1].st_mtime_ns)

    # While it goes on

    def _open_current(self, start: int, now: float) -> None:
        try:
            self.current = _File(self.path, start, now or self._around.clock.monotonic())
            self._is_missed = False
        except Refused as error:
            if self.path.exists():
                raise TallymarkError(error.message, code=error.code) from error
            if not self._is_missed:
                self._around.tell(f"{self.path} is not there; waiting for it.")
            self._is_missed = True

    def _read_copy(self, file: _File, now: float) -> None:
        """Go on in the copy that was made of a file before it was truncated."""
        for copy, _ in reversed(self._rotated()):
            try:
                is_copy = file.cutter.head and self._source.digest(copy, 0) == file.cutter.head
            except Refused:
                continue
            if is_copy:
                found = _File(copy, file.cutter.offset, now)
                found.place = file.place
                self.earlier.append(found)
                return
        self._around.tell(f"{self.path} was truncated, and there is no copy of what it held.")


class Tail:
    """Follows paths; ``take`` gives the events of whole lines."""

    def __init__(
        self, source: Source, paths: Sequence[Path], around: Surroundings, *, from_end: bool
    ) -> None:
        self._source = source
        self._around = around
        self._paths = [_Path(path, source, around, from_end=from_end) for path in paths]
        self._is_finished = False

    def take(self, wait_seconds: float) -> Portion | None:
        """Return the events of the next lines, and how far their files are with them."""
        items: list[Item] = []
        changes: dict[str, Change] = {}
        for path, file, lines in self._lines():
            items += self._items(lines)
            if lines and file.cutter.head:
                change = path.change(file, lines[-1])
                changes[change.key] = change
            if len(items) >= _PORTION_ITEMS or self._around.stop.is_set():
                break
        if not items and not changes:
            self._around.stop.wait(min(wait_seconds, _LOOK_SECONDS))
            return None
        return Portion(
            [item.event for item in items if isinstance(item, Record)],
            [item for item in items if isinstance(item, Failure)],
            list(changes.values()),
        )

    def confirm(self, portion: Portion) -> None:
        """Nothing to do: what is remembered says it all."""

    def finish(self) -> None:
        """Read no more."""
        self._is_finished = True

    def close(self) -> None:
        """Close the files."""
        for path in self._paths:
            path.close()

    def _lines(self) -> Iterator[tuple[_Path, _File, list[Line]]]:
        # Each path begins once, lest a busy one keep the others waiting.
        self._paths.append(self._paths.pop(0))
        for path in [] if self._is_finished else list(self._paths):
            for file in path.files():
                while (lines := file.read(self._around.clock.monotonic())) is not None:
                    yield path, file, lines
                if path.is_over(file):
                    rest = file.finish()
                    yield path, file, rest
                    if not rest:
                        path.end(file)

    def _items(self, lines: Sequence[Line]) -> list[Item]:
        read = self._source.line
        assert read is not None  # noqa: S101 - only formats of lines are followed
        found = (read(line, self._around.options) for line in lines)
        return [item for item in found if item is not None]
