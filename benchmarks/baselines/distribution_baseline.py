"""How a number is spread over people, as an expert would write it by hand.

Imports nothing of tallymark.
"""

from typing import Any

import duckdb

WIDTH = 10_000
BINS = 40


def distribution_sum(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[dict[Any, Any], Any]:
    """Return the people and the sum of each bin, the median and the 90th percentile; and the mean."""
    rows = connection.execute(
        f"""
        WITH counted AS MATERIALIZED (
            SELECT sum("value") AS amount FROM event
            WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
              AND "value" IS NOT NULL
            GROUP BY person_key
        )
        SELECT least(floor(amount / {WIDTH})::INT, {BINS}), count(*), sum(amount), NULL
        FROM counted GROUP BY ALL
        UNION ALL
        SELECT NULL, count(*), sum(amount), quantile_cont(amount, [0.5, 0.9]) FROM counted
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    found: dict[Any, Any] = {}
    mean = None
    for number, people, amount, percentiles in rows:
        if number is None:
            mean = float(amount) / people
            found["median"], found["p90"] = map(float, percentiles)
        else:
            found["people", number], found["sum", number] = people, float(amount)
    return found, mean
