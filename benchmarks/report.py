"""What a benchmark found: one line a budget, and the machine it was found on."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from benchmarks.workload import SEED
from msgspec import Struct

Sense = Literal["at least", "at most"]


class Line(Struct, frozen=True):
    """One measured thing; ``number`` is what the budget bounds: the ratio, or the figure itself.

    A line without a budget is there to be read.
    """

    what: str
    measured: str
    number: float
    baseline: str = ""
    budget: float | None = None
    sense: Sense = "at least"
    unit: str = "×"

    @property
    def holds(self) -> bool:
        """Return whether the budget is kept."""
        if self.budget is None:
            return True
        if self.sense == "at least":
            return self.number >= self.budget
        return self.number <= self.budget


def machine() -> str:
    """Return what the numbers depend on besides the code."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}, DuckDB {version('duckdb')},"
        f" load {os.getloadavg()[0]:.1f}, seed {SEED}"
    )


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table."""
    head = ("what", "measured", "baseline", "ratio", "budget", "holds?")
    rows: list[tuple[str, ...]] = [head, *map(_row, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    )


def finish(lines: Sequence[Line]) -> int:
    """Print machine and table; return 1 if a budget is missed."""
    print(f"\n{machine()}\n\n{table(lines)}")
    return int(not all(line.holds for line in lines))


def note(text: str) -> None:
    """Say what is going on, beside the table."""
    print(text, file=sys.stderr, flush=True)


def _row(line: Line) -> tuple[str, ...]:
    ratio = f"{line.number:.2f}" if line.unit == "×" else ""
    if line.budget is None:
        return line.what, line.measured, line.baseline, ratio, "", ""
    sign = "≥" if line.sense == "at least" else "≤"
    budget = f"{sign} {line.budget:g} {line.unit}"
    return line.what, line.measured, line.baseline, ratio, budget, "yes" if line.holds else "NO"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
