"""What becomes of a property of people or accounts: who gets, keeps, changes and loses a value."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.store.engine import Rows

from . import _property_lifecycle_sql as statements
from . import ephemeral
from ._property_lifecycle_rules import RULES
from ._property_lifecycle_sql import NOTHING, Asked
from .fields import COHORT, breakdown, field
from .filters import Scalar
from .group_values import OTHER_LABEL, is_same, shown, value_of
from .insight import Columnar, Fleeting, Insight, Members, Scope, Table
from .lines import Value
from .profiles import ACCOUNT, GROUP, PERSON
from .ranges import buckets
from .rates import Rate, rate
from .selection import Period, Question, field_names, frame_of, period, warnings_of
from .timeline import Bucket, timeline

Per: TypeAlias = Literal["person", "account"]
State: TypeAlias = Literal["have", "kept", "new", "back", "changed", "cleared"]

_MOST: Final = 50


class PropertyLifecycleQuestion(Question, frozen=True, kw_only=True):
    """What becomes of the values of a property from one bucket to the next."""

    of: Annotated[
        str,
        Meta(description="The property: person.<name>, account.<name>, or a field of events."),
    ]
    per: Annotated[
        Per | None,
        Meta(
            description="Whose it is: that of the profile; of a field of events person, if left out."
        ),
    ] = None
    interval: Annotated[
        Literal["day", "week", "month"], Meta(description="Length of a bucket.")
    ] = "month"
    top: Annotated[
        int, Meta(description="How many values are shown; the rest is Other.", ge=1, le=_MOST)
    ] = 10


class PropertyLifecyclePlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number: of a bucket and a value; of those who changed it, all or to another value."""

    bucket: Annotated[int, Meta(ge=0, description="Place of the bucket, counted from 0.")]
    value: Annotated[
        Scalar | None, Meta(description="The value as the answer has it; Other if left out.")
    ] = None
    state: Annotated[State, Meta(description="Which of its numbers.")] = "have"
    into: Annotated[
        Scalar | None, Meta(description="Of those who changed: only to this value.")
    ] = None
    into_other: Annotated[
        bool, Meta(description="Of those who changed: only to values that are not shown.")
    ] = False


class ValueBucket(Struct, frozen=True):
    """Who has one value at the end of one bucket, and what became of those who had it before."""

    have: int
    kept: int
    new: int
    back: int
    changed: int
    cleared: int
    kept_rate: Rate


class ValueLine(Struct, frozen=True):
    """One value over the buckets; ``before`` had it at the start of the range. Other has none."""

    value: Value
    is_other: bool
    before: int
    buckets: list[ValueBucket]


class Change(Struct, frozen=True):
    """How many went from one value to another in a bucket; null is no value, unless it is Other."""

    bucket: int
    was: Value
    was_other: bool
    into: Value
    into_other: bool
    units: int


class PropertyLifecycleData(Struct, frozen=True):
    """The answer of a property_lifecycle question."""

    range: Period
    interval: Literal["day", "week", "month"]
    timezone: str
    bots: Literal["excluded", "included"]
    of: str
    per: Per
    buckets: list[Bucket]
    values: list[ValueLine]
    changes: list[Change]
    warnings: list[str]


class _Move(Struct, frozen=True):
    """How many went from the value of one place to that of another; -1 is no value."""

    bucket: int
    was: int
    into: int
    is_back: bool
    units: int


def to_sql(question: PropertyLifecycleQuestion, scope: Scope) -> tuple[Any]:
    """Return the statement of what changed, and of the values that are shown."""
    return (statements.moves(_asked(question, scope)),)


def shape(
    question: PropertyLifecycleQuestion, scope: Scope, results: Sequence[Rows]
) -> PropertyLifecycleData:
    """Return the numbers of each value, from what changed."""
    asked = _asked(question, scope)
    count = len(asked.cut.edges) - 1
    known: dict[int, Value] = {}
    moves = []
    for bucket, was, into, is_back, units, value in results[0].rows:
        if bucket is None:
            known[into] = value_of(breakdown(asked.of)[1], value)
        else:
            moves.append(_Move(bucket, _placed(was), _placed(into), is_back, units))
    places = sorted({place for one in moves for place in (one.was, one.into)} - {NOTHING})
    return PropertyLifecycleData(
        range=period(asked.cut.span),
        interval=question.interval,
        timezone=asked.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        of=question.of,
        per="account" if asked.per_account else "person",
        buckets=timeline(asked.cut, question.interval, asked.frame),
        values=[_line(place, known.get(place), question.top, count, moves) for place in places],
        changes=_changes(moves, known, question.top),
        warnings=warnings_of(None, [*field_names([question.filter]), question.of], scope),
    )


def members(
    question: PropertyLifecycleQuestion, place: PropertyLifecyclePlace, scope: Scope
) -> Members:
    """Return the people or accounts of a number."""
    asked = _asked(question, scope)
    if place.bucket >= len(asked.cut.edges) - 1:
        raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")
    if place.state != "changed" and (place.into is not None or place.into_other):
        raise InvalidQuery("Only who changed has another value.", path="behind.place.into")

    def keys(results: Sequence[Any]) -> NDArray[np.int64]:
        known = {
            number: value_of(breakdown(asked.of)[1], value) for number, value in results[0].rows
        }
        mine = _place_of(place.value, known, question.top)
        into = None
        if place.into is not None or place.into_other:
            into = _place_of(place.into, known, question.top)
        found = results[1]
        mask = _in_state(place.state, mine, found["was"], found["has"], found["is_back"])
        if into is not None:
            mask &= found["has"] == into
        chosen: NDArray[np.int64] = found["key"][mask]
        return chosen

    return Members(
        (statements.values(asked), Columnar(statements.held(asked, place.bucket + 1))),
        keys,
        unit="account" if asked.per_account else "person",
    )


