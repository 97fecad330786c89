"""How much slower a question is than SQL written by hand for it, over the same store.

    python -m benchmarks.query [events] [case …]

Prints the best of several runs of each, in turns, and their ratio; fails if the answers differ.
"""

import importlib
import os
import pkgutil
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from benchmarks import cases as more
from benchmarks.baselines import query_baseline as baseline
from benchmarks.cases import Case

from tallymark.app.answering import compute, insights
from tallymark.core.clock import DAY, rfc3339
from tallymark.insights.insight import Scope
from tallymark.insights.lines import Line
from tallymark.store.engine import Limits
from tallymark.store.engines.duckdb import DuckEngine

DAYS = 60
SINCE = 20_000 * DAY
UNTIL = SINCE + DAYS * DAY
RANGE = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
ROUNDS = 5
BUDGET = 1.3
MEMORY = 2 * 1024**3
ROWS = 100_000

NAMES = {f"event {key}": key for key in range(1, 21)}
INSIGHTS = {"newest_events": "events", "latest_people": "people"}
QUESTIONS: dict[str, dict[str, Any]] = {
    "daily_count": {},
    "daily_people": {"series": [{"measure": "unique_people"}]},
    "top_paths": {"breakdown": ["path"]},
    "daily_sum": {"series": [{"measure": "sum", "of": "value"}]},
    "daily_p95": {"series": [{"measure": "p95", "of": "value"}]},
    "top_plans": {"breakdown": ["properties.plan"], "top": 3},
    "merged_people": {"series": [{"measure": "unique_people"}]},
    "newest_events": {"filter": {"op": "equals", "field": "path", "value": "/p/7"}},
    "latest_people": {"filter": {"op": "equals", "field": "path", "value": "/p/7"}},
}


def fill(path: Path, events: int) -> None:
    """Write a store of so many events over sixty days, in order of time."""
    engine = DuckEngine(lambda _: path, memory_bytes=MEMORY)
    engine.open("bench")
    engine.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            """
            INSERT INTO event (seq, event_key, time_us, actor_key, person_key, account_key, session_key,
                               path, browser, is_bot, "value", prop_text, kind, prop_other)
            SELECT i, (hash(i) % 20)::INT + 1, $since + (i::HUGEINT * $length // $events)::BIGINT,
                   (hash(i * 7) % 300000)::BIGINT + 1, (hash(i * 7) % 300000)::BIGINT + 1,
                   (hash(i * 7) % 300000)::BIGINT % 5000 + 1,
                   (hash(i * 7) % 300000)::BIGINT * 100 + i * 20 // $events + 1,
                   '/p/' || (hash(i * 11) % 2000),
                   'browser ' || (hash(i * 3) % 12), hash(i * 13) % 50 = 0,
                   ((hash(i * 17) % 100000)::DECIMAL(38, 9) / 8)::DECIMAL(38, 9),
                   {'plan': 'plan ' || (hash(i * 19) % 6)}::VARIANT,
                   CASE WHEN hash(i * 23) % 3 = 0 THEN 'track' ELSE 'page' END,
                   -- The clicks of a view, as the browser script tells them.
                   CASE WHEN hash(i) % 20 = 19 THEN
                     {'points': [[hash(i * 29) % 1001, hash(i * 31) % 6000, 0],
                                 [hash(i * 37) % 1001, hash(i * 41) % 6000, 1]],
                      'selectors': ['a#' || (hash(i * 43) % 40), 'button']}::VARIANT
                   END
            FROM range($events) AS rows (i)
            """,
            {"since": SINCE, "length": DAYS * DAY, "events": events},
        )
        # A tenth of the people turned out to be somebody else, at the end of the log.
        connection.execute(
            "INSERT INTO person_override SELECT $events, i * 10, i * 10, i * 10 + 1, false"
            " FROM range(1, 30000) AS rows (i)",
            {"events": events},
        )


