"""Where everything of one installation lies.

data/
  lock             held while a server runs
  catalog.db       projects and keys
  backups.json     how far the last backup holds each project
  front.sock       the owner's own way in
  store.sock       from the front to the store process
  salts/           today's salt of visitors' ids
  projects/<id>/   log.db  store.duckdb  loads.json  pseudonym.key  index/  console/  corrupt/
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tallymark.core.errors import TallymarkError
from tallymark.core.sockets import socket_path

_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


class Folders(Struct, frozen=True):
    """The paths below one data folder."""

    data: Path

    @property
    def catalog(self) -> Path:
        """Where projects and keys are kept."""
        return self.data / "catalog.db"

    @property
    def backups(self) -> Path:
        """Where the last backup is remembered."""
        return self.data / "backups.json"

    @property
    def front_socket(self) -> Path:
        """Where the owner of the folder asks."""
        return socket_path(self.data, "front.sock")

    @property
    def store_socket(self) -> Path:
        """Where the store process listens."""
        return socket_path(self.data, "store.sock")

    @property
    def temp(self) -> Path:
        """Where the engine spills to disk."""
        return self.data / "tmp"

    @property
    def salts(self) -> Path:
        """Where the salts of visitors' ids are kept for a day; in no backup."""
        return self.data / "salts"

    def pseudonym_key(self, name: str) -> Path:
        """Return the file of the secret with which a project's values are hashed."""
        return self.project(name) / "pseudonym.key"

    def project(self, name: str) -> Path:
        """Return the project's folder; the name is checked, so it cannot lead elsewhere."""
        if not _PROJECT.match(name):
            raise TallymarkError(
                f"{name!r} is not a project name.",
                code="PROJECT_UNKNOWN",
                hint="Use lower-case letters, digits and hyphens.",
            )
        return self.data / "projects" / name

    def log(self, name: str) -> Path:
        """Return the path of the project's log."""
        return self.project(name) / "log.db"

    def store(self, name: str) -> Path:
        """Return the path of the project's store."""
        return self.project(name) / "store.duckdb"

    def index(self, name: str) -> Path:
        """Return the folder of the project's derived indexes."""
        return self.project(name) / "index"

    def loads(self, name: str) -> Path:
        """Return the file that remembers which files were loaded how far."""
        return self.project(name) / "loads.json"

    def console(self, name: str) -> Path:
        """Return the folder of the copy that questions in SQL read."""
        return self.project(name) / "console"

    def rebuild_mark(self, name: str) -> Path:
        """Return the file whose presence says that the store must be built anew."""
        return self.project(name) / "rebuild"

    def exists(self, name: str) -> bool:
        """Say whether the project has a folder."""
        return bool(_PROJECT.match(name)) and self.project(name).is_dir()

    def projects(self) -> list[str]:
        """Return the names of all projects that have a folder."""
        root = self.data / "projects"
        if not root.is_dir():
            return []
        return sorted(p.name for p in root.iterdir() if _PROJECT.match(p.name) and p.is_dir())


@contextmanager
def locked(folders: Folders) -> Iterator[None]:
    """Hold the data folder for this process; raises TallymarkError DATA_DIR_IN_USE.

    The lock is the kernel's, so it is gone when its holder is, however that ended.
    """
    folders.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folders.data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            raise TallymarkError(
                f"The data folder {folders.data} is in use by process {holder or 'unknown'}.",
                code="DATA_DIR_IN_USE",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
