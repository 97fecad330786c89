"""The socket between the front and the store process: one frame asks, one frame answers.

A frame is a four-byte length and that many bytes of msgpack. The socket belongs to the owner of the
data folder alone; nothing else authenticates it.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.core.errors import KINDS, TallymarkError, Unavailable

_LARGEST = 256 * 1024 * 1024
_MOST_IDLE = 16
# A question that ran out of its own time is told so by the store, which on a busy machine takes a while,
# since questions step back behind loading; this is for a store that hangs.
_MARGIN_SECONDS = 15.0
_PING_SECONDS = 2.0
# Copying or recounting a whole store takes as long as it takes.
_UNBOUNDED = frozenset({"snapshot", "check"})


class Call(Struct, frozen=True):
    """What is asked: a method with its parameters."""

    method: str
    params: dict[str, Any] = {}


class Failure(Struct, frozen=True):
    """An expected failure, as it crosses the socket."""

    code: str
    message: str
    hint: str
    path: str | None = None
    retry_after_seconds: int | None = None
    kind: str = ""


class Result(Struct, frozen=True):
    """The answer as JSON bytes, or why there is none."""

    body: bytes = b""
    failure: Failure | None = None


Handler: TypeAlias = Callable[[Call], Awaitable[bytes]]

_call_decoder = msgspec.msgpack.Decoder(Call)
_result_decoder = msgspec.msgpack.Decoder(Result)
_encode = msgspec.msgpack.Encoder().encode


class StoreLink:
    """The front's side: calls methods of the store process over pooled connections.

    A call waits ``seconds``, the longest a question may run, and a little more.
    """

    def __init__(self, path: Path, *, seconds: float) -> None:
        self._path = path
        self._seconds = seconds + _MARGIN_SECONDS
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, method: str, params: dict[str, object]) -> bytes:
        """Return the JSON answer; raises the store's TallymarkError, or Unavailable STORE_AWAY."""
        try:
            async with asyncio.timeout(self._patience(method)):
                result = await self._exchange(Call(method, params))
        except (OSError, EOFError, asyncio.IncompleteReadError):
            raise Unavailable(
                "The store process is not answering.", code="STORE_AWAY", retry_after_seconds=1
            ) from None
        if result.failure is not None:
            raise _error(result.failure)
        return result.body

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[1].close()

    def _patience(self, method: str) -> float | None:
        if method in _UNBOUNDED:
            return None
        return _PING_SECONDS if method == "ping" else self._seconds

    async def _exchange(self, call: Call) -> Result:
        reader, writer = await self._connection()
        try:
            await _write(writer, _encode(call))
            result = _result_decoder.decode(await _read(reader))
        except BaseException:
            # Half a conversation cannot be reused, and closing it tells the store to stop.
            writer.close()
            raise
        self._keep(reader, writer)
        return result

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not writer.is_closing() and not reader.at_eof():
                return reader, writer
        return await asyncio.open_unix_connection(str(self._path))

    def _keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append((reader, writer))
        else:
            writer.close()


async def serve_link(path: Path, handler: Handler) -> asyncio.Server:
    """Listen for the front; only the owner of the data folder can connect."""
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(lambda r, w: _converse(r, w, handler), str(path))
    finally:
        os.umask(before)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> None:
    try:
        while True:
            call = _call_decoder.decode(await _read(reader))
            await _write(writer, _encode(await _answer(call, handler)))
    except (OSError, EOFError, asyncio.IncompleteReadError):
        return
    finally:
        with suppress(OSError):
            writer.close()


async def _answer(call: Call, handler: Handler) -> Result:
    try:
        return Result(await handler(call))
    except TallymarkError as error:
        return Result(
            failure=Failure(
                error.code,
                error.message,
                error.hint,
                error.path,
                error.retry_after_seconds,
                kind=type(error).__name__,
            )
        )


def _error(failure: Failure) -> TallymarkError:
    # Whoever calls may want to catch what the other process raised.
    return KINDS.get(failure.kind, TallymarkError)(
        failure.message,
        code=failure.code,
        hint=failure.hint,
        path=failure.path,
        retry_after_seconds=failure.retry_after_seconds,
    )


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > _LARGEST:
        raise EOFError("frame too large")
    return await reader.readexactly(size)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(len(data).to_bytes(4, "big") + data)
    await writer.drain()
