"""The one thread that loads: takes every project's log in turn, as soon as there is more."""

import gc
import os
import threading
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tallymark.app.folders import Folders
from tallymark.collect.load import Loader
from tallymark.core.clock import Clock
from tallymark.core.errors import Broken, TallymarkError, Unavailable
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engine import Engine

_POLL_SECONDS = 1.0
# Upkeep waits for a pause, but not for ever: some sites never pause.
_UPKEEP_SECONDS = 300.0
_TRIES = 3
_TRIES_IF_KILLED = 20
_KILLED = -9
_EXIT_DAMAGED = 70
_EXIT_BUG = 71


class Attempt(Struct, frozen=True):
    """A note, on disk while a batch is being loaded, of how often that was begun in vain."""

    position: int
    tries: int


class LoadingThread:
    """Loads all projects until stopped."""

    def __init__(
        self,
        engine: Engine,
        folders: Folders,
        settings: Settings,
        clock: Clock,
        logger: Logger,
        *,
        crashed: int = 0,
    ) -> None:
        self._logger = logger
        self._engine = engine
        self._folders = folders
        self._settings = settings
        self._clock = clock
        self._crashed = crashed
        self._loaders: dict[str, _ProjectLoader] = {}
        self._woken: set[str] = set()
        self._damaged: set[str] = set()
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name="loading", daemon=True)

    def start(self) -> None:
        """Begin loading; before anybody asks, so that no store is set aside while it is open."""
        for name in self._folders.projects():
            if self._folders.rebuild_mark(name).exists():
                with suppress(Broken):
                    self._set_store_aside(name)
        # Nothing that loading makes refers to itself, so collecting in between only costs time.
        gc.disable()
        self._thread.start()

    def wake(self, project: str) -> None:
        """Say that a project's log has grown."""
        with self._lock:
            self._woken.add(project)
        self._event.set()

    def rebuild(self, project: str) -> None:
        """Say that a question found a project's store damaged."""
        with self._lock:
            self._damaged.add(project)
        self._event.set()

    def stop(self) -> None:
        """Finish the commit under way and end."""
        self._stop.set()
        self._event.set()
        self._thread.join(timeout=30)

    def _main(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  a process that no longer loads must not live on
            self._logger.bug("loading ended", error)
            os._exit(_EXIT_BUG)

    def _run(self) -> None:
        waiting = set(self._folders.projects())
        kept_at = self._clock.monotonic()
        while not self._stop.is_set():
            busy = set()
            for name in sorted(waiting):
                if not self._stop.is_set() and self._load(name):
                    busy.add(name)
            woken = bool(busy) or self._event.wait(_POLL_SECONDS)
            self._event.clear()
            if not woken or self._clock.monotonic() - kept_at > _UPKEEP_SECONDS:
                self._upkeep()
                kept_at = self._clock.monotonic()
            with self._lock:
                waiting = busy | self._woken
                damaged = self._damaged
                self._woken, self._damaged = set(), set()
            for name in damaged:
                self._begin_anew(name)
            if not waiting:
                waiting = set(self._folders.projects())
        for loader in self._loaders.values():
            loader.close()

    def _load(self, name: str) -> bool:
        """Do one commit for a project; say whether it may have more to load."""
        try:
            loader = self._loaders.get(name) or self._open(name)
            return loader is not None and loader.step()
        except Unavailable as error:
            self._logger.warning("store is away", project=name, why=error.message)
            return False
        except Broken as error:
            self._logger.error("store cannot be loaded", project=name, code=error.code)
            if error.code == "STORE_MOVED":
                # What the loader knows is behind the store: read it again.
                self._loaders.pop(name).close()
                return True
            if error.code == "STORE_DAMAGED":
                self._begin_anew(name)
            return False

    def _open(self, name: str) -> "_ProjectLoader | None":
        if not self._folders.log(name).exists():
            return None
        try:
            self._engine.open(name)
        except Broken as error:
            if error.code != "STORE_DAMAGED":
                raise
            self._set_store_aside(name)
        self._loaders[name] = _ProjectLoader(
            name, self._engine, self._folders, self._settings, self._clock,
            self._logger, self._crashed,
        )  # fmt: skip
        return self._loaders[name]

    def _begin_anew(self, name: str) -> None:
        """End the process, so that the next builds the store from the log, if that holds it all.

        The engine may hold damaged pages in memory, so this process cannot do it.
        """
        if self._is_whole(name):
            self._folders.rebuild_mark(name).touch()
            os._exit(_EXIT_DAMAGED)

    def _is_whole(self, name: str) -> bool:
        try:
            with closing(SqliteLog(self._folders.log(name), readonly=True)) as log:
                return log.first() == 1
        except TallymarkError:
            # A log that cannot be read now is no reason to give up what there is of the store.
            return False

    def _set_store_aside(self, name: str) -> None:
        """Move a damaged store away, so that it is built again from the log.

        Raises Broken if the log no longer begins at the beginning: then only a backup can help.
        """
        if not self._is_whole(name):
            raise Broken(
                f"The store of {name!r} is damaged and its log was trimmed.", code="STORE_DAMAGED"
            )
        aside = self._folders.project(name) / "corrupt" / str(self._clock.now())
        aside.mkdir(parents=True)
        store = self._folders.store(name)
        for path in (store, store.with_name(store.name + ".wal"), self._folders.index(name)):
            if path.exists():
                path.rename(aside / path.name)
        self._folders.rebuild_mark(name).unlink(missing_ok=True)
        self._logger.error("damaged store was set aside and is rebuilt from the log", project=name)

    def _upkeep(self) -> None:
        kept = [loader.maintain() for loader in self._loaders.values()]
        if any(kept):
            gc.collect()


class _ProjectLoader:
    """One project's loader, and its ways around a batch that cannot be loaded."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        folders: Folders,
        settings: Settings,
        clock: Clock,
        logger: Logger,
        crashed: int,
    ) -> None:
        self._logger = logger
        self._name = name
        self._note = folders.project(name) / "attempt.json"
        self._log = SqliteLog(folders.log(name), readonly=True)
        self._loader = Loader(name, engine, self._log, folders.index(name), settings, clock)
        self._steps = 0
        # A process killed from outside says little of the batch it was loading.
        self._most_tries = _TRIES_IF_KILLED if crashed == _KILLED else _TRIES
        self._tries = self._tries_before(crashed)

    def step(self) -> bool:
        """Load one commit's worth; say whether there may be more."""
        position = self._loader.position
        self._write_note(Attempt(position, self._tries))
        try:
            loaded = self._loader.step(
                1 if self._tries else None, isolate=self._tries >= self._most_tries
            )
        except (Unavailable, Broken):
            raise
        except Exception as error:  # noqa: BLE001  a batch that cannot be loaded must not stop the rest
            self._tries += 1
            self._most_tries = _TRIES
            self._logger.bug(
                "load failed", error, project=self._name, position=position, tries=self._tries
            )
            return self._tries <= _TRIES
        if loaded is None:
            self._clear_note()
            return False
        self._tries = 0
        self._steps += 1
        return True

    def maintain(self) -> bool:
        """Fold journals and recent keys into files; say whether anything was loaded since."""
        was_loading = self._steps > 0
        self._steps = 0
        if not was_loading and self._loader.is_tidy:
            return False
        # What could not be folded now is still in the journal, or is read from the store again.
        with suppress(OSError, Unavailable):
            self._loader.maintain()
        return was_loading

    def close(self) -> None:
        """Release everything."""
        self._clear_note()
        self._loader.close()
        self._log.close()

    def _tries_before(self, crashed: int) -> int:
        try:
            attempt = msgspec.json.decode(self._note.read_bytes(), type=Attempt)
        except (OSError, msgspec.DecodeError):
            return 0
        if crashed == 0 or attempt.position != self._loader.position:
            return 0
        return attempt.tries + 1

    def _write_note(self, attempt: Attempt) -> None:
        _write(self._note, msgspec.json.encode(attempt))

    def _clear_note(self) -> None:
        self._note.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    # Not synced: the note must outlive a crash of this process, not of the machine.
    path.write_bytes(data)
