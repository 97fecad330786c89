"""A folder into which files are put: each is loaded once it is whole, as ``tallymark load`` does.

A file is whole when neither its size nor its time changed between two looks some seconds apart, so
half a copy is left alone; one that was renamed into the folder is old enough at once. Nothing is
moved or deleted. What was loaded is remembered, and a file that has grown gives its new lines.
"""

import argparse
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from msgspec import Struct

from tallymark.collect.sources.source import Failure, Item, Options, Record, Source
from tallymark.core.errors import TallymarkError
from tallymark.core.registry import discover, lookup

from .listener import Listener, Portion, Surroundings
from .memory import Change

_LOOK_SECONDS = 0.5
_PORTION_ITEMS = 2_000
# A last line without an end, of a file that nobody has written to for so long, is whole.
_WRITTEN_SECONDS = 60
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}  # fmt: skip
# How files are called that are not complete yet, or never were meant to be read.
_PARTIAL = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")


class Look(Struct, frozen=True):
    """What a file looked like; two looks that are equal show the same content."""

    device: int
    inode: int
    size: int
    modified_ns: int


class Loaded(Struct, frozen=True):
    """How far a file of that look was loaded; ``digest`` is of the line at ``position``."""

    look: Look
    position: int = 0
    digest: str = ""
    is_done: bool = False


class _Reading:
    """One file being loaded."""

    def __init__(self, path: Path, look: Look, source: Source) -> None:
        self.path = path
        self.look = look
        self.source = source
        self.items: Iterator[Item] = iter(())
        self.position = 0

    def begin(self, loaded: Loaded | None, options: Options) -> None:
        """Go on where a file was left, or at its beginning if it is another than it was."""
        if loaded is not None and (
            # A file that was left in the middle has no digest, but then it must not have changed.
            loaded.look == self.look
            or (loaded.digest and self.source.digest(self.path, loaded.position) == loaded.digest)
        ):
            self.position = loaded.position
        self.items = self.source.read(self.path, options, self.position)

    def digest(self) -> str:
        """Return the digest of the last line, empty if the file is no longer what was read."""
        found = self.source.digest(self.path, self.position)
        return found if _look(self.path.stat()) == self.look else ""


