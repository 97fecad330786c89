"""What happened at an instant that explains numbers: a release, a campaign, an outage."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Literal, TypeAlias

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from tallymark.core.errors import NotFound, Refused
from tallymark.core.ids import random_text

from .named import shown
from .tables import ANNOTATION, PROJECT

Connecting: TypeAlias = Callable[[], AbstractContextManager[Connection]]
AnnotationKind: TypeAlias = Literal["note", "release", "campaign", "incident"]
MOST: Final = 10_000
LONGEST_TEXT: Final = 500


class Annotation(Struct, frozen=True):
    """One annotation; ``at_us`` is an instant in microseconds since 1970 UTC."""

    id: str
    project: str
    at_us: int
    text: str
    kind: AnnotationKind
    owner: str
    updated_at: int


class Note(Struct, frozen=True):
    """What an annotation is to say."""

    at_us: int
    text: str
    kind: AnnotationKind


class Annotations:
    """The annotations of all projects, in the catalog's database."""

    def __init__(self, read: Connecting, write: Connecting) -> None:
        self._read = read
        self._write = write

    def all(self, project: str) -> list[Annotation]:
        """Return those of a project, by instant."""
        query = sa.select(ANNOTATION).where(ANNOTATION.c.project == project)
        with self._read() as connection:
            rows = connection.execute(query.order_by(ANNOTATION.c.at_us, ANNOTATION.c.id))
            return [Annotation(**row) for row in rows.mappings()]

    def get(self, project: str, annotation_id: str) -> Annotation:
        """Return one of a project; raises NotFound."""
        with self._read() as connection:
            return _found(connection, project, annotation_id)

    def add(self, project: str, note: Note, by: str, *, now: int) -> Annotation:
        """Keep an annotation; raises Refused for one that says nothing."""
        made = Annotation(random_text(8), project, note.at_us, _text(note.text), note.kind, by, now)
        with self._write() as connection:
            known = connection.execute(sa.select(PROJECT.c.id).where(PROJECT.c.id == project))
            if known.first() is None:
                raise NotFound(f"There is no project {project[:80]!r}.", code="PROJECT_UNKNOWN")
            count = sa.select(sa.func.count()).select_from(ANNOTATION)
            if connection.execute(count.where(ANNOTATION.c.project == project)).scalar_one() >= MOST:  # fmt: skip
                raise Refused(f"A project keeps at most {MOST} annotations.", hint="Delete some.")
            connection.execute(sa.insert(ANNOTATION).values(structs.asdict(made)))
        return made

    def change(self, project: str, annotation_id: str, note: Note, *, now: int) -> Annotation:
        """Replace what an annotation says; raises NotFound."""
        values = {
            "at_us": note.at_us, "text": _text(note.text), "kind": note.kind, "updated_at": now,
        }  # fmt: skip
        with self._write() as connection:
            is_it = _is(project, annotation_id)
            connection.execute(sa.update(ANNOTATION).where(is_it).values(values))
            return _found(connection, project, annotation_id)

    def remove(self, project: str, annotation_id: str) -> None:
        """Forget an annotation; raises NotFound."""
        with self._write() as connection:
            if not connection.execute(sa.delete(ANNOTATION).where(_is(project, annotation_id))).rowcount:  # fmt: skip
                raise _gone()


def _is(project: str, annotation_id: str) -> "sa.ColumnElement[bool]":
    return (ANNOTATION.c.project == project) & (ANNOTATION.c.id == annotation_id)


def _found(connection: Connection, project: str, annotation_id: str) -> Annotation:
    query = sa.select(ANNOTATION).where(_is(project, annotation_id))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise _gone()
    return Annotation(**row)


def _gone() -> NotFound:
    return NotFound("There is no such annotation.", hint="It may have been deleted.")


def _text(text: str) -> str:
    plain = shown(text, "text", most=LONGEST_TEXT)
    if not plain:
        raise Refused("The text is empty.", path="text")
    return plain
