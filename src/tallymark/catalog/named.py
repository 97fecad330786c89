"""What people make on the pages and give a name: saved questions, and dashboards.

Each has a version that grows by one with every change. Whoever changes something names the version
they saw, so that nobody writes over what somebody else did meanwhile without having seen it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, TypeAlias

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from tallymark.core.clock import rfc3339
from tallymark.core.errors import NotFound, Refused, TallymarkError

from .tables import PROJECT

Connecting: TypeAlias = Callable[[], AbstractContextManager[Connection]]
MOST: Final = 1_000
_LONGEST_ID: Final = 56
_LONGEST_NAME: Final = 200
_LONGEST_DESCRIPTION: Final = 2_000
# Two may take the same id at once; the second tries the next one.
_TRIES: Final = 5


class Named(Struct, frozen=True):
    """One thing with a name. ``content`` is JSON; ``owner`` is empty for the owner of the folder."""

    project: str
    id: str
    name: str
    description: str
    content: str
    owner: str
    changed_by: str
    version: int
    created_at: int
    updated_at: int


class Draft(Struct, frozen=True):
    """What somebody wants to keep, and who they are."""

    name: str
    description: str
    content: str
    by: str


class NamedThings:
    """Those of one kind, of all projects, in the catalog's database; ``noun`` is what one is called."""

    def __init__(self, read: Connecting, write: Connecting, table: sa.Table, noun: str) -> None:
        self._read = read
        self._write = write
        self._table = table
        self._noun = noun

    def all(self, project: str) -> list[Named]:
        """Return every one of a project, those changed last first."""
        columns = self._table.c
        query = sa.select(self._table).where(columns.project == project)
        with self._read() as connection:
            rows = connection.execute(query.order_by(columns.updated_at.desc(), columns.id))
            return [Named(**row) for row in rows.mappings()]

    def find(self, project: str, thing_id: str) -> Named | None:
        """Return one of a project, None if there is none of that id."""
        with self._read() as connection:
            return self._found(connection, project, thing_id)

    def get(self, project: str, thing_id: str) -> Named:
        """Return one of a project; raises NotFound."""
        found = self.find(project, thing_id)
        if found is None:
            raise self._gone(thing_id)
        return found

    def add(self, project: str, draft: Draft, *, now: int, taken: Iterable[str] = ()) -> Named:
        """Keep something new under an id made of its name, none of ``taken``; raises Refused."""
        draft = checked(draft)
        for _ in range(_TRIES):
            try:
                with self._write() as connection:
                    return self._insert(connection, project, draft, now, set(taken))
            except exc.IntegrityError:
                continue
        raise TallymarkError(
            f"Many people save a {self._noun} at once.", code="CHANGED_MEANWHILE",
            hint="Save it again.",
        )  # fmt: skip

    def change(self, project: str, thing_id: str, draft: Draft, *, version: int, now: int) -> Named:
        """Replace what is kept; raises NotFound, or CHANGED_MEANWHILE if the version is another one."""
        draft = checked(draft)
        with self._write() as connection:
            # Written before it is read, so that of two at once the second sees what the first did.
            done = connection.execute(
                sa.update(self._table)
                .where(self._is(project, thing_id) & (self._table.c.version == version))
                .values(
                    name=draft.name, description=draft.description, content=draft.content,
                    changed_by=draft.by, version=version + 1, updated_at=now,
                )
            )  # fmt: skip
            there = self._found(connection, project, thing_id)
            if there is None:
                raise self._gone(thing_id)
            if not done.rowcount:
                raise self._changed(there, version)
            return there

    def remove(self, project: str, thing_id: str) -> None:
        """Forget one of a project; raises NotFound."""
        with self._write() as connection:
            done = connection.execute(sa.delete(self._table).where(self._is(project, thing_id)))
            if not done.rowcount:
                raise self._gone(thing_id)

    def _insert(
        self, connection: Connection, project: str, draft: Draft, now: int, taken: set[str]
    ) -> Named:
        known = connection.execute(sa.select(PROJECT.c.id).where(PROJECT.c.id == project))
        if known.first() is None:
            raise NotFound(f"There is no project {project[:80]!r}.", code="PROJECT_UNKNOWN")
        of_project = sa.select(self._table.c.id).where(self._table.c.project == project)
        there = set(connection.execute(of_project).scalars())
        if len(there) >= MOST:
            raise Refused(
                f"A project keeps at most {MOST} of these.", hint="Delete some that nobody needs."
            )
        made = Named(
            project, free_id(draft.name, self._noun, there | taken), draft.name,
            draft.description, draft.content, draft.by, draft.by, 1, now, now,
        )  # fmt: skip
        connection.execute(sa.insert(self._table).values(structs.asdict(made)))
        return made

    def _is(self, project: str, thing_id: str) -> "sa.ColumnElement[bool]":
        return (self._table.c.project == project) & (self._table.c.id == thing_id)

    def _found(self, connection: Connection, project: str, thing_id: str) -> Named | None:
        row = connection.execute(sa.select(self._table).where(self._is(project, thing_id)))
        found = row.mappings().first()
        return None if found is None else Named(**found)

    def _gone(self, thing_id: str) -> NotFound:
        return NotFound(
            f"There is no {self._noun} {thing_id[:80]!r}.", hint="It may have been deleted."
        )

    def _changed(self, there: Named, version: int) -> TallymarkError:
        who = there.changed_by or "The owner of the data folder"
        return TallymarkError(
            f"{who} saved version {there.version} of {there.name!r} at {rfc3339(there.updated_at)};"
            f" you changed version {version}.",
            code="CHANGED_MEANWHILE",
        )


def checked(draft: Draft) -> Draft:
    """Return a draft whose name and description are text that can be shown; raises Refused."""
    name = shown(draft.name, "name", most=_LONGEST_NAME)
    if not name:
        raise Refused("The name is empty.", path="name")
    description = shown(draft.description, "description", most=_LONGEST_DESCRIPTION, lines=True)
    return structs.replace(draft, name=name, description=description)


def shown(text: str, field: str, *, most: int, lines: bool = False) -> str:
    """Return text without space around it; raises Refused if it is too long or not all visible."""
    plain = text.strip()
    if len(plain) > most:
        raise Refused(f"The {field} has more than {most} characters.", path=field)
    visible = plain.translate(_BREAKS) if lines else plain
    if not visible.isprintable():
        raise Refused(f"The {field} holds characters that cannot be shown.", path=field)
    return plain


def free_id(name: str, noun: str, taken: set[str]) -> str:
    """Return an id that reads like a name and is not taken: ``Sign-ups per week`` → sign-ups-per-week."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_ID].strip("-")
    # An id can be typed as @id, and such names begin with a letter.
    first = words if words[:1].isalpha() else f"{noun.rpartition(' ')[2]}-{words}".strip("-")
    first = first[:_LONGEST_ID].strip("-")
    number, found = 2, first
    while found in taken:
        found, number = f"{first}-{number}", number + 1
    return found


_BREAKS: Final = {ord("\n"): " ", ord("\r"): " ", ord("\t"): " "}
