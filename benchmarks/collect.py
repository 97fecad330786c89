"""How fast events are accepted durably, over HTTP on this machine.

    python -m benchmarks.collect

Each measure runs against ``baselines/reference_server.py`` in turns, the best of each counts. Batches
of 500 events are held against its route that decodes, encodes, compresses and commits; one event a
request, over 64 connections, against its route that only reads the body. What both logs hold is
asserted to be what was answered. While "the store sleeps" only the front works; otherwise the store
process loads what comes, on the same cores.
"""

import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks import sending, workload
from benchmarks.processes import Server, Tallymark, cpu_seconds, free_port, running
from benchmarks.report import Line, finish, note
from msgspec import Struct

BATCH = 500
BATCH_CONNECTIONS = 8
SINGLE_CONNECTIONS = 64
SECONDS = 4
ROUNDS = 3
BATCH_BUDGET = 0.5
SINGLE_BUDGET = 0.6
EVENTS_ROUTE = "/tm/v1/events"
# A request that wrk left behind is answered long before this.
_SETTLING = 0.5


class Rate(Struct, frozen=True):
    """Events a second by the clock, for each second of the front's CPU, and of all its processes."""

    wall: float
    front: float
    all: float


class Target(Struct, frozen=True):
    """Where to send, and the log that must hold what was sent."""

    server: Server
    path: str
    log: Path | None = None
    key: str = "none"


def rate(target: Target, *, events: int, connections: int, run: int) -> Rate:
    """Return how fast a target takes requests of so many events."""
    held = _settled(target)
    pids = target.server.pids()
    before, front = cpu_seconds(pids), cpu_seconds(pids[:1])
    sent = sending.send(
        f"http://127.0.0.1:{target.server.port}{target.path}",
        events=events, connections=connections, seconds=SECONDS, run=run, key=target.key,
    )  # fmt: skip
    took, front_took = cpu_seconds(pids) - before, cpu_seconds(pids[:1]) - front
    if target.log is not None:
        # wrk leaves without waiting for the last request of each connection.
        stored = _held(target) - held
        answered = sent.requests * events
        assert answered <= stored <= answered + connections * events, (answered, stored)
    count = sent.requests * events
    return Rate(count / sent.seconds, count / front_took, count / took)


def compare(
    mine: Target, theirs: Target, *, events: int, connections: int, first_run: int = 0
) -> tuple[Rate, Rate]:
    """Return the best rates of several turns: ours, and the reference's."""
    ours: list[Rate] = []
    reference: list[Rate] = []
    for turn in range(first_run, first_run + ROUNDS):
        ours.append(rate(mine, events=events, connections=connections, run=turn))
        reference.append(rate(theirs, events=events, connections=connections, run=turn))
    return _best(ours), _best(reference)


def lines(what: str, ours: Rate, base: Rate, budget: float) -> list[Line]:
    """Return the ratio by the clock, which the budget bounds, and by work."""
    return [
        Line(
            what=what,
            measured=f"{ours.wall:,.0f} events/s",
            baseline=f"{base.wall:,.0f} events/s",
            number=ours.wall / base.wall,
            budget=budget,
        ),
        Line(
            what="the same, for each second of CPU",
            measured=f"{ours.front:,.0f} events/s",
            baseline=f"{base.front:,.0f} events/s",
            number=ours.front / base.front,
        ),
    ]


def measure() -> list[Line]:
    """Return the lines of this benchmark."""
    note("collect: durable accept over HTTP")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.baselines.reference_server", str(port), name]
        server = Tallymark(data)
        reference = Server(command, port=port, said=Path(name) / "reference.out", ready="/")
        with running(server), running(reference):
            log = data / "projects" / "default" / "log.db"
            mine = Target(server, EVENTS_ROUTE, log, server.keys["secret"])
            committed = Target(reference, "/batch", Path(name) / "log.db")
            only_read = Target(reference, "/read")
            _check(server)
            return _measure(mine, committed, only_read)


def _measure(mine: Target, committed: Target, only_read: Target) -> list[Line]:
    with asleep(mine.server.children()):
        batch, batch_base = compare(mine, committed, events=BATCH, connections=BATCH_CONNECTIONS)
        single, single_base = compare(
            mine, only_read, events=1, connections=SINGLE_CONNECTIONS, first_run=ROUNDS
        )
    loading = rate(mine, events=BATCH, connections=BATCH_CONNECTIONS, run=2 * ROUNDS)
    single_loading = rate(mine, events=1, connections=SINGLE_CONNECTIONS, run=2 * ROUNDS + 1)
    return [
        *lines("accept batches of 500", batch, batch_base, BATCH_BUDGET),
        _beside("the same while the store loads", loading, batch_base),
        *lines("accept one event a request", single, single_base, SINGLE_BUDGET),
        _beside("the same while the store loads", single_loading, single_base),
    ]


@contextmanager
def asleep(pids: Sequence[int]) -> Iterator[None]:
    """Stop processes in their tracks, and let them go on in the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _beside(what: str, ours: Rate, base: Rate) -> Line:
    return Line(
        what=what,
        measured=f"{ours.wall:,.0f} events/s",
        baseline=f"{base.wall:,.0f} events/s",
        number=ours.wall / base.wall,
    )


def _best(rates: Sequence[Rate]) -> Rate:
    return Rate(
        max(one.wall for one in rates),
        max(one.front for one in rates),
        max(one.all for one in rates),
    )


def _check(server: Tallymark) -> None:
    """See that the workload is taken whole, for the log counts what was refused as well."""
    answer = server.send(workload.body(0, BATCH, prefix="check"))
    assert answer == {"accepted": BATCH, "failed": []}, answer


def _settled(target: Target) -> int:
    """Return what the log holds once the last requests of the turn before have all been answered."""
    held = _held(target)
    while True:
        time.sleep(_SETTLING)
        now = _held(target)
        if now == held:
            return now
        held = now


def _held(target: Target) -> int:
    if target.log is None:
        return 0
    with closing(sqlite3.connect(f"file:{target.log}?mode=ro", uri=True)) as connection:
        held: int = connection.execute("SELECT ifnull(sum(items), 0) FROM batch").fetchone()[0]
        return held


if __name__ == "__main__":
    sys.exit(finish(measure()))
