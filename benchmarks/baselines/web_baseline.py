"""A site on one page as an expert would write it by hand: one row a visit, then each table.

Imports nothing of tallymark.
"""

from typing import Any

import duckdb

_VISITS = """
    WITH visit AS MATERIALIZED (
        SELECT session_key, min(time_us) AS start_us, max(time_us) AS end_us,
               count(*) FILTER (kind IN ('page', 'screen')) AS views,
               count(*) FILTER (kind IN ('track', 'revenue', 'interaction')) AS actions,
               arg_min(person_key, time_us) AS person,
               coalesce(arg_min(browser, time_us) FILTER (kind IN ('page', 'screen')),
                        arg_min(browser, time_us)) AS browser,
               coalesce(arg_min(path, time_us) FILTER (kind IN ('page', 'screen')),
                        arg_min(path, time_us)) AS entry,
               coalesce(arg_max(path, time_us) FILTER (kind IN ('page', 'screen')),
                        arg_max(path, time_us)) AS exit
        FROM event
        WHERE is_bot IS DISTINCT FROM true AND session_key IS NOT NULL
        GROUP BY session_key
        HAVING min(time_us) >= $since AND min(time_us) < $until
    )
"""
_NUMBERS = """count(*), count(DISTINCT person), sum(views)::BIGINT,
    count(*) FILTER (views <= 1 AND actions = 0), sum(end_us - start_us)::BIGINT"""


def web_page(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Any:
    """Return (visits, visitors, views, bounces) of all and of each browser, and the twelve top pages."""
    rows = connection.execute(
        f"""{_VISITS}, seen AS (
            SELECT session_key, path, count(*) AS views FROM event
            WHERE kind IN ('page', 'screen') AND is_bot IS DISTINCT FROM true
              AND session_key IN (SELECT session_key FROM visit)
            GROUP BY session_key, path
        ), viewed AS (
            SELECT path, count(*) AS visits, count(DISTINCT person) AS visitors, sum(seen.views) AS views
            FROM seen JOIN visit USING (session_key) GROUP BY path
        ), page AS (
            SELECT path, visits, visitors, viewed.views, coalesce(entries, 0) AS entries,
                   coalesce(exits, 0) AS exits
            FROM viewed
            LEFT JOIN (SELECT entry AS path, count(*) AS entries FROM visit WHERE views > 0 GROUP BY entry)
                USING (path)
            LEFT JOIN (SELECT exit AS path, count(*) AS exits FROM visit WHERE views > 0 GROUP BY exit)
                USING (path)
            ORDER BY visitors DESC, visits DESC, path LIMIT 12
        )
        SELECT 'all', NULL, {_NUMBERS} FROM visit
        UNION ALL SELECT 'browser', browser, {_NUMBERS} FROM visit GROUP BY browser
        UNION ALL SELECT 'page', path, visits, visitors, views::BIGINT, entries, exits FROM page
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    return {row[:2]: row[2:7] if row[0] == "page" else row[2:6] for row in rows}
