"""How much of something happened over time: counts, people, sums, percentiles; by any field.

Numbers are exact. An average, a share and a formula are rounded once to nine decimal places, half
away from zero, and so is a percentile, which lies between the two values next to its rank.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, join, sql
from tallymark.store.engine import Rows

from . import fields, formula, measures
from .comparison import Compare, Comparison, compared
from .fields import Field, field
from .formula import Expression
from .group_values import OTHER_LABEL, shown, values_of
from .insight import Columnar, Insight, Members, Scope, Table
from .lines import Formula, Line, Numbers, Value, formula_line, numbers_in, series_line
from .measures import Cells, Series
from .metrics import LETTERS, expanded
from .ranges import Buckets, Interval, bucket_number, buckets
from .selection import Frame, Group, Period, Question, field_names, frame_of, period, warnings_of
from .timeline import Bucket, timeline


class TrendsQuestion(Question, frozen=True, kw_only=True):
    """Numbers over time."""

    series: Annotated[
        tuple[Series, ...],
        Meta(description="The lines A, B, C … in order.", min_length=1, max_length=10),
    ] = (Series(),)
    interval: Annotated[Interval, Meta(description="Length of a bucket.")] = "day"
    breakdown: Annotated[
        tuple[str, ...], Meta(description="Up to three fields to break down by.", max_length=3)
    ] = ()
    top: Annotated[
        int, Meta(description="How many groups are shown; the rest is Other.", ge=1, le=1_000)
    ] = 10
    top_by: Annotated[
        str, Meta(description="Letter of the series whose totals choose the groups.")
    ] = "A"
    compare: Annotated[Compare | None, Meta(description="An earlier range to hold against.")] = None
    formulas: Annotated[
        tuple[Formula | str, ...],
        Meta(description="Lines calculated from the series.", max_length=10),
    ] = ()
    metrics: Annotated[
        tuple[str, ...], Meta(description="Named metrics, as further lines.", max_length=10)
    ] = ()


class TrendsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: a series, and of it one bucket and one group, or all of them."""

    series: Annotated[str, Meta(description="Letter of the series.")] = "A"
    bucket: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bucket, counted from 0; all if left out."),
    ] = None
    group: Annotated[Group | None, Meta(description="One group of the breakdown.")] = None


class Compared(Struct, frozen=True):
    """The earlier range, with the counterpart of each bucket, null where it has none."""

    how: Compare
    range: Period
    buckets: list[Period | None]


class TrendsData(Struct, frozen=True):
    """The answer of a trends question."""

    range: Period
    interval: Interval
    timezone: str
    bots: Literal["excluded", "included"]
    buckets: list[Bucket]
    breakdown: list[str]
    lines: list[Line]
    compared: Compared | None
    warnings: list[str]


class _Plan(Struct, frozen=True):
    """A question with everything about time and fields resolved."""

    question: TrendsQuestion
    frame: Frame
    cut: Buckets
    comparison: Comparison | None
    by: list[Field]
    formulas: list[tuple[Formula, Expression]]

    @property
    def cuts(self) -> list[Buckets]:
        """The range asked for, then the one it is compared with."""
        return [self.cut] if self.comparison is None else [self.cut, self.comparison.cut]

    @property
    def leading(self) -> int:
        """The place of the series whose totals choose the groups."""
        return LETTERS.index(self.question.top_by)


