"""Serves the application over TCP and over the socket of the data folder, in one event loop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from starlette.types import ASGIApp
from uvicorn import Config, Server

from tallymark.core.errors import TallymarkError

from .guard import Guard, Guarded

GRACEFUL_SECONDS = 8
_KEEP_ALIVE_SECONDS = 60
_BACKLOG = 1024
_TICKS_A_SECOND = 10
# sun_path holds 104 bytes on macOS and 108 on Linux, with a closing NUL.
_LONGEST_SOCKET_PATH = 100


class Listener(Struct, frozen=True):
    """An application and the bound socket it answers on."""

    app: ASGIApp
    socket: socket.socket


async def serve(
    listeners: Sequence[Listener],
    *,
    guard: Guard,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
    closing: Callable[[], None] = lambda: None,
) -> None:
    """Serve until ``stop`` is set or a signal comes; requests in flight are answered first.

    ``ready`` is called once everything listens, ``closing`` before waiting for open requests: it
    ends the streams, which would not end by themselves. A second signal does not wait.
    """
    _silence_uvicorn()
    servers = [_server(one.app, guard) for one in listeners]
    with _signals(stop, servers):
        running = [
            asyncio.ensure_future(server.serve(sockets=[one.socket]))
            for server, one in zip(servers, listeners, strict=True)
        ]
        tasks = [*running, asyncio.ensure_future(_stop(stop, servers, closing))]
        try:
            while not all(server.started for server in servers):
                await asyncio.sleep(0.005)
                _raise_failed(running)
            ready()
            await asyncio.gather(*running)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def tcp_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free one. Raises OSError, such as address in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


@contextlib.contextmanager
def local_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a Unix socket that only the owner may open; a stale one is replaced.

    Raises DATA_DIR_IN_USE if somebody answers on it.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with _address(path) as address:
            sock.bind(address)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    sock.setblocking(False)
    try:
        yield sock
    finally:
        sock.close()
        path.unlink(missing_ok=True)


class _Server(Server):
    """A uvicorn server that leaves signals to us and sweeps its connections once a second."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Guarded):
                    connection.sweep(now)
        return await super().on_tick(counter)


def _server(app: ASGIApp, guard: Guard) -> _Server:
    protocol: Any = type("GuardedHere", (Guarded,), {"guard": guard})
    config = Config(
        app,
        http=protocol,
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return _Server(config)


async def _stop(stop: asyncio.Event, servers: list[_Server], closing: Callable[[], None]) -> None:
    await stop.wait()
    closing()
    for server in servers:
        server.should_exit = True


@contextlib.contextmanager
def _signals(stop: asyncio.Event, servers: list[_Server]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def asked() -> None:
        if stop.is_set():
            for server in servers:
                server.force_exit = True
        stop.set()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _raise_failed(running: Sequence[asyncio.Future[None]]) -> None:
    for task in running:
        if task.done():
            task.result()


def _silence_uvicorn() -> None:
    # What uvicorn would write quotes requests; what matters of it is counted.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise TallymarkError(f"{path.name} is not a socket.", code="DATA_DIR_IN_USE")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _address(path) as address:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    raise TallymarkError("Another server answers on this data folder.", code="DATA_DIR_IN_USE")


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    # A deep folder does not fit a socket address; its descriptor does.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
