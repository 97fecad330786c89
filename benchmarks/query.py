"""How much slower a question is than SQL written by hand for it, over the same store.

    python -m benchmarks.query [events]

Prints the best of several runs of each, in turns, and their ratio; fails if the answers differ.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from benchmarks.baselines import query_baseline as baseline

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.registry import discover
from tallymark.insights.insight import Insight, Scope
from tallymark.insights.trends import Line, TrendsData
from tallymark.store.engine import Limits
from tallymark.store.engines.duckdb import DuckEngine

DAYS = 60
SINCE = 20_000 * DAY
UNTIL = SINCE + DAYS * DAY
RANGE = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
ROUNDS = 5
BUDGET = 1.3
MEMORY = 2 * 1024**3

QUESTIONS: dict[str, dict[str, Any]] = {
    "daily_count": {},
    "daily_people": {"series": [{"measure": "unique_people"}]},
    "top_paths": {"breakdown": ["path"]},
    "daily_sum": {"series": [{"measure": "sum", "of": "value"}]},
    "daily_p95": {"series": [{"measure": "p95", "of": "value"}]},
}


def fill(path: Path, events: int) -> None:
    """Write a store of so many events over sixty days, in order of time."""
    engine = DuckEngine(lambda _: path, memory_bytes=MEMORY)
    engine.open("bench")
    engine.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            """
            INSERT INTO event (seq, event_key, time_us, person_key, path, browser, is_bot, "value")
            SELECT i, (hash(i) % 20)::INT + 1, $since + (i::HUGEINT * $length // $events)::BIGINT,
                   (hash(i * 7) % 300000)::BIGINT + 1, '/p/' || (hash(i * 11) % 2000),
                   'browser ' || (hash(i * 3) % 12), hash(i * 13) % 50 = 0,
                   ((hash(i * 17) % 100000)::DECIMAL(38, 9) / 8)::DECIMAL(38, 9)
            FROM range($events) AS rows (i)
            """,
            {"since": SINCE, "length": DAYS * DAY, "events": events},
        )


def best(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of the fastest of several runs, after one to warm up, and the answer."""
    answer = run()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        answer = run()
        seconds.append(time.perf_counter() - started)
    return min(seconds), answer


def ask(engine: DuckEngine, question: dict[str, Any], events: int) -> TrendsData:
    """Return the answer of trends, as the store process computes it."""
    trends = discover("tallymark.insights", Insight)["trends"]
    scope = Scope(
        project="bench",
        timezone="UTC",
        now=UNTIL,
        log_position=events,
        event_names={},
        properties={},
    )
    asked = msgspec.convert({"range": RANGE, **question}, trends.question)
    limits = Limits(seconds=600, memory_bytes=MEMORY, rows=scope.max_rows)
    with engine.reading("bench", limits) as fetch:
        rows = [fetch(statement) for statement in trends.to_sql(asked, scope)]
    answer: TrendsData = trends.shape(asked, scope, rows)
    return answer


def by_day(line: Line) -> dict[int, Any]:
    """Return the values of a line by the number of their day."""
    return dict(enumerate(line.values))


def comparable(name: str, answer: TrendsData) -> Any:
    """Return the answer in the form in which the baseline gives it."""
    line = answer.lines[0]
    if name == "top_paths":
        return {
            None if one.is_other else (one.breakdown or [])[0]: by_day(one) for one in answer.lines
        }
    if name in {"daily_people", "daily_p95"}:
        return by_day(line), line.total
    return by_day(line)


def measure(path: Path, events: int) -> dict[str, float]:
    """Return the ratio of each question, after checking that both answers are equal."""
    engine = DuckEngine(lambda _: path, memory_bytes=MEMORY)
    ours = {
        name: best(lambda asked=asked: ask(engine, asked, events))  # type: ignore[misc]
        for name, asked in QUESTIONS.items()
    }
    engine.close()
    ratios = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY // 1024} KiB'")
        connection.execute("SET preserve_insertion_order = false")
        for name, (seconds, answer) in ours.items():
            by_hand = getattr(baseline, name)
            base_seconds, expected = best(lambda run=by_hand: run(connection, SINCE, UNTIL))  # type: ignore[misc]
            assert comparable(name, answer) == expected, f"{name}: the answers differ"
            ratios[name] = seconds / base_seconds
            print(f"{name:14} {seconds:7.3f} s  by hand {base_seconds:7.3f} s  ×{ratios[name]:.2f}")
    return ratios


def main(events: int) -> int:
    """Run the benchmark; return 1 if a question is over its budget."""
    print(f"{events} events, {platform.platform()}, {os.cpu_count()} cores, {duckdb.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.duckdb"
        fill(path, events)
        ratios = measure(path, events)
    over = [name for name, ratio in ratios.items() if ratio > BUDGET]
    print(f"over {BUDGET}: {', '.join(over) or 'none'}")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
