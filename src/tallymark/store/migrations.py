"""How a store of an older schema becomes one of the next; each step runs within one transaction.

A step is never altered once released: stores that took it are out there. So it names its columns
itself, instead of using the tables as they are now. What SQL cannot do exactly is a function that is
given a cursor.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from .profile_values import LISTS, told_values

Step: TypeAlias = str | Callable[[Any], None]

# Links between any two ids, overrides by actor instead of by person, groups with keys of their own.
_FROM_1: Final = (
    """
    CREATE TABLE new_identity_link (
      seq BIGINT, one_key BIGINT, one_kind VARCHAR, other_key BIGINT, other_kind VARCHAR,
      how VARCHAR, outcome VARCHAR, reason VARCHAR
    )
    """,
    """
    INSERT INTO new_identity_link
    SELECT seq, anon_key, 'anonymous', user_key, 'user', 'identify', outcome,
           CASE outcome WHEN 'refused' THEN 'MERGE_REFUSED' ELSE '' END
    FROM identity_link
    """,
    "DROP TABLE identity_link",
    "ALTER TABLE new_identity_link RENAME TO identity_link",
    """
    CREATE TABLE new_person_override (
      seq BIGINT, actor_key BIGINT, was_key BIGINT, into_key BIGINT, is_folded BOOLEAN
    )
    """,
    # Until now only an anonymous id could become somebody else, so the person was the actor.
    """
    INSERT INTO new_person_override
    SELECT seq, person_key, person_key, into_key, false FROM person_override
    """,
    "DROP TABLE person_override",
    "ALTER TABLE new_person_override RENAME TO person_override",
    """
    CREATE TABLE other_group (
      group_key BIGINT, group_type VARCHAR, id VARCHAR, first_seq BIGINT
    )
    """,
    """
    CREATE TABLE membership (
      seq BIGINT, actor_key BIGINT, group_type VARCHAR, group_key BIGINT, time_us BIGINT
    )
    """,
    # A membership was an object of one member, the type of the group, whose value is its id.
    """
    CREATE TEMPORARY TABLE member AS
    SELECT seq, subject_key AS actor_key, time_us, json_keys(properties)[1] AS group_type,
           json_extract_string(properties, '$.*')[1] AS id
    FROM profile WHERE subject_kind = 'member' AND subject_key IS NOT NULL
    """,
    """
    INSERT INTO other_group
    SELECT row_number() OVER (ORDER BY min(seq), group_type, id), group_type, id, min(seq)
    FROM member WHERE group_type <> 'account' GROUP BY group_type, id
    """,
    """
    INSERT INTO account
    SELECT (SELECT coalesce(max(account_key), 0) FROM account)
             + row_number() OVER (ORDER BY min(seq), id), id, min(seq)
    FROM member WHERE group_type = 'account' AND id NOT IN (SELECT id FROM account) GROUP BY id
    """,
    """
    INSERT INTO membership
    SELECT member.seq, actor_key, member.group_type,
           CASE member.group_type WHEN 'account' THEN account_key ELSE group_key END, time_us
    FROM member
    LEFT JOIN account ON account.id = member.id AND member.group_type = 'account'
    LEFT JOIN other_group
      ON other_group.id = member.id AND other_group.group_type = member.group_type
    """,
    "DROP TABLE member",
    # What was told of a group did not say of which: it cannot be kept, only loaded again.
    "DELETE FROM profile WHERE subject_kind NOT IN ('user', 'anonymous') OR subject_key IS NULL",
)

# So many operations are turned to values at a time.
_MOST_AT_ONCE: Final = 50_000
_MOST_NOTED: Final = 10_000
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def _fill_profile_values(cursor: Any) -> None:
    """Turn every stored profile operation to its values; numbers keep every digit."""
    persons = _persons(cursor)
    ways: dict[tuple[Any, ...], int] = {}
    after = -1
    while told := _told_after(cursor, after):
        rows: list[tuple[Any, ...]] = []
        for seq, kind, key, op, time, properties in told:
            person = persons.get(key, key) if kind in ("user", "anonymous") else None
            named = "user" if kind == "anonymous" else kind
            for name, value in told_values(op, _decode(properties)):
                rows.append(
                    (seq, kind, key, person, time, op, name,
                     value.text, value.number, value.other, value.is_long)
                )  # fmt: skip
                for made in ("other",) if op in LISTS else value.classes:
                    ways.setdefault((named, name, made, op, value.is_long), seq)
        _insert(cursor, "profile_value", _VALUE_TYPES, rows)
        after = told[-1][0]
    noted = [(*way, seq) for way, seq in ways.items()]
    _insert(cursor, "profile_property", _WAY_TYPES, noted[:_MOST_NOTED])


def _told_after(cursor: Any, seq: int) -> list[tuple[Any, ...]]:
    cursor.execute(
        "SELECT seq, subject_kind, subject_key, op, time_us, properties FROM profile"
        " WHERE seq > ? ORDER BY seq LIMIT ?",
        [seq, _MOST_AT_ONCE],
    )
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


_VALUE_TYPES: Final = (
    "BIGINT", "VARCHAR", "BIGINT", "BIGINT", "BIGINT", "VARCHAR", "VARCHAR",
    "VARCHAR", "DECIMAL(38,9)", "VARCHAR", "BOOLEAN",
)  # fmt: skip
_WAY_TYPES: Final = ("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN", "BIGINT")


def _insert(
    cursor: Any, table: str, types: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        # As text on the way, so that no decimal is ever a float.
        lists = ", ".join(f"unnest(?::VARCHAR[])::{kind}" for kind in types)
        texts = [[None if one is None else str(one) for one in column] for column in columns]
        cursor.execute(f"INSERT INTO {table} SELECT {lists}", texts)


def _persons(cursor: Any) -> dict[int, int]:
    """Return the person of every actor that a link in force connects to another."""
    cursor.execute(
        "SELECT one_key, one_kind = 'user', other_key, other_kind = 'user' FROM identity_link"
        " WHERE outcome IN ('linked', 'retracted')"
        " GROUP BY ALL HAVING arg_max(outcome, seq) = 'linked'"
    )
    # Nearer to the root is the better name: a user before an anonymous id, then who came first.
    above: dict[tuple[bool, int], tuple[bool, int]] = {}

    def root(actor: tuple[bool, int]) -> tuple[bool, int]:
        while (up := above.get(actor, actor)) != actor:
            above[actor] = above.get(up, up)
            actor = up
        return actor

    for one, one_is_user, other, other_is_user in cursor.fetchall():
        best, rest = sorted((root((not one_is_user, one)), root((not other_is_user, other))))
        above[rest] = best
    return {actor[1]: root(actor)[1] for actor in list(above)}


# Each value of a profile in a row of its own, for questions; who it is of is as known by now.
_FROM_2: Final[tuple[Step, ...]] = (
    """
    CREATE TABLE profile_value (
      seq BIGINT, subject_kind VARCHAR, subject_key BIGINT, person_key BIGINT, time_us BIGINT,
      op VARCHAR, name VARCHAR, text VARCHAR, number DECIMAL(38,9), other VARCHAR, is_long BOOLEAN
    )
    """,
    """
    CREATE TABLE profile_property (
      subject_kind VARCHAR, name VARCHAR, "class" VARCHAR, op VARCHAR, is_long BOOLEAN,
      first_seq BIGINT
    )
    """,
    _fill_profile_values,
)

# Sessions of before, for questions as of an earlier position.
_FROM_3: Final = ("CREATE TABLE session_move (seq BIGINT, event_seq BIGINT, was_key BIGINT)",)

# All that is known of a failed event, and consent. What failed by the plan before may have been rejected or not.
_FROM_4: Final = (
    "ALTER TABLE failed_event ADD COLUMN severity VARCHAR",
    "ALTER TABLE failed_event ADD COLUMN faults VARCHAR",
    "ALTER TABLE failed_event ADD COLUMN batch_index INTEGER",
    "ALTER TABLE failed_event ADD COLUMN event_time_us BIGINT",
    "ALTER TABLE failed_event ADD COLUMN sdk_name VARCHAR",
    "ALTER TABLE failed_event ADD COLUMN sdk_version VARCHAR",
    "ALTER TABLE failed_event ADD COLUMN server_version VARCHAR",
    "ALTER TABLE failed_event ADD COLUMN plan_version INTEGER",
    "ALTER TABLE failed_event ADD COLUMN attempts INTEGER",
    "ALTER TABLE failed_event ADD COLUMN replay_of BIGINT",
    "ALTER TABLE failed_event ADD COLUMN sampled INTEGER",
    """
    UPDATE failed_event SET attempts = 1, sampled = 1, severity = CASE
      WHEN stage IN ('dedupe', 'enrich', 'store', 'privacy') THEN 'quarantine'
      WHEN stage <> 'schema' THEN 'reject'
    END
    """,
    # What people agreed to, and that they took it back.
    """
    CREATE TABLE consent_record (
      seq BIGINT, subject VARCHAR, purpose VARCHAR, state VARCHAR, at_us BIGINT, received_us BIGINT,
      source VARCHAR, policy_version VARCHAR, ui_version VARCHAR, raw VARCHAR, jurisdiction VARCHAR,
      expires_us BIGINT, is_limited BOOLEAN, previous BIGINT
    )
    """,
)

# Migration n turns schema n into n + 1.
MIGRATIONS: Final[dict[int, tuple[Step, ...]]] = {1: _FROM_1, 2: _FROM_2, 3: _FROM_3, 4: _FROM_4}
