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
# How many bits of a word a sum of floating point keeps exact, with room to spare.
_BITS: Final = 48


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
    """One row a return; ``who`` and ``tick`` as in Starts, ``bucket`` is that of the calendar."""

    who: Ints
    bucket: Ints
    time: Ints
    tick: Ints


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
    """For some starts, by their places: whether they are retained, one row a bucket."""

    starts: Ints
    retained: Truths


def marks(starts: Starts, returns: Returns, rules: Rules) -> Iterator[Marks]:
    """Give the marks of all starts, part by part: in a part nobody starts twice."""
    return _celled(starts, returns, rules) if rules.is_celled else _followed(starts, returns, rules)


def _celled(starts: Starts, returns: Returns, rules: Rules) -> Iterator[Marks]:
    """Look each bucket of each start up in a row of bits of the person."""
    people = int(max(starts.who.max(initial=-1), returns.who.max(initial=-1))) + 1
    known = np.flatnonzero(returns.who >= 0)
    words = _words(returns.who[known], returns.bucket[known], people)
    own = _by(returns.bucket[known], int(starts.cohort.max(initial=-1)) + 1)
    last = np.zeros(people, np.int64)
    for cohort, rows in enumerate(_by(starts.cohort, int(starts.cohort.max(initial=-1)) + 1)):
        theirs = known[own[cohort]]
        last[returns.who[theirs]] = returns.time[theirs]
        for some in _chunks(rows, rules):
            who = starts.who[some]
            came = np.zeros((rules.edges[-1], len(some)), np.bool_)
            for word in range(cohort // _BITS, len(words)):
                first = max(word * _BITS - cohort, 0)
                bits = words[word][who] >> (cohort + first - word * _BITS)
                for unit in range(first, min((word + 1) * _BITS - cohort, rules.edges[-1])):
                    came[unit] = bits & 1
                    bits >>= 1
            # Only in the bucket of the start itself may the last return be before it.
            came[0] &= last[who] > starts.time[some]
            yield Marks(some, _by_criterion(_bracketed(came, rules), rules))


def _words(who: Ints, bucket: Ints, people: int) -> list[Ints]:
    """Return a bit for each person and bucket, forty-eight buckets a word."""
    count = int(bucket.max(initial=-1)) // _BITS + 1
    found = []
    for number in range(count):
        mine = slice(None) if count == 1 else bucket // _BITS == number
        # Each bit is set once, so their sum is their union, and exact in floating point.
        bits = np.ldexp(1.0, (bucket[mine] - number * _BITS).astype(np.int32))
        found.append(np.bincount(who[mine], bits, people).astype(np.int64))
    return found


def _by(number: Ints, count: int) -> list[Ints]:
    """Return the places of each of the numbers from 0 up to but not including ``count``."""
    kept = np.flatnonzero(number < count)
    order = kept[np.argsort(number[kept].astype(np.uint16), kind="stable")]
    return np.split(order, np.cumsum(np.bincount(number[kept], minlength=count))[:-1])


def _chunks(rows: Ints, rules: Rules) -> Iterator[Ints]:
    most = max(1, _MOST_MARKS // (rules.edges[-1] + 1))
    for at in range(0, len(rows), most):
        yield rows[at : at + most]


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
    people = int(max(starts.who.max(initial=-1), returns.who.max(initial=-1))) + 1
    # One more for the number of nobody, which is -1.
    slots = np.full(people + 1, -1, np.int32)
    if rules.is_recurring:
        cohorts = _by(starts.cohort, int(starts.cohort.max(initial=-1)) + 1)
        order = np.argsort(returns.bucket.astype(np.uint16), kind="stable")
        bounds = np.cumsum(np.bincount(returns.bucket, minlength=1))
    else:
        cohorts, order, bounds = [np.arange(len(starts.who))], None, None
    for cohort, rows in enumerate(cohorts):
        theirs = None if order is None or bounds is None else order[_slice(bounds, cohort, rules)]
        for some in _chunks(rows, rules):
            slots[starts.who[some]] = np.arange(len(some), dtype=np.int32)
            of = slots[returns.who if theirs is None else returns.who[theirs]]
            kept = np.flatnonzero(of >= 0)
            found = kept if theirs is None else theirs[kept]
            yield _marked(starts, returns, rules, some, (found, of[kept]))
            slots[starts.who[some]] = -1


def _slice(bounds: Ints, cohort: int, rules: Rules) -> slice:
    """Return where the returns lie that may be of a cohort, in the order of their buckets."""
    first = int(bounds[min(cohort, len(bounds)) - 1]) if cohort else 0
    return slice(first, int(bounds[min(cohort + rules.reach, len(bounds) - 1)]))


def _marked(
    starts: Starts,
    returns: Returns,
    rules: Rules,
    some: Ints,
    found: tuple[Ints, NDArray[np.int32]],
) -> Marks:
    rows, of = found
    time, tick = starts.time[some], starts.tick[some]
    is_after = returns.time[rows] > time[of]
    if not is_after.all():
        rows, of = rows[is_after], of[is_after]
    bucket = _buckets(returns.tick[rows] - tick[of], rules)
    came = np.zeros((rules.buckets + 1, len(some)), np.bool_)
    came[bucket, of] = True
    return Marks(some, _by_criterion(came, rules))


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
