"""A follower in a process of its own, to be stopped, killed and started again."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.rounds import until
from tests.journey.sdks import Target


class Follower:
    """``tallymark follow`` for the data folder of a server; started again with the same words."""

    def __init__(self, server: Target, *args: str | Path) -> None:
        self._server = server
        self._args = [str(arg) for arg in args]
        self._said = server.data.parent / "follower.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, waits: bool = True) -> None:
        """Start, and wait until it follows."""
        before = self.output().count("following")
        where = ["--data", str(self._server.data)]
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tallymark", "follow", *self._args, *where],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        if waits:
            until(
                lambda: self.output().count("following") > before or self.status() is not None,
                "it does not follow",
                seconds=40,
            )
            assert self.status() is None, self.output()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def output(self) -> str:
        return self._said.read_text() if self._said.exists() else ""

    def status(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it as somebody would; return its status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(40)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@contextmanager
def follower(server: Target, *args: str | Path, starts: bool = True) -> Iterator[Follower]:
    """Give a running follower."""
    one = Follower(server, *args)
    if starts:
        one.start()
    try:
        yield one
    finally:
        one.end()


def kill_while_it_sends(one: Follower, server: Target) -> None:
    """Start it, and kill it once it has sent something, so that each round gets further."""
    before = log_head(server)
    one.start(waits=False)
    until(lambda: log_head(server) > before, f"it sends nothing: {one.output()[-500:]}")
    one.kill()


def log_head(server: Target) -> int:
    """Return how many requests are durable, loaded or not."""
    return int(server.get("/tm/v1/status")[1]["log_head"])


def ledger(server: Target) -> dict[str, int]:
    """Return the outcomes that something met."""
    return {outcome: items for outcome, items in server.ledger().items() if items}


def accepted(server: Target) -> int:
    return server.ledger().get("accepted", 0)


def until_accepted(server: Target, count: int) -> None:
    """Wait until so many events are part of every answer."""
    until(lambda: accepted(server) >= count, f"not {count} events: {server.ledger()}", seconds=60)


def balances(ledger: dict[str, int]) -> bool:
    """Whether what was received is the sum of what became of it."""
    return ledger["received"] == sum(n for outcome, n in ledger.items() if outcome != "received")
