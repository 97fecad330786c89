"""Rolling and running people, as a good engineer would write them by hand for this one store."""

from typing import Any

import duckdb

DAY = 86_400_000_000
# One row a person, a bit for each of sixty days.
_ROLLING = """
WITH kept AS (
  SELECT person_key, bit_or(1::BIGINT << ((time_us - $since) // $day)::INT) AS days
  FROM event
  WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
  GROUP BY person_key
)
SELECT unnest(range($count)), unnest([{counts}]), count(*) FROM kept
"""
_RUNNING = """
WITH first AS (
  SELECT person_key, min(time_us) AS first_us
  FROM event
  WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
  GROUP BY person_key
)
SELECT (first_us - $since) // $day AS d, count(*) FROM first GROUP BY d ORDER BY d
"""


def monthly_people(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Any:
    """Return the people of the thirty days that end with each day, and of all days."""
    count = (until - since) // DAY
    counts = ", ".join(
        f"count(*) FILTER (days & {(1 << last + 1) - (1 << max(last - 29, 0))} <> 0)"
        for last in range(count)
    )
    found = connection.execute(
        _ROLLING.format(counts=counts),
        {"since": since, "until": until, "day": DAY, "count": count},
    ).fetchall()
    return {day: people for day, people, _ in found}, found[0][2]


def running_people(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Any:
    """Return the people who had come by the end of each day, and of all days."""
    found = connection.execute(_RUNNING, {"since": since, "until": until, "day": DAY}).fetchall()
    new = dict(found)
    days, so_far = {}, 0
    for day in range((until - since) // DAY):
        so_far += new.get(day, 0)
        days[day] = so_far
    return days, so_far
