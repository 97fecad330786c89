"""The one thread that commits: batches of all projects, many requests to a commit.

A request waits in a queue bounded by bytes, encoded and compressed already: as bytes it takes a tenth
of the room, and is made and given up by the same thread. What a loop has ready at the same moment is
handed over together: the thread would wake for the first of it and commit that alone. The writer takes a
group, commits once per project and answers the whole group in one call to the loop.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from queue import Empty, SimpleQueue

from msgspec import Struct

from tallymark.core.clock import Clock
from tallymark.core.errors import Broken, TallymarkError, Unavailable
from tallymark.core.event import Batch
from tallymark.core.settings import Settings

from .codec import encode_batch
from .log import Entry, Log
from .salvage import SalvageReport, open_log
from .sqlite import SqliteLog

CLOSE_SECONDS = 10.0
GROUP_ROWS = 256
OPEN_LOGS = 256
# Counted for a request of any size, so that a flood of tiny ones is bounded too.
SMALLEST_REQUEST_BYTES = 1024
_LOOK_SECONDS = 1.0
_TRIM_STEP = 100

_logger = logging.getLogger(__name__)


class Opened(Struct, frozen=True):
    """A log opened for writing, and what had to be salvaged to open it."""

    log: Log
    salvaged: SalvageReport | None = None


Opener = Callable[[Path, int, bool], Opened]
"""Opens the log at a path; takes its least head and whether to look at every page first."""


def open_sqlite(path: Path, at_least: int, deep: bool) -> Opened:
    """Open the SQLite log at a path, salvaging it if need be."""
    return Opened(*open_log(path, at_least=at_least, deep=deep))


class _Waiting(Struct, frozen=True):
    project: str
    entry: Entry | None
    size: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[int]"


class _Outcome(Struct, frozen=True):
    waiting: _Waiting
    position: int = 0
    error: BaseException | None = None


class _Trouble(Struct, frozen=True):
    message: str
    retry_at: float


class LogWriter:
    """Appends batches durably for all projects; ``append`` may be called from any event loop.

    ``path_of`` gives the file of a project. ``on_commit`` is called from the writer's thread after
    each commit with the project and its new head, ``on_salvage`` after a damaged log was replaced.
    ``known_head`` gives the highest position known from elsewhere, such as the store's.
    """

    def __init__(
        self,
        path_of: Callable[[str], Path],
        *,
        settings: Settings,
        clock: Clock,
        on_commit: Callable[[str, int], None] = lambda project, position: None,
        on_salvage: Callable[[str, SalvageReport], None] = lambda project, report: None,
        known_head: Callable[[str], int] = lambda project: 0,
        opener: Opener = open_sqlite,
    ) -> None:
        self._path_of = path_of
        self._settings = settings
        self._clock = clock
        self._on_commit = on_commit
        self._on_salvage = on_salvage
        self._known_head = known_head
        self._opener = opener
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = threading.Lock()
        # What each loop will hand over at its next turn.
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._queued_bytes = 0
        self._closing = False
        self._deadline = float("inf")
        self._logs: dict[str, Log] = {}
        self._heads: dict[str, int] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._space_looked_at = float("-inf")
        self._space_is_low = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    async def append(self, project: str, batch: Batch | Entry, *, size: int) -> int:
        """Return the position of the batch once it is durable; ``size`` is its length as received.

        A large batch is better encoded by the thread that made it, and given as an Entry. Raises
        whatever ``encode_batch`` does, and Unavailable STORAGE_PRESSURE when the disk is full or failing, when too much is
        waiting already, or when the writer is closing. Cancelling does not undo the append.
        """
        if self._is_space_low(project):
            raise self._unavailable("The disk has less free space than its reserve.")
        entry = encode_batch(batch) if isinstance(batch, Batch) else batch
        return await self._enqueue(project, entry, max(size, SMALLEST_REQUEST_BYTES))

    async def open(self, project: str) -> int:
        """Open the log of a project anew, salvaging it if it is damaged; return its head.

        For the start of a server, and for a log that a reader found damaged.
        """
        return await self._enqueue(project, None, 0)

    async def trim(self, project: str, *, before_received_at: int, upto_position: int) -> int:
        """Delete batches as ``SqliteLog.trim`` does; return how many.

        It runs beside the writer's thread, which commits in between. Raises TallymarkError.
        """
        return await asyncio.to_thread(self._trim, project, before_received_at, upto_position)

    def heads(self) -> dict[str, int]:
        """Return the last durable position of every project written to since the start."""
        return dict(self._heads)

    def queued_bytes(self) -> int:
        """Return how much is waiting for the disk."""
        return self._queued_bytes

    def healthy(self) -> bool:
        """Return whether an append would be taken now, for every project."""
        return self.last_error() is None

    def last_error(self) -> str | None:
        """Return why not everything can be appended now, None if it can."""
        if self._closing or not self._thread.is_alive():
            return "The event log is closing."
        for trouble in list(self._troubles.values()):
            return trouble.message
        if any(self._is_space_low(project) for project in list(self._heads)[:1]):
            return "The disk has less free space than its reserve."
        return None

    async def close(self) -> None:
        """Write what is queued, for at most ``CLOSE_SECONDS``, and release the files.

        What could not be written in time is answered with Unavailable. Closing twice does nothing.
        """
        with self._lock:
            if not self._closing:
                self._closing = True
                self._deadline = self._clock.monotonic() + CLOSE_SECONDS
                for together in self._gathered.values():
                    for waiting in together:
                        self._queue.put(waiting)
                self._gathered.clear()
                self._queue.put(None)
        # A disk that hangs in a system call cannot be interrupted; the thread is a daemon.
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS + 1)

    def _trim(self, project: str, before_received_at: int, upto_position: int) -> int:
        path = self._path_of(project)
        if not path.exists():
            return 0
        deleted = 0
        with closing(SqliteLog(path)) as log:
            # In steps, so that a long trim ends soon after the server is asked to.
            while not self._closing:
                upto = min(upto_position, log.first() - 1 + _TRIM_STEP)
                step = log.trim(before_received_at, upto)
                deleted += step
                if step == 0:
                    break
        return deleted

    async def _enqueue(self, project: str, entry: Entry | None, size: int) -> int:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(project, entry, size, loop, loop.create_future())
        with self._lock:
            if self._closing or not self._thread.is_alive():
                raise self._unavailable("The event log is closing.")
            if self._queued_bytes and self._queued_bytes + size > self._settings.log_queue_bytes:
                raise self._unavailable("Too much is waiting for the disk.")
            self._queued_bytes += size
            together = self._gathered.get(loop)
            if together is None:
                self._gathered[loop] = [waiting]
                loop.call_soon(self._hand_over, loop)
            else:
                together.append(waiting)
        return await waiting.answer

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            for waiting in self._gathered.pop(loop, ()):
                self._queue.put(waiting)

    def _run(self) -> None:
        last = False
        while not last:
            try:
                group, last = self._take()
                self._write(group)
                self._heal()
            except Exception:  # the only writer must outlive a bug; it was answered, this tells
                _logger.exception("the log writer failed")
        for log in self._logs.values():
            log.close()

    def _take(self) -> tuple[list[_Waiting], bool]:
        """Return the next group, and whether it is the last one."""
        group: list[_Waiting] = []
        size = 0
        try:
            waiting = self._queue.get(timeout=_LOOK_SECONDS if self._troubles else None)
            while waiting is not None:
                group.append(waiting)
                size += waiting.size
                if size >= self._settings.log_group_bytes or len(group) >= GROUP_ROWS:
                    return group, False
                waiting = self._queue.get_nowait()
        except Empty:
            return group, False
        return group, True

    def _write(self, group: list[_Waiting]) -> None:
        outcomes: list[_Outcome] = []
        before = dict(self._heads)
        try:
            for project, members in _by_project(group).items():
                outcomes += self._write_project(project, members)
        finally:
            self._answer(group, outcomes)
        for project, head in self._heads.items():
            if before.get(project) != head:
                self._on_commit(project, head)

    def _write_project(self, project: str, members: list[_Waiting]) -> list[_Outcome]:
        refusal = self._refusal(project)
        if refusal is not None:
            return self._refused(members, refusal)
        opening = [waiting for waiting in members if waiting.entry is None]
        ready = [waiting for waiting in members if waiting.entry is not None]
        entries = [waiting.entry for waiting in members if waiting.entry is not None]
        try:
            if opening:
                self._discard(project)
                self._heads[project] = self._log(project).head()
            first = self._commit(project, entries) if entries else 0
        except TallymarkError as error:
            self._note(project, error)
            return self._refused(members, error.message)
        if entries:
            self._heads[project] = first + len(entries) - 1
        if entries or opening:
            self._troubles.pop(project, None)
        outcomes = [_Outcome(waiting, self._heads[project]) for waiting in opening]
        return outcomes + [_Outcome(w, position) for position, w in enumerate(ready, first)]

    def _commit(self, project: str, entries: list[Entry]) -> int:
        try:
            return self._log(project).append(entries)
        except Broken:
            # Nothing of it was acknowledged, so it may be tried once more, on a salvaged file.
            self._discard(project)
            return self._log(project, deep=True).append(entries)

    def _log(self, project: str, *, deep: bool = False) -> Log:
        log = self._logs.pop(project, None)
        if log is None:
            while len(self._logs) >= OPEN_LOGS:
                self._logs.pop(next(iter(self._logs))).close()
            at_least = max(self._heads.get(project, 0), self._known_head(project))
            opened = self._opener(self._path_of(project), at_least, deep)
            log = opened.log
            if opened.salvaged is not None:
                _logger.error("project %s: the event log was damaged: %s", project, opened.salvaged)
                self._on_salvage(project, opened.salvaged)
        # Last in the order of the dictionary is the most recently used.
        self._logs[project] = log
        return log

    def _discard(self, project: str) -> None:
        log = self._logs.pop(project, None)
        if log is not None:
            log.close()

    def _refusal(self, project: str) -> str | None:
        now = self._clock.monotonic()
        if now > self._deadline:
            return "The event log closed before this could be written."
        trouble = self._troubles.get(project)
        return trouble.message if trouble is not None and now < trouble.retry_at else None

    def _refused(self, members: list[_Waiting], message: str) -> list[_Outcome]:
        return [_Outcome(waiting, error=self._unavailable(message)) for waiting in members]

    def _note(self, project: str, error: TallymarkError) -> None:
        _logger.error("project %s: %s", project, error.message)
        retry_at = self._clock.monotonic() + _LOOK_SECONDS
        self._troubles[project] = _Trouble(error.message, retry_at)

    def _heal(self) -> None:
        """Try every failed project again, so that readiness returns without traffic."""
        for project, trouble in list(self._troubles.items()):
            if self._clock.monotonic() < trouble.retry_at:
                continue
            try:
                self._log(project).recover()
            except TallymarkError as error:
                self._discard(project)
                self._note(project, error)
            else:
                del self._troubles[project]

    def _answer(self, group: list[_Waiting], outcomes: list[_Outcome]) -> None:
        answered = {id(outcome.waiting) for outcome in outcomes}
        bug = TallymarkError("The batch could not be written.")
        outcomes += [_Outcome(w, error=bug) for w in group if id(w) not in answered]
        with self._lock:
            self._queued_bytes -= sum(waiting.size for waiting in group)
        loops = {outcome.waiting.loop for outcome in outcomes}
        for loop in loops:
            mine = [outcome for outcome in outcomes if outcome.waiting.loop is loop]
            # A loop that is gone has nobody waiting.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, mine)

    def _is_space_low(self, project: str) -> bool:
        now = self._clock.monotonic()
        if now - self._space_looked_at >= _LOOK_SECONDS:
            self._space_looked_at = now
            free = _free_bytes(self._path_of(project).parent)
            self._space_is_low = free < self._settings.disk_reserve_bytes
        return self._space_is_low

    def _unavailable(self, message: str) -> Unavailable:
        return Unavailable(message, retry_after_seconds=self._settings.retry_after_seconds)


def _by_project(group: Iterable[_Waiting]) -> dict[str, list[_Waiting]]:
    projects: dict[str, list[_Waiting]] = {}
    for waiting in group:
        projects.setdefault(waiting.project, []).append(waiting)
    return projects


def _resolve(outcomes: Iterable[_Outcome]) -> None:
    for outcome in outcomes:
        answer = outcome.waiting.answer
        # A client that went away has cancelled its wait.
        if answer.done():
            continue
        if outcome.error is None:
            answer.set_result(outcome.position)
        else:
            answer.set_exception(outcome.error)


def _free_bytes(folder: Path) -> float:
    """Return the free space of the disk that holds, or will hold, a folder."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        disk = os.statvfs(folder)
    except OSError:
        return float("inf")
    return disk.f_bavail * disk.f_frsize
