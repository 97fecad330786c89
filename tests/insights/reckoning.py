"""Reckons with what an answer tells, as somebody would who wants to know more than it says.

An answer is of atoms: people of whom it says all the same. Each number it tells is a sum of some of
them, and what can be reckoned from its numbers is whatever is a combination of those sums.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Sum = Sequence[float]


def had(told: Sequence[Sum], atoms: int) -> Iterator[tuple[int, ...]]:
    """Yield each choice of atoms, as places, whose number follows from the told sums."""
    if not told:
        return
    choices = _choices(atoms)
    unseen = choices @ _unseen(np.array(told, np.float64))
    for choice in choices[(np.abs(unseen) < 1e-7).all(axis=1)]:
        yield tuple(int(place) for place in np.flatnonzero(choice))


@cache
def _choices(atoms: int) -> NDArray[np.float64]:
    return np.array(list(product((0, 1), repeat=atoms)), np.float64)[1:]


def _unseen(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the directions in which the atoms may differ and all sums stay as they are."""
    _, sizes, right = np.linalg.svd(sums)
    rank = int((sizes > 1e-9).sum())
    return right[rank:].T
