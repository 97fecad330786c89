"""Paths as an expert would write them by hand for this one store.

Imports nothing of tallymark. Each function returns how many are at each node of each step, and how
many go from a node to one of the next step.
"""

from typing import TypeAlias

import duckdb

DEPTH = 5

Nodes: TypeAlias = dict[tuple[int, object], int]
Links: TypeAlias = dict[tuple[int, object, object], int]

_COUNTED = "WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true"


def paths_from(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[Nodes, Links]:
    """Return the ways of persons from their first event 1, without repeats."""
    return _ways(
        connection,
        f"""
        SELECT person_key AS unit, event_key AS node, time_us, seq
        FROM event JOIN (
            SELECT person_key, min(time_us) AS first_us FROM event {_COUNTED} AND event_key = 1
            GROUP BY person_key
        ) USING (person_key)
        {_COUNTED} AND time_us >= first_us
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    )


def paths_sessions(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[Nodes, Links]:
    """Return the ways of sessions from their first event, without repeats."""
    events = f"SELECT session_key AS unit, event_key AS node, time_us, seq FROM event {_COUNTED}"  # noqa: S608
    return _ways(connection, events, {"since": since, "until": until})


def paths_pages(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[Nodes, Links]:
    """Return the ways of persons over pages from their first one, without repeats."""
    events = f"SELECT person_key AS unit, path AS node, time_us, seq FROM event {_COUNTED}"  # noqa: S608
    return _ways(connection, events, {"since": since, "until": until})


def _ways(
    connection: duckdb.DuckDBPyConnection, events: str, limits: dict[str, int]
) -> tuple[Nodes, Links]:
    rows = connection.execute(
        f"""
        WITH walked AS ({events}), changes AS (
            SELECT unit, node, time_us, seq FROM walked
            QUALIFY node IS DISTINCT FROM lag(node) OVER (PARTITION BY unit ORDER BY time_us, seq)
        ), steps AS MATERIALIZED (
            SELECT unit, node, lag(node) OVER way AS before, row_number() OVER way - 1 AS step
            FROM changes
            WINDOW way AS (PARTITION BY unit ORDER BY time_us, seq)
            QUALIFY step < {DEPTH}
        )
        SELECT step, before, node, count(*) FROM steps GROUP BY ALL
        """,  # noqa: S608  only our own constants
        limits,
    ).fetchall()
    nodes: Nodes = {}
    links: Links = {}
    for step, before, node, count in rows:
        nodes[step, node] = nodes.get((step, node), 0) + count
        if step:
            links[step, before, node] = count
    return nodes, links
