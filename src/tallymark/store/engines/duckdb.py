"""The default engine: DuckDB in this process, one file a project, attached to one instance.

One thread loads; any thread may ask. Each question runs on its own cursor, so it sees one commit
and is stopped by interrupting that cursor.
"""

import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from tallymark.core.errors import Broken, Unavailable
from tallymark.core.failpoint import reach
from tallymark.core.sql import Sql
from tallymark.store.engine import Commit, Fetch, Limits, Reading, Rows
from tallymark.store.engines.duckdb_errors import (
    TRANSIENT,
    damage_is_told,
    first_line,
    is_damage,
    shortage_is_told,
    telling,
)
from tallymark.store.engines.duckdb_parsed import execute
from tallymark.store.engines.duckdb_reading import CursorReading, run
from tallymark.store.engines.duckdb_rows import insert, set_counters
from tallymark.store.migrations import MIGRATIONS
from tallymark.store.profile_values import states
from tallymark.store.tables import SCHEMA_VERSION, TABLES
from tallymark.store.views import COPIED, KEPT, VIEWS, WITHHELD

# Beyond this many the least recently used project is detached: 60 attached files cost 15 MB.
_MOST_ATTACHED = 64

# By itself DuckDB folds its journal inside a commit, and merges row groups while at it: three seconds
# for the worst commit of 2 000 events. So it is told when to fold; this only bounds the journal.
_JOURNAL = "256 MiB"
# Each task rewrites up to three full row groups, and whoever loads waits for it.
_MERGED_AT_ONCE = 1
# DuckDB gives a store up when a checkpoint fails, so none is begun that may find no room.
_FOLD_BYTES = 8 * 1024 * 1024
_MERGE_BYTES = 256 * 1024 * 1024
# What is folded every 16 MiB is 18 000 events; at the default of 30 000 rows a question about a
# property would find it unshredded, and ten times as slow, until it is merged.
_SHREDDED_ROWS = 4_096
# How far a statement is, and how many rows it went over, can be asked for; nothing of it is printed.
_WATCHED = (
    "SET enable_progress_bar = true",
    "SET enable_progress_bar_print = false",
    "SET progress_bar_time = 100",
    "SET tracked_metrics = '[query.total_rows_scanned]'",
    "SET enable_profiling = 'no_output'",
)


