"""Funnels counted one try at a time in plain Python, over lists of uses."""

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from typing import Any

from msgspec import Struct
from tests.insights.oracle import satisfies, value_of
from tests.strategies import History, Use, owners, person, uses

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class Seen(Struct, frozen=True):
    """An event of one unit: when, in which order it came, and which steps and exclusions it is."""

    time: int
    order: int
    use: Use
    steps: frozenset[int]
    excluded_by: frozenset[int]


class Try(Struct, frozen=True):
    """One try: the event of each step, None where it was not reached."""

    unit: str
    chain: tuple[Seen | None, ...]
    depth: int
    is_excluded: bool
    end: Seen | None = None


def microseconds(text: str) -> int:
    unit = text.lstrip("0123456789")
    return int(text[: -len(unit)]) * SECONDS[unit] * 1_000_000


def is_step(use: Use, step: Any) -> bool:
    given: dict[str, Any] = {"event": step} if isinstance(step, str) else step
    names = [given["event"]] if isinstance(given.get("event"), str) else given.get("event")
    return (names is None or use.name in names) and satisfies(use, given.get("filter"))


def lanes(history: History, question: dict[str, Any]) -> dict[tuple[str, Any], list[Seen]]:
    """Return the events of each unit and held value, in order of time and arrival."""
    owner = owners(history)
    found: dict[tuple[str, Any], list[Seen]] = {}
    for order, use in enumerate(uses(history)):
        by = question.get("by") or "person"
        unit = person(use, owner) if by == "person" else getattr(use, by)
        held = tuple(value_of(use, name) for name in question.get("hold_constant", ()))
        if unit is None or None in held or (use.is_bot and not question.get("include_bots")):
            continue
        if not satisfies(use, question.get("filter")):
            continue
        steps = frozenset(n for n, one in enumerate(question["steps"]) if is_step(use, one))
        out = frozenset(
            n for n, one in enumerate(question.get("exclusions", ())) if is_step(use, one)
        )
        if steps or out or question.get("order") == "strict":
            found.setdefault((unit, held), []).append(Seen(use.time, order, use, steps, out))
    return {key: sorted(seen, key=lambda one: (one.time, one.order)) for key, seen in found.items()}


class Walker:
    """Follows tries through the events of one lane."""

    def __init__(self, unit: str, events: list[Seen], question: dict[str, Any]) -> None:
        self.unit, self.events, self.question = unit, events, question
        self.window = microseconds(question.get("window") or "14d")
        tie = question.get("tie_tolerance")
        self.tie = None if tie is None else microseconds(tie)
        self.optional = [
            isinstance(one, dict) and one.get("optional", False) for one in question["steps"]
        ]
        self.count = len(self.optional)

    def attempt(self, start: Seen) -> Try:
        chain = (
            self.in_any_order(start)
            if self.question.get("order") == "any"
            else self.in_order(start)
        )
        end = self.excluding(chain)
        whole = list(chain)
        if end is not None:
            is_cut = False
            for place, one in enumerate(chain):
                is_cut = is_cut or (one is not None and self.is_past(one, end))
                chain[place] = None if is_cut else one
        depth = depth_of(chain)
        is_removing = end is not None and self.question.get("on_exclusion") == "drop_actor"
        if is_removing:
            further = [
                place + 1 for place, one in enumerate(whole) if one is not None and place >= depth
            ]
            depth = min(further, default=depth)
        return Try(self.unit, tuple(chain), depth, is_removing, end)

    def is_past(self, one: Seen, end: Seen) -> bool:
        if self.tie is None:
            return self.events.index(one) > self.events.index(end)
        return one.time > end.time + self.tie

    def in_order(self, start: Seen) -> list[Seen | None]:
        chain: list[Seen | None] = [start, *[None] * (self.count - 1)]
        last = 0
        while last + 1 < self.count:
            needed = next(step for step in range(last + 1, self.count) if not self.optional[step])
            goal = self.following(chain, needed, start)
            for step in range(last + 1, needed):
                chain[needed] = goal
                found = self.following(chain, step, start)
                chain[needed] = None
                if (
                    found
                    and (goal is None or self.is_before(found, goal))
                    and self.is_next(chain, found)
                ):
                    chain[step] = found
            if goal is None or not self.is_next(chain, goal):
                return chain
            chain[needed] = goal
            last = needed
        return chain

    def following(self, chain: Sequence[Seen | None], step: int, start: Seen) -> Seen | None:
        """Return the earliest event left that comes after all that is taken before that step."""
        before = [one for one in chain[:step] if one is not None]
        for event in self.events:
            if step not in event.steps or event in chain:
                continue
            if self.tie is None:
                if self.events.index(event) <= self.events.index(before[-1]):
                    continue
            elif event.time < max(one.time for one in before) - self.tie:
                continue
            return event if event.time - start.time <= self.window else None
        return None

    def is_before(self, found: Seen, goal: Seen) -> bool:
        if self.tie is None:
            return self.events.index(found) < self.events.index(goal)
        return found.time <= goal.time + self.tie

    def is_next(self, chain: Sequence[Seen | None], found: Seen) -> bool:
        if self.question.get("order") != "strict":
            return True
        taken = [one for one in chain if one is not None]
        if self.tie is None:
            return self.events.index(found) == self.events.index(taken[-1]) + 1
        latest = max(one.time for one in taken)
        return not any(
            latest + self.tie < other.time < found.time - self.tie for other in self.events
        )

    def in_any_order(self, start: Seen) -> list[Seen | None]:
        taken: list[Seen] = []
        totals = self.question["_totals"]
        for step in sorted(range(self.count), key=lambda one: totals[one]):
            for event in self.events[self.events.index(start) :]:
                if step in event.steps and event not in taken:
                    if event.time - start.time <= self.window:
                        taken.append(event)
                    break
        taken.sort(key=lambda one: (one.time, one.order))
        return [*taken, *[None] * (self.count - len(taken))]

    def excluding(self, chain: Sequence[Seen | None]) -> Seen | None:
        hits = []
        for number, one in enumerate(self.question.get("exclusions", ())):
            begin = chain[one.get("after", 1) - 1]
            end = chain[(one.get("before") or self.count) - 1]
            start = chain[0]
            assert start is not None
            if begin is not None:
                hits += [
                    event
                    for event in self.events
                    if number in event.excluded_by
                    and event not in chain
                    and event.time - start.time <= self.window
                    and self.is_past(event, begin)
                    and (end is None or self.is_clear_of(event, end))
                ]
        return min(hits, key=lambda one: (one.time, one.order), default=None)

    def is_clear_of(self, event: Seen, end: Seen) -> bool:
        if self.tie is None:
            return self.events.index(event) < self.events.index(end)
        return event.time < end.time - self.tie


