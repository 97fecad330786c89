"""How fast events are accepted durably, over HTTP on this machine, by every protocol.

    python -m benchmarks.collect [KIND…]

Each measure runs against ``baselines/reference_server.py`` in turns. Batches are held against its route
that decodes, encodes, compresses and commits the same body; one event a request, over 64 connections,
against its route that only reads the body. That is done once by the clock for the native protocol, and
for every kind of request that ``foreign.py`` knows by the CPU that the serving process took, so that it
matters little what else the machine does; beside it stands bare decoding of the same body. What both
logs hold is asserted to be what was answered. While "the store sleeps" only the front works; otherwise
the store process loads what comes, on the same cores.

Every request has event ids of its own, where its client sends any: those of OpenTelemetry and of the
browser's ``$insert_id`` stay the same. It makes no difference here, since duplicates are found in loading.
"""

import argparse
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from benchmarks import sending, workload
from benchmarks.foreign import REQUESTS, Sent
from benchmarks.processes import JSON, Server, Tallymark, cpu_seconds, free_port, running
from benchmarks.report import Line, finish, note
from msgspec import Struct

from tallymark.catalog.catalog import Catalog
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

BATCH = 500
BATCH_CONNECTIONS = 8
SINGLE_CONNECTIONS = 64
SECONDS = 4
ROUNDS = 3
BATCH_BUDGET = 0.5
SINGLE_BUDGET = 0.6
EVENTS_ROUTE = "/tm/v1/events"
# The protocols that most use; the others may take twice as long.
FIRST: Final = frozenset({"native", "segment", "posthog"})
# What finds its key in the header; the others name a site in the body.
KEYED: Final = frozenset({"native", "cloudevents", "otlp"})
SITES: Final = {"ga4": "G-1", "matomo": "1", "plausible": "shop.example"}
_SITE = "k"
# Where the reference decodes something else than JSON.
_WRAPPED: Final = {"mixpanel": "/batch/form", "matomo": "/batch/queries"}
# For every kind of request.
KIND_SECONDS = 2
KIND_TURNS = 2
# Of fewer events a request, more clients are needed to keep a server busy.
_SMALL = 100
_BARE_SECONDS = 0.2
_SUCCESS = range(200, 300)
# The start of every id of the workload: what stands in its place is different in each request.
_IDS = b"e-000000"
# CPU seconds are counted in hundredths, and a request of each connection is left out of account.
_LEAST_CPU = 0.3
_LONGEST = 32
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
    headers: Mapping[str, str] = {}


class Load(Struct, frozen=True):
    """What to send: a body of so many events, over so many connections, for a time each turn."""

    body: bytes
    events: int
    connections: int
    seconds: int = SECONDS


BATCHES: Final = Load(workload.body(0, BATCH, prefix=sending.PLACE), BATCH, BATCH_CONNECTIONS)
SINGLES: Final = Load(workload.body(0, 1, prefix=sending.PLACE), 1, SINGLE_CONNECTIONS)


def rate(target: Target, load: Load, *, run: int) -> Rate:
    """Return how fast a target takes requests; sends for longer until it has had something to do."""
    seconds = load.seconds
    while True:
        held = _settled(target)
        pids = target.server.pids()
        before, front = cpu_seconds(pids), cpu_seconds(pids[:1])
        sent = sending.send_body(
            f"http://127.0.0.1:{target.server.port}{target.path}",
            load.body,
            target.headers,
            connections=load.connections,
            seconds=seconds,
            run=run,
        )
        took, front_took = cpu_seconds(pids) - before, cpu_seconds(pids[:1]) - front
        if target.log is not None:
            # wrk leaves without waiting for the last request of each connection; on a machine full of
            # other work, those of the turn before may still come.
            stored = _held(target) - held
            assert sent.requests <= stored <= sent.requests + 2 * load.connections, (sent, stored)
        is_enough = front_took >= _LEAST_CPU and sent.requests >= 4 * load.connections
        if is_enough or seconds >= _LONGEST:
            count = sent.requests * load.events
            return Rate(count / sent.seconds, count / front_took, count / took)
        # Where others have the cores, a turn may be over before it tells anything.
        seconds = min(_LONGEST, 2 * seconds)


def compare(
    mine: Target, theirs: Target, load: Load, *, first_run: int = 0, turns: int = ROUNDS
) -> tuple[Rate, Rate]:
    """Return the best rates of several turns: ours, and the reference's."""
    ours: list[Rate] = []
    reference: list[Rate] = []
    for turn in range(first_run, first_run + turns):
        ours.append(rate(mine, load, run=turn))
        reference.append(rate(theirs, load, run=turn))
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


def measure(kinds: Collection[str] = ()) -> list[Line]:
    """Return the lines of this benchmark, or those of some kinds of requests alone."""
    note("collect: durable accept over HTTP")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.baselines.reference_server", str(port), name]
        server = Tallymark(data)
        reference = Server(command, port=port, said=Path(name) / "reference.out", ready="/")
        with running(server), running(reference):
            _register(data)
            log = data / "projects" / "default" / "log.db"
            pair = Pair(server, reference, log, Path(name) / "log.db")
            found = [] if kinds else _by_clock(pair)
            with asleep(server.children()):
                for kind in kinds or REQUESTS:
                    found += _of_kind(pair, kind)
            return found


