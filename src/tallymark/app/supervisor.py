"""Keeps one store process running: starts it, watches it, starts it again when it ends."""

import asyncio
import sys
from contextlib import suppress

import msgspec

from tallymark.app.link import StoreLink
from tallymark.app.orders import StoreOrders
from tallymark.core.errors import Unavailable
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_STOP_SECONDS = 30
_LINE_LIMIT = 1024 * 1024


class Supervisor:
    """Runs the store process for as long as the front runs.

    The child's standard input is a pipe of ours: it closes when we end in whatever way, which tells
    the child to end too.
    """

    def __init__(self, settings: Settings, link: StoreLink, logger: Logger) -> None:
        self._settings = settings
        self._link = link
        self._logger = logger
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process id of the running store process."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Begin to run and watch the store process."""
        self._task = asyncio.create_task(self._watch(), name="store supervisor")

    async def ready(self, seconds: float | None) -> bool:
        """Wait until the store process answers, at most so long; say whether it did in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    with suppress(Unavailable):
                        await self._link.call("ping", {})
                        return True
                    await asyncio.sleep(0.02)
        return False

    async def stop(self) -> None:
        """Let the store process finish its commit and end."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        pause = _FIRST_PAUSE
        last_exit = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            last_exit = await self._run(last_exit)
            if self._stopping:
                return
            self._logger.error("store process ended and is started again", exit=last_exit)
            if loop.time() - began > 10:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _run(self, last_exit: int) -> int:
        orders = msgspec.json.encode(StoreOrders(self._settings, last_exit))
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tallymark.app.store_process",
            stdin=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        if process.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(orders + b"\n")
                await process.stdin.drain()
        return await process.wait()
