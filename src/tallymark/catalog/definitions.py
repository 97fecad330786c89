"""What projects define by name, as text; every version stays, the newest holds."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from tallymark.core.errors import NotFound, TallymarkError

from .tables import DEFINITIONS, PROJECT

Connecting: TypeAlias = Callable[[], AbstractContextManager[Connection]]


class StoredDefinitions(Struct, frozen=True):
    """One version of everything a project defines, counted from 1."""

    project: str
    version: int
    content: str
    created_at: int


class Pushed(Struct, frozen=True):
    """A version there is, and since when."""

    version: int
    created_at: int


class DefinitionVersions:
    """The versions of all projects, in the catalog's database."""

    def __init__(self, read: Connecting, write: Connecting) -> None:
        self._read = read
        self._write = write

    def newest(self, project: str) -> StoredDefinitions | None:
        """Return the version that holds, None if none was pushed."""
        with self._read() as connection:
            return _newest(connection, project)

    def at(self, project: str, version: int) -> StoredDefinitions:
        """Return one version; raises NotFound if it never was."""
        is_it = (DEFINITIONS.c.project == project) & (DEFINITIONS.c.version == version)
        with self._read() as connection:
            row = connection.execute(sa.select(DEFINITIONS).where(is_it)).mappings().first()
        if row is None:
            raise NotFound(
                f"There is no version {version} of the definitions.",
                hint="Versions count from 1, one for each push that changed something.",
            )
        return StoredDefinitions(**row)

    def versions(self, project: str) -> list[Pushed]:
        """Return every version, newest first."""
        query = sa.select(DEFINITIONS.c.version, DEFINITIONS.c.created_at)
        chosen = query.where(DEFINITIONS.c.project == project)
        with self._read() as connection:
            rows = connection.execute(chosen.order_by(DEFINITIONS.c.version.desc())).mappings()
            return [Pushed(**row) for row in rows]

    def push(
        self, project: str, content: str, *, now: int, expected: int | None = None
    ) -> StoredDefinitions:
        """Store definitions as the newest; the same as the newest changes nothing.

        Raises DEFINITION_CHANGED unless the version that is expected, 0 for none, is the newest.
        """
        with self._write() as connection:
            known = connection.execute(sa.select(PROJECT.c.id).where(PROJECT.c.id == project))
            if known.first() is None:
                raise NotFound(f"There is no project {project[:80]!r}.", code="PROJECT_UNKNOWN")
            there = _newest(connection, project)
            if there is not None and there.content == content:
                return there
            newest = 0 if there is None else there.version
            if expected not in (None, newest):
                raise TallymarkError(
                    f"Version {newest} of the definitions holds, and not {expected}.",
                    code="DEFINITION_CHANGED",
                )
            version = newest + 1
            made = StoredDefinitions(project, version, content, now)
            connection.execute(sa.insert(DEFINITIONS).values(structs.asdict(made)))
            return made


def _newest(connection: Connection, project: str) -> StoredDefinitions | None:
    query = sa.select(DEFINITIONS).where(DEFINITIONS.c.project == project)
    row = connection.execute(query.order_by(DEFINITIONS.c.version.desc()).limit(1)).mappings()
    found = row.first()
    return None if found is None else StoredDefinitions(**found)
