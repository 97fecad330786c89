"""The log as one SQLite file: a row a batch, one durable commit a group.

Position and chain are computed inside the write transaction, so two writers could not fork the
log. The ``meta`` row repeats the head on a page of its own: a lost tail is noticed, and its
positions are never given out again.
"""

import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tallymark.core.errors import Broken, NotFound, Unavailable
from tallymark.core.failpoint import reach

from .file import (
    FIRST_KEPT,
    INSERT,
    LOST,
    MOVE_HEAD,
    RETRY_AFTER_SECONDS,
    SHAPE,
    Row,
    Tail,
    connect,
    create,
    failure,
    identity,
    is_contiguous,
    is_damage,
    lost_row,
    read_tail,
    sync,
    to_record,
)
from .log import Entry, LogReport, Record, link

_COLUMNS = "position, received_at, items, codec, digest, chain, payload"
_SCAN = f"SELECT {_COLUMNS} FROM batch WHERE position > ? ORDER BY position"  # noqa: S608 - constants
_ONE = f"SELECT {_COLUMNS} FROM batch WHERE position = ?"  # noqa: S608 - constants
# The fields lie on the leaf page; a payload torn out of its overflow chain leaves them readable.
_FIELDS = (
    "SELECT position, received_at, items, codec, digest, chain, x'' FROM batch WHERE position = ?"
)
_TRIM_ROWS = 200
_VACUUM_PAGES = 2000
_VERIFY_BYTES = 16 * 1024 * 1024
# More neighbours than one page can hold: when all are unreadable, more than one leaf is gone.
_LEAF_ROWS = 64


