"""On how many days people come, and how many of a week's and a month's people come on a day."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.store.engine import Arrays

from . import ephemeral, presence
from ._active_users import Clock, Ratios, Windows, ratio_table, ratios_of, window_days
from ._stickiness_rules import RULES
from .insight import Columnar, Fleeting, Insight, Members, Scope, Table
from .numbers import Number, ratio
from .presence import Keys, Presence
from .ranges import Buckets, Interval, buckets
from .rates import Rate, rate
from .selection import (
    Frame,
    Period,
    Question,
    Step,
    StepOrName,
    field_names,
    frame_of,
    period,
    step_of,
    warnings_of,
)
from .timeline import Bucket, timeline

Counted: TypeAlias = Literal["exactly", "at_least"]
PeriodKind: TypeAlias = Literal["range", "week", "month", "quarter", "year"]

_WITHIN: Final[dict[str, tuple[PeriodKind, ...]]] = {
    "day": ("range", "week", "month", "quarter", "year"),
    # A week belongs to no single month or quarter.
    "week": ("range",),
    "month": ("range", "quarter", "year"),
}


class _Rules(Struct, frozen=True):
    counted: Counted | None = None
    clock: Clock = "rolling"
    month_days: Literal[28, 30] = 30


_PRESETS: Final[dict[str | None, _Rules]] = {
    None: _Rules(),
    "posthog": _Rules(counted="exactly"),
    "amplitude": _Rules(counted="at_least"),
    "mixpanel": _Rules(counted="at_least"),
    "ga4": _Rules(month_days=28),
}


class StickinessQuestion(Question, frozen=True, kw_only=True):
    """How regularly people come."""

    step: Annotated[StepOrName, Meta(description="What makes somebody active.")] = Step()
    measure: Annotated[
        Literal["times", "ratio"],
        Meta(
            description="On how many days people are active (times), or DAU/WAU, DAU/MAU and WAU/MAU"
            " by day (ratio)."
        ),
    ] = "times"
    interval: Annotated[
        Literal["day", "week", "month"],
        Meta(description="What is counted once however often it is used: a day, week or month."),
    ] = "day"
    period: Annotated[
        PeriodKind,
        Meta(description="Within what it is counted: the whole range, or each week, month …"),
    ] = "range"
    counted: Annotated[
        Counted | None,
        Meta(description="What the table shows, of those that are in the data; both if left out."),
    ] = None
    clock: Annotated[
        Clock | None,
        Meta(
            description="Whether WAU and MAU are of the days that end with the day (rolling, the"
            " default), or of its calendar week and month."
        ),
    ] = None
    month_days: Annotated[
        Literal[28, 30] | None, Meta(description="Days of a rolling month; 30 if left out.")
    ] = None
    semantics: Annotated[
        Literal["mixpanel", "amplitude", "posthog", "ga4"] | None,
        Meta(description="The rules of another tool, where the question states none."),
    ] = None


class StickinessPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people of a period by their number of days, all if left out; of a ratio those of a day."""

    period: Annotated[int, Meta(ge=0, description="Place of the period, counted from 0.")] = 0
    times: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="On how many days; all if left out.")
    ] = None
    counted: Annotated[Counted, Meta(description="Exactly so many, or at least.")] = "exactly"
    day: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Of a ratio: place of the day, counted from 0."),
    ] = None
    active: Annotated[
        Literal["dau", "wau", "mau"], Meta(description="Of a ratio: which of the day's numbers.")
    ] = "dau"


class Times(Struct, frozen=True):
    """The people who were active so many times, and so many or more."""

    times: int
    exactly: Rate
    at_least: Rate


class StickyPeriod(Struct, frozen=True):
    """The people of one period, by the number of times; ``mean`` is times a person."""

    label: str
    since: str
    until: str
    is_incomplete: bool
    people: int
    mean: Number | None
    times: list[Times]


class StickinessData(Struct, frozen=True):
    """The answer of a stickiness question: ``periods`` of times, ``ratios`` of a ratio."""

    range: Period
    interval: Literal["day", "week", "month"]
    timezone: str
    bots: Literal["excluded", "included"]
    counted: Counted | None
    periods: list[StickyPeriod]
    ratios: Ratios | None
    warnings: list[str]


class _Plan(Struct, frozen=True):
    """A question with everything about time and rules resolved."""

    question: StickinessQuestion
    frame: Frame
    step: Step
    rules: _Rules
    cut: Buckets
    windows: Windows | None


def to_sql(question: StickinessQuestion, scope: Scope) -> tuple[Columnar, ...]:
    """Return the statement of who was active in which buckets."""
    plan = _plan(question, scope)
    cut = plan.cut if plan.windows is None else plan.windows.cut
    return (presence.presence(plan.step, question, plan.frame, cut),)


def shape(question: StickinessQuestion, scope: Scope, results: Sequence[Arrays]) -> StickinessData:
    """Return the people of each period by times, or those of each day, week and month."""
    plan = _plan(question, scope)
    people = _read(plan, results)
    return StickinessData(
        range=period(plan.frame.span),
        interval=question.interval,
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        counted=plan.rules.counted,
        periods=_periods(plan, people) if plan.windows is None else [],
        ratios=None if plan.windows is None else ratios_of(plan.windows, people, plan.frame),
        warnings=warnings_of(
            plan.step.event, field_names([question.filter, plan.step.filter]), scope
        ),
    )


