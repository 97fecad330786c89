"""A trends question with everything about time and fields resolved, and its SQL."""

import msgspec
from msgspec import Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, join, sql

from . import formula, measures, window_sql
from ._trends_question import TrendsQuestion, place_of, series_of
from .comparison import Comparison, compared
from .fields import Field, field
from .formula import Expression
from .insight import Scope
from .lines import Formula, Reach
from .measures import Cells
from .metrics import LETTERS
from .ranges import Buckets, bucket_number, buckets
from .selection import Frame, frame_of
from .window_sql import Reaching
from .windows import ReachingSeries, When, lengthened, windows_of


class Plan(Struct, frozen=True):
    """A question with everything about time and fields resolved.

    ``reaches`` says of each range, and in it of each series, how far the numbers reach.
    """

    question: TrendsQuestion
    series: tuple[ReachingSeries, ...]
    frame: Frame
    cut: Buckets
    comparison: Comparison | None
    by: list[Field]
    formulas: list[tuple[Formula, Expression]]
    reaches: list[list[Reach]]

    @property
    def cuts(self) -> list[Buckets]:
        """The range asked for, then the one it is compared with."""
        return [self.cut] if self.comparison is None else [self.cut, self.comparison.cut]

    @property
    def leading(self) -> int:
        """The place of the series whose totals choose the groups."""
        return LETTERS.index(self.question.top_by)


def plan_of(question: TrendsQuestion, scope: Scope) -> Plan:
    """Return the plan of a question; raises InvalidQuery for what cannot be asked."""
    frame = frame_of(question, scope)
    cut = buckets(frame.span, question.interval, frame.zone, question.week_start)
    comparison = question.compare and compared(
        cut, question.compare, question.interval, frame.zone, question.week_start
    )
    series = series_of(question)
    place_of(question, question.top_by, "top_by")
    by = [field(name, scope, path="breakdown") for name in question.breakdown]
    cuts = [cut, *([comparison.cut] if comparison else [])]
    plan = Plan(
        question=question,
        series=series,
        frame=frame,
        cut=cut,
        comparison=comparison or None,
        by=by,
        formulas=_formulas(question, LETTERS[: len(series)]),
        reaches=[[_reach(one, here, question, frame) for one in series] for here in cuts],
    )
    longest = sum(reach.buckets + 1 for reaches in plan.reaches for reach in reaches)
    if longest * (question.top + 1 if by else 1) > scope.max_rows:
        raise InvalidQuery(
            f"The answer would have more than {scope.max_rows} numbers.",
            code="QUERY_TOO_LARGE",
            path="interval",
        )
    return plan


def statements(plan: Plan) -> tuple[Sql, ...]:
    """Return a statement for each range and, within it, each series.

    Each gives rows of (place, bucket, amount, n, b0 …, found): the group's place among the top ones,
    NULL for Other; the bucket's number, NULL for the whole range; the values of the group; with a
    breakdown, how many groups there are.
    """
    leader = _cells(plan, plan.leading, plan.cut)
    return tuple(
        _statement(plan, _found(plan, number, cut, reaches[number]), leader)
        for cut, reaches in zip(plan.cuts, plan.reaches, strict=True)
        for number in range(len(plan.series))
    )


def _formulas(question: TrendsQuestion, letters: str) -> list[tuple[Formula, Expression]]:
    asked = [Formula(one) if isinstance(one, str) else one for one in question.formulas]
    return [(one, formula.parse(one.formula, letters)) for one in asked]


def _reach(series: ReachingSeries, cut: Buckets, question: TrendsQuestion, frame: Frame) -> Reach:
    when = When(cut, question.interval, frame.zone, question.week_start, frame.scope.now)
    windows = series.window and windows_of(series.window, when, question.semantics, path="window")
    width = series.moving_average
    read = cut if width is None else lengthened(when, width - 1)
    return Reach(read, frame.scope.now, windows or None, width, is_running=series.cumulative)


def _found(plan: Plan, number: int, cut: Buckets, reach: Reach) -> Cells | Reaching:
    series, asked = plan.series[number], (plan.question.filter, plan.question.include_bots)
    if reach.windows is not None:
        return window_sql.windowed(series, plan.frame, reach.windows, plan.by, asked)
    if reach.is_running:
        return window_sql.running(series, plan.frame, cut, plan.by, asked)
    return _cells(plan, number, reach.read)


def _cells(plan: Plan, number: int, cut: Buckets) -> Cells:
    return measures.cells(
        plan.series[number],
        msgspec.structs.replace(plan.frame, span=cut.span),
        bucket_number(Sql("e.time_us"), cut),
        plan.by,
        wanted=plan.question.filter,
        include_bots=plan.question.include_bots,
    )


def _statement(plan: Plan, found: Cells | Reaching, leader: Cells) -> Sql:
    placed, numbers = _steps(found, is_broken_down=bool(plan.by))
    cells = found.cells if isinstance(found, Reaching) else found
    if not plan.by:
        return sql(
            "WITH cell AS MATERIALIZED (\n{cells}\n), placed AS (\n{placed}\n)\n{numbers}",
            cells=cells.statement,
            placed=placed,
            numbers=numbers,
        )
    is_leader = found == leader
    return sql(
        "WITH cell AS MATERIALIZED (\n{cells}\n){leader}, top AS MATERIALIZED (\n{top}\n),"
        " placed AS (\n{placed}\n), answer AS (\n{numbers}\n)\n"
        "SELECT place, bucket, amount, n, {values}, found\n"
        "FROM answer LEFT JOIN top USING (place)",
        values=join(", ", (ident(name) for name in cells.groups)),
        cells=cells.statement,
        leader=Sql("") if is_leader else sql(", leader AS (\n{cells}\n)", cells=leader.statement),
        top=measures.top(leader, "cell" if is_leader else "leader", plan.question.top),
        placed=placed,
        numbers=numbers,
    )


def _steps(found: Cells | Reaching, *, is_broken_down: bool) -> tuple[Sql, Sql]:
    if isinstance(found, Reaching):
        return window_sql.placed(found, is_broken_down), window_sql.numbers(
            found, "placed", is_broken_down=is_broken_down
        )
    return measures.placed(found, is_broken_down), measures.numbers(found, "placed")
