"""How many sessions, how long, how many bounce, where they begin and end; over time and by any field."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, join, sql
from tallymark.store.engine import Rows

from . import clusters, fields, percentiles, visits
from ._session_numbers import SessionNumbers, SessionPage, numbers_of, pages_of
from ._sessions_rules import RULES
from .fields import Field, field
from .filters import And, Equals, Filter, Not, NotExists, Or, Scalar
from .group_values import value_of
from .insight import Insight, Members, Scope, Table
from .lines import Value
from .ranges import Buckets, Interval, bucket_number, buckets
from .selection import (
    Frame,
    Group,
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
from .units import listed
from .visits import Bounce, Wanted

Semantics: TypeAlias = Literal["plausible", "ga4", "posthog", "mixpanel"]

NONE_LABEL: Final = "(none)"
OTHER_LABEL: Final = "Other"
_PRESETS: Final[dict[str | None, tuple[Bounce, bool]]] = {
    None: ("plausible", False),
    "plausible": ("plausible", False),
    "ga4": ("ga4", False),
    "posthog": ("posthog", False),
    "mixpanel": ("plausible", True),
}


class SessionsQuestion(Question, frozen=True, kw_only=True):
    """Sessions over time."""

    filter: Annotated[
        Filter | None,
        Meta(description="Only sessions with at least one event that satisfies this count, whole."),
    ] = None

    interval: Annotated[Interval, Meta(description="Length of a bucket.")] = "day"
    breakdown: Annotated[
        tuple[str, ...],
        Meta(description="Up to three fields of the entry to break down by.", max_length=3),
    ] = ()
    top: Annotated[
        int, Meta(description="How many groups are shown; the rest is Other.", ge=1, le=1_000)
    ] = 10
    bounce: Annotated[
        Bounce | None, Meta(description="Whose rule says what a bounce is; plausible if left out.")
    ] = None
    key_events: Annotated[
        tuple[StepOrName, ...],
        Meta(description="What makes a session engaged, besides time and views.", max_length=20),
    ] = ()
    split_midnight: Annotated[
        bool | None, Meta(description="Whether a local midnight ends a session; false if left out.")
    ] = None
    pages: Annotated[
        int, Meta(description="How many entry and exit pages are listed.", ge=0, le=1_000)
    ] = 10
    semantics: Annotated[
        Semantics | None,
        Meta(description="The rules of another tool, where the question states none."),
    ] = None


class SessionsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people with sessions that start in a bucket and are of a group, or of all of them."""

    bucket: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bucket, counted from 0; all if left out."),
    ] = None
    group: Annotated[Group | None, Meta(description="One group of the breakdown.")] = None


class SessionGroup(Struct, frozen=True):
    """The sessions of one group, by bucket and in all; the Other group has no values."""

    breakdown: list[Value] | None
    is_other: bool
    buckets: list[SessionNumbers]
    total: SessionNumbers


class SessionsData(Struct, frozen=True):
    """The answer; sessions of all groups add up to all, and where ``sums_to_total`` people do too."""

    range: Period
    interval: Interval
    timezone: str
    bots: Literal["excluded", "included"]
    bounce: Bounce
    split_midnight: bool
    buckets: list[Bucket]
    breakdown: list[str]
    groups: list[SessionGroup]
    sums_to_total: bool
    entry_pages: list[SessionPage]
    exit_pages: list[SessionPage]
    warnings: list[str]


class _Plan(Struct, frozen=True):
    """A question with everything about time, rules and fields resolved."""

    question: SessionsQuestion
    frame: Frame
    cut: Buckets
    by: list[Field]
    keys: list[Step]
    bounce: Bounce
    split_midnight: bool


