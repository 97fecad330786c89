"""Numbers of few people, and the numbers that would give one away: which of an answer are not told.

``FEW`` stands in their place, in the data and in the table. It says the same of a number that is small
and of one that only hides it, because whoever knew which is which could reckon more.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .rates import Rate

T = TypeVar("T", bound=Struct)
# Untyped, because it stands where a number would.
FEW: Final[Any] = "few"
FEW_OF_FEW: Final = Rate(FEW, FEW, FEW, None, "not_told")
# So many times the least, because so many are on either side of a median, or beyond a tenth.
OF_MEDIAN: Final = 2
OF_P90: Final = 10


def is_small(count: int, least: int) -> bool:
    """Whether a number is of somebody, but of fewer than ``least``; nobody is no group."""
    return 0 < count < least


def are_apart(counts: Iterable[int], least: int) -> bool:
    """Whether no number of nested groups, and no difference of two, is small."""
    told: list[int] = []
    for count in counts:
        if not fits(count, told, least):
            return False
        told.append(count)
    return True


def fits(count: int, told: Sequence[int], least: int) -> bool:
    """Whether a number of one of several nested groups may be told beside those that are."""
    return not is_small(count, least) and not any(is_small(abs(count - one), least) for one in told)


def hidden(counts: Sequence[int], least: int) -> frozenset[int]:
    """Return the places of the parts of a told total that are not told.

    Those are the small ones, and of the others the smallest, until all that is known of the hidden
    ones is a sum under which any of them may be ``least`` or more.
    """
    found = {place for place, count in enumerate(counts) if is_small(count, least)}
    if not found:
        return frozenset()
    rest = sorted(
        (count, place) for place, count in enumerate(counts) if count and place not in found
    )
    for _, place in rest:
        if len(found) > 1 and sum(counts[one] for one in found) >= least + len(found) - 1:
            break
        found.add(place)
    return frozenset(found)


def without(one: T, *names: str) -> T:
    """Return a part of an answer with these numbers not told."""
    return replace(one, **dict.fromkeys(names, FEW))
