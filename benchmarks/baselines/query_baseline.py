"""The questions of query.py as an expert would write them by hand for this one store and day length.

Imports nothing of tallymark. Each function returns what the question's answer holds.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import duckdb

DAY = 86_400_000_000

Daily: TypeAlias = dict[int, Any]

_COUNTED = """
FROM event
WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
"""


def daily_count(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Daily:
    """Return the events of each day."""
    rows = connection.execute(
        f"SELECT (time_us - $since) // {DAY} AS day, count(*) {_COUNTED} GROUP BY day",
        {"since": since, "until": until},
    ).fetchall()
    return dict(rows)


def daily_people(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[Daily, int]:
    """Return the people of each day, and of all days."""
    limits = {"since": since, "until": until}
    days = connection.execute(
        f"SELECT (time_us - $since) // {DAY} AS day, count(DISTINCT person_key) {_COUNTED}"
        " GROUP BY day",
        limits,
    ).fetchall()
    people = connection.execute(f"SELECT count(DISTINCT person_key) {_COUNTED}", limits).fetchall()
    return dict(days), people[0][0]


def top_paths(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> dict[str | None, Daily]:
    """Return the daily events of the ten paths with most events, and of the others as None."""
    rows = connection.execute(
        f"""
        WITH top AS (
            SELECT path {_COUNTED} GROUP BY path ORDER BY count(*) DESC, path LIMIT 10
        )
        SELECT CASE WHEN path IN (SELECT path FROM top) THEN path END AS shown,
               (time_us - $since) // {DAY} AS day, count(*)
        {_COUNTED} GROUP BY shown, day
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    found: dict[str | None, Daily] = {}
    for shown, day, count in rows:
        found.setdefault(shown, {})[day] = count
    return found


def daily_sum(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Daily:
    """Return the sum of value of each day."""
    rows = connection.execute(
        f'SELECT (time_us - $since) // {DAY} AS day, sum("value") {_COUNTED} GROUP BY day',
        {"since": since, "until": until},
    ).fetchall()
    return dict(rows)


def daily_p95(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> tuple[Daily, Any]:
    """Return the 95th percentile of value of each day, and of all days."""
    limits = {"since": since, "until": until}
    days = connection.execute(
        f'SELECT (time_us - $since) // {DAY} AS day, quantile_cont("value", 0.95) {_COUNTED}'
        " GROUP BY day",
        limits,
    ).fetchall()
    whole = connection.execute(f'SELECT quantile_cont("value", 0.95) {_COUNTED}', limits).fetchall()
    return dict(days), whole[0][0]


def top_plans(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> dict[str | None, Daily]:
    """Return the daily events of the three plans with most events, and of the others as None."""
    rows = connection.execute(
        f"""
        WITH top AS (
            SELECT prop_text.plan::VARCHAR AS plan {_COUNTED}
            GROUP BY plan ORDER BY count(*) DESC, plan LIMIT 3
        )
        SELECT CASE WHEN prop_text.plan::VARCHAR IN (SELECT plan FROM top)
                    THEN prop_text.plan::VARCHAR END AS shown,
               (time_us - $since) // {DAY} AS day, count(*)
        {_COUNTED} GROUP BY shown, day
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    found: dict[str | None, Daily] = {}
    for shown, day, count in rows:
        found.setdefault(shown, {})[day] = count
    return found


def merged_people(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[Daily, int]:
    """Return the people of each day, and of all days, after following the merges."""
    limits = {"since": since, "until": until}
    merged = """
        FROM (SELECT event.*, coalesce(into_key, event.person_key) AS person
              FROM event LEFT JOIN person_override USING (actor_key))
    """
    chosen = _COUNTED.replace("FROM event", merged)
    days = connection.execute(
        f"SELECT (time_us - $since) // {DAY} AS day, count(DISTINCT person) {chosen} GROUP BY day",
        limits,
    ).fetchall()
    people = connection.execute(f"SELECT count(DISTINCT person) {chosen}", limits).fetchall()
    return dict(days), people[0][0]


def newest_events(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[list[tuple[int, str]], int]:
    """Return (person, time) of the newest hundred events of a path, and how many it has."""
    limits = {"since": since, "until": until}
    chosen = f"{_COUNTED} AND path = '/p/7'"
    rows = connection.execute(
        f"SELECT person_key, time_us, * {chosen} ORDER BY time_us DESC, seq DESC LIMIT 100", limits
    ).fetchall()
    count = connection.execute(f"SELECT count(*) {chosen}", limits).fetchall()
    return [(row[0], _rfc3339(row[1])) for row in rows], count[0][0]


def latest_people(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[list[tuple[int, int]], int]:
    """Return (person, events) of the hundred people seen last on a path, and how many there are."""
    limits = {"since": since, "until": until}
    chosen = f"{_COUNTED} AND path = '/p/7'"
    rows = connection.execute(
        f"SELECT person_key, count(*), min(time_us), max(time_us) AS last_us {chosen}"
        " GROUP BY person_key ORDER BY last_us DESC, person_key DESC LIMIT 100",
        limits,
    ).fetchall()
    count = connection.execute(f"SELECT count(DISTINCT person_key) {chosen}", limits).fetchall()
    return [row[:2] for row in rows], count[0][0]


def _rfc3339(instant_us: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)
    return moment.isoformat().replace("+00:00", "Z")
