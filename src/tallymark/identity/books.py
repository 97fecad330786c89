"""A dictionary whose changes can be taken back, for what must follow the store's commits."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Book(Generic[K, V]):
    """Entries that are put and dropped; ``undo`` goes back to the last ``keep``.

    Values must never be changed in place: a replaced value is what ``undo`` gives back.
    """

    def __init__(self) -> None:
        self._entries: dict[K, V] = {}
        self._before: dict[K, V | None] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def put(self, key: K, value: V) -> None:
        """Set an entry."""
        self._before.setdefault(key, self._entries.get(key))
        self._entries[key] = value

    def drop(self, key: K) -> None:
        """Remove an entry, if there is one."""
        self._before.setdefault(key, self._entries.get(key))
        self._entries.pop(key, None)

    def keep(self) -> None:
        """Make the changes final."""
        self._before = {}

    def undo(self) -> None:
        """Take back every change since the last ``keep``."""
        for key, value in self._before.items():
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value
        self._before = {}
