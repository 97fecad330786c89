"""The default engine: DuckDB in this process, one file a project, attached to one instance.

One thread loads; any thread may ask. Each question runs on its own cursor, so it sees one commit
and is stopped by interrupting that cursor.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from tallymark.core.errors import Broken, QuestionStopped, Refused, Unavailable
from tallymark.core.failpoint import reach
from tallymark.core.sql import Sql
from tallymark.store.engine import Columns, Commit, Fetch, Limits, Rows
from tallymark.store.migrations import MIGRATIONS
from tallymark.store.tables import BY_NAME, SCHEMA_VERSION, TABLES

# Beyond this many the least recently used project is detached: 60 attached files cost 15 MB.
_MOST_ATTACHED = 64
_FETCH_ROWS = 10_000

# A checkpoint writes the last, partly filled row group anew. At the default of 16 MB every fourth
# commit of 10 000 events took ten times as long for it. What is not folded yet stays in memory, so
# the journal cannot grow at will.
_JOURNAL = "64 MiB"
_RE2 = "If a filter has a pattern, check it: RE2 knows no look-around."
_TRANSIENT = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)


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
        with _damage_is_told(project), self._cursor(project) as cursor:
            cursor.execute("BEGIN")
            try:
                for table, columns in commit.tables.items():
                    _insert(cursor, table, columns)
                for statement in commit.statements:
                    cursor.execute(statement.text, list(statement.params))
                _set_counters(cursor, {**commit.counters, "log_position": commit.log_position})
                reach("load.inside_commit")
                cursor.execute("COMMIT" if keep else "ROLLBACK")
            except BaseException as error:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                if isinstance(error, _TRANSIENT) and not _is_damage(error):
                    raise Unavailable(_first_line(error)) from None
                raise

    def fetch(self, project: str, statement: Sql, limits: Limits | None = None) -> Rows:
        """Run a read-only statement on a consistent snapshot; may be called from any thread.

        Raises QuestionStopped when it takes longer or more than the limits allow, and Unavailable
        when the disk or the memory cannot give it now.
        """
        if limits is not None:
            with self.reading(project, limits) as fetch:
                return fetch(statement)
        with _damage_is_told(project), self._cursor(project) as cursor:
            try:
                return _run(cursor, statement, None)
            except _TRANSIENT as error:
                if _is_damage(error):
                    raise
                raise Unavailable(_first_line(error)) from None

    @contextmanager
    def reading(self, project: str, limits: Limits) -> Iterator[Fetch]:
        """Give a ``fetch`` whose statements all see the same commit, within limits in all."""
        with _damage_is_told(project), _telling(limits), self._cursor(project) as cursor:
            cursor.execute(f"SET operator_memory_limit = '{limits.memory_bytes // 1024} KiB'")
            cursor.execute("BEGIN")
            # DuckDB has no time limit of its own; interrupting the cursor from outside is the way.
            timer = threading.Timer(limits.seconds, cursor.interrupt)
            timer.daemon = True
            timer.start()
            try:
                yield lambda statement: _run(cursor, statement, limits.rows)
            finally:
                timer.cancel()
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")

    def position(self, project: str) -> int:
        """Return the log position of the last commit, 0 if none."""
        rows = self.fetch(project, Sql("SELECT amount FROM progress WHERE name = 'log_position'"))
        return int(rows.rows[0][0]) if rows.rows else 0

    def checkpoint(self, project: str) -> None:
        """Fold the write-ahead log into the file; does nothing while a load is under way."""
        with self._cursor(project) as cursor, suppress(duckdb.TransactionException):
            reach("store.before_checkpoint")
            cursor.execute("CHECKPOINT")
            reach("store.after_checkpoint")

    def snapshot(self, project: str, target: Path) -> None:
        """Copy the project's store to a new file at a commit; readers and loads go on."""
        with self._lock:
            source = self._attach(project)
        with self._attached_beside(target) as (cursor, name):
            cursor.execute(f"COPY FROM DATABASE {source} TO {name}")

    @contextmanager
    def other(self, path: Path) -> Iterator[Fetch]:
        """Give a ``fetch`` on a store file that is not a project of ours, such as a copy."""
        with self._attached_beside(path) as (cursor, name):
            cursor.execute(f"USE {name}")
            yield lambda statement: _run(cursor, statement, None)

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
            raise Unavailable(_first_line(error)) from None
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
            cursor.execute(f"USE {name}")
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
        with _damage_is_told(project):
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


