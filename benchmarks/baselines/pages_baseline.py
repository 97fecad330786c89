"""What is told of pages as an expert would write it by hand: views, clicks in vain, forms, heat.

Imports nothing of tallymark.
"""

from typing import Any

import duckdb


def scroll(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[tuple[int, int, int], dict[int, tuple[int, int]], dict[str, int]]:
    """Return (views, people, known), views and people that came to each tenth, and views of pages."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE viewed AS
        SELECT path, arg_min(person_key, seq) AS person, max(depth) AS depth FROM (
            SELECT path, session_key, seq, person_key,
                   kind IN ('page', 'screen') AND time_us < $until AS is_view,
                   CASE WHEN value BETWEEN 0 AND 100 THEN value END AS depth
            FROM event
            WHERE time_us >= $since AND is_bot IS DISTINCT FROM true AND path IS NOT NULL
        ) WHERE is_view OR depth IS NOT NULL
        GROUP BY path, session_key HAVING bool_or(is_view)
        """,
        {"since": since, "until": until},
    )
    whole: Any = connection.execute(
        "SELECT count(*), count(DISTINCT person), count(depth) FROM viewed"
    ).fetchone()
    tenths = connection.execute(
        """
        SELECT percent, count(*), count(DISTINCT person)
        FROM viewed JOIN range(10, 101, 10) AS tenth (percent) ON depth >= percent GROUP BY percent
        """
    ).fetchall()
    pages = connection.execute(
        """
        SELECT path, count(*) AS views, count(DISTINCT person), avg(depth) FROM viewed
        GROUP BY path ORDER BY views DESC, path LIMIT 20
        """
    ).fetchall()
    return (
        whole,
        {percent: (views, people) for percent, views, people in tenths},
        {path: views for path, views, *_ in pages},
    )


def frustration(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[tuple[int, int, int, int], list[tuple[str, str, int, int, int]]]:
    """Return (rage, dead, people, of), and the elements with most such clicks."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE act AS
        SELECT path, browser, person_key, session_key, event_key = 3 AS rage, event_key = 4 AS dead
        FROM event
        WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
          AND (kind IN ('page', 'screen') OR event_key IN (3, 4))
        """,
        {"since": since, "until": until},
    )
    whole: Any = connection.execute(
        """
        SELECT count(*) FILTER (rage), count(*) FILTER (dead),
               count(DISTINCT person_key) FILTER (rage OR dead), count(DISTINCT person_key),
               count(DISTINCT session_key) FILTER (rage OR dead), count(DISTINCT session_key)
        FROM act
        """
    ).fetchone()
    pages = connection.execute(
        """
        SELECT path, count(*) FILTER (rage OR dead) AS clicks,
               count(DISTINCT person_key) FILTER (rage OR dead), count(DISTINCT person_key),
               count(DISTINCT session_key) FILTER (rage OR dead)
        FROM act GROUP BY path ORDER BY clicks DESC, path LIMIT 20
        """
    ).fetchall()
    elements = connection.execute(
        """
        SELECT path, browser, count(*) FILTER (rage), count(*) FILTER (dead),
               count(DISTINCT person_key) AS people, count(DISTINCT session_key)
        FROM act WHERE rage OR dead
        GROUP BY path, browser ORDER BY count(*) DESC, people DESC, path, browser LIMIT 20
        """
    ).fetchall()
    assert pages
    return whole[:4], [row[:5] for row in elements]


def forms(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> list[tuple[str, str, int, int, int, int]]:
    """Return (page, form, seen, started, sent, people) of the forms with most attempts."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE told AS
        SELECT path, session_key, browser, person_key, time_us, event_key = 5 AS begins,
               event_key = 6 AS ends, kind IN ('page', 'screen') AS is_view
        FROM event
        WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
          AND path IS NOT NULL AND (kind IN ('page', 'screen') OR event_key IN (5, 6))
        """,
        {"since": since, "until": until},
    )
    return connection.execute(
        """
        WITH viewed AS MATERIALIZED (
            SELECT path, session_key, count(*) AS views FROM told WHERE is_view GROUP BY ALL
        ), viewer AS MATERIALIZED (
            SELECT path, person_key, count(*) AS views FROM told WHERE is_view GROUP BY ALL
        ), first AS (
            SELECT path, session_key, browser, min(time_us) AS began FROM told WHERE begins GROUP BY ALL
        ), attempt AS (
            SELECT path, session_key, browser, bool_or(ends) AS sent,
                   min(time_us) FILTER (ends AND time_us >= began) - any_value(began) AS took
            FROM told LEFT JOIN first USING (path, session_key, browser)
            WHERE begins OR ends GROUP BY ALL
        ), counted AS (
            SELECT path, browser, count(*) AS started, count(*) FILTER (sent) AS sent,
                   count(*) FILTER (viewed.views IS NULL) AS unseen, median(took) AS took
            FROM attempt LEFT JOIN viewed USING (path, session_key) GROUP BY ALL
        ), whom AS (
            SELECT path, browser, person_key, bool_or(ends) AS sent FROM told
            WHERE begins OR ends GROUP BY ALL
        ), people AS (
            SELECT path, browser, count(*) AS people, count(*) FILTER (viewer.views IS NULL) AS fresh,
                   count(*) FILTER (sent)
            FROM whom LEFT JOIN viewer USING (path, person_key) GROUP BY ALL
        ), page AS (
            SELECT path, count(*) AS views FROM viewed GROUP BY path
        ), viewers AS (
            SELECT path, count(*) AS viewers FROM viewer GROUP BY path
        )
        SELECT path, browser, coalesce(views, 0) + unseen, started, sent,
               people - people + coalesce(viewers, 0) + fresh
        FROM counted JOIN people USING (path, browser) LEFT JOIN page USING (path)
            LEFT JOIN viewers USING (path)
        ORDER BY started DESC, path, browser LIMIT 20
        """
    ).fetchall()


def heat(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[int, dict[tuple[int, int], tuple[int, int]]]:
    """Return the clicks, and (clicks, people) of each cell of 50 thousandths by 100 pixels."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE click AS
        SELECT person_key, (point->>0)::DECIMAL(18, 3) AS x, (point->>1)::DECIMAL(18, 3) AS y,
               selectors[(point->>2)::INT + 1]->>'$' AS element
        FROM (
            SELECT person_key, unnest(prop_other['points']::JSON::JSON[]) AS point,
                   prop_other['selectors']::JSON::JSON[] AS selectors
            FROM event
            WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
              AND event_key = 20 AND path IS NOT NULL
        )
        """,
        {"since": since, "until": until},
    )
    (clicks,) = connection.execute("SELECT count(*) FROM click").fetchone() or (0,)
    cells = connection.execute(
        """
        SELECT least(floor(x / 50), 19)::INT AS place, floor(y / 100)::INT AS band, count(*),
               count(DISTINCT person_key)
        FROM click GROUP BY ALL
        """
    ).fetchall()
    connection.execute(
        "SELECT element, count(*), count(DISTINCT person_key) FROM click GROUP BY element"
    ).fetchall()
    return clicks, {(place, band): (n, people) for place, band, n, people in cells}
