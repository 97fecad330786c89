"""How many of those who did something came back, how long after, and what they were worth."""

from collections.abc import Sequence
from decimal import Context, Decimal
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta, Struct, structs
from numpy.typing import NDArray

from tallymark.core.clock import rfc3339
from tallymark.core.errors import InvalidQuery

from . import _retention_kernel as kernel
from . import _retention_sql as statements
from . import currencies, ephemeral
from ._retention_counts import Tally, tallied
from ._retention_question import Clock, Cohort, Measure, Plan, RetentionQuestion, Unit, plan_of
from ._retention_rules import RULES
from .filters import compared
from .groups import NONE_LABEL, OTHER_LABEL, Value, value_of
from .insight import Insight, Members, Scope, Statement, Table
from .numbers import Number, exact, ratio
from .rates import State, state_of
from .selection import (
    Group,
    Period,
    Step,
    field_names,
    label_of,
    period,
    warnings_of,
)
from .timeline import label_of_edge
from .uncertainty import Interval, wilson

# A sum of twenty million numbers of 38 digits has 46.
_EXACTLY: Final = Context(prec=60)


class RetentionPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: of a cohort, or of all if ``cohort`` is left out."""

    cohort: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the cohort, counted from 0; the overall row if left out."),
    ] = None
    bucket: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bucket, counted from 0; the whole cohort if left out."),
    ] = None
    returned: Annotated[
        bool, Meta(description="Those who are retained, or of the same cohort those who are not.")
    ] = True
    group: Annotated[Group | None, Meta(description="One group of the breakdown.")] = None


class Cell(Struct, frozen=True):
    """One bucket of a cohort, or of all cohorts.

    ``returned`` of ``people`` are retained; ``rate`` is their share, and ``interval`` where the true
    share lies, 95 times in 100. ``value`` is what is measured of a number. All of them are null until
    the bucket has begun. In the row of all cohorts only complete cells count. ``state`` says why there
    is no ``interval``, as that of a ``Rate`` does: there somebody may count twice.
    """

    people: int
    returned: int | None
    rate: Number | None
    interval: Interval | None
    state: State
    value: Number | None
    is_complete: bool


class CohortRow(Struct, frozen=True):
    """Those who started in one interval; ``people`` is null of nobody yet to come."""

    label: str
    since: str
    until: str
    is_complete: bool
    people: int
    cells: list[Cell]


class GroupRows(Struct, frozen=True):
    """The rows of one group: ``breakdown`` holds its value of each field, Other has none."""

    breakdown: list[Value] | None
    is_other: bool
    people: int
    overall: list[Cell]
    cohorts: list[CohortRow]


class BucketLabel(Struct, frozen=True):
    """One bucket: from ``first`` up to but not including ``until`` intervals after the start."""

    label: str
    first: int
    until: int


class RetentionData(Struct, frozen=True):
    """The answer of a retention question: one group of rows, or several if broken down.

    Where ``sums_to_total``, the people of all groups, Other too, add up to those without a breakdown,
    and so do those who returned.
    """

    range: Period
    interval: Unit
    timezone: str
    bots: Literal["excluded", "included"]
    start: str
    returning: str
    cohort: Cohort
    clock: Clock
    criterion: kernel.Criterion
    overall: Literal["weighted", "people"]
    measure: Measure
    breakdown: list[str]
    breakdown_on: Literal["start", "both"]
    buckets: list[BucketLabel]
    groups: list[GroupRows]
    cookieless_left_out: int
    warnings: list[str]
    sums_to_total: bool = True


def to_sql(question: RetentionQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return the statements of the rows, of what warnings tell, and of groups if there are."""
    plan = plan_of(question, scope)
    found: list[Statement] = [statements.rows_of(plan), statements.beside(plan)]
    if plan.by:
        found.append(statements.groups_of(plan))
    return tuple(found)


