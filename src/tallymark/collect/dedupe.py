"""Which events are new, which came before, and which only share an id.

The key is a 128-bit hash of (project, namespace, event id). An event is a duplicate exactly if an
earlier place in the log holds its key, however long ago: keys commit with the rows, in the same
store commit, so a claim can never outlive a failed write and replay decides the same.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from tallymark.collect.claims import content
from tallymark.core.event import Event
from tallymark.store.hash_index import HashIndex


class Verdict(Struct, frozen=True):
    """The outcome for one event: ``first_seq`` is the event that holds the key, if another does."""

    first_seq: int = 0
    conflict: bool = False


NEW = Verdict()


class Keyed(Struct, frozen=True):
    """The keys of events, whole and in halves, and the digests of their content."""

    keys: list[bytes]
    high: "np.ndarray[Any, Any]"
    low: "np.ndarray[Any, Any]"
    contents: list[int]


class Claims(Struct, frozen=True):
    """What a load decided: a verdict for each event, and which of them are new."""

    keyed: Keyed
    verdicts: list[Verdict]
    is_new: "np.ndarray[Any, Any]"


# Places in the log → content digests of the events there.
Contents = Callable[[Sequence[int]], dict[int, int]]


class Keys:
    """Makes dedupe keys for one project; the hash of a namespace is begun once."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._begun: dict[str, Any] = {}

    def key(self, namespace: str, event_id: str) -> bytes:
        """Return the 16-byte key; equal to hash128(project, namespace, event_id)."""
        begun = self._begun.get(namespace)
        if begun is None:
            if len(self._begun) > 1000:
                self._begun.clear()
            begun = hashlib.blake2b(digest_size=16)
            for part in (self._project, namespace):
                data = part.encode("utf-8", "surrogatepass")
                begun.update(len(data).to_bytes(4, "big") + data)
            self._begun[namespace] = begun
        data = event_id.encode("utf-8", "surrogatepass")
        digest = begun.copy()
        digest.update(len(data).to_bytes(4, "big") + data)
        return bytes(digest.digest())


def keyed(keys: Keys, events: Sequence[Event]) -> Keyed:
    """Return the keys and digests of events; needs nothing of the store."""
    made = [keys.key(event.namespace, event.id) for event in events]
    return Keyed(made, *_arrays(made), [content(event) for event in events])


def decide(made: Keyed, seqs: Sequence[int], index: HashIndex, contents: Contents) -> Claims:
    """Return the verdict on each event, which must be in log order."""
    holders = index.lookup(made.high, made.low).tolist() if made.keys else []
    here: dict[bytes, int] = {}
    firsts: list[int] = []
    for place, (key, holder) in enumerate(zip(made.keys, holders, strict=True)):
        first = here.setdefault(key, place)
        if holder >= 0:
            firsts.append(holder)
        else:
            firsts.append(-1 if first == place else seqs[first])
    earlier = {first for first, holder in zip(firsts, holders, strict=True) if holder >= 0}
    known = contents(sorted(earlier)) if earlier else {}
    known.update(zip(seqs, made.contents, strict=True))
    verdicts = [
        NEW if first < 0 else Verdict(first, conflict=known.get(first) != digest)
        for first, digest in zip(firsts, made.contents, strict=True)
    ]
    is_new = np.array([first < 0 for first in firsts], dtype=bool)
    return Claims(made, verdicts, is_new)


def _arrays(keys: Sequence[bytes]) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
    both = np.frombuffer(b"".join(keys), dtype=">u8").reshape(-1, 2).astype(np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])
