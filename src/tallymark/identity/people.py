"""Which actor is which person: an anonymous id belongs to the first user it was seen with.

Two users are never merged. A later claim on an anonymous id that already belongs to another user is
kept as refused, because one shared device must not join two people.
"""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Keys: TypeAlias = npt.NDArray[np.int64]


class Link(Struct, frozen=True):
    """A claim at ``seq`` that an anonymous actor is a user actor, and what became of it."""

    seq: int
    anon_key: int
    user_key: int
    outcome: str


class People:
    """The person of every actor: itself, or the user an anonymous actor was linked to.

    Eight bytes an actor. Links since the last ``commit`` can be taken back by ``rollback``.
    """

    def __init__(self) -> None:
        self._owner = np.zeros(1024, dtype=np.int64)
        self._refused: set[tuple[int, int]] = set()
        self.pending: list[Link] = []

    def restore(self, anon_keys: Iterable[int], user_keys: Iterable[int]) -> None:
        """Take over links that the store already holds."""
        anon = np.fromiter(anon_keys, dtype=np.int64)
        if len(anon):
            self._reserve(int(anon.max()))
            self._owner[anon] = np.fromiter(user_keys, dtype=np.int64)

    def link(self, seq: int, anon_key: int, user_key: int) -> None:
        """Note that both ids were seen together; the first user keeps the anonymous id."""
        self._reserve(anon_key)
        owner = int(self._owner[anon_key])
        if owner == user_key:
            return
        if owner == 0:
            self._owner[anon_key] = user_key
            self.pending.append(Link(seq, anon_key, user_key, "linked"))
        elif (anon_key, user_key) not in self._refused:
            self._refused.add((anon_key, user_key))
            self.pending.append(Link(seq, anon_key, user_key, "refused"))

    def unlinked(self, anon_keys: Keys, user_keys: Keys) -> list[int]:
        """Return the places where an anonymous id does not belong to the user beside it yet.

        A key of 0 means that there is no such id, so there is nothing to link.
        """
        self._reserve(int(anon_keys.max(initial=0)))
        both = (anon_keys != 0) & (user_keys != 0)
        return np.flatnonzero(both & (self._owner[anon_keys] != user_keys)).tolist()

    def persons(self, actor_keys: Keys) -> Keys:
        """Return the person of each actor: itself if nobody claimed it; 0 of 0."""
        self._reserve(int(actor_keys.max(initial=0)))
        owners = self._owner[actor_keys]
        return np.where(owners == 0, actor_keys, owners)

    def person(self, actor_key: int) -> int:
        """Return the person of one actor."""
        return int(self.persons(np.array([actor_key], dtype=np.int64))[0])

    def commit(self) -> None:
        """Keep the pending links."""
        self.pending = []
        if len(self._refused) > 100_000:
            self._refused.clear()

    def rollback(self) -> None:
        """Take the pending links back."""
        for link in self.pending:
            if link.outcome == "linked":
                self._owner[link.anon_key] = 0
            else:
                self._refused.discard((link.anon_key, link.user_key))
        self.pending = []

    def _reserve(self, actor_key: int) -> None:
        if actor_key >= len(self._owner):
            grown = np.zeros(max(actor_key + 1, 2 * len(self._owner)), dtype=np.int64)
            grown[: len(self._owner)] = self._owner
            self._owner = grown
