"""The people behind a number, those seen last first, with the ids they are known by."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.sql import Sql, ident, sql
from tallymark.store.engine import Rows

from . import fields, measures
from .insight import Insight, Scope, Table
from .pages import BEHIND, Behind, PagedQuestion, Place, cursor_after, opened
from .selection import Period, frame_of, period, warnings_of

MAX_IDS: Final = 20


class PeopleQuestion(PagedQuestion, frozen=True, kw_only=True):
    """The people that made a number of unique people, or are behind a number of another insight.

    With ``behind``, whatever else is asked chooses nobody: those people are listed with all their
    events up to now.
    """

    behind: Annotated[
        Behind | None, Meta(description="A number of another insight, whose people are listed.")
    ] = None


class PersonRow(Struct, frozen=True):
    """One person and their chosen events; at most 20 ids of each kind, by text."""

    person: int
    user_ids: list[str]
    anonymous_ids: list[str]
    first_time: str
    last_time: str
    events: int


class PeopleData(Struct, frozen=True):
    """A page of people; ``total`` counts those of all pages."""

    range: Period
    total: int
    people: list[PersonRow]
    cursor: str | None
    warnings: list[str]


def to_sql(question: PeopleQuestion, scope: Scope) -> tuple[Sql, ...]:
    """Return the statement of the page and that of the total."""
    pinned, place = opened(question, scope, "people")
    source = _source(question, pinned)
    person = fields.person(pinned)
    rows = sql(
        """WITH chosen AS (
SELECT {person} AS person, e.time_us, e.actor_key, e.anon_key
{source}
), page AS MATERIALIZED (
SELECT person, count(*) AS events, min(time_us) AS first_us, max(time_us) AS last_us
FROM chosen
GROUP BY person{after}
ORDER BY last_us DESC, person DESC
LIMIT {limit}
), asserted AS (
SELECT person, person AS actor_key FROM page
UNION
SELECT person, actor_key FROM chosen SEMI JOIN page USING (person)
UNION
SELECT person, anon_key FROM chosen SEMI JOIN page USING (person)
), known AS (
SELECT person,
  list(id ORDER BY id) FILTER (id_kind = 'user')[1:{most}] AS user_ids,
  list(id ORDER BY id) FILTER (id_kind = 'anonymous')[1:{most}] AS anonymous_ids
FROM asserted JOIN actor USING (actor_key)
GROUP BY person
)
SELECT person, events, first_us, last_us, user_ids, anonymous_ids
FROM page LEFT JOIN known USING (person)
ORDER BY last_us DESC, person DESC""",
        person=person,
        source=source,
        after=_after(place),
        limit=question.limit + 1,
        most=MAX_IDS,
    )
    if question.behind is not None:
        return rows, sql("SELECT count(*) FROM {behind}", behind=ident(BEHIND))
    return rows, sql("SELECT count(DISTINCT {person})\n{source}", person=person, source=source)


def shape(question: PeopleQuestion, scope: Scope, rows: Sequence[Rows]) -> PeopleData:
    """Return the page from the rows of the statements."""
    pinned, _ = opened(question, scope, "people")
    listed = rows[0].rows[: question.limit]
    more = len(rows[0].rows) > question.limit
    names = measures.names_behind(question.series, question, question.group)
    return PeopleData(
        range=period(frame_of(question, pinned).span),
        total=int(rows[1].rows[0][0]),
        people=[_person(row) for row in listed],
        cursor=cursor_after(question, pinned, "people", listed[-1][3], listed[-1][0])
        if more
        else None,
        warnings=warnings_of(
            question.series.event,
            names,
            pinned,
            measured=measures.measured(_people(question), question),
        ),
    )


def table(data: PeopleData) -> Table:
    """Return one row a person; ids separated by spaces."""
    columns = ("person", "user_ids", "anonymous_ids", "first_time", "last_time", "events")
    return Table(
        columns,
        [
            (
                one.person,
                " ".join(one.user_ids),
                " ".join(one.anonymous_ids),
                one.first_time,
                one.last_time,
                one.events,
            )
            for one in data.people
        ],
    )


def _source(question: PeopleQuestion, scope: Scope) -> Sql:
    if question.behind is None:
        return measures.behind(
            _people(question), question, question.group, frame_of(question, scope)
        )
    person = fields.field("person", scope)
    return sql(
        "FROM {events}{joins}\nJOIN {behind} ON {behind}.key = {person}\nWHERE e.seq < {end}",
        events=fields.events(scope),
        joins=fields.joins([person], scope),
        behind=ident(BEHIND),
        person=fields.person(scope),
        end=fields.end_of_log(scope),
    )


def _people(question: PeopleQuestion) -> measures.Series:
    return msgspec.structs.replace(question.series, measure="unique_people", of=None)


def _after(place: Place | None) -> Sql:
    if place is None:
        return Sql("")
    return sql(
        "\nHAVING max(time_us) < {time} OR (max(time_us) = {time} AND person < {key})",
        time=place.time_us,
        key=place.key,
    )


def _person(row: tuple[Any, ...]) -> PersonRow:
    person, count, first_us, last_us, user_ids, anonymous_ids = row
    return PersonRow(
        person=person,
        user_ids=list(user_ids or []),
        anonymous_ids=list(anonymous_ids or []),
        first_time=rfc3339(first_us),
        last_time=rfc3339(last_us),
        events=count,
    )


people = Insight(
    name="people",
    summary="The people behind a number, those seen last first.",
    question=PeopleQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=PeopleData,
    view="list",
    pinned=lambda question, scope: opened(question, scope, "people")[0],
    example={"range": "7d", "limit": 20},
)
