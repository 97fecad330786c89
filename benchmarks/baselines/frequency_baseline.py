"""How often people do something, as an expert would write it by hand.

Imports nothing of tallymark.
"""

import duckdb

BOUNDS = (1, 2, 3, 4, 5, 6, 11, 21, 51, 101)


def frequency_people(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> list[tuple[int, int]]:
    """Return the people and the events of each range of times."""
    found = connection.execute(
        """
        SELECT times, count(*)
        FROM (
            SELECT count(*) AS times FROM event
            WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
            GROUP BY person_key
        )
        GROUP BY times
        """,
        {"since": since, "until": until},
    ).fetchall()
    rows = []
    for low, after in zip(BOUNDS, (*BOUNDS[1:], 10**12), strict=True):
        inside = [(times, people) for times, people in found if low <= times < after]
        rows.append((sum(people for _, people in inside), sum(n * people for n, people in inside)))
    return rows
