"""Funnels as an expert would write them by hand for this one store: SQL for the rows, numpy for the rest.

Imports nothing of tallymark. Each function returns what the question's answer holds.
"""

from typing import Any

import duckdb
import numpy as np

DAY = 86_400_000_000
WINDOW = 14 * DAY

_EVENTS = """
FROM event
WHERE event_key IN ({keys}) AND time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
  AND person_key IS NOT NULL
"""


Times = tuple[float, ...]


def five_steps(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[list[int], Times]:
    """Return how many people came to each of the steps 1 to 5 within 14 days, and how fast."""
    return _funnel(connection, 5, since, until)


def two_steps(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[list[int], Times]:
    """Return how many people came from the first to the second step, and how fast."""
    return _funnel(connection, 2, since, until)


def by_plan(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> dict[str, list[int]]:
    """Return how many came to each of three steps, by the plan of their first event of step one.

    Of the try that came furthest; so this needs where each try began, not only how far it came.
    """
    person, time, step, plan = _ordered(
        connection, (1, 2, 3), since, until, "prop_text.plan::VARCHAR"
    )
    names = connection.execute(
        f"SELECT DISTINCT prop_text.plan::VARCHAR AS plan {_EVENTS.format(keys='1, 2, 3')} ORDER BY plan",
        {"since": since, "until": until + WINDOW},
    ).fetchall()
    depth, start = _furthest_start(person, time, step, 3, until)
    group = plan[start]
    return {name: _reached(depth[group == place], 3) for place, (name,) in enumerate(names)}


def strict(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> list[int]:
    """Return how many did one event and right after it the other, of all their events."""
    rows = connection.execute(
        """
        WITH following AS (
            SELECT person_key, time_us, event_key,
                   lead(event_key) OVER w AS next_key, lead(time_us) OVER w AS next_us
            FROM event
            WHERE time_us >= $since AND time_us < $until + $window AND is_bot IS DISTINCT FROM true
              AND person_key IN (SELECT person_key FROM event WHERE event_key = 1
                                 AND time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true)
            WINDOW w AS (PARTITION BY person_key ORDER BY time_us, seq)
        )
        SELECT count(DISTINCT person_key),
               count(DISTINCT person_key) FILTER (next_key = 2 AND next_us - time_us <= $window)
        FROM following WHERE event_key = 1 AND time_us < $until
        """,
        {"since": since, "until": until, "window": WINDOW},
    ).fetchall()
    return list(rows[0])


def _funnel(
    connection: duckdb.DuckDBPyConnection, steps: int, since: int, until: int
) -> tuple[list[int], Times]:
    """Return how many came to each step, and median, mean and 90th percentile of the seconds."""
    keys = tuple(range(1, steps + 1))
    person, time, step, _ = _ordered(connection, keys, since, until)
    head = np.append(True, person[1:] != person[:-1])
    number = np.cumsum(head) - 1
    depth = np.zeros(number[-1] + 1, np.int8)
    level = np.zeros(0, np.int64)
    for place, level in enumerate(_levels(person, time, step, steps, until), start=1):
        depth[number[level >= 0]] = place
    rows = np.flatnonzero(level >= 0)
    if not len(rows):
        return _reached(depth, steps), ()
    rows = rows[np.append(True, person[rows[1:]] != person[rows[:-1]])]
    took = (time[rows] - time[level[rows]]) / 1e6
    median, p90 = np.quantile(took, [0.5, 0.9])
    return _reached(depth, steps), (round(median, 3), round(took.mean(), 3), round(p90, 3))


def _ordered(
    connection: duckdb.DuckDBPyConnection,
    keys: tuple[int, ...],
    since: int,
    until: int,
    group: str | None = None,
) -> tuple[Any, ...]:
    listed = ", ".join(map(str, keys))
    column = f"dense_rank() OVER (ORDER BY {group}) - 1" if group else "0"
    found = connection.execute(
        f"SELECT person_key, time_us, seq, event_key, {column} AS grp {_EVENTS.format(keys=listed)}",
        {"since": since, "until": until + WINDOW},
    ).fetchnumpy()
    order = np.lexsort((found["seq"], found["time_us"], found["person_key"]))
    return tuple(found[name][order] for name in ("person_key", "time_us", "event_key", "grp"))


def _starts(person: Any, time: Any, step: Any, until: int) -> tuple[Any, Any]:
    """Return the first row of each row's person, and the latest start at or before each row."""
    head = np.append(True, person[1:] != person[:-1])
    first = np.maximum.accumulate(np.where(head, np.arange(len(person)), 0))
    is_start = (step == 1) & (time < until)
    return first, np.where(is_start, np.arange(len(person)), -1)


def _levels(person: Any, time: Any, step: Any, steps: int, until: int) -> Any:
    """Yield for each step the row of the latest start from which it is reached at each row, or -1."""
    first, level = _starts(person, time, step, until)
    yield level
    for number in range(2, steps + 1):
        best = np.maximum.accumulate(level)
        before = np.append(-1, best[:-1])
        ok = (step == number) & (before >= first)
        ok &= time - time[np.maximum(before, 0)] <= WINDOW
        level = np.where(ok, before, -1)
        yield level


def _furthest_start(person: Any, time: Any, step: Any, steps: int, until: int) -> tuple[Any, Any]:
    """Return how far each person came who entered, and the row where that try began."""
    head = np.append(True, person[1:] != person[:-1])
    number = np.cumsum(head) - 1
    depth = np.zeros(number[-1] + 1, np.int8)
    start = np.zeros(number[-1] + 1, np.int64)
    for place, level in enumerate(_levels(person, time, step, steps, until), start=1):
        rows = np.flatnonzero(level >= 0)[::-1]
        depth[number[rows]] = place
        # The rows are in reverse, so the first one to come there is written last.
        start[number[rows]] = level[rows]
    entered = depth > 0
    return depth[entered], start[entered]


def _reached(depth: Any, steps: int) -> list[int]:
    return [int((depth >= step).sum()) for step in range(1, steps + 1)]
