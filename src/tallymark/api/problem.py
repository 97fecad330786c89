"""Turns what went wrong into an answer (RFC 9457); never a trace, a path of ours or SQL."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from starlette.responses import Response

from tallymark.core.errors import CODES, TallymarkError

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:tallymark:error:"


class Problem(Struct, frozen=True, omit_defaults=True):
    """Why a request was not answered as asked."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    request_id: str
    path: str | None = None


class Disconnected(Exception):
    """The client went away before its request was complete; nobody waits for an answer."""


def problem(error: TallymarkError, request_id: str) -> Problem:
    """Return what is told of an expected failure."""
    return Problem(
        type=_TYPE + error.code,
        title=CODES[error.code].meaning,
        status=error.status,
        detail=_sayable(error.message),
        code=error.code,
        hint=_sayable(error.hint),
        request_id=request_id,
        path=None if error.path is None else _sayable(error.path),
    )


def problem_response(
    error: TallymarkError,
    request_id: str,
    *,
    retry_after_seconds: int,
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """Return the HTTP answer for an expected failure.

    A 429 or 503 carries Retry-After: the error's own, else ``retry_after_seconds``.
    """
    response = Response(
        msgspec.json.encode(problem(error, request_id)),
        status_code=error.status,
        media_type=MEDIA_TYPE,
    )
    if error.status in (429, 503):
        response.headers["Retry-After"] = str(error.retry_after_seconds or retry_after_seconds)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tallymark"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    for name, value in headers:
        response.headers[name] = value
    return response


def _sayable(text: str) -> str:
    # A message may quote what was sent, and half a surrogate pair has no UTF-8 form.
    return text.encode("utf-8", "replace").decode()


def bug() -> TallymarkError:
    """Return what is told of an unexpected failure: nothing but that there was one."""
    return TallymarkError("Something went wrong on our side.", code="INTERNAL")
