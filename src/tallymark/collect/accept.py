"""From a request to the log: inflate, decode, steps, one batch, durable; only then the answer.

Whoever reads a request also encodes its batch and gives its events up: what travels between threads
is bytes, and not tens of thousands of objects that another core would have to fetch only to free
them. ``batch.prepare`` is the pure part. The ``Collector`` adds the effects: the log, the live view, the
counters.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol as Interface
from typing import TypeAlias

from msgspec import Struct, structs

from tallymark import __version__
from tallymark.core.clock import MICROSECONDS, Clock
from tallymark.core.errors import Refused
from tallymark.core.event import UNPLACED, Batch, Failed
from tallymark.core.settings import Settings
from tallymark.log.codec import encode_batch
from tallymark.log.log import Entry
from tallymark.privacy.consent import signals_of
from tallymark.privacy.scrub import scrub_raw

from .batch import NOTHING_KEPT, Prepared, Surroundings, prepare
from .body import GZIP_MAGIC, inflate
from .protocol import Caller, Protocol, Reply, Request, content_of

MINUTE = 60 * MICROSECONDS
# As many as the live view shows of a request.
MOST_PUBLISHED = 50
# Refused requests of one project and code in a minute, beyond which most are only counted.
FLOOD_FROM = 600
FLOOD_SAMPLE = 100
# A larger body takes longer than other requests may be kept waiting, so it leaves the event loop.
_THREAD_FROM_BYTES = 64 * 1024
_THREAD_FROM_PACKED_BYTES = 8 * 1024
# Ten hostile megabytes can decode to half a gigabyte, and more threads would not decode faster.
_LARGE_AT_ONCE = 2


class Appender(Interface):
    """The part of the log that collection needs."""

    async def append(self, project: str, batch: Batch, *, size: int) -> int:
        """Return the position of the batch once it is durable; raises Unavailable."""


class Log(Interface):
    """The same, for whoever has encoded its batches already."""

    async def append(self, project: str, batch: Batch | Entry, *, size: int) -> int:
        """Return the position of the batch once it is durable; raises Unavailable."""


class Collector:
    """Accepts requests of every protocol; one per server.

    ``publish`` is called on the event loop with each project's batch once it is durable. It holds at
    most ``MOST_PUBLISHED`` events and, if it had more, no commands; ``received`` counts all the same.
    """

    def __init__(
        self,
        settings: Settings,
        log: Log,
        *,
        clock: Clock,
        publish: Callable[[str, Batch], None] = lambda project, batch: None,
        around: Surroundings = NOTHING_KEPT,
    ) -> None:
        self._around = around
        self._settings = settings
        self._log = log
        self._clock = clock
        self._publish = publish
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._flood = _Flood()
        self._room = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def opened(
        self, protocol: Protocol, request: Request, *, is_shared: bool = False
    ) -> Request:
        """Return the request with its content, for a protocol that hides its key there.

        ``is_shared`` says that the address is not this protocol's alone. Raises Refused for a body that
        cannot be read.
        """
        if protocol.open is None:
            return request
        read = partial(content_of, protocol, request, self._settings, is_shared=is_shared)
        if self._is_large(request):
            async with self._room:
                content = await asyncio.to_thread(read)
        else:
            content = read()
        return structs.replace(request, content=content)

    async def refuse(
        self, protocol: Protocol, request: Request, caller: Caller, why: Refused
    ) -> None:
        """Keep a request of which nothing could be read, with the reason; it was counted then."""
        text = _legible(protocol, request)
        await self._store_refusal(_Unreadable(why, text), request, protocol, caller)

    async def accept(self, protocol: Protocol, request: Request, caller: Caller) -> Reply:
        """Return the protocol's answer once everything of the request is durable.

        Raises Unavailable if the log cannot take it, and Refused if nothing of the request can be
        read; the refusal itself is durable by then, so that it is counted and can be looked into.
        """
        size = len(request.body)
        if self._is_large(request):
            async with self._room:
                read = await asyncio.to_thread(self._read, protocol, request, caller)
        else:
            read = self._read(protocol, request, caller)
        if isinstance(read, _Unreadable):
            await self._store_refusal(read, request, protocol, caller)
            raise read.why
        for step, seconds in read.seconds.items():
            self._seconds[step] = self._seconds.get(step, 0.0) + seconds
        if read.entry is not None:
            await self._store(caller.project, read.batch, size, read.entry)
        return read.reply

    async def flush(self) -> None:
        """Store the counts of refused requests that were held back; to be called before closing."""
        for (project, source, protocol, code), held in self._flood.drain().items():
            batch = Batch(
                received_at=self._clock.now(),
                source=source,
                protocol=protocol,
                received=held,
                dropped={code: held},
            )
            await self._store(project, batch, 0)

    def counts(self) -> Mapping[str, int]:
        """Return how many requests, accepted and failed items there were, and refusals by code."""
        return dict(self._counts)

    def step_seconds(self) -> Mapping[str, float]:
        """Return the seconds each step took in all."""
        return dict(self._seconds)

    def _is_large(self, request: Request) -> bool:
        packed = "content-encoding" in request.headers
        return len(request.body) >= (_THREAD_FROM_PACKED_BYTES if packed else _THREAD_FROM_BYTES)

    def _read(self, protocol: Protocol, request: Request, caller: Caller) -> "_Ready | _Unreadable":
        read = self._prepared_or_not(protocol, request, caller)
        return read if isinstance(read, _Unreadable) else _ready(read, protocol, request)

    def _prepared_or_not(
        self, protocol: Protocol, request: Request, caller: Caller
    ) -> "Prepared | _Unreadable":
        if protocol.open is not None:
            try:
                return self._prepared(protocol, request, caller)
            except Refused as refusal:
                return _Unreadable(refusal, _legible(protocol, request))
        encoding = request.headers.get("content-encoding", "")
        text: bytes | None = None
        try:
            text = inflate(request.body, encoding, self._settings)
            if text is not request.body:
                request = structs.replace(request, body=text)
            return self._prepared(protocol, request, caller)
        except Refused as refusal:
            if text is None:
                # Compressed bytes cannot be scrubbed, so nothing of them is kept.
                text = b"" if encoding or request.body[:2] == GZIP_MAGIC else request.body
            return _Unreadable(refusal, text)

    def _prepared(self, protocol: Protocol, request: Request, caller: Caller) -> Prepared:
        return prepare(
            protocol, request, caller, self._settings, clock=self._clock, around=self._around,
            may_stay_text=True,
        )  # fmt: skip

    async def _store(
        self, project: str, batch: Batch, size: int, entry: Entry | None = None
    ) -> None:
        await self._log.append(project, entry or batch, size=size)
        self._counts["requests"] += 1
        self._counts["accepted"] += accepted_of(batch)
        for item in batch.failed:
            self._counts[f"failed.{item.code}"] += 1
        for code, items in batch.dropped.items():
            self._counts[f"dropped.{code}"] += items
        for code, times in batch.observed.items():
            self._counts[f"observed.{code}"] += times
        self._publish(project, batch)

    async def _store_refusal(
        self, read: "_Unreadable", request: Request, protocol: Protocol, caller: Caller
    ) -> None:
        code = read.why.code
        minute = request.received_at // MINUTE
        held = self._flood.pass_on((caller.project, caller.source, protocol.name, code), minute)
        if held is None:
            return
        # Of whoever opted out nothing is kept, not even for repair.
        text = b"" if signals_of(request.headers).opted_out else read.text
        raw = scrub_raw(text[: self._settings.max_failed_bytes], caller.policy)
        batch = Batch(
            received_at=request.received_at,
            source=caller.source,
            protocol=protocol.name,
            received=1 + held,
            server_side=caller.kind != "public",
            failed=[
                Failed(
                    code=code,
                    stage=read.why.stage,
                    message=read.why.message,
                    path=read.why.path,
                    index=UNPLACED,
                    raw=raw,
                    raw_bytes=len(text),
                    sampled=1 + held,
                )
            ],
            dropped={code: held} if held else {},
            server=__version__,
            plan_version=caller.plan.number if caller.plan else 0,
        )
        await self._store(caller.project, batch, len(raw))


class _Unreadable(Struct, frozen=True):
    why: Refused
    text: bytes


class _Ready(Struct, frozen=True):
    """What is left of a request that was read; ``entry`` is None if there is nothing to keep."""

    reply: Reply
    batch: Batch
    entry: Entry | None
    seconds: dict[str, float]


def _ready(read: Prepared, protocol: Protocol, request: Request) -> _Ready:
    batch = read.batch
    entry = encode_batch(batch) if batch.received else None
    if len(batch.events) > MOST_PUBLISHED:
        batch = structs.replace(batch, events=batch.events[:MOST_PUBLISHED], commands=[])
    return _Ready(protocol.reply(read.decoded, request), batch, entry, read.seconds)


def accepted_of(batch: Batch) -> int:
    """Return how many items of a batch count, also of one that was shortened to be published."""
    return batch.received - len(batch.failed) - sum(batch.dropped.values())


def _legible(protocol: Protocol, request: Request) -> bytes:
    """Return a body in which personal fields can be found and scrubbed; nothing of any other."""
    is_json = request.body.lstrip()[:1] in (b"{", b"[")
    return request.body if is_json and protocol.is_legible else b""


_Flooding: TypeAlias = tuple[str, str, str, str]
"""Project, key, protocol and code."""


class _Window(Struct):
    minute: int
    seen: int = 0
    held: int = 0


class _Flood:
    """Lets so many refusals a minute through, then every so-maniest with the count of the others."""

    def __init__(self) -> None:
        self._windows: dict[_Flooding, _Window] = {}

    def pass_on(self, key: _Flooding, minute: int) -> int | None:
        """Return how many were held back since the last one let through; None to hold this too."""
        window = self._windows.setdefault(key, _Window(minute))
        if window.minute != minute:
            window.minute, window.seen = minute, 0
        window.seen += 1
        over = window.seen - FLOOD_FROM
        if over > 0 and over % FLOOD_SAMPLE:
            window.held += 1
            return None
        held, window.held = window.held, 0
        return held

    def drain(self) -> dict[_Flooding, int]:
        """Return what is held back, and hold it no longer."""
        held = {key: window.held for key, window in self._windows.items() if window.held}
        self._windows.clear()
        return held
