"""Requests with events that are in nobody's ledger: whose they are was not known, or they never came in.

They are the first thing to know when nothing arrives, and counted for as long as the server runs.
"""

from typing import Final

from msgspec import Struct

from tallymark.core.clock import Clock
from tallymark.core.errors import CODES

# Refused for these a request was not read, so nothing of it is kept as failed.
_UNREAD: Final = frozenset(
    {"BODY_TOO_LARGE", "BODY_INCOMPLETE", "RATE_LIMITED", "STORAGE_PRESSURE", "INTERNAL"}
)
_UNKNOWN: Final = frozenset({"NOT_FOUND", "PROJECT_UNKNOWN"})


class TurnedAway(Struct, frozen=True):
    """How many requests of a protocol were refused for a reason, and when the last one was."""

    protocol: str
    code: str
    requests: int
    last_us: int


class AllTurnedAway(Struct, frozen=True):
    """Requests with events that no project knows of, since the server started."""

    since_us: int
    requests: list[TurnedAway]


class Doorkeeper:
    """Counts them, by protocol and code, of which there are few; one event loop calls it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.now()
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def note(self, protocol: str, code: str) -> None:
        """Count a refused request, unless a ledger does; without protocol nothing answers its address."""
        stage = CODES[code].stage if code in CODES else ""
        if stage != "auth" and code not in _UNREAD and code not in _UNKNOWN:
            return
        count, _ = self._counts.get((protocol, code), (0, 0))
        self._counts[protocol, code] = (count + 1, self._clock.now())

    def told(self) -> AllTurnedAway:
        """Return what was counted, most first."""
        found = [
            TurnedAway(protocol, code, count, last)
            for (protocol, code), (count, last) in self._counts.items()
        ]
        found.sort(key=lambda one: (-one.requests, one.protocol, one.code))
        return AllTurnedAway(self._since, found)
