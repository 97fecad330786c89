"""One attempt to send, and what its answer means: delivered, to be tried again, or hopeless."""

import gzip
import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from . import wire

_AGAIN = frozenset({408, 425, 429})
_TOO_LARGE = 413
_GZIP_FROM = 1024
_MOST_RETRY_AFTER = 3600.0


class Answer(NamedTuple):
    """What came of an attempt; ``retry_after`` is in seconds, where the server said so."""

    outcome: str  # "delivered", "again", "halve" or "refused"
    status: int
    message: str = ""
    retry_after: float | None = None
    failed: "tuple[dict[str, Any], ...]" = ()


class Transport:
    """A connection to one server, opened when it is needed and again after a failure."""

    def __init__(self, url: str, key: str, *, timeout: float, agent: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an address such as https://tallymark.example.com")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/tm/v1/events"
        self._timeout = timeout
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "User-Agent": agent,
        }
        self._connection: http.client.HTTPConnection | None = None

    def send(self, events: list[str], sent_at_ms: int) -> Answer:
        """Send a batch once; never raises."""
        data = wire.body(events, sent_at_ms)
        headers = dict(self._headers)
        if len(data) >= _GZIP_FROM:
            data = gzip.compress(data, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        for is_last in (self._connection is None, True):
            try:
                return self._attempt(data, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # A connection that was kept may have been closed meanwhile: that is no failure.
                if is_last:
                    return Answer("again", 0, f"{type(error).__name__}: {error}")
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def forget(self) -> None:
        """Let go of a connection that belongs to the parent of a fork, without closing its socket."""
        self._connection = None

    def _attempt(self, data: bytes, headers: "dict[str, str]") -> Answer:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._timeout)
        self._connection.request("POST", self._path, data, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.will_close:
            self.close()
        return _meaning(answer.status, said, answer.headers.get("Retry-After"))


def _meaning(status: int, said: bytes, retry_after: str | None) -> Answer:
    told = _object(said)
    message = str(told.get("detail") or told.get("title") or "")
    if 200 <= status < 300:
        failed = told.get("failed")
        listed = tuple(failed) if isinstance(failed, list) else ()
        return Answer("delivered", status, failed=listed)
    if status in _AGAIN or status >= 500:
        return Answer("again", status, message, _seconds(retry_after))
    if status == _TOO_LARGE:
        return Answer("halve", status, message)
    return Answer("refused", status, message or f"the server answered {status}")


def _object(said: bytes) -> "dict[str, Any]":
    try:
        told = json.loads(said)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _seconds(text: str | None) -> float | None:
    try:
        return min(max(float(text or ""), 0.0), _MOST_RETRY_AFTER)
    except ValueError:
        return None
