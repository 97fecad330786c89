"""Why a number is not what it was: the difference of two answers, cause by cause.

Between the two, one thing after the other is changed, and the question asked again each time: so the
changes of all causes add up to the difference, whatever is counted.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tallymark import __version__
from tallymark.app.answering import compute, decode_question, insights
from tallymark.app.as_of import parse
from tallymark.app.scoping import Asking, scope_of
from tallymark.core.clock import Clock
from tallymark.core.errors import InvalidQuery, misfit
from tallymark.core.registry import lookup
from tallymark.core.settings import Settings
from tallymark.core.sql import sql
from tallymark.insights.insight import Insight, Late, Scope, Table
from tallymark.insights.numbers import Number, combine, exact
from tallymark.store.engine import Reading
from tallymark.store.tables import SEQ_PER_BATCH

Cause: TypeAlias = Literal[
    "recomputed", "not_kept", "late_events", "new_events", "people", "bots", "definition"
]
MEANINGS: Final[Mapping[Cause, str]] = {
    "recomputed": "the first answer cannot be had again: another version counts otherwise",
    "not_kept": "events that the first answer counted and that are gone from the log the store was made of again",
    "late_events": "events that happened before the first answer and came after it",
    "new_events": "events that happened since, and the time that passed",
    "people": "ids that were joined or parted since",
    "bots": "robots counted in one answer and not in the other",
    "definition": "the question itself, and what the project defines",
}


class Told(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two answers: what was asked, as of when, and optionally the table it gave."""

    insight: Annotated[str, Meta(description="The insight that was asked.")]
    as_of: Annotated[str, Meta(description="`as_of` of its provenance.")]
    question: Annotated[dict[str, Any], Meta(description="The question that was asked.")] = {}
    table: Annotated[
        dict[str, Any] | None,
        Meta(description="The table it gave, to see whether it can be had again."),
    ] = None
    definitions_version: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="That of its provenance, 0 for none; the newest if left out."),
    ] = None
    version: Annotated[
        str | None, Meta(description="That of its provenance: which Tallymark gave the answer.")
    ] = None


class Pair(Struct, frozen=True, forbid_unknown_fields=True):
    """Two answers, the earlier one first."""

    before: Told
    after: Told


class Change(Struct, frozen=True):
    """One number that changed, and by how much of each cause; ``causes`` add up to the difference.

    ``row`` names it by the cells of its row that are keys, and ``nth`` says which of the rows that
    are named so it is, from 1 on. A number that was not there is null.
    """

    row: list[Any]
    nth: int
    column: str
    before: Number | None
    after: Number | None
    causes: dict[Cause, Number]


class Explained(Struct, frozen=True):
    """Every number that differs between two answers; ``keys`` are the columns that name a row."""

    insight: str
    before: str
    after: str
    keys: list[str]
    changes: list[Change]
    unchanged: int


