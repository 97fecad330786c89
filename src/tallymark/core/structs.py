"""Structs that several threads read and write at once.

The decoder learns the fields of a struct when it first meets it, and lets other threads see what it has
learned so far: one that comes meanwhile to the same struct reads what is not there yet, and the process
dies of it. So a process learns all its structs while it still has one thread.
"""

from collections.abc import Iterator
from contextlib import suppress

import msgspec
from msgspec import Struct


def learn(base: type[Struct] = Struct) -> None:
    """Learn every struct defined so far below ``base``; call it before the first thread starts."""
    for kind in _below(base):
        # What has parameters is learned for each set of them, with the struct that uses it.
        if not getattr(kind, "__parameters__", ()):
            # Some hold what is never read from outside, and cannot be.
            with suppress(TypeError):
                msgspec.json.Decoder(kind)


def _below(base: type[Struct]) -> Iterator[type[Struct]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)
