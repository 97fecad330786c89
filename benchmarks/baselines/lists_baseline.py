"""Lists as an expert would write them by hand: accounts, the timeline of a person, and sessions.

Imports nothing of tallymark.
"""

from typing import Any, TypeAlias

import duckdb

_COUNTED = (
    "FROM event WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true"
)
# What a list of sessions tells of the first event of each.
_FIRSTS = (
    "actor_key", "anon_key", "account_key", "path", "host", "channel", "referrer_host", "utm_source",
    "utm_medium", "utm_campaign", "device_type", "browser", "os", "country",
)  # fmt: skip
Page: TypeAlias = tuple[list[tuple[Any, ...]], int]


def latest_accounts(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Page:
    """Return (people, events) of the hundred accounts seen last on a path, and how many there are."""
    limits = {"since": since, "until": until}
    chosen = f"{_COUNTED} AND path = '/p/7' AND account_key IS NOT NULL"
    rows = connection.execute(
        "SELECT count(DISTINCT person_key), count(*), min(time_us), max(time_us) AS last_us"
        f" {chosen} GROUP BY account_key ORDER BY last_us DESC, account_key DESC LIMIT 100",
        limits,
    ).fetchall()
    count = connection.execute(f"SELECT count(DISTINCT account_key) {chosen}", limits).fetchall()
    return [row[:2] for row in rows], count[0][0]


def timeline_of_one(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Page:
    """Return the sizes of the sessions of somebody's last hundred events, and how many they did."""
    limits = {"since": since, "until": until}
    # A timeline shows whatever is known of an event, so all of it is read.
    listed = connection.execute(
        f"SELECT * {_COUNTED} AND person_key = 4711 ORDER BY time_us DESC, seq DESC LIMIT 100",
        limits,
    )
    place = [column[0] for column in listed.description or ()].index("session_key")
    shown = {row[place] for row in listed.fetchall()}
    sizes = connection.execute(
        f"SELECT session_key, count(*), min(time_us), max(time_us) {_COUNTED} AND person_key = 4711"
        " GROUP BY session_key",
        limits,
    ).fetchall()
    return sorted((row[1],) for row in sizes if row[0] in shown), sum(row[1] for row in sizes)


def latest_visits(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Page:
    """Return (start, events) of the fifty sessions with a path that began last, and how many there are."""
    limits = {"since": since, "until": until}
    chosen = f"SELECT DISTINCT session_key {_COUNTED} AND path = '/p/7' AND session_key IS NOT NULL"
    firsts = ", ".join(f"min_by({name}, (time_us, seq))" for name in _FIRSTS)
    rows = connection.execute(
        f"""
        WITH page AS MATERIALIZED (
            SELECT session_key, min(time_us) AS start_us
            FROM event SEMI JOIN ({chosen}) USING (session_key)
            WHERE is_bot IS DISTINCT FROM true
            GROUP BY session_key ORDER BY start_us DESC, session_key DESC LIMIT 50
        )
        SELECT any_value(start_us), count(*), max(time_us), max_by(path, (time_us, seq)), {firsts}
        FROM event JOIN page USING (session_key)
        WHERE is_bot IS DISTINCT FROM true
        GROUP BY session_key ORDER BY 1 DESC, session_key DESC
        """,  # noqa: S608  only our own constants
        limits,
    ).fetchall()
    whole = f"SELECT count(*) FROM ({chosen})"  # noqa: S608  only our own constants
    count = connection.execute(whole, limits).fetchall()
    return [row[:2] for row in rows], count[0][0]
