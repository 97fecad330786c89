"""The front process: collects, and forwards questions to the store process it keeps running."""

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import uvloop

from tallymark.api.app import build
from tallymark.api.auth import Callers
from tallymark.api.guard import Guard
from tallymark.api.live import Live
from tallymark.api.server import Listener, local_socket, serve, tcp_socket
from tallymark.api.services import Services
from tallymark.api.turned_away import Doorkeeper
from tallymark.app.expiry import keep_expired
from tallymark.app.folders import Folders, locked
from tallymark.app.front_store import FrontStore
from tallymark.app.learning import learn_all
from tallymark.app.link import StoreLink
from tallymark.app.privacy_files import PrivacyFiles
from tallymark.app.retention import keep_trimmed
from tallymark.app.supervisor import Supervisor
from tallymark.catalog.catalog import Catalog
from tallymark.collect.accept import Collector
from tallymark.core.clock import Clock, SystemClock
from tallymark.core.errors import TallymarkError, Unavailable
from tallymark.core.settings import Settings
from tallymark.core.sockets import make_private
from tallymark.core.telemetry import Logger, LogHandler, Metrics
from tallymark.log.salvage import SalvageReport
from tallymark.log.writer import LogWriter

_STORE_START_SECONDS = 20


def run(
    settings: Settings,
    *,
    tcp: bool = True,
    until_stdin_closes: bool = False,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal comes, or until standard input closes if so asked.

    Raises TallymarkError DATA_DIR_IN_USE if another server has the data folder, and OSError if the
    port is taken.
    """
    os.umask(0o077)
    data = Path(settings.data).absolute()
    settings = msgspec.structs.replace(settings, data=str(data))
    with locked(Folders(data)):
        learn_all()
        uvloop.run(_Front(settings).run(tcp, until_stdin_closes, ready))


class _Front:
    """Everything with effects that one front process has."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folders = Folders(Path(settings.data))
        self._clock: Clock = SystemClock()
        self._logger = Logger(level=settings.log_level, clock=self._clock)
        logging.getLogger("tallymark").addHandler(LogHandler(self._logger))
        self._metrics = Metrics()
        self._store_positions: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Project → whether its log grew again while the store was being told.
        self._waking: dict[str, bool] = {}

    async def run(self, tcp: bool, until_stdin_closes: bool, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        if until_stdin_closes:
            _when_stdin_closes(lambda: loop.call_soon_threadsafe(stop.set))
        # What was made at the start lives until the end, and requests leave no cycles behind.
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        with ExitStack() as held:
            sockets = self._sockets(held, tcp)
            catalog = Catalog.in_folder(self._folders.data)
            held.callback(catalog.close)
            for project in catalog.projects():
                self._folders.project(project.id).mkdir(parents=True, exist_ok=True, mode=0o700)
            link = StoreLink(self._folders.store_socket, seconds=self._settings.question_seconds)
            held.callback(link.close)
            supervisor = Supervisor(self._settings, link, self._logger)
            supervisor.start()
            try:
                await self._learn_positions(supervisor, link)
                await self._serve(sockets, catalog, link, stop, ready)
            finally:
                await supervisor.stop()

    async def _serve(
        self,
        sockets: dict[str, socket.socket],
        catalog: Catalog,
        link: StoreLink,
        stop: asyncio.Event,
        ready: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        live = Live()

        def grown(project: str, _position: int) -> None:
            loop.call_soon_threadsafe(self._wake, link, project)

        writer = LogWriter(
            self._folders.log,
            settings=self._settings,
            clock=self._clock,
            on_commit=grown,
            on_salvage=self._tell_salvage,
            known_head=lambda project: self._store_positions.get(project, 0),
        )
        privacy = PrivacyFiles(self._folders, self._clock)
        collector = Collector(
            self._settings,
            writer,
            clock=self._clock,
            publish=live.publish,
            around=privacy.surroundings(),
        )
        callers = Callers(catalog, self._clock, keep_seconds=self._settings.key_cache_seconds)
        self._count(collector, writer)
        await self._open_logs(writer)
        services = Services(
            settings=self._settings,
            clock=self._clock,
            catalog=catalog,
            callers=callers,
            collector=collector,
            store=FrontStore(
                link,
                self._folders,
                writer,
                self._clock,
                settings=self._settings,
                key=privacy.key,
            ),
            live=live,
            doorkeeper=Doorkeeper(self._clock),
            metrics=self._metrics,
            logger=self._logger,
            checks={"log": lambda: _check_log(writer), "store": lambda: _check_store(link)},
            prepare=self._prepare,
        )
        listeners = [
            Listener(build(services, is_local=name == "local"), sock)
            for name, sock in sockets.items()
        ]
        trimming = loop.create_task(
            keep_trimmed(
                self._folders, self._settings, writer, link.call,
                clock=self._clock, logger=self._logger,
            )
        )  # fmt: skip
        expiring = loop.create_task(
            keep_expired(
                self._folders, self._settings, writer, link.call,
                clock=self._clock, logger=self._logger,
            )
        )  # fmt: skip
        purging = loop.create_task(privacy.keep_purged())
        try:
            await serve(
                listeners,
                guard=Guard.of(self._settings, self._metrics),
                stop=stop,
                ready=ready,
                closing=live.close,
            )
        finally:
            trimming.cancel()
            expiring.cancel()
            purging.cancel()
            with suppress(TallymarkError):
                await collector.flush()
            await writer.close()
            callers.close()

    def _sockets(self, held: ExitStack, tcp: bool) -> dict[str, socket.socket]:
        path = self._folders.front_socket
        make_private(path.parent)
        sockets: dict[str, socket.socket] = {"local": held.enter_context(local_socket(path))}
        if tcp:
            sockets["network"] = held.enter_context(
                _closing(tcp_socket(self._settings.host, self._settings.port))
            )
        return sockets

    async def _learn_positions(self, supervisor: Supervisor, link: StoreLink) -> None:
        """Learn how far each store is, so that a log that lost its end does not repeat positions.

        Collection does not wait for a store that will not start.
        """
        if not await supervisor.ready(_STORE_START_SECONDS):
            self._logger.error(
                "the store is not ready yet: events are collected, questions have to wait",
                seconds=_STORE_START_SECONDS,
            )
            self._begin(self._tell_when_ready(supervisor))
            return
        for project in self._folders.projects():
            with suppress(TallymarkError):
                status = msgspec.json.decode(await link.call("status", {"project": project}))
                self._store_positions[project] = status["log_position"]

    async def _tell_when_ready(self, supervisor: Supervisor) -> None:
        if await supervisor.ready(None):
            self._logger.info("the store is ready: questions are answered")

    async def _open_logs(self, writer: LogWriter) -> None:
        """Open every log now, so that a damaged one is mended before anybody needs it."""
        for project in self._folders.projects():
            try:
                await writer.open(project)
            except TallymarkError as error:
                self._logger.error("log cannot be opened", project=project, code=error.code)

    async def _prepare(self, project: str) -> None:
        self._folders.project(project).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _wake(self, link: StoreLink, project: str) -> None:
        """Tell the store that a log has grown, once while being told and once more after."""
        if project in self._waking:
            self._waking[project] = True
            return
        self._waking[project] = False
        self._begin(self._tell(link, project))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, link: StoreLink, project: str) -> None:
        again = True
        while again:
            self._waking[project] = False
            # If the store is away it reads the whole log when it is back.
            with suppress(Unavailable):
                await link.call("wake", {"project": project})
            again = self._waking[project]
        del self._waking[project]

    def _tell_salvage(self, project: str, report: SalvageReport) -> None:
        self._logger.error(
            "damaged log was salvaged",
            project=project, saved=report.saved, lost=len(report.lost),
        )  # fmt: skip

    def _count(self, collector: Collector, writer: LogWriter) -> None:
        batches = self._metrics.counter(
            "tallymark_batches_total", "Batches made durable, one for most requests."
        )
        items = self._metrics.counter(
            "tallymark_items_total",
            "Items made durable: accepted, failed or dropped, the last two by error code.",
            ("outcome", "code"),
        )
        observed = self._metrics.counter(
            "tallymark_plan_observed_total",
            "Findings of the tracking plan that are observed only, by error code.",
            ("code",),
        )
        queued = self._metrics.gauge("tallymark_log_queued_bytes", "Bytes waiting for the disk.")
        heads = self._metrics.gauge("tallymark_log_head", "Last durable position.", ("project",))

        def read() -> None:
            for name, amount in collector.counts().items():
                outcome, _, code = name.partition(".")
                if outcome == "requests":
                    batches.reach(amount)
                elif outcome == "observed":
                    observed.reach(amount, code)
                else:
                    items.reach(amount, outcome, code)
            queued.set(writer.queued_bytes())
            for project, head in writer.heads().items():
                heads.set(head, project)

        self._metrics.before_render(read)


async def _check_log(writer: LogWriter) -> None:
    error = writer.last_error()
    if error:
        raise Unavailable(error)


async def _check_store(link: StoreLink) -> None:
    await link.call("ping", {})


@contextmanager
def _closing(sock: socket.socket) -> Iterator[socket.socket]:
    try:
        yield sock
    finally:
        sock.close()


def _when_stdin_closes(act: Callable[[], object]) -> None:
    def watch() -> None:
        # Not through sys.stdin: its lock would be held when the interpreter ends.
        with suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        act()

    threading.Thread(target=watch, name="stdin", daemon=True).start()
