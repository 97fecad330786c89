"""The ways people take: events in order, cut into walks, and the node of each walk at each step.

Events are ordered by (time, seq) within their session or person. Sorting whole rows by three keys
would take ten times as long as sorting one number that holds what matters of them and their place.
"""

from typing import Final, Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from .numbering import numbered

Ints = NDArray[np.int64]
Truths = NDArray[np.bool_]
Mode: TypeAlias = Literal["all", "from", "to", "between"]

# A walk that has ended, and what stands for the steps left out of one that is too long.
ENDED: Final = -1
SKIPPED: Final = -2


class Events(Struct, frozen=True):
    """One row an event: whose, when, which node, and whether a walk may start or end there."""

    unit: Ints
    time: Ints
    seq: Ints
    node: Ints
    is_start: Truths
    is_end: Truths


class Rules(Struct, frozen=True):
    """How events become walks: ``gap`` in microseconds ends one, None if no pause does."""

    mode: Mode
    depth: int
    gap: int | None
    is_unique: bool
    collapses: bool


class Walks(Struct, frozen=True):
    """One row a walk: whose it is, and for each step its nodes, the first step first.

    A walk to an end goes backwards: its first step is the end.
    """

    unit: Ints
    steps: list[Ints]


class _Rows(Struct, frozen=True):
    """Events in order; ``first`` are the first rows of the sequences they are in."""

    unit: Ints
    node: Ints
    is_start: Truths
    is_end: Truths
    first: Ints

    def sequence(self, rows: Ints) -> Ints:
        """Return the number of the sequence that each of some rows is in."""
        found: Ints = np.searchsorted(self.first, rows, side="right") - 1
        return found

    def after(self, sequence: Ints) -> Ints:
        """Return the row after the last one of each of some sequences."""
        return np.append(self.first, len(self.unit))[sequence + 1]


def walks(events: Events, rules: Rules) -> Walks:
    """Return the walks; of each session or person only the first if they are unique."""
    rows = _sequences(events, rules)
    begins, ends = _bounds(rows, rules.mode)
    if rules.is_unique and len(begins):
        whose = rows.unit[begins]
        is_first = np.concatenate(([True], whose[1:] != whose[:-1]))
        begins, ends = begins[is_first], ends[is_first]
    steps = [_step(rows, rules, begins, ends, number) for number in range(rules.depth)]
    return Walks(rows.unit[begins], steps)


def in_order(unit: Ints, time: Ints, seq: Ints) -> Ints:
    """Return the places of rows so that they are together by unit, and in it by (time, seq)."""
    if not len(unit):
        return np.zeros(0, np.int64)
    rank, since = _small(unit), time - time.min()
    ranks, bits = int(rank.max()).bit_length(), len(unit).bit_length()
    # Where not all of the time fits between unit and place, its lowest bits are left to the ties.
    fits = 63 - ranks - bits
    shift = max(0, int(since.max()).bit_length() - fits)
    keys = rank << fits
    keys |= since >> shift
    keys <<= bits
    keys |= np.arange(len(unit))
    keys.sort()
    order = keys & ((1 << bits) - 1)
    keys >>= bits
    tied = keys[1:] == keys[:-1]
    if not tied.any():
        return order
    among = np.zeros(len(order), np.bool_)
    among[1:] |= tied
    among[:-1] |= tied
    rows = np.flatnonzero(among)
    runs = np.cumsum(~np.concatenate(([False], tied[rows[1:] - 1] & (np.diff(rows) == 1))))
    those = order[rows]
    if shift:
        finer = in_order(runs, since[those] & ((1 << shift) - 1), seq[those])
    else:
        finer = np.lexsort((seq[those], runs))
    order[rows] = those[finer]
    return order


def _small(unit: Ints) -> Ints:
    """Return numbers of the units that leave room beside them for a place and some of the time."""
    least = int(unit.min())
    if (int(unit.max()) - least).bit_length() + len(unit).bit_length() <= 51:
        return unit - least
    return numbered(unit, unit[:0])[0]


def _sequences(events: Events, rules: Rules) -> _Rows:
    order = in_order(events.unit, events.time, events.seq)
    unit, node = events.unit[order], events.node[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = unit[1:] != unit[:-1]
    if rules.gap is not None:
        time = events.time[order]
        begins[1:] |= time[1:] - time[:-1] > rules.gap
    is_start = events.is_start[order] if rules.mode in {"from", "between"} else begins
    is_end = events.is_end[order] if rules.mode in {"to", "between"} else begins
    if rules.collapses and len(order):
        changes = begins.copy()
        changes[1:] |= node[1:] != node[:-1]
        kept = np.flatnonzero(changes)
        # Of a run of one node, any event may be the one that a walk starts or ends at.
        if is_start is not begins:
            is_start = np.logical_or.reduceat(is_start, kept)
        if is_end is not begins:
            is_end = np.logical_or.reduceat(is_end, kept)
        unit, node, begins = unit[kept], node[kept], begins[kept]
    return _Rows(unit, node, is_start, is_end, np.flatnonzero(begins))


def _bounds(rows: _Rows, mode: Mode) -> tuple[Ints, Ints]:
    """Return the first row of each walk, and the row after its last."""
    match mode:
        case "all":
            return rows.first, rows.after(np.arange(len(rows.first)))
        case "from":
            begins = np.flatnonzero(rows.is_start)
            return begins, rows.after(rows.sequence(begins))
        case "to":
            begins = np.flatnonzero(rows.is_end)
            return begins, rows.first[rows.sequence(begins)]
        case "between":
            return _between(rows)


def _between(rows: _Rows) -> tuple[Ints, Ints]:
    """Return each start with the first end after it; a further one begins only after that end."""
    marks = np.flatnonzero(rows.is_start | rows.is_end)
    starts, ends, sequence = rows.is_start[marks], rows.is_end[marks], rows.sequence(marks)
    if not len(marks):
        return marks, marks
    # What is both closes an open walk and opens one otherwise; so whether a walk is open before a
    # mark follows from the last mark that is one thing only, and from how many are both since then.
    is_both = starts & ends
    places = np.arange(len(marks))
    is_new = np.concatenate(([True], sequence[1:] != sequence[:-1]))
    reset = np.maximum.accumulate(np.where(is_new, places, 0))
    single = np.maximum.accumulate(np.where(is_both, -1, places))
    before = np.concatenate(([-1], single[:-1]))
    is_known = before >= reset
    both = np.concatenate(([0], np.cumsum(is_both)))
    since = both[places] - both[np.where(is_known, before + 1, reset)]
    is_open = (is_known & starts[before]) ^ (since % 2 == 1)
    is_open &= ~is_new
    opens, closes = ~is_open & starts, is_open & ends
    turns = np.flatnonzero(opens | closes)
    closing = np.flatnonzero(closes[turns])
    return marks[turns[closing - 1]], marks[turns[closing]] + 1


def _step(rows: _Rows, rules: Rules, begins: Ints, ends: Ints, number: int) -> Ints:
    """Return the node of each walk at a step, ENDED if it has no more."""
    if rules.mode == "to":
        at = begins - number
        is_there = at >= ends
    else:
        at = begins + number
        is_there = at < ends
    if not len(rows.node):
        return np.zeros(0, np.int64)
    found = np.where(is_there, rows.node[np.clip(at, 0, len(rows.node) - 1)], ENDED)
    if rules.mode == "between" and number >= rules.depth - 2:
        is_long = ends - begins > rules.depth
        last = number == rules.depth - 1
        found = np.where(is_long, rows.node[ends - 1] if last else SKIPPED, found)
    return found
