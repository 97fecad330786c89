"""Daily lifecycle as an expert would write it by hand: a mask of days for each person, then numpy.

Imports nothing of tallymark.
"""

import duckdb
import numpy as np

DAY = 86_400_000_000


def lifecycle_daily(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> list[tuple[int, int, int, int]]:
    """Return (new, returning, resurrecting, dormant) of each day, of one event."""
    return _lifecycle(connection, since, until, "event_key = 3")


def lifecycle_any(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> list[tuple[int, int, int, int]]:
    """Return (new, returning, resurrecting, dormant) of each day, of any event."""
    return _lifecycle(connection, since, until, "true")


def _lifecycle(
    connection: duckdb.DuckDBPyConnection, since: int, until: int, wanted: str
) -> list[tuple[int, int, int, int]]:
    found = connection.execute(
        f"""
        SELECT bit_or(1::BIGINT << ((time_us - $since) // {DAY})::INT) FILTER (time_us >= $since) AS days,
               bool_or(time_us < $since) AS before,
               bit_or(CASE WHEN time_us >= $since - {DAY} AND time_us < $since THEN 1 ELSE 0 END) AS eve
        FROM event
        WHERE time_us < $until AND is_bot IS DISTINCT FROM true AND {wanted}
        GROUP BY person_key
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchnumpy()
    days = np.ma.filled(found["days"], 0)
    known, there = found["before"], found["eve"].astype(bool)
    rows: list[tuple[int, int, int, int]] = []
    for day in range((until - since) // DAY):
        here = (days >> day & 1).astype(bool)
        rows.append(
            (
                int(np.count_nonzero(here & ~known)),
                int(np.count_nonzero(here & there)),
                int(np.count_nonzero(here & known & ~there)),
                int(np.count_nonzero(there & ~here)),
            )
        )
        known, there = known | here, here
    return rows
