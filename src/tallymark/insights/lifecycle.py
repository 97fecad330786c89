"""Who is new, stays, comes back and goes: the people of each day, week or month against those before."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.store.engine import Arrays

from . import ephemeral, presence
from ._lifecycle_rules import RULES
from .insight import Columnar, Fleeting, Insight, Members, Scope, Table
from .numbers import Number, ratio
from .presence import Presence, Words
from .ranges import Buckets, Span
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
from .timeline import timeline

NewBasis: TypeAlias = Literal["this_event", "first_seen"]
FirstUse: TypeAlias = Literal["resurrecting", "apart"]
State: TypeAlias = Literal["active", "new", "returning", "resurrecting", "first_use", "dormant"]

_PRESETS: Final[dict[str | None, tuple[NewBasis, FirstUse]]] = {
    None: ("this_event", "resurrecting"),
    "posthog": ("first_seen", "resurrecting"),
    "amplitude": ("first_seen", "apart"),
}


class LifecycleQuestion(Question, frozen=True, kw_only=True):
    """What becomes of people from one bucket to the next."""

    step: Annotated[StepOrName, Meta(description="What makes somebody active.")] = Step()
    interval: Annotated[
        Literal["day", "week", "month"], Meta(description="Length of a bucket.")
    ] = "day"
    new_basis: Annotated[
        NewBasis | None,
        Meta(
            description="Whether somebody is new who does this for the first time (this_event, the"
            " default), or who does anything for the first time (first_seen)."
        ),
    ] = None
    first_use: Annotated[
        FirstUse | None,
        Meta(
            description="By first_seen: where those count who were seen before, but do this for the"
            " first time; resurrecting if left out."
        ),
    ] = None
    semantics: Annotated[
        Literal["amplitude", "posthog"] | None,
        Meta(description="The rules of another tool, where the question states none."),
    ] = None


class LifecyclePlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people of one bucket in one state."""

    bucket: Annotated[int, Meta(ge=0, description="Place of the bucket, counted from 0.")]
    state: Annotated[State, Meta(description="Which of its numbers.")] = "active"


class LifecycleBucket(Struct, frozen=True):
    """The people of one bucket. Of ``active``, each is in one of the four that follow it.

    ``dormant`` were active in the bucket before and are not in this one. ``kept`` is the share of
    that bucket's people who are back. ``pulse`` is (new + resurrecting) / dormant.
    """

    label: str
    since: str
    until: str
    is_incomplete: bool
    active: int
    new: int
    returning: int
    resurrecting: int
    first_use: int
    dormant: int
    pulse: Number | None
    kept: Rate


class LifecycleData(Struct, frozen=True):
    """The answer of a lifecycle question; ``pulse`` is of all complete buckets together."""

    range: Period
    interval: Literal["day", "week", "month"]
    timezone: str
    bots: Literal["excluded", "included"]
    new_basis: NewBasis
    first_use: FirstUse
    buckets: list[LifecycleBucket]
    pulse: Number | None
    warnings: list[str]


class _Plan(Struct, frozen=True):
    """A question with everything about time and rules resolved; bucket 0 lies before the range."""

    question: LifecycleQuestion
    frame: Frame
    step: Step
    cut: Buckets
    left_out: Span
    new_basis: NewBasis
    first_use: FirstUse


def to_sql(question: LifecycleQuestion, scope: Scope) -> tuple[Columnar, ...]:
    """Return the statement of who was active when, and by first_seen that of who was seen first."""
    plan = _plan(question, scope)
    found = presence.presence(
        plan.step, question, plan.frame, plan.cut, ever=True, left_out=plan.left_out
    )
    if plan.new_basis == "this_event":
        return (found,)
    seen = presence.presence(Step(), question, plan.frame, plan.cut, ever=True, is_filtered=False)
    return found, seen


def shape(question: LifecycleQuestion, scope: Scope, results: Sequence[Arrays]) -> LifecycleData:
    """Return the people of each bucket by state."""
    plan = _plan(question, scope)
    states = _States(plan, results)
    described = timeline(_asked(plan), question.interval, plan.frame)
    before = presence.count(states.people.within(0))
    counted = [
        {state: presence.count(people) for state, people in states.of(number).items()}
        for number in range(1, len(plan.cut.edges) - 1)
    ]
    found = []
    for bucket, numbers in zip(described, counted, strict=True):
        found.append(
            LifecycleBucket(
                label=bucket.label,
                since=bucket.since,
                until=bucket.until,
                is_incomplete=bucket.is_incomplete,
                **numbers,
                pulse=ratio(numbers["new"] + numbers["resurrecting"], numbers["dormant"]),
                kept=rate(numbers["returning"], before),
            )
        )
        before = numbers["active"]
    whole = [one for one in found if not one.is_incomplete]
    return LifecycleData(
        range=period(plan.frame.span),
        interval=question.interval,
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        new_basis=plan.new_basis,
        first_use=plan.first_use,
        buckets=found,
        pulse=ratio(
            sum(one.new + one.resurrecting for one in whole), sum(one.dormant for one in whole)
        ),
        warnings=warnings_of(
            plan.step.event, field_names([question.filter, plan.step.filter]), scope
        ),
    )