def to_sql(question: TrendsQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return a statement for each series and range, the range asked for first.

    Each gives rows of (place, bucket, amount, n, b0 …): the group's place among the top ones, NULL
    for Other; the bucket's number, NULL for the whole range; the values of the group.
    """
    plan = _plan(question, scope)
    leader = _cells(plan, plan.leading, plan.cut)
    return tuple(
        _statement(plan, _cells(plan, number, cut), leader)
        for cut in plan.cuts
        for number in range(len(question.series))
    )


def shape(question: TrendsQuestion, scope: Scope, rows: Sequence[Rows]) -> TrendsData:
    """Return the answer from the rows of the statements, in their order."""
    plan = _plan(question, scope)
    count = len(question.series)
    found = [numbers_in(one) for one in rows]
    groups = _groups(plan, rows[plan.leading])
    if any(None in one for one in found):
        groups[None] = None
    lines = [
        line for place, values in groups.items() for line in _lines(plan, found, place, values)
    ]
    order = {letter: number for number, letter in enumerate(LETTERS[:count])}
    lines.sort(key=lambda line: order.get(line.series, count))
    return TrendsData(
        range=period(plan.cut.span),
        interval=question.interval,
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        buckets=timeline(plan.cut, question.interval, plan.frame),
        breakdown=list(question.breakdown),
        lines=lines,
        compared=_compared(plan),
        warnings=_warnings(question, scope),
    )


def members(question: TrendsQuestion, place: TrendsPlace, scope: Scope) -> Members:
    """Return who is behind a number: each person with an event that it counts."""
    plan = _plan(question, scope)
    if place.series not in LETTERS[: len(question.series)] or len(place.series) != 1:
        raise InvalidQuery(f"There is no series {place.series!r}.", path="behind.place.series")
    series = question.series[LETTERS.index(place.series)]
    span = plan.cut.span
    if place.bucket is not None:
        if place.bucket >= len(plan.cut.edges) - 1:
            raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")
        span = plan.cut.clipped(place.bucket)
    frame = msgspec.structs.replace(plan.frame, span=span)
    source = measures.behind(series, question, place.group, frame)
    person = fields.person(scope)
    statement = sql(
        "SELECT DISTINCT {person} AS key\n{source}\n  AND {person} IS NOT NULL",
        person=person,
        source=source,
    )
    return Members((Columnar(statement),), lambda results: results[0]["key"])


def table(data: TrendsData) -> Table:
    """Return one row a bucket and group, one column a line, earlier numbers beside their line."""
    series = list(dict.fromkeys((line.series, line.label) for line in data.lines))
    columns = [data.interval, *data.breakdown]
    for _, label in series:
        columns += [label, *([f"{label} (earlier)"] if data.compared else [])]
    groups: dict[tuple[bool, tuple[Value, ...]], dict[str, Line]] = {}
    for line in data.lines:
        groups.setdefault((line.is_other, tuple(line.breakdown or ())), {})[line.series] = line
    rows: list[tuple[Any, ...]] = []
    for number, bucket in enumerate(data.buckets):
        for (is_other, values), lines in groups.items():
            row: list[Any] = [bucket.label]
            row += [OTHER_LABEL] * len(data.breakdown) if is_other else map(shown, values)
            for letter, _ in series:
                row.append(lines[letter].values[number])
                if data.compared:
                    row.append((lines[letter].compared_values or [])[number])
            rows.append(tuple(row))
    return Table(tuple(columns), rows)


def _plan(question: TrendsQuestion, scope: Scope) -> _Plan:
    frame = frame_of(question, scope)
    cut = buckets(frame.span, question.interval, frame.zone, question.week_start)
    comparison = question.compare and compared(
        cut, question.compare, question.interval, frame.zone, question.week_start
    )
    letters = LETTERS[: len(question.series)]
    if question.top_by not in letters or len(question.top_by) != 1:
        raise InvalidQuery(f"There is no series {question.top_by!r}.", path="top_by")
    by = [field(name, scope, path="breakdown") for name in question.breakdown]
    plan = _Plan(question, frame, cut, comparison or None, by, _formulas(question, letters))
    groups = question.top + 1 if by else 1
    if len(cut.edges) * groups * len(letters) * len(plan.cuts) > scope.max_rows:
        raise InvalidQuery(
            f"The answer would have more than {scope.max_rows} numbers.",
            code="QUERY_TOO_LARGE",
            path="interval",
        )
    return plan


def _formulas(question: TrendsQuestion, letters: str) -> list[tuple[Formula, Expression]]:
    asked = [Formula(one) if isinstance(one, str) else one for one in question.formulas]
    return [(one, formula.parse(one.formula, letters)) for one in asked]


def _cells(plan: _Plan, number: int, cut: Buckets) -> Cells:
    return measures.cells(
        plan.question.series[number],
        msgspec.structs.replace(plan.frame, span=cut.span),
        bucket_number(Sql("e.time_us"), cut),
        plan.by,
        wanted=plan.question.filter,
        include_bots=plan.question.include_bots,
    )


def _statement(plan: _Plan, found: Cells, leader: Cells) -> Sql:
    if not plan.by:
        return sql(
            "WITH cell AS MATERIALIZED (\n{cells}\n), placed AS (\n{placed}\n)\n{numbers}",
            cells=found.statement,
            placed=measures.placed(found, is_broken_down=False),
            numbers=measures.numbers(found, "placed"),
        )
    is_leader = found == leader
    return sql(
        "WITH cell AS MATERIALIZED (\n{cells}\n){leader}, top AS MATERIALIZED (\n{top}\n),"
        " placed AS (\n{placed}\n), answer AS (\n{numbers}\n)\n"
        "SELECT place, bucket, amount, n, {values}\n"
        "FROM answer LEFT JOIN top USING (place)",
        values=join(", ", (ident(name) for name in found.groups)),
        cells=found.statement,
        leader=Sql("") if is_leader else sql(", leader AS (\n{cells}\n)", cells=leader.statement),
        top=measures.top(leader, "cell" if is_leader else "leader", plan.question.top),
        placed=measures.placed(found, is_broken_down=True),
        numbers=measures.numbers(found, "placed"),
    )


def _groups(plan: _Plan, rows: Rows) -> dict[int | None, list[Value] | None]:
    """Return the values of each top group by its place, in order; one nameless group if none."""
    if not plan.by:
        return {0: None}
    groups: dict[int | None, list[Value] | None] = {}
    for place, bucket, _, _, *values in rows.rows:
        if place is not None and bucket is None:
            groups[place] = values_of(plan.by, values)
    return dict(sorted(groups.items(), key=lambda item: item[0] or 0))


def _lines(
    plan: _Plan, found: list[Numbers], place: int | None, values: list[Value] | None
) -> list[Line]:
    """Return the lines of one group: its series in order, then its formulas."""
    count = len(plan.question.series)
    lines = {}
    for number, series in enumerate(plan.question.series):
        here, *earlier = (one.get(place, {}) for one in found[number::count])
        before = (earlier[0], plan.comparison.counterparts) if plan.comparison else None
        letter = LETTERS[number]
        lines[letter] = series_line(letter, series, here, len(plan.cut.edges) - 1, before)
    calculated = [
        formula_line(f"F{number}", asked, expression, lines)
        for number, (asked, expression) in enumerate(plan.formulas, start=1)
    ]
    return [
        msgspec.structs.replace(line, breakdown=values, is_other=bool(plan.by) and place is None)
        for line in (*lines.values(), *calculated)
    ]


def _compared(plan: _Plan) -> Compared | None:
    if plan.comparison is None or plan.question.compare is None:
        return None
    cut = plan.comparison.cut
    return Compared(
        how=plan.question.compare,
        range=period(cut.span),
        buckets=[
            None if number is None else period(cut.clipped(number))
            for number in plan.comparison.counterparts
        ],
    )


def _warnings(question: TrendsQuestion, scope: Scope) -> list[str]:
    found: list[str] = []
    for series in question.series:
        used = [*field_names([question.filter, series.filter]), *question.breakdown]
        found += warnings_of(
            series.event,
            [*used, *([series.of] if series.of else [])],
            scope,
            measured=measures.measured(series, question),
        )
        if series.of == "revenue" and "currency" not in used:
            found.append("Revenue of all currencies is added up; filter or break down by currency.")
    return list(dict.fromkeys(found))


trends = Insight(
    name="trends",
    summary="Counts, people, sums and percentiles over time, by any field.",
    question=TrendsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=TrendsData,
    place=TrendsPlace,
    members=members,
    expand=expanded,
    view="line",
    example={
        "series": [{"measure": "count"}, {"measure": "unique_people"}],
        "formulas": ["A / B"],
        "range": "30d",
        "interval": "day",
    },
)
