"""How long it takes from "accepted" to "in the answers".

    python -m benchmarks.freshness [--events N]

The highest rate is found first: batches as fast as they are accepted, divided by the time until the
last of them is queryable. Then batches come at half that rate, while probes measure: a probe is one
event; its clock starts with the answer "accepted" and stops when the store has committed all that
the log held when it was next looked at, which is a little later. Once with nothing else to do, once while a heavy question runs all the time.
In the end a question must count every probe.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import sending, store_fill, workload
from benchmarks.processes import Tallymark, running
from benchmarks.report import Line, finish, note
from msgspec import Struct

from tallymark.core.clock import rfc3339
from tallymark.core.settings import Settings

EVENTS = 2_000_000
BATCH = 500
CONNECTIONS = 4
FIND_SECONDS = 6
PROBE_SECONDS = 15
BUDGET_SECONDS = 1.0
PROBE = "probe"
_PLACE = "@@@@@@@@"
_PAUSE = 0.01
_PROBE_EVERY = 0.1


class Delays(Struct, frozen=True):
    """How long probes took, in seconds, and how fast the batches came beside them."""

    seconds: list[float]
    rate: float

    def quantile(self, share: float) -> float:
        """Return the delay that this share of the probes did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def highest_rate(server: Tallymark) -> float:
    """Return the events a second that are accepted and loaded when as many come as can."""
    began = time.perf_counter()
    sent = sending.send(
        f"http://127.0.0.1:{server.port}/tm/v1/events",
        events=BATCH, connections=CONNECTIONS, seconds=FIND_SECONDS, run=0,
        key=server.keys["secret"],
    )  # fmt: skip
    server.wait_until_loaded()
    return sent.requests * BATCH / (time.perf_counter() - began)


def delays(server: Tallymark, *, rate: float, run: int) -> Delays:
    """Return the delays of probes, sent ten times a second, while events come at a rate."""
    sent = [0]
    waiting: deque[float] = deque()
    probes = [0]
    found: list[float] = []
    began = time.perf_counter()

    def probe() -> float:
        server.send(f'{{"name": "{PROBE}", "id": "{PROBE}-{run}-{probes[0]}"}}'.encode())
        waiting.append(time.perf_counter())
        probes[0] += 1
        return max(0.0, began + probes[0] * _PROBE_EVERY - time.perf_counter())

    with meanwhile(_pacer(server, rate, run, sent)):
        # On a thread of their own, so that a stall delays no probe that should have felt it.
        with meanwhile(probe):
            while time.perf_counter() - began < PROBE_SECONDS:
                found += _arrived(server, waiting)
        while waiting:
            found += _arrived(server, waiting)
        paced = sent[0] / (time.perf_counter() - began)
    return Delays(found, paced)


def measure(*, events: int = EVENTS) -> list[Line]:
    """Return the lines of this benchmark."""
    note("freshness: accepted → queryable")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        memory = Settings().store_memory_bytes
        keys = store_fill.serve_filled(data, events, memory_bytes=memory)
        server = Tallymark(data, keys=keys)
        with running(server):
            # The first load derives the index from the store, which is no part of usual loading.
            server.send(b'{"name": "first"}')
            server.wait_until_loaded()
            rate = highest_rate(server)
            quiet = delays(server, rate=rate / 2, run=1)
            answered = [0.0, 0.0]
            with meanwhile(_asker(server, events, answered)):
                busy = delays(server, rate=rate / 2, run=2)
            server.wait_until_loaded()
            _check(server, len(quiet.seconds) + len(busy.seconds))
    note(f"  heavy questions: {answered[0]:.0f}, {answered[1] / max(answered[0], 1):.2f} s each")
    return [
        *_lines(f"accepted → queryable at half of {rate:,.0f} events/s", quiet),
        *_lines("the same while a heavy question runs", busy),
    ]


@contextmanager
def meanwhile(act: Callable[[], float]) -> Iterator[None]:
    """Do something over and over on a thread; it returns how many seconds to wait until the next."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        pause = 0.0
        try:
            while not stop.wait(pause):
                pause = act()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]


def _pacer(server: Tallymark, rate: float, run: int, sent: list[int]) -> Callable[[], float]:
    template = workload.body(0, BATCH, prefix=_PLACE)
    began = time.perf_counter()

    def act() -> float:
        number = f"p{run}{sent[0] // BATCH:06d}"
        server.send(template.replace(_PLACE.encode(), number.encode()))
        sent[0] += BATCH
        return max(0.0, began + sent[0] / rate - time.perf_counter())

    return act


def _asker(server: Tallymark, events: int, answered: list[float]) -> Callable[[], float]:
    since = (workload.START_MS - events * workload.STEP_MS) * 1000
    question: dict[str, Any] = {
        "range": {"since": rfc3339(since), "until": rfc3339(workload.START_MS * 1000)},
        "series": [{"measure": "unique_people"}, {"measure": "p99", "of": "value"}],
        "breakdown": ["path", "browser"],
    }

    def act() -> float:
        began = time.perf_counter()
        server.ask("trends", question)
        answered[0] += 1
        answered[1] += time.perf_counter() - began
        return 0.0

    return act


def _arrived(server: Tallymark, waiting: deque[float]) -> list[float]:
    """Return the delays of the probes accepted so far, once the store holds them all."""
    accepted = [waiting.popleft() for _ in range(len(waiting))]
    head = None
    while True:
        status = server.status()
        if head is None:
            head = status["log_head"]
        if status["log_position"] >= head:
            now = time.perf_counter()
            return [now - one for one in accepted]
        time.sleep(_PAUSE)


def _check(server: Tallymark, probes: int) -> None:
    answer = server.ask("trends", {"range": {"last": "1d"}, "series": [{"event": PROBE}]})
    counted = sum(line["total"] for line in answer["data"]["lines"])
    assert int(counted) == probes, (counted, probes)


def _lines(what: str, found: Delays) -> Sequence[Line]:
    worst = found.quantile(0.99)
    return [
        Line(
            what=what,
            measured=f"p50 {found.quantile(0.5) * 1000:.0f} ms, p99 {worst * 1000:.0f} ms",
            baseline=f"{len(found.seconds)} probes, {found.rate:,.0f} events/s",
            number=worst,
            budget=BUDGET_SECONDS,
            sense="at most",
            unit="s",
        )
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="events stored before")
    sys.exit(finish(measure(events=parser.parse_args().events)))
