"""Which group of a breakdown each try of a funnel is in, and which groups are shown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from tallymark.store.engine import Rows

from ._funnel_numbers import Counted
from ._funnel_question import Attribution
from ._funnel_sql import NO_VALUE
from ._funnel_stream import Numbers, Truths
from .fields import Field
from .group_values import is_same, values_of
from .selection import Group


class Shown(Struct, frozen=True):
    """One group that is shown, by its number, with its values."""

    number: int
    values: list[Any]


def groups_of(found: Counted, attribution: Attribution, step: int) -> Numbers:
    """Return the number of the group of each try.

    ``first_touch`` and ``last_touch`` look at the events of its steps for the first or last that has
    a value, ``step`` at that of one step, numbered from 0; in ``all_steps`` all are in one group.
    """
    group = found.stream.group
    if group is None:
        return np.zeros(len(found.tries), np.int64)
    reached = found.tries.reached
    order = {
        "first_touch": range(len(reached)),
        "last_touch": range(len(reached) - 1, -1, -1),
        "all_steps": range(1),
        "step": range(step, step + 1),
    }[attribution]
    values = np.full(len(found.tries), NO_VALUE)
    for one in order:
        is_free = (values == NO_VALUE) & (reached[one] >= 0)
        values[is_free] = group[reached[one][is_free]]
    return values


def shown_groups(numbers: Numbers, rows: Rows, by: Sequence[Field], most: int) -> list[Shown]:
    """Return the groups with most tries; of equal ones first that with most events, missing last."""
    present, counts = np.unique(numbers, return_counts=True)
    known = _known(rows, by)
    listed = [
        (-int(count), int(number) if number != NO_VALUE else len(known), int(number))
        for number, count in zip(present, counts, strict=True)
        if int(number) in known
    ]
    return [Shown(number, known[number]) for _, _, number in sorted(listed)[:most]]


def in_group(numbers: Numbers, group: Group, rows: Rows, by: Sequence[Field]) -> Truths:
    """Return which tries are in the group a question names."""
    known = _known(rows, by)
    if group.values is not None:
        wanted = [number for number, values in known.items() if is_same(values, group.values)]
        return np.isin(numbers, wanted)
    others = group.other_than or []
    shown = [
        number for number, values in known.items() if any(is_same(values, one) for one in others)
    ]
    return ~np.isin(numbers, shown)


def _known(rows: Rows, by: Sequence[Field]) -> dict[int, list[Any]]:
    known = {number: values_of(by, values) for *values, number in rows.rows}
    return {**known, NO_VALUE: [None] * len(by)}
