"""How large cohorts are, now or over time, how far they overlap, and what they mean in words."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta, Struct, structs
from numpy.typing import NDArray

from tallymark.core.clock import moment, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import sql

from . import ephemeral
from ._cohorts_rules import RULES
from .held import Unit, Which
from .insight import Columnar, Fleeting, Insight, Members, Scope, Table
from .insight import Unit as MemberUnit
from .membership import AllOf, Cohort, Has, cohort_of
from .membership_sql import EVER, keys_of, steps_in
from .numbers import Number, ratio
from .ranges import Buckets, Interval, Span, buckets
from .selection import Period, Question, frame_of, of_steps, period
from .units import in_all
from .words import cohort_words

MAX_COHORTS: Final = 20
MAX_TIMES: Final = 400
_NONE: Final = "The project defines no cohort; push one with `tallymark apply`."
_LABELS: Final[dict[Interval, str]] = {"month": "%Y-%m", "year": "%Y", "hour": "%Y-%m-%dT%H:%M%z", "minute": "%Y-%m-%dT%H:%M%z"}  # fmt: skip


class CohortsQuestion(Question, frozen=True, kw_only=True):
    """Cohorts side by side.

    ``filter`` leaves only members of whom some event satisfies it.
    """

    cohorts: Annotated[
        tuple[Which, ...],
        Meta(description="Names of cohorts, or definitions; all of the project if left out.", max_length=MAX_COHORTS),
    ] = ()  # fmt: skip
    interval: Annotated[
        Interval | None, Meta(description="Also the size at the end of each bucket of the range.")
    ] = None


class CohortsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number: the size of a cohort now or at the end of a bucket, or what two have in common."""

    cohort: Annotated[int, Meta(description="Place of the cohort, counted from 0.", ge=0)] = 0
    also: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of another cohort: only who is in both."),
    ] = None
    bucket: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bucket, counted from 0; now if left out."),
    ] = None


class CohortBucket(Struct, frozen=True):
    """One bucket; sizes are as of ``until``, or as of now if that is still to come."""

    label: str
    until: str
    is_incomplete: bool


class CohortLine(Struct, frozen=True):
    """One cohort. ``share`` is of everybody with an event by now; a size that is yet to come is null."""

    label: str
    of: Unit
    definition: str
    size: int
    everybody: int
    share: Number | None
    sizes: list[int | None]


class CohortsData(Struct, frozen=True):
    """The answer. ``overlap`` has for each two cohorts how many are in both, null for other units."""

    as_of: str
    range: Period
    timezone: str
    buckets: list[CohortBucket]
    cohorts: list[CohortLine]
    overlap: list[list[int | None]]
    warnings: list[str]


def to_sql(question: CohortsQuestion, scope: Scope) -> tuple[Columnar, ...]:
    """Return for each cohort its members, everybody, and its size at the end of each bucket."""
    ends = _ends(question, scope)
    found: list[Columnar] = []
    for cohort in _cohorts(question, scope):
        everybody = Cohort(AllOf([]), cohort.of, cohort.include_bots)
        found += [Columnar(keys_of(cohort, scope)), _count(everybody, scope)]
        found += [_count(cohort, _at(scope, end)) for end in ends if end is not None]
    return tuple(found)


def shape(question: CohortsQuestion, scope: Scope, results: Sequence[Any]) -> CohortsData:
    """Return the answer from the keys and counts, in the order of the statements."""
    ends = _ends(question, scope)
    cohorts = _cohorts(question, scope)
    waiting = iter(results)
    keys: list[NDArray[np.int64]] = []
    lines = []
    for cohort, label in zip(cohorts, _labels(question, scope), strict=True):
        keys.append(next(waiting)["key"])
        everybody = int(next(waiting)["n"][0])
        size = len(keys[-1])
        lines.append(
            CohortLine(
                label=label,
                of=cohort.of,
                definition=cohort_words(cohort, scope),
                size=size,
                everybody=everybody,
                share=ratio(size, everybody),
                sizes=[None if end is None else int(next(waiting)["n"][0]) for end in ends],
            )
        )
    frame = frame_of(question, scope)
    return CohortsData(
        as_of=rfc3339(scope.now),
        range=period(frame.span),
        timezone=frame.zone.key,
        buckets=_buckets(question, scope),
        cohorts=lines,
        overlap=_overlap(cohorts, keys),
        warnings=[] if lines else [_NONE],
    )


def members(question: CohortsQuestion, place: CohortsPlace, scope: Scope) -> Members:
    """Return who is in a cohort, or in two of them."""
    cohorts = _cohorts(question, scope)
    if place.bucket is not None:
        ends = _ends(question, scope)
        end = ends[place.bucket] if place.bucket < len(ends) else None
        if end is None:
            raise InvalidQuery("There is no such bucket, or it is yet to come.", path="behind.place.bucket")  # fmt: skip
        scope = _at(scope, end)
    statements = []
    for name, number in (("cohort", place.cohort), ("also", place.also)):
        if number is None:
            continue
        if number >= len(cohorts):
            raise InvalidQuery("There is no such cohort.", path=f"behind.place.{name}")
        if cohorts[number].of != cohorts[place.cohort].of:
            raise InvalidQuery(
                "Nobody is in a cohort of people and in one of accounts.",
                path=f"behind.place.{name}",
            )
        statements.append(Columnar(keys_of(cohorts[number], scope)))
    unit: MemberUnit = "person" if cohorts[place.cohort].of == "people" else "account"
    return Members(tuple(statements), in_all, unit=unit)


