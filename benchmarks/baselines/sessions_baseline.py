"""Sessions by day as an expert would write them by hand: one row a session, then the days.

Imports nothing of tallymark.
"""

from typing import Any

import duckdb

DAY = 86_400_000_000

_SESSIONS = f"""
    WITH visit AS MATERIALIZED (
        SELECT session_key, min(time_us) AS start_us, max(time_us) AS end_us, count(*) AS events,
               count(*) FILTER (kind IN ('page', 'screen')) AS views,
               count(*) FILTER (kind IN ('track', 'revenue', 'interaction')) AS actions,
               arg_min(person_key, time_us) AS person{{entry}}
        FROM event
        WHERE is_bot IS DISTINCT FROM true AND session_key IS NOT NULL
        GROUP BY session_key
        HAVING min(time_us) >= $since AND min(time_us) < $until
    ), cut AS MATERIALIZED (
        SELECT *, (start_us - $since) // {DAY} AS day, end_us - start_us AS length,
               views <= 1 AND actions = 0 AS is_bounce,
               views >= 2 OR end_us - start_us > 10000000 AS is_engaged
        FROM visit
    )
"""  # noqa: S608  only our own constants


def sessions_daily(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Any:
    """Return (sessions, people, bounces, engaged, length, events) of each day and of all."""
    rows = connection.execute(
        f"""{_SESSIONS.format(entry="")}
        SELECT day, count(*), count(DISTINCT person), count(*) FILTER (is_bounce),
               count(*) FILTER (is_engaged), sum(length)::BIGINT, sum(events)::BIGINT,
               quantile_cont(length, [0.5, 0.9])
        FROM cut GROUP BY GROUPING SETS ((day), ())
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    return {row[0]: row[1:7] for row in rows}


def sessions_by_browser(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Any:
    """Return (sessions, people, bounces, engaged, length, events) of the browser they begin in."""
    entry = (
        ", coalesce(arg_min(browser, time_us) FILTER (kind IN ('page', 'screen')),"
        " arg_min(browser, time_us)) AS browser"
    )
    rows = connection.execute(
        f"""{_SESSIONS.format(entry=entry)}
        SELECT browser, day, count(*), count(DISTINCT person), count(*) FILTER (is_bounce),
               count(*) FILTER (is_engaged), sum(length)::BIGINT, sum(events)::BIGINT,
               quantile_cont(length, [0.5, 0.9])
        FROM cut GROUP BY GROUPING SETS ((browser, day), (browser))
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    return {row[0]: row[2:8] for row in rows if row[1] is None}
