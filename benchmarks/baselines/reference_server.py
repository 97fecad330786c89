"""What durable acceptance costs at the least, as a server with two routes.

    python -m benchmarks.baselines.reference_server PORT FOLDER

``POST /batch`` reads the body, decodes it, encodes it again, compresses it and commits it to SQLite
with ``synchronous=FULL``, many requests in one commit, before it answers. ``/batch/form`` does so for
JSON in the ``data`` of a form, and ``/batch/queries`` for a list of queries inside of JSON, which are
what some tools send. ``POST /read`` only reads the body. Imports nothing of tallymark. It does not: check
keys, limits, fields, times or numbers (which become doubles), scrub, read user agents, chain digests,
count, or bound slow clients.
"""

import asyncio
import sqlite3
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import msgspec
import uvicorn
from backports import zstd

_GROUP_BYTES = 2 * 1024 * 1024
_JSON = [(b"content-type", b"application/json")]

_Waiting = tuple[Any, int, "asyncio.Future[None]", asyncio.AbstractEventLoop]


def decode_form(body: bytes) -> Any:
    """Return the JSON in the ``data`` of a form."""
    data = dict(urllib.parse.parse_qsl(body.decode()))["data"]
    return msgspec.json.decode(data)


def decode_queries(body: bytes) -> Any:
    """Return the parameters of each query of a list."""
    queries = msgspec.json.decode(body)["requests"]
    return [dict(urllib.parse.parse_qsl(query.removeprefix("?"))) for query in queries]


DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "/batch": msgspec.json.decode,
    "/batch/form": decode_form,
    "/batch/queries": decode_queries,
}


class Log:
    """Commits what is queued, in groups, on a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    async def append(self, items: Any, size: int) -> None:
        """Return once the items are durable."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put((items, size, done, loop))
        await done

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("CREATE TABLE batch (position INTEGER PRIMARY KEY, items INT, payload)")
        encode = msgspec.json.Encoder().encode
        while True:
            group = self._take()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO batch (items, payload) VALUES (?, ?)",
                [(_count(items), zstd.compress(encode(items), level=1)) for items, *_ in group],
            )
            connection.execute("COMMIT")
            group[0][3].call_soon_threadsafe(_resolve, group)

    def _take(self) -> list[_Waiting]:
        group = [self._queue.get()]
        size = group[0][1]
        try:
            while size < _GROUP_BYTES:
                group.append(self._queue.get_nowait())
                size += group[-1][1]
        except Empty:
            pass
        return group


class App:
    """The routes, and one that says that it is there."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["method"] == "GET":
            await _reply(send, 200, b"{}")
            return
        body = await _read(receive)
        decode = DECODERS.get(scope["path"])
        if decode is not None:
            items = decode(body)
            await self._log.append(items, len(body))
            await _reply(send, 202, b'{"accepted":%d}' % _count(items))
        else:
            await _reply(send, 202, b'{"accepted":1}')


async def _read(receive: Any) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        body: bytes = message["body"]
        return body
    chunks = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message["body"])
    return b"".join(chunks)


async def _reply(send: Any, status: int, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_JSON, length]})
    await send({"type": "http.response.body", "body": body})


def _count(items: Any) -> int:
    return len(items) if isinstance(items, list) else 1


def _resolve(group: list[_Waiting]) -> None:
    for _, _, done, _ in group:
        if not done.done():
            done.set_result(None)


def main() -> None:
    """Serve until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    uvicorn.run(
        App(Log(folder / "log.db")), port=port, http="httptools", loop="uvloop", lifespan="off",
        access_log=False, log_level="warning", server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
