"""Shares of people: how many of how many, and where the true share lies."""

from msgspec import Struct

from .numbers import Number, ratio
from .uncertainty import Interval, wilson


class Rate(Struct, frozen=True):
    """A share of ``of`` that is ``count``; ``interval`` holds the true one 95 times in 100.

    ``value`` is null of nothing, ``interval`` of fewer than five, which say too little.
    """

    count: int
    of: int
    value: Number | None
    interval: Interval | None


def rate(count: int, of: int) -> Rate:
    """Return how large a share ``count`` is of ``of``, with Wilson's interval."""
    return Rate(count, of, ratio(count, of), wilson(count, of))
