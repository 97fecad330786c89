"""Text ids to small integer keys: allotted in order by the one loader, so replay gives them again."""

from collections.abc import Iterable, Sequence

import numpy as np

from tallymark.core.ids import halves, hash128
from tallymark.store.hash_index import HashIndex

_MOST_CACHED = 200_000


class Surrogates:
    """The keys of one kind of id (actors, accounts, sessions).

    New keys are pending until ``commit``; ``rollback`` takes them back, so that a failed store
    commit leaves no key without a row.
    """

    def __init__(self, index: HashIndex, next_key: int) -> None:
        self._index = index
        self._cache: dict[str, int] = {}
        self.next_key = next_key
        self.pending: dict[str, int] = {}

    @property
    def first_pending(self) -> int:
        """The smallest key allotted since the last commit, or the next one."""
        return self.next_key - len(self.pending)

    def remember(self, labels: Sequence[str], keys: Sequence[int]) -> None:
        """Take over keys that the store already holds; used when a store is opened."""
        high, low = _hashes(labels)
        self._index.add(high, low, np.array(keys, dtype=np.int64))

    def resolve(self, labels: Iterable[str]) -> dict[str, int]:
        """Return the key of each label, allotting new ones in the order of first appearance."""
        cache = self._cache
        found: dict[str, int] = {}
        unknown: list[str] = []
        for label in dict.fromkeys(labels):
            key = cache.get(label) or self.pending.get(label)
            if key is None:
                unknown.append(label)
            else:
                found[label] = key
        if unknown:
            self._resolve_unknown(unknown, found)
        return found

    def commit(self) -> None:
        """Keep the pending keys: their rows are in the store now."""
        if self.pending:
            self.remember(list(self.pending), list(self.pending.values()))
            self._cached(self.pending)
            self.pending = {}

    def rollback(self) -> None:
        """Forget the pending keys: their rows did not reach the store."""
        self.next_key -= len(self.pending)
        self.pending = {}

    def maintain(self) -> None:
        """Fold the index's recent keys into its files."""
        self._index.maintain()

    def close(self) -> None:
        """Release the index's files."""
        self._index.close()

    def _resolve_unknown(self, unknown: list[str], found: dict[str, int]) -> None:
        high, low = _hashes(unknown)
        keys = self._index.lookup(high, low).tolist()
        known: dict[str, int] = {}
        for label, key in zip(unknown, keys, strict=True):
            if key < 0:
                self.pending[label] = found[label] = self.next_key
                self.next_key += 1
            else:
                known[label] = found[label] = key
        self._cached(known)

    def _cached(self, more: dict[str, int]) -> None:
        if len(self._cache) + len(more) > _MOST_CACHED:
            self._cache.clear()
        self._cache.update(more)


def _hashes(labels: Iterable[str]) -> tuple["np.ndarray", "np.ndarray"]:
    high, low = halves(hash128(label) for label in labels)
    return np.array(high, dtype=np.uint64), np.array(low, dtype=np.uint64)