def members(question: LifecycleQuestion, place: LifecyclePlace, scope: Scope) -> Members:
    """Return the people of a bucket in a state."""
    plan = _plan(question, scope)
    if place.bucket >= len(plan.cut.edges) - 2:
        raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")

    def keys(results: Sequence[Arrays]) -> Any:
        states = _States(plan, results)
        return states.people.keys(states.of(place.bucket + 1)[place.state])

    return Members(to_sql(question, scope), keys)


def fleeting(question: LifecycleQuestion, scope: Scope) -> Fleeting:
    """Return whether somebody counts who cannot come back."""
    plan = _plan(question, scope)
    frame = msgspec.structs.replace(plan.frame, span=plan.cut.span)
    return ephemeral.among(question, frame, [plan.step], warning=ephemeral.KEPT)


def table(data: LifecycleData) -> Table:
    """Return one row a bucket."""
    apart = data.first_use == "apart" and data.new_basis == "first_seen"
    states = [
        "active", "new", "returning", "resurrecting", *(["first_use"] if apart else []), "dormant",
    ]  # fmt: skip
    return Table(
        (data.interval, *states, "pulse", "complete"),
        [
            (
                one.label,
                *(getattr(one, state) for state in states),
                one.pulse,
                not one.is_incomplete,
            )
            for one in data.buckets
        ],
    )


def _plan(question: LifecycleQuestion, scope: Scope) -> _Plan:
    frame = frame_of(question, scope)
    cut, left_out = presence.reaching_back(frame, question.interval, question, by=1)
    basis, first_use = _PRESETS[question.semantics]
    return _Plan(
        question,
        frame,
        step_of(question.step),
        cut,
        left_out,
        question.new_basis or basis,
        question.first_use or first_use,
    )


def _asked(plan: _Plan) -> Buckets:
    """Return the buckets of the range, without the one before it."""
    return Buckets(plan.frame.span, plan.cut.edges[1:])


class _States:
    """Who is in which state in a bucket, as bits of ``people``."""

    def __init__(self, plan: _Plan, results: Sequence[Arrays]) -> None:
        self._plan = plan
        buckets = len(plan.cut.edges) - 1
        self.people = presence.read(results[0], buckets)
        self._did = self._seen = _Earlier(self.people)
        if len(results) > 1:
            # Whoever did this did something, so all of them are there.
            seen = presence.read(results[1], buckets).of(self.people.blocks)
            self._seen = _Earlier(seen)

    def of(self, number: int) -> Mapping[State, Words]:
        """Return the states of a bucket that is not the first; quickest in order."""
        before, now = self.people.within(number - 1), self.people.within(number)
        came = now & ~before
        # Who is new was not there before, by either basis.
        new = came & ~self._seen.than(number)
        found: dict[State, Words] = {
            "active": now,
            "new": new,
            "returning": now & before,
            "resurrecting": came & ~new,
            "first_use": np.zeros_like(now),
            "dormant": before & ~now,
        }
        if self._plan.first_use == "apart":
            # A person seen before may yet do this for the first time.
            found["first_use"] = found["resurrecting"] & ~self._did.than(number)
            found["resurrecting"] = found["resurrecting"] & ~found["first_use"]
        return found


class _Earlier:
    """Who came before a bucket, counting the part of bucket 1 that is left out."""

    def __init__(self, people: Presence) -> None:
        self._people = people
        self._found = (0, people.before)

    def than(self, number: int) -> Words:
        """Return who came in any bucket before one; quickest in order."""
        reached, found = self._found
        if reached > number:
            reached, found = 0, self._people.before
        if reached < number:
            found = found | self._people.within(reached, number - 1)
            if number > 1:
                found |= self._people.left_out
            self._found = (number, found)
        return found


lifecycle = Insight(
    name="lifecycle",
    summary="Who is new, stays, comes back and goes, by day, week or month.",
    question=LifecycleQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=LifecycleData,
    view="bar",
    rules=RULES,
    place=LifecyclePlace,
    members=members,
    fleeting=fleeting,
    example={"step": {"event": "report opened"}, "interval": "week", "range": "12w"},
)