class SqliteLog:
    """A ``Log`` in one file; made if absent. Safe to share between threads.

    Raises Unavailable when the disk does not let it, Broken LOG_DAMAGED when the file is no longer
    a log that can be walked (``open_log`` salvages it), Broken VERSION_UNKNOWN for a newer format.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._readonly = readonly
        self._lock = threading.RLock()
        self._suspect = False
        if not path.exists():
            if readonly:
                raise NotFound(f"There is no event log named {path.name} yet.")
            create(path)
        self._connection, self._files = connect(path, readonly=readonly)
        try:
            tail = read_tail(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._acknowledged = (tail.head, tail.chain)

    def append(self, entries: Sequence[Entry]) -> int:
        """Store all entries in one durable commit; return the position of the first.

        After a failed commit nothing is acknowledged until the file was reopened and checked.
        """
        with self._lock:
            if self._suspect:
                self.recover()
            return self._commit(entries)

    def recover(self) -> None:
        """Reopen, check that all that was acknowledged is there, and commit durably once.

        Raises Unavailable while the disk still fails, Broken when acknowledged batches are gone.
        """
        with self._lock:
            self._suspect = True
            self._reopen()
            with self._writing() as connection:
                self._check_acknowledged(connection)
                connection.execute("UPDATE meta SET head = head")
            self._suspect = False

    def read(self, after: int, *, max_bytes: int, max_items: int) -> list[Record]:
        """Return records after a position in order, at least one if there is any.

        ``max_items`` bounds the sum of the records' items. Raises Broken when so much of the file
        is unreadable that it must be salvaged rather than counted as lost.
        """
        rows = self._rows(after, max_bytes, max_items)
        return [record for record, _ in rows]

    def head(self) -> int:
        """Return the last position given out, 0 for none."""
        return self._tail().head

    def first(self) -> int:
        """Return the oldest position still held; head + 1 when none is."""
        return self._tail().trim_position + 1

    def erase(self, positions: Iterable[int]) -> int:
        """Destroy the payloads of these positions; return how many there were.

        The bytes are overwritten in the file and gone from the write-ahead log.
        """
        with self._lock, self._writing() as connection:
            before = connection.total_changes
            connection.executemany(
                "UPDATE batch SET payload = NULL WHERE position = ? AND length(payload) > 0",
                [(position,) for position in positions],
            )
            erased = connection.total_changes - before
        self._checkpoint()
        return erased

    def trim(self, before_received_at: int, upto_position: int) -> int:
        """Delete the oldest batches received before an instant and up to a position; return how many.

        When something happened plays no part: a back-dated event stays as long as its batch.
        Other writers get their turn between chunks.
        """
        deleted = 0
        while count := self._trim_some(before_received_at, upto_position):
            deleted += count
        if deleted:
            while self._vacuum_some():
                pass
            self._checkpoint()
        return deleted

    def check(self, *, deep: bool = False) -> None:
        """Raise Broken unless the file can be walked from its first position to its head.

        Reads every leaf page but no payloads beyond it; ``deep`` reads every page.
        """
        with self._lock:
            try:
                sound = not (deep and self._has_bad_pages())
                tail = read_tail(self._connection)
                shape = self._connection.execute(SHAPE).fetchone()
            except (sqlite3.Error, OSError) as error:
                raise failure(error) from error
        if not sound or not is_contiguous(tail, *shape):
            raise Broken("The event log does not hold the pages and positions it should.")

    def verify(self) -> LogReport:
        """Read everything and check every digest and link, letting writers write meanwhile."""
        tail = self._tail()
        position, chain = first, _ = tail.trim_position, tail.trim_chain
        batches = items = erased = 0
        damaged: list[int] = []
        broken: list[int] = []
        while rows := self._rows(position, _VERIFY_BYTES, 2**62):
            for record, stored in rows:
                if record.position != position + 1:
                    chain = LOST  # trimmed meanwhile
                position = record.position
                if LOST not in {chain, stored} and stored != link(chain, position, record):
                    broken.append(position)
                chain = stored
                batches += 1
                items += record.items
                erased += record.payload is None and not record.damaged
                if record.damaged:
                    damaged.append(position)
        tail = self._tail()
        if position == tail.head and chain not in {tail.chain, LOST}:
            broken.append(position)
        return LogReport(
            first=first + 1,
            head=position,
            batches=batches,
            items=items,
            erased=erased,
            damaged=tuple(damaged),
            chain_ok=not broken,
            first_broken=broken[0] if broken else None,
        )

    def backup(self, target: Path) -> int:
        """Write a consistent copy to a new file while others write; return its head."""
        if target.exists():
            raise Unavailable(f"{target.name} exists already; a backup never overwrites.")
        try:
            source, _ = connect(self.path, readonly=True)
            with closing(source), closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
                head = read_tail(copy).head
        except sqlite3.Error as error:
            raise failure(error) from error
        sync(target)
        sync(target.parent)
        return head

    def skip(self, upto: int) -> None:
        """Mark the positions from head + 1 to ``upto`` as lost, so that they are never given out."""
        with self._lock, self._writing() as connection:
            head = read_tail(connection).head
            connection.executemany(INSERT, (lost_row(n) for n in range(head + 1, upto + 1)))
            connection.execute(MOVE_HEAD, (upto, LOST))
        self._acknowledged = (upto, LOST)

    def close(self) -> None:
        """Release the file; closing twice does nothing."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    def _commit(self, entries: Sequence[Entry]) -> int:
        with self._writing() as connection:
            tail = read_tail(connection)
            chain = tail.chain
            rows: list[Row] = []
            for position, entry in enumerate(entries, tail.head + 1):
                chain = link(chain, position, entry)
                fields = (entry.received_at, entry.items, entry.codec, entry.digest)
                rows.append((position, *fields, chain, entry.payload))
            head = tail.head + len(rows)
            connection.executemany(INSERT, rows)
            connection.execute(MOVE_HEAD, (head, chain))
            reach("log.before_commit")
        reach("log.after_commit")
        if self._is_replaced():
            # Whoever took his connection for the last one has folded our write-ahead log into the
            # file and deleted it. All before is there; this commit may come to nothing.
            self._suspect = True
            raise Unavailable(
                "The event log was replaced while it was written.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._acknowledged = (head, chain)
        return tail.head + 1

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            # On an error SQLite may have rolled back by itself; the connection knows.
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
        except sqlite3.Error as error:
            self._suspect = True
            raise failure(error) from error

    def _trim_some(self, before_received_at: int, upto_position: int) -> int:
        with self._lock, self._writing() as connection:
            tail = read_tail(connection)
            upto = min(upto_position, tail.head, tail.trim_position + _TRIM_ROWS)
            kept = connection.execute(FIRST_KEPT, (before_received_at, upto)).fetchone()
            if kept is not None:
                upto = kept[0] - 1
            if upto <= tail.trim_position:
                return 0
            row = connection.execute(
                "SELECT chain FROM batch WHERE position = ?", (upto,)
            ).fetchone()
            connection.execute("DELETE FROM batch WHERE position <= ?", (upto,))
            connection.execute(
                "UPDATE meta SET trim_position = ?, trim_chain = ?", (upto, row[0] if row else LOST)
            )
            return upto - tail.trim_position

    def _vacuum_some(self) -> bool:
        """Give free pages back to the file system; return whether some are left."""
        with self._lock:
            try:
                (before,) = self._connection.execute("PRAGMA freelist_count").fetchone()
                # Unlike execute, which would free one page only.
                self._connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
                (after,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            except sqlite3.Error as error:
                raise failure(error) from error
            return bool(0 < after < before)

    def _checkpoint(self) -> None:
        """Empty the write-ahead log, which still holds what was overwritten in the file."""
        with self._lock:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                raise failure(error) from error

    def _has_bad_pages(self) -> bool:
        found: tuple[bytes] = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        return found != (b"ok",)

    def _check_acknowledged(self, connection: sqlite3.Connection) -> None:
        position, chain = self._acknowledged
        tail = read_tail(connection)
        if position <= tail.trim_position:
            return
        row = connection.execute(_ONE, (position,)).fetchone()
        if row is None or row[5] != chain or tail.head < position:
            raise Broken(f"The acknowledged batch at position {position} is gone.")

    def _tail(self) -> Tail:
        with self._lock:
            self._follow()
            try:
                return read_tail(self._connection)
            except sqlite3.Error as error:
                raise failure(error) from error

    def _follow(self) -> None:
        # Salvage puts a new file in place of this one.
        if self._is_replaced():
            self._reopen()

    def _is_replaced(self) -> bool:
        try:
            return identity(self.path) != self._files
        except OSError as error:
            raise failure(error) from error

    def _reopen(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection, self._files = connect(self.path, readonly=self._readonly)

    def _rows(self, after: int, max_bytes: int, max_items: int) -> list[tuple[Record, bytes]]:
        found: list[tuple[Record, bytes]] = []
        size = items = 0
        with self._lock:
            self._follow()
            try:
                # One snapshot: a trim between the statements would look like lost batches.
                self._connection.execute("BEGIN")
                with closing(self._walk(after)) as walk:
                    for record, chain in walk:
                        size += len(record.payload or b"")
                        items += record.items
                        if found and (size > max_bytes or items > max_items):
                            break
                        found.append((record, chain))
            except sqlite3.Error as error:
                raise failure(error) from error
            finally:
                if self._connection.in_transaction:
                    self._connection.rollback()
        return found

    def _walk(self, after: int) -> Generator[tuple[Record, bytes], None, None]:
        tail = read_tail(self._connection)
        position = max(after, tail.trim_position)
        try:
            for row in self._connection.execute(_SCAN, (position,)):
                if row[0] != position + 1:
                    break
                position = row[0]
                yield to_record(row), row[5]
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            # A disk that fails to read looks like a damaged file: judge on a new connection.
            self._reopen()
        yield from self._walk_singly(position, tail.head)

    def _walk_singly(self, position: int, head: int) -> Iterator[tuple[Record, bytes]]:
        unreadable = 0
        for wanted in range(position + 1, head + 1):
            row = self._one(wanted)
            if row is not None:
                for lost in range(wanted - unreadable, wanted):
                    yield to_record(lost_row(lost)), LOST
                unreadable = 0
                yield to_record(row), row[5]
            else:
                unreadable += 1
                if unreadable > _LEAF_ROWS:
                    break
        if unreadable:
            raise Broken("The event log cannot be walked to its head; it must be salvaged.")

    def _one(self, position: int) -> Row | None:
        for statement in (_ONE, _FIELDS):
            try:
                row: Row | None = self._connection.execute(statement, (position,)).fetchone()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
            else:
                return row
        return None
