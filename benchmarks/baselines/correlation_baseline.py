"""What converters have that others have not, as an expert would write it by hand for two steps.

Imports nothing of tallymark.
"""

from typing import Any

import duckdb

_WEEK = 7 * 86_400_000_000


def with_which_browser(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[tuple[int, int], dict[str, tuple[int, int]]]:
    """Return how many converted and dropped within a week, of all and by the browser they began with."""
    rows: Any = connection.execute(
        """
        WITH begun AS MATERIALIZED (
            SELECT person_key, min(time_us) AS first_us, min_by(browser, (time_us, seq)) AS browser
            FROM event
            WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
              AND event_key = 1
            GROUP BY person_key
        ), done AS (
            SELECT DISTINCT person_key
            FROM event JOIN begun USING (person_key)
            WHERE event_key = 2 AND is_bot IS DISTINCT FROM true AND time_us < $until
              AND time_us > first_us AND time_us <= first_us + $week
        )
        SELECT browser, count(done.person_key), count(*) - count(done.person_key)
        FROM begun LEFT JOIN done USING (person_key)
        WHERE first_us + $week < $until
        GROUP BY browser
        """,
        {"since": since, "until": until, "week": _WEEK},
    ).fetchall()
    by_browser = {browser: (converted, dropped) for browser, converted, dropped in rows}
    return (sum(row[1] for row in rows), sum(row[2] for row in rows)), by_browser
