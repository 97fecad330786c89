"""The numbers of retention: marks of people added up by cohort, group and bucket."""

from collections.abc import Mapping
from itertools import accumulate
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery

from ._retention_kernel import Criterion, Ints, Marks, Returns, Starts, marks
from ._retention_question import Plan

Sums: TypeAlias = Mapping[tuple[int, int, int], int]

# What the distinct people of all cohorts may take: one byte a person and bucket.
_MOST_SEEN = 1 << 28


class Tally(Struct, frozen=True):
    """The numbers of one group, by cohort and bucket; amounts in units of the ninth place.

    ``overall`` are (people, returned, amount) of each bucket, of complete cells.
    """

    people: int
    started: list[int]
    returned: list[list[int]]
    amounts: list[list[int]]
    overall: list[tuple[int, int, int]]


def tallied(plan: Plan, starts: Starts, returns: Returns, groups: int, sums: Sums) -> list[Tally]:
    """Return the numbers of so many groups; ``sums`` are by (group, cohort, bucket)."""
    cohorts, buckets = plan.cohorts, plan.rules.buckets
    code = starts.group * cohorts + starts.cohort
    size = groups * cohorts
    started = np.bincount(code, minlength=size).reshape(groups, cohorts)
    returned = np.zeros((buckets, size), np.int64)
    seen = _Seen(plan, starts, groups) if plan.options.overall == "people" else None
    for some in marks(starts, returns, plan.rules):
        codes = code[some.starts]
        _count(returned, codes, some)
        if seen is not None:
            seen.take(some)
    shaped = returned.T.reshape(groups, cohorts, buckets)
    amounts = _amounts(plan, sums, groups)
    complete = _complete(plan)
    found = [
        _tally(started[group], shaped[group], amounts[group], complete) for group in range(groups)
    ]
    return found if seen is None else _once(found, seen)


def _once(found: list[Tally], seen: "_Seen") -> list[Tally]:
    """Return the numbers with each person once in the row of all cohorts."""
    people = seen.people()
    return [
        replace(
            one,
            people=people[group],
            overall=[
                (*counted, amount)
                for counted, (_, _, amount) in zip(seen.counted(group), one.overall, strict=True)
            ],
        )
        for group, one in enumerate(found)
    ]


def _count(returned: Ints, codes: Ints, some: Marks) -> None:
    """Add who is retained, by cohort and group."""
    if len(codes) and (codes == codes[0]).all():
        returned[:, codes[0]] += np.count_nonzero(some.retained, axis=1)
        return
    for bucket, retained in enumerate(some.retained):
        returned[bucket] += np.bincount(codes[retained], minlength=returned.shape[1])


class _Seen:
    """Who of each group was in a complete cell of a bucket, and who of them is retained."""

    def __init__(self, plan: Plan, starts: Starts, groups: int) -> None:
        pairs, self._pair = np.unique(starts.person * groups + starts.group, return_inverse=True)
        self._groups = groups
        self._group = pairs % groups
        if 2 * len(pairs) * plan.rules.buckets > _MOST_SEEN:
            raise InvalidQuery(
                "To count people once, this is too many people and buckets.",
                code="QUERY_TOO_LARGE",
                hint="Ask for fewer buckets, or with overall = weighted.",
                path="buckets",
            )
        shape = (plan.rules.buckets, len(pairs))
        self._tried, self._back = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self._cohort = starts.cohort
        self._complete = _complete(plan)

    def take(self, some: Marks) -> None:
        """Note the marks of some starts."""
        who, cohort = self._pair[some.starts], self._cohort[some.starts]
        for bucket, complete in enumerate(self._complete.T):
            counts = complete[cohort]
            self._tried[bucket, who[counts]] = True
            self._back[bucket, who[counts & some.retained[bucket]]] = True

    def people(self) -> list[int]:
        """Return how many people each group has."""
        return [int(n) for n in np.bincount(self._group, minlength=self._groups)]

    def counted(self, group: int) -> list[tuple[int, int]]:
        """Return (people, returned) of a group in each bucket."""
        mine = self._group == group
        return [
            (int(tried[mine].sum()), int(back[mine].sum()))
            for tried, back in zip(self._tried, self._back, strict=True)
        ]


def _complete(plan: Plan) -> NDArray[np.bool_]:
    """Return which cells are complete: one row a cohort, one column a bucket."""
    found = [
        [plan.is_complete(cohort, bucket) for bucket in range(plan.rules.buckets)]
        for cohort in range(plan.cohorts)
    ]
    return np.array(found, np.bool_)


def _tally(
    started: Ints, returned: Ints, amounts: list[list[int]], complete: NDArray[np.bool_]
) -> Tally:
    """Return the numbers of a group; of the row of all cohorts those of complete cells."""
    people = (started[:, None] * complete).sum(axis=0)
    back = (returned * complete).sum(axis=0)
    sums = [
        sum(
            row[bucket]
            for row, is_complete in zip(amounts, complete, strict=True)
            if is_complete[bucket]
        )
        for bucket in range(complete.shape[1])
    ]
    return Tally(
        people=int(started.sum()),
        started=started.tolist(),
        returned=returned.tolist(),
        amounts=amounts,
        overall=list(zip(people.tolist(), back.tolist(), sums, strict=True)),
    )


def _amounts(plan: Plan, sums: Sums, groups: int) -> list[list[list[int]]]:
    """Return the sums by group, cohort and bucket, as the criterion adds them up."""
    buckets = plan.rules.buckets
    found = [[[0] * (buckets + 1) for _ in range(plan.cohorts)] for _ in range(groups)]
    for (group, cohort, bucket), amount in sums.items():
        found[group][cohort][bucket] = amount
    return [[_added(row, plan.options.criterion) for row in rows] for rows in found]


def _added(row: list[int], criterion: Criterion) -> list[int]:
    match criterion:
        case "on_or_before":
            return list(accumulate(row[:-1]))
        case "on_or_after":
            return list(accumulate(row[::-1]))[::-1][:-1]
        case "on" | "streak":
            return row[:-1]
