"""A proxy that answers some requests itself, as a server in trouble would, and passes on the rest."""

import http.client
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from tallymark.api.cors import cors_headers

# A status answered without passing on; ``reset`` cuts the connection before passing on, and ``lost``
# passes on and cuts it then, so that the client never learns that all was well.
Trouble: TypeAlias = int | Literal["reset", "lost"]
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "date", "server"})


class Seen(Struct, frozen=True):
    """One request as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Flaky:
    """The proxy: the next requests meet the troubles planned, in their order."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.seen: list[Seen] = []
        self.troubles: list[Trouble] = []
        self.only = ""
        self.retry_after_seconds = 0
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plan(self, *troubles: Trouble, only: str = "") -> None:
        """Let the next requests, of paths that contain ``only``, meet these troubles."""
        self.troubles, self.only = list(troubles), only

    def next_trouble(self, seen: Seen) -> Trouble | None:
        """Note a request and return the trouble it meets, if any."""
        with self._lock:
            self.seen.append(seen)
            is_planned = self.troubles and self.only in seen.path and seen.method != "OPTIONS"
            return self.troubles.pop(0) if is_planned else None

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: Flaky
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_OPTIONS(self) -> None:
        self._handle()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        trouble = self.owner.next_trouble(Seen(self.command, self.path, headers, body))
        match trouble:
            case None:
                self._answer(*self._passed_on(headers, body))
            case "reset":
                self._cut()
            case "lost":
                self._passed_on(headers, body)
                self._cut()
            case status:
                seconds = str(self.owner.retry_after_seconds)
                after = [("Retry-After", seconds)] if status in (429, 503) else []
                # As ours are: a browser sees the status of no other.
                self._answer(status, [*after, *cors_headers(headers)], b"")

    def _passed_on(
        self, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.target, timeout=20)
        try:
            kept = {k: v for k, v in headers.items() if k not in _HOP}
            connection.request(self.command, self.path, body or None, kept)
            answer = connection.getresponse()
            found = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        has_length = False
        for name, value in headers:
            has_length |= name.lower() == "content-length"
            self.send_header(name, value)
        if not has_length and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        # Closing with something unsent resets the connection, as a crashed server's would.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


@contextmanager
def flaky(port: int) -> Iterator[Flaky]:
    """Give a proxy to a server on this machine."""
    proxy = Flaky(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def statuses(seen: Sequence[Seen], path: str = "") -> int:
    """Return how many requests went to addresses that contain ``path``."""
    return sum(1 for one in seen if path in one.path and one.method != "OPTIONS")


def bodies(seen: Sequence[Seen], path: str = "") -> list[Any]:
    """Return the bodies of those requests."""
    return [one.body for one in seen if path in one.path and one.method != "OPTIONS"]
