"""The people of one group: who they are, how many, and what they did for it."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Fetch

MAX_IDS: Final = 20
# Somebody who never did anything comes after all who did; no instant is before it.
_NEVER: Final = -(2**62)


class GroupMember(Struct, frozen=True):
    """One person of a group; at most 20 ids of each kind, by text.

    The events are those that name the group. Of somebody who was only said to belong to it there
    are none, and the times are null.
    """

    user_ids: list[str]
    anonymous_ids: list[str]
    events: int
    first_time: str | None
    last_time: str | None


class MembersPage(Struct, frozen=True):
    """A page of the people of a group, those seen last first; ``total`` counts those of all pages."""

    total: Annotated[int, Meta(description="As many as the group's `people`.")]
    people: list[GroupMember]
    cursor: str | None


class Group(Struct, frozen=True):
    """Which group, as of when: its keys, and which events name it. All of it before ``end``."""

    kind: str
    keys: Sequence[int]
    acting: Sql
    until: int
    end: int = 2**62


class Place(Struct, frozen=True):
    """Where a page goes on: after (last_us, person), in the log as it was before ``end``."""

    end: int
    last_us: int
    person: int


def count(fetch: Fetch, group: Group) -> int:
    """Return how many people belong to a group; each link that holds makes two ids one of them."""
    rows = fetch(sql("{people}\nSELECT count(DISTINCT person) FROM owner", people=_people(group)))
    return int(rows.rows[0][0])


def page(fetch: Fetch, group: Group, *, after: Place | None, most: int) -> MembersPage:
    """Return a page of the people, those seen last first."""
    rows = fetch(_page(group, after, most + 1)).rows
    listed = rows[:most]
    cursor = None
    if len(rows) > most:
        person, _, _, last_us = listed[-1][:4]
        cursor = f"{group.end}.{_NEVER if last_us is None else last_us}.{person}"
    return MembersPage(
        total=count(fetch, group),
        people=[
            GroupMember(list(users or []), list(anonymous or []), events, _time(first), _time(last))
            for _, events, first, last, users, anonymous in listed
        ],
        cursor=cursor,
    )


def read_cursor(text: str) -> Place:
    """Return the place that a cursor names; raises ValueError for what is none of ours."""
    end, last_us, person = (int(part) for part in text[:100].split("."))
    if max(abs(end), abs(last_us), abs(person)) > -_NEVER:
        raise ValueError(text)
    return Place(end, last_us, person)


def _page(group: Group, after: Place | None, most: int) -> Sql:
    beyond = Sql("true")
    if after is not None:
        beyond = sql(
            "seen < {last} OR (seen = {last} AND person < {person})",
            last=after.last_us, person=after.person,
        )  # fmt: skip
    return sql(
        """{people}, did AS (
  SELECT person, count(time_us) AS events, min(time_us) AS first_us, max(time_us) AS last_us,
    coalesce(max(time_us), {never}) AS seen
  FROM owner LEFT JOIN act ON act.actor_key = member
  GROUP BY person
), page AS MATERIALIZED (
  SELECT * FROM did WHERE {beyond} ORDER BY seen DESC, person DESC LIMIT {most}
), known AS (
  SELECT person, list(id ORDER BY id) FILTER (id_kind = 'user')[1:{ids}] AS user_ids,
    list(id ORDER BY id) FILTER (id_kind = 'anonymous')[1:{ids}] AS anonymous_ids
  FROM (SELECT DISTINCT person, actor AS actor_key FROM reached JOIN owner USING (member))
    SEMI JOIN page USING (person) JOIN actor USING (actor_key)
  GROUP BY person
)
SELECT person, events, first_us, last_us, user_ids, anonymous_ids
FROM page LEFT JOIN known USING (person)
ORDER BY seen DESC, person DESC""",
        people=_people(group), never=_NEVER, beyond=beyond, most=most, ids=MAX_IDS,
    )  # fmt: skip


def _people(group: Group) -> Sql:
    """Return the tables of the events that name a group and of the person each member is."""
    return sql(
        """WITH RECURSIVE held AS (
  SELECT one_key, other_key FROM identity_link
  WHERE outcome IN ('linked', 'retracted') AND seq < {end}
  GROUP BY ALL HAVING arg_max(outcome, seq) = 'linked'
), near AS (
  SELECT one_key AS a, other_key AS b FROM held
  UNION ALL SELECT other_key, one_key FROM held
), act AS (
  SELECT actor_key, time_us FROM event
  WHERE {acting} AND time_us <= {until} AND seq < {end} AND actor_key IS NOT NULL
), belongs AS (
  SELECT actor_key FROM membership
  WHERE group_type = {kind} AND time_us <= {until} AND seq < {end}
    AND group_key IN (SELECT unnest({keys}::BIGINT[]))
  UNION
  SELECT actor_key FROM act
), reached AS (
  SELECT actor_key AS member, actor_key AS actor FROM belongs
  UNION
  SELECT member, near.b FROM reached JOIN near ON near.a = reached.actor
), owner AS (
  SELECT member, min(actor) AS person FROM reached GROUP BY member
)""",
        kind=group.kind, until=group.until, end=group.end, keys=list(group.keys), acting=group.acting,
    )  # fmt: skip


def _time(instant_us: int | None) -> str | None:
    return None if instant_us is None else rfc3339(instant_us)