@contextmanager
def _damage_is_told(project: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if "lock on file" in str(error):
            raise Unavailable(
                f"The store of {project!r} is held by another process.", code="STORE_AWAY"
            ) from error
        if _is_damage(error):
            raise Broken(f"The store of {project!r} is damaged.", code="STORE_DAMAGED") from error
        raise


def _is_damage(error: BaseException) -> bool:
    if isinstance(error, duckdb.FatalException | duckdb.SerializationException):
        return True
    text = str(error).lower()
    return any(word in text for word in ("corrupt", "checksum", "not a valid duckdb"))


@contextmanager
def _telling(limits: Limits) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        raise QuestionStopped(
            f"The question was stopped after {limits.seconds:g} seconds.",
            hint="Shorten the range, filter more, or raise `question_seconds`.",
        ) from None
    except duckdb.OutOfMemoryException:
        raise QuestionStopped(
            "The question needs more memory than it may take.",
            hint="Shorten the range, filter more, or raise `question_memory_bytes`.",
        ) from None
    except duckdb.OutOfRangeException:
        raise Refused(
            "A number of the answer has more than 38 digits.",
            code="QUERY_INVALID",
            hint="Shorten the range, or filter out the largest numbers.",
        ) from None
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        _, _, what = _first_line(error).rpartition(" Error: ")
        raise Refused(f"It cannot be computed: {what}.", code="QUERY_INVALID", hint=_RE2) from None
    except duckdb.IOException as error:
        if _is_damage(error):
            raise
        raise Unavailable("The store cannot be read now.", code="STORE_AWAY") from None


def _run(cursor: duckdb.DuckDBPyConnection, statement: Sql, most: int | None) -> Rows:
    cursor.execute(statement.text, list(statement.params))
    columns = tuple(column[0] for column in cursor.description or ())
    if most is None:
        return Rows(columns, cursor.fetchall())
    rows: list[tuple[Any, ...]] = []
    while chunk := cursor.fetchmany(_FETCH_ROWS):
        rows.extend(chunk)
        if len(rows) > most:
            cursor.abort()
            raise QuestionStopped(
                f"The question gives more than {most} rows.",
                hint="Shorten the range, filter more, or use a longer interval.",
            )
    return Rows(columns, rows)


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    filled = {name: values for name, values in columns.items() if len(values)}
    if not filled:
        return
    types = {column.name: column.type for column in BY_NAME[table].columns}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    # A column that says the same in every row goes as one parameter: most of a load's text does.
    constants: dict[str, Any] = {}
    for name, values in filled.items():
        if isinstance(values, np.ndarray):
            arrays[name] = values
        elif types[name] != "VARIANT" and arrays and _is_constant(values):
            constants[name] = values[0]
        else:
            arrays[name] = _array(values)
    # Not taken back on failure: in an aborted transaction that raises and hides why it failed.
    cursor.register("incoming", arrays)
    names = ", ".join(f'"{name}"' for name in (*arrays, *constants))
    values = ", ".join(
        (
            *(_expression(name, types[name], array) for name, array in arrays.items()),
            *(f"?::{types[name]}" for name in constants),
        )
    )
    # The names come from our own table definitions, never from an event.
    cursor.execute(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM incoming",  # noqa: S608
        list(constants.values()),
    )
    cursor.unregister("incoming")


def _is_constant(values: Sequence[Any]) -> bool:
    first = values[0]
    return bool(first == values[-1]) and list(values).count(first) == len(values)


def _array(values: Sequence[Any]) -> "np.ndarray[Any, Any]":
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _expression(name: str, kind: str, values: "np.ndarray[Any, Any]") -> str:
    if kind == "VARIANT":
        return f'variant_bytes_to_variant("{name}")'
    if name.endswith("_key") and values.dtype == np.int64:
        # Arrays of surrogate keys say "none" as 0.
        return f'nullif("{name}", 0)'
    return f'"{name}"::{kind}'


def _set_counters(cursor: duckdb.DuckDBPyConnection, counters: Mapping[str, int]) -> None:
    known = {row[0] for row in cursor.execute("SELECT name FROM progress").fetchall()}
    for name, amount in counters.items():
        if name in known:
            cursor.execute("UPDATE progress SET amount = ? WHERE name = ?", [amount, name])
        else:
            cursor.execute("INSERT INTO progress VALUES (?, ?)", [name, amount])


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
        for statement in MIGRATIONS[step]:
            cursor.execute(statement)
    if version < SCHEMA_VERSION:
        cursor.execute(
            "UPDATE meta SET text = ? WHERE name = 'schema_version'", [str(SCHEMA_VERSION)]
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
