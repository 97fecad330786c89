"""Retention as an expert would write it by hand for this one store and its length of weeks and days.

Imports nothing of tallymark. Each function returns the people of each cohort and, by cohort and
bucket, what the question's answer holds.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import duckdb

DAY = 86_400_000_000
WEEK = 7 * DAY

Matrix: TypeAlias = tuple[dict[int, int], dict[tuple[int, int], Any]]

_PEOPLE = "FROM event WHERE is_bot IS DISTINCT FROM true AND time_us >= $since"


def retention_weeks(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Matrix:
    """Return who did one event in a week, and another in each of the weeks from then on."""
    limits = {"since": since, "until": until, "last": until + 7 * WEEK}
    # Only the last return of a week can be after the first start of the same week.
    return _matrix(
        connection,
        f"""
        WITH started AS MATERIALIZED (
            SELECT person_key, (time_us - $since) // {WEEK} AS cohort, min(time_us) AS first_us
            {_PEOPLE} AND event_key = 1 AND time_us < $until GROUP BY ALL
        ), returned AS (
            SELECT person_key, (time_us - $since) // {WEEK} AS week, max(time_us) AS last_us
            {_PEOPLE} AND event_key = 2 AND time_us < $last GROUP BY ALL
        )
        SELECT cohort, week - cohort, count(*) FROM started JOIN returned USING (person_key)
        WHERE week BETWEEN cohort AND cohort + 7 AND last_us > first_us GROUP BY ALL
        UNION ALL
        SELECT cohort, NULL, count(*) FROM started GROUP BY cohort
        """,  # noqa: S608  only our own constants
        limits,
    )


def retention_any(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Matrix:
    """Return who did anything in a week, and anything in each of the weeks from then on."""
    return _matrix(
        connection,
        f"""
        WITH active AS MATERIALIZED (
            SELECT person_key, (time_us - $since) // {WEEK} AS week, count(*) > 1 AS again
            {_PEOPLE} AND time_us < $last GROUP BY ALL
        )
        SELECT one.week, other.week - one.week, count(*)
        FROM active AS one JOIN active AS other USING (person_key)
        WHERE one.week < 8 AND other.week < one.week + 8
          AND (other.week > one.week OR (other.week = one.week AND one.again))
        GROUP BY ALL
        UNION ALL
        SELECT week, NULL, count(*) FROM active WHERE week < 8 GROUP BY week
        """,  # noqa: S608  only our own constants
        {"since": since, "last": until + 7 * WEEK},
    )


def retention_new(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Matrix:
    """Return who did an event for the first time on a day, and anything on a later rolling day."""
    days = (until - since) // DAY
    limits = {"since": since, "until": until, "last": until + days * DAY, "days": days}
    return _matrix(
        connection,
        f"""
        WITH started AS MATERIALIZED (
            SELECT person_key, min(time_us) AS first_us FROM event
            WHERE is_bot IS DISTINCT FROM true AND event_key = 1 AND time_us < $until
            GROUP BY person_key HAVING min(time_us) >= $since
        )
        SELECT (first_us - $since) // {DAY} AS cohort, (time_us - first_us) // {DAY} AS later,
               count(DISTINCT person_key)
        FROM event JOIN started USING (person_key)
        WHERE is_bot IS DISTINCT FROM true AND time_us > first_us AND time_us < $last
          AND time_us < first_us + $days * {DAY}
        GROUP BY ALL
        UNION ALL
        SELECT (first_us - $since) // {DAY}, NULL, count(*) FROM started GROUP BY ALL
        """,  # noqa: S608  only our own constants
        limits,
    )


def retention_worth(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Matrix:
    """Return who did an event for the first time in a week, who came back, and with which value."""
    return _matrix(
        connection,
        f"""
        WITH started AS MATERIALIZED (
            SELECT person_key, min(time_us) AS first_us FROM event
            WHERE is_bot IS DISTINCT FROM true AND event_key = 1 AND time_us < $until
            GROUP BY person_key HAVING min(time_us) >= $since
        )
        SELECT (first_us - $since) // {WEEK} AS cohort,
               (time_us - $since) // {WEEK} - (first_us - $since) // {WEEK} AS later,
               count(DISTINCT person_key), sum("value")
        FROM event JOIN started USING (person_key)
        WHERE is_bot IS DISTINCT FROM true AND event_key = 2
          AND time_us > first_us AND time_us < $last
          AND (time_us - $since) // {WEEK} - (first_us - $since) // {WEEK} < 8
        GROUP BY ALL
        UNION ALL
        SELECT (first_us - $since) // {WEEK}, NULL, count(*), NULL FROM started GROUP BY ALL
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until, "last": until + 7 * WEEK},
    )


def _matrix(
    connection: duckdb.DuckDBPyConnection, statement: str, limits: Mapping[str, int]
) -> Matrix:
    people: dict[int, int] = {}
    cells: dict[tuple[int, int], Any] = {}
    for cohort, later, *number in connection.execute(statement, dict(limits)).fetchall():
        if later is None:
            people[cohort] = number[0]
        else:
            cells[cohort, later] = tuple(number) if number[1:] else number[0]
    return people, cells
