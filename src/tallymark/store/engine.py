"""What the rest of Tallymark needs of an engine; the conformance suite runs on each of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from tallymark.core.sql import Sql

Columns: TypeAlias = Mapping[str, Sequence[Any]]


class Rows(Struct, frozen=True):
    """The result of a statement: column names and rows of plain Python values.

    Integers are ``int``, decimals ``Decimal``, text ``str``, truth ``bool``; NULL is ``None``.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Limits(Struct, frozen=True):
    """What one question may take; reaching a limit raises QuestionStopped."""

    seconds: float
    memory_bytes: int
    rows: int


class Commit(Struct, frozen=True):
    """What one load adds: new rows by table, statements to run after them, and the position.

    All of it becomes visible at once, or none.
    """

    log_position: int
    tables: Mapping[str, Columns]
    statements: tuple[Sql, ...] = ()


class Engine(Protocol):
    """Keeps the stores of all projects; one thread loads, many ask."""

    def open(self, project: str) -> None:
        """Make the project's store ready, creating or migrating it if need be."""

    def append(self, project: str, commit: Commit) -> None:
        """Apply a commit durably and atomically."""

    def fetch(self, project: str, statement: Sql, limits: Limits | None = None) -> Rows:
        """Run a read-only statement on a consistent snapshot; may be called from any thread."""

    def position(self, project: str) -> int:
        """Return the log position of the last commit, 0 if none."""

    def close(self) -> None:
        """Write everything down and release the files."""
