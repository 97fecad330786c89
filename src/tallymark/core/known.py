"""What was made of each value, for whoever meets the same value again."""

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")


class Known(dict[Key, Made]):
    """Makes something of each key when it is first looked up; afterwards it is a plain look into a dict.

    It forgets nothing, so it lives no longer than a request. ``make`` must not hold it, or only the
    collector of cyclic garbage could free both.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Key], Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Made:
        """Make and keep what belongs to a key; what ``make`` raises is not kept."""
        made = self[key] = self._make(key)
        return made
