"""Who came back in which bucket: the pass over the starts and the returns of people.

A *start* is one person in one cohort, with the instant of their first start event in it. A *return*
is an event, the last one of a bucket, or the last one of all, whichever is enough for the question.
What happens at the very instant of the start is no return.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Truths = NDArray[np.bool_]
Criterion: TypeAlias = Literal["on", "on_or_after", "on_or_before", "streak"]

# How many marks of (person, bucket) are made at once.
_MOST_MARKS: Final = 1 << 24


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
    tick: Ints


class Returns(Struct, frozen=True):
    """One row a return; ``who`` and ``tick`` as in Starts, ``bucket`` is that of the calendar.

    ``limbs`` are the parts of the number measured, the lowest first, none if none is.
    """

    who: Ints
    bucket: Ints
    time: Ints
    tick: Ints
    limbs: tuple[Ints, ...] = ()


class Rules(Struct, frozen=True):
    """How ticks become buckets, and when somebody is retained in one.

    Bucket n holds the units from ``edges[n]`` up to ``edges[n + 1]`` after the start, each of ``unit``
    ticks. ``reach`` is how many buckets of the calendar after their cohort returns may lie in. With
    ``is_celled`` there is at most one return of anybody in a bucket of the calendar, its last.
    """

    criterion: Criterion
    unit: int
    edges: tuple[int, ...]
    reach: int
    is_recurring: bool
    is_celled: bool
    starts_streak: bool
    counts_everyone: bool

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return len(self.edges) - 1


class Marks(Struct, frozen=True):
    """For some starts, by their places: whether they are retained, one row a bucket.

    ``returns`` are the places of the returns that count, ``of`` the start each belongs to, and
    ``bucket`` where it lies: the number of buckets for one that comes after all of them. They are
    empty where nothing is measured of them.
    """

    starts: Ints
    retained: Truths
    returns: Ints
    of: Ints
    bucket: Ints


def marks(starts: Starts, returns: Returns, rules: Rules) -> Iterator[Marks]:
    """Give the marks of all starts, part by part: in a part nobody starts twice."""
    return _celled(starts, returns, rules) if rules.is_celled else _followed(starts, returns, rules)


def numbered(keys: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Return a dense number for each of the keys, and that of each of the others, -1 for no key."""
    largest = int(max(keys.max(initial=0), others.max(initial=0)))
    if largest > 64 * (len(keys) + len(others)) + (1 << 20) or keys.min(initial=0) < 0:
        known = np.unique(keys)
        places = np.minimum(np.searchsorted(known, others), max(len(known) - 1, 0))
        found = known[places] == others if len(known) else np.zeros(len(others), np.bool_)
        return np.searchsorted(known, keys), np.where(found, places, -1)
    # Keys are surrogates from 1 on, so a table of them is small and quicker than a search.
    is_key = np.zeros(largest + 1, np.bool_)
    is_key[keys] = True
    numbers = np.full(largest + 1, -1, np.int64)
    numbers[is_key] = np.arange(int(np.count_nonzero(is_key)))
    return numbers[keys], numbers[others]


def _celled(starts: Starts, returns: Returns, rules: Rules) -> Iterator[Marks]:
    """Look each bucket of each start up in a table of all people and buckets."""
    width = max(int(returns.bucket.max(initial=0)), int(starts.cohort.max(initial=0))) + 1
    width += rules.edges[-1]
    people = int(starts.who.max(initial=-1)) + 1
    height = max(1, _MOST_MARKS // width)
    none = np.zeros(0, np.int64)
    for low in range(0, people, height):
        mine = (starts.who >= low) & (starts.who < low + height)
        theirs = np.flatnonzero((returns.who >= low) & (returns.who < low + height))
        cells = np.full((min(height, people - low), width), -1, np.int32)
        cells[returns.who[theirs] - low, returns.bucket[theirs]] = theirs
        for cohort in np.unique(starts.cohort[mine]):
            some = np.flatnonzero(mine & (starts.cohort == cohort))
            found = cells[starts.who[some] - low, cohort : cohort + rules.edges[-1]]
            came = found >= 0
            # Only in the bucket of the start itself may the last return be before it.
            own = found[:, 0]
            came[:, 0] &= returns.time[own] > starts.time[some] if len(returns.time) else False
            yield Marks(some, _by_criterion(_bracketed(came.T, rules), rules), none, none, none)


def _bracketed(came: Truths, rules: Rules) -> Truths:
    """Return who came in each bracket, from who came in each unit, and an empty row for later ones."""
    found = np.zeros((rules.buckets + 1, came.shape[1]), np.bool_)
    if rules.edges[-1] == rules.buckets:
        found[:-1] = came
    else:
        found[:-1] = np.logical_or.reduceat(came, rules.edges[:-1], axis=0)
    return found


def _followed(starts: Starts, returns: Returns, rules: Rules) -> Iterator[Marks]:
    """Give each return to the starts of its person that it follows."""
    order, bounds = None, np.zeros(1, np.int64)
    if rules.is_recurring:
        order = np.argsort(returns.bucket.astype(np.uint16), kind="stable")
        bounds = np.cumsum(np.bincount(returns.bucket, minlength=1))
    everybody = np.arange(len(returns.who))
    people = int(max(starts.who.max(initial=-1), returns.who.max(initial=-1))) + 1
    # One more for the number of nobody, which is -1.
    slots = np.full(people + 1, -1, np.int32)
    for cohort, some in _parts(starts, rules):
        rows = everybody if order is None else order[_slice(bounds, cohort, rules)]
        slots[starts.who[some]] = np.arange(len(some), dtype=np.int32)
        of = slots[returns.who[rows]]
        kept = np.flatnonzero(of >= 0)
        yield _marked(starts, returns, rules, some, (rows[kept], of[kept].astype(np.int64)))
        slots[starts.who[some]] = -1


def _parts(starts: Starts, rules: Rules) -> Iterator[tuple[int, Ints]]:
    """Give the starts of each cohort if they recur, else all, so many at once as there is room for."""
    most = max(1, _MOST_MARKS // (rules.buckets + 1))
    if rules.is_recurring:
        order = np.argsort(starts.cohort, kind="stable")
        cuts = np.flatnonzero(np.diff(starts.cohort[order])) + 1
        cohorts = [part for part in np.split(order, cuts) if len(part)]
    else:
        cohorts = [np.arange(len(starts.who))] if len(starts.who) else []
    for cohort in cohorts:
        for at in range(0, len(cohort), most):
            yield int(starts.cohort[cohort[0]]), cohort[at : at + most]


def _slice(bounds: Ints, cohort: int, rules: Rules) -> slice:
    """Return where the returns lie that may be of a cohort, in the order of their buckets."""
    first = int(bounds[min(cohort, len(bounds)) - 1]) if cohort else 0
    return slice(first, int(bounds[min(cohort + rules.reach, len(bounds) - 1)]))


def _marked(
    starts: Starts, returns: Returns, rules: Rules, some: Ints, found: tuple[Ints, Ints]
) -> Marks:
    rows, of = found
    is_after = returns.time[rows] > starts.time[some][of]
    rows, of = rows[is_after], of[is_after]
    bucket = _buckets(returns.tick[rows] - starts.tick[some][of], rules)
    came = np.zeros((rules.buckets + 1, len(some)), np.bool_)
    came[bucket, of] = True
    return Marks(some, _by_criterion(came, rules), rows, of, bucket)


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
