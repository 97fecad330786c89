"""Several segments side by side: how large, how far they overlap, and what is measured of each."""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, sql

from . import currencies, fields, filters, formula, measures
from ._segments_rules import RULES
from .fields import field
from .filters import And, Filter
from .insight import Columnar, Insight, Members, Scope, Statement, Table
from .lines import Formula, label_of, numbers_in
from .measures import Series, number_of
from .metrics import LETTERS, expanded
from .numbers import Number, ratio, rounded
from .selection import Frame, Period, Question, chosen, field_names, frame_of, period, warnings_of
from .uncertainty import ENOUGH, Z95, Interval, wilson
from .units import distinct, in_all, of_events
from .words import filter_words

MAX_SEGMENTS: Final = 10
_CONTEXT: Final = Context(prec=60)


class Segment(Struct, frozen=True, forbid_unknown_fields=True):
    """One segment: events that satisfy a filter, and the people who have any."""

    filter: Annotated[
        Filter | None, Meta(description="Which events, such as those of a cohort; all if left out.")
    ] = None
    label: Annotated[
        str | None, Meta(description="Its name in the answer; its filter in words if left out.")
    ] = None


class SegmentsQuestion(Question, frozen=True, kw_only=True):
    """Segments side by side, over the whole range."""

    segments: Annotated[
        tuple[Segment, ...],
        Meta(description="What is held side by side; everybody if left out.", max_length=MAX_SEGMENTS),
    ] = ()  # fmt: skip
    series: Annotated[
        tuple[Series, ...],
        Meta(description="What is measured, A, B, C … in order.", min_length=1, max_length=10),
    ] = (Series(),)
    formulas: Annotated[
        tuple[Formula | str, ...],
        Meta(description="Numbers calculated from the series.", max_length=10),
    ] = ()
    metrics: Annotated[
        tuple[str, ...], Meta(description="Named metrics, as further measures.", max_length=10)
    ] = ()


class SegmentsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: of a segment, of it those in another, or those a series counts."""

    segment: Annotated[int, Meta(description="Place of the segment, counted from 0.", ge=0)] = 0
    also: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of another segment: only who is in both."),
    ] = None
    series: Annotated[
        str | None, Meta(description="Letter of a series: only who it counts; all if left out.")
    ] = None


class SegmentSize(Struct, frozen=True):
    """One segment and its people: all who have an event in it."""

    label: str
    definition: str
    people: int


class Estimate(Struct, frozen=True):
    """A number by person with its interval of 95 %; ``interval`` is null where people are too few."""

    value: Number | None
    interval: Interval | None


class Measured(Struct, frozen=True):
    """What a series gives of one segment.

    ``by_person`` is the share of the segment's people that count, or how much a person of the segment
    has on average, those with nothing included; null for other measures. ``difference`` is that of
    the segment less that of the first one, null where the two share people.
    """

    value: Number | None
    by_person: Estimate | None = None
    difference: Estimate | None = None


class MeasureRow(Struct, frozen=True):
    """One series or formula over all segments."""

    series: str
    label: str
    values: list[Measured]


class SegmentsData(Struct, frozen=True):
    """The answer. ``overlap`` has for each two segments how many people are in both."""

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    segments: list[SegmentSize]
    measures: list[MeasureRow]
    overlap: list[list[int]]
    warnings: list[str]


class _Moments(Struct, frozen=True):
    """The mean of a number over people, and how far it may be from that of all there might be."""

    mean: Decimal
    error: Decimal


def to_sql(question: SegmentsQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return for each segment its people, then two statements for each series.

    The first gives the number; the second sum and sum of squares of what each person has, where there
    is such a thing. After all of them, of what adds money up, how many currencies it is.
    """
    frame = frame_of(question, scope)
    found: list[Statement] = []
    for segment in _segments(question):
        found.append(Columnar(_people(question, segment, frame)))
        for series in question.series:
            found += [_number(series, question, segment, frame), _squares(series, question, segment, frame)]  # fmt: skip
    return (*found, *_money(question, frame))


def shape(question: SegmentsQuestion, scope: Scope, results: Sequence[Any]) -> SegmentsData:
    """Return the answer from the results of the statements, in their order."""
    frame = frame_of(question, scope)
    segments = _segments(question)
    waiting = iter(results)
    keys: list[NDArray[np.int64]] = []
    found: list[list[tuple[Any, Any]]] = []
    for _ in segments:
        keys.append(next(waiting)["key"])
        found.append([(next(waiting), next(waiting)) for _ in question.series])
    overlap = [
        [len(np.intersect1d(mine, theirs, assume_unique=True)) for theirs in keys] for mine in keys
    ]
    return SegmentsData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        segments=[
            SegmentSize(_label(segment), _words(segment), len(mine))
            for segment, mine in zip(segments, keys, strict=True)
        ],
        measures=_rows(question, found, overlap),
        overlap=overlap,
        warnings=[
            *_warnings(question, scope),
            *currencies.warnings_of(max((int(one.rows[0][0]) for one in waiting), default=0)),
        ],
    )


