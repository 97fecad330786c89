"""Whether memory stays flat while requests of every protocol keep coming.

    python -m benchmarks.soak [--seconds N]

Each second one request a protocol is sent, with new ids, and a question asked every few seconds. The
memory of all processes is sampled; the median of the last third of the time is held against that of
the middle third, since the first fills caches. The engine keeps what it has read up to a limit, and an
index its newest keys; both limits are set so low that they are reached in the first third: what grows
after that would grow for ever. What was sent must all be counted.
"""

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.foreign import REQUESTS, Sent
from benchmarks.processes import Tallymark, memory_bytes, running
from benchmarks.report import Line, finish, note

from tallymark.catalog.catalog import Catalog
from tallymark.collect.protocol import Protocol
from tallymark.core.registry import discover

SECONDS = 600
GROWTH = 1.10
_MB = 1_000_000
_STORE_BYTES = 192 * 1024 * 1024
_INDEX_KEYS = 1 << 15
_SITES = ("k", "1", "G-1", "shop.example")
_STEP = 500
_ASK_EVERY = 5
_SUCCESS = range(200, 300)


def measure(seconds: int = SECONDS) -> list[Line]:
    """Return how memory in the end compares with memory in the middle."""
    note(f"soak: every protocol for {seconds} seconds")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        server = Tallymark(
            data, f"store_memory_bytes={_STORE_BYTES}", f"index_flush_keys={_INDEX_KEYS}"
        )
        with running(server):
            _register(data)
            sent, samples = _soak(server, seconds)
            server.wait_until_loaded()
            taken = server.status()["ledger"]
        assert taken["received"] >= sent, (taken, sent)
        assert taken["rejected"] == taken["quarantined"] == taken["conflict"] == 0, taken
    third = len(samples) // 3
    middle, last = (
        statistics.median(samples[third : 2 * third]),
        statistics.median(samples[-third:]),
    )
    return [
        Line(
            what=f"memory at the end of {seconds} s of every protocol, {sent:,} events",
            measured=f"{last / _MB:.0f} MB",
            baseline=f"{middle / _MB:.0f} MB in the middle",
            number=last / middle,
            budget=GROWTH,
            sense="at most",
        )
    ]


def _register(data: Path) -> None:
    with closing(Catalog.in_folder(data)) as catalog:
        for protocol in discover("tallymark.collect.protocols", Protocol).values():
            if protocol.open is not None:
                for site in _SITES:
                    catalog.add_site("default", protocol.name, site, now=0)


def _soak(server: Tallymark, seconds: int) -> tuple[int, list[int]]:
    known = discover("tallymark.collect.protocols", Protocol)
    makers = {name: made for name, made in REQUESTS.items() if name in known}
    samples: list[int] = []
    sent = 0
    deadline = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < deadline:
        began = time.monotonic()
        for name, made in makers.items():
            request = made(turn * _STEP)
            key = server.keys["secret"] if name in ("native", "cloudevents", "otlp") else ""
            _post(server.port, request, key)
            sent += request.events
        if turn % _ASK_EVERY == 0:
            server.ask("trends", {"series": [{"measure": "unique_people"}], "range": "7d"})
        samples.append(memory_bytes(server.pids()))
        turn += 1
        time.sleep(max(0.0, 1 - (time.monotonic() - began)))
    return sent, samples


def _post(port: int, request: Sent, key: str) -> None:
    headers: Mapping[str, str] = request.headers
    if key:
        headers = {**headers, "authorization": f"Bearer {key}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        path = f"{request.path}?{request.query}" if request.query else request.path
        connection.request(request.method, path, request.body, dict(headers))
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in _SUCCESS, (request.path, answer.status, said[:200])
    finally:
        connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    sys.exit(finish(measure(parser.parse_args().seconds)))
