"""Computed sessions are a function of the set of events, whatever order they come in."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.identity.sessions import Sessions, Stored, Use

GAP = 30
CAP = 100


def use(seq: int, actor: int, time: int) -> Use:
    return (time, seq, actor)


class Store:
    """Events with their computed sessions, as the engine would keep them."""

    def __init__(self) -> None:
        self.events: dict[int, Stored] = {}

    def history(self, actors: Sequence[int], since: int) -> list[Stored]:
        return [e for e in self.events.values() if e.actor in actors and e.time >= since]

    def apply(
        self, uses: Sequence[Use], given: dict[int, int], moved: list[tuple[int, int]]
    ) -> None:
        for time, seq, actor in uses:
            self.events[seq] = Stored(actor, time, seq, given[seq])
        for seq, session in moved:
            old = self.events[seq]
            self.events[seq] = Stored(old.actor, old.time, old.seq, session)

    def partition(self) -> set[frozenset[int]]:
        groups: dict[int, set[int]] = {}
        for event in self.events.values():
            groups.setdefault(event.session, set()).add(event.seq)
        return {frozenset(group) for group in groups.values()}


def oracle(uses: Sequence[Use]) -> set[frozenset[int]]:
    groups: list[set[int]] = []
    for of in {actor for _, _, actor in uses}:
        start = last = None
        for time, seq, _ in sorted(one for one in uses if one[2] == of):
            if start is None or last is None or time - last > GAP or time - start > CAP:
                groups.append(set())
                start = time
            last = time
            groups[-1].add(seq)
    return {frozenset(group) for group in groups}


def load(sessions: Sessions, store: Store, uses: Sequence[Use], now: int = 10**9) -> None:
    seen = {event.actor for event in store.events.values()}
    given = sessions.assign(uses, new_actors_from=max(seen, default=0) + 1, now=now)
    store.apply(uses, given, sessions.moved)
    sessions.commit()


def sessions_over(store: Store) -> Sessions:
    return Sessions(GAP, CAP, 1, store.history)


def test_given_a_pause_of_exactly_the_gap_then_the_session_goes_on() -> None:
    store = Store()

    load(sessions_over(store), store, [use(1, 1, 0), use(2, 1, 30), use(3, 1, 61)])

    assert store.partition() == {frozenset({1, 2}), frozenset({3})}


def test_given_no_pause_when_the_cap_is_passed_then_a_new_session_begins() -> None:
    store = Store()

    load(sessions_over(store), store, [use(i, 1, 20 * i) for i in range(8)])

    assert store.partition() == {frozenset(range(6)), frozenset({6, 7})}


def test_given_two_sessions_when_a_late_event_bridges_them_then_they_become_one() -> None:
    store = Store()
    sessions = sessions_over(store)
    load(sessions, store, [use(1, 1, 0), use(2, 1, 50)])

    load(sessions, store, [use(3, 1, 25)])

    assert store.partition() == {frozenset({1, 2, 3})}


def test_given_a_failed_commit_when_the_same_events_come_again_then_keys_repeat() -> None:
    store = Store()
    sessions = sessions_over(store)
    load(sessions, store, [use(1, 1, 0)])
    first = sessions.assign([use(2, 1, 100), use(3, 2, 100)], new_actors_from=2, now=10**9)

    sessions.rollback()

    assert sessions.assign([use(2, 1, 100), use(3, 2, 100)], new_actors_from=2, now=10**9) == first


batches = st.lists(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 400)), max_size=6), max_size=8
)


@settings(max_examples=300)
@given(batches, st.integers(0, 8))
def test_agrees_with_the_oracle_in_any_order_and_across_a_restart(
    history: list[list[tuple[int, int]]], restart: int
) -> None:
    store = Store()
    sessions = sessions_over(store)
    every: list[Use] = []
    # Actors are numbered as they come, as surrogate keys are.
    keys: dict[int, int] = {}
    for number, batch in enumerate(history):
        if number == restart:
            fresh = Sessions(GAP, CAP, sessions.next_key, store.history)
            fresh.restore(sessions.watermark, running(store, sessions))
            sessions = fresh
        uses: list[Use] = []
        for actor, time in batch:
            key = keys.setdefault(actor, len(keys) + 1)
            uses.append(use(len(every) + len(uses) + 1, key, time))
        load(sessions, store, uses, now=200)
        every += uses

    assert store.partition() == oracle(every)


def running(store: Store, sessions: Sessions) -> list[tuple[int, int, int, int]]:
    """What the store tells of sessions near the watermark: actor, session, start, last."""
    horizon = sessions.watermark - sessions.warm_up_span
    spans: dict[tuple[int, int], list[int]] = {}
    for event in store.events.values():
        spans.setdefault((event.actor, event.session), []).append(event.time)
    last: dict[int, tuple[int, int, int, int]] = {}
    for (actor, session), times in spans.items():
        entry = (actor, session, min(times), max(times))
        if actor not in last or entry[3] > last[actor][3]:
            last[actor] = entry
    return [entry for entry in last.values() if entry[3] > horizon]
