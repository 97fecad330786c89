"""Events on disk while the server is away: files of one event a line, oldest first.

A file appears under its name only when it is whole, and is deleted only when everything in it was
delivered. Several processes may share a folder: whoever sends a file holds its lock. If one dies after
delivery and before deletion the events are sent again, and count once, since each has an id.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks; there one process should have a folder to itself.
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".ndjson"


class Spool:
    """One folder; ``max_bytes`` bounds all of it, and what does not fit is not kept."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._number = 0

    def put(self, events: list[str]) -> bool:
        """Keep events; return whether there was room. Raises OSError if the disk refuses."""
        if not events:
            return True
        data = "".join(f"{event}\n" for event in events).encode()
        if self.held_bytes() + len(data) > self._max_bytes:
            return False
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._number += 1
        name = f"{time.time_ns():020d}-{os.getpid()}-{self._number}"
        beside = self._folder / f".{name}"
        with beside.open("wb") as file:
            beside.chmod(0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self._folder / (name + _SUFFIX))
        return True

    def held_bytes(self) -> int:
        """Return how many bytes are kept."""
        return sum(size for _, size in self._files())

    def is_empty(self) -> bool:
        """Return whether nothing is kept."""
        return not self._files()

    @contextmanager
    def oldest(self) -> "Iterator[tuple[Path, list[str]] | None]":
        """Give the oldest file that nobody else is sending, with its events; None if there is none."""
        for path, _ in self._files():
            try:
                file = path.open("rb")
            except OSError:
                continue
            with file:
                if fcntl is not None:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except OSError:
                        continue
                    if not path.exists():
                        # Somebody delivered it between our look and our lock.
                        continue
                events = file.read().decode("utf-8", "replace").splitlines()
                yield path, [event for event in events if event]
                return
        yield None

    def _files(self) -> "list[tuple[Path, int]]":
        try:
            with os.scandir(self._folder) as entries:
                return sorted(
                    (Path(entry.path), entry.stat().st_size)
                    for entry in entries
                    if entry.name.endswith(_SUFFIX) and not entry.name.startswith(".")
                )
        except OSError:
            return []