class Pair(Struct, frozen=True):
    """Both servers and their logs."""

    server: Tallymark
    reference: Server
    log: Path
    reference_log: Path

    def mine(self, path: str, headers: Mapping[str, str]) -> Target:
        """Return our address."""
        return Target(self.server, path, self.log, headers)

    def theirs(self, path: str) -> Target:
        """Return a route of the reference."""
        log = None if path == "/read" else self.reference_log
        return Target(self.reference, path, log, {"Content-Type": JSON})


def _by_clock(pair: Pair) -> list[Line]:
    mine = pair.mine(EVENTS_ROUTE, _keyed(pair.server))
    _check(pair, mine, BATCHES)
    with asleep(pair.server.children()):
        batch, batch_base = compare(mine, pair.theirs("/batch"), BATCHES)
        single, single_base = compare(mine, pair.theirs("/read"), SINGLES, first_run=ROUNDS)
    loading = rate(mine, BATCHES, run=2 * ROUNDS)
    single_loading = rate(mine, SINGLES, run=2 * ROUNDS + 1)
    return [
        *lines("accept batches of 500", batch, batch_base, BATCH_BUDGET),
        _beside("the same while the store loads", loading, batch_base),
        *lines("accept one event a request", single, single_base, SINGLE_BUDGET),
        _beside("the same while the store loads", single_loading, single_base),
    ]


def _of_kind(pair: Pair, kind: str) -> list[Line]:
    """Return how a kind of request compares with the reference, and with decoding alone, by CPU."""
    sent = REQUESTS[kind]()
    protocol = kind.partition(" ")[0]
    is_single = sent.events == 1
    connections = SINGLE_CONNECTIONS if sent.events < _SMALL else BATCH_CONNECTIONS
    body = sent.body.replace(_IDS, sending.PLACE.encode())
    load = Load(body, sent.events, connections, KIND_SECONDS)
    headers = {"Content-Type": JSON, **sent.headers}
    if protocol in KEYED:
        headers |= _keyed(pair.server)
    path = f"{sent.path}?{sent.query}" if sent.query else sent.path
    mine = pair.mine(path, headers)
    _check(pair, mine, load)
    theirs = pair.theirs("/read" if is_single else _WRAPPED.get(protocol, "/batch"))
    ours, base = compare(mine, theirs, load, turns=KIND_TURNS)
    budget = SINGLE_BUDGET if is_single else BATCH_BUDGET
    bare = _bare(sent)
    beside = "only reading" if is_single else "decoding and committing"
    note(f"  {kind}: {ours.front:,.0f} of {base.front:,.0f}, {ours.front / base.front:.2f}")
    return [
        Line(
            what=f"{kind}, {sent.events} a request, to {beside}, for each second of CPU",
            measured=f"{ours.front:,.0f} events/s",
            baseline=f"{base.front:,.0f} events/s",
            number=ours.front / base.front,
            budget=budget if protocol in FIRST else budget / 2,
        ),
        Line(
            what="the same to bare decoding",
            measured=f"{ours.front:,.0f} events/s",
            baseline=f"{bare:,.0f} events/s",
            number=ours.front / bare,
        ),
    ]


def _bare(sent: Sent) -> float:
    """Return the events that are decoded in a second of CPU, and nothing else done to them."""
    best = 0.0
    for _ in range(ROUNDS):
        done, began = 0, time.process_time()
        while (took := time.process_time() - began) < _BARE_SECONDS or not done:
            msgspec.json.decode(sent.inside)
            done += 1
        best = max(best, done * sent.events / took)
    return best


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


def _keyed(server: Tallymark) -> dict[str, str]:
    return {"Content-Type": JSON, "Authorization": f"Bearer {server.keys['secret']}"}


def _register(data: Path) -> None:
    """Let the sites that the bodies name send for the project."""
    names = {kind.partition(" ")[0] for kind in REQUESTS}
    with closing(Catalog.in_folder(data)) as catalog:
        for name in sorted(names - KEYED):
            catalog.add_site("default", name, SITES.get(name, _SITE), now=0)


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


def _check(pair: Pair, mine: Target, load: Load) -> None:
    """See that a request is taken whole, for the log counts what was refused as well."""
    before = _settled(mine)
    status = pair.server.post(mine.path, load.body, mine.headers)
    assert status in _SUCCESS, (mine.path, status)
    with closing(SqliteLog(pair.log, readonly=True)) as log:
        (record,) = log.read(log.head() - 1, max_bytes=1, max_items=1)
    batch = decode_batch(record)
    assert _held(mine) == before + 1, mine.path
    assert len(batch.events) == batch.received == load.events, (mine.path, batch.failed[:1])


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
    """Return how many requests the log holds."""
    if target.log is None:
        return 0
    with closing(sqlite3.connect(f"file:{target.log}?mode=ro", uri=True)) as connection:
        held: int = connection.execute("SELECT ifnull(max(position), 0) FROM batch").fetchone()[0]
        return held


def main() -> int:
    """Measure what was asked for; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", metavar="KIND", nargs="*", help="only these kinds of requests")
    given = parser.parse_args()
    if unknown := set(given.kinds) - REQUESTS.keys():
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(REQUESTS)}")
    return finish(measure(given.kinds))


if __name__ == "__main__":
    sys.exit(main())