def members(question: SegmentsQuestion, place: SegmentsPlace, scope: Scope) -> Members:
    """Return who is in a segment, in two of them, or counted by a series in it.

    Then also the accounts and sessions, but not of those in another one besides.
    """
    frame = frame_of(question, scope)
    segments = _segments(question)
    wanted = [place.segment, *([] if place.also is None else [place.also])]
    if any(number >= len(segments) for number in wanted):
        raise InvalidQuery("There is no such segment.", path="behind.place.segment")
    statements = [Columnar(_people(question, segments[number], frame)) for number in wanted]
    if place.series is not None:
        if place.series not in LETTERS[: len(question.series)] or len(place.series) != 1:
            raise InvalidQuery(f"There is no series {place.series!r}.", path="behind.place.series")
        series = question.series[LETTERS.index(place.series)]
        asked = msgspec.structs.replace(question, filter=_both(question, segments[place.segment]))
        source = measures.behind(series, asked, None, frame)
        if place.also is None:
            return of_events(source, scope)
        statements[0] = Columnar(distinct(source, "person", scope))
    return Members(tuple(statements), in_all)


def table(data: SegmentsData) -> Table:
    """Return one row a segment: its people, what is measured, and how many the others share."""
    rows = []
    for place, segment in enumerate(data.segments):
        values = [row.values[place].value for row in data.measures]
        rows.append((segment.label, segment.people, *values, *data.overlap[place]))
    shared = [f"also in {segment.label}" for segment in data.segments]
    return Table(("segment", "people", *(row.label for row in data.measures), *shared), rows)


def _segments(question: SegmentsQuestion) -> tuple[Segment, ...]:
    return question.segments or (Segment(),)


def _both(question: SegmentsQuestion, segment: Segment) -> Filter | None:
    wanted = [one for one in (question.filter, segment.filter) if one is not None]
    return And(wanted) if wanted else None


def _people(question: SegmentsQuestion, segment: Segment, frame: Frame) -> Sql:
    source = chosen(
        None, (_both(question, segment),), frame,
        include_bots=question.include_bots, also=[field("person", frame.scope)],
    )  # fmt: skip
    return distinct(source, "person", frame.scope)


def _money(question: SegmentsQuestion, frame: Frame) -> list[Sql]:
    found = []
    for segment in _segments(question):
        asked = msgspec.structs.replace(question, filter=_both(question, segment))
        found += [
            currencies.counted(measures.behind(series, asked, None, frame))
            for series in question.series
            if currencies.is_added_up(series.of, field_names([asked.filter, series.filter]))
        ]
    return found


def _number(series: Series, question: SegmentsQuestion, segment: Segment, frame: Frame) -> Sql:
    found = measures.cells(
        series, frame, Sql("0"), [],
        wanted=_both(question, segment), include_bots=question.include_bots,
    )  # fmt: skip
    return sql(
        "WITH cell AS MATERIALIZED (\n{cells}\n), placed AS (\n{placed}\n)\n{numbers}",
        cells=found.statement,
        placed=measures.placed(found, is_broken_down=False),
        numbers=measures.numbers(found, "placed"),
    )


def _squares(series: Series, question: SegmentsQuestion, segment: Segment, frame: Frame) -> Sql:
    """Return sum and sum of squares over people; no row for what no person has on average."""
    if series.measure not in {"count", "sum"}:
        return Sql("SELECT 0 WHERE false")
    asked = msgspec.structs.replace(question, filter=_both(question, segment))
    # Only what some person has is on average a person's.
    person = fields.person(frame.scope)
    amount = Sql("count(*)")
    if series.of is not None:
        number = field(series.of, frame.scope).number
        amount = sql("sum({it})", it=number or Sql("CAST(NULL AS DECIMAL(38,9))"))
    return sql(
        "SELECT sum(x), sum(TRY(x * x)), bool_or(TRY(x * x) IS NULL) FROM (\n"
        "SELECT {person} AS key, {amount} AS x\n{source}\n  AND {person} IS NOT NULL\nGROUP BY key\n)",
        person=person, amount=amount, source=measures.behind(series, asked, None, frame),
    )  # fmt: skip


