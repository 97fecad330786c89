"""Asking as of an earlier moment: what was loaded then, and what time it was."""

import re
from datetime import datetime
from typing import Final

from msgspec import Struct

from tallymark.core.clock import instant, rfc3339
from tallymark.core.errors import InvalidQuery

_AS_OF: Final = re.compile(r"(?P<position>\d{1,15})(@(?P<time>[0-9TZ:.+-]{20,40}))?", re.ASCII)


class AsOf(Struct, frozen=True):
    """A log position, and the instant that was now, in microseconds; None where it was not told.

    Without it now is when the last counted event up to the position was received.
    """

    position: int
    now: int | None = None

    def __str__(self) -> str:
        """Return it as a provenance names it."""
        return f"{self.position}" if self.now is None else f"{self.position}@{rfc3339(self.now)}"


def parse(text: str) -> AsOf:
    """Return what ``12345`` or ``12345@2026-11-26T09:30:00Z`` means; raises InvalidQuery."""
    found = _AS_OF.fullmatch(text)
    if found is None:
        raise _unreadable(text)
    if found["time"] is None:
        return AsOf(int(found["position"]))
    try:
        moment = datetime.fromisoformat(found["time"])
    except ValueError:
        raise _unreadable(text) from None
    if moment.tzinfo is None:
        raise _unreadable(text)
    return AsOf(int(found["position"]), instant(moment))


def _unreadable(text: str) -> InvalidQuery:
    return InvalidQuery(
        f"{text[:60]!r} names no moment of an answer.",
        hint="Give `as_of` of an answer's provenance, such as 12345@2026-11-26T09:30:00Z, or a log"
        " position.",
        path="as_of",
    )
