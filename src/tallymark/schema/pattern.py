r"""Patterns that cannot be made slow: matched in time linear in the text, by automata and not by trial.

Plans are written by people and matched against what strangers send, so a pattern such as ``(a+)+$``
must cost no more than any other. Supported: literals, ``.``, classes ``[a-z]``, ``\d \w \s`` and
their opposites, groups, ``|``, ``* + ?``, ``{m,n}``, ``^`` and ``$``. Everything else is refused when
the plan is read: what needs trial and error (backreferences, looking around) cannot be linear.
"""

from collections.abc import Iterable
from typing import Final

from tallymark.core.errors import Refused

from ._syntax import Alternatives, Edge, Node, Repeated, Sequence, Symbols, parse

LONGEST_PATTERN: Final = 200
# Beyond it a text matches no pattern; each character may cost as much as the pattern has states.
LONGEST_TEXT: Final = 8_192
LONGEST_REPLACED: Final = 2_000
_MOST_STATES: Final = 400
_MOST_KEPT: Final = 20_000


class Pattern:
    """A compiled pattern. Remembers the transitions it has made; threads may share it."""

    def __init__(self, text: str) -> None:
        """Raise Refused PLAN_INVALID for a pattern that is too long, or not of the supported kind."""
        if len(text) > LONGEST_PATTERN:
            raise Refused(
                f"The pattern has {len(text)} characters, more than {LONGEST_PATTERN}.",
                code="PLAN_INVALID",
            )
        self.text = text
        self._program = _Program(text)
        self._kept = 0
        self._states: dict[frozenset[int], _State] = {}
        self._first = self._state(self._program.closure([self._program.start], at_begin=True))

    def matches(self, text: str) -> bool:
        """Return whether the pattern is found anywhere in the text, which may be at most LONGEST_TEXT."""
        if len(text) > LONGEST_TEXT:
            return False
        state = self._first
        for char in text:
            if state.accepts:
                return True
            state = state.next.get(char) or self._step(state, char)
        return state.accepts or state.accepts_at_end

    def replaced(self, text: str, by: str) -> str:
        """Return the text with each longest match, from the left, replaced; empty ones are left.

        A text longer than LONGEST_REPLACED is returned as it is.
        """
        if len(text) > LONGEST_REPLACED:
            return text
        made: list[str] = []
        begin = 0
        while (found := self._program.find(text, begin)) is not None:
            made += (text[begin : found[0]], by)
            begin = found[1]
        return "".join((*made, text[begin:]))

    def _step(self, state: "_State", char: str) -> "_State":
        program = self._program
        reached = [program.after(node) for node in state.nodes if program.takes(node, char)]
        # A match may begin at any place.
        after = self._state(program.closure([*reached, program.start]))
        if self._kept >= _MOST_KEPT:
            self._states, self._kept = {}, 0
        self._kept += 1
        state.next[char] = after
        return after

    def _state(self, nodes: frozenset[int]) -> "_State":
        found = self._states.get(nodes)
        if found is None:
            program = self._program
            at_end = program.closure(nodes, at_end=True)
            found = _State(nodes, program.end in nodes, program.end in at_end)
            self._states[nodes] = found
        return found


class _State:
    """A set of places in the program in which matching may be at once."""

    __slots__ = ("accepts", "accepts_at_end", "next", "nodes")

    def __init__(self, nodes: frozenset[int], accepts: bool, accepts_at_end: bool) -> None:
        self.nodes = nodes
        self.accepts = accepts
        self.accepts_at_end = accepts_at_end
        self.next: dict[str, _State] = {}


class _Program:
    """The pattern as a graph: each place takes a character, or leads on to others without one."""

    def __init__(self, text: str) -> None:
        # For each place what it takes (or the edge it demands), and the places it leads to.
        self._takes: list[Symbols | Edge | None] = [None]
        self._leads: list[tuple[int, ...]] = [()]
        self.end = 0
        self.start = self._build(parse(text), self.end)

    def takes(self, place: int, char: str) -> bool:
        """Return whether a place goes on with a character."""
        wanted = self._takes[place]
        return isinstance(wanted, Symbols) and wanted.holds(char)

    def after(self, place: int) -> int:
        """Return where a place leads once it has taken its character."""
        return self._leads[place][0]

    def closure(
        self, places: Iterable[int], *, at_begin: bool = False, at_end: bool = False
    ) -> frozenset[int]:
        """Return the places reached without taking a character; edges hold where we are."""
        seen: set[int] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            wanted = self._takes[place]
            if wanted is None or (
                isinstance(wanted, Edge) and (at_begin if wanted.is_begin else at_end)
            ):
                waiting += self._leads[place]
        # Places that only lead on have done so.
        return frozenset(
            place for place in seen if place == self.end or self._takes[place] is not None
        )

    def find(self, text: str, begin: int) -> tuple[int, int] | None:
        """Return the leftmost longest match that is not empty; each thread knows where it began."""
        threads: dict[int, int] = {}
        found: tuple[int, int] | None = None
        for at in range(begin, len(text) + 1):
            at_begin, at_end = at == 0, at == len(text)
            if found is None:
                threads.setdefault(self.start, at)
            here: dict[int, int] = {}
            for place, began in sorted(threads.items(), key=lambda thread: thread[1]):
                for reached in self.closure([place], at_begin=at_begin, at_end=at_end):
                    here.setdefault(reached, began)
            began = here.get(self.end, at)
            if began < at and (found is None or began <= found[0]):
                found = (began, at)
            if at_end:
                break
            threads = {}
            for place, began in sorted(here.items(), key=lambda thread: thread[1]):
                if (found is None or began <= found[0]) and self.takes(place, text[at]):
                    threads.setdefault(self.after(place), began)
            if found is not None and not threads:
                break
        return found

    def _add(self, takes: Symbols | Edge | None, *leads: int) -> int:
        if len(self._takes) >= _MOST_STATES:
            raise Refused("The pattern repeats too much.", code="PLAN_INVALID")
        self._takes.append(takes)
        self._leads.append(leads)
        return len(self._takes) - 1

    def _build(self, node: Node, then: int) -> int:
        """Add a part of the pattern that leads to ``then``; return where it begins."""
        match node:
            case Symbols() | Edge():
                return self._add(node, then)
            case Sequence(parts):
                for part in reversed(parts):
                    then = self._build(part, then)
                return then
            case Alternatives(parts):
                return self._add(None, *(self._build(part, then) for part in parts))
            case Repeated(part, least, most):
                return self._repeat(part, least, most, then)

    def _repeat(self, part: Node, least: int, most: int | None, then: int) -> int:
        if most is None:
            loop = self._add(None, then)
            self._leads[loop] = (self._build(part, loop), then)
            then = loop
        else:
            end = then
            for _ in range(most - least):
                then = self._add(None, self._build(part, then), end)
        for _ in range(least):
            then = self._build(part, then)
        return then
