"""Who came back in which bucket: the pass over the starts and the returns of people.

A *start* is one person in one cohort, with the instant of their first start event in it. A *return*
is an event, the last event of a bucket, or the last of all, whichever is enough for the question.
Instants are ordered by (time, seq), so that of two events of one microsecond the one that came later
is after.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Truths = NDArray[np.bool_]
Criterion: TypeAlias = Literal["on", "on_or_after", "on_or_before", "streak"]

# Sums are kept in parts so small that twenty million of them fit into 64 bits.
LIMB: Final = 10**10
# How many marks of (person, bucket) are made at once.
_MOST_MARKS: Final = 1 << 26


class Starts(Struct, frozen=True):
    """One row a start: the person, in which cohort and group, when, and where their clock begins.

    ``who`` is a dense number of the person, or of the person and their value where a return needs the
    same one. ``tick`` counts what the clock counts: microseconds, days or buckets.
    """

    person: Ints
    who: Ints
    cohort: Ints
    group: Ints
    time: Ints
    seq: Ints
    tick: Ints


class Returns(Struct, frozen=True):
    """One row a return, by the bucket of the calendar it lies in; ``who`` and ``tick`` as in Starts.

    ``limbs`` are the parts of the number measured, the lowest first, none if none is.
    """

    who: Ints
    bucket: Ints
    time: Ints
    seq: Ints
    tick: Ints
    limbs: tuple[Ints, ...] = ()


class Rules(Struct, frozen=True):
    """How ticks become buckets, and when somebody is retained in one.

    Bucket n holds the units from ``edges[n]`` up to ``edges[n + 1]`` after the start, each of ``unit``
    ticks. ``reach`` is how many buckets of the calendar after their cohort returns may lie in.
    """

    criterion: Criterion
    unit: int
    edges: tuple[int, ...]
    reach: int
    is_recurring: bool
    starts_streak: bool
    counts_everyone: bool

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return len(self.edges) - 1


class Marks(Struct, frozen=True):
    """For some starts, by their places: whether they are retained, one row a bucket.

    ``returns`` are the places of the returns that count, ``of`` the start each belongs to, and
    ``bucket`` where it lies: the number of buckets for one that comes after all of them.
    """

    starts: Ints
    retained: Truths
    returns: Ints
    of: Ints
    bucket: Ints


def marks(starts: Starts, returns: Returns, rules: Rules) -> Iterator[Marks]:
    """Give the marks of all starts, part by part: in a part nobody starts twice."""
    order = np.argsort(returns.bucket.astype(np.int32), kind="stable")
    bounds = np.cumsum(np.bincount(returns.bucket)) if len(order) else np.zeros(1, np.int64)
    people = int(max(starts.who.max(initial=-1), returns.who.max(initial=-1))) + 1
    slots = np.full(people, -1, np.int32)
    for cohort, some in _parts(starts, rules):
        rows = order if cohort is None else order[_slice(bounds, cohort, rules)]
        slots[starts.who[some]] = np.arange(len(some), dtype=np.int32)
        yield _marked(starts, returns, rules, some, _of(slots, returns.who, rows))
        slots[starts.who[some]] = -1


def numbered(keys: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Return a dense number for each of the keys, and that of each of the others, -1 for no key."""
    largest = int(max(keys.max(initial=0), others.max(initial=0)))
    if largest > 64 * (len(keys) + len(others)) + (1 << 20) or keys.min(initial=0) < 0:
        known = np.unique(keys)
        places = np.minimum(np.searchsorted(known, others), max(len(known) - 1, 0))
        found = known[places] == others if len(known) else np.zeros(len(others), np.bool_)
        return np.searchsorted(known, keys), np.where(found, places, -1)
    # Keys are surrogates from 1 on, so a table of them is small and quicker than a search.
    numbers = np.full(largest + 1, -1, np.int64)
    numbers[keys] = 0
    is_key = numbers == 0
    numbers[is_key] = np.arange(int(is_key.sum()))
    return numbers[keys], numbers[others]


def _parts(starts: Starts, rules: Rules) -> Iterator[tuple[int | None, Ints]]:
    most = max(1, _MOST_MARKS // (rules.buckets + 1))
    if rules.is_recurring:
        order = np.argsort(starts.cohort, kind="stable")
        cuts = np.flatnonzero(np.diff(starts.cohort[order])) + 1
        cohorts = [part for part in np.split(order, cuts) if len(part)]
    else:
        cohorts = [np.arange(len(starts.who))]
    for cohort in cohorts:
        number = int(starts.cohort[cohort[0]]) if rules.is_recurring else None
        for at in range(0, len(cohort), most):
            yield number, cohort[at : at + most]


def _slice(bounds: Ints, cohort: int, rules: Rules) -> slice:
    last = min(cohort + rules.reach, len(bounds) - 1)
    first = int(bounds[min(cohort, len(bounds)) - 1]) if cohort else 0
    return slice(first, int(bounds[last]))


def _of(slots: NDArray[np.int32], who: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return the rows whose person starts in this part, and the place of that start in it."""
    found = slots[who[rows]]
    # The number of nobody is -1, which would look up the last slot.
    kept = np.flatnonzero((found >= 0) & (who[rows] >= 0))
    return rows[kept], found[kept].astype(np.int64)


def _marked(
    starts: Starts, returns: Returns, rules: Rules, some: Ints, found: tuple[Ints, Ints]
) -> Marks:
    rows, of = found
    begun, time = starts.time[some][of], returns.time[rows]
    is_after = (time > begun) | ((time == begun) & (returns.seq[rows] > starts.seq[some][of]))
    rows, of = rows[is_after], of[is_after]
    bucket = _buckets(returns.tick[rows] - starts.tick[some][of], rules)
    retained = np.zeros((rules.buckets + 1, len(some)), np.bool_)
    retained[bucket, of] = True
    return Marks(some, _by_criterion(retained, rules), rows, of, bucket)


def _buckets(ticks: Ints, rules: Rules) -> Ints:
    """Return the bucket so many ticks after a start, the number of buckets for any later one."""
    units = ticks if rules.unit == 1 else ticks // rules.unit
    if rules.edges[-1] == rules.buckets:
        return np.minimum(units, rules.buckets)
    return np.searchsorted(np.array(rules.edges[1:]), units, side="right")


def _by_criterion(came: Truths, rules: Rules) -> Truths:
    """Return who is retained in each bucket, from who came in each, the last being all later ones."""
    if (rules.criterion == "streak" and rules.starts_streak) or rules.counts_everyone:
        came[0] = True
    match rules.criterion:
        case "on":
            return came[:-1]
        case "on_or_after":
            later: Truths = np.logical_or.accumulate(came[::-1], axis=0)[::-1]
            return later[:-1]
        case "on_or_before":
            return np.logical_or.accumulate(came[:-1], axis=0)
        case "streak":
            return np.logical_and.accumulate(came[:-1], axis=0)
