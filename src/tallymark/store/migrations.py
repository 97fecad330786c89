"""How a store of an older schema becomes one of the next; each step runs within one transaction.

A step is never altered once released: stores that took it are out there. So it names its columns
itself, instead of using the tables as they are now.
"""

from typing import Final

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

# Sessions of before, for questions as of an earlier position.
_FROM_2: Final = ("CREATE TABLE session_move (seq BIGINT, event_seq BIGINT, was_key BIGINT)",)

# Migration n turns schema n into n + 1.
MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {1: _FROM_1, 2: _FROM_2}
