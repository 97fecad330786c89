"""What following tells: that it began, now and then how much it sent, what is wrong, and its end."""

import sys
from collections import Counter
from typing import Final, Protocol

from tallymark.core.clock import Clock

from .render import shown

_EVERY_SECONDS: Final = 30.0
_EXAMPLES_OF_A_CODE: Final = 3


class Sent(Protocol):
    """The counts of what was sent."""

    accepted: int
    unreadable: int
    refused: int


class Teller:
    """Says sentences on standard error, and at the end the sums on standard output."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._next = clock.monotonic() + _EVERY_SECONDS
        self._said = ""
        self._is_away = False
        self._examples: Counter[str] = Counter()

    def start(self) -> None:
        """Say that from now on nothing is missed."""
        self.tell("following (Ctrl-C stops it)")

    def tell(self, sentence: str) -> None:
        """Say something once."""
        print(f"{self._name}: {shown(sentence)}", file=sys.stderr, flush=True)

    def example(self, code: str, message: str) -> None:
        """Show the first few of each reason why something did not count."""
        self._examples[code] += 1
        if self._examples[code] <= _EXAMPLES_OF_A_CODE:
            self.tell(f"{code}: {message}")

    def away(self, message: str) -> None:
        """Say that the server cannot be reached, once until it can."""
        if not self._is_away:
            self._is_away = True
            self.tell(f"{message} Trying until it answers; nothing is lost meanwhile.")

    def back(self) -> None:
        """Say that the server answers again, if it did not."""
        if self._is_away:
            self._is_away = False
            self.tell("The server answers again.")

    def now_and_then(self, counts: Counter[str], sent: Sent) -> None:
        """Say how much was sent, if it is time and there is news."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        said = _sums(counts, sent)
        if said != self._said:
            self._said = said
            self.tell(said)

    def end(self, counts: Counter[str], sent: Sent) -> None:
        """Print the sums."""
        print(f"Stopped: {_sums(counts, sent)}. Run the same command again to go on.", flush=True)


def _sums(counts: Counter[str], sent: Sent) -> str:
    parts = [f"{sent.accepted:,} events accepted and durable"]
    for what, number in (("refused", sent.refused), ("unreadable", sent.unreadable)):
        if number:
            parts.append(f"{number:,} {what}")
    parts += [f"{number:,} {what}" for what, number in sorted(counts.items()) if number]
    return ", ".join(parts)
