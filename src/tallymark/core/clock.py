"""The one place that reads a clock. Instants are whole microseconds since 1970 in UTC."""

import time
from datetime import UTC, datetime
from typing import Protocol

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> int:
        """Return the present instant, in microseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary point, never going back."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the present instant, in microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds from an arbitrary point, never going back."""
        return time.monotonic()


def instant(moment: datetime) -> int:
    """Return an aware datetime as microseconds since 1970 UTC, exactly."""
    gap = moment - EPOCH
    return gap.days * DAY + gap.seconds * MICROSECONDS + gap.microseconds


def moment(instant_us: int) -> datetime:
    """Return an instant as an aware UTC datetime; raises OverflowError outside years 1–9999."""
    days, rest = divmod(instant_us, DAY)
    seconds, micro = divmod(rest, MICROSECONDS)
    return datetime.fromordinal(EPOCH.toordinal() + days).replace(
        hour=seconds // 3600,
        minute=seconds // 60 % 60,
        second=seconds % 60,
        microsecond=micro,
        tzinfo=UTC,
    )


def rfc3339(instant_us: int) -> str:
    """Return an instant as RFC 3339 text in UTC, with microseconds only where there are any."""
    return moment(instant_us).isoformat().replace("+00:00", "Z")
