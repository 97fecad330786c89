"""What the rest of Tallymark needs of an engine; the conformance suite runs on each of them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from msgspec import Struct

from tallymark.core.sql import Sql

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]
    Keys: TypeAlias = NDArray[np.int64]
else:
    # Whoever only passes questions on needs no numpy, which costs a start a sixth of a second; but
    # annotations are looked at as the program runs.
    Array = Keys = object

Columns: TypeAlias = Mapping[str, Any]


class Rows(Struct, frozen=True):
    """The result of a statement: column names and rows of plain Python values.

    Integers are ``int``, decimals ``Decimal``, text ``str``, truth ``bool``; NULL is ``None``.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Limits(Struct, frozen=True):
    """What one question may take; reaching a limit raises QuestionStopped.

    ``rows`` bounds what becomes Python values, ``array_rows`` what stays columns of numbers.
    """

    seconds: float
    memory_bytes: int
    rows: int
    array_rows: int = 20_000_000


Arrays: TypeAlias = Mapping[str, Array]
Fetch: TypeAlias = Callable[[Sql], Rows]


class Reading(Protocol):
    """Statements that all see the same commit; calling it with one gives its rows."""

    def __call__(self, statement: Sql) -> Rows:
        """Run a read-only statement."""

    def arrays(self, statement: Sql) -> Arrays:
        """Return the result as one numpy array a column, all of one length, in no order of rows.

        Columns are integers or truths and have no NULL: an array would make other things of decimals
        and of what is missing.
        """

    def hold(self, name: str, columns: Arrays) -> None:
        """Keep columns as a table of that name, which later statements may read."""

    def rows_read(self) -> int:
        """Return how many rows of tables its statements went over so far, as the engine counts them.

        What the engine can tell to hold nothing that is wanted it skips, and does not count.
        """

    def percent(self) -> float | None:
        """Return how much of the present statement is done, from any thread; None if unknown."""

    def stop(self) -> None:
        """Stop the present statement and refuse later ones, from any thread: QuestionStopped."""


class Commit(Struct, frozen=True):
    """What one load adds: new rows by table, statements to run after them, and counters to set.

    All of it becomes visible at once, or none. A column left out of ``tables`` is NULL; VARIANT
    columns take encoded bytes, decimals may be given as text.
    """

    log_position: int
    tables: Mapping[str, Columns]
    statements: tuple[Sql, ...] = ()
    counters: Mapping[str, int] = {}


class Engine(Protocol):
    """Keeps the stores of all projects; one thread loads, many ask."""

    def open(self, project: str) -> None:
        """Make the project's store ready, creating or migrating it if need be."""

    def append(self, project: str, commit: Commit, *, keep: bool = True) -> None:
        """Apply a commit durably and atomically; without ``keep`` only find out whether it could be.

        Raises Unavailable when the disk or the memory cannot take it now; then nothing of it is
        kept and it can be tried again.
        """

    def fetch(self, project: str, statement: Sql, limits: Limits | None = None) -> Rows:
        """Run a read-only statement on a consistent snapshot; may be called from any thread."""

    def reading(self, project: str, limits: Limits) -> AbstractContextManager[Reading]:
        """Give a ``fetch`` whose statements all see the same commit, within limits in all."""

    def position(self, project: str) -> int:
        """Return the log position of the last commit, 0 if none."""

    def snapshot(self, project: str, target: Path) -> None:
        """Copy the project's store to a file that opens by itself, at the last commit."""

    def copy_for_reading(self, project: str, target: Path) -> int:
        """Write a new file with the views of ``store/views.py``, at a commit; return its position."""

    def other(self, path: Path) -> AbstractContextManager[Fetch]:
        """Give a ``fetch`` on a store file that is not a project of ours, such as a copy."""

    def journal_bytes(self, project: str) -> int:
        """Return how much lies in the store's own journal, and not yet in its file."""

    def checkpoint(self, project: str, *, merge: bool = False) -> None:
        """Fold the store's own journal into its file; does nothing while a load is under way.

        Loads wait meanwhile, and longer with ``merge``: then pieces that earlier calls left are
        made larger, so that questions have fewer to read. Raises Unavailable if the disk is full.
        """

    def close(self) -> None:
        """Write everything down and release the files."""
