"""What lies in the data folder for privacy's sake: the salts of visitors' ids, and projects' keys."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from tallymark.app.folders import Folders
from tallymark.collect.batch import Surroundings
from tallymark.core.clock import Clock
from tallymark.privacy.cookieless import Salts

_KEY_BYTES = 32
_PURGE_SECONDS = 600


class PrivacyFiles:
    """The salts and keys of one data folder."""

    def __init__(self, folders: Folders, clock: Clock) -> None:
        self._folders = folders
        self._clock = clock
        self._salts = Salts(folders.salts)
        self._keys: dict[str, bytes] = {}
        self._salts.purge(clock.now())

    def surroundings(self) -> Surroundings:
        """Return what collection needs of them."""
        return Surroundings(visitor=self._salts.visitor, key=self.key)

    def key(self, project: str) -> bytes:
        """Return the secret with which a project's values are hashed, making it if there is none.

        It stays as long as the project: without it the same value would count as another one.
        """
        if project not in self._keys:
            self._keys[project] = _read_or_make(self._folders.pseudonym_key(project))
        return self._keys[project]

    async def keep_purged(self) -> None:
        """Delete salts whose day is over, until cancelled."""
        while True:
            await asyncio.sleep(_PURGE_SECONDS)
            with suppress(OSError):
                self._salts.purge(self._clock.now())


def _read_or_make(path: Path) -> bytes:
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, os.urandom(_KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
    return path.read_bytes()
