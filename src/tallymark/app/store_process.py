"""The store process: loads every project from its log, and answers the front's questions.

It may be killed at any moment. What it had not committed is still in the log, and the front starts
it again.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import zoneinfo
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from tallymark.app.folders import Folders
from tallymark.app.learning import learn_all
from tallymark.app.link import Call, serve_link
from tallymark.app.loading import LoadingThread
from tallymark.app.orders import StoreOrders
from tallymark.app.store_service import StoreService
from tallymark.core.clock import SystemClock
from tallymark.core.errors import Broken, TallymarkError
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger, LogHandler
from tallymark.store.engines.duckdb import DuckEngine

_QUESTIONS_AT_ONCE = 8
_QUESTION_NICE = 3
_QUICK = frozenset({"status", "questions", "stop_question"})


def main() -> int:
    """Run until standard input closes, which it does when the front ends in whatever way."""
    learn_all()
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=StoreOrders)
    # One source of time zone rules, whose version every answer names.
    zoneinfo.reset_tzpath(to=())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_run(orders))
    return 0


async def _run(orders: StoreOrders) -> None:
    settings = orders.settings
    folders = Folders(Path(settings.data))
    clock = SystemClock()
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(
        _QUESTIONS_AT_ONCE, thread_name_prefix="question", initializer=_step_back
    )
    # Who only wants to know how far loading or a question is does not queue behind questions.
    quick = ThreadPoolExecutor(1, thread_name_prefix="status")
    engine = await loop.run_in_executor(pool, _engine, settings, folders)
    service = StoreService(engine, folders, settings, clock)
    logger = Logger(level=settings.log_level, clock=clock, part="store")
    logging.getLogger("tallymark").addHandler(LogHandler(logger))
    loading = LoadingThread(engine, folders, settings, clock, logger, crashed=orders.last_exit)

    async def handle(call: Call) -> bytes:
        if call.method == "wake":
            loading.wake(str(call.params["project"]))
            return b"{}"
        if call.method == "ping":
            return b"{}"
        try:
            executor = quick if call.method in _QUICK else pool
            return await loop.run_in_executor(executor, service.call, call.method, call.params)
        except TallymarkError as error:
            if error.code == "STORE_DAMAGED":
                loading.rebuild(str(call.params["project"]))
                service.forget_answers()
            raise
        except Exception as error:
            logger.bug("store method failed", error, method=call.method)
            # To drop the connection would look like a store that is away, and be tried again.
            raise TallymarkError("The store failed to answer.", code="INTERNAL") from error

    loading.start()
    server = await serve_link(folders.store_socket, handle)
    try:
        await _until_input_closes(loop)
    finally:
        server.close()
        await asyncio.to_thread(loading.stop)
        for executor in (pool, quick):
            executor.shutdown(wait=False, cancel_futures=True)
        with suppress(Broken):
            engine.close()
        # A question that will not stop must not keep the process from ending.
        os._exit(0)


def _engine(settings: Settings, folders: Folders) -> DuckEngine:
    """Return the engine; its threads have the priority of the thread that calls this."""
    return DuckEngine(
        folders.store,
        memory_bytes=settings.store_memory_bytes,
        threads=settings.store_threads or os.cpu_count() or 1,
        temp=folders.temp,
    )


def _step_back() -> None:
    """Let loading and collecting go first, where each thread has a priority: on Linux.

    A question that takes every core would leave the loader its share of them, and what comes in
    at half the highest rate needs more.
    """
    if sys.platform == "linux":
        # It may not be raised, if all of us were started at a lower one.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _QUESTION_NICE)


async def _until_input_closes(loop: asyncio.AbstractEventLoop) -> None:
    closed = asyncio.Event()

    def watch() -> None:
        with suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
    await closed.wait()


if __name__ == "__main__":
    sys.exit(main())
