"""The use of features as an expert would write it by hand: what each person used of each, then counts.

Imports nothing of tallymark.
"""

from typing import Any

import duckdb


def features_by_browser(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[dict[str, tuple[int, int, int, int]], dict[int, int]]:
    """Return (people, uses, new people, accounts) of each value, and people by number of values."""
    found: Any = connection.execute(
        """
        WITH used AS MATERIALIZED (
            SELECT browser, person_key, count(*) FILTER (time_us >= $since) AS uses,
                   min(time_us) AS first_us, max(time_us) AS last_us
            FROM event
            WHERE time_us < $until AND is_bot IS DISTINCT FROM true
            GROUP BY browser, person_key
        ), seen AS (
            SELECT person_key, min(first_us) AS seen_us FROM used GROUP BY person_key
        ), wait AS (
            SELECT browser, quantile_cont(first_us - seen_us, 0.5) AS half
            FROM used JOIN seen USING (person_key) WHERE first_us >= $since GROUP BY browser
        )
        SELECT browser, count(*) FILTER (uses > 0), sum(uses)::BIGINT,
               count(*) FILTER (first_us >= $since), max(last_us), any_value(half)
        FROM used JOIN wait USING (browser) GROUP BY browser
        UNION ALL
        SELECT NULL, features, count(*), NULL, NULL, NULL
        FROM (SELECT count(*) FILTER (uses > 0) AS features FROM used GROUP BY person_key)
        GROUP BY features
        """,
        {"since": since, "until": until},
    ).fetchall()
    accounts = connection.execute(
        "SELECT browser, count(DISTINCT account_key) FROM event WHERE time_us >= $since"
        " AND time_us < $until AND is_bot IS DISTINCT FROM true GROUP BY browser",
        {"since": since, "until": until},
    ).fetchall()
    by_key = dict(accounts)
    return (
        {
            key: (people, uses, new, by_key[key])
            for key, people, uses, new, _, _ in found
            if key is not None
        },
        {features: people for key, features, people, *_ in found if key is None},
    )
