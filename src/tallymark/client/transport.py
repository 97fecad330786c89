"""One HTTP connection to a server, over TCP or the Unix socket of its data folder, with retries.

What may be repeated is repeated with the same bytes until it is answered or the patience is over:
events carry their ids, so a batch whose answer was lost counts once.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tallymark.core.clock import Clock, SystemClock
from tallymark.core.errors import (
    CODES,
    InvalidQuery,
    NotAllowed,
    NotFound,
    QuestionStopped,
    Refused,
    TallymarkError,
    Unavailable,
)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
# A proxy may ask for an hour; a script that waits that long looks hung.
_LONGEST_RETRY_AFTER_SECONDS = 60
_HOPELESS = (ssl.SSLCertVerificationError, PermissionError, FileNotFoundError, socket.gaierror)
_AGAIN = frozenset({429, 502, 503, 504})


class Request(Struct, frozen=True):
    """One request, and how hard to try.

    ``patience_seconds`` is for all tries together, ``timeout_seconds`` for the server's silence
    within one.
    """

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    is_repeatable: bool = True
    is_error_told: bool = True
    patience_seconds: float = 2
    timeout_seconds: float | None = None


class Response(Struct, frozen=True):
    """One answered request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """A kept-alive connection; safe to share between threads, which then take turns."""

    def __init__(
        self,
        target: str | Path,
        *,
        headers: Mapping[str, str],
        timeout_seconds: float = 120,
        clock: Clock | None = None,
    ) -> None:
        self._target = target
        self._prefix = "" if isinstance(target, Path) else urlsplit(target).path.rstrip("/")
        self._headers = dict(headers)
        self._timeout_seconds = timeout_seconds
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None

    def answer(self, request: Request) -> Response:
        """Return the answer to a request; raises the error it tells, unless that is not wanted.

        A repeatable request is sent again, after a pause, when the connection breaks or the server
        says it cannot now. Raises Unavailable SERVER_AWAY once the patience is over.
        """
        deadline = self._clock.monotonic() + request.patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                response = self._once(request)
                if response.status < 400 or not request.is_error_told:
                    return response
                error = problem(response)
                is_final = response.status not in _AGAIN or isinstance(error, QuestionStopped)
            except (OSError, http.client.HTTPException) as broken:
                error, is_final = self._away(broken), isinstance(broken, _HOPELESS)
                error.__cause__ = broken
            wait = min(error.retry_after_seconds or pause, _LONGEST_RETRY_AFTER_SECONDS)
            is_final = is_final or not request.is_repeatable
            if is_final or self._clock.monotonic() + wait > deadline:
                raise error
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connection; the next request would open another."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _once(self, request: Request) -> Response:
        timeout = request.timeout_seconds or self._timeout_seconds
        with self._lock:
            # A kept connection may have been closed meanwhile; what must not be sent twice may
            # not find that out half way.
            if not request.is_repeatable:
                self._drop()
            connection = self._connection or _connection(self._target)
            self._connection = connection
            try:
                connection.timeout = timeout
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(timeout)
                path = self._prefix + request.path
                headers = {**self._headers, **request.headers}
                connection.request(request.method, path, request.body, headers)
                answer = connection.getresponse()
                content = answer.read()
            except BaseException:
                self._drop()
                raise
            named = {name.lower(): text for name, text in answer.getheaders()}
            return Response(answer.status, named, content)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _away(self, broken: Exception) -> TallymarkError:
        return Unavailable(f"No answer from {self._target}: {_reason(broken)}.", code="SERVER_AWAY")


class _Problem(Struct, frozen=True):
    """What the client reads of a problem+json body."""

    code: str = ""
    detail: str = ""
    title: str = ""
    hint: str | None = None
    path: str | None = None


def problem(response: Response) -> TallymarkError:
    """Return the error that an answer of 400 and above stands for, with its code and hint."""
    try:
        said = msgspec.json.decode(response.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Problem()
    code = said.code if said.code in CODES else _code_of(response.status)
    return _kind(code)(
        said.detail or said.title or f"The server answered {response.status}.",
        code=code,
        hint=said.hint,
        path=said.path,
        retry_after_seconds=_seconds(response.headers.get("retry-after", "")),
    )


def _kind(code: str) -> type[TallymarkError]:
    known = CODES[code]
    if code == "QUERY_STOPPED":
        return QuestionStopped
    if known.stage == "query":
        return InvalidQuery
    by_status: dict[int, type[TallymarkError]] = {
        401: NotAllowed, 403: NotAllowed, 404: NotFound, 429: Unavailable, 503: Unavailable,
        500: TallymarkError,
    }  # fmt: skip
    return by_status.get(known.status, Refused)


def _code_of(status: int) -> str:
    # Something in between, such as a proxy, answered in its own words.
    by_status = {401: "AUTH_INVALID", 403: "AUTH_WRONG_KIND", 404: "NOT_FOUND", 429: "RATE_LIMITED"}
    return by_status.get(status, "SERVER_AWAY" if status in _AGAIN else "INTERNAL")


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _connection(target: str | Path) -> http.client.HTTPConnection:
    if isinstance(target, Path):
        return _UnixConnection(target)
    url = urlsplit(target)
    if url.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(url.hostname or "", url.port, context=context)
    return http.client.HTTPConnection(url.hostname or "", url.port)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket that only the owner of the data folder may open."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        try:
            sock.connect(str(self._path))
        except BaseException:
            sock.close()
            raise
        self.sock: Any = sock
