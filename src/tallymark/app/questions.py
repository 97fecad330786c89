"""The questions that are being answered now: how far each is, and a way to stop one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from tallymark.core.clock import Clock
from tallymark.store.engine import Reading


class Running(Struct, frozen=True):
    """One question: ``percent`` of its present statement, None until the engine can tell.

    ``statement`` counts from 1 among ``statements``.
    """

    id: str
    project: str
    insight: str
    seconds: float
    statement: int
    statements: int
    percent: float | None


class _Question(Struct):
    project: str
    insight: str
    began: float
    reading: Reading
    statement: int = 0
    statements: int = 0


class Questions:
    """Knows every question under way in this process; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, _Question] = {}
        # Stopped before they were begun, while they waited for a thread.
        self._unwanted: dict[str, None] = {}

    @contextmanager
    def during(self, key: str, project: str, insight: str, reading: Reading) -> Iterator["Steps"]:
        """List a question while the context lasts."""
        with self._lock:
            self._running[key] = _Question(project, insight, self._clock.monotonic(), reading)
            is_unwanted = self._unwanted.pop(key, 0) is None
        if is_unwanted:
            reading.stop()
        try:
            yield Steps(self._running[key])
        finally:
            with self._lock:
                self._running.pop(key, None)

    def stop(self, key: str, project: str, *, is_expected: bool = False) -> bool:
        """Stop a question of a project; say whether it was under way.

        One that ``is_expected`` may still wait for a thread: then it is stopped when it begins.
        """
        with self._lock:
            found = self._running.get(key)
            if found is None and is_expected:
                self._unwanted[key] = None
                while len(self._unwanted) > _MOST_UNWANTED:
                    self._unwanted.pop(next(iter(self._unwanted)))
            if found is None or found.project != project:
                return False
            found.reading.stop()
            return True

    def listed(self, project: str) -> list[Running]:
        """Return the questions of a project that are under way, longest first."""
        with self._lock:
            found = [(key, one) for key, one in self._running.items() if one.project == project]
        now = self._clock.monotonic()
        return [
            Running(
                id=key,
                project=one.project,
                insight=one.insight,
                seconds=round(now - one.began, 3),
                statement=one.statement,
                statements=one.statements,
                percent=one.reading.percent(),
            )
            for key, one in sorted(found, key=lambda item: item[1].began)
        ]


class Steps:
    """Notes how many statements a question has, and which one it is at."""

    def __init__(self, question: _Question) -> None:
        self._question = question

    def more(self, statements: int) -> None:
        """Say that so many statements follow."""
        self._question.statements += statements

    def next(self) -> None:
        """Say that the next statement begins."""
        self._question.statement += 1


_MOST_UNWANTED = 1_000
