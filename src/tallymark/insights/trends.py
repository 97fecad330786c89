"""How much of something happened over time: counts, people, sums, percentiles; by any field.

Numbers are exact. An average, a share and a formula are rounded once to nine decimal places, half
away from zero, and so is a percentile, which lies between the two values next to its rank.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql
from tallymark.store.engine import Rows

from . import currencies, ephemeral, measures
from ._trends_plan import Plan, plan_of, statements
from ._trends_question import TrendsPlace, TrendsQuestion, place_of
from ._trends_rules import RULES
from .comparison import Compare
from .group_values import OTHER_LABEL, shown, values_of
from .insight import Fleeting, Insight, Members, Scope, Table
from .lines import Line, Numbers, Value, formula_line, numbers_in, series_line
from .measures import Series
from .metrics import LETTERS, expanded
from .ranges import Interval, Span
from .selection import Period, field_names, period, warnings_of
from .timeline import Bucket, timeline
from .units import of_events
from .windows import ReachingSeries


class Compared(Struct, frozen=True):
    """The earlier range, with the counterpart of each bucket, null where it has none."""

    how: Compare
    range: Period
    buckets: list[Period | None]


class TrendsData(Struct, frozen=True):
    """The answer of a trends question; ``group_count`` is of all groups of a breakdown, shown or not."""

    range: Period
    interval: Interval
    timezone: str
    bots: Literal["excluded", "included"]
    buckets: list[Bucket]
    breakdown: list[str]
    group_count: int | None
    lines: list[Line]
    compared: Compared | None
    warnings: list[str]


def to_sql(question: TrendsQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return a statement for each series and range, the range asked for first.

    After them one for each series that adds money up, of how many currencies it is.
    """
    plan = plan_of(question, scope)
    money = [
        currencies.counted(measures.behind(series, question, None, plan.frame))
        for series in question.series
        if currencies.is_added_up(series.of, _named(question, series))
    ]
    return (*statements(plan), *money)


def shape(question: TrendsQuestion, scope: Scope, rows: Sequence[Rows]) -> TrendsData:
    """Return the answer from the rows of the statements, in their order."""
    plan = plan_of(question, scope)
    count = len(question.series)
    last = count * len(plan.reaches)
    found = [numbers_in(one) for one in rows[:last]]
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
        group_count=_group_count(plan, rows[plan.leading]),
        lines=lines,
        compared=_compared(plan),
        warnings=_warnings(
            question, scope, max((int(one.rows[0][0]) for one in rows[last:]), default=0)
        ),
    )


def members(question: TrendsQuestion, place: TrendsPlace, scope: Scope) -> Members:
    """Return who is behind a number: each person, account and session with an event it counts."""
    plan = plan_of(question, scope)
    number = place_of(question, place.series, "behind.place.series")
    series = plan.series[number]
    if series.moving_average is not None:
        raise InvalidQuery(
            "A moving average is of several numbers; nobody is behind it alone.",
            hint="Ask for the people of a bucket, without moving_average.",
            path="behind.place",
        )
    frame = msgspec.structs.replace(plan.frame, span=_span(plan, number, place.bucket))
    source = measures.behind(series, question, place.group, frame)
    return of_events(source, scope)


def fleeting(question: TrendsQuestion, scope: Scope) -> Fleeting | None:
    """Return whether a number of people of more than a day counts somebody once a day."""
    plan = plan_of(question, scope)
    found = []
    for number, series in enumerate(plan.series):
        for reaches in plan.reaches if measures.is_of_people(series.measure) else ():
            span = reaches[number].span
            if ephemeral.is_longer(span, plan.frame):
                frame = msgspec.structs.replace(plan.frame, span=span)
                found.append(measures.behind(series, question, None, frame))
    return ephemeral.any_of(found, ephemeral.DAILY) if found else None


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
    return Table(tuple(columns), rows, keys=tuple(range(1 + len(data.breakdown))))


def _expanded(question: TrendsQuestion, scope: Scope) -> TrendsQuestion:
    """Return the question with the series of its metrics, which reach no farther than others."""
    found: TrendsQuestion = expanded(question, scope)
    given: tuple[Series, ...] = found.series
    series = tuple(
        one if isinstance(one, ReachingSeries) else ReachingSeries(**msgspec.structs.asdict(one))
        for one in given
    )
    return msgspec.structs.replace(found, series=series)


def _groups(plan: Plan, rows: Rows) -> dict[int | None, list[Value] | None]:
    """Return the values of each top group by its place, in order; one nameless group if none."""
    if not plan.by:
        return {0: None}
    groups: dict[int | None, list[Value] | None] = {}
    for place, bucket, _, _, *values, _ in rows.rows:
        if place is not None and bucket is None:
            groups[place] = values_of(plan.by, values)
    return dict(sorted(groups.items(), key=lambda item: item[0] or 0))


def _group_count(plan: Plan, rows: Rows) -> int | None:
    """Return how many groups the leading series has, None without a breakdown."""
    if not plan.by:
        return None
    return max((row[-1] for row in rows.rows if row[0] is not None), default=0)


def _span(plan: Plan, number: int, bucket: int | None) -> Span:
    """Return the instants that one number of a series counts, the whole range if of no bucket."""
    if bucket is None:
        return plan.cut.span
    if bucket >= len(plan.cut.edges) - 1:
        raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")
    reach, clipped = plan.reaches[0][number], plan.cut.clipped(bucket)
    if reach.windows is not None:
        return reach.windows.covered(bucket)
    return Span(plan.cut.span.since, clipped.until) if reach.is_running else clipped


def _lines(
    plan: Plan, found: list[Numbers], place: int | None, values: list[Value] | None
) -> list[Line]:
    """Return the lines of one group: its series in order, then its formulas."""
    count = len(plan.series)
    lines = {}
    for number, series in enumerate(plan.series):
        here, *earlier = (one.get(place, {}) for one in found[number::count])
        reach, *earlier_reach = (reaches[number] for reaches in plan.reaches)
        before = (
            (earlier[0], earlier_reach[0], plan.comparison.counterparts)
            if plan.comparison
            else None
        )
        letter = LETTERS[number]
        lines[letter] = series_line(letter, series, here, reach, before)
    calculated = [
        formula_line(f"F{number}", asked, expression, lines)
        for number, (asked, expression) in enumerate(plan.formulas, start=1)
    ]
    return [
        msgspec.structs.replace(line, breakdown=values, is_other=bool(plan.by) and place is None)
        for line in (*lines.values(), *calculated)
    ]


def _compared(plan: Plan) -> Compared | None:
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


def _named(question: TrendsQuestion, series: Series) -> list[str]:
    return [*field_names([question.filter, series.filter]), *question.breakdown]


def _warnings(question: TrendsQuestion, scope: Scope, most_currencies: int) -> list[str]:
    found: list[str] = []
    for series in question.series:
        used = _named(question, series)
        found += warnings_of(
            series.event,
            [*used, *([series.of] if series.of else [])],
            scope,
            measured=measures.measured(series, question),
        )
    return list(dict.fromkeys([*found, *currencies.warnings_of(most_currencies)]))


trends = Insight(
    name="trends",
    summary="Counts, people, sums and percentiles over time, by any field.",
    question=TrendsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=TrendsData,
    rules=RULES,
    place=TrendsPlace,
    members=members,
    fleeting=fleeting,
    expand=_expanded,
    view="line",
    example={
        "series": [{"measure": "count"}, {"measure": "unique_people"}],
        "formulas": ["A / B"],
        "range": "30d",
        "interval": "day",
    },
)
