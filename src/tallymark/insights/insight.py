"""What an insight is: a question as data, turned to SQL, its rows shaped to an answer.

To add one, write a module that ends in ``name = Insight(...)``. The HTTP route, JSON schema,
OpenAPI entry, command-line sub-command and reference page follow from that constant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tallymark.core.sql import Sql
from tallymark.store.engine import Arrays, Rows

View: TypeAlias = Literal["line", "table", "matrix", "bar", "flow", "list", "funnel", "number"]
PropertyClass: TypeAlias = Literal["text", "number", "other"]


class Scope(Struct, frozen=True):
    """What a question may look at, and the facts about the store it needs to be written as SQL.

    ``log_position`` bounds what is counted: only events with seq < (log_position + 1) * 65536.
    ``has_overrides`` says that stored events do not all name the person of now, and
    ``identity_position`` is the seq of the last claim on identity; a question about an earlier
    position has to look up who was who then.
    ``definitions`` are those of the project that hold for the question, a ``definitions.Definitions``
    whose ``digest`` tells them from others; None if it has none.
    ``properties`` names every custom property and the type classes it was seen in, unless
    ``has_more_properties``: then any name may have been seen, in any class.
    """

    project: str
    timezone: str
    now: int
    log_position: int
    event_names: Mapping[str, int]
    properties: Mapping[str, frozenset[PropertyClass]]
    has_overrides: bool = False
    identity_position: int = 0
    has_more_properties: bool = False
    max_rows: int = 100_000
    # Untyped, because definitions are made of questions, and questions of scopes.
    definitions: Any = None


class Columnar(Struct, frozen=True):
    """A statement whose result is wanted as arrays, because a kernel goes over all of its rows.

    Its columns are integers or truths without NULL; see ``Reading.arrays``.
    """

    statement: Sql


Statement: TypeAlias = Sql | Columnar
Result: TypeAlias = Rows | Arrays


class Members(Struct, frozen=True):
    """Who is behind one number of an answer: the keys, found in the results of statements.

    ``keys`` gives a distinct key of each, in no order, as int64.
    """

    statements: tuple[Statement, ...]
    keys: Callable[[Sequence[Any]], NDArray[np.int64]]


class Table(Struct, frozen=True):
    """An answer as a flat table, for the terminal, CSV and data frames."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Insight(Struct, frozen=True):
    """One kind of question.

    ``to_sql`` and ``shape`` are pure; the engine runs between them. ``shape`` gets the results in the
    order of the statements: Rows, or Arrays of those that are Columnar. Both raise InvalidQuery for
    what cannot be asked. ``table`` flattens the shaped data.

    ``rules`` states what is counted exactly, in Markdown: the rule, its source, an example with
    numbers, how it differs from other tools. ``place`` names one number of an answer, and ``members``
    says who is behind it. ``pinned`` gives the scope a question is really about, such as that of the
    first page of a list. ``expand`` replaces names in a question by what they stand for. ``asked_of``
    gives values that hold cohorts besides the question, each with the scope they are asked with.
    """

    name: str
    summary: str
    question: type[Struct]
    to_sql: Callable[[Any, Scope], tuple[Statement, ...]]
    shape: Callable[[Any, Scope, Sequence[Any]], Any]
    table: Callable[[Any], Table]
    data: Any
    view: View
    example: Mapping[str, Any]
    rules: str = ""
    place: type[Struct] | None = None
    members: Callable[[Any, Any, Scope], Members] | None = None
    pinned: Callable[[Any, Scope], Scope] | None = None
    expand: Callable[[Any, Scope], Any] | None = None
    asked_of: Callable[[Any, Scope], Iterable[tuple[Any, Scope]]] | None = None


class Provenance(Struct, frozen=True):
    """What an answer depends on; the same provenance gives the same data again.

    ``definition`` stands for the question with all definitions it names; ``definitions_version`` says
    where they are from, None if the project has none.
    """

    insight: str
    definition: str
    project: str
    log_position: int
    identity_position: int
    timezone: str
    timezone_data: str
    engine: str
    version: str
    rows_read: int
    took_ms: float
    definitions_version: int | None = None


class Answer(Struct, frozen=True):
    """What a question gives: the data, how to draw it, and where it came from."""

    data: Any
    view: View
    provenance: Provenance
