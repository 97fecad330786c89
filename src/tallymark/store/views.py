"""What a question in SQL reads: views over a copy of a project's tables, documented like those."""

from typing import Final

from tallymark.store.tables import EVENT, Column, Table

# What the views are made of; nothing else is in the copy.
COPIED: Final = (
    "event", "event_name", "actor", "person_override", "account", "session", "other_group",
    "membership", "profile", "property", "progress", "meta",
)  # fmt: skip
# What is known of where somebody is, and of their machine, word for word: not even the copy has it.
WITHHELD: Final = ("ip", "user_agent")
# Where the copies lie, beside the views over them; what is asked without a schema finds views only.
KEPT: Final = "kept"
_KEYS: Final = frozenset(
    {
        "event_key", "time_us", "time_client_us", "time_sent_us", "received_us", "actor_key",
        "anon_key", "person_key", "account_key", "session_key", *WITHHELD,
    }
)  # fmt: skip
_PLAIN: Final = tuple(column for column in EVENT.columns if column.name not in _KEYS)
_NOW: Final = """(SELECT actor_key, arg_max(into_key, seq) AS into_key FROM person_override
  WHERE NOT is_folded GROUP BY actor_key)"""


class View(Table, frozen=True):
    """One view: what a row is, its columns, and the statement that makes it."""

    select: str

    def create(self) -> str:
        """Return the CREATE VIEW statement."""
        return f"CREATE VIEW {self.name} AS\n{self.select}"


def _columns(*columns: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*column) for column in columns)


EVENTS = View(
    "events",
    "one counted use",
    (
        *_columns(
            ("event", "VARCHAR", "name"),
            ("time", "TIMESTAMP", "when it happened, UTC"),
            ("received_at", "TIMESTAMP", "when we received it, UTC"),
            ("person", "BIGINT", "who it is by, as known now"),
            ("user_id", "VARCHAR", "as sent"),
            ("anonymous_id", "VARCHAR", "as sent"),
            ("account", "VARCHAR", "as sent"),
            ("session", "BIGINT", "its session"),
        ),
        *_PLAIN,
    ),
    f"""SELECT event_name.name AS event, make_timestamp(e.time_us) AS "time",
  make_timestamp(e.received_us) AS received_at,
  coalesce(moved.into_key, e.person_key) AS person, asserted_user.id AS user_id,
  asserted_anonymous.id AS anonymous_id, account.id AS account, e.session_key AS session,
  {", ".join(f'e."{column.name}"' for column in _PLAIN)}
FROM event AS e
LEFT JOIN event_name ON event_name.event_key = e.event_key
LEFT JOIN {_NOW} AS moved ON moved.actor_key = e.actor_key
LEFT JOIN actor AS asserted_user
  ON asserted_user.actor_key = e.actor_key AND asserted_user.id_kind = 'user'
LEFT JOIN actor AS asserted_anonymous ON asserted_anonymous.actor_key = e.anon_key
LEFT JOIN account ON account.account_key = e.account_key""",  # noqa: S608 - made of our own names
)

PEOPLE = View(
    "people",
    "one person with counted uses",
    _columns(
        ("person", "BIGINT", "as in events"),
        ("user_ids", "VARCHAR[]", "user ids of their events"),
        ("anonymous_ids", "VARCHAR[]", "anonymous ids of their events"),
        ("first_time", "TIMESTAMP", "of their first use, UTC"),
        ("last_time", "TIMESTAMP", "of their last use, UTC"),
        ("events", "BIGINT", "how many uses"),
    ),
    """SELECT person,
  list_sort(list(DISTINCT user_id) FILTER (user_id IS NOT NULL)) AS user_ids,
  list_sort(list(DISTINCT anonymous_id) FILTER (anonymous_id IS NOT NULL)) AS anonymous_ids,
  min("time") AS first_time, max("time") AS last_time, count(*) AS events
FROM events WHERE person IS NOT NULL GROUP BY person""",
)

ACCOUNTS = View(
    "accounts",
    "one account with counted uses",
    _columns(
        ("account", "VARCHAR", "as in events"),
        ("people", "BIGINT", "how many people used it"),
        ("first_time", "TIMESTAMP", "of the first use, UTC"),
        ("last_time", "TIMESTAMP", "of the last use, UTC"),
        ("events", "BIGINT", "how many uses"),
    ),
    """SELECT account, count(DISTINCT person) AS people, min("time") AS first_time,
  max("time") AS last_time, count(*) AS events
FROM events WHERE account IS NOT NULL GROUP BY account""",
)

SESSIONS = View(
    "sessions",
    "one session",
    _columns(
        ("session", "BIGINT", "as in events"),
        ("person", "BIGINT", "who it is of; of several the first"),
        ("start", "TIMESTAMP", "of its first use, UTC"),
        ("end", "TIMESTAMP", "of its last use, UTC"),
        ("seconds", "DECIMAL(18,6)", "from its first use to its last"),
        ("events", "BIGINT", "how many uses"),
        ("entry_path", "VARCHAR", "first page"),
        ("exit_path", "VARCHAR", "last page"),
    ),
    """SELECT session, arg_min(person, seq) AS person, min("time") AS "start", max("time") AS "end",
  CAST((epoch_us(max("time")) - epoch_us(min("time"))) * CAST(0.000001 AS DECIMAL(7,6)) AS DECIMAL(18,6)) AS seconds,
  count(*) AS events,
  arg_min(path, ("time", seq)) FILTER (path IS NOT NULL) AS entry_path,
  arg_max(path, ("time", seq)) FILTER (path IS NOT NULL) AS exit_path
FROM events WHERE session IS NOT NULL GROUP BY session""",
)

PROFILES = View(
    "profiles",
    "one change of a profile",
    _columns(
        ("seq", "BIGINT", "where it came"),
        ("subject", "VARCHAR", "user, anonymous or a group type"),
        ("id", "VARCHAR", "whose"),
        ("time", "TIMESTAMP", "when it holds from, UTC"),
        ("op", "VARCHAR", "set, set_once, unset, add …"),
        ("properties", "VARCHAR", "JSON, numbers as sent"),
    ),
    """SELECT profile.seq, subject_kind AS subject,
  coalesce(actor.id, account.id, other_group.id) AS id, make_timestamp(profile.time_us) AS "time",
  op, properties
FROM profile
LEFT JOIN actor
  ON subject_kind IN ('user', 'anonymous') AND actor.actor_key = subject_key
LEFT JOIN account ON subject_kind = 'account' AND account.account_key = subject_key
LEFT JOIN other_group
  ON subject_kind NOT IN ('user', 'anonymous', 'account') AND other_group.group_key = subject_key""",
)

VIEWS: Final[tuple[View, ...]] = (EVENTS, PEOPLE, ACCOUNTS, SESSIONS, PROFILES)