def shape(question: RetentionQuestion, scope: Scope, results: Sequence[Any]) -> RetentionData:
    """Return the answer from the results of the statements."""
    plan = plan_of(question, scope)
    shown = results[2].rows if plan.by else [()]
    starts, returns = statements.read(plan, results[0])
    # Groups that are not shown are one, after those that are.
    starts = structs.replace(starts, group=np.minimum(starts.group, len(shown)))
    counts = tallied(plan, starts, returns, len(shown) + 1, statements.sums(results[0]))
    groups = [
        _group(plan, counts[place], values) for place, values in enumerate(_valued(plan, shown))
    ]
    if plan.by and counts[-1].people:
        groups.append(_group(plan, counts[-1], None))
    left_out, most_currencies = map(int, results[1].rows[0])
    return RetentionData(
        range=period(plan.cut.span),
        interval=question.interval,
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        start=label_of(plan.start),
        returning=label_of(plan.returning),
        cohort=plan.options.cohort,
        clock=plan.options.clock,
        criterion=plan.options.criterion,
        overall=plan.options.overall,
        measure=question.measure,
        breakdown=list(question.breakdown),
        breakdown_on=plan.options.breakdown_on,
        buckets=_buckets(plan),
        groups=groups,
        sums_to_total=_sums_to_total(plan),
        cookieless_left_out=0 if question.include_cookieless else left_out,
        warnings=_warnings(plan, left_out, most_currencies),
    )


def members(question: RetentionQuestion, place: RetentionPlace, scope: Scope) -> Members:
    """Return who is retained in a bucket of a cohort, or who is not, or the whole cohort."""
    plan = plan_of(question, scope)
    _check(plan, place)

    def keys(results: Sequence[Any]) -> NDArray[np.int64]:
        starts, returns = statements.read(plan, results[0])
        person = starts.person
        is_meant = starts.group == 1 if place.group else np.ones(len(person), np.bool_)
        if place.cohort is not None:
            is_meant &= starts.cohort == place.cohort
        elif place.bucket is not None:
            complete = np.array(
                [plan.is_complete(cohort, place.bucket) for cohort in range(plan.cohorts)]
            )
            is_meant &= complete[starts.cohort]
        if place.bucket is None:
            return np.unique(person[is_meant])
        is_back = np.zeros(len(person), np.bool_)
        for marks in kernel.marks(starts, returns, plan.rules):
            is_back[marks.starts] = marks.retained[place.bucket]
        back = np.unique(person[is_meant & is_back])
        return back if place.returned else np.setdiff1d(person[is_meant], back)

    return Members((statements.rows_of(plan, place.group),), keys)


def table(data: RetentionData) -> Table:
    """Return one row a cohort, after that of all cohorts, and one column a bucket.

    The columns hold shares, or what is measured; ``complete`` says how many of them, from the first
    on, are final. What lies beyond is counted so far, and null if it has not begun.
    """
    columns = (
        "cohort",
        *data.breakdown,
        "people",
        *(one.label for one in data.buckets),
        "complete",
    )
    rows: list[tuple[Any, ...]] = []
    for group in data.groups:
        names = _shown(group, len(data.breakdown))
        for label, people, cells in (
            ("all", group.people, group.overall),
            *((row.label, row.people, row.cells) for row in group.cohorts),
        ):
            numbers = [cell.rate if data.measure == "people" else cell.value for cell in cells]
            rows.append((label, *names, people, *numbers, sum(cell.is_complete for cell in cells)))
    keys = tuple(range(1 + len(data.breakdown)))
    return Table(columns, rows, keys=keys, remarks=(len(columns) - 1,))


def _sums_to_total(plan: Plan) -> bool:
    # Once in each cohort, somebody is in one group of it, but maybe in another of the next.
    is_once = not (plan.rules.is_recurring and plan.options.overall == "people")
    return not plan.by or (is_once and not plan.is_both)


def _check(plan: Plan, place: RetentionPlace) -> None:
    if place.cohort is not None and place.cohort >= plan.cohorts:
        raise InvalidQuery("There is no such cohort.", path="behind.place.cohort")
    if place.bucket is not None and place.bucket >= plan.rules.buckets:
        raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")
    if place.group is not None and place.group.by != list(plan.question.breakdown):
        raise InvalidQuery("The group is none of this breakdown.", path="behind.place.group")
    if place.cohort is None and plan.rules.is_recurring and plan.options.overall == "weighted":
        raise InvalidQuery(
            "Somebody may be in several cohorts, so this number is none of people.",
            hint="Open one cohort, or ask with overall = people.",
            path="behind.place.cohort",
        )
    if (
        place.cohort is not None
        and place.bucket is not None
        and not plan.has_begun(place.cohort, place.bucket)
    ):
        raise InvalidQuery("This bucket has not begun.", path="behind.place.bucket")


def _valued(plan: Plan, shown: Sequence[tuple[Any, ...]]) -> list[list[Value]]:
    return [
        [value_of(one, value) for one, value in zip(plan.by, row, strict=True)] for row in shown
    ]