class Folder:
    """Watches a folder by looking at it again and again; ``take`` gives the events of new files."""

    def __init__(
        self, folder: Path, source: Source | None, pattern: str, settle_seconds: float,
        around: Surroundings,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._source = source
        self._pattern = pattern
        self._settle_seconds = settle_seconds
        self._around = around
        self._seen: dict[str, tuple[Look, float]] = {}
        self._reading: _Reading | None = None
        self._failed: dict[str, Look] = {}
        self._is_finished = False

    def take(self, wait_seconds: float) -> Portion | None:
        """Return the events of the next lines of a file that is whole."""
        if self._is_finished:
            return None
        if self._reading is None:
            self._reading = self._next()
        if self._reading is None:
            self._around.stop.wait(min(wait_seconds, _LOOK_SECONDS))
            return None
        return self._portion(self._reading)

    def confirm(self, portion: Portion) -> None:
        """Nothing to do: what is remembered says it all."""

    def finish(self) -> None:
        """Read no more."""
        self._is_finished = True

    def close(self) -> None:
        """Nothing to do: files are open only while they are read."""

    def _portion(self, reading: _Reading) -> Portion | None:
        try:
            items = list(islice(reading.items, _PORTION_ITEMS))
            if items:
                reading.position = items[-1].offset
            is_done = len(items) < _PORTION_ITEMS
            digest = reading.digest() if is_done else ""
        except (TallymarkError, OSError) as error:
            self._leave(reading.path, reading.look, error)
            self._reading = None
            return None
        if is_done:
            self._reading = None
            self._around.counts["files loaded"] += 1
        loaded = Loaded(reading.look, reading.position, digest, is_done)
        return Portion(
            [item.event for item in items if isinstance(item, Record)],
            [item for item in items if isinstance(item, Failure)],
            [Change("file", str(reading.path), loaded)],
        )

    def _next(self) -> _Reading | None:
        """Return a file to be loaded, the oldest first."""
        found = sorted(self._whole(), key=lambda one: (one[1].modified_ns, one[0].name))
        for path, look, idle in found:
            loaded = self._around.memory.get("file", str(path), Loaded)
            if self._failed.get(str(path)) == look or (
                loaded is not None and loaded.is_done and loaded.look == look
            ):
                continue
            try:
                source = self._source or _source_of(path)
                if source.ended and idle < _WRITTEN_SECONDS and source.ended(path) is not None:
                    # It ends within a line, so more of it is to come.
                    continue
                self._around.tell(f"{path}: " + "; ".join(source.explain(path, self._options)))
                reading = _Reading(path, look, source)
                reading.begin(loaded, self._options)
            except (TallymarkError, OSError) as error:
                self._leave(path, look, error)
            else:
                return reading
        return None

    @property
    def _options(self) -> Options:
        return self._around.options

    def _leave(self, path: Path, look: Look, error: Exception) -> None:
        self._failed[str(path)] = look
        self._around.counts["files left, being unreadable"] += 1
        self._around.tell(f"{path} was left: {error}")

    def _whole(self) -> Iterator[tuple[Path, Look, float]]:
        """Give the files that are not being written, and note how all others look."""
        now = self._around.clock.monotonic()
        seen, self._seen = self._seen, {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not self._is_wanted(entry):
                    continue
                look = _look(entry.stat())
                before, since = seen.get(entry.name, (None, now))
                if before != look:
                    since = now
                self._seen[entry.name] = (look, since)
                age = self._around.clock.now() / 1_000_000 - look.modified_ns / 1_000_000_000
                idle = max(age, now - since)
                if look.size and idle >= self._settle_seconds:
                    yield Path(entry.path), look, idle

    def _is_wanted(self, entry: "os.DirEntry[str]") -> bool:
        name = entry.name
        if name.startswith(".") or name.endswith(_PARTIAL) or not entry.is_file():
            return False
        if not fnmatch(name, self._pattern):
            return False
        return self._source is not None or _format_of(name) is not None


def _format_of(name: str) -> str | None:
    return _SUFFIXES.get(Path(name.removesuffix(".gz")).suffix.lower())


def _source_of(path: Path) -> Source:
    return _sources()[_format_of(path.name) or ""]


def _sources() -> dict[str, Source]:
    return dict(discover("tallymark.collect.sources", Source))


def _look(status: os.stat_result) -> Look:
    return Look(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the folder and which of its files are loaded."""
    parser.add_argument("folder", metavar="DIR", help="folder into which files are put")
    parser.add_argument("--format", default="auto", metavar="FORMAT", help="csv, ndjson, parquet or access-log; auto tells by the file's name (default)")  # fmt: skip
    parser.add_argument("--match", default="*", metavar="PATTERN", help="only files whose name is like this, such as 'orders-*.csv'")  # fmt: skip
    parser.add_argument("--settle", type=float, default=2.0, metavar="SECONDS", help="how long a file must not have changed to be whole (default: 2)")  # fmt: skip


def identity(args: argparse.Namespace) -> str:
    """Return the folder and which of its files are loaded."""
    return f"{Path(args.folder).absolute()}\0{args.match}"


def follow(args: argparse.Namespace, around: Surroundings) -> Folder:
    """Begin to watch; raises TallymarkError FILE_UNREADABLE if there is no such folder."""
    folder = Path(args.folder).absolute()
    if not folder.is_dir():
        raise TallymarkError(f"{folder} is no folder.", code="FILE_UNREADABLE")
    known = around.memory.all("file", Loaded)
    gone = [Change("file", path, None) for path in known if not Path(path).exists()]
    around.memory.change(gone)
    source = None if args.format == "auto" else lookup(_sources(), args.format, "file format")
    return Folder(folder, source, args.match, args.settle, around)


folder = Listener(
    name="folder",
    summary="A folder into which CSV, JSON lines or Parquet files are put.",
    add_flags=add_flags,
    identity=identity,
    open=follow,
    has_end=True,
    takes_mapping=True,
)