def decode_pair(body: bytes) -> Pair:
    """Return the two answers a request names; InvalidQuery names the field that is wrong."""
    try:
        return _PAIR.decode(body)
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise InvalidQuery(text, path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidQuery(f"It is not valid JSON: {error}.") from None


def explain(
    pair: Pair, askings: Sequence[Asking], reading: Reading, settings: Settings, clock: Clock
) -> Explained:
    """Return what makes the difference; each answer was asked with the definitions of its asking."""
    before, after = pair.before, pair.after
    if before.insight != after.insight:
        raise InvalidQuery(
            f"{before.insight} and {after.insight} are different insights.", path="after.insight"
        )
    insight = lookup(insights(), before.insight, "insight")
    scopes = [
        scope_of(reading, replace(asking, as_of=one.as_of), settings, clock).scope
        for one, asking in zip((before, after), askings, strict=True)
    ]
    if parse(before.as_of).position > parse(after.as_of).position:
        raise InvalidQuery(
            "The first answer is of a later position than the second.",
            hint="Give the earlier one first.",
            path="before.as_of",
        )
    tables: list[tuple[Cause, Table]] = []
    questions = [_question(insight, told) for told in (before, after)]
    for cause, question, scope in _steps(questions, scopes):
        is_gone = cause == "recomputed" and _is_not_kept(before, scope, reading)
        told: Cause = "not_kept" if is_gone else cause
        tables.append((told, insight.table(compute(insight, question, scope, reading).data)))
    again = tables[0][1]
    first = again if before.table is None else _recorded(before.table, again)
    return _differences(before, after, first, tables)


_PAIR = msgspec.json.Decoder(Pair, float_hook=Decimal)


def _question(insight: Insight, told: Told) -> Any:
    return decode_question(insight, dict(told.question))


def _steps(questions: Sequence[Any], scopes: Sequence[Scope]) -> Iterator[tuple[Cause, Any, Scope]]:
    """Yield each state between the two answers: what changed last, the question, and its scope."""
    old, new = questions
    then, now = scopes
    people_then = (then.log_position + 1) * SEQ_PER_BATCH
    last, now = now, replace(now, definitions=then.definitions)
    yield "recomputed", old, then
    late = Late(people_then, then.now)
    yield "late_events", old, replace(now, now=then.now, identity_end=people_then, late=late)
    yield "new_events", old, replace(now, identity_end=people_then)
    yield "people", old, now
    yield "bots", replace(old, include_bots=new.include_bots), now
    yield "definition", new, last


def _is_not_kept(before: Told, scope: Scope, reading: Reading) -> bool:
    """Whether what an answer lacks by now can only be events that are gone.

    Nothing takes a counted event out of a store; but one made again from the log lacks what was
    erased there or got damaged. Another version may count otherwise, so then it is not known.
    """
    lost = sql(
        "SELECT EXISTS (FROM failed_event WHERE code = 'LOG_DAMAGED' AND seq < {end})"
        " OR EXISTS (FROM ledger WHERE reason = 'ERASED')",
        end=scope.end_of_log,
    )
    return before.version in {None, __version__} and bool(reading(lost).rows[0][0])


def _recorded(told: Mapping[str, Any], again: Table) -> Table:
    """Return the table of an answer that was kept, its rows named as those of the answer of now."""
    try:
        table = msgspec.convert({**told, "keys": (), "remarks": ()}, Table)
    except msgspec.ValidationError as error:
        raise InvalidQuery(f"It is no table of an answer: {error}.", path="before.table") from None
    if any(
        len(row) != len(table.columns) or any(isinstance(cell, dict | list) for cell in row)
        for row in table.rows
    ):
        raise InvalidQuery("It is no table: a row has one plain value for each column.", path="before.table")  # fmt: skip

    def places(wanted: tuple[int, ...]) -> tuple[int, ...]:
        if table.columns == again.columns:
            return wanted
        # Another version may have had other columns.
        names = {again.columns[place] for place in wanted}
        return tuple(place for place, name in enumerate(table.columns) if name in names)

    return replace(table, keys=places(again.keys), remarks=places(again.remarks))


# What names a row: its keys, each with whether it is a truth, as 1 is none, and which of its equals
# it is. And a column: its name, and which of its equals it is.
_Row: TypeAlias = tuple[tuple[tuple[bool, Any], ...], int]
_Column: TypeAlias = tuple[str, int]
_Cells: TypeAlias = Mapping[tuple[_Row, _Column], Number]
_Name = TypeVar("_Name", bound=Hashable)


def _cells(table: Table) -> _Cells:
    """Return the numbers of a table that measure something, by their row and column."""
    rows = _told_apart(
        tuple((isinstance(row[place], bool), row[place]) for place in table.keys)
        for row in table.rows
    )
    columns = list(_told_apart(table.columns))
    measured = sorted(set(range(len(columns))).difference(table.keys, table.remarks))
    return {
        (name, columns[place]): row[place]
        for name, row in zip(rows, table.rows, strict=True)
        for place in measured
        if isinstance(row[place], int | Decimal) and not isinstance(row[place], bool)
    }


def _told_apart(names: Iterable[_Name]) -> Iterator[tuple[_Name, int]]:
    """Yield each with how many equal ones there are up to it."""
    seen: Counter[_Name] = Counter()
    for name in names:
        seen[name] += 1
        yield name, seen[name]


def _differences(
    before: Told, after: Told, first: Table, tables: Sequence[tuple[Cause, Table]]
) -> Explained:
    start = _cells(first)
    states = [(cause, _cells(table)) for cause, table in tables]
    last = tables[-1][1]
    end = states[-1][1]
    changes = []
    places = dict.fromkeys((*start, *end))
    for place in places:
        was, is_now = start.get(place), end.get(place)
        causes = _causes(was, [(cause, found.get(place)) for cause, found in states])
        # What two causes moved there and back is worth telling too.
        if was == is_now and not causes:
            continue
        (cells, nth), (column, number) = place
        name = column if number == 1 else f"{column} ({number})"
        changes.append(Change([cell for _, cell in cells], nth, name, was, is_now, causes))
    keys = [last.columns[place] for place in last.keys]
    unchanged = len(places) - len(changes)
    return Explained(before.insight, before.as_of, after.as_of, keys, changes, unchanged)


def _causes(
    start: Number | None, states: Sequence[tuple[Cause, Number | None]]
) -> dict[Cause, Number]:
    causes: dict[Cause, Number] = {}
    for (cause, here), last in zip(states, [start, *(found for _, found in states)], strict=False):
        if moved := _less(here, last):
            causes[cause] = moved
    return causes


def _less(left: Number | None, right: Number | None) -> Number:
    found = exact(combine("-", Decimal(left or 0), Decimal(right or 0)))
    return 0 if found is None else found
