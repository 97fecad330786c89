"""Why a number is not what it was: the difference of two answers, cause by cause.

Between the two, one thing after the other is changed, and the question asked again each time: so the
changes of all causes add up to the difference, whatever is counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

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

    ``row`` names it by the other cells of its row; a number that was not there is null.
    """

    row: list[Any]
    column: str
    before: Number | None
    after: Number | None
    causes: dict[Cause, Number]


class Explained(Struct, frozen=True):
    """Every number that differs between two answers."""

    insight: str
    before: str
    after: str
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
        scope_of(reading, msgspec.structs.replace(asking, as_of=one.as_of), settings, clock).scope
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
    first = tables[0][1] if before.table is None else _recorded(before.table)
    return _differences(before, after, first, tables)


_PAIR = msgspec.json.Decoder(Pair, float_hook=Decimal)


def _question(insight: Insight, told: Told) -> Any:
    return decode_question(insight, dict(told.question))


def _steps(questions: Sequence[Any], scopes: Sequence[Scope]) -> Iterator[tuple[Cause, Any, Scope]]:
    """Yield each state between the two answers: what changed last, the question, and its scope."""
    old, new = questions
    then, now = scopes
    people_then = (then.log_position + 1) * SEQ_PER_BATCH
    replace = msgspec.structs.replace
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


def _recorded(table: Mapping[str, Any]) -> Table:
    try:
        return msgspec.convert(table, Table)
    except msgspec.ValidationError as error:
        raise InvalidQuery(f"It is no table of an answer: {error}.", path="before.table") from None


_Cells: TypeAlias = Mapping[tuple[tuple[Any, ...], str], Number]


def _cells(table: Table) -> _Cells:
    """Return the numbers of a table by the other cells of their row, and by column."""
    numbers = {
        place
        for place in range(len(table.columns))
        if any(_is_number(row[place]) for row in table.rows)
        and all(row[place] is None or _is_number(row[place]) for row in table.rows)
    }
    found: dict[tuple[tuple[Any, ...], str], Number] = {}
    for row in table.rows:
        name = tuple(cell for place, cell in enumerate(row) if place not in numbers)
        for place in numbers:
            if row[place] is not None:
                found[name, table.columns[place]] = row[place]
    return found


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | Decimal) and not isinstance(cell, bool)


def _differences(
    before: Told, after: Told, first: Table, tables: Sequence[tuple[Cause, Table]]
) -> Explained:
    start = _cells(first)
    states = [(cause, _cells(table)) for cause, table in tables]
    end = states[-1][1]
    places = dict.fromkeys(place for _, cells in (("", start), *states) for place in cells)
    changes, unchanged = [], 0
    for place in places:
        causes: dict[Cause, Number] = {}
        last = start.get(place)
        for cause, cells in states:
            here = cells.get(place)
            if moved := _less(here, last):
                causes[cause] = moved
            last = here
        if not causes and start.get(place) == end.get(place):
            unchanged += 1
        else:
            row, column = place
            changes.append(Change(list(row), column, start.get(place), end.get(place), causes))
    return Explained(before.insight, before.as_of, after.as_of, changes, unchanged)


def _less(left: Number | None, right: Number | None) -> Number:
    found = exact(combine("-", Decimal(left or 0), Decimal(right or 0)))
    return 0 if found is None else found
