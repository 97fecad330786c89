"""How far every try of every unit came, for all of them at once.

A try begins with an event of the first step, and each further step is the earliest event left that
can be it. Of tries that begin before the same second step the last one comes at least as far, so
it is enough to follow one for each second step; with that a funnel is a few searches in sorted
arrays, and knows the event of every step.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct

from ._funnel_question import Rules
from ._funnel_stream import NONE, Clock, Numbers, Stream, Truths

# How many tries are followed at a time: with twenty steps they take a hundred megabytes.
_BLOCK: Final = 1_000_000


class Tries(Struct, frozen=True):
    """Tries as one array a step: the place of the event that is it, NONE if it was not reached.

    The first array holds where they began. ``depth`` counts up to the furthest step reached, optional
    ones too. ``is_excluded`` says that something happened that removes who did it.
    """

    reached: Numbers
    depth: Numbers
    is_excluded: Truths

    def __len__(self) -> int:
        return len(self.depth)

    def of(self, chosen: Numbers | Truths) -> "Tries":
        """Return some of the tries."""
        return Tries(self.reached[:, chosen], self.depth[chosen], self.is_excluded[chosen])


def tries_of(stream: Stream, rules: Rules) -> Tries:
    """Return the tries that count, in the order of the stream.

    For uniques that is the best one of each unit; that of a unit which an exclusion removes is
    marked.
    """
    if rules.is_window_between:
        found = _linked(stream, rules)
        return found.of(best_of(stream, found, _owner(stream, rules)))
    walk = _Walk(stream, rules)
    parts: list[Tries] = [_none(rules)]
    for starts in _blocks(_starts(walk), _owner(stream, rules)):
        tries, ends = walk.tries(starts)
        if rules.count == "uniques":
            best = best_of(stream, tries, _owner(stream, rules))
            parts.append(tries.of(np.flatnonzero(best)))
        elif walk.is_one_after_another:
            parts.append(tries.of(_one_after_another(walk, starts, tries, ends)))
        else:
            parts.append(tries.of(_not_taken_over(tries)))
    return Tries(
        np.concatenate([one.reached for one in parts], axis=1),
        np.concatenate([one.depth for one in parts]),
        np.concatenate([one.is_excluded for one in parts]),
    )


class _Walk:
    """Follows tries through a stream from step to step."""

    def __init__(self, stream: Stream, rules: Rules) -> None:
        self.stream, self.rules = stream, rules
        bits = range(rules.steps + len(rules.exclusions))
        self.rows = [stream.rows_of(bit) for bit in bits]
        needs_clock = rules.tie is not None or self.is_one_after_another
        self.clock = Clock(stream) if needs_clock else None

    @property
    def is_one_after_another(self) -> bool:
        """Whether a try begins only when the one before has ended."""
        is_single = self.rules.order == "any" or self.rules.attempt == "first"
        return self.rules.count == "totals" and is_single

    def tries(self, starts: Numbers) -> tuple[Tries, Numbers]:
        """Return the tries from these events, and where an exclusion ended them, NONE if none did."""
        any_order = self.rules.order == "any"
        reached = self._in_any_order(starts) if any_order else self._in_order(starts)
        ends = self._exclusions(reached)
        cut = self._cut(reached, ends)
        depth = _depth(cut)
        if not self.rules.drops_actor:
            return Tries(cut, depth, np.zeros(len(starts), np.bool_)), ends
        # Whoever did what is excluded is held to have come one step further, if they did, no more.
        further = np.where(reached >= 0, np.arange(1, len(reached) + 1)[:, None], len(reached) + 1)
        further[further <= depth] = len(reached) + 1
        following = further.min(axis=0)
        is_excluded = ends >= 0
        depth = np.where(is_excluded & (following <= len(reached)), following, depth)
        return Tries(cut, depth, is_excluded), ends

    def _in_order(self, starts: Numbers) -> Numbers:
        reached = np.full((self.rules.steps, len(starts)), NONE, np.int32)
        reached[0] = starts
        alive, last = np.arange(len(starts)), starts
        latest = self.stream.time[starts]
        for optional, needed in _segments(self.rules.optional):
            taken = reached[:, alive]
            goal = self._following(needed, taken, last, latest)
            taken[needed] = goal
            for step in optional:
                found = self._following(step, taken, last, latest)
                found[~self._is_before(found, goal) | ~self._is_next(found, last, latest)] = NONE
                taken[step] = found
                last, latest = self._moved(found, last, latest)
            goal[~self._is_next(goal, last, latest)] = NONE
            taken[needed] = goal
            reached[:, alive] = taken
            on = goal >= 0
            last, latest = self._moved(goal[on], last[on], latest[on])
            alive = alive[on]
        return reached

    def _in_any_order(self, starts: Numbers) -> Numbers:
        reached = np.full((self.rules.steps, len(starts)), NONE, np.int32)
        # Where an event could be several steps, the one with the fewest events takes it.
        for step in sorted(range(self.rules.steps), key=lambda step: len(self.rows[step])):
            reached[step] = self._left(step, starts, reached, starts)
        far = len(self.stream)
        reached[reached < 0] = far
        reached.sort(axis=0)
        reached[reached == far] = NONE
        return reached

    def _following(self, step: int, taken: Numbers, last: Numbers, latest: Numbers) -> Numbers:
        """Return the earliest event left that is the step, after all taken or in a tie with them."""
        if self.clock is None or self.rules.tie is None:
            return self._left(step, last + 1, None, taken[0])
        low = self.clock.first_from(self.stream.lane[last], latest - self.rules.tie)
        return self._left(step, low, taken, taken[0])

    def _left(self, bit: int, low: Numbers, taken: Numbers | None, starts: Numbers) -> Numbers:
        """Return the first event with a bit from a place on that is not taken, in lane and window."""
        rows, stream = self.rows[bit], self.stream
        if not len(rows):
            return np.full(len(low), NONE)
        place = np.searchsorted(rows, low)
        found = rows[np.minimum(place, len(rows) - 1)]
        for _ in range(0 if taken is None else len(taken)):
            clash = (found == taken).any(axis=0)
            if not clash.any():
                break
            place += clash
            found = rows[np.minimum(place, len(rows) - 1)]
        ok = place < len(rows)
        ok &= stream.lane[found] == stream.lane[starts]
        ok &= stream.time[found] - stream.time[starts] <= self.rules.window
        return np.where(ok, found, NONE)

    def _is_before(self, found: Numbers, goal: Numbers) -> Truths:
        """Whether an event lies before another, or in a tie with it; true if there is no other."""
        if self.rules.tie is None:
            is_before: Truths = (goal < 0) | (found < goal)
        else:
            time = self.stream.time
            is_before = (goal < 0) | (time[found] <= time[goal] + self.rules.tie)
        return is_before

    def _is_next(self, found: Numbers, last: Numbers, latest: Numbers) -> Truths:
        """Whether nothing lies between what was taken and an event, where that is asked for."""
        if self.rules.order != "strict":
            return np.ones(len(found), np.bool_)
        if self.clock is None or self.rules.tie is None:
            is_adjacent: Truths = found == last + 1
            return is_adjacent
        stream, tie = self.stream, self.rules.tie
        following = self.clock.first_after(stream.lane[last], latest + tie)
        safe = np.minimum(following, len(stream) - 1)
        is_free: Truths = (following >= len(stream)) | (stream.lane[safe] != stream.lane[last])
        is_free |= stream.time[safe] >= stream.time[found] - tie
        return is_free

    def _moved(self, found: Numbers, last: Numbers, latest: Numbers) -> tuple[Numbers, Numbers]:
        """Return the last event and the latest time, having taken what was found."""
        later = np.maximum(latest, self.stream.time[found])
        return np.where(found >= 0, found, last), np.where(found >= 0, later, latest)

    def _exclusions(self, reached: Numbers) -> Numbers:
        """Return the first event that an exclusion is about, NONE if there is none."""
        stream, rules = self.stream, self.rules
        ends = np.full(reached.shape[1], NONE)
        for number, (after, before) in enumerate(rules.exclusions):
            live = np.flatnonzero(reached[after] >= 0)
            taken = reached[:, live]
            begin, end = taken[after], taken[before]
            low = begin + 1
            if self.clock is not None and rules.tie is not None:
                low = self.clock.first_after(stream.lane[begin], stream.time[begin] + rules.tie)
            found = self._left(rules.steps + number, low, taken, taken[0])
            is_in = end < 0
            is_in |= found < end if rules.tie is None else stream.time[found] < stream.time[end] - rules.tie  # fmt: skip
            hit = (found >= 0) & is_in & ((ends[live] < 0) | (found < ends[live]))
            ends[live[hit]] = found[hit]
        return ends

    def _cut(self, reached: Numbers, ends: Numbers) -> Numbers:
        """Return what was reached before the ends."""
        if not self.rules.exclusions:
            return reached
        time, tie = self.stream.time, self.rules.tie
        is_after = reached > ends if tie is None else time[reached] > time[ends] + tie
        is_after &= (ends >= 0) & (reached >= 0)
        # In a tie a later step may be an earlier event; without the step before it, it is none.
        return np.where(np.logical_or.accumulate(is_after, axis=0), NONE, reached)


def _segments(optional: tuple[bool, ...]) -> list[tuple[list[int], int]]:
    """Return each step that is needed but the first, with the optional ones before it."""
    found: list[tuple[list[int], int]] = []
    between: list[int] = []
    for step in range(1, len(optional)):
        if optional[step]:
            between.append(step)
        else:
            found.append((between, step))
            between = []
    return found


def _depth(reached: Numbers) -> Numbers:
    steps = np.arange(1, len(reached) + 1)[:, None]
    depth: Numbers = np.where(reached >= 0, steps, 0).max(axis=0)
    return depth


def _none(rules: Rules) -> Tries:
    reached = np.zeros((rules.steps, 0), np.int32)
    return Tries(reached, _depth(reached), np.zeros(0, np.bool_))


def _blocks(starts: Numbers, owner: Numbers) -> Iterator[Numbers]:
    """Return the starts in blocks that take little memory at a time, those of one owner together."""
    owners, begin = owner[starts], 0
    while begin < len(starts):
        end = begin + _BLOCK
        if end < len(starts):
            end = int(np.searchsorted(owners, owners[end - 1], side="right"))
        yield starts[begin:end]
        begin = end


def _owner(stream: Stream, rules: Rules) -> Numbers:
    return stream.lane if rules.per_value else stream.unit


def _starts(walk: _Walk) -> Numbers:
    """Return the events that begin a try, without those that cannot be the best one."""
    stream, rules = walk.stream, walk.rules
    starts: Numbers = walk.rows[0]
    if rules.order == "any":
        starts = np.flatnonzero(stream.steps & ((1 << rules.steps) - 1))
    time = stream.time[starts]
    starts = starts[(time >= rules.since) & (time < rules.until)]
    if rules.count == "totals" or not len(starts):
        return starts
    owner = _owner(stream, rules)[starts]
    heads = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    if rules.attempt == "first":
        rank = stream.rank[starts]
        least = np.repeat(np.minimum.reduceat(rank, heads), np.diff(np.append(heads, len(starts))))
        starts = starts[rank == least]
    elif rules.order != "any" and rules.tie is None and not rules.drops_actor:
        starts = _last_before_second(walk, starts)
    return starts


def _last_before_second(walk: _Walk, starts: Numbers) -> Numbers:
    """Return the first start of each lane, and of others those with no start before their next step.

    An exclusion may end the earlier tries too, and then a later one lives longer.
    """
    lane = walk.stream.lane[starts]
    keep: Truths = np.append(True, lane[1:] != lane[:-1])
    # Another start that comes first, or is that event itself, does not go past it.
    later = np.append(starts[1:], len(walk.stream))
    for step in range(1, walk.rules.steps):
        rows = walk.rows[step]
        if len(rows):
            place = np.searchsorted(rows, starts, side="right")
            following = rows[np.minimum(place, len(rows) - 1)]
            is_there = (place < len(rows)) & (walk.stream.lane[following] == lane)
            keep |= is_there & (later >= following)
        if not walk.rules.optional[step]:
            break
    kept: Numbers = starts[keep]
    return kept


def best_of(stream: Stream, found: Tries, owner: Numbers) -> Truths:
    """Return the best try of each owner, whose tries lie together.

    That is the one which came furthest, of those the one that was there first, of those the one that
    began last. Of an excluded and a clean one that came equally far, the clean one counts.
    """
    if not len(found):
        return np.zeros(0, np.bool_)
    starts = found.reached[0]
    owners = owner[starts]
    heads = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    lengths = np.diff(np.append(heads, len(starts)))
    score = found.depth * 2 + ~found.is_excluded
    is_best: Truths = score == np.repeat(np.maximum.reduceat(score, heads), lengths)
    furthest = np.where(found.is_excluded, 1, found.depth) - 1
    end = stream.rank[found.reached[furthest, np.arange(len(found))]]
    far = np.where(is_best, end, len(stream))
    is_best &= end == np.repeat(np.minimum.reduceat(far, heads), lengths)
    begin = np.where(is_best, stream.rank[starts], -1)
    is_best &= begin == np.repeat(np.maximum.reduceat(begin, heads), lengths)
    return is_best


def _not_taken_over(found: Tries) -> Truths:
    """Return the tries but those whose last event also is that of a later one that came as far."""
    last = found.reached[found.depth - 1, np.arange(len(found))].astype(np.int64)
    end = last * found.reached.shape[0] + found.depth
    _, latest = np.unique(end[::-1], return_index=True)
    keep = np.zeros(len(found), np.bool_)
    keep[len(found) - 1 - latest] = True
    return keep


def _one_after_another(walk: _Walk, starts: Numbers, found: Tries, ends: Numbers) -> Truths:
    """Return the first try of each lane, then the first that begins after it ended, and so on.

    A try ends with its last step, with an exclusion, or when its window is over.
    """
    count = len(starts)
    if not count or walk.clock is None:
        return np.zeros(count, np.bool_)
    stream, rules = walk.stream, walk.rules
    lane = stream.lane[starts]
    over = walk.clock.first_after(lane, stream.time[starts] + rules.window)
    last = np.maximum(found.reached[-1], ends)
    after = np.where(last >= 0, np.maximum(last, starts) + 1, over)
    following = np.searchsorted(starts, after)
    is_same = stream.lane[starts[np.minimum(following, count - 1)]] == lane
    jump = np.append(np.where((following < count) & is_same, following, count), count)
    chosen = np.zeros(count + 1, np.bool_)
    chosen[:-1] = np.append(True, lane[1:] != lane[:-1])
    # Each round doubles how far the jumps reach, so that all tries are found in a few.
    while (jump[:-1] < count).any():
        chosen[jump[chosen]] = True
        jump = jump[jump]
    return chosen[:-1]


def _linked(stream: Stream, rules: Rules) -> Tries:
    """Return chains in which each step is within the window of the one before, one for each end."""
    rows = stream.rows_of(0)
    time = stream.time[rows]
    rows = rows[(time >= rules.since) & (time < rules.until)]
    chains = np.full((rules.steps, len(rows)), NONE, np.int32)
    chains[0] = rows
    found = [chains]
    for step in range(1, rules.steps):
        if not chains.shape[1]:
            break
        candidates = stream.rows_of(step)
        place = np.searchsorted(chains[step - 1], candidates) - 1
        last = chains[step - 1][np.maximum(place, 0)]
        ok = (place >= 0) & (stream.lane[last] == stream.lane[candidates])
        ok &= stream.time[candidates] - stream.time[last] <= rules.window
        chains = chains[:, place[ok]]
        chains[step] = candidates[ok]
        found.append(chains)
    every = np.concatenate(found, axis=1)
    every = every[:, np.argsort(every[0], kind="stable")]
    return Tries(every, _depth(every), np.zeros(every.shape[1], np.bool_))
