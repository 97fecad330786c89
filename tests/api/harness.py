"""A real server in a thread: real catalog, log and collector; only the store process is played.

The store process has its own tests; here it answers each call with what it was asked.
"""

import asyncio
import base64
import http.client
import io
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec
import uvloop
from msgspec import Struct, structs

from tallymark.api.app import build
from tallymark.api.auth import Callers
from tallymark.api.guard import Guard
from tallymark.api.live import Live
from tallymark.api.server import Listener, local_socket, serve, tcp_socket
from tallymark.api.services import Services
from tallymark.api.turned_away import Doorkeeper
from tallymark.catalog.catalog import Catalog
from tallymark.catalog.keys import Kind
from tallymark.collect.accept import Collector
from tallymark.core.clock import SystemClock
from tallymark.core.errors import NotFound, TallymarkError
from tallymark.core.event import Batch, Event
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger, Metrics
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.log.writer import LogWriter


class Answer(Struct, frozen=True):
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return msgspec.json.decode(self.body)


class ShiftedClock(SystemClock):
    """The machine's clock, whose monotonic time can be moved on."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.passed


class EchoStore:
    """Plays the store process: answers with the call itself, or with a prepared failure."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.events: dict[str, set[str]] = {}
        self.is_slow = False
        self.begun = threading.Event()
        self.stopped = threading.Event()

    async def call(self, method: str, params: dict[str, object]) -> bytes:
        if self.error is not None:
            raise self.error
        if self.is_slow:
            self.begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                self.stopped.set()
        if method == "event" and params["id"] not in self.events.get(str(params["project"]), ()):
            raise NotFound(f"No event with the id {params['id']!r} was received.")
        if method == "failed_lines":
            return b"[]"
        if method == "stop_question":
            return b'{"stopped":true}'
        plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in params.items()}
        return msgspec.json.encode({"method": method, "params": plain})


class Harness:
    """Starts a server for a data folder and talks to it."""

    def __init__(self, data: Path, *, body_grace: float = 10.0, **settings: Any) -> None:
        self.body_grace = body_grace
        self.data = data
        self.settings = Settings(data=str(data), disk_reserve_bytes=1, **settings)
        self.socket_path = data / "front.sock"
        self.store = EchoStore()
        self.metrics = Metrics()
        self.logged = io.StringIO()
        self.clock = ShiftedClock()
        self.catalog = Catalog.in_folder(data)
        self.keys: dict[str, str] = {}
        self.checks: dict[str, TallymarkError | None] = {"log": None, "store": None}
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        for name in ("shop", "other"):
            self.catalog.create_project(name, now=self.clock.now())
            (self.data / "projects" / name).mkdir(parents=True)
        kinds: tuple[Kind, ...] = ("public", "secret", "read")
        for kind in kinds:
            _, self.keys[kind] = self.catalog.create_key("shop", kind, now=self.clock.now())
        self._thread.start()
        assert self._listening.wait(10)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self.catalog.close()

    def stop(self) -> float:
        """Stop gracefully and return the seconds it took."""
        began = time.monotonic()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(15)
        assert not self._thread.is_alive()
        return time.monotonic() - began

    # Talking to it

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        local: bool = False,
    ) -> Answer:
        """Send one request on a connection of its own; ``key`` is a kind of key or a key."""
        given = {"Content-Type": "application/json", **(headers or {})}
        if key is not None:
            given["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if local:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.connect(str(self.socket_path))
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def local(self, method: str, path: str, body: Any = None, project: str = "shop") -> Answer:
        """Send one request over the socket of the data folder."""
        encoded = None if body is None else msgspec.json.encode(body)
        headers = {"Tallymark-Project": project} if project else {}
        return self.request(method, path, encoded, headers=headers, local=True)

    def open(self) -> socket.socket:
        """Return a raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are and return all that comes until the server closes."""
        with self.open() as sock:
            with suppress(OSError):
                sock.sendall(data)
            return read_all(sock)

    def basic(self, kind: str) -> dict[str, str]:
        """Return the header of Basic authentication with a key as user name."""
        return {
            "Authorization": "Basic " + base64.b64encode(f"{self.keys[kind]}:".encode()).decode()
        }

    def stored(self, project: str = "shop") -> list[str]:
        """Return the ids of the events that are in the project's log."""
        return [event.id for event in stored_events(self.data, project)]

    def age_keys(self, seconds: float) -> None:
        """Let time pass as far as the memory of keys is concerned."""
        self.clock.passed += seconds

    def publish(self, project: str, name: str) -> None:
        """Tell the followers of an event, as the collector does."""
        event = Event(name=name, id="x", time=0)
        batch = Batch(self.clock.now(), "sk_test", "native", 1, events=[event] * 50)
        self._loop.call_soon_threadsafe(self.live.publish, project, batch)

    def followers(self, project: str) -> int:
        """Return how many follow a project."""
        return self.live.followers(project)

    # Inside

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001 - the test's thread raises it
            self._failure = error
            self._listening.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.live = Live(heartbeat_seconds=0.3)
        self.callers = Callers(
            self.catalog, self.clock, keep_seconds=self.settings.key_cache_seconds
        )
        log = LogWriter(
            lambda project: self.data / "projects" / project / "log.db",
            settings=self.settings,
            clock=self.clock,
        )
        collector = Collector(self.settings, log, clock=self.clock, publish=self.live.publish)
        services = Services(
            self.settings, self.clock, self.catalog, self.callers, collector, self.store,
            self.live, self.metrics, Logger(self.logged, level="debug"), Doorkeeper(self.clock),
            {name: self._check(name) for name in self.checks},
        )  # fmt: skip
        try:
            tcp = tcp_socket("127.0.0.1", 0)
            self.port = tcp.getsockname()[1]
            with local_socket(self.socket_path) as local:
                await serve(
                    [
                        Listener(build(services, is_local=False), tcp),
                        Listener(build(services, is_local=True), local),
                    ],
                    guard=structs.replace(
                        Guard.of(self.settings, self.metrics), body_grace_seconds=self.body_grace
                    ),
                    stop=self._stop,
                    ready=self._listening.set,
                    closing=self.live.close,
                )
        finally:
            await log.close()
            self.callers.close()

    def _check(self, name: str) -> Any:
        async def check() -> None:
            error = self.checks[name]
            if error is not None:
                raise error

        return check


def read_all(sock: socket.socket) -> bytes:
    """Return what comes until the other side closes, also if it resets."""
    received = b""
    with suppress(ConnectionError):
        while chunk := sock.recv(65536):
            received += chunk
    return received


def stored_events(data: Path, project: str) -> list[Any]:
    """Return the events of a project's log, in order."""
    path = data / "projects" / project / "log.db"
    if not path.exists():
        return []
    log = SqliteLog(path, readonly=True)
    try:
        records = log.read(0, max_bytes=1 << 30, max_items=1 << 30)
        return [event for record in records for event in decode_batch(record).events]
    finally:
        log.close()