def _rows(
    question: SegmentsQuestion, found: list[list[tuple[Any, Any]]], overlap: list[list[int]]
) -> list[MeasureRow]:
    rows = []
    for place, series in enumerate(question.series):
        totals = [
            number_of(series.measure, numbers_in(of[place][0]).get(0, {}).get(None)) for of in found
        ]
        values = []
        for number, total in enumerate(totals):
            here = _by_person(series, total, found[number][place][1], overlap[number][number])
            first = _by_person(series, totals[0], found[0][place][1], overlap[0][0])
            is_apart = number > 0 and overlap[number][0] == 0
            values.append(Measured(total, here, _difference(here, first) if is_apart else None))
        rows.append(MeasureRow(LETTERS[place], series.label or label_of(series), values))
    return rows + _formulas(question, rows, len(found))


def _formulas(
    question: SegmentsQuestion, rows: list[MeasureRow], segments: int
) -> list[MeasureRow]:
    asked = [Formula(one) if isinstance(one, str) else one for one in question.formulas]
    found = []
    for number, one in enumerate(asked, start=1):
        expression = formula.parse(one.formula, LETTERS[: len(rows)])
        values = [
            Measured(
                formula.evaluate(expression, {row.series: row.values[place].value for row in rows})
            )
            for place in range(segments)
        ]
        found.append(MeasureRow(f"F{number}", one.label or one.formula, values))
    return found


def _by_person(series: Series, total: Number | None, squares: Any, size: int) -> Estimate | None:
    if series.measure == "unique_people":
        return Estimate(ratio(total, size), wilson(int(total or 0), size))
    if series.measure not in {"count", "sum"} or not squares.rows:
        return None
    amount, square, is_partial = squares.rows[0]
    value = ratio(amount or 0, size)
    if size < ENOUGH or is_partial:
        return Estimate(value, None)
    error = _error(Decimal(amount or 0), Decimal(square or 0), size)
    mean = _CONTEXT.divide(Decimal(amount or 0), size)
    return Estimate(value, _around(_Moments(mean, error)))


def _error(amount: Decimal, square: Decimal, size: int) -> Decimal:
    """Return the standard error of a mean over people, from the sums of what each has."""
    spread = _CONTEXT.subtract(square, _CONTEXT.divide(_CONTEXT.multiply(amount, amount), size))
    return _CONTEXT.sqrt(_CONTEXT.divide(max(spread, Decimal(0)), Decimal(size * (size - 1))))


def _around(found: _Moments) -> Interval:
    half = _CONTEXT.multiply(Z95, found.error)
    low, high = _CONTEXT.subtract(found.mean, half), _CONTEXT.add(found.mean, half)
    return Interval(rounded(low) or 0, rounded(high) or 0)


def _difference(here: Estimate | None, first: Estimate | None) -> Estimate | None:
    """Return the difference of two independent estimates with an interval made of theirs.

    Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, method 10; for symmetric intervals the same is the usual one of means.
    """
    if here is None or first is None or here.value is None or first.value is None:
        return None
    a, b = Decimal(here.value), Decimal(first.value)
    value = rounded(_CONTEXT.subtract(a, b))
    if here.interval is None or first.interval is None:
        return Estimate(value, None)
    low = _root(a - Decimal(here.interval.low), Decimal(first.interval.high) - b)
    high = _root(Decimal(here.interval.high) - a, b - Decimal(first.interval.low))
    return Estimate(value, Interval(rounded(a - b - low) or 0, rounded(a - b + high) or 0))


def _root(one: Decimal, other: Decimal) -> Decimal:
    return _CONTEXT.sqrt(_CONTEXT.add(one * one, other * other))


def _label(segment: Segment) -> str:
    return segment.label or _words(segment)


def _words(segment: Segment) -> str:
    return "everybody" if segment.filter is None else filter_words(segment.filter)


def _warnings(question: SegmentsQuestion, scope: Scope) -> list[str]:
    found: list[str] = []
    wanted = [segment.filter for segment in _segments(question)]
    for series in question.series:
        used = field_names([question.filter, series.filter, *wanted])
        compared = [name for one in wanted for name in filters.compared(one)]
        found += warnings_of(
            series.event, [*used, *([series.of] if series.of else [])], scope,
            measured=[*measures.measured(series, question), *compared],
        )  # fmt: skip
    return list(dict.fromkeys(found))


segments = Insight(
    name="segments",
    summary="Several segments side by side: sizes, overlap, and what is measured of each.",
    question=SegmentsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=SegmentsData,
    place=SegmentsPlace,
    members=members,
    expand=expanded,
    view="table",
    rules=RULES,
    example={
        "segments": [
            {"filter": {"op": "equals", "field": "device_type", "value": "mobile"}},
            {"filter": {"op": "equals", "field": "device_type", "value": "desktop"}},
        ],
        "series": [{"measure": "unique_people"}, {"measure": "count"}],
    },
)
