"""How long the fault tests run, and the chance they run by."""

import os
import random
import time
from collections.abc import Callable

LONG = bool(os.environ.get("TALLYMARK_LONG"))
ROUNDS = 20 if LONG else 1
ACKNOWLEDGED = 1000
"""Events a round must have had acknowledged before its fault."""


def seeded() -> random.Random:
    """Return a generator whose seed is printed, so that a failure can be repeated."""
    chosen = int(os.environ.get("TALLYMARK_SEED", "0")) or time.time_ns() % 10**9
    print(f"seed {chosen}: repeat with TALLYMARK_SEED={chosen}")  # noqa: T201  shown when a test fails
    return random.Random(chosen)


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something holds; fail with ``what`` if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
