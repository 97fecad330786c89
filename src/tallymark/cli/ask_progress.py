"""What is shown of a question that takes long, and how it is stopped."""

import argparse
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from tallymark.core.clock import SystemClock
from tallymark.core.errors import TallymarkError
from tallymark.core.ids import new_id

from .connection import open_client

_FIRST_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.25


@contextmanager
def followed(args: argparse.Namespace) -> Iterator[str]:
    """Give an id for a question, and show on a terminal how far it is for as long as it lasts."""
    question_id = new_id(SystemClock().now())
    if not sys.stderr.isatty():
        yield question_id
        return
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(args, question_id, over), daemon=True)
    thread.start()
    try:
        yield question_id
    finally:
        over.set()
        thread.join(timeout=2)


def line(question: Mapping[str, Any]) -> str:
    """Return how far a question is: 4.2 s, part 2 of 3, 57 %."""
    found = f"{question['seconds']:.1f} s"
    if question["statements"] > 1:
        found += f", part {question['statement']} of {question['statements']}"
    if question["percent"] is not None:
        found += f", {question['percent']:.0f} %"
    return f"{found}; Ctrl-C stops it"


def _follow(args: argparse.Namespace, question_id: str, over: threading.Event) -> None:
    shown = 0
    if over.wait(_FIRST_SECONDS):
        return
    # A connection of its own: the other one waits for the answer.
    with suppress(TallymarkError, OSError), open_client(args, must_exist=True) as client:
        while not over.wait(_AGAIN_SECONDS):
            for one in client.questions():
                if one["id"] == question_id:
                    text = line(one)
                    sys.stderr.write(f"\r{text.ljust(shown)}")
                    sys.stderr.flush()
                    shown = len(text)
    if shown:
        sys.stderr.write(f"\r{' ' * shown}\r")
        sys.stderr.flush()
