"""Shares of people: how many of how many, and where the true share lies."""

from typing import Literal, TypeAlias

from msgspec import Struct

from .insight import Unit
from .numbers import Number, ratio
from .uncertainty import Clusters, Interval, by_people, wilson

State: TypeAlias = Literal["ok", "not_enough_data", "not_independent", "not_told"]


class Rate(Struct, frozen=True):
    """A share of ``of`` that is ``count``; ``interval`` holds the true one 95 times in 100.

    ``value`` is null of nothing. ``state`` says why there is no interval: ``not_enough_data``, fewer
    than five independent ones say too little; ``not_independent``, several of them are of one person,
    and how many is not known here; ``not_told``, in a shared answer it could give somebody away.
    """

    count: int
    of: int
    value: Number | None
    interval: Interval | None
    state: State


def state_of(interval: Interval | None) -> State:
    """Return the state of an interval that is null only of too few."""
    return "not_enough_data" if interval is None else "ok"


def rate(count: int, of: int) -> Rate:
    """Return how large a share ``count`` is of ``of``, with Wilson's interval.

    Only for what is independent: people or accounts, each counted once.
    """
    interval = wilson(count, of)
    return Rate(count, of, ratio(count, of), interval, state_of(interval))


def rate_by_people(found: Clusters) -> Rate:
    """Return the share of sessions, views … that succeed, with an interval that knows whose they are."""
    interval = by_people(found)
    value = ratio(found.successes, found.trials)
    return Rate(found.successes, found.trials, value, interval, state_of(interval))


def rate_alone(count: int, of: int) -> Rate:
    """Return the share of what may belong to few people, without an interval."""
    return Rate(count, of, ratio(count, of), None, "not_independent")


def rate_per(unit: Unit, count: int, of: int) -> Rate:
    """Return the share of people, accounts or sessions, of which several may be of one person."""
    return rate_alone(count, of) if unit == "session" else rate(count, of)
