"""Answers of a moment ago, for whoever asks the same again: the cards of one dashboard, on many screens."""

import threading
from collections import OrderedDict
from typing import Final

from msgspec import Struct

from tallymark.core.clock import MICROSECONDS

# Nothing else than the clock has moved meanwhile: the events are the same.
_KEPT_FOR: Final = 10 * MICROSECONDS


class Wanted(Struct, frozen=True):
    """Everything an answer depends on, but for the moment it is asked."""

    definition: str
    project: str
    timezone: str
    log_position: int
    as_of: str | None = None


class Kept(Struct, frozen=True):
    """An answer as JSON, with what was now, in microseconds."""

    now: int
    data: bytes
    table: bytes
    rows_read: int


class KeptAnswers:
    """The answers used last, up to so many bytes; safe to use from several threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._answers: OrderedDict[Wanted, Kept] = OrderedDict()
        self._bytes = 0

    def find(self, wanted: Wanted, now: int) -> Kept | None:
        """Return the answer to the same question about the same events, if it is young enough.

        What is asked as of a moment has that moment for now, so its answer never grows old.
        """
        with self._lock:
            found = self._answers.get(wanted)
            if found is None or not found.now <= now <= found.now + _KEPT_FOR:
                return None
            self._answers.move_to_end(wanted)
            return found

    def keep(self, wanted: Wanted, answer: Kept) -> None:
        """Keep an answer, and let go of those not used for longest."""
        size = _size(answer)
        if size > self._most // 4:
            return
        with self._lock:
            if (before := self._answers.pop(wanted, None)) is not None:
                self._bytes -= _size(before)
            self._answers[wanted] = answer
            self._bytes += size
            while self._bytes > self._most:
                _, oldest = self._answers.popitem(last=False)
                self._bytes -= _size(oldest)

    def forget(self) -> None:
        """Let go of everything: a store was made anew."""
        with self._lock:
            self._answers.clear()
            self._bytes = 0


def _size(answer: Kept) -> int:
    return len(answer.data) + len(answer.table) + 500
