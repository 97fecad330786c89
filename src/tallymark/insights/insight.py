"""What an insight is: a question as data, turned to SQL, its rows shaped to an answer.

To add one, write a module that ends in ``name = Insight(...)``. The HTTP route, JSON schema,
OpenAPI entry, command-line sub-command and reference page follow from that constant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.core.sql import Sql
from tallymark.store.engine import Arrays, Keys, Rows
from tallymark.store.tables import SEQ_PER_BATCH

View: TypeAlias = Literal["line", "table", "matrix", "bar", "flow", "list", "funnel", "number"]
PropertyClass: TypeAlias = Literal["text", "number", "other"]
Unit: TypeAlias = Literal["person", "account", "session"]
Fold: TypeAlias = Literal["last", "first", "sum", "mixed"]


class KnownProperty(Struct, frozen=True):
    """How a property of people or groups was told: in which type classes, and which of it holds.

    ``fold`` says what its operations have in common: the ``last`` one holds, the ``first``, their
    ``sum``, or what holds depends on what came before.
    """

    classes: frozenset[PropertyClass]
    fold: Fold = "last"


class Late(Struct, frozen=True):
    """Of the events from a seq on, only those that happened before a time, in microseconds."""

    seq: int
    before: int


class Scope(Struct, frozen=True):
    """What a question may look at, and the facts about the store it needs to be written as SQL.

    ``log_position`` bounds what is counted: only events with seq < (log_position + 1) * 65536.
    ``has_overrides`` says that stored events do not all name the person of now, and
    ``identity_position`` is the seq of the last claim on identity; a question about an earlier
    position has to look up who was who then.
    ``identity_end`` is given where people are to be who they were at another place in the log than
    ``log_position``: only claims with a lower seq count. With ``late`` only some of the last events
    count. ``session_position`` is the seq at which a
    stored event last changed its session.
    ``has_fleeting`` is false if no event of the store ever was of somebody whose id lasts only a day.
    ``definitions`` are those of the project that hold for the question, a ``definitions.Definitions``
    whose ``digest`` tells them from others; None if it has none.
    ``properties`` names every custom property and the type classes it was seen in, unless
    ``has_more_properties``: then any name may have been seen, in any class. ``profiles`` does so for
    the properties of people, under ``user``, and of groups by their type, unless ``has_more_profiles``;
    ``cleared_profiles`` are the kinds of which somebody was forgotten as a whole.
    """

    project: str
    timezone: str
    now: int
    log_position: int
    event_names: Mapping[str, int]
    properties: Mapping[str, frozenset[PropertyClass]]
    has_overrides: bool = False
    identity_position: int = 0
    identity_end: int | None = None
    late: Late | None = None
    session_position: int = 0
    has_more_properties: bool = False
    max_rows: int = 100_000
    profiles: Mapping[str, Mapping[str, KnownProperty]] = {}
    cleared_profiles: frozenset[str] = frozenset()
    has_more_profiles: bool = False
    has_fleeting: bool = True
    # Untyped, because definitions are made of questions, and questions of scopes.
    definitions: Any = None

    @property
    def end_of_log(self) -> int:
        """The first seq that lies beyond what the question may see."""
        return (self.log_position + 1) * SEQ_PER_BATCH


def in_zone_of(question: Struct, scope: Scope) -> Scope:
    """Return the scope with the time zone of the question, if it names one."""
    zone: str | None = getattr(question, "timezone", None)
    return msgspec.structs.replace(scope, timezone=zone) if zone else scope


def known_profiles(
    ways: Sequence[tuple[str, str | None, str, str, bool]],
) -> tuple[dict[str, dict[str, KnownProperty]], frozenset[str]]:
    """Return the properties of profiles by kind and name, and the kinds of which somebody was cleared.

    ``ways`` are rows of ``profile_property``: kind, name, class, operation, and whether it is long.
    """
    cleared = frozenset(kind for kind, name, *_ in ways if name is None)
    told: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
    for kind, name, made, op, is_long in ways:
        if name is not None:
            told.setdefault((kind, name), []).append((made, op, is_long))
    found: dict[str, dict[str, KnownProperty]] = {kind: {} for kind in cleared}
    for (kind, name), known in told.items():
        classes: frozenset[Any] = frozenset(made for made, _, _ in known if made)
        fold = _fold({op for _, op, _ in known}, is_cleared=kind in cleared)
        if fold == "sum" and any(is_long for *_, is_long in known):
            fold = "mixed"
        found.setdefault(kind, {})[name] = KnownProperty(classes, fold)
    return found, cleared


def _fold(ops: set[str], *, is_cleared: bool) -> Fold:
    if ops <= {"set", "unset"}:
        return "last"
    if is_cleared or len(ops) > 1:
        return "mixed"
    return "first" if ops == {"set_once"} else "sum" if ops == {"add"} else "mixed"


class Columnar(Struct, frozen=True):
    """A statement whose result is wanted as arrays, because a kernel goes over all of its rows.

    Its columns are integers or truths without NULL; see ``Reading.arrays``.
    """

    statement: Sql


Statement: TypeAlias = Sql | Columnar
Result: TypeAlias = Rows | Arrays


class Prepared(Struct, frozen=True):
    """Columns found before the statements of a question, which may read them as a table.

    ``columns`` makes them of the results of its own statements; see ``Reading.hold``.
    """

    name: str
    statements: tuple[Statement, ...]
    columns: Callable[[Sequence[Any]], Arrays]


class Members(Struct, frozen=True):
    """Who is behind one number of an answer: the keys, found in the results of statements.

    ``keys`` gives a distinct key of each, in no order, as int64: of people, accounts or sessions, as
    ``unit`` says. A number that is also of others, such as the accounts of its events, names them in
    ``also``.
    """

    statements: tuple[Statement, ...]
    keys: Callable[[Sequence[Any]], Keys]
    unit: Unit = "person"
    also: tuple["Members", ...] = ()


class Fleeting(Struct, frozen=True):
    """What to warn of if a statement has a row: whom a number counts whose ids last only a day."""

    statement: Sql
    warning: str


class Table(Struct, frozen=True):
    """An answer as a flat table, for the terminal, CSV and data frames.

    ``keys`` are the places, from 0 on, of the columns that name a row, such as its bucket and group;
    they stay when only numbers change. ``remarks`` are those of numbers that measure nothing. Every
    other number of a row is one of the answer.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    keys: tuple[int, ...] = (0,)
    remarks: tuple[int, ...] = ()


