"""All benchmarks in turn, and one table of what they found.

    python -m benchmarks [--large] [--no-install] [NAME…]

``--large`` takes the sizes of the budgets, up to 100 million events, and an hour; without it sizes
are smaller and it takes minutes. Needs wrk (``apt-get install wrk``).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import collect, footprint, freshness, growth, load, protocols, query, soak, ui
from benchmarks.report import Line, finish, note

_LARGE_EVENTS = 10_000_000
_LARGE_FILE = 1_000_000_000
_QUERY_EVENTS = 2_000_000


def queries(events: int) -> list[Line]:
    """Return a line for each question of ``query.py``."""
    note(f"query: questions about {events:,} events")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.duckdb"
        query.fill(path, events)
        ratios = query.measure(path, events)
    return [
        Line(
            what=f"question {name}, {events / 1e6:g} M events",
            measured="",
            baseline="SQL by hand",
            number=ratio,
            budget=query.BUDGET,
            sense="at most",
        )
        for name, ratio in ratios.items()
    ]


def parts(*, large: bool, installs: bool) -> Mapping[str, Callable[[], list[Line]]]:
    """Return each benchmark by name."""
    events = _LARGE_EVENTS if large else footprint.EVENTS
    size = _LARGE_FILE if large else footprint.FILE_BYTES
    return {
        "collect": collect.measure,
        "protocols": protocols.measure,
        "load": lambda: load.measure(large=large),
        "freshness": lambda: freshness.measure(events=events),
        "soak": soak.measure,
        "query": lambda: queries(_LARGE_EVENTS if large else _QUERY_EVENTS),
        "growth": lambda: growth.measure(large=large),
        "ui": lambda: ui.measure(_LARGE_EVENTS if large else ui.EVENTS),
        "footprint": lambda: footprint.measure(size=size, events=events, installs=installs),
    }


def main() -> int:
    """Run what was asked for; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="the sizes of the budgets")
    parser.add_argument("--no-install", action="store_true", help="leave out what needs pip")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these benchmarks")
    given = parser.parse_args()
    known = parts(large=given.large, installs=not given.no_install)
    if unknown := set(given.names) - known.keys():
        parser.error(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(known)}")
    began = time.perf_counter()
    lines = [line for name in given.names or known for line in known[name]()]
    note(f"took {time.perf_counter() - began:.0f} s")
    return finish(lines)


if __name__ == "__main__":
    sys.exit(main())
