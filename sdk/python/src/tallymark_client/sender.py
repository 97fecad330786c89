"""The thread that sends: a bounded queue in front of it, retries and a spool behind it."""

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from .spool import Spool
from .transport import Answer, Transport

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
# After so many failures in a row events go to the spool, if there is one, instead of waiting here.
_TRIES_BEFORE_SPOOL = 3

Trouble = Callable[[str], None]


class Sender:
    """Takes events from any thread and sends them from one of its own, which starts when needed."""

    def __init__(
        self,
        transport: Transport,
        *,
        batch: int,
        seconds: float,
        most: int,
        spool: Spool | None,
        trouble: Trouble,
    ) -> None:
        self._transport = transport
        self._batch = batch
        self._seconds = seconds
        self._most = most
        self._spool = spool
        self._trouble = trouble
        self._begin()
        _all.add(self)
        # What an earlier run left on disk is sent even if nothing new comes.
        if spool is not None and not spool.is_empty():
            with self._changed:
                self._start()

    def _begin(self) -> None:
        self._queue: deque[str] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._under_way: list[str] = []
        self._closing = False
        self._flushing = 0
        self._failures = 0
        self._wait_until = 0.0
        self._oldest_at = 0.0
        self.dropped = 0

    def after_fork(self) -> None:
        """Begin anew in a child process: what was queued is the parent's to send."""
        self._transport.forget()
        self._begin()

    def put(self, event: str) -> bool:
        """Queue an event; return False, and count it, if it is dropped because nothing has room."""
        with self._changed:
            if self._closing:
                return self._drop(1, "the client is closed")
            if len(self._queue) >= self._most and not self._make_room():
                return self._drop(1, f"{self._most} events wait already")
            if not self._queue:
                self._oldest_at = time.monotonic()
                self._changed.notify_all()
            self._queue.append(event)
            self._start()
            if len(self._queue) >= self._batch:
                self._changed.notify_all()
        return True

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tallymark", daemon=True)
            self._thread.start()

    def flush(self, timeout: float | None) -> bool:
        """Return once all that was queued is delivered or on disk; False if that took too long."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                while self._queue or self._under_way:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._changed.wait(left)
                return True
            finally:
                self._flushing -= 1

    def close(self, timeout: float) -> None:
        """Deliver what is queued for so long, then keep the rest on disk, or drop it and say so."""
        self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(1)
        with self._changed:
            rest = [*self._under_way, *self._queue]
            self._queue.clear()
            self._under_way = []
        if rest and not self._keep(rest):
            self._drop(len(rest), "the server did not take them before the program ended")
        self._transport.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_due():
                    if self._closing:
                        return
                    self._changed.wait(self._pause())
                self._under_way = [
                    self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))
                ]
                self._oldest_at = time.monotonic()
            if self._under_way:
                self._deliver(self._under_way)
            with self._changed:
                self._under_way = []
                self._changed.notify_all()
            if self._failures == 0:
                self._unspool()

    def _is_due(self) -> bool:
        if self._closing and not self._flushing:
            return False
        now = time.monotonic()
        if now < self._wait_until:
            return False
        if not self._queue:
            return self._spool is not None and not self._spool.is_empty()
        is_full = len(self._queue) >= self._batch
        return is_full or self._flushing > 0 or now - self._oldest_at >= self._seconds

    def _pause(self) -> float:
        now = time.monotonic()
        if now < self._wait_until:
            return self._wait_until - now
        if self._queue:
            return max(0.01, self._oldest_at + self._seconds - now)
        return self._seconds

    def _deliver(self, events: list[str]) -> None:
        """Send events until they are delivered, refused, or on disk."""
        while events:
            answer = self._transport.send(events, int(time.time() * 1000))
            if answer.outcome == "delivered":
                self._failures = 0
                self._tell_failed(answer)
                return
            if answer.outcome == "halve" and len(events) > 1:
                half = len(events) // 2
                self._deliver(events[:half])
                events = events[half:]
                continue
            if answer.outcome in ("halve", "refused"):
                self._failures = 0
                self._drop(len(events), f"the server refused them: {answer.message}")
                return
            if not self._wait(answer, events):
                return

    def _wait(self, answer: Answer, events: list[str]) -> bool:
        """Wait before the next attempt; return False if there is no next one."""
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 20))
        # Many clients that lost the same server must not come back at the same moment.
        pause *= random.uniform(0.5, 1.0)
        if answer.retry_after is not None:
            pause = max(pause, answer.retry_after) if answer.retry_after else 0.0
        if self._failures >= _TRIES_BEFORE_SPOOL and self._keep(events):
            self._wait_until = time.monotonic() + pause
            return False
        with self._changed:
            deadline = time.monotonic() + pause
            while not self._closing and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._closing:
                # Whoever closes keeps what is left on disk, or drops it and says so.
                self._queue.extendleft(reversed(events))
            return not self._closing

    def _unspool(self) -> None:
        """Send what was kept on disk, one file, if there is any."""
        if self._spool is None or self._closing:
            return
        with self._spool.oldest() as found:
            if found is None:
                return
            path, events = found
            for first in range(0, len(events), self._batch):
                answer = self._transport.send(
                    events[first : first + self._batch], int(time.time() * 1000)
                )
                if answer.outcome == "again":
                    self._failures += 1
                    self._wait_until = time.monotonic() + (answer.retry_after or _FIRST_PAUSE)
                    return
                if answer.outcome != "delivered":
                    self._drop(len(events[first : first + self._batch]), answer.message)
            path.unlink()

    def _make_room(self) -> bool:
        """Move the queue to disk; called with the lock held."""
        if self._spool is None:
            return False
        if not self._keep(list(self._queue)):
            return False
        self._queue.clear()
        return True

    def _keep(self, events: list[str]) -> bool:
        if self._spool is None:
            return False
        try:
            return self._spool.put(events)
        except OSError:
            return False

    def _tell_failed(self, answer: Answer) -> None:
        for one in answer.failed:
            self._trouble(f"an event was refused: {_told(one)}")

    def _drop(self, count: int, why: str) -> bool:
        self.dropped += count
        self._trouble(f"{count} events were dropped: {why}")
        return False


def _told(failed: Any) -> str:
    if not isinstance(failed, dict):
        return "no reason was given"
    return f"{failed.get('code')} {failed.get('message')}"


_all: "WeakSet[Sender]" = WeakSet()


def _after_fork() -> None:
    for sender in list(_all):
        sender.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
