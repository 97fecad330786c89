"""What a follower remembers: small values by kind and key, in one SQLite file, changed all at once."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tallymark.core.errors import TallymarkError, Unavailable

T = TypeVar("T")
_TABLE = """
CREATE TABLE IF NOT EXISTS remembered (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID
"""


class Change(Struct, frozen=True):
    """One value to remember, or to forget if it is None."""

    kind: str
    key: str
    value: Any


class Memory:
    """A file of remembered values; durable before ``change`` returns. Threads may share it.

    One process at a time has it. Raises TallymarkError ALREADY_FOLLOWED if another one does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock_file)
            raise TallymarkError(
                "The same is followed by another process already.", code="ALREADY_FOLLOWED"
            ) from None
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(_TABLE)
        except sqlite3.DatabaseError as error:
            self.close()
            raise TallymarkError(
                f"{path} cannot be read: {error}.",
                code="FILE_UNREADABLE",
                hint="Move it away to begin anew; what was sent before still counts once.",
            ) from error

    def get(self, kind: str, key: str, shape: type[T]) -> T | None:
        """Return a remembered value, None if there is none of that shape."""
        query = "SELECT value FROM remembered WHERE kind = ? AND key = ?"
        with self._lock:
            row = self._database.execute(query, (kind, key)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=shape)

    def all(self, kind: str, shape: type[T]) -> dict[str, T]:
        """Return everything remembered of a kind, in the order of the keys."""
        query = "SELECT key, value FROM remembered WHERE kind = ? ORDER BY key"
        with self._lock:
            rows = self._database.execute(query, (kind,)).fetchall()
        return {key: msgspec.json.decode(value, type=shape) for key, value in rows}

    def first(self, kind: str) -> tuple[str, bytes] | None:
        """Return the first key of a kind and its value as it is kept."""
        query = "SELECT key, value FROM remembered WHERE kind = ? ORDER BY key LIMIT 1"
        with self._lock:
            row = self._database.execute(query, (kind,)).fetchone()
        return None if row is None else (row[0], row[1])

    def size(self, kind: str) -> tuple[str, int]:
        """Return the last key of a kind, empty if there is none, and the bytes of all its values."""
        query = "SELECT max(key), sum(length(value)) FROM remembered WHERE kind = ?"
        with self._lock:
            last, size = self._database.execute(query, (kind,)).fetchone()
        return last or "", size or 0

    def change(self, changes: Iterable[Change]) -> None:
        """Make all the changes or none; raises Unavailable if the disk takes none."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for change in changes:
                    self._make(change)
                self._database.execute("COMMIT")
            except BaseException as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise Unavailable(
                        f"{self._path} cannot be written: {error}.",
                        hint="Check the disk, then start again to go on.",
                    ) from error
                raise

    def close(self) -> None:
        """Let another process have it."""
        with self._lock:
            self._database.close()
            os.close(self._lock_file)

    def _make(self, change: Change) -> None:
        if change.value is None:
            query = "DELETE FROM remembered WHERE kind = ? AND key = ?"
            self._database.execute(query, (change.kind, change.key))
        else:
            query = "INSERT OR REPLACE INTO remembered (kind, key, value) VALUES (?, ?, ?)"
            value = msgspec.json.encode(change.value)
            self._database.execute(query, (change.kind, change.key, value))
