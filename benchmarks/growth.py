"""How long each kind of question takes as the store grows, and how much memory it takes.

    python -m benchmarks.growth [--large]

Asked of one, ten and with ``--large`` a hundred million events, as the store process asks: with the
memory that the product has unless it is set otherwise. The first question of each insight in
``cases/``, and the first five of ``query.py``. Of ten million events the peak memory of the process is
printed beside, the engine and what Python makes of its answer; that is what the budget bounds. Sixty
days hold all of the events, so a store ten times as large has ten times as many a day.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import query
from benchmarks.cases import Case
from benchmarks.report import Line, finish, note

from tallymark.core.errors import QuestionStopped
from tallymark.core.settings import Settings
from tallymark.store.engine import Limits
from tallymark.store.engines.duckdb import DuckEngine

SIZES = (1_000_000, 10_000_000)
LARGE = 100_000_000
MEMORY_OF = 10_000_000
MEMORY_MB = 1_000
_ROUNDS = {1_000_000: 3, 10_000_000: 2, LARGE: 1}
_PLAIN = ("daily_count", "daily_people", "top_paths", "daily_sum", "daily_p95")


def measure(*, large: bool) -> list[Line]:
    """Return a line for each kind of question."""
    sizes = (*SIZES, LARGE) if large else SIZES
    cases = chosen()
    taken: dict[str, list[str]] = {case.name: [] for case in cases}
    peaks: dict[str, float] = {}
    for events in sizes:
        note(f"growth: {events:,} events")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store.duckdb"
            query.fill(path, events)
            for case in cases:
                seconds, peak = _asked(path, case, events)
                taken[case.name].append(seconds)
                note(f"  {case.name}: {seconds}, {peak:.0f} MB")
                if events == MEMORY_OF:
                    peaks[case.name] = peak
    return [
        Line(
            what=f"{name}, {', '.join(f'{size / 1e6:g}' for size in sizes)} M events",
            measured=" → ".join(taken[name]),
            baseline=f"peak {peaks[name]:.0f} MB",
            number=peaks[name],
            budget=MEMORY_MB,
            sense="at most",
            unit="MB",
        )
        for name in taken
    ]


def chosen() -> list[Case]:
    """Return the questions: one of each insight, and several of trends."""
    found: dict[str, Case] = {}
    for case in query.cases():
        key = case.name if case.name in _PLAIN else case.insight
        if case.insight != "trends" or case.name in _PLAIN:
            found.setdefault(key, case)
    return list(found.values())


def _asked(path: Path, case: Case, events: int) -> tuple[str, float]:
    """Return how long a question takes, and the peak of this process in MB meanwhile."""
    settings = Settings()
    engine = DuckEngine(
        lambda _: path,
        memory_bytes=settings.store_memory_bytes,
        threads=settings.store_threads or os.cpu_count() or 1,
    )
    limits = Limits(600, settings.question_memory_bytes, query.ROWS)
    # The kernel counts the peak anew from here on.
    Path("/proc/self/clear_refs").write_text("5")
    try:
        best = min(_once(engine, case, events, limits) for _ in range(_ROUNDS[events]))
    except QuestionStopped as stopped:
        return f"refused: {stopped.message}", _peak_mb()
    finally:
        engine.close()
    return f"{best:.2f} s", _peak_mb()


def _once(engine: DuckEngine, case: Case, events: int, limits: Limits) -> float:
    began = time.perf_counter()
    query.ask(engine, case.insight, case.question, events, merged=case.merged, limits=limits)
    return time.perf_counter() - began


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("This system does not tell the peak memory of a process.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="also 100 million events")
    sys.exit(finish(measure(large=parser.parse_args().large)))
