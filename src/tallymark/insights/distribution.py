"""How a number is spread over people, accounts or sessions: how many have how much, in bins."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

from . import _distribution_sql as statements
from . import currencies, ephemeral, measures, percentiles
from ._distribution_rules import RULES
from ._distribution_sql import Even
from .fields import Field, field
from .insight import Fleeting, Insight, Members, Scope, Table, Unit
from .measures import Series
from .numbers import Number, exact, plus, ratio, stored, times
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

Measure: TypeAlias = Literal["count", "sum", "min", "max"]

_MOST_BINS: Final = 200


class DistributionQuestion(Question, frozen=True, kw_only=True):
    """How much of something each has."""

    step: Annotated[StepOrName, Meta(description="What is done.")] = Step()
    measure: Annotated[
        Measure,
        Meta(description="Of each: how many events, or the sum, least or greatest of a number."),
    ] = "count"
    of: Annotated[
        str | None, Meta(description="The number: value, revenue, properties.<name> …")
    ] = None
    per: Annotated[Unit, Meta(description="Whose numbers they are.")] = "person"
    bounds: Annotated[
        tuple[int | float, ...],
        Meta(description="The edges of the bins, rising.", max_length=_MOST_BINS),
    ] = ()
    width: Annotated[
        int | float | None, Meta(description="How wide a bin is, if no edges are given.")
    ] = None
    start: Annotated[
        int | float | None, Meta(description="Where the first bin of that width begins.")
    ] = None
    bins: Annotated[
        int, Meta(ge=1, le=_MOST_BINS, description="How many bins of one width there are at most.")
    ] = 20
    with_zero: Annotated[
        bool,
        Meta(description="Also count those who were active in the range and did not do it, as 0."),
    ] = False


class DistributionPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """Those from one number up to another; all if both are left out."""

    low: Annotated[
        Decimal | None, Meta(description="Where the row begins; below all if left out.")
    ] = None
    high: Annotated[
        Decimal | None, Meta(description="Where it ends, not included; above all if left out.")
    ] = None


class DistributionRow(Struct, frozen=True):
    """Those from ``low`` up to, not including, ``high``; null if the row has no end on that side.

    ``amount`` is what they have together, and null of a measure that adds nothing up.
    """

    low: Number | None
    high: Number | None
    units: Rate
    amount: Number | None


class DistributionData(Struct, frozen=True):
    """The answer of a distribution question; ``mean`` to ``most`` are of the number of a unit."""

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    per: Unit
    measure: Measure
    of: str | None
    units: int
    amount: Number | None
    mean: Number | None
    median: Number | None
    p90: Number | None
    least: Number | None
    most: Number | None
    rows: list[DistributionRow]
    warnings: list[str]


class _Found(Struct):
    """The units and the amount of each bin by where it begins, and of those below and above."""

    low: dict[Decimal, tuple[int, Decimal]]
    below: tuple[int, Decimal] = (0, Decimal(0))
    above: tuple[int, Decimal] = (0, Decimal(0))
    width: Decimal | None = None


def to_sql(question: DistributionQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return the statement of how many units there are in each bin, and of the percentiles.

    After it, of money that is added up, that of how many currencies it is.
    """
    frame = frame_of(question, scope)
    found = statements.binned(
        _counted(question, frame), _bins_of(question), is_sum=_is_sum(question)
    )
    step = step_of(question.step)
    if not currencies.is_added_up(question.of, field_names([question.filter, step.filter])):
        return (found,)
    money = Series(event=step.event, measure="sum", of=question.of, filter=step.filter)
    return found, currencies.counted(measures.behind(money, question, None, frame))


def shape(
    question: DistributionQuestion, scope: Scope, results: Sequence[Rows]
) -> DistributionData:
    """Return the units of each row."""
    whole: tuple[Any, ...] = (None, None, 0, None)
    median = p90 = None
    found = _Found({})
    for what, *told, values in results[0].rows:
        if what == statements.WHOLE:
            whole = tuple(told)
            median = percentiles.between(values, told[2], 50)
        elif what == statements.NINTH:
            p90 = percentiles.between(values, told[2], 90)
        else:
            _take(found, what, *told)
    least, most, units, amount = whole
    step = step_of(question.step)
    frame = frame_of(question, scope)
    named = field_names([question.filter, step.filter])
    measured = [question.of] if question.of else []
    return DistributionData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        per=question.per,
        measure=question.measure,
        of=question.of,
        units=units,
        amount=(exact(amount) or 0) if _is_sum(question) else None,
        mean=ratio(amount, units),
        median=median,
        p90=p90,
        least=exact(least),
        most=exact(most),
        rows=_rows(question, found, units),
        warnings=[
            *warnings_of(step.event, [*named, *measured], scope, measured=measured),
            *currencies.warnings_of(max((int(one.rows[0][0]) for one in results[1:]), default=0)),
        ],
    )


def members(question: DistributionQuestion, place: DistributionPlace, scope: Scope) -> Members:
    """Return those of a row."""
    _bins_of(question)
    low, high = (
        None if edge is None else stored(edge, f"behind.place.{name}")
        for name, edge in (("low", place.low), ("high", place.high))
    )
    statement = statements.between(_counted(question, frame_of(question, scope)), low, high)
    return listed(statement, question.per)


def fleeting(question: DistributionQuestion, scope: Scope) -> Fleeting | None:
    """Return whether somebody counts once a day."""
    frame = frame_of(question, scope)
    if question.per != "person" or not ephemeral.is_longer(frame.span, frame):
        return None
    steps = [Step() if question.with_zero else step_of(question.step)]
    return ephemeral.among(question, frame, steps, warning=ephemeral.DAILY)


