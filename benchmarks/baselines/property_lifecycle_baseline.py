"""What becomes of a property from day to day, as an expert would write it by hand.

Imports nothing of tallymark.
"""

import duckdb

DAY = 86_400_000_000


def property_lifecycle_daily(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Return (new, back, changed) of each plan and day."""
    moved = connection.execute(
        f"""
        WITH told AS MATERIALIZED (
            SELECT person_key, (time_us - $since) // {DAY} AS day, seq,
                   CAST(prop_text['plan'] AS VARCHAR) AS plan
            FROM event
            WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
        ), last AS (
            SELECT person_key, day, arg_max(plan, seq) AS plan FROM told
            WHERE plan IS NOT NULL GROUP BY ALL
        ), begun AS (
            SELECT person_key, plan, min(day) AS day FROM told WHERE plan IS NOT NULL GROUP BY ALL
        ), moved AS (
            SELECT person_key, day, plan, lag(plan) OVER (PARTITION BY person_key ORDER BY day) AS was
            FROM last
        )
        SELECT moved.day, was, moved.plan, begun.day < moved.day, count(*)
        FROM moved JOIN begun USING (person_key, plan)
        WHERE was IS DISTINCT FROM moved.plan
        GROUP BY ALL
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchall()
    found: dict[tuple[str, int], list[int]] = {}
    for day, was, plan, is_back, people in moved:
        found.setdefault((plan, day), [0, 0, 0])[int(is_back)] += people
        if was is not None:
            found.setdefault((was, day), [0, 0, 0])[2] += people
    return {key: (new, back, changed) for key, (new, back, changed) in found.items()}
