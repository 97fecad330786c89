"""How many who did one thing went on to do the next, and how long it took them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.store.engine import Rows

from . import filters
from ._funnel_groups import groups_of, in_group, shown_groups
from ._funnel_kernel import best_of, tries_of
from ._funnel_numbers import Counted, Funnel, Layout, bin_edges, counted, funnel
from ._funnel_question import (
    AppliedRules,
    Attribution,
    FunnelQuestion,
    Rules,
    applied,
    preset_of,
    rules_of,
    steps_of,
)
from ._funnel_rules import RULES
from ._funnel_sql import Source, events, source_of, values
from ._funnel_sql import fleeting as fleeting_of
from ._funnel_stream import Numbers, Truths, stream_of
from .group_values import OTHER_LABEL, shown
from .insight import Columnar, Fleeting, Insight, Members, Scope, Statement, Table
from .ranges import Buckets, Interval, buckets
from .selection import Frame, Group, Period, field_names, label_of, period, warnings_of
from .timeline import Bucket, timeline
from .units import PLURALS

Outcome: TypeAlias = Literal["reached", "dropped"]
Entries: TypeAlias = Literal["all", "complete", "incomplete"]


class FunnelsQuestion(FunnelQuestion, frozen=True, kw_only=True):
    """How many came to each step, in all and by group, and how it changes over time."""

    breakdown: Annotated[
        tuple[str, ...], Meta(description="Up to three fields to break down by.", max_length=3)
    ] = ()
    attribution: Annotated[
        Attribution | None,
        Meta(
            description=(
                "Which event's value is somebody's group: first_touch or last_touch, the first or"
                " last of their steps that has one; step, that of one step; all_steps, a funnel for"
                " each value, which all steps must have. first_touch if left out."
            )
        ),
    ] = None
    attribution_step: Annotated[
        int, Meta(description="The step of attribution step, counted from 1.", ge=1)
    ] = 1
    top: Annotated[
        int, Meta(description="How many groups are shown; the rest is Other.", ge=1, le=200)
    ] = 10
    interval: Annotated[
        Interval | None, Meta(description="Show conversion over time, by when one entered.")
    ] = None
    survival: Annotated[
        bool, Meta(description="Estimate the time to convert by Kaplan and Meier too.")
    ] = False


class FunnelsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: those who came to a step, or dropped before it."""

    step: Annotated[int, Meta(description="Number of the step, counted from 1.", ge=1)] = 1
    outcome: Annotated[
        Outcome,
        Meta(description="reached: came to it; dropped: to the needed step before, but not to it."),
    ] = "reached"
    group: Annotated[Group | None, Meta(description="One group of the breakdown.")] = None
    bucket: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bucket in which they entered, counted from 0."),
    ] = None
    bin: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bin of the histogram, of those who came to the last step."),
    ] = None
    entries: Annotated[
        Entries, Meta(description="Those whose window is over, those whose is not, or all.")
    ] = "all"


class FunnelsData(Struct, frozen=True):
    """The answer of a funnels question.

    ``total`` is everybody, ``groups`` those of the breakdown, Other last. Where ``sums_to_total``, the
    groups add up to the total. ``removed`` is how many an exclusion removed.
    """

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    rules: AppliedRules
    breakdown: list[str]
    total: Funnel
    groups: list[Funnel]
    sums_to_total: bool
    removed: int
    buckets: list[Bucket] | None
    warnings: list[str]


class _Plan(Struct, frozen=True):
    """A question with its rules, fields and buckets resolved."""

    question: FunnelsQuestion
    rules: Rules
    frame: Frame
    source: Source
    attribution: Attribution
    cut: Buckets | None

    @property
    def holds_breakdown(self) -> bool:
        """Whether there is a funnel for each value of the breakdown."""
        return bool(self.source.by) and self.attribution == "all_steps"


