"""How many times people, accounts or sessions did something in a range, and how many did so often."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

from . import ephemeral
from ._frequency_rules import RULES
from .insight import Fleeting, Insight, Members, Scope, Table, Unit
from .numbers import Number, ratio
from .rates import Rate, rate_per
from .selection import (
    Frame,
    Period,
    Question,
    Step,
    StepOrName,
    field_names,
    frame_of,
    matches,
    of_steps,
    period,
    step_fields,
    step_of,
    warnings_of,
)
from .units import PLURALS, key_of, listed

_LARGEST: Final = 10**15
_BOUNDS: Final = (1, 2, 3, 4, 5, 6, 11, 21, 51, 101)


class FrequencyQuestion(Question, frozen=True, kw_only=True):
    """How often something is done."""

    step: Annotated[StepOrName, Meta(description="What is done.")] = Step()
    per: Annotated[Unit, Meta(description="By whom it is counted.")] = "person"
    bounds: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=_LARGEST)], ...],
        Meta(
            description="Where the rows begin, rising; the last one has no end.",
            min_length=1,
            max_length=200,
        ),
    ] = _BOUNDS
    with_zero: Annotated[
        bool,
        Meta(description="Also count those who were active in the range and did not do it."),
    ] = False


class FrequencyPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """Those of one row, or of all of them."""

    low: Annotated[
        Annotated[int, Meta(ge=0, le=_LARGEST)] | None,
        Meta(description="Where the row begins; all rows if left out."),
    ] = None


class FrequencyRow(Struct, frozen=True):
    """Those who did it ``low`` to ``high`` times; ``high`` is null if there is no end."""

    low: int
    high: int | None
    units: Rate
    events: int
    share_of_events: Number | None


class FrequencyData(Struct, frozen=True):
    """The answer of a frequency question; ``mean`` to ``most`` are of the number of times a unit."""

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    per: Unit
    units: int
    events: int
    mean: Number | None
    median: Number | None
    p90: Number | None
    most: int | None
    rows: list[FrequencyRow]
    warnings: list[str]


def to_sql(question: FrequencyQuestion, scope: Scope) -> tuple[Sql]:
    """Return the statement of how many units there are of each number of times."""
    _checked(question.bounds)
    return (
        sql(
            "SELECT times, count(*) AS units\nFROM (\n{counted}\n)\nGROUP BY times\nORDER BY times",
            counted=_counted(question, frame_of(question, scope)),
        ),
    )


def shape(question: FrequencyQuestion, scope: Scope, results: Sequence[Rows]) -> FrequencyData:
    """Return the units and events of each row."""
    found: list[tuple[int, int]] = [(times, units) for times, units in results[0].rows]
    step = step_of(question.step)
    frame = frame_of(question, scope)
    units = sum(count for _, count in found)
    events = sum(times * count for times, count in found)
    rows = []
    for low, high in _rows(question):
        inside = [
            (times, count)
            for times, count in found
            if low <= times and (high is None or times <= high)
        ]
        part = sum(times * count for times, count in inside)
        rows.append(
            FrequencyRow(
                low=low,
                high=high,
                units=rate_per(question.per, sum(count for _, count in inside), units),
                events=part,
                share_of_events=ratio(part, events),
            )
        )
    return FrequencyData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        per=question.per,
        units=units,
        events=events,
        mean=ratio(events, units),
        median=_percentile(found, units, 50),
        p90=_percentile(found, units, 90),
        most=found[-1][0] if found else None,
        rows=rows,
        warnings=warnings_of(step.event, field_names([question.filter, step.filter]), scope),
    )


def members(question: FrequencyQuestion, place: FrequencyPlace, scope: Scope) -> Members:
    """Return those of a row."""
    _checked(question.bounds)
    rows = dict(_rows(question))
    if place.low is not None and place.low not in rows:
        raise InvalidQuery("No row begins there.", path="behind.place.low")
    low, high = (0, None) if place.low is None else (place.low, rows[place.low])
    statement = sql(
        "SELECT key\nFROM (\n{counted}\n)\nWHERE times >= {low} AND times <= {high}",
        counted=_counted(question, frame_of(question, scope)),
        low=low,
        high=2**62 if high is None else high,
    )
    return listed(statement, question.per)


def fleeting(question: FrequencyQuestion, scope: Scope) -> Fleeting | None:
    """Return whether somebody counts once a day."""
    frame = frame_of(question, scope)
    if question.per != "person" or not ephemeral.is_longer(frame.span, frame):
        return None
    steps = [Step() if question.with_zero else step_of(question.step)]
    return ephemeral.among(question, frame, steps, warning=ephemeral.DAILY)


def table(data: FrequencyData) -> Table:
    """Return one row for each range of times."""
    rows: list[tuple[Any, ...]] = [
        (_named(one), one.units.count, one.units.value, one.events, one.share_of_events)
        for one in data.rows
    ]
    rows.append(("all", data.units, 1 if data.units else None, data.events, None))
    return Table(("times", PLURALS[data.per], "share", "events", "share of events"), rows)


def _checked(bounds: tuple[int, ...]) -> None:
    if any(low >= high for low, high in pairwise(bounds)):
        raise InvalidQuery("The bounds must rise.", path="bounds")


def _rows(question: FrequencyQuestion) -> list[tuple[int, int | None]]:
    """Return the first and the last number of times of each row, no last one where it has no end."""
    bounds = question.bounds
    found: list[tuple[int, int | None]] = [(0, 0)] if question.with_zero else []
    if bounds[0] > 1:
        found.append((1, bounds[0] - 1))
    found += [(low, after - 1) for low, after in pairwise(bounds)]
    return [*found, (bounds[-1], None)]


def _counted(question: FrequencyQuestion, frame: Frame) -> Sql:
    """Return (key, times) of each unit."""
    scope, step = frame.scope, step_of(question.step)
    key, also = key_of(question.per, scope)
    source = of_steps(
        [Step() if question.with_zero else step],
        frame,
        wanted=question.filter,
        include_bots=question.include_bots,
        also=[*also, *step_fields([step], scope)],
    )
    times = Sql("count(*)")
    if question.with_zero:
        times = sql("count(*) FILTER (WHERE {step})", step=matches(step, frame))
    return sql(
        "SELECT {key} AS key, {times} AS times\n{source}\n  AND {key} IS NOT NULL\nGROUP BY ALL",
        key=key,
        times=times,
        source=source,
    )


def _percentile(found: Sequence[tuple[int, int]], units: int, percent: int) -> Number | None:
    """Return a percentile of the number of times, between its neighbours in proportion."""
    if not units:
        return None
    rank, part = divmod((units - 1) * percent, 100)
    low, high = _ranked(found, rank), _ranked(found, min(rank + 1, units - 1))
    return ratio(low * (100 - part) + high * part, 100)


def _ranked(found: Sequence[tuple[int, int]], rank: int) -> int:
    for times, count in found:
        if rank < count:
            return times
        rank -= count
    raise IndexError(rank)


def _named(row: FrequencyRow) -> str:
    if row.high is None:
        return f"{row.low} or more"
    return str(row.low) if row.low == row.high else f"{row.low} to {row.high}"


frequency = Insight(
    name="frequency",
    summary="How many times people, accounts or sessions do something.",
    question=FrequencyQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=FrequencyData,
    view="bar",
    rules=RULES,
    place=FrequencyPlace,
    members=members,
    fleeting=fleeting,
    example={"step": {"event": "search"}, "range": "7d", "with_zero": True},
)
