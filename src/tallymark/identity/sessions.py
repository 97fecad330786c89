"""Computed sessions: a pause longer than the gap, or reaching the cap, begins a new one.

The result is a function of the set of an actor's events alone, whatever the order they were loaded
in: in time order, an event joins the running session if it is at most ``gap`` after the session's
last event and at most ``cap`` after its first.

Events that arrive in time order take one dictionary look-up. An event from before what is already
stored re-reads its actor's later events, and moves those whose session changes.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

_MOST_RUNNING = 200_000


# One event that needs a session: its time in microseconds, its place and its actor. A tuple in this
# order, because sorting events by time and place is most of the work.
Use: TypeAlias = tuple[int, int, int]


class Stored(Struct, frozen=True):
    """One event in the store that has a computed session."""

    actor: int
    time: int
    seq: int
    session: int


class Running(Struct):
    """The last session of an actor."""

    last: int
    start: int
    session: int


# (actors, since) → their stored events with a computed session at or after ``since``.
History = Callable[[Sequence[int], int], Sequence[Stored]]


class Sessions:
    """Gives each use its session key; ``moved`` lists stored events whose session changed."""

    def __init__(self, gap_us: int, cap_us: int, next_key: int, history: History) -> None:
        self._gap = gap_us
        self._cap = cap_us
        self._history = history
        self._running: dict[int, Running] = {}
        self._saved: dict[int, Running | None] = {}
        self._first_key = next_key
        self._watermark_before = 0
        self.next_key = next_key
        self.watermark = 0
        self.moved: list[tuple[int, int]] = []

    @property
    def warm_up_span(self) -> int:
        """How far before the watermark running sessions must be restored from."""
        return 2 * self._gap

    def restore(self, watermark: int, running: Sequence[tuple[int, int, int, int]]) -> None:
        """Take over (actor, session, start, last) of all sessions near the watermark."""
        self.watermark = self._watermark_before = watermark
        for actor, session, start, last in running:
            self._running[actor] = Running(last, start, session)

    def assign(self, uses: Sequence[Use], *, new_actors_from: int, now: int) -> dict[int, int]:
        """Return seq → session key for uses of one load; actors from that key on have no past."""
        given: dict[int, int] = {}
        late: dict[int, list[Use]] = {}
        for use in sorted(uses):
            time, seq, actor = use
            if actor in late:
                late[actor].append(use)
            elif self._in_order(actor, time, new_actors_from):
                given[seq] = self._advance(actor, time)
            else:
                late[actor] = [use]
        if late:
            self._reorder(late, given)
        # A time ahead of the clock must not make everybody else look late.
        newest = max((time for time, _, _ in uses), default=0)
        self.watermark = max(self.watermark, min(newest, now))
        return given

    def commit(self) -> None:
        """Keep what was assigned, and forget sessions nothing can join any more."""
        self._saved.clear()
        self.moved = []
        self._first_key = self.next_key
        self._watermark_before = self.watermark
        if len(self._running) > _MOST_RUNNING:
            horizon = self.watermark - self.warm_up_span
            self._running = {a: r for a, r in self._running.items() if r.last > horizon}

    def rollback(self) -> None:
        """Go back to the state of the last commit."""
        for actor, running in self._saved.items():
            if running is None:
                self._running.pop(actor, None)
            else:
                self._running[actor] = running
        self._saved.clear()
        self.moved = []
        self.next_key = self._first_key
        self.watermark = self._watermark_before

    def _in_order(self, actor: int, time: int, new_actors_from: int) -> bool:
        running = self._running.get(actor)
        if running is not None:
            return time >= running.last
        return actor >= new_actors_from or time > self.watermark - self._gap

    def _advance(self, actor: int, time: int) -> int:
        running = self._running.get(actor)
        if actor not in self._saved:
            self._saved[actor] = (
                None if running is None else Running(running.last, running.start, running.session)
            )
        if running is None:
            running = self._running[actor] = Running(time, time, self._new_key())
        elif time - running.last > self._gap or time - running.start > self._cap:
            running.start, running.session = time, self._new_key()
        running.last = time
        return running.session

    def _reorder(self, late: dict[int, list[Use]], given: dict[int, int]) -> None:
        earliest = min(uses[0][0] for uses in late.values())
        stored: dict[int, list[Stored]] = {}
        for event in self._history(list(late), earliest - self._gap - self._cap):
            stored.setdefault(event.actor, []).append(event)
        for actor, uses in late.items():
            self._replay(actor, uses, stored.get(actor, []), given)

    def _replay(
        self, actor: int, uses: list[Use], stored: list[Stored], given: dict[int, int]
    ) -> None:
        before = self._running.get(actor)
        if actor not in self._saved:
            self._saved[actor] = before and Running(before.last, before.start, before.session)
        first_new = uses[0][0]
        taken: set[int] = set()
        running: Running | None = None
        entries: list[tuple[int, int, int]] = [(e.time, e.seq, e.session) for e in stored]
        entries += [(time, seq, 0) for time, seq, _ in uses]
        for time, seq, session in sorted(entries):
            if time < first_new:
                # What lies before the first late event was right already.
                if running is None or running.session != session:
                    running = Running(time, time, session)
                    taken.add(session)
                running.last = time
                continue
            if (
                running is None
                or time - running.last > self._gap
                or time - running.start > self._cap
            ):
                key = session if session and session not in taken else self._new_key()
                taken.add(key)
                running = Running(time, time, key)
            running.last = time
            if session == 0:
                given[seq] = running.session
            elif session != running.session:
                self.moved.append((seq, running.session))
        if running is not None:
            self._running[actor] = running

    def _new_key(self) -> int:
        self.next_key += 1
        return self.next_key - 1
