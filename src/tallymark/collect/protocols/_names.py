"""The name of an event as a client of another tool tells it, mended where that can be done."""

import unicodedata
from functools import lru_cache
from typing import Final, TypeAlias

from tallymark.core.errors import Refused

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LONGEST_TEXT: Final = 10_000
# Names are few; longer ones are not worth remembering.
_LONGEST_REMEMBERED: Final = 512

Name: TypeAlias = tuple[str, tuple[str, ...]]
"""A name, and the flags of what was mended in it."""


def named(given: str | None, max_bytes: int) -> Name:
    """Return a name as it may be kept, and flags for what had to be mended; raises Refused."""
    if given is None:
        raise Refused("The event has no name.", code="NAME_INVALID", path="name")
    read = _remembered_name if len(given) <= _LONGEST_REMEMBERED else _name
    return read(given, max_bytes)


def _name(given: str, max_bytes: int) -> Name:
    """Return a name as it may be kept, and flags for what had to be mended; raises Refused."""
    if not given.strip():
        raise Refused("The event has no name.", code="NAME_INVALID", path="name")
    flags: list[str] = []
    # Nobody looks through ten megabytes for a name.
    name = unicodedata.normalize("NFC", given[:_LONGEST_TEXT].strip())
    if not name.isascii() or not name.isprintable():
        seen = "".join(char for char in name if unicodedata.category(char) not in _INVISIBLE)
        if seen != name:
            flags.append("name_mended")
            name = seen.strip()
    size = name.encode()
    if len(size) > max_bytes:
        name = size[:max_bytes].decode("utf-8", "ignore")
        flags.append("name_cut")
    if not name:
        raise Refused("The event name has no visible character.", code="NAME_INVALID", path="name")
    return name, tuple(flags)


_remembered_name = lru_cache(maxsize=4096)(_name)
