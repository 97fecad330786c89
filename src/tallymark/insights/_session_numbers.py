"""The numbers of some sessions, from what the statement of sessions found."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from tallymark.core.clock import MICROSECONDS

from . import clusters, percentiles
from .numbers import Number, ratio
from .rates import Rate, rate_by_people


class SessionNumbers(Struct, frozen=True):
    """The numbers of some sessions; what is of a session is null of none."""

    sessions: int
    people: int
    bounces: int
    bounce_rate: Rate
    engaged: int
    engaged_rate: Rate
    seconds: Number
    mean_seconds: Number | None
    median_seconds: Number | None
    p90_seconds: Number | None
    events: int
    events_per_session: Number | None
    views: int
    views_per_session: Number | None


class SessionPage(Struct, frozen=True):
    """The sessions that begin or end on a page; the path is null where they view none."""

    path: str | None
    sessions: int
    bounces: int
    bounce_rate: Rate


def numbers_of(
    cells: Mapping[Any, tuple[Any, ...]],
    p90: Mapping[Any, Sequence[int]],
    place: int | None,
    bucket: int | None,
) -> SessionNumbers:
    """Return the numbers of a cell; of percentiles the values next to the rank are given."""
    found = cells.get((place, bucket))
    counts = [int(number) for number in found[2:9]] if found else [0] * 7
    sessions, people, bounces, engaged, length, events, views = counts
    return SessionNumbers(
        sessions=sessions,
        people=people,
        bounces=bounces,
        bounce_rate=rate_by_people(clusters.told(found and found[9])),
        engaged=engaged,
        engaged_rate=rate_by_people(clusters.told(found and found[10])),
        seconds=ratio(length, MICROSECONDS) or 0,
        mean_seconds=ratio(length, MICROSECONDS * sessions),
        median_seconds=_percentile(found[11] if found else None, sessions, 50),
        p90_seconds=_percentile(p90.get((place, bucket)), sessions, 90),
        events=events,
        events_per_session=ratio(events, sessions),
        views=views,
        views_per_session=ratio(views, sessions),
    )


def _percentile(near: Sequence[int] | None, n: int, percent: int) -> Number | None:
    if near is None:
        return None
    return percentiles.between([Decimal(value) / MICROSECONDS for value in near], n, percent)


def pages_of(rows: list[tuple[Any, ...]]) -> list[SessionPage]:
    """Return the pages with most sessions first, sessions without any page after their equals."""
    found = [
        SessionPage(row[12], int(row[2]), int(row[4]), rate_by_people(clusters.told(row[9])))
        for row in rows
    ]
    return sorted(found, key=lambda one: (-one.sessions, one.path is None, one.path or ""))
