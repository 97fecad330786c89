"""Named places where a test can have this process killed, as if the power went at that moment.

``TALLYMARK_KILL_AT=place:count:file`` kills it with SIGKILL when it reaches the place for the
count-th time, once: the file is made first, and while it exists nothing happens. Unset, reaching a
place costs one comparison.
"""

import os
import signal
from contextlib import suppress

PLACES = (
    "log.before_commit",
    "log.after_commit",
    "load.before_commit",
    "load.inside_commit",
    "load.after_commit",
    "store.before_checkpoint",
    "store.after_checkpoint",
    "index.run_written",
    "index.before_manifest",
    "index.after_manifest",
    "index.merging",
)


class _Trap:
    """The place to be killed at, and how often it may still be reached before."""

    def __init__(self, order: str) -> None:
        self.place, _, rest = order.partition(":")
        count, _, self.file = rest.partition(":")
        self.left = int(count) if count else 0
        if order and self.place not in PLACES:
            raise ValueError(f"TALLYMARK_KILL_AT names no known place: {self.place!r}")

    def reach(self) -> None:
        self.left -= 1
        if self.left > 0:
            return
        with suppress(FileExistsError):
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), signal.SIGKILL)


_TRAP = _Trap(os.environ.get("TALLYMARK_KILL_AT", ""))


def reach(place: str) -> None:
    """Mark that a place was reached; see the module's text."""
    if place == _TRAP.place:
        _TRAP.reach()
