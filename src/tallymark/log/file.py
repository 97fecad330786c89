"""The file of a log: its tables, how it is made and opened, and what its errors mean."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from types import NoneType
from typing import NamedTuple

from tallymark.core.errors import Broken, TallymarkError, Unavailable

from .log import GENESIS, Record, seal

FORMAT = 1
PAGE_BYTES = 4096
# Stands for a digest, chain or payload that is gone for good; no real one is empty.
LOST = b""
RETRY_AFTER_SECONDS = 5

_BUSY_SECONDS = 5.0
# 16 MiB: larger makes checkpoints rarer but longer, smaller costs throughput on large batches.
_CHECKPOINT_PAGES = 4000
_WAL_BYTES = 64 * 1024 * 1024
_ROWS_A_COMMIT = 500

# Magic, page size 4096, write-ahead log for writing and reading, no reserved bytes, fill factors.
_HEADER = b"SQLite format 3\0" + bytes.fromhex("1000 0202 00 402020")

_TABLES = """
CREATE TABLE batch (
    position INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    items INTEGER NOT NULL,
    codec INTEGER NOT NULL,
    digest BLOB NOT NULL,
    chain BLOB NOT NULL,
    payload BLOB
) STRICT;
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format INTEGER NOT NULL,
    trim_position INTEGER NOT NULL,
    trim_chain BLOB NOT NULL,
    head INTEGER NOT NULL,
    chain BLOB NOT NULL
) STRICT;
"""

INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)"
MOVE_HEAD = "UPDATE meta SET head = ?, chain = ?"
FIRST_KEPT = """
SELECT position FROM batch WHERE received_at >= ? AND position <= ? ORDER BY position LIMIT 1
"""
SHAPE = """
SELECT count(*), ifnull(min(position), 0), ifnull(max(position), 0), ifnull(sum(position), 0),
       count(*) FILTER (WHERE length(digest) NOT IN (0, 32) OR length(chain) NOT IN (0, 32))
FROM batch
"""

# position, received_at, items, codec, digest, chain, payload
Row = tuple[int, int, int, int, bytes, bytes, bytes | None]


Identity = tuple[int, ...]


class Tail(NamedTuple):
    """Both ends of a log: the last trimmed position and the last one given out, with their chain."""

    trim_position: int = 0
    trim_chain: bytes = GENESIS
    head: int = 0
    chain: bytes = GENESIS


def lost_row(position: int) -> Row:
    """Return the tombstone of a batch of which nothing is known; it reads as damaged."""
    return (position, 0, 0, 0, LOST, LOST, LOST)


def to_record(row: Row) -> Record:
    """Return the row as a record, damaged unless its digest holds or its payload was erased."""
    position, received_at, items, codec, digest, _, payload = row
    kinds = [type(value) for value in row[:5]]
    if kinds != [int, int, int, int, bytes] or type(payload) not in {bytes, NoneType}:
        return Record(position, 0, 0, 0, LOST, None, damaged=True)
    intact = payload is None or seal(received_at, items, codec, payload) == digest
    return Record(
        position, received_at, items, codec, digest, payload if intact else None, damaged=not intact
    )


def connect(path: Path, *, readonly: bool = False) -> tuple[sqlite3.Connection, Identity]:
    """Open an existing log; return the connection and which files it has, to notice other ones."""
    connection = None
    try:
        main = path.stat().st_ino
        # Not mode=ro: a reader of a write-ahead log takes part in its shared index.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_SECONDS,
            check_same_thread=False,
        )
        connection.text_factory = bytes
        _configure(connection, readonly)
        # The write-ahead log is made when first read; the file may be replaced at any time.
        files = (main, *identity(path)[1:])
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error | OSError):
            raise failure(error) from error
        raise
    return connection, files


def identity(path: Path) -> Identity:
    """Return the inodes of the database file and its write-ahead log; 0 for one that is gone."""
    return tuple(_inode(member) for member in family(path)[:2])


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def read_tail(connection: sqlite3.Connection) -> Tail:
    """Return both ends of the log."""
    row = connection.execute("SELECT trim_position, trim_chain, head, chain FROM meta").fetchone()
    if row is None or [type(value) for value in row] != [int, bytes, int, bytes]:
        raise Broken("The event log has lost its head.")
    return Tail(*row)


def create(path: Path, tail: Tail | None = None, rows: Iterable[Row] = ()) -> None:
    """Make a log that holds the rows; it appears at ``path`` whole and durable, or not at all."""
    tail = tail or Tail()
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in family(draft):
            leftover.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            # Both must stand before the first table.
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            # Nobody sees the draft: one sync at its end makes it durable.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("INSERT INTO meta VALUES (1, ?, ?, ?, ?, ?)", (FORMAT, *tail))
            _fill(connection, rows)
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise failure(error) from error


def family(path: Path) -> tuple[Path, Path, Path]:
    """Return the database file, its write-ahead log and its shared index."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_sound_header(path: Path) -> bool:
    """Return whether the file begins as every log does.

    SQLite takes some flipped bits there for another format: a file it may read but never write.
    Only for a file that nobody in this process has open: closing it gives up every lock that the
    process holds on it, and another's last connection would then delete the write-ahead log.
    """
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def is_contiguous(tail: Tail, count: int, low: int, high: int, total: int, odd: int) -> bool:
    """Return whether so many positions, their ends and their sum are what the log should hold.

    ``odd`` counts rows whose digest or chain has no length we write.
    """
    if odd or count != tail.head - tail.trim_position:
        return False
    # With the sum right too, no position in between was changed to another.
    expected = (tail.trim_position + 1, tail.head, (low + high) * count // 2)
    return count == 0 or (low, high, total) == expected


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error speaks of the content of the file, not of the disk or a lock.

    A missing table counts: the file is made whole, so its schema page was overwritten.
    """
    name: str = getattr(error, "sqlite_errorname", "")
    kinds = ("CORRUPT", "NOTADB", "ERROR", "TOOBIG", "CONSTRAINT", "MISMATCH", "FORMAT", "SCHEMA")
    return name.removeprefix("SQLITE_").startswith(kinds)


def failure(error: sqlite3.Error | OSError) -> TallymarkError:
    """Return the error as ours: Broken for a damaged file, Unavailable for anything that may heal."""
    name: str = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if isinstance(error, sqlite3.Error) and is_damage(error):
        return Broken(f"The event log is damaged ({name}).")
    return Unavailable(
        f"The event log cannot be used now ({name}).", retry_after_seconds=RETRY_AFTER_SECONDS
    )


def _configure(connection: sqlite3.Connection, readonly: bool) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    _check_format(connection)
    if readonly:
        connection.execute("PRAGMA query_only = ON")
    elif connection.execute("PRAGMA journal_mode = WAL").fetchone() != (b"wal",):
        raise Broken("The event log does not keep a write-ahead log.")


def _check_format(connection: sqlite3.Connection) -> None:
    (written,) = connection.execute("PRAGMA user_version").fetchone()
    row = connection.execute("SELECT format FROM meta").fetchone()
    # A newer version writes its number in both places; a flipped bit changes only one.
    if row is not None and written == row[0] and written > FORMAT:
        raise Broken(
            f"The event log has format {written}; this version reads up to {FORMAT}.",
            code="VERSION_UNKNOWN",
        )
    shape = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("auto_vacuum", "page_size")
    ]
    if shape != [2, PAGE_BYTES]:
        raise Broken("The header of the event log was changed.")


def _fill(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS_A_COMMIT:
            _insert(connection, chunk)
            chunk = []
    _insert(connection, chunk)


def _insert(connection: sqlite3.Connection, rows: list[Row]) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
