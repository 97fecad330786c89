"""Bounds what a client may cost before its request is complete.

uvicorn's httptools protocol parses strictly but waits for ever. This one closes connections that
send their head or body too slowly, or too much head, or that there are too many of. One sweep a
second looks at all of them: a timer per request would cost a third of the throughput.
"""

import asyncio
from typing import Any, cast

import msgspec
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tallymark.core.errors import CODES
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Counter, Gauge, Metrics

from .problem import MEDIA_TYPE, Problem

# How long we go on discarding a body that was refused, so that the client can read why.
_LINGER_SECONDS = 2.0
# How long a client may leave an answer unread.
_UNREAD_SECONDS = 60.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {
    400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}  # fmt: skip


class Guard(Struct, frozen=True):
    """The bounds, and where it is counted that they were met."""

    max_connections: int
    header_seconds: float
    min_body_rate: int
    max_header_bytes: int
    retry_after_seconds: int
    open: Gauge
    closed: Counter
    body_grace_seconds: float = 10.0

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics) -> "Guard":
        """Return the bounds that the settings ask for."""
        closed = metrics.counter(
            "tallymark_connections_closed_total", "Connections we closed, by reason.", ("reason",)
        )
        gauge = metrics.gauge("tallymark_connections", "Open connections.")
        return cls(
            settings.max_connections,
            settings.header_seconds,
            settings.min_body_rate,
            settings.max_header_bytes,
            settings.retry_after_seconds,
            gauge,
            closed,
        )


class Guarded(HttpToolsProtocol):
    """One connection under guard; ``guard`` is set on a subclass for each server."""

    guard: Guard

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_turned_away = False
        self._is_head_too_large = False
        self._is_deaf = False
        # The request being received: since when, what of its head, what of its body.
        self._since: float | None = None
        self._is_in_head = True
        self._head_bytes = 0
        self._read_bytes = 0
        self._body_bytes = 0
        self._unread_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away at once when there are too many."""
        if len(self.connections) >= self.guard.max_connections:
            self._is_turned_away = True
            self.guard.closed.add(1, "too_many")
            retry = f"retry-after: {self.guard.retry_after_seconds}\r\n"
            transport.write(_answer(503, "STORAGE_PRESSURE", "Too many connections.", retry))
            transport.close()
            return
        super().connection_made(transport)
        self.guard.open.add(1)
        self._since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if not self._is_turned_away:
            self.guard.open.add(-1)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, counting what belongs to an unfinished head."""
        if self._is_turned_away or self._is_deaf:
            return
        if self._since is None:
            self._since = self.loop.time()
        self._read_bytes = len(data)
        super().data_received(data)
        if self._is_in_head and self._since is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self.guard.max_header_bytes:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """Begin to time a head."""
        self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin the request, unless its head is too large."""
        self._is_in_head = False
        self._since = self.loop.time()
        # A head that came whole in one read, or in few, is no larger than they were.
        if self._head_bytes + self._read_bytes > self.guard.max_header_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.guard.max_header_bytes:
                self._is_head_too_large = True
                raise ValueError("head too large")
        super().on_headers_complete()
        # An answer to HEAD has no body to join.
        if self.scope["method"] != "HEAD":
            self.cycle.transport = cast("asyncio.Transport", _Joining(self.transport))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Be ready for the next request of the connection."""
        self._is_in_head = True
        self._since = None
        self._head_bytes = 0
        self._body_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, in our own words, and close."""
        if self._is_head_too_large:
            self._refuse_head()
        else:
            self._close("malformed", _answer(400, "BODY_INCOMPLETE", "This is not valid HTTP."))

    def sweep(self, now: float) -> None:
        """Close the connection if its client is too slow; called about once a second."""
        if self.transport.is_closing():
            return
        if self._leaves_unread(now):
            self.guard.closed.add(1, "unread")
            self.transport.abort()
        elif self._since is not None:
            waited = now - self._since
            if not self._is_in_head:
                self._sweep_body(now, waited)
            elif waited > self.guard.header_seconds and not self._owes_an_answer():
                self._close("slow_head", _answer(408, "BODY_INCOMPLETE", "The head took too long."))

    def _sweep_body(self, now: float, waited: float) -> None:
        if self.cycle.response_complete:
            if waited > _LINGER_SECONDS:
                self._close("refused_body")
        elif self.flow.read_paused:
            # We are the slow ones; the client's time begins again.
            self._since, self._body_bytes = now, 0
        elif (
            waited > self.guard.body_grace_seconds
            and self._body_bytes < self.guard.min_body_rate * waited
        ):
            self._close("slow_body", _answer(408, "BODY_INCOMPLETE", "The body came too slowly."))

    def _leaves_unread(self, now: float) -> bool:
        if not self.flow.write_paused:
            self._unread_since = None
            return False
        if self._unread_since is None:
            self._unread_since = now
        return now - self._unread_since > _UNREAD_SECONDS

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            answer = _answer(431, "BODY_TOO_LARGE", "The head of the request is too large.")
            self._close("large_head", answer)

    def _owes_an_answer(self) -> bool:
        """Whether a request before the one being received has no whole answer yet."""
        cycle: RequestResponseCycle | None = self.__dict__.get("cycle")
        if cycle is None or cycle.response_complete:
            return False
        return self._is_in_head or bool(self.pipeline) or cycle.response_started

    def _close(self, reason: str, answer: bytes = b"") -> None:
        self.guard.closed.add(1, reason)
        if not self._owes_an_answer():
            self.transport.write(answer)
            self.transport.close()
        elif self._is_in_head:
            # The requests before this one are answered; what follows them is not listened to.
            self._is_deaf = True
            self.cycle.keep_alive = False
        else:
            self.transport.close()


class _Joining:
    """Sends the head of an answer together with the first of its body: one packet, not two.

    A fifth of the time of a one-event request went into the second. uvicorn always writes something
    after the head, be it empty.
    """

    __slots__ = ("_head", "_is_joined", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._is_joined = False

    def write(self, data: bytes) -> None:
        if self._is_joined or data == _CONTINUE:
            self._transport.write(data)
        elif self._head:
            self._is_joined = True
            self._transport.write(self._head + data)
        else:
            self._head = data

    def close(self) -> None:
        if self._head and not self._is_joined:
            self._transport.write(self._head)
        self._is_joined = True
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


def _answer(status: int, code: str, detail: str, headers: str = "") -> bytes:
    known = CODES[code]
    body = msgspec.json.encode(
        Problem(f"urn:tallymark:error:{code}", known.meaning, status, detail, code, known.fix, "")
    )
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\n{headers}connection: close\r\n\r\n"
    )
    return head.encode() + body
