"""Reads the bytes of a request, never more than allowed."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Receive

from tallymark.core.errors import Refused, Unavailable, misfit
from tallymark.core.settings import MIB

from .problem import Disconnected

T = TypeVar("T")
MAX_QUESTION_BYTES = MIB
# Two answers with their tables.
MAX_PAIR_BYTES = 32 * MIB


class Room:
    """How many bytes of half-read bodies all clients together may make us hold."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.held = 0

    def take(self, size: int) -> None:
        """Claim room; raises Unavailable STORAGE_PRESSURE when there is none."""
        if self.held + size > self._limit:
            raise Unavailable("Too many bodies are being received.", code="STORAGE_PRESSURE")
        self.held += size

    def give_back(self, size: int) -> None:
        """Release what was claimed."""
        self.held -= size


async def read_body(
    receive: Receive, headers: Mapping[str, str], *, limit: int, room: Room | None = None
) -> bytes:
    """Return the whole body; raises Refused BODY_TOO_LARGE, before reading if the length is stated.

    Raises Disconnected when the client goes away half way. The room it took while arriving is given
    back when this returns.
    """
    stated = headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    first: bytes = message.get("body", b"")
    if len(first) > limit:
        raise _too_large(limit)
    if not message.get("more_body", False):
        return first
    return await _rest(receive, first, limit, room or Room(limit))


async def _rest(receive: Receive, first: bytes, limit: int, room: Room) -> bytes:
    chunks = [first]
    size = 0
    try:
        room.take(len(first))
        size = len(first)
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            if size + len(chunk) > limit:
                raise _too_large(limit)
            room.take(len(chunk))
            size += len(chunk)
            chunks.append(chunk)
            more = message.get("more_body", False)
    finally:
        room.give_back(size)
    return b"".join(chunks)


def decode_body(body: bytes, wanted: type[T], number: Callable[[str], Any] | None = None) -> T:
    """Return a JSON body as the struct wanted; raises Refused that names the field.

    ``number`` reads numbers with a point where the struct says nothing of what they are.
    """
    try:
        return msgspec.json.Decoder(wanted, float_hook=number).decode(body or b"{}")
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise Refused(text, code="BAD_FIELD", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The body is not valid JSON: {error}.", code="JSON_SYNTAX") from None


def header_map(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; a repeated header is joined with commas."""
    # str(…, codec) skips the method look-ups of decode; this runs for every event a browser sends.
    headers = {str(name, "latin-1"): str(value, "latin-1") for name, value in raw}
    return headers if len(headers) == len(raw) else _joined(raw)


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _too_large(limit: int) -> Refused:
    return Refused(f"The body is larger than {limit} bytes.", code="BODY_TOO_LARGE")


def json_bytes(value: Any) -> bytes:
    """Return a value of ours as JSON."""
    return msgspec.json.encode(value)


def json_answer(value: Any, status: int = 200) -> Response:
    """Return a value of ours as an answer in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