def depth_of(chain: Iterable[Seen | None]) -> int:
    return max(place + 1 for place, one in enumerate(chain) if one is not None)


def better(one: Try) -> tuple[int, ...]:
    """Return what makes a try the best of its unit."""
    last, first = one.chain[one.depth - 1] if not one.is_excluded else one.chain[0], one.chain[0]
    assert last is not None
    assert first is not None
    return (one.depth, not one.is_excluded, -last.time, -last.order, first.time, first.order)


def tries(
    history: History, question: dict[str, Any], since: int, until: int
) -> tuple[list[Try], int]:
    """Return the tries that count, and how many units an exclusion removed."""
    found = lanes(history, question)
    count = len(question["steps"])
    question = {**question, "_totals": [
        sum(step in one.steps for events in found.values() for one in events) for step in range(count)
    ]}  # fmt: skip
    by_owner: dict[Any, list[Try]] = {}
    for (unit, held), events in found.items():
        walker = Walker(unit, events, question)
        is_any = question.get("order") == "any"
        starts = [
            one for one in events
            if since <= one.time < until and (one.steps if is_any else 0 in one.steps)
        ]  # fmt: skip
        mine = [walker.attempt(start) for start in starts]
        if question.get("count") == "totals":
            mine = totals(mine, walker, question)
            by_owner[(unit, held)] = mine
        else:
            by_owner.setdefault((unit, held) if question.get("per_value") else unit, []).extend(
                mine
            )
    if question.get("count") == "totals":
        return [one for mine in by_owner.values() for one in mine], 0
    chosen = []
    for mine in by_owner.values():
        if question.get("attempt") == "first":
            chosen += sorted(mine, key=began)[:1]
        elif mine:
            chosen.append(max(mine, key=better))
    return [one for one in chosen if not one.is_excluded], sum(one.is_excluded for one in chosen)


def began(one: Try) -> tuple[int, int]:
    first = one.chain[0]
    assert first is not None
    return (first.time, first.order)


def totals(mine: list[Try], walker: Walker, question: dict[str, Any]) -> list[Try]:
    if question.get("attempt") != "first" and question.get("order") != "any":
        last: dict[tuple[int, int], Try] = {}
        for one in mine:
            end = one.chain[one.depth - 1]
            assert end is not None
            last[one.depth, end.order] = one
        return list(last.values())
    kept: list[Try] = []
    for one in mine:
        if kept:
            before = kept[-1]
            done = before.chain[-1] or before.end
            if done is None:
                if began(one)[0] - began(before)[0] <= walker.window:
                    continue
            elif began(one) <= max((done.time, done.order), began(before)):
                continue
        kept.append(one)
    return kept


def furthest(events: list[Seen], steps: int, window: int, since: int, until: int) -> int:
    """Return how far any chain of distinct events in order can come, trying all of them."""
    best = 0
    for size in range(1, steps + 1):
        for chain in combinations(events, size):
            if (
                all(step in one.steps for step, one in enumerate(chain))
                and since <= chain[0].time < until
                and chain[-1].time - chain[0].time <= window
            ):
                best = size
                break
    return best


def furthest_linked(events: list[Seen], steps: int, window: int, since: int, until: int) -> int:
    """Return how far any chain can come whose steps are each within the window of the one before."""
    best = 0
    for size in range(1, steps + 1):
        for chain in combinations(events, size):
            if (
                all(step in one.steps for step, one in enumerate(chain))
                and since <= chain[0].time < until
                and all(b.time - a.time <= window for a, b in pairwise(chain))
            ):
                best = size
                break
    return best
