"""Questions in SQL: of a copy of the project's store, in a process that can read nothing else."""

import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

import tallymark
from tallymark import __version__
from tallymark.app.folders import Folders
from tallymark.core.clock import MICROSECONDS, Clock, rfc3339
from tallymark.core.errors import InvalidQuery, QuestionStopped, misfit
from tallymark.core.settings import MIB, Settings
from tallymark.store.engine import Engine

MAX_SQL: Final = 100_000
_ANSWER_BYTES: Final = 32 * MIB
# Isolated from the environment, it has to be told where we are.
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from tallymark.store.engines.duckdb_console import main; main()"
)


class SqlQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """A statement, how many rows are wanted, and how old what it reads may be."""

    sql: str
    limit: int = 1_000
    max_age_seconds: int = 60


class SqlAnswer(Struct, frozen=True):
    """The rows, and of which events: those up to ``log_position``, ``age_seconds`` ago."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    is_cut: bool
    log_position: int
    copied_at: str
    age_seconds: int
    took_ms: float
    version: str


class _Copy(Struct, frozen=True):
    path: Path
    position: int
    made_us: int


class _Found(Struct, frozen=True):
    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    is_cut: bool
    error: str | None
    is_stopped: bool


_QUESTION: Final = msgspec.json.Decoder(SqlQuestion)
_FOUND: Final = msgspec.json.Decoder(_Found, float_hook=Decimal)


class Console:
    """Keeps a copy of each project that is asked in SQL; safe to use from several threads."""

    def __init__(self, engine: Engine, folders: Folders, settings: Settings, clock: Clock) -> None:
        self._engine = engine
        self._folders = folders
        self._settings = settings
        self._clock = clock
        self._copies: dict[str, _Copy] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def ask(self, project: str, question: SqlQuestion) -> SqlAnswer:
        """Return the rows of a statement; raises InvalidQuery or QuestionStopped."""
        if not 0 < len(question.sql) <= MAX_SQL or "\0" in question.sql:
            raise InvalidQuery(f"A statement has 1 to {MAX_SQL:,} characters.", path="sql")
        if not 0 < question.limit <= self._settings.question_rows:
            raise InvalidQuery(
                f"limit must be from 1 to {self._settings.question_rows:,}.", path="limit"
            )
        began = self._clock.monotonic()
        copy = self._copy(project, max(0, question.max_age_seconds))
        found = self._run(copy, question)
        return SqlAnswer(
            columns=found.columns,
            types=found.types,
            rows=found.rows,
            is_cut=found.is_cut,
            log_position=copy.position,
            copied_at=rfc3339(copy.made_us),
            age_seconds=max(0, self._clock.now() - copy.made_us) // MICROSECONDS,
            took_ms=round((self._clock.monotonic() - began) * 1000, 1),
            version=__version__,
        )

    def _copy(self, project: str, max_age_seconds: int) -> _Copy:
        with self._lock:
            lock = self._locks.setdefault(project, threading.Lock())
        with lock:
            last = self._copies.get(project)
            now = self._clock.now()
            if last is not None and last.path.exists():
                is_young = now - last.made_us <= max_age_seconds * MICROSECONDS
                if is_young or self._engine.position(project) == last.position:
                    return last
            made = self._copies[project] = self._make(project, now)
            if last is not None:
                # Whoever reads it still has it open.
                last.path.unlink(missing_ok=True)
            return made

    def _make(self, project: str, now: int) -> _Copy:
        folder = self._folders.console(project)
        if project not in self._copies:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{now}.duckdb"
        try:
            position = self._engine.copy_for_reading(project, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return _Copy(path, position, now)

    def _run(self, copy: _Copy, question: SqlQuestion) -> _Found:
        seconds = self._settings.sql_seconds
        order = {
            "path": str(copy.path),
            "sql": question.sql,
            "rows": question.limit,
            "bytes": _ANSWER_BYTES,
            "memory_bytes": self._settings.sql_memory_bytes,
            "cpu_seconds": 2 * int(seconds) + 1,
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-c", _PROGRAM, str(Path(tallymark.__file__).parents[1])],
                input=msgspec.json.encode(order),
                capture_output=True,
                timeout=seconds + 1,
                check=False,
                env={},
            )
        except subprocess.TimeoutExpired:
            raise _stopped(f"It was stopped after {seconds:g} seconds.") from None
        try:
            found = _FOUND.decode(done.stdout)
        except msgspec.MsgspecError:
            # Killed by a limit of the kernel: of CPU time, or of memory where it mattered.
            raise _stopped("It took more memory or time than it may.") from None
        if found.is_stopped:
            raise _stopped(found.error or "It was stopped.")
        if found.error is not None:
            raise InvalidQuery(
                found.error,
                hint="The views and their columns are in the reference, under SQL.",
                path="sql",
            )
        return found


def decode_sql(body: bytes) -> SqlQuestion:
    """Return the question a request holds; InvalidQuery names the field that is wrong."""
    try:
        return _QUESTION.decode(body)
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise InvalidQuery(text, path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidQuery(f"The question is not valid JSON: {error}.") from None


def _stopped(message: str) -> QuestionStopped:
    return QuestionStopped(
        message, hint="Read fewer rows, or raise `sql_seconds` or `sql_memory_bytes`."
    )