def _group(plan: Plan, tally: Tally, values: list[Value] | None) -> GroupRows:
    rows = []
    for cohort in range(plan.cohorts):
        span = plan.cut.clipped(cohort)
        rows.append(
            CohortRow(
                label=label_of_edge(plan.cut.edges[cohort], plan.question.interval, plan.frame),
                since=rfc3339(span.since),
                until=rfc3339(span.until),
                is_complete=not plan.cut.is_incomplete(cohort, plan.frame.scope.now),
                people=tally.started[cohort],
                cells=[_cell(plan, tally, cohort, bucket) for bucket in range(plan.rules.buckets)],
            )
        )
    overall = [_overall(plan, tally, bucket) for bucket in range(plan.rules.buckets)]
    return GroupRows(values if plan.by else None, values is None, tally.people, overall, rows)


def _cell(plan: Plan, tally: Tally, cohort: int, bucket: int) -> Cell:
    people = tally.started[cohort]
    if not plan.has_begun(cohort, bucket):
        return Cell(people, None, None, None, "not_enough_data", None, is_complete=False)
    returned = tally.returned[cohort][bucket]
    interval = wilson(returned, people)
    return Cell(
        people=people,
        returned=returned,
        rate=ratio(returned, people),
        interval=interval,
        state=state_of(interval),
        value=_value(plan, tally.amounts[cohort][bucket], people, returned),
        is_complete=plan.is_complete(cohort, bucket),
    )


def _overall(plan: Plan, tally: Tally, bucket: int) -> Cell:
    people, returned, amount = tally.overall[bucket]
    # Somebody in two cohorts is no two independent trials.
    is_once = not plan.rules.is_recurring or plan.options.overall == "people"
    interval = wilson(returned, people) if is_once else None
    is_complete = any(plan.is_complete(cohort, bucket) for cohort in range(plan.cohorts))
    return Cell(
        people=people,
        returned=returned if is_complete else None,
        rate=ratio(returned, people),
        interval=interval,
        state=state_of(interval) if is_once else "not_independent",
        value=_value(plan, amount, people, returned) if is_complete else None,
        is_complete=is_complete,
    )


def _value(plan: Plan, amount: int, people: int, returned: int) -> Number | None:
    """Return what is measured, of a sum in units of the ninth place."""
    total = exact(Decimal(amount).scaleb(-9, _EXACTLY))
    match plan.question.measure:
        case "people":
            return None
        case "sum":
            return total
        case "per_person":
            return ratio(total, people)
        case "per_returning":
            return ratio(total, returned)


def _buckets(plan: Plan) -> list[BucketLabel]:
    edges, unit = plan.rules.edges, plan.question.interval
    found = []
    for first, until in pairwise(edges):
        number = str(first) if until == first + 1 else f"{first}–{until - 1}"
        found.append(BucketLabel(f"{unit} {number}", first, until))
    return found


def _shown(group: GroupRows, fields: int) -> list[Value]:
    if group.is_other:
        return [OTHER_LABEL] * fields
    return [NONE_LABEL if value is None else value for value in group.breakdown or []]


def _warnings(plan: Plan, left_out: int, most_currencies: int) -> list[str]:
    question, scope = plan.question, plan.frame.scope
    found: list[str] = []
    for step in (plan.start, plan.returning):
        found += _step_warnings(plan, step)
    found += currencies.warnings_of(most_currencies)
    if question.of is not None:
        found += warnings_of(None, [question.of], scope, measured=[question.of])
    if not question.include_cookieless:
        found += ephemeral.left_out(left_out)
    elif left_out:
        found.append(ephemeral.KEPT)
    return list(dict.fromkeys(found))


def _step_warnings(plan: Plan, step: Step) -> list[str]:
    wanted = [plan.question.filter, step.filter]
    sized = [name for one in wanted for name in compared(one)]
    names = [*field_names(wanted), *plan.question.breakdown]
    return warnings_of(step.event, names, plan.frame.scope, measured=sized)


retention = Insight(
    name="retention",
    summary="How many of those who started came back, in each interval after.",
    question=RetentionQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=RetentionData,
    place=RetentionPlace,
    members=members,
    view="matrix",
    rules=RULES,
    example={
        "start": {"event": "signup"},
        "returning": {"event": "report opened"},
        "interval": "week",
        "buckets": 8,
        "range": "8w",
    },
)
