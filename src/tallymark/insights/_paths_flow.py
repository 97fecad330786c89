"""Walks added up: the nodes of each column, the links between columns, and the branches of the tree."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ._paths_kernel import ENDED, SKIPPED, Ints, Walks

Kind: TypeAlias = Literal["node", "other", "drop_off", "skipped", "rest"]
MOST_BRANCHES: Final = 200


class Column(Struct, frozen=True):
    """One step: the nodes shown, by id, and where each walk is.

    A place is that of a shown node, or the number of them for Other, one more for those who left
    after the step before, two more for steps left out. ``alive`` are the walks of the step before.
    """

    shown: list[int]
    alive: Ints
    places: Ints

    @property
    def width(self) -> int:
        """How many places there are."""
        return len(self.shown) + 3

    @property
    def counts(self) -> list[int]:
        """How many walks are in each place."""
        return [int(n) for n in np.bincount(self.places, minlength=self.width)]

    def kind(self, place: int) -> Kind:
        """Return what a place is."""
        kinds: tuple[Kind, ...] = ("other", "drop_off", "skipped")
        return "node" if place < len(self.shown) else kinds[place - len(self.shown)]


class Prefix(Struct, frozen=True):
    """The first steps that some walks have in common: the last of them, and the one before."""

    parent: int
    column: int
    place: int
    count: int


def columns(walks: Walks, top: int, name: Callable[[int], str | None]) -> list[Column]:
    """Return a column for each step, until nobody is left.

    The nodes with most walks are shown; ``name`` decides between equals, and gives None for a node
    that may not be.
    """
    found: list[Column] = []
    alive = np.arange(len(walks.unit))
    for nodes in walks.steps:
        if not len(alive):
            break
        here = nodes[alive]
        shown = _shown(here, top, name)
        # The nodes from 0 on, and at the end of the table those that are none, from -1 down.
        table = np.full(int(here.max(initial=0)) + 3, len(shown), np.int64)
        table[shown] = np.arange(len(shown))
        table[ENDED], table[SKIPPED] = len(shown) + 1, len(shown) + 2
        found.append(Column(shown, alive, table[here]))
        alive = alive[here != ENDED]
    return found


def links(before: Column, after: Column) -> list[tuple[int, int, int]]:
    """Return (place before, place after, walks) of each pair that has any."""
    pairs = before.places[_went_on(before)] * after.width + after.places
    counts = np.bincount(pairs, minlength=before.width * after.width)
    return [
        (int(pair) // after.width, int(pair) % after.width, int(counts[pair]))
        for pair in np.flatnonzero(counts)
    ]


def prefixes(steps: list[Column]) -> list[Prefix]:
    """Return the beginnings that most walks have, each after the one it goes on from.

    Of each length at most 200: no longer one of others can have more walks than those.
    """
    found: list[Prefix] = []
    # Which beginning each walk that is left has, by its place in the list; -1 if it is not listed.
    which = np.zeros(len(steps[0].places) if steps else 0, np.int64)
    for number, step in enumerate(steps):
        if number:
            which = which[_went_on(steps[number - 1])]
        listed = np.flatnonzero(which >= 0)
        codes, places = _dense(which[listed] * step.width + step.places[listed])
        most = sorted(codes, key=lambda one: (-one[1], one[0]))[:MOST_BRANCHES]
        numbers = {code: len(found) + at for at, (code, _) in enumerate(most)}
        for code, count in most:
            parent = code // step.width if number else -1
            found.append(Prefix(parent, number, code % step.width, count))
        table = np.array([numbers.get(code, -1) for code, _ in codes], np.int64)
        which = np.full(len(which), -1, np.int64)
        which[listed] = table[places] if len(table) else -1
    return found


def _went_on(step: Column) -> NDArray[np.bool_]:
    went: NDArray[np.bool_] = step.places != len(step.shown) + 1
    return went


def _shown(nodes: Ints, top: int, name: Callable[[int], str | None]) -> list[int]:
    present = nodes[nodes >= 0]
    counts = np.bincount(present)
    known = np.flatnonzero(counts)
    if len(known) > 4 * top:
        # Whoever is not among these cannot be among the first, whatever equals come before them.
        least = np.partition(counts[known], -top)[-top]
        certain = known[counts[known] >= least]
        allowed = [node for node in certain.tolist() if name(node) is not None]
        known = certain if len(allowed) >= top else known
    ranked = [(-int(counts[node]), name(int(node)), int(node)) for node in known]
    named = [(count, by, node) for count, by, node in ranked if by is not None]
    return [node for _, _, node in sorted(named)[:top]]


def _dense(codes: Ints) -> tuple[list[tuple[int, int]], Ints]:
    """Return (code, how often) in the order of codes, and the place of each code among these."""
    if int(codes.max(initial=0)) > 4 * len(codes) + (1 << 20):
        values, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
        return list(zip(values.tolist(), counts.tolist(), strict=True)), places
    counted = np.bincount(codes, minlength=1)
    present = np.flatnonzero(counted)
    table = np.zeros(len(counted), np.int64)
    table[present] = np.arange(len(present))
    return list(zip(present.tolist(), counted[present].tolist(), strict=True)), table[codes]
