"""The buckets of a range as an answer states them: a local label, instants, and whether it is over."""

from typing import Final

from msgspec import Struct

from tallymark.core.clock import moment

from .ranges import Buckets, Interval
from .selection import Frame, period

_FORMATS: Final[dict[Interval, str]] = {"month": "%Y-%m", "year": "%Y"}


class Bucket(Struct, frozen=True):
    """One bucket; ``label`` is its local start, ``since`` and ``until`` bound its events."""

    label: str
    since: str
    until: str
    is_incomplete: bool


def timeline(cut: Buckets, interval: Interval, frame: Frame) -> list[Bucket]:
    """Return the buckets in order; one is incomplete if it is not over or only partly asked for."""
    found = []
    for number in range(len(cut.edges) - 1):
        part = period(cut.clipped(number))
        found.append(
            Bucket(
                label=label_of_edge(cut.edges[number], interval, frame),
                since=part.since,
                until=part.until,
                is_incomplete=cut.is_incomplete(number, frame.scope.now),
            )
        )
    return found


def label_of_edge(edge: int, interval: Interval, frame: Frame) -> str:
    """Return the label of a bucket that starts at this instant."""
    local = moment(edge).astimezone(frame.zone)
    if interval in {"minute", "hour"}:
        # The offset tells the two 02:00 hours of an autumn night apart.
        return local.isoformat(timespec="minutes")
    # A bucket may start at 01:00, but only where midnight does not exist.
    return local.strftime(_FORMATS.get(interval, "%Y-%m-%d"))