class DuckEngine:
    """Stores of all projects in one DuckDB instance."""

    def __init__(
        self,
        path_of: Callable[[str], Path],
        *,
        memory_bytes: int,
        threads: int = 0,
        temp: Path | None = None,
    ) -> None:
        self._path_of = path_of
        self._lock = threading.RLock()
        self._attached: OrderedDict[str, str] = OrderedDict()
        self._names = 0
        self._connection = duckdb.connect(":memory:")
        self._set("TimeZone", "UTC")
        self._set("memory_limit", f"{memory_bytes // 1024} KiB")
        self._set("autoinstall_known_extensions", "false")
        self._set("preserve_insertion_order", "false")
        self._set("wal_autocheckpoint", _JOURNAL)
        self._set("max_vacuum_tasks", "0")
        self._set("variant_minimum_shredding_size", str(_SHREDDED_ROWS))
        self._connection.create_function(
            "profile_states", states, ["VARCHAR[]", "BOOLEAN"], "VARCHAR[]"
        )
        if threads:
            self._set("threads", str(threads))
        if temp is not None:
            temp.mkdir(parents=True, exist_ok=True)
            self._set("temp_directory", str(temp))

    def open(self, project: str) -> None:
        """Make the project's store ready, creating or migrating it if need be.

        Raises Broken VERSION_UNKNOWN for a store of a newer version.
        """
        with self._lock:
            self._attach(project)

    def append(self, project: str, commit: Commit, *, keep: bool = True) -> None:
        """Apply a commit durably and atomically; without ``keep`` only find out whether it could be.

        Raises Unavailable when the disk or the memory cannot take it now; then nothing of it is
        kept and it can be tried again.
        """
        with damage_is_told(project), self._cursor(project) as cursor:
            cursor.execute("BEGIN")
            try:
                for table, columns in commit.tables.items():
                    insert(cursor, table, columns)
                for statement in commit.statements:
                    execute(cursor, statement.text, statement.params)
                set_counters(cursor, {**commit.counters, "log_position": commit.log_position})
                reach("load.inside_commit")
                cursor.execute("COMMIT" if keep else "ROLLBACK")
            except BaseException as error:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                if isinstance(error, TRANSIENT) and not is_damage(error):
                    raise Unavailable(first_line(error)) from None
                raise

    def fetch(self, project: str, statement: Sql, limits: Limits | None = None) -> Rows:
        """Run a read-only statement on a consistent snapshot; may be called from any thread.

        Raises QuestionStopped when it takes longer or more than the limits allow, and Unavailable
        when the disk or the memory cannot give it now.
        """
        if limits is not None:
            with self.reading(project, limits) as fetch:
                return fetch(statement)
        with damage_is_told(project), shortage_is_told(), self._cursor(project) as cursor:
            return run(cursor, statement, None)

    @contextmanager
    def reading(self, project: str, limits: Limits) -> Iterator[Reading]:
        """Give a ``fetch`` whose statements all see the same commit, within limits in all."""
        with (
            damage_is_told(project),
            self._cursor(project) as cursor,
            telling(limits, reading := CursorReading(cursor, limits)),
        ):
            memory = f"SET operator_memory_limit = '{limits.memory_bytes // 1024} KiB'"
            for setting in (*_WATCHED, memory, "BEGIN"):
                execute(cursor, setting)
            # DuckDB has no time limit of its own; interrupting the cursor from outside is the way.
            timer = threading.Timer(limits.seconds, cursor.interrupt)
            timer.daemon = True
            timer.start()
            try:
                yield reading
            finally:
                timer.cancel()
                with suppress(duckdb.Error):
                    execute(cursor, "ROLLBACK")

    def position(self, project: str) -> int:
        """Return the log position of the last commit, 0 if none."""
        rows = self.fetch(project, Sql("SELECT amount FROM progress WHERE name = 'log_position'"))
        return int(rows.rows[0][0]) if rows.rows else 0

    def journal_bytes(self, project: str) -> int:
        """Return the length of the write-ahead log."""
        path = self._path_of(project)
        try:
            return path.with_name(f"{path.name}.wal").stat().st_size
        except FileNotFoundError:
            return 0

    def checkpoint(self, project: str, *, merge: bool = False) -> None:
        """Fold the write-ahead log into the file; does nothing while a load is under way.

        The rows become a row group of their own. With ``merge`` some row groups that lie together
        and are not full become one, which takes seconds. Raises Unavailable if the disk may be too
        full for it.
        """
        self._need_space(project, _MERGE_BYTES if merge else _FOLD_BYTES)
        with damage_is_told(project), self._cursor(project) as cursor:
            cursor.execute(f"SET GLOBAL max_vacuum_tasks = {_MERGED_AT_ONCE if merge else 0}")
            reach("store.before_checkpoint")
            try:
                cursor.execute("CHECKPOINT")
            except duckdb.TransactionException:
                return
            except duckdb.IOException as error:
                if is_damage(error):
                    raise
                self._reopen(project)
                raise Unavailable(first_line(error)) from None
            finally:
                cursor.execute("SET GLOBAL max_vacuum_tasks = 0")
            reach("store.after_checkpoint")

    def _need_space(self, project: str, size: int) -> None:
        free = shutil.disk_usage(self._path_of(project).parent).free
        if free < size + 2 * self.journal_bytes(project):
            raise Unavailable("The disk is too full to fold the journal of the store.")

    def _reopen(self, project: str) -> None:
        """Let go of a store whose checkpoint failed: until it is attached anew it cannot be used."""
        with self._lock, suppress(duckdb.Error):
            self._connection.execute(f"DETACH {self._attached.pop(project)}")

    def snapshot(self, project: str, target: Path) -> None:
        """Copy the project's store to a new file at a commit; readers and loads go on."""
        with self._lock:
            source = self._attach(project)
        with self._attached_beside(target) as (cursor, name):
            cursor.execute(f"COPY FROM DATABASE {source} TO {name}")

    def copy_for_reading(self, project: str, target: Path) -> int:
        """Write a new file with what the views need, and the views; return the log position."""
        with self._lock:
            source = self._attach(project)
        with self._attached_beside(target) as (cursor, name):
            cursor.execute(f"USE {name}")
            cursor.execute("BEGIN")
            cursor.execute(f"CREATE SCHEMA {KEPT}")
            for table in COPIED:
                shown = f"EXCLUDE ({', '.join(WITHHELD)})" if table == "event" else ""
                copied = f"SELECT * {shown} FROM {source}.{table}"  # noqa: S608  our own names
                cursor.execute(f"CREATE TABLE {KEPT}.{table} AS {copied}")
            # A view finds what it is made of beside it.
            cursor.execute(f"USE {name}.{KEPT}")
            for view in VIEWS:
                cursor.execute(view.create())
            cursor.execute(f"USE {name}")
            for view in VIEWS:
                cursor.execute(f"CREATE VIEW {view.name} AS FROM {KEPT}.{view.name}")
            position = cursor.execute(
                f"SELECT amount FROM {source}.progress WHERE name = 'log_position'"  # noqa: S608
            ).fetchall()
            cursor.execute("COMMIT")
            cursor.execute("CHECKPOINT")
        return int(position[0][0]) if position else 0

    @contextmanager
    def other(self, path: Path) -> Iterator[Fetch]:
        """Give a ``fetch`` on a store file that is not a project of ours, such as a copy."""
        with self._attached_beside(path) as (cursor, name):
            cursor.execute(f"USE {name}")
            yield lambda statement: run(cursor, statement, None)

    @contextmanager
    def _attached_beside(self, path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        with self._lock:
            self._names += 1
            name = f"f{self._names}"
        cursor = self._connection.cursor()
        try:
            cursor.execute(f"ATTACH {_text(str(path))} AS {name}")
            try:
                yield cursor, name
            finally:
                cursor.execute("USE memory")
                cursor.execute(f"DETACH {name}")
        except duckdb.IOException as error:
            raise Unavailable(first_line(error)) from None
        finally:
            cursor.close()

    def close(self) -> None:
        """Write everything down and release the files."""
        with self._lock:
            for name in self._attached.values():
                with suppress(duckdb.Error):
                    self._connection.execute(f"CHECKPOINT {name}")
                with suppress(duckdb.Error):
                    self._connection.execute(f"DETACH {name}")
            self._attached.clear()
            self._connection.close()

    @contextmanager
    def _cursor(self, project: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            name = self._attach(project)
            cursor = self._connection.cursor()
            execute(cursor, f"USE {name}")
        try:
            yield cursor
        finally:
            cursor.close()

    def _attach(self, project: str) -> str:
        if project in self._attached:
            self._attached.move_to_end(project)
            return self._attached[project]
        path = self._path_of(project)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._names += 1
        name = f"p{self._names}"
        with damage_is_told(project), shortage_is_told():
            self._connection.execute(f"ATTACH {_text(str(path))} AS {name}")
            try:
                _prepare(self._connection, name, project)
            except BaseException:
                self._connection.execute(f"DETACH {name}")
                raise
        self._attached[project] = name
        if len(self._attached) > _MOST_ATTACHED:
            _, oldest = self._attached.popitem(last=False)
            self._connection.execute(f"DETACH {oldest}")
        return name

    def _set(self, name: str, value: str) -> None:
        self._connection.execute(f"SET {name} = {_text(value)}")


def engine_version() -> str:
    """Return the engine's name and version, for provenance."""
    return f"duckdb {duckdb.__version__}"


def _prepare(connection: duckdb.DuckDBPyConnection, name: str, project: str) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"USE {name}")
        existing = {
            row[0]
            for row in cursor.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [name]
            ).fetchall()
        }
        cursor.execute("BEGIN")
        if "meta" not in existing:
            for table in TABLES:
                cursor.execute(table.ddl())
            cursor.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)])
            cursor.execute("INSERT INTO meta VALUES ('project', ?)", [project])
        else:
            _migrate(cursor, project)
        cursor.execute("COMMIT")
    finally:
        cursor.close()


def _migrate(cursor: duckdb.DuckDBPyConnection, project: str) -> None:
    row = cursor.execute("SELECT text FROM meta WHERE name = 'schema_version'").fetchall()
    version = int(row[0][0]) if row else 0
    if version > SCHEMA_VERSION:
        raise Broken(
            f"The store of {project!r} has schema {version}; this version knows up to "
            f"{SCHEMA_VERSION}.",
            code="VERSION_UNKNOWN",
        )
    for step in range(version, SCHEMA_VERSION):
        for one in MIGRATIONS[step]:
            if isinstance(one, str):
                cursor.execute(one)
            else:
                one(cursor)
    if version < SCHEMA_VERSION:
        cursor.execute(
            "UPDATE meta SET text = ? WHERE name = 'schema_version'", [str(SCHEMA_VERSION)]
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