def to_sql(question: SessionsQuestion, scope: Scope) -> tuple[Sql]:
    """Return one statement of everything, because each session is put together once.

    Its rows are (what, place, bucket, sessions, people, bounces, engaged, length, events, views,
    bounced, kept, values, text, b0 …): what is number, p90, entry or exit; bounced and kept are sums
    over people of bounces and of engaged sessions; values are those next to the rank of the
    percentile, of a number those in the middle.
    """
    plan = _plan(question, scope)
    groups = [ident(f"b{number}") for number in range(len(plan.by))]
    same = join(
        " AND ",
        [Sql("true"), *(sql("placed.{b} IS NOT DISTINCT FROM top.{b}", b=b) for b in groups)],
    )
    return (
        sql(
            """WITH visit AS MATERIALIZED (
{visits}
), placed AS MATERIALIZED (
SELECT *, {bucket} AS bucket, {bounce} AS is_bounce, {engaged} AS is_engaged
FROM visit
), top AS MATERIALIZED (
SELECT {groups}row_number() OVER (ORDER BY count(*) DESC{order}) - 1 AS place
FROM placed{grouping}
ORDER BY place
LIMIT {top}
), grouped AS MATERIALIZED (
SELECT place, bucket, person, is_bounce, is_engaged, events, views, end_us - start_us AS amount
FROM placed LEFT JOIN top ON {same}
), of_person AS (
SELECT place, bucket, person, count(*) AS trials, count(*) FILTER (is_bounce) AS bounces,
  count(*) FILTER (is_engaged) AS engaged
FROM grouped
GROUP BY GROUPING SETS ((place, bucket, person), (place, person))
), people AS (
SELECT place, bucket, count(person) AS people, {bounced} AS bounced, {kept} AS kept
FROM of_person
GROUP BY place, bucket
), number AS (
SELECT place, bucket, count(*) AS sessions, count(*) FILTER (is_bounce) AS bounces,
  count(*) FILTER (is_engaged) AS engaged, sum(amount) AS length, sum(events) AS events,
  sum(views) AS views, quantile_disc(amount, [0.5, 0.500000000001]) AS near
FROM grouped
GROUP BY GROUPING SETS ((place, bucket), (place))
)
SELECT 'number' AS what, number.place, number.bucket, sessions, people, bounces, engaged, length,
  events, views, bounced, kept, near, NULL AS text{values}
FROM number JOIN people
    ON people.place IS NOT DISTINCT FROM number.place
      AND people.bucket IS NOT DISTINCT FROM number.bucket
  LEFT JOIN top ON top.place = number.place
UNION ALL
SELECT 'p90', place, bucket, n, 0, 0, 0, 0, 0, 0, NULL, NULL, amount, NULL{nothing} FROM ({p90})
{pages}""",
            visits=visits.visits(plan.frame, _wanted(plan)),
            bucket=bucket_number(Sql("start_us"), plan.cut),
            bounce=visits.is_bounce(plan.bounce, len(plan.keys)),
            engaged=visits.is_engaged(len(plan.keys)),
            bounced=clusters.sums("bounces"),
            kept=clusters.sums("engaged"),
            groups=join("", (b + Sql(", ") for b in groups)),
            order=join("", (sql(", {b} NULLS LAST", b=b) for b in groups)),
            grouping=Sql("\nGROUP BY ") + join(", ", groups) if groups else Sql(""),
            top=question.top if groups else 1,
            same=same,
            values=join("", (sql(", top.{b}", b=b) for b in groups)),
            nothing=join("", (Sql(", NULL") for _ in groups)),
            p90=percentiles.neighbours(Sql("grouped"), 90, percentiles.INTEGERS),
            pages=join(
                "\n",
                (_pages(end, question.pages, len(groups)) for end in ("entry", "exit"))
                if question.pages
                else (),
            ),
        ),
    )


def shape(question: SessionsQuestion, scope: Scope, results: Sequence[Rows]) -> SessionsData:
    """Return the numbers of each group and bucket, and the pages where sessions begin and end."""
    plan = _plan(question, scope)
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for what, *row in results[0].rows:
        rows.setdefault(what, []).append(tuple(row))
    cells = {(row[0], row[1]): row for row in rows.get("number", [])}
    p90 = {(row[0], row[1]): row[11] for row in rows.get("p90", [])}
    places = sorted({place for place, _ in cells}, key=lambda place: (place is None, place or 0))
    groups = []
    for place in places or ([0] if not plan.by else []):
        values = cells.get((place, None), ())[13:]
        kinds = [fields.breakdown(one)[1] for one in plan.by]
        shown = [value_of(kind, one) for kind, one in zip(kinds, values, strict=False)]
        groups.append(
            SessionGroup(
                breakdown=None if place is None or not plan.by else shown,
                is_other=bool(plan.by) and place is None,
                buckets=[
                    numbers_of(cells, p90, place, number)
                    for number in range(len(plan.cut.edges) - 1)
                ],
                total=numbers_of(cells, p90, place, None),
            )
        )
    return SessionsData(
        range=period(plan.frame.span),
        interval=question.interval,
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        bounce=plan.bounce,
        split_midnight=plan.split_midnight,
        buckets=timeline(plan.cut, question.interval, plan.frame),
        breakdown=list(question.breakdown),
        groups=groups,
        # Somebody may have sessions of several groups.
        sums_to_total=not plan.by,
        entry_pages=pages_of(rows.get("entry", [])),
        exit_pages=pages_of(rows.get("exit", [])),
        warnings=_warnings(question, scope),
    )


def members(question: SessionsQuestion, place: SessionsPlace, scope: Scope) -> Members:
    """Return the people of the sessions of a bucket, and the sessions, where midnight parts none."""
    plan = _plan(question, scope)
    if place.bucket is not None and place.bucket >= len(plan.cut.edges) - 1:
        raise InvalidQuery("There is no such bucket.", path="behind.place.bucket")
    found = visits.visits(plan.frame, _wanted(plan, place.group))
    if place.bucket is not None:
        found = sql(
            "SELECT * FROM (\n{found}\n) WHERE {bucket} = {number}",
            found=found,
            bucket=bucket_number(Sql("start_us"), plan.cut),
            number=place.bucket,
        )
    people = listed(visits.keys(found, "person"))
    if plan.split_midnight:
        # A part of a session is no session that could be listed.
        return people
    also = (listed(visits.keys(found, "session"), "session"),)
    return msgspec.structs.replace(people, also=also)


