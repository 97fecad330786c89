"""What a list tells of its people or accounts besides their events: found by text, and profiles.

Who is found: those of whom an id, or any text that was ever told for their profile, contains what is
looked for, whether in capitals or not. All of it as known at the log position.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from tallymark.core.profiles import Profile, Told, profile
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

from . import fields
from .insight import Scope
from .ranges import instant_of
from .selection import Frame

Subject: TypeAlias = Literal["person", "account"]

MAX_SEARCH: Final = 200
Search: TypeAlias = Annotated[
    Annotated[str, Meta(min_length=1, max_length=MAX_SEARCH)] | None,
    Meta(description="Only those of whom an id or a text of the profile contains this."),
]
ProfileAt: TypeAlias = Annotated[
    str | None,
    Meta(
        description="Also tell the profile of each as of `now`, a local date's start or an instant."
    ),
]
_FOREVER: Final = 2**62
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def found_people(search: str, scope: Scope) -> Sql:
    """Return the keys of the people a text finds, as a query; each is a person or one of its ids."""
    return _all_ids(
        sql(
            "SELECT actor_key AS key FROM actor\n"
            "WHERE first_seq < {end} AND contains(lower(id), lower({search}))\nUNION\n{told}",
            end=fields.end_of_log(scope),
            search=search,
            told=_told(search, Sql("subject_kind IN ('user', 'anonymous')"), scope),
        ),
        scope,
    )


def person_known_by(kind: str, name: str, scope: Scope) -> Sql:
    """Return the keys of the person an id belongs to, as a query: the person's and its ids'."""
    return _all_ids(
        sql(
            "SELECT actor_key AS key FROM actor\n"
            "WHERE first_seq < {end} AND id_kind = {kind} AND id = {name}",
            end=fields.end_of_log(scope),
            kind=kind,
            name=name,
        ),
        scope,
    )


def found_accounts(search: str, scope: Scope) -> Sql:
    """Return the keys of the accounts a text finds, as a query."""
    return sql(
        "SELECT account_key AS key FROM account\n"
        "WHERE first_seq < {end} AND contains(lower(id), lower({search}))\nUNION\n{told}",
        end=fields.end_of_log(scope),
        search=search,
        told=_told(search, Sql("subject_kind = 'account'"), scope),
    )


def profiles_of(page: Sql, subject: Subject, asked: str, frame: Frame) -> Sql:
    """Return what was told of each key of a page up to an instant: key, seq, time_us, op, properties.

    ``page`` is a query of the column ``key``. Raises InvalidQuery for what is no instant.
    """
    scope = frame.scope
    end = fields.end_of_log(scope)
    told = sql("p.seq < {end} AND p.time_us <= {until}", end=end, until=_instant(asked, frame))
    if subject == "account":
        return sql(
            "SELECT key, p.seq, p.time_us, p.op, p.properties FROM (\n{page}\n) AS page\n"
            "JOIN profile AS p ON p.subject_key = key AND p.subject_kind = 'account'\nWHERE {told}",
            page=page,
            told=told,
        )
    return sql(
        "WITH RECURSIVE {linked}, reached AS (\nSELECT key, key AS actor FROM (\n{page}\n)\n"
        "UNION\nSELECT key, linked.b FROM reached JOIN linked ON linked.a = reached.actor\n)\n"
        "SELECT key, p.seq, p.time_us, p.op, p.properties FROM reached\n"
        "JOIN profile AS p ON p.subject_key = actor AND p.subject_kind IN ('user', 'anonymous')\n"
        "WHERE {told}",
        linked=_linked(scope),
        page=page,
        told=told,
    )


def read_profiles(rows: Rows) -> Mapping[int, Profile]:
    """Return the profile of each key of whom something was told."""
    told: dict[int, list[Told]] = {}
    for key, seq, time, op, properties in rows.rows:
        told.setdefault(key, []).append(Told(seq, time, op, _decode(properties)))
    return {key: profile(each) for key, each in told.items()}


def as_text(known: Mapping[str, Any] | None) -> str | None:
    """Return a profile as the JSON of a table, null if none was asked for."""
    return None if known is None else _encode(known).decode()


def profile_of(known: Mapping[int, Profile] | None, key: int) -> Profile | None:
    """Return the profile of a key: empty if nothing was told of it, null if none was asked for."""
    return None if known is None else known.get(key, {})


def _all_ids(some: Sql, scope: Scope) -> Sql:
    return sql(
        "WITH RECURSIVE {linked}, reached AS (\nSELECT key FROM (\n{some}\n)\n"
        "UNION\nSELECT linked.b FROM reached JOIN linked ON linked.a = reached.key\n)\n"
        "SELECT key FROM reached",
        linked=_linked(scope),
        some=some,
    )


def _linked(scope: Scope) -> Sql:
    """Return the tables of the links that hold, each in both directions."""
    return sql(
        "held AS (\nSELECT one_key, other_key FROM identity_link\n"
        "WHERE outcome IN ('linked', 'retracted') AND seq < {end}\n"
        "GROUP BY ALL HAVING arg_max(outcome, seq) = 'linked'\n"
        "), linked AS (\nSELECT one_key AS a, other_key AS b FROM held\n"
        "UNION ALL\nSELECT other_key, one_key FROM held\n)",
        end=fields.end_of_log(scope),
    )


def _told(search: str, kinds: Sql, scope: Scope) -> Sql:
    # Values only: a search for "name" must not find everybody who has one.
    return sql(
        "SELECT subject_key FROM profile\nWHERE {kinds} AND seq < {end} AND len(list_filter("
        "json_extract_string(CAST(properties AS JSON), '$.*'),"
        " lambda it: contains(lower(it), lower({search})))) > 0",
        kinds=kinds,
        end=fields.end_of_log(scope),
        search=search,
    )


def _instant(asked: str, frame: Frame) -> int:
    if asked == "now":
        return _FOREVER
    return instant_of(asked, frame.zone, path="profile_at")
