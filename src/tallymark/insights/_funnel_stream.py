"""The events of a funnel as arrays, in the order of who, when, and arrival, ready to search in."""

from typing import Any, Final, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tallymark.store.engine import Arrays

# Whole numbers of any width: places of events take four bytes, instants eight.
Numbers: TypeAlias = NDArray[np.integer[Any]]
Truths: TypeAlias = NDArray[np.bool_]

# No event: a place in a stream that there is not.
NONE: Final = -1


class Stream(Struct, frozen=True):
    """Events in order: of each unit together, and within it of each lane, by time and arrival.

    A chain stays within its lane: a unit, or one value that a unit holds constant. ``units`` are the
    keys that units are known by; ``unit`` and ``lane`` number them and never fall. ``rank`` orders the
    events of a unit over all of its lanes, and ``order`` is where they lie in the columns that the
    stream was made of. ``steps`` has a bit for each step that an event is, and
    ``group`` the number of its group of the breakdown.
    """

    units: Numbers
    unit: Numbers
    lane: Numbers
    time: Numbers
    order: Numbers
    steps: Numbers
    rank: Numbers
    group: Numbers | None = None

    def __len__(self) -> int:
        return len(self.time)

    def rows_of(self, bit: int) -> Numbers:
        """Return the places of all events that are a step, by its bit."""
        return np.flatnonzero(self.steps & (1 << bit))


def stream_of(columns: Arrays) -> Stream:
    """Return the stream of columns ``unit``, ``time_us``, ``seq``, ``steps``; ``held``, ``grp`` if any."""
    order, key, time = _ordered(columns["unit"], columns["time_us"], columns["seq"])
    rank = np.arange(len(order), dtype=np.int32)
    heads = _heads(key)
    unit = lane = _spread(heads, len(key))
    if "held" in columns:
        held = columns["held"][order]
        within = np.lexsort((rank, held, unit))
        order, rank, time = order[within], rank[within], time[within]
        lane = _spread(_heads(unit, held[within]), len(unit))
    return Stream(
        units=key[heads],
        unit=unit,
        lane=lane,
        time=time,
        order=order.astype(np.int32),
        steps=columns["steps"][order],
        rank=rank,
        group=columns["grp"][order] if "grp" in columns else None,
    )


def _ordered(key: Numbers, time: Numbers, seq: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the order by key, time and seq, and the key and time in it."""
    if not len(key):
        return np.zeros(0, np.int64), key, time
    first_key, first_time = int(key.min()), int(time.min())
    bits = (int(time.max()) - first_time).bit_length()
    if bits + (int(key.max()) - first_key).bit_length() > 62:
        order = np.lexsort((seq, time, key))
        return order, key[order], time[order]
    placed = _sorted(key - first_key, time - first_time, seq, bits)
    return placed, key[placed], time[placed]


def _sorted(key: Numbers, time: Numbers, seq: Numbers, bits: int) -> Numbers:
    """Return the order by key, time of so many bits, and seq."""
    places = (len(key) - 1).bit_length()
    room = 63 - places - int(key.max()).bit_length()
    # Sorting one number is several times as fast as sorting by three, and sorting it with its place
    # in it as fast again as asking for the places. Then there may be no room for all of the time.
    if (coarse := max(0, bits - room)) < bits:
        packed = (key << (bits - coarse) | time >> coarse) << places
        packed |= np.arange(len(key))
        packed.sort()
        order: Numbers = packed & ((1 << places) - 1)
        packed >>= places
        tied = _tied(packed)
        if coarse == 0 or len(tied) < len(key) // 8:
            part = order[tied]
            order[tied] = part[np.lexsort((seq[part], time[part], packed[tied]))]
            return order
    packed = key << bits | time
    order = np.argsort(packed)
    packed = packed[order]
    tied = _tied(packed)
    part = order[tied]
    order[tied] = part[np.lexsort((seq[part], packed[tied]))]
    return order


def _tied(ordered: Numbers) -> Numbers:
    """Return the places of all that are equal to one beside them."""
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.append(same, False) | np.append(False, same))


def _heads(*ordered: Numbers) -> Numbers:
    """Return where a new run begins of columns that are in order together."""
    length = len(ordered[0])
    changes = np.zeros(length, np.bool_)
    changes[:1] = True
    for column in ordered:
        changes[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changes)


def _spread(heads: Numbers, length: int) -> Numbers:
    """Return the number of the run each place lies in."""
    starts = np.zeros(length, np.int8)
    starts[heads[1:]] = 1
    return np.cumsum(starts, dtype=np.int32)


class Clock:
    """Finds events of a lane by time; made only for questions that need it, as it sorts all times."""

    def __init__(self, stream: Stream) -> None:
        self._times: Numbers = np.unique(stream.time)
        self._lane = stream.lane
        self._width = len(self._times) + 1
        self._places = self._place(stream.lane, np.searchsorted(self._times, stream.time))

    def first_from(self, lane: Numbers, time: Any) -> Numbers:
        """Return the place of the first event at the time or later; that of another lane if none."""
        return self._first(lane, time, "left")

    def first_after(self, lane: Numbers, time: Any) -> Numbers:
        """Return the place of the first event later than the time; that of another lane if none."""
        return self._first(lane, time, "right")

    def _first(self, lane: Numbers, time: Any, side: Any) -> Numbers:
        wanted = self._place(lane, np.searchsorted(self._times, time, side=side))
        found: Numbers = np.searchsorted(self._places, wanted)
        return found

    def _place(self, lane: Numbers, time: Numbers) -> Numbers:
        return lane.astype(np.int64) * self._width + time