def table(data: SessionsData) -> Table:
    """Return one row a bucket and group."""
    columns = (
        data.interval, *data.breakdown, "sessions", "people", "bounce rate", "engaged rate",
        "mean seconds", "median seconds", "p90 seconds", "events/session", "views/session", "complete",
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = []
    for number, bucket in enumerate(data.buckets):
        for group in data.groups:
            one = group.buckets[number]
            shown = [NONE_LABEL if value is None else value for value in group.breakdown or ()]
            names = [OTHER_LABEL] * len(data.breakdown) if group.is_other else shown
            rows.append(
                (
                    bucket.label, *names, one.sessions, one.people, one.bounce_rate.value,
                    one.engaged_rate.value, one.mean_seconds, one.median_seconds, one.p90_seconds,
                    one.events_per_session, one.views_per_session, not bucket.is_incomplete,
                )
            )  # fmt: skip
    return Table(columns, rows, keys=tuple(range(1 + len(data.breakdown))))


def _plan(question: SessionsQuestion, scope: Scope) -> _Plan:
    frame = frame_of(question, scope)
    cut = buckets(frame.span, question.interval, frame.zone, question.week_start)
    by = [field(name, scope, path="breakdown") for name in question.breakdown]
    bounce, split = _PRESETS[question.semantics]
    if len(cut.edges) * (question.top + 1 if by else 1) * 3 > scope.max_rows:
        raise InvalidQuery("The answer is too large.", code="QUERY_TOO_LARGE", path="interval")
    return _Plan(
        question,
        frame,
        cut,
        by,
        [step_of(one) for one in question.key_events],
        question.bounce or bounce,
        split if question.split_midnight is None else question.split_midnight,
    )


def _wanted(plan: _Plan, group: Group | None = None) -> Wanted:
    path = field("path", plan.frame.scope)
    pages = {"entry": ("entry", path), "exit": ("exit", path)} if plan.question.pages else {}
    return Wanted(
        include_bots=plan.question.include_bots,
        filters=[] if plan.question.filter is None else [plan.question.filter],
        entry=None if group is None else _in_group(group),
        ends={**{f"b{number}": ("entry", one) for number, one in enumerate(plan.by)}, **pages},  # type: ignore[dict-item]
        steps=plan.keys,
        split_midnight=plan.split_midnight,
    )


def _in_group(group: Group) -> Filter:
    """Return what the entry of a session satisfies that is in a group of the breakdown."""
    if (group.values is None) == (group.other_than is None):
        raise InvalidQuery("A group needs either values or other_than.", path="behind.place.group")
    if group.values is not None:
        return _is_group(group.by, group.values)
    return Not(Or([_is_group(group.by, values) for values in group.other_than or []]))


def _is_group(by: list[str], values: list[Scalar | None]) -> Filter:
    if len(by) != len(values):
        raise InvalidQuery("A group needs one value for each field.", path="behind.place.group")
    return And(
        [
            NotExists(name) if value is None else Equals(name, value)
            for name, value in zip(by, values, strict=True)
        ]
    )


def _pages(end: str, most: int, groups: int) -> Sql:
    return sql(
        """UNION ALL
SELECT {end}, NULL, NULL, sessions, 0, bounced[3], 0, 0, 0, 0, bounced, NULL, NULL, path{nothing}
FROM (
SELECT path, sum(trials) AS sessions, {bounced} AS bounced
FROM (
SELECT path, person, count(*) AS trials, count(*) FILTER (is_bounce) AS bounces
FROM placed JOIN (
SELECT {column} AS path
FROM placed
GROUP BY path
ORDER BY count(*) DESC, path NULLS LAST
LIMIT {most}
) AS shown ON shown.path IS NOT DISTINCT FROM placed.{column}
GROUP BY path, person
)
GROUP BY path
)""",
        end=end,
        bounced=clusters.sums("bounces"),
        nothing=Sql(", NULL" * groups),
        column=ident(end),
        most=most,
    )


def _warnings(question: SessionsQuestion, scope: Scope) -> list[str]:
    steps = [step_of(one) for one in question.key_events]
    names = [*field_names([question.filter, *(step.filter for step in steps)]), *question.breakdown]
    found = [text for step in steps or [Step()] for text in warnings_of(step.event, names, scope)]
    return list(dict.fromkeys(found))


sessions = Insight(
    name="sessions",
    summary="How many sessions, how long, how many bounce, where they begin and end.",
    question=SessionsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=SessionsData,
    view="table",
    rules=RULES,
    place=SessionsPlace,
    members=members,
    example={"interval": "week", "breakdown": ["channel"], "range": "8w"},
)
