"""Everything known of one person or group, read from the store."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import rfc3339
from tallymark.core.errors import NotFound
from tallymark.core.profiles import Profile, Told, profile
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Fetch
from tallymark.store.tables import SEQ_PER_BATCH

from . import members
from .members import Group, MembersPage, Place

MOST_LISTED: Final = 1_000
ACCOUNT: Final = "account"
_LATEST: Final = 2**62
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_LINKS: Final = Sql(
    "SELECT seq, o.id_kind, o.id, t.id_kind, t.id, how, outcome, reason FROM identity_link"
    " JOIN actor AS o ON o.actor_key = one_key JOIN actor AS t ON t.actor_key = other_key"
)


class KnownId(Struct, frozen=True):
    """One id of a person."""

    kind: str
    id: str


class KnownLink(Struct, frozen=True):
    """One claim that two ids are one person, and what became of it."""

    seq: int
    one: KnownId
    other: KnownId
    how: str
    outcome: str
    reason: str


class Portrait(Struct, frozen=True):
    """One person: all ids and links as known by now, the rest as of ``at``."""

    person: Annotated[int, Meta(description="The key that events and answers name the person by.")]
    ids: list[KnownId]
    links: Annotated[
        list[KnownLink], Meta(description="Claims on these ids, newest first; at most 1000.")
    ]
    profile: Profile
    groups: Annotated[
        dict[str, list[str]], Meta(description="Groups by type, from events and commands.")
    ]
    events: int
    first_time: str | None
    last_time: str | None
    at: Annotated[str | None, Meta(description="The instant asked for; null is now.")]
    log_position: int


class GroupPortrait(Struct, frozen=True):
    """One group, such as an account, as of ``at``."""

    type: str
    id: str
    profile: Profile
    people: Annotated[int, Meta(description="People who belong to it or acted for it.")]
    events: int
    first_time: str | None
    last_time: str | None
    at: Annotated[str | None, Meta(description="The instant asked for; null is now.")]
    log_position: int


def person(fetch: Fetch, kind: str, name: str, at: int | None = None) -> Portrait:
    """Return the person an id belongs to; ``at`` is in microseconds. Raises NotFound."""
    rows = fetch(
        sql("SELECT actor_key FROM actor WHERE id_kind = {kind} AND id = {id}", kind=kind, id=name)
    ).rows
    if not rows:
        raise NotFound(f"Nobody is known by the {kind} id {name[:200]!r}.")
    actors = ids_of(fetch, int(rows[0][0]))
    named = fetch(
        sql(
            "SELECT actor_key, id_kind, id FROM actor WHERE actor_key IN"
            " (SELECT unnest({actors}::BIGINT[])) ORDER BY id_kind = 'anonymous', actor_key",
            actors=actors,
        )
    ).rows
    events, first, last = _uses(fetch, sql("actor_key IN (SELECT unnest({a}::BIGINT[]))", a=actors), at)  # fmt: skip
    return Portrait(
        person=named[0][0],
        ids=[KnownId(*one) for _, *one in named],
        links=_links_of(fetch, actors),
        profile=_profile(fetch, ("user", "anonymous"), actors, at),
        groups=_groups_of(fetch, actors, at),
        events=events,
        first_time=first,
        last_time=last,
        at=_told_time(at),
        log_position=_position(fetch),
    )


def group(fetch: Fetch, kind: str, name: str, at: int | None = None) -> GroupPortrait:
    """Return a group; ``at`` is in microseconds. Raises NotFound."""
    found = _group(fetch, kind, name, at)
    events, first, last = _uses(fetch, found.acting, at)
    if not found.keys and not events:
        raise _unknown(kind, name)
    return GroupPortrait(
        type=kind,
        id=name,
        profile=_profile(fetch, (kind,), found.keys, at),
        people=members.count(fetch, found),
        events=events,
        first_time=first,
        last_time=last,
        at=_told_time(at),
        log_position=_position(fetch),
    )


def people_of(
    fetch: Fetch, kind: str, name: str, *, at: int | None, after: Place | None, most: int
) -> MembersPage:
    """Return a page of the people of a group; ``at`` is in microseconds.

    Later pages are of the same log position as the first. Raises NotFound.
    """
    end = (_position(fetch) + 1) * SEQ_PER_BATCH if after is None else after.end
    found = msgspec.structs.replace(_group(fetch, kind, name, at), end=end)
    page = members.page(fetch, found, after=after, most=most)
    if not page.total and not found.keys and not _uses(fetch, found.acting, at)[0]:
        raise _unknown(kind, name)
    return page


def links(
    fetch: Fetch, *, outcome: str | None, before: int, most: int
) -> tuple[list[KnownLink], dict[str, int]]:
    """Return a page of claims, newest first, and how many there are of each outcome and reason."""
    chosen = sql("outcome = {outcome}", outcome=outcome) if outcome else Sql("true")
    page = fetch(
        sql(
            "{links} WHERE seq < {before} AND {chosen} ORDER BY seq DESC LIMIT {most}",
            links=_LINKS, before=before, chosen=chosen, most=most,
        )
    )  # fmt: skip
    counts = fetch(
        Sql(
            "SELECT CASE reason WHEN '' THEN outcome ELSE outcome || ' ' || reason END, count(*)"
            " FROM identity_link GROUP BY 1 ORDER BY 2 DESC, 1"
        )
    )
    return [_link(row) for row in page.rows], dict(counts.rows)


def ids_of(fetch: Fetch, actor: int) -> list[int]:
    """Return every actor of the person an actor belongs to, following links that hold."""
    found, edge = {actor}, [actor]
    while edge:
        rows = fetch(
            sql(
                """
                SELECT one_key, other_key FROM identity_link
                WHERE outcome IN ('linked', 'retracted')
                  AND (one_key IN (SELECT unnest({edge}::BIGINT[]))
                       OR other_key IN (SELECT unnest({edge}::BIGINT[])))
                GROUP BY ALL HAVING arg_max(outcome, seq) = 'linked'
                """,
                edge=edge,
            )
        ).rows
        edge = sorted({int(key) for pair in rows for key in pair} - found)
        found |= set(edge)
    return sorted(found)


def _links_of(fetch: Fetch, actors: Sequence[int]) -> list[KnownLink]:
    rows = fetch(
        sql(
            "{links} WHERE one_key IN (SELECT unnest({actors}::BIGINT[]))"
            " OR other_key IN (SELECT unnest({actors}::BIGINT[])) ORDER BY seq DESC LIMIT {most}",
            links=_LINKS, actors=list(actors), most=MOST_LISTED,
        )
    ).rows  # fmt: skip
    return [_link(row) for row in rows]


def _link(row: tuple[Any, ...]) -> KnownLink:
    seq, one_kind, one, other_kind, other, how, outcome, reason = row
    return KnownLink(seq, KnownId(one_kind, one), KnownId(other_kind, other), how, outcome, reason)


def _profile(
    fetch: Fetch, kinds: Iterable[str], subjects: Sequence[int], at: int | None
) -> Profile:
    rows = fetch(
        sql(
            "SELECT seq, time_us, op, properties FROM profile"
            " WHERE subject_kind IN (SELECT unnest({kinds}::VARCHAR[]))"
            " AND subject_key IN (SELECT unnest({subjects}::BIGINT[])) AND time_us <= {until}",
            kinds=list(kinds), subjects=list(subjects), until=_until(at),
        )
    ).rows  # fmt: skip
    return profile(Told(seq, time, op, _decode(text)) for seq, time, op, text in rows)


def _uses(fetch: Fetch, chosen: Sql, at: int | None) -> tuple[int, str | None, str | None]:
    rows = fetch(
        sql(
            "SELECT count(*), min(time_us), max(time_us) FROM event"
            " WHERE {chosen} AND time_us <= {until}",
            chosen=chosen, until=_until(at),
        )
    ).rows  # fmt: skip
    count, first, last = rows[0]
    return int(count), _told_time(first), _told_time(last)


def _groups_of(fetch: Fetch, actors: Sequence[int], at: int | None) -> dict[str, list[str]]:
    rows = fetch(
        sql(
            """
            WITH acted AS (
              SELECT account_key, groups FROM event
              WHERE actor_key IN (SELECT unnest({actors}::BIGINT[])) AND time_us <= {until}
            ), said AS (
              SELECT group_type, group_key FROM membership
              WHERE actor_key IN (SELECT unnest({actors}::BIGINT[])) AND time_us <= {until}
            )
            SELECT 'account', id FROM account
            WHERE account_key IN (SELECT account_key FROM acted)
               OR account_key IN (SELECT group_key FROM said WHERE group_type = 'account')
            UNION
            SELECT group_type, id FROM other_group SEMI JOIN said USING (group_type, group_key)
            UNION
            SELECT entry.key, entry.value
            FROM (SELECT DISTINCT groups FROM acted WHERE groups IS NOT NULL) AS listed,
              unnest(map_entries(CAST(CAST(groups AS JSON) AS MAP(VARCHAR, VARCHAR)))) AS _ (entry)
            ORDER BY ALL LIMIT {most}
            """,
            actors=list(actors), until=_until(at), most=MOST_LISTED,
        )
    ).rows  # fmt: skip
    found: dict[str, list[str]] = {}
    for kind, name in rows:
        found.setdefault(kind, []).append(name)
    return found


def _group(fetch: Fetch, kind: str, name: str, at: int | None) -> Group:
    is_account = kind == ACCOUNT
    where = (
        sql("SELECT account_key FROM account WHERE id = {id}", id=name)
        if is_account
        else sql(
            "SELECT group_key FROM other_group WHERE group_type = {kind} AND id = {id}",
            kind=kind, id=name,
        )
    )  # fmt: skip
    keys = [int(key) for (key,) in fetch(where).rows]
    acting = (
        sql("account_key IN (SELECT unnest({keys}::BIGINT[]))", keys=keys)
        if is_account
        else sql(
            "groups IS NOT NULL AND CAST(CAST(groups AS JSON) AS MAP(VARCHAR, VARCHAR))[{kind}] = {id}",
            kind=kind, id=name,
        )
    )  # fmt: skip
    return Group(kind, keys, acting, _until(at))


def _unknown(kind: str, name: str) -> NotFound:
    return NotFound(f"No group of type {kind[:200]!r} is known by the id {name[:200]!r}.")


def _position(fetch: Fetch) -> int:
    rows = fetch(Sql("SELECT amount FROM progress WHERE name = 'log_position'")).rows
    return int(rows[0][0]) if rows else 0


def _told_time(instant_us: int | None) -> str | None:
    return None if instant_us is None else rfc3339(instant_us)


def _until(at: int | None) -> int:
    return _LATEST if at is None else at