class Insight(Struct, frozen=True):
    """One kind of question.

    ``to_sql`` and ``shape`` are pure; the engine runs between them. ``shape`` gets the results in the
    order of the statements: Rows, or Arrays of those that are Columnar. Both raise InvalidQuery for
    what cannot be asked. ``table`` flattens the shaped data.

    ``prepared`` gives columns that the statements read as a table, for a question that can only be
    written once a kernel has found whom it is about.

    ``rules`` states what is counted exactly, in Markdown: the rule, its source, an example with
    numbers, how it differs from other tools. ``place`` names one number of an answer, and ``members``
    says who is behind it; ``lists`` says whom a list that takes ``behind`` can list. ``pinned`` gives
    the scope a question is really about, such as that of the first page of a list. ``expand`` replaces
    names in a question by what they stand for. ``asked_of`` gives values that hold cohorts besides the
    question, each with the scope they are asked with. ``fleeting`` is given where an answer is about more
    than a day of people, and then its data has ``warnings``; None if a question is not.
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
    prepared: Callable[[Any, Scope], Prepared] | None = None
    lists: Unit | None = None
    fleeting: Callable[[Any, Scope], Fleeting | None] | None = None


class Provenance(Struct, frozen=True):
    """What an answer depends on: asked again ``as_of`` this, the same question has the same data.

    ``definition`` stands for the question with all definitions it names; ``definitions_version`` says
    where they are from, None if the project has none. ``rows_read`` counts the rows of all tables that
    the engine went over to compute the answer, of events and of what belongs to them; what it could
    skip is not among them. ``took_ms`` is what this answer took. ``is_kept`` says that the answer was
    computed for somebody who asked the same a moment before.
    """

    insight: str
    definition: str
    project: str
    log_position: int
    identity_position: int
    as_of: str
    timezone: str
    timezone_data: str
    engine: str
    version: str
    rows_read: int
    took_ms: float
    definitions_version: int | None = None
    is_kept: bool = False


class Answer(Struct, frozen=True):
    """What a question gives: the data, how to draw it, and where it came from.

    ``table`` is the data flattened; ``question`` is what was asked, whole, to ask it again.
    """

    data: Any
    view: View
    table: Table
    question: Any
    provenance: Provenance
