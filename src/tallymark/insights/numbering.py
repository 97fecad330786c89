"""Dense numbers for keys, so that what is known of each lies in a table."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def numbered(keys: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Return a dense number for each of the keys, and that of each of the others, -1 for no key."""
    largest = int(max(keys.max(initial=0), others.max(initial=0)))
    if largest > 16 * (len(keys) + len(others)) + (1 << 20) or keys.min(initial=0) < 0:
        known = np.unique(keys)
        places = np.minimum(np.searchsorted(known, others), max(len(known) - 1, 0))
        found = known[places] == others if len(known) else np.zeros(len(others), np.bool_)
        return np.searchsorted(known, keys), np.where(found, places, -1)
    # Keys are surrogates from 1 on, so a table of them is small and quicker than a search.
    is_key = np.zeros(largest + 1, np.bool_)
    is_key[keys] = True
    numbers = np.full(largest + 1, -1, np.int32)
    numbers[is_key] = np.arange(int(np.count_nonzero(is_key)))
    return numbers[keys].astype(np.int64), numbers[others].astype(np.int64)
