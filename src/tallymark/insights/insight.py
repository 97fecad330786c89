"""What an insight is: a question as data, turned to SQL, its rows shaped to an answer.

To add one, write a module that ends in ``name = Insight(...)``. The HTTP route, JSON schema,
OpenAPI entry, command-line sub-command and reference page follow from that constant.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.core.sql import Sql
from tallymark.store.engine import Rows
from tallymark.store.tables import SEQ_PER_BATCH

View: TypeAlias = Literal["line", "table", "matrix", "bar", "flow", "list"]
PropertyClass: TypeAlias = Literal["text", "number", "other"]
Fold: TypeAlias = Literal["last", "first", "sum", "mixed"]


class KnownProperty(Struct, frozen=True):
    """How a property of people or groups was told: in which type classes, and which of it holds.

    ``fold`` says what its operations have in common: the ``last`` one holds, the ``first``, their
    ``sum``, or what holds depends on what came before.
    """

    classes: frozenset[PropertyClass]
    fold: Fold = "last"


class Scope(Struct, frozen=True):
    """What a question may look at, and the facts about the store it needs to be written as SQL.

    ``log_position`` bounds what is counted: only events with seq < (log_position + 1) * 65536.
    ``has_overrides`` says that stored events do not all name the person of now, and
    ``identity_position`` is the seq of the last claim on identity; a question about an earlier
    position has to look up who was who then.
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
    has_more_properties: bool = False
    max_rows: int = 100_000
    profiles: Mapping[str, Mapping[str, KnownProperty]] = {}
    cleared_profiles: frozenset[str] = frozenset()
    has_more_profiles: bool = False

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


class Table(Struct, frozen=True):
    """An answer as a flat table, for the terminal, CSV and data frames."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Insight(Struct, frozen=True):
    """One kind of question.

    ``to_sql`` and ``shape`` are pure; the engine runs between them. ``rows`` given to ``shape`` are
    in the order of the statements. Both raise InvalidQuery for what cannot be asked.
    ``table`` flattens the shaped data.
    """

    name: str
    summary: str
    question: type[Struct]
    to_sql: Callable[[Any, Scope], tuple[Sql, ...]]
    shape: Callable[[Any, Scope, Sequence[Rows]], Any]
    table: Callable[[Any], Table]
    data: Any
    view: View
    example: Mapping[str, Any]


class Provenance(Struct, frozen=True):
    """What an answer depends on; the same provenance gives the same data again."""

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


class Answer(Struct, frozen=True):
    """What a question gives: the data, how to draw it, and where it came from."""

    data: Any
    view: View
    provenance: Provenance
