"""What a listener is: something that goes on giving events, in portions that are confirmed.

A portion is sent until the server has it; only then is it confirmed, and what it wants remembered is
written. So what was not confirmed is given again after a crash, with the same ids.
"""

import argparse
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tallymark.collect.sources.source import Failure, Options, WireEvent
from tallymark.core.clock import Clock

from .memory import Change, Memory


class Portion(Struct, frozen=True):
    """Events and lines that gave none, sent together; ``changes`` are remembered once they are sent.

    ``token`` is the listener's own, for confirming.
    """

    events: Sequence[WireEvent | msgspec.Raw] = ()
    failures: Sequence[Failure] = ()
    changes: Sequence[Change] = ()
    token: Any = None


class Surroundings(Struct, frozen=True):
    """What a listener works with.

    ``stop`` is set when it is to end. ``counts`` are told to people: what was ignored, malformed or
    dropped. ``tell`` says a sentence to them. ``reached`` returns how far ``tallymark load`` has read
    a file, given its format and path, and 0 if it never did.
    """

    options: Options
    clock: Clock
    memory: Memory
    stop: threading.Event
    counts: Counter[str]
    tell: Callable[[str], None]
    reached: Callable[..., int] = lambda _source, _path: 0


class Listening(Protocol):
    """A listener at work; one thread calls it."""

    def take(self, wait_seconds: float) -> Portion | None:
        """Return what comes next, waiting for it no longer than that."""

    def confirm(self, portion: Portion) -> None:
        """Learn that a portion is durable and remembered."""

    def finish(self) -> None:
        """Take in no more; what was taken in is still given by ``take``, without waiting."""

    def close(self) -> None:
        """Let go of files and sockets."""


class Listener(Struct, frozen=True):
    """One kind of thing that can be followed.

    ``identity(args)`` says what is followed: two that are equal share what is remembered, and only
    one of them can run at a time. With ``has_end`` it can also stop by itself once it has read what
    there is. ``takes_mapping`` adds the flags that say which column is which field.
    """

    name: str
    summary: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    identity: Callable[[argparse.Namespace], str]
    open: Callable[[argparse.Namespace, Surroundings], Listening]
    has_end: bool = False
    takes_mapping: bool = False
