"""One request and its answer, looked at for what no answer may show."""

import http.client
import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

# Traces, places on our disk, and SQL; nothing that a test sends looks like any of them.
_LEAK = re.compile(
    rb"Traceback|File \\?\"|\.py\b|site-packages|\bat 0x[0-9a-f]+"
    rb"|/(?:tmp|home|root|usr|var|work|proc)/|\.duckdb\b|\.db-wal|\.sock\b"
    rb"|\b(?:SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|ATTACH|PRAGMA|BEGIN TRANSACTION)\b"
    rb"|sqlite3?\.|sqlalchemy|duckdb\.|Errno"
)


class Answer(Struct, frozen=True):
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the error code of a refusal; the status as text where there is none."""
        found = self.json() if self.body.startswith(b"{") else {}
        return str(found.get("code", self.status))


class _LocalConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(
    where: int | Path,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = 20,
) -> Answer | None:
    """Return the answer from a port, or from the owner's socket; None if none came.

    Checks what must hold of every answer, whatever was asked.
    """
    connection = (
        _LocalConnection(where, timeout)
        if isinstance(where, Path)
        else http.client.HTTPConnection("127.0.0.1", where, timeout=timeout)
    )
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        connection.request(
            method, path, data, {"Content-Type": "application/json", **(headers or {})}
        )
        response = connection.getresponse()
        given = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, given, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    check_answer(answer, is_owner=isinstance(where, Path))
    return answer


def check_answer(answer: Answer, *, is_owner: bool = False) -> None:
    """Hold an answer against what every answer keeps; the owner may be told of his own folders."""
    found = None if is_owner else _LEAK.search(answer.body)
    assert not found, f"an answer shows {found.group()!r}: {answer.body[:500]!r}"
    if answer.status >= 500 and b'"checks"' not in answer.body:
        assert answer.headers["content-type"] == "application/problem+json", answer
        assert answer.json()["request_id"], answer
    if answer.status == 503 and b'"checks"' not in answer.body:
        assert int(answer.headers["retry-after"]) > 0, answer