def fleeting(question: PropertyLifecycleQuestion, scope: Scope) -> Fleeting | None:
    """Return whether somebody has a value who cannot have it, or another, on another day."""
    asked = _asked(question, scope)
    if asked.per_account:
        return None
    return ephemeral.any_of([statements.counted(asked)], ephemeral.KEPT)


def table(data: PropertyLifecycleData) -> Table:
    """Return one row a bucket and value."""
    return Table(
        (data.interval, data.of, "have", "kept", "new", "back", "changed", "cleared", "complete"),
        [
            (
                bucket.label,
                OTHER_LABEL if line.is_other else shown(line.value),
                *(getattr(line.buckets[number], name) for name in get_args(State)),
                not bucket.is_incomplete,
            )
            for number, bucket in enumerate(data.buckets)
            for line in data.values
        ],
        keys=(0, 1),
    )


def _asked(question: PropertyLifecycleQuestion, scope: Scope) -> Asked:
    frame = frame_of(question, scope)
    found = field(question.of, scope, path="of")
    whose = {PERSON: "person", ACCOUNT: "account"}
    of_profile = next((per for start, per in whose.items() if question.of.startswith(start)), None)
    if question.of.startswith((GROUP, COHORT)):
        raise InvalidQuery(
            "Only properties of people, accounts and events have a lifecycle.",
            hint="Ask cohorts with an interval for the size of a cohort over time.",
            path="of",
        )
    if of_profile and question.per not in {None, of_profile}:
        raise InvalidQuery(f"{question.of} is a property of {of_profile}s.", path="per")
    if found.profile is not None and found.profile.moment != "event":
        raise InvalidQuery(
            "A lifecycle looks at the end of each bucket, at no other moment.",
            hint=f"Leave out the moment: {question.of.rpartition('@')[0]}.",
            path="of",
        )
    if found.time is not None:
        raise InvalidQuery(f"{question.of} is a time, and no property.", path="of")
    cut = buckets(frame.span, question.interval, frame.zone, question.week_start)
    if (len(cut.edges) - 1) * (question.top + 1) > scope.max_rows:
        raise InvalidQuery(
            f"The answer would have more than {scope.max_rows} rows.",
            code="QUERY_TOO_LARGE",
            path="interval",
        )
    per = of_profile or question.per
    return Asked(question, frame, found, per == "account", cut, question.top)


def _placed(place: int | None) -> int:
    return NOTHING if place is None else place


def _line(place: int, value: Value, top: int, count: int, moves: Sequence[_Move]) -> ValueLine:
    """Return the numbers of a value: those who have it are those who came less those who went."""
    tally = np.zeros((count + 1, 4), dtype=np.int64)
    for one in moves:
        if one.into == place:
            tally[one.bucket, int(one.is_back)] += one.units
        if one.was == place:
            tally[one.bucket, 2 if one.into != NOTHING else 3] += one.units
    before = have = int(tally[0, 0])
    found = []
    for new, back, changed, cleared in tally[1:].tolist():
        kept = have - changed - cleared
        kept_rate = rate(kept, have)
        have = kept + new + back
        found.append(ValueBucket(have, kept, new, back, changed, cleared, kept_rate))
    return ValueLine(value=value, is_other=place == top, before=before, buckets=found)


def _changes(moves: Sequence[_Move], known: Mapping[int, Value], top: int) -> list[Change]:
    """Return what changed in the range, in the order of the buckets and values."""
    units: dict[tuple[int, int, int], int] = {}
    for one in moves:
        if one.bucket:
            key = (one.bucket - 1, one.was, one.into)
            units[key] = units.get(key, 0) + one.units
    return [
        Change(bucket, known.get(was), was == top, known.get(into), into == top, number)
        for (bucket, was, into), number in sorted(units.items())
    ]


def _place_of(value: Scalar | None, known: Mapping[int, Value], top: int) -> int:
    if value is None:
        return top
    for place, one in known.items():
        if is_same([one], [value]):
            return place
    raise InvalidQuery(f"The value {value!r} is not shown.", path="behind.place.value")


def _in_state(
    state: State, mine: int, was: NDArray[Any], has: NDArray[Any], is_back: NDArray[Any]
) -> NDArray[np.bool_]:
    before, now = was == mine, has == mine
    found: NDArray[np.bool_]
    match state:
        case "have":
            found = now
        case "kept":
            found = now & before
        case "new":
            found = now & ~before & ~is_back.astype(np.bool_)
        case "back":
            found = now & ~before & is_back.astype(np.bool_)
        case "changed":
            found = before & ~now & (has != NOTHING)
        case "cleared":
            found = before & (has == NOTHING)
    return found


property_lifecycle = Insight(
    name="property_lifecycle",
    summary="Who gets, keeps, changes and loses a value of a property, by day, week or month.",
    question=PropertyLifecycleQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=PropertyLifecycleData,
    view="bar",
    rules=RULES,
    place=PropertyLifecyclePlace,
    members=members,
    fleeting=fleeting,
    example={"of": "person.plan", "interval": "month", "range": "6mo"},
)
