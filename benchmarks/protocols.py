"""How fast each wire protocol becomes a batch of the log, on one core and without HTTP or disk.

    python -m benchmarks.protocols

Ours opens, decodes, checks, scrubs, encodes and compresses a request; beside it stand bare msgspec
decoding of the same body, and what the reference server does to it: decoding, encoding and
compressing, nothing looked at. All in one thread, in turns, the best of each, in seconds of CPU: so it
matters little what else the machine does. The budget is held over HTTP, by ``benchmarks.collect``; this
tells what a protocol costs by itself.
"""

import sys
import time
from collections.abc import Callable, Sequence

import msgspec
from backports import zstd
from benchmarks.foreign import REQUESTS, Sent
from benchmarks.report import Line, finish, note
from msgspec import structs

from tallymark.collect.batch import prepare
from tallymark.collect.body import inflate
from tallymark.collect.protocol import Caller, Protocol, Request, content_of
from tallymark.core.clock import SystemClock
from tallymark.core.registry import discover
from tallymark.core.settings import Settings
from tallymark.log.codec import encode_batch

SECONDS = 0.6
ROUNDS = 6
NOW = 1_790_000_100_000_000


def measure() -> list[Line]:
    """Return two lines for each protocol."""
    note("protocols: from a request's bytes to the log's")
    found = discover("tallymark.collect.protocols", Protocol)
    return [
        line
        for name, made in REQUESTS.items()
        # Some protocols have several kinds of requests.
        if (protocol := found.get(name.partition(" ")[0])) is not None
        for line in _lines(name, protocol, made())
    ]


def _lines(name: str, protocol: Protocol, sent: Sent) -> list[Line]:
    request = Request(
        sent.method, sent.path, sent.query, sent.headers, sent.body, "203.0.113.9", NOW
    )
    settings, clock = Settings(), SystemClock()
    caller = Caller("p", "public", "pk_1")

    def ours() -> int:
        if protocol.open is None:
            ready = structs.replace(request, body=inflate(request.body, "", settings))
        else:
            ready = structs.replace(request, content=content_of(protocol, request, settings))
        batch = prepare(protocol, ready, caller, settings, clock=clock, may_stay_text=True).batch
        encode_batch(batch)
        return len(batch.events)

    def bare() -> None:
        msgspec.json.decode(sent.inside)

    def least() -> None:
        zstd.compress(msgspec.json.encode(msgspec.json.decode(sent.inside)), level=1)

    taken = ours()
    assert taken == sent.events, f"{name} took {taken} of {sent.events}"
    mine, decoded, reference = _best((ours, bare, least), sent.events)
    return [
        Line(
            what=f"{name}, requests of {sent.events}, to decode, encode and compress",
            measured=f"{mine:,.0f} events/s",
            baseline=f"{reference:,.0f} events/s",
            number=mine / reference,
        ),
        Line(
            what="the same to bare decoding",
            measured=f"{mine:,.0f} events/s",
            baseline=f"{decoded:,.0f} events/s",
            number=mine / decoded,
        ),
    ]


def _best(works: Sequence[Callable[[], object]], events: int) -> list[float]:
    """Return the events that each does in a second of CPU, in its quickest round."""
    best = [0.0] * len(works)
    for _ in range(ROUNDS):
        for index, work in enumerate(works):
            done, began = 0, time.process_time()
            while (took := time.process_time() - began) < SECONDS / ROUNDS or not done:
                work()
                done += 1
            best[index] = max(best[index], done * events / took)
    return best


if __name__ == "__main__":
    sys.exit(finish(measure()))