def members(question: StickinessQuestion, place: StickinessPlace, scope: Scope) -> Members:
    """Return the people of a number of times, or of a day of a ratio."""
    plan = _plan(question, scope)
    if plan.windows is None:
        cuts = _period_cut(plan)
        if place.day is not None or place.period >= len(cuts.edges) - 1:
            raise InvalidQuery("There is no such period or day.", path="behind.place")
    elif place.times is not None or place.day is None or place.day >= len(plan.cut.edges) - 1:
        raise InvalidQuery("There is no such day.", path="behind.place.day")

    def keys(results: Sequence[Arrays]) -> Keys:
        people = _read(plan, results)
        if plan.windows is not None:
            return people.keys(plan.windows.active(people, place.day or 0, place.active))
        return people.slots(_chosen(plan, place, people))

    return Members(to_sql(question, scope), keys)


def fleeting(question: StickinessQuestion, scope: Scope) -> Fleeting:
    """Return whether somebody counts who cannot come on another day."""
    plan = _plan(question, scope)
    cut = plan.cut if plan.windows is None else plan.windows.cut
    frame = msgspec.structs.replace(plan.frame, span=cut.span)
    return ephemeral.among(question, frame, [plan.step], warning=ephemeral.KEPT)


def table(data: StickinessData) -> Table:
    """Return one row a number of times, or a day and the means."""
    if data.ratios is not None:
        return ratio_table(data.ratios)
    counted: list[Counted] = [data.counted] if data.counted else ["exactly", "at_least"]
    columns = [name for one in counted for name in (one, f"share {one}")]
    rows: list[tuple[Any, ...]] = []
    for one in data.periods:
        for row in one.times:
            shares = (getattr(row, name) for name in counted)
            numbers = [number for share in shares for number in (share.count, share.value)]
            rows.append((one.label, row.times, *numbers, not one.is_incomplete))
    return Table(("period", f"{data.interval}s", *columns, "complete"), rows, keys=(0, 1))


def _plan(question: StickinessQuestion, scope: Scope) -> _Plan:
    frame = frame_of(question, scope)
    preset = _PRESETS[question.semantics]
    rules = _Rules(
        question.counted or preset.counted,
        question.clock or preset.clock,
        question.month_days or preset.month_days,
    )
    if question.period not in _WITHIN[question.interval]:
        raise InvalidQuery(
            f"A {question.interval} is not part of one {question.period}.",
            hint=f"Within: {', '.join(_WITHIN[question.interval])}.",
            path="period",
        )
    week = question.week_start
    if question.measure == "times":
        cut = buckets(frame.span, question.interval, frame.zone, week)
        plan = _Plan(question, frame, step_of(question.step), rules, cut, None)
        count = len(cut.edges) * len(_period_cut(plan).edges)
        if question.period == "range" and count > scope.max_rows:
            raise InvalidQuery("The answer is too large.", code="QUERY_TOO_LARGE", path="range")
        return plan
    if question.interval != "day" or question.period != "range":
        raise InvalidQuery("A ratio is of the days of a range.", path="interval")
    windows = window_days(frame, week, rules.clock, rules.month_days)
    whole = msgspec.structs.replace(frame, span=windows.asked.span)
    cut = windows.asked
    return _Plan(question, whole, step_of(question.step), rules, cut, windows)


def _read(plan: _Plan, results: Sequence[Arrays]) -> Presence:
    cut = plan.cut if plan.windows is None else plan.windows.cut
    return presence.read(results[0], len(cut.edges) - 1)


def _period_cut(plan: _Plan) -> Buckets:
    kind = plan.question.period
    if kind == "range":
        return Buckets(plan.frame.span, (plan.cut.edges[0], plan.cut.edges[-1]))
    interval: Interval = kind
    return buckets(plan.frame.span, interval, plan.frame.zone, plan.question.week_start)


def _described(plan: _Plan, cut: Buckets) -> list[Bucket]:
    kind = plan.question.period
    if kind != "range":
        return timeline(cut, kind, plan.frame)
    (whole,) = timeline(cut, "day", plan.frame)
    last = timeline(plan.cut, plan.question.interval, plan.frame)[-1].label
    return [msgspec.structs.replace(whole, label=f"{whole.label} – {last}")]


def _times(plan: _Plan, cut: Buckets, number: int, people: Presence) -> tuple[Any, int]:
    """Return in how many buckets of a period each person was active, and how many it has."""
    since, until = cut.edges[number], cut.edges[number + 1]
    inside = [place for place, edge in enumerate(plan.cut.edges[:-1]) if since <= edge < until]
    return people.times(inside), len(inside)


def _periods(plan: _Plan, people: Presence) -> list[StickyPeriod]:
    cut = _period_cut(plan)
    found = []
    for number, described in enumerate(_described(plan, cut)):
        times, most = _times(plan, cut, number, people)
        exactly = [int(one) for one in np.bincount(times, minlength=most + 1)]
        active = sum(exactly[1:])
        found.append(
            StickyPeriod(
                label=described.label,
                since=described.since,
                until=described.until,
                is_incomplete=described.is_incomplete,
                people=active,
                mean=ratio(sum(k * one for k, one in enumerate(exactly)), active),
                times=[
                    Times(k, rate(exactly[k], active), rate(sum(exactly[k:]), active))
                    for k in range(1, most + 1)
                ],
            )
        )
    return found


def _chosen(plan: _Plan, place: StickinessPlace, people: Presence) -> NDArray[np.bool_]:
    times, _ = _times(plan, _period_cut(plan), place.period, people)
    at_least = 1 if place.times is None else place.times
    is_exact = place.times is not None and place.counted == "exactly"
    chosen: NDArray[np.bool_] = times == at_least if is_exact else times >= at_least
    return chosen


stickiness = Insight(
    name="stickiness",
    summary="On how many days people come; daily by weekly and monthly active people.",
    question=StickinessQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=StickinessData,
    view="bar",
    rules=RULES,
    place=StickinessPlace,
    members=members,
    fleeting=fleeting,
    example={"step": {"event": "report opened"}, "period": "week", "range": "8w"},
)