def to_sql(question: FunnelsQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return the statement of the events, and that of the values they are broken down by."""
    plan = _plan(question, scope)
    found: list[Statement] = [Columnar(events(plan.source))]
    if plan.source.by:
        found.append(values(plan.source))
    return tuple(found)


def shape(question: FunnelsQuestion, scope: Scope, results: Sequence[Any]) -> FunnelsData:
    """Return the answer from the events and the values."""
    plan = _plan(question, scope)
    found, removed = _counted(plan, results, scope)
    layout = _layout(plan, found)
    total = funnel(_each_once(found, plan), layout)
    return FunnelsData(
        range=period(plan.frame.span),
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        rules=applied(question, plan.rules, plan.attribution),
        breakdown=list(question.breakdown),
        total=total,
        groups=_groups(plan, found, layout, results[1]) if plan.source.by else [],
        sums_to_total=not plan.holds_breakdown,
        removed=removed,
        buckets=None
        if plan.cut is None or question.interval is None
        else timeline(plan.cut, question.interval, plan.frame),
        warnings=_warnings(question, plan, total, scope),
    )


def members(question: FunnelsQuestion, place: FunnelsPlace, scope: Scope) -> Members:
    """Return who is behind a number: each person, account or session with a try that it counts."""
    plan = _plan(question, scope)
    _check_place(plan, place)
    return Members(
        to_sql(question, scope),
        lambda results: _keys(plan, place, results, scope),
        unit=plan.rules.by,
    )


def fleeting(question: FunnelsQuestion, scope: Scope) -> Fleeting | None:
    """Return whether somebody enters who cannot convert on another day."""
    rules, frame = rules_of(question, scope)
    return fleeting_of(question, rules, frame)


def table(data: FunnelsData) -> Table:
    """Return one row a group and step; or a bucket and group, if asked for over time."""
    who = PLURALS[data.rules.by] if data.rules.count == "uniques" else "tries"
    funnels = data.groups if data.breakdown else [data.total]
    if data.buckets is not None:
        columns = ["entered in", *data.breakdown, who, "converted", "rate", "is incomplete"]
        return Table(tuple(columns), [
            (bucket.label, *_group(one, data), cell.entered, cell.converted, cell.rate,
             cell.complete_entered < cell.entered or bucket.is_incomplete)
            for number, bucket in enumerate(data.buckets)
            for one in funnels
            for cell in (one.over_time or [])[number : number + 1]
        ], keys=tuple(range(1 + len(data.breakdown))))  # fmt: skip
    columns = [*data.breakdown, "step", "event", who, "dropped", "of first", "of previous", "median seconds"]  # fmt: skip
    return Table(tuple(columns), [
        (*_group(one, data), step.step, step.label, step.count, step.dropped, step.of_first,
         step.of_previous, step.from_previous.median)
        for one in funnels
        for step in one.steps
    ], keys=tuple(range(len(data.breakdown) + 2)))  # fmt: skip


def _plan(question: FunnelsQuestion, scope: Scope) -> _Plan:
    rules, frame = rules_of(question, scope)
    attribution = question.attribution or preset_of(question).attribution
    if attribution == "step" and question.attribution_step > rules.steps:
        raise InvalidQuery(f"There are {rules.steps} steps.", path="attribution_step")
    holds_breakdown = bool(question.breakdown) and attribution == "all_steps"
    if holds_breakdown and question.hold_constant:
        raise InvalidQuery(
            "A funnel for each value holds that value constant, and nothing else.",
            hint="Leave out hold_constant, or ask with another attribution.",
            path="attribution",
        )
    plan = _Plan(
        question=question,
        rules=msgspec.structs.replace(rules, per_value=rules.per_value or holds_breakdown),
        frame=frame,
        source=source_of(
            question, rules, frame, by=question.breakdown, holds_breakdown=holds_breakdown
        ),
        attribution=attribution,
        cut=buckets(frame.span, question.interval, frame.zone, question.week_start)
        if question.interval
        else None,
    )
    rows = (len(plan.cut.edges) if plan.cut else rules.steps) * (question.top + 2 if question.breakdown else 1)  # fmt: skip
    if rows > scope.max_rows:
        raise InvalidQuery(
            f"The answer would have more than {scope.max_rows} rows.",
            code="QUERY_TOO_LARGE",
            path="interval",
        )
    return plan


def _counted(plan: _Plan, results: Sequence[Any], scope: Scope) -> tuple[Counted, int]:
    """Return the tries that count, and how many an exclusion removed."""
    stream = stream_of(results[0])
    tries = tries_of(stream, plan.rules)
    removed = int(tries.is_excluded.sum())
    kept = tries.of(~tries.is_excluded) if removed else tries
    return counted(stream, plan.rules, kept, scope.now), removed


def _each_once(found: Counted, plan: _Plan) -> Counted:
    """Return the best try of each unit, where there is one for each value of the breakdown."""
    if not plan.holds_breakdown or plan.rules.count == "totals":
        return found
    return found.of(best_of(found.stream, found.tries, found.stream.unit))


def _layout(plan: _Plan, found: Counted) -> Layout:
    steps = steps_of(plan.question)
    return Layout(
        labels=[f"{number} of {len(steps)}" for number in range(1, len(steps) + 1)]
        if plan.rules.order == "any"
        else [label_of(step) for step in steps],
        bins=bin_edges(found.took[found.is_converted]),
        edges=None if plan.cut is None else plan.cut.edges,
        is_survival=plan.question.survival,
    )


def _groups(plan: _Plan, found: Counted, layout: Layout, rows: Rows) -> list[Funnel]:
    """Return the funnels of the groups with most who entered, and that of all others if any."""
    numbers = _numbers(plan, found)
    listed = shown_groups(numbers, rows, plan.source.by, plan.question.top)
    funnels = [
        funnel(found.of(np.flatnonzero(numbers == one.number)), layout, breakdown=one.values)
        for one in listed
    ]
    rest = np.flatnonzero(~np.isin(numbers, [one.number for one in listed]))
    if len(rest):
        funnels.append(funnel(_each_once(found.of(rest), plan), layout, is_other=True))
    return funnels


def _numbers(plan: _Plan, found: Counted) -> Numbers:
    return groups_of(found, plan.attribution, plan.question.attribution_step - 1)


def _keys(
    plan: _Plan, place: FunnelsPlace, results: Sequence[Any], scope: Scope
) -> NDArray[np.int64]:
    found, _ = _counted(plan, results, scope)
    bins = bin_edges(found.took[found.is_converted])
    if place.group is not None:
        found = found.of(in_group(_numbers(plan, found), place.group, results[1], plan.source.by))
    found = _each_once(found, plan)
    chosen = _in_place(plan, place, found, bins)
    keys: NDArray[np.int64] = np.unique(found.stream.units[found.unit[chosen]]).astype(np.int64)
    return keys


def _in_place(plan: _Plan, place: FunnelsPlace, found: Counted, bins: Sequence[int]) -> Truths:
    """Return which tries are those of a place."""
    step, reached = place.step - 1, found.tries.reached >= 0
    before = [number for number in range(step) if not plan.rules.optional[number]]
    if place.outcome == "reached":
        chosen: Truths = reached[step]
    else:
        chosen = ~reached[step] & reached[before[-1] if before else 0]
    if place.entries != "all":
        chosen &= found.is_complete == (place.entries == "complete")
    if place.bucket is not None and plan.cut is not None:
        edges = plan.cut.edges[place.bucket : place.bucket + 2]
        chosen &= (found.began >= edges[0]) & (found.began < edges[1])
    if place.bin is not None:
        low, high = [*bins[place.bin : place.bin + 2], 0, 0][:2]
        chosen &= found.is_converted & (found.took >= low) & (found.took < high)
    return chosen


def _check_place(plan: _Plan, place: FunnelsPlace) -> None:
    if place.step > plan.rules.steps:
        raise InvalidQuery(f"There are {plan.rules.steps} steps.", path="behind.place.step")
    if place.group is not None and place.group.by != list(plan.question.breakdown):
        raise InvalidQuery(
            "A group is one of the breakdown that was asked for.", path="behind.place.group.by"
        )
    if place.group is not None and (place.group.values is None) == (place.group.other_than is None):
        raise InvalidQuery("A group needs either values or other_than.", path="behind.place.group")
    if place.bucket is not None and (plan.cut is None or place.bucket >= len(plan.cut.edges) - 1):
        raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")


def _group(one: Funnel, data: FunnelsData) -> list[Any]:
    if one.is_other:
        return [OTHER_LABEL] * len(data.breakdown)
    return [shown(value) for value in one.breakdown or ()]


def _warnings(question: FunnelsQuestion, plan: _Plan, total: Funnel, scope: Scope) -> list[str]:
    steps = [*steps_of(question), *question.exclusions]
    wanted = [question.filter, *(step.filter for step in steps)]
    used = [*field_names(wanted), *question.breakdown, *question.hold_constant]
    measured = [name for one in wanted for name in filters.compared(one)]
    found = [one for step in steps for one in warnings_of(step.event, (), scope)]
    found += warnings_of(None, used, scope, measured=measured)
    if total.incomplete:
        who = PLURALS[plan.rules.by] if question.count == "uniques" else "tries"
        found.append(
            f"{total.incomplete:,} of {total.entered:,} {who} may still convert: they are in the"
            " counts, and not in the rates."
        )
    return list(dict.fromkeys(found))


funnels = Insight(
    name="funnels",
    summary="How many who did one thing went on to do the next, and how long it took them.",
    question=FunnelsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=FunnelsData,
    place=FunnelsPlace,
    members=members,
    fleeting=fleeting,
    view="funnel",
    rules=RULES,
    example={
        "steps": [{"event": "signup"}, {"event": "purchase"}],
        "window": "14d",
        "range": "90d",
        "breakdown": ["channel"],
    },
)
