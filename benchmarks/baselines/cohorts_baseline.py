"""Cohorts and segments as an expert would write them by hand for this one store.

Imports nothing of tallymark. Each function returns what the question's answer holds.
"""

from typing import Any

import duckdb
import numpy as np

DAY = 86_400_000_000

_COUNTED = "time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true"
# Fourteen days with the current one, which has only begun at the end of the range.
_BUSY = f"""
SELECT person_key FROM event
WHERE event_key IN (1, 2) AND is_bot IS DISTINCT FROM true AND time_us <= $until
GROUP BY person_key
HAVING count(*) FILTER (event_key = 1 AND time_us >= $until - 13 * {DAY}) >= 3
   AND count(*) FILTER (event_key = 2) = 0
"""  # noqa: S608  only our own constants


def cohort_size(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> tuple[int, int]:
    """Return how many are in the cohort, and how many there are."""
    del since
    limits = {"until": until}
    size = connection.execute(f"SELECT count(*) FROM ({_BUSY})", limits).fetchall()[0][0]  # noqa: S608
    everybody = connection.execute(
        "SELECT count(DISTINCT person_key) FROM event"
        " WHERE is_bot IS DISTINCT FROM true AND time_us <= $until",
        limits,
    ).fetchall()[0][0]
    return size, everybody


def cohort_filter(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[dict[int, Any], int]:
    """Return the people of the cohort of each day, and of all days."""
    limits = {"since": since, "until": until}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE busy AS {_BUSY}", {"until": until})
    chosen = f"FROM event WHERE person_key IN (SELECT person_key FROM busy) AND {_COUNTED}"  # noqa: S608
    days = connection.execute(
        f"SELECT (time_us - $since) // {DAY} AS day, count(DISTINCT person_key) {chosen} GROUP BY day",  # noqa: RUF100, S608
        limits,
    ).fetchall()
    people = connection.execute(f"SELECT count(DISTINCT person_key) {chosen}", limits).fetchall()
    return dict(days), people[0][0]


def segments(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> list[tuple[Any, ...]]:
    """Return of two browsers people, events, people of one event, and how many share both."""
    limits = {"since": since, "until": until}
    found, keys = [], []
    for browser in ("browser 3", "browser 7"):
        chosen = f"FROM event WHERE browser = '{browser}' AND {_COUNTED}"
        people = connection.execute(
            f"SELECT DISTINCT person_key {chosen} AND person_key IS NOT NULL", limits
        ).fetchnumpy()["person_key"]
        # By person, for how far the mean may be off.
        events, squares = connection.execute(
            f"SELECT sum(n), sum(n * n) FROM (SELECT person_key, count(*) AS n {chosen} GROUP BY 1)",  # noqa: S608
            limits,
        ).fetchall()[0]
        assert squares >= events
        counted = connection.execute(
            f"SELECT count(DISTINCT person_key) {chosen} AND event_key = 1", limits
        ).fetchall()[0][0]
        keys.append(people)
        found.append((len(people), int(events), counted))
    shared = [[len(np.intersect1d(one, other)) for other in keys] for one in keys]
    return [(*row, *both) for row, both in zip(found, shared, strict=True)]
