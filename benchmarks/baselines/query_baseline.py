"""The questions of query.py as an expert would write them by hand for this one store and day length.

Imports nothing of tallymark. Each function returns what the question's answer holds.
"""

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
