"""A saved question asked of another range and of fewer events, as a dashboard or a link asks it.

Nothing else of it changes. Filters only ever leave fewer events; what a question has of its own stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery

from .insight import Insight
from .ranges import Dates, Interval, span_of, zone_of

# Up to so many days a trend has such buckets, so that its chart has a readable number of points.
_USUAL: Final[tuple[tuple[int, Interval], ...]] = ((2, "hour"), (92, "day"), (400, "week"))


class Narrowing(Struct, frozen=True):
    """What is asked for in place of the range, and which filters hold besides; None changes nothing.

    ``zone`` is the project's.
    """

    zone: str
    now: int
    range: Dates | str | None = None
    filters: Sequence[Any] = ()


def narrowed(
    insight: Insight, question: Mapping[str, Any], *, by: Narrowing, address: str
) -> bytes:
    """Return a question narrowed, as JSON; raises InvalidQuery if it cannot be.

    ``address`` is how the pages write the question; one that names no interval leaves it to the
    range.
    """
    asked = dict(question)
    known = insight.question.__struct_fields__
    if by.range is not None:
        _need(insight, "range" in known, "range")
        asked["range"] = by.range
        if insight.name == "trends" and address and "i" not in parse_qs(address):
            asked["interval"] = usual_interval(by.range, asked.get("timezone") or by.zone, by.now)
    if by.filters:
        if "also" in known:
            # Of visits: each filter may be satisfied by another event of the visit.
            asked["also"] = [*asked.get("also", ()), *by.filters]
        else:
            _need(insight, "filter" in known, "filter")
            own = asked.get("filter")
            asked["filter"] = {"op": "and", "filters": [*([own] if own else []), *by.filters]}
    return _encode(asked)


def usual_interval(range_: Dates | str, zone: str, now: int) -> Interval:
    """Return the length of bucket that suits a range; raises InvalidQuery if it is no range."""
    span = span_of(range_, zone_of(zone), now)
    days = -(-(span.until - span.since) // DAY)
    return next((interval for most, interval in _USUAL if days <= most), "month")


def check_range(range_: Dates | str | None, zone: str, now: int) -> None:
    """Raise InvalidQuery for a range that means no time."""
    if range_ is not None:
        span_of(range_, zone_of(zone), now)


def _need(insight: Insight, holds: bool, what: str) -> None:
    if not holds:
        raise InvalidQuery(f"A question of {insight.name} has no {what}.", path=what)


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
