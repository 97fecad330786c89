"""Links with which anybody may see one saved question or dashboard, and nothing else.

Of the token of a link only a digest is kept, so it is shown once. What the link locks stands in the
catalog and never in the link, where whoever has it could change it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from tallymark.core.errors import NotFound, Refused, TallymarkError
from tallymark.core.ids import random_text

from .keys import digest
from .named import shown
from .passwords import checked, hashed
from .tables import PROJECT, SHARE

Connecting: TypeAlias = Callable[[], AbstractContextManager[Connection]]
ShareKind: TypeAlias = Literal["question", "dashboard"]
TOKEN_LENGTH: Final = 32
MOST: Final = 1_000
# How many people a number shown by a link is of, if nothing else is said.
USUAL_GROUP: Final = 10
_LONGEST_LABEL: Final = 200


class Locked(Struct, frozen=True):
    """What a link locks: a range, filters of every question, and who may show it in a frame.

    Numbers of fewer than ``min_group`` are told to nobody who opens it, also not of a link that was
    made before there was such a thing; 0 tells them all.
    """

    range: Any = None
    filters: list[Any] = []
    origins: list[str] = []
    min_group: int = USUAL_GROUP


class Share(Struct, frozen=True):
    """One link; ``expires_at`` None means until it is revoked. ``password`` is kept as a hash."""

    id: str
    project: str
    kind: ShareKind
    target: str
    label: str
    password: str | None
    locked: Locked
    owner: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    views: int
    viewed_at: int | None

    def is_over(self, now: int) -> bool:
        """Whether the link was revoked, or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and now >= self.expires_at)  # fmt: skip


class ShareOrder(Struct, frozen=True):
    """A link to make."""

    kind: ShareKind
    target: str
    label: str
    password: str | None
    locked: Locked
    expires_at: int | None


class Shares:
    """The links of all projects, in the catalog's database."""

    def __init__(self, read: Connecting, write: Connecting) -> None:
        self._read = read
        self._write = write

    def all(self, project: str) -> list[Share]:
        """Return every link a project ever had, newest first."""
        query = sa.select(SHARE).where(SHARE.c.project == project)
        with self._read() as connection:
            rows = connection.execute(query.order_by(SHARE.c.created_at.desc(), SHARE.c.id))
            return [_share(row) for row in rows.mappings()]

    def get(self, project: str, share_id: str) -> Share:
        """Return one link of a project; raises NotFound."""
        is_it = (SHARE.c.project == project) & (SHARE.c.id == share_id)
        with self._read() as connection:
            return _found(connection, is_it)

    def add(self, project: str, order: ShareOrder, by: str, *, now: int) -> tuple[Share, str]:
        """Make a link, and return it with its token, which is not kept."""
        token = random_text(TOKEN_LENGTH)
        kept = None if order.password is None else hashed(checked(order.password, ""))
        row = {
            "id": random_text(8), "project": project, "kind": order.kind, "target": order.target,
            "label": shown(order.label, "label", most=_LONGEST_LABEL), "digest": digest(token),
            "password": kept, "content": _encode(order.locked).decode(), "owner": by,
            "created_at": now, "expires_at": order.expires_at, "revoked_at": None, "views": 0,
            "viewed_at": None,
        }  # fmt: skip
        with self._write() as connection:
            known = connection.execute(sa.select(PROJECT.c.id).where(PROJECT.c.id == project))
            if known.first() is None:
                raise NotFound(f"There is no project {project[:80]!r}.", code="PROJECT_UNKNOWN")
            count = sa.select(sa.func.count()).select_from(SHARE)
            if connection.execute(count.where(SHARE.c.project == project)).scalar_one() >= MOST:
                raise Refused(f"A project has at most {MOST} links.", hint="Use one that exists.")
            connection.execute(sa.insert(SHARE).values(row))
            return _found(connection, SHARE.c.id == row["id"]), token

    def revoke(self, project: str, share_id: str, *, now: int) -> Share:
        """End a link at once; one that was revoked before keeps its first time."""
        is_it = (SHARE.c.project == project) & (SHARE.c.id == share_id)
        with self._write() as connection:
            connection.execute(
                sa.update(SHARE).where(is_it & SHARE.c.revoked_at.is_(None)).values(revoked_at=now)
            )
            return _found(connection, is_it)

    def by_token(self, token: str, *, now: int) -> Share:
        """Return the link of a token; raises NotFound, or SHARE_ENDED if it is over."""
        with self._read() as connection:
            share = _found(connection, SHARE.c.digest == digest(token))
        if share.is_over(now):
            raise TallymarkError("This link has ended.", code="SHARE_ENDED")
        return share

    def count_view(self, share_id: str, *, now: int) -> None:
        """Count that a link was opened."""
        with self._write() as connection:
            connection.execute(
                sa.update(SHARE)
                .where(SHARE.c.id == share_id)
                .values(views=SHARE.c.views + 1, viewed_at=now)
            )


def _found(connection: Connection, is_it: "sa.ColumnElement[bool]") -> Share:
    row = connection.execute(sa.select(SHARE).where(is_it)).mappings().first()
    if row is None:
        raise NotFound("There is no such link.", hint="Ask whoever sent it for a new one.")
    return _share(row)


def _share(row: sa.RowMapping) -> Share:
    plain = {name: row[name] for name in Share.__struct_fields__ if name != "locked"}
    return Share(**plain, locked=_decode(row["content"]))


# A number of a filter stays the number it is.
_decode: Final = msgspec.json.Decoder(Locked, float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