def table(data: DistributionData) -> Table:
    """Return one row for each bin."""
    columns = ["from", "up to", PLURALS[data.per], "share"]
    if data.amount is not None:
        columns.append(data.of or "events")
    rows: list[tuple[Any, ...]] = [
        (one.low, one.high, one.units.count, one.units.value, one.amount) for one in data.rows
    ]
    return Table(tuple(columns), [row[: len(columns)] for row in rows], keys=(0, 1))


def _bins_of(question: DistributionQuestion) -> Even | list[Decimal]:
    """Return the bins asked for, as edges or as how to find them; raises InvalidQuery."""
    if question.bounds:
        if question.width is not None or question.start is not None:
            raise InvalidQuery("Give either bounds or a width.", path="bounds")
        bounds = [stored(one, "bounds") for one in question.bounds]
        if any(low >= high for low, high in pairwise(bounds)):
            raise InvalidQuery("The bounds must rise.", path="bounds")
        return bounds
    if question.width is None:
        if question.start is not None:
            raise InvalidQuery("Bins that start somewhere need a width.", path="start")
        return statements.nice(question.bins, whole=question.measure == "count")
    width = stored(question.width, "width")
    if width <= 0:
        raise InvalidQuery("The width must be more than 0.", path="width")
    if question.start is None:
        return Even((width,), question.bins)
    start = stored(question.start, "start")
    edges = [plus(start, times(width, Decimal(number))) for number in range(question.bins + 1)]
    if edges[-1] >= statements.LIMIT:
        raise InvalidQuery("The last bin ends beyond every stored number.", path="width")
    return edges


def _is_sum(question: DistributionQuestion) -> bool:
    """Whether the numbers of several add up to something."""
    return question.measure in {"count", "sum"}


def _counted(question: DistributionQuestion, frame: Frame) -> Sql:
    """Return (key, amount) of each unit."""
    scope, step = frame.scope, step_of(question.step)
    key, key_fields = key_of(question.per, scope)
    number = _number(question, scope)
    source = of_steps(
        [Step() if question.with_zero else step],
        frame,
        wanted=question.filter,
        include_bots=question.include_bots,
        also=[*key_fields, *step_fields([step], scope), *([number] if number else [])],
    )
    amount = Sql("count(*)")
    if number is not None:
        value = number.number or Sql("CAST(NULL AS DECIMAL(38,9))")
        amount = sql("{how}({value})", how=Sql(question.measure), value=value)
    if question.with_zero:
        amount = sql(
            "coalesce({amount} FILTER (WHERE {step}), 0)", amount=amount, step=matches(step, frame)
        )
    return sql(
        "SELECT key, CAST(amount AS DECIMAL(38,9)) AS amount\nFROM (\n"
        "SELECT {key} AS key, {amount} AS amount\n{source}\n  AND {key} IS NOT NULL\nGROUP BY ALL\n)\n"
        "WHERE amount IS NOT NULL",
        key=key,
        amount=amount,
        source=source,
    )


def _number(question: DistributionQuestion, scope: Scope) -> Field | None:
    if question.measure == "count":
        if question.of is not None:
            raise InvalidQuery("count measures no field.", hint="Ask for sum.", path="of")
        return None
    if question.of is None:
        raise InvalidQuery(
            f"{question.measure} needs a number to measure.",
            hint="Name it in `of`: value, revenue, properties.<name> or person.<name>.",
            path="of",
        )
    if question.with_zero and question.measure != "sum":
        raise InvalidQuery(
            f"Who did not do it has no {question.measure}.", hint="Ask for sum.", path="with_zero"
        )
    found = field(question.of, scope, path="of")
    if found.number is None and not found.is_property:
        raise InvalidQuery(f"{question.of} is not a number.", path="of")
    return found


def _take(
    found: _Found, what: int, low: Decimal, width: Decimal | None, units: int, amount: Decimal
) -> None:
    found.width = width
    if what == statements.BELOW:
        found.below = (units, amount)
    elif what == statements.ABOVE:
        found.above = (units, amount)
    else:
        found.low[low] = (units, amount)


def _rows(question: DistributionQuestion, found: _Found, units: int) -> list[DistributionRow]:
    """Return the rows from the lowest to the highest, also those of nobody between them."""
    asked = _bins_of(question)
    edges = asked if isinstance(asked, list) else _edges(found)

    def row(
        low: Decimal | None, high: Decimal | None, told: tuple[int, Decimal]
    ) -> DistributionRow:
        return DistributionRow(
            low=exact(low),
            high=exact(high),
            units=rate_per(question.per, told[0], units),
            amount=exact(told[1]) if _is_sum(question) else None,
        )

    if not edges:
        # Of numbers so low that no bin can be told.
        return [row(None, None, found.below)] if units else []
    rows = [row(low, high, found.low.get(low, (0, Decimal(0)))) for low, high in pairwise(edges)]
    least = 0 if question.with_zero else 1
    if question.measure != "count" or edges[0] > least:
        rows.insert(0, row(None, edges[0], found.below))
    return [*rows, row(edges[-1], None, found.above)]


def _edges(found: _Found) -> list[Decimal]:
    if not found.low or found.width is None:
        return []
    edges = [min(found.low)]
    while edges[-1] <= max(found.low):
        edges.append(plus(edges[-1], found.width))
    return edges


distribution = Insight(
    name="distribution",
    summary="How a number is spread over people, accounts or sessions, in bins.",
    question=DistributionQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=DistributionData,
    view="bar",
    rules=RULES,
    place=DistributionPlace,
    members=members,
    fleeting=fleeting,
    example={"measure": "sum", "of": "revenue", "range": "30d"},
)