def fleeting(question: CohortsQuestion, scope: Scope) -> Fleeting | None:
    """Return whether some may be members by what they did whose ids last a day."""
    frame = frame_of(question, scope)
    until = structs.replace(frame, span=Span(EVER, scope.now + 1))
    found = [
        of_steps(steps, until, wanted=None, include_bots=cohort.include_bots)
        for cohort in _cohorts(question, scope)
        if cohort.of == "people" and (steps := steps_in(cohort, scope))
    ]
    return ephemeral.any_of(found, ephemeral.PERHAPS) if found else None


def table(data: CohortsData) -> Table:
    """Return one row a cohort, or a bucket if sizes over time were asked for."""
    if data.buckets:
        labels = [line.label for line in data.cohorts]
        return Table(
            ("as of", *labels),
            [
                (bucket.label, *(line.sizes[number] for line in data.cohorts))
                for number, bucket in enumerate(data.buckets)
            ],
        )
    columns = ("cohort", "of", "size", "share", *(f"also in {line.label}" for line in data.cohorts))
    return Table(
        (*columns, "definition"),
        [
            (line.label, line.of, line.size, line.share, *data.overlap[place], line.definition)
            for place, line in enumerate(data.cohorts)
        ],
    )


def _asked_of(question: CohortsQuestion, scope: Scope) -> Iterator[tuple[Any, Scope]]:
    moments = [scope, *(_at(scope, end) for end in _ends(question, scope) if end is not None)]
    for cohort in _cohorts(question, scope):
        for one in moments:
            yield cohort, one


def _which(question: CohortsQuestion, scope: Scope) -> tuple[Which, ...]:
    if question.cohorts or scope.definitions is None:
        return question.cohorts
    return tuple(sorted(scope.definitions.cohorts))[:MAX_COHORTS]


def _cohorts(question: CohortsQuestion, scope: Scope) -> list[Cohort]:
    """Return the cohorts as this question means them."""
    found = []
    for which in _which(question, scope):
        cohort = cohort_of(which, scope)
        if question.filter is not None:
            cohort = structs.replace(cohort, who=AllOf([cohort.who, Has(question.filter)]))
        if question.include_bots:
            cohort = structs.replace(cohort, include_bots=True)
        found.append(cohort)
    return found


def _labels(question: CohortsQuestion, scope: Scope) -> list[str]:
    return [
        which if isinstance(which, str) else str(which.get("description") or f"cohort {number}")
        for number, which in enumerate(_which(question, scope), start=1)
    ]


def _cut(question: CohortsQuestion, scope: Scope) -> Buckets | None:
    if question.interval is None:
        return None
    frame = frame_of(question, scope)
    cut = buckets(frame.span, question.interval, frame.zone, question.week_start)
    if (len(cut.edges) - 1) * len(_which(question, scope)) > MAX_TIMES:
        raise InvalidQuery(
            f"The members would be looked for more than {MAX_TIMES} times.",
            code="QUERY_TOO_LARGE", path="interval",
        )  # fmt: skip
    return cut


def _ends(question: CohortsQuestion, scope: Scope) -> list[int | None]:
    """Return the instant of each bucket's size: its last one, so that its last day is today then.

    None if the bucket has not begun.
    """
    cut = _cut(question, scope)
    if cut is None:
        return []
    spans = [cut.clipped(number) for number in range(len(cut.edges) - 1)]
    return [None if span.since > scope.now else min(span.until - 1, scope.now) for span in spans]


def _buckets(question: CohortsQuestion, scope: Scope) -> list[CohortBucket]:
    cut = _cut(question, scope)
    if cut is None or question.interval is None:
        return []
    zone = frame_of(question, scope).zone
    return [
        CohortBucket(
            label=moment(cut.edges[number])
            .astimezone(zone)
            .strftime(_LABELS.get(question.interval, "%Y-%m-%d")),
            until=rfc3339(cut.clipped(number).until),
            is_incomplete=cut.is_incomplete(number, scope.now),
        )
        for number in range(len(cut.edges) - 1)
    ]


def _at(scope: Scope, end: int) -> Scope:
    return structs.replace(scope, now=end)


def _count(cohort: Cohort, scope: Scope) -> Columnar:
    return Columnar(sql("SELECT count(*) AS n FROM (\n{keys}\n)", keys=keys_of(cohort, scope)))


def _overlap(cohorts: list[Cohort], keys: Sequence[NDArray[np.int64]]) -> list[list[int | None]]:
    return [
        [
            None if one.of != other.of else len(np.intersect1d(mine, theirs, assume_unique=True))
            for other, theirs in zip(cohorts, keys, strict=True)
        ]
        for one, mine in zip(cohorts, keys, strict=True)
    ]


cohorts = Insight(
    name="cohorts",
    summary="How large cohorts are, now or over time, how far they overlap, and what they mean.",
    question=CohortsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=CohortsData,
    place=CohortsPlace,
    members=members,
    fleeting=fleeting,
    asked_of=_asked_of,
    view="table",
    rules=RULES,
    example={
        "cohorts": [
            {"who": {"op": "did", "event": "report_exported", "at_least": 3, "range": "14d"}}
        ]
    },
)