def in_turns(ours: Callable[[], Any], by_hand: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds of the fastest of several runs of each, run in turns after a warm-up.

    In turns, because other work on the machine then slows both alike.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, taken in zip((ours, by_hand), seconds, strict=True):
            started = time.perf_counter()
            run()
            taken.append(time.perf_counter() - started)
    return min(seconds[0]), min(seconds[1])


def ask(
    engine: DuckEngine,
    insight_name: str,
    question: Mapping[str, Any],
    events: int,
    *,
    merged: bool,
    limits: Limits | None = None,
) -> Any:
    """Return the answer of a question, as the store process computes it."""
    insight = insights()[insight_name]
    scope = Scope(
        project="bench",
        timezone="UTC",
        now=UNTIL,
        log_position=events,
        event_names=NAMES,
        properties={
            "plan": frozenset(("text",)),
            "points": frozenset(("other",)),
            "selectors": frozenset(("other",)),
        },
        has_overrides=merged,
    )
    asked = msgspec.convert({"range": RANGE, **question}, insight.question)
    limits = limits or Limits(seconds=600, memory_bytes=MEMORY, rows=ROWS)
    with engine.reading("bench", limits) as reading:
        return compute(insight, asked, scope, reading).data


def by_day(line: Line) -> dict[int, Any]:
    """Return the values of a line by the number of their day, without days of nothing."""
    return {day: value for day, value in enumerate(line.values) if value}


def comparable(name: str, answer: Any) -> Any:
    """Return the answer in the form in which the baseline gives it."""
    if name == "newest_events":
        return [(event.person, event.time) for event in answer.events], answer.total
    if name == "latest_people":
        return [(one.person, one.events) for one in answer.people], answer.total
    line = answer.lines[0]
    if name in {"top_paths", "top_plans"}:
        return {
            None if one.is_other else (one.breakdown or [])[0]: by_day(one) for one in answer.lines
        }
    if name in {"daily_people", "daily_p95", "merged_people"}:
        return by_day(line), line.total
    return by_day(line)


def to_six_places(answer: tuple[dict[int, Any], Any]) -> Any:
    """Return the numbers of each day, and of all days, rounded to six places."""
    days, whole = answer
    return {day: round(value, 6) for day, value in days.items()}, round(whole, 6)


def cases(names: Sequence[str] = ()) -> list[Case]:
    """Return every question that is measured: those of this file, then those of ``cases/``.

    Of ``names`` only those.
    """
    found = [
        Case(
            name=name,
            insight=INSIGHTS.get(name, "trends"),
            question=question,
            by_hand=getattr(baseline, name),
            comparable=partial(comparable, name),
            merged=name == "merged_people",
            is_rounded=name == "daily_p95",
        )
        for name, question in QUESTIONS.items()
    ]
    for module in pkgutil.iter_modules(more.__path__):
        found += importlib.import_module(f"{more.__name__}.{module.name}").CASES
    return [case for case in found if not names or case.name in names]


def measure(path: Path, events: int, names: Sequence[str] = ()) -> dict[str, float]:
    """Return the ratio of each question, after checking that both answers are equal."""
    # A file is opened by one engine at a time, so the baseline gets a copy.
    copy = path.with_name("copy.duckdb")
    shutil.copyfile(path, copy)
    engine = DuckEngine(lambda _: path, memory_bytes=MEMORY)
    with duckdb.connect(str(copy), read_only=True) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY // 1024} KiB'")
        connection.execute("SET preserve_insertion_order = false")
        ratios = {case.name: compare(engine, connection, case, events) for case in cases(names)}
    engine.close()
    return ratios


def compare(
    engine: DuckEngine, connection: duckdb.DuckDBPyConnection, case: Case, events: int
) -> float:
    """Return how many times longer than the baseline a question takes, and print it."""

    def ours() -> Any:
        return ask(engine, case.insight, case.question, events, merged=case.merged)

    expected = case.by_hand(connection, SINCE, UNTIL)
    answer = case.comparable(ours())
    if case.is_rounded:
        # The engine interpolates in floating point, so by hand the ninth place is not exact.
        answer, expected = to_six_places(answer), to_six_places(expected)
    assert answer == expected, f"{case.name}: the answers differ"
    seconds, baseline_seconds = in_turns(ours, lambda: case.by_hand(connection, SINCE, UNTIL))
    ratio = seconds / baseline_seconds
    print(
        f"{case.name:18} {seconds:7.3f} s  by hand {baseline_seconds:7.3f} s  ×{ratio:.2f}",
        flush=True,
    )
    return ratio


def main(events: int, names: Sequence[str] = ()) -> int:
    """Run the benchmark; return 1 if a question is over its budget."""
    print(f"{events} events, {platform.platform()}, {os.cpu_count()} cores, {duckdb.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.duckdb"
        fill(path, events)
        ratios = measure(path, events, names)
    over = [name for name, ratio in ratios.items() if ratio > BUDGET]
    print(f"over {BUDGET}: {', '.join(over) or 'none'}")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, sys.argv[2:]))
