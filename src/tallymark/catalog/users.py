"""Who may sign in, and what each may do in which project.

A role holds for one project: a viewer asks questions, an analyst also defines things and repairs
events, an admin also sees to keys, sites, plan and policy. Owners may do all of it in every project,
and only they see to projects and users. Passwords are kept as Argon2id hashes, what signs somebody
in as a digest; neither can be read back.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Literal, TypeAlias

import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import NotFound, Refused, TallymarkError
from tallymark.core.ids import random_text

from .keys import digest
from .passwords import checked, hashed, is_right
from .tables import INVITATION, MEMBER, PROJECT, SIGN_IN, USER

Connecting: TypeAlias = Callable[[], AbstractContextManager[Connection]]
Role: TypeAlias = Literal["viewer", "analyst", "admin", "owner"]
# What a member of a project can be; owners are of all projects.
MemberRole: TypeAlias = Literal["viewer", "analyst", "admin"]
Members: TypeAlias = dict[Annotated[str, Meta(max_length=63)], MemberRole]

# How much a role may, beside others.
RANK: dict[str, int] = {"viewer": 1, "analyst": 2, "admin": 3, "owner": 4}
IDLE_SECONDS = 12 * 3600
LONGEST_SECONDS = 30 * 86_400
INVITATION_SECONDS = 7 * 86_400
# That somebody was here is written down at most so often.
_SEEN_SECONDS = 60
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")


class User(Struct, frozen=True):
    """Somebody who may sign in; ``has_password`` is false until an invitation was followed."""

    id: str
    email: str
    name: str
    is_owner: bool
    created_at: int
    disabled_at: int | None
    has_password: bool
    projects: Mapping[str, MemberRole] = {}

    def may(self, role: Role, project: str | None) -> bool:
        """Whether this user has at least the role in a project; None asks about all of them."""
        if self.disabled_at is not None:
            return False
        if self.is_owner:
            return True
        mine = None if project is None else self.projects.get(project)
        return mine is not None and RANK[mine] >= RANK[role]


class Users:
    """The users of all projects, in the catalog's database."""

    def __init__(self, read: Connecting, write: Connecting) -> None:
        self._read = read
        self._write = write

    def is_empty(self) -> bool:
        """Whether nobody was made a user yet."""
        with self._read() as connection:
            return connection.execute(sa.select(USER.c.id).limit(1)).first() is None

    def all(self) -> list[User]:
        """Return every user, by address."""
        with self._read() as connection:
            return users_of(connection, sa.true())

    def add(
        self,
        email: str,
        name: str,
        *,
        now: int,
        is_owner: bool = False,
        members: Members | None = None,
    ) -> User:
        """Add a user without a password; raises USER_EXISTS, PROJECT_UNKNOWN or BAD_FIELD."""
        user_id = random_text(8)
        row = {
            "id": user_id, "email": _email(email), "name": name.strip(), "password": None,
            "is_owner": is_owner, "created_at": now, "disabled_at": None,
        }  # fmt: skip
        try:
            with self._write() as connection:
                connection.execute(sa.insert(USER).values(row))
                _set_members(connection, user_id, members or {})
                return _user(connection, USER.c.id == user_id)
        except exc.IntegrityError as error:
            raise TallymarkError(
                f"There is a user {row['email']!r} already.", code="USER_EXISTS"
            ) from error

    def change(
        self, user_id: str, *, is_owner: bool, members: Members, disabled_at: int | None
    ) -> User:
        """Replace what a user may do; raises NotFound, or LAST_OWNER if nobody could let others in."""
        with self._write() as connection:
            was = _user(connection, USER.c.id == user_id)
            connection.execute(
                sa.update(USER)
                .where(USER.c.id == user_id)
                .values(is_owner=is_owner, disabled_at=disabled_at)
            )
            _set_members(connection, user_id, members)
            if was.is_owner and was.has_password:
                _need_owner(connection)
            if disabled_at is not None:
                _forget(connection, user_id)
            return _user(connection, USER.c.id == user_id)

    # Passwords

    def invite(self, user_id: str | None, *, now: int, seconds: int = INVITATION_SECONDS) -> str:
        """Return a text with which somebody can set the password of a user, once.

        Without a user it makes the first owner; a newer one of the same user ends an older.
        """
        text = random_text(32)
        row = {
            "digest": digest(text), "user_id": user_id, "created_at": now,
            "expires_at": now + seconds * MICROSECONDS,
        }  # fmt: skip
        with self._write() as connection:
            if user_id is not None:
                _user(connection, USER.c.id == user_id)
            connection.execute(sa.delete(INVITATION).where(_is(INVITATION.c.user_id, user_id)))
            connection.execute(sa.insert(INVITATION).values(row))
        return text

    def begin(self, text: str, email: str, name: str, password: str, *, now: int) -> User:
        """Make the first owner of an invitation for it; raises INVITATION_INVALID."""
        kept = hashed(checked(password, email))
        with self._write() as connection:
            found = _invited(connection, text, now)
            if found is not None or connection.execute(sa.select(USER.c.id).limit(1)).first():
                raise _no_invitation()
            row = {
                "id": random_text(8), "email": _email(email), "name": name.strip(),
                "password": kept, "is_owner": True, "created_at": now, "disabled_at": None,
            }  # fmt: skip
            connection.execute(sa.insert(USER).values(row))
            connection.execute(sa.delete(INVITATION))
            return _user(connection, USER.c.id == row["id"])

    def accept(self, text: str, password: str, *, now: int) -> User:
        """Set the password of the user invited; whoever was signed in as them is not any more."""
        with self._write() as connection:
            user_id = _invited(connection, text, now)
            if user_id is None:
                raise _no_invitation()
            user = _user(connection, USER.c.id == user_id)
            kept = hashed(checked(password, user.email))
            connection.execute(sa.update(USER).where(USER.c.id == user_id).values(password=kept))
            connection.execute(sa.delete(INVITATION).where(INVITATION.c.user_id == user_id))
            _forget(connection, user_id)
            return _user(connection, USER.c.id == user_id)

    def enter(self, text: str, *, now: int) -> User:
        """Return the user invited, without a password, and end the invitation."""
        with self._write() as connection:
            user_id = _invited(connection, text, now)
            if user_id is None:
                raise _no_invitation()
            connection.execute(sa.delete(INVITATION).where(INVITATION.c.user_id == user_id))
            user = _user(connection, USER.c.id == user_id)
        if user.disabled_at is not None:
            raise _no_invitation()
        return user

    def by_password(self, email: str, password: str) -> User | None:
        """Return the user of that address and password; takes as long where there is none."""
        with self._read() as connection:
            row = connection.execute(
                sa.select(USER.c.id, USER.c.password).where(USER.c.email == email.strip().lower())
            ).first()
            is_it = is_right(password, None if row is None else row.password)
            user = _user(connection, USER.c.id == row.id) if row is not None and is_it else None
        return None if user is None or user.disabled_at is not None else user

    # Being signed in

    def sign_in(self, user_id: str, *, now: int) -> str:
        """Return a fresh text that stands for the user until it is idle for too long."""
        text = random_text(43)
        row = {"digest": digest(text), "user_id": user_id, "created_at": now, "seen_at": now}
        with self._write() as connection:
            connection.execute(sa.delete(SIGN_IN).where(~_is_live(now)))
            connection.execute(sa.insert(SIGN_IN).values(row))
        return text

    def signed_in(self, text: str, *, now: int) -> User | None:
        """Return who the text stands for, None if it never did or does not any more."""
        is_it = SIGN_IN.c.digest == digest(text)
        with self._read() as connection:
            row = connection.execute(sa.select(SIGN_IN).where(is_it & _is_live(now))).first()
            user = None if row is None else _user(connection, USER.c.id == row.user_id)
        if row is None or user is None or user.disabled_at is not None:
            return None
        if now - row.seen_at > _SEEN_SECONDS * MICROSECONDS:
            with self._write() as connection:
                connection.execute(sa.update(SIGN_IN).where(is_it).values(seen_at=now))
        return user

    def sign_out(self, text: str) -> None:
        """End what the text stands for."""
        with self._write() as connection:
            connection.execute(sa.delete(SIGN_IN).where(SIGN_IN.c.digest == digest(text)))


def users_of(connection: Connection, chosen: "sa.ColumnElement[bool]") -> list[User]:
    """Return the users that are meant, by address."""
    rows = connection.execute(sa.select(USER).where(chosen).order_by(USER.c.email)).mappings().all()
    members: dict[str, dict[str, MemberRole]] = {}
    of_these = sa.select(MEMBER).where(MEMBER.c.user_id.in_([row["id"] for row in rows]))
    for user_id, project, role in connection.execute(of_these.order_by(MEMBER.c.project)):
        members.setdefault(user_id, {})[project] = role
    return [
        User(
            **{name: row[name] for name in ("id", "email", "name", "is_owner", "created_at", "disabled_at")},
            has_password=row["password"] is not None,
            projects=members.get(row["id"], {}),
        )
        for row in rows
    ]  # fmt: skip


def _user(connection: Connection, chosen: "sa.ColumnElement[bool]") -> User:
    found = users_of(connection, chosen)
    if not found:
        raise NotFound("There is no such user.", hint="See `tallymark users list`.")
    return found[0]


def _set_members(connection: Connection, user_id: str, members: Members) -> None:
    known = set(connection.execute(sa.select(PROJECT.c.id)).scalars())
    if unknown := sorted(members.keys() - known):
        raise NotFound(f"There is no project {unknown[0][:80]!r}.", code="PROJECT_UNKNOWN")
    connection.execute(sa.delete(MEMBER).where(MEMBER.c.user_id == user_id))
    rows = [{"user_id": user_id, "project": name, "role": role} for name, role in members.items()]
    if rows:
        connection.execute(sa.insert(MEMBER), rows)


def _need_owner(connection: Connection) -> None:
    is_able = USER.c.is_owner & USER.c.disabled_at.is_(None) & USER.c.password.is_not(None)
    if connection.execute(sa.select(USER.c.id).where(is_able).limit(1)).first() is None:
        raise TallymarkError("Nobody else is an owner who can sign in.", code="LAST_OWNER")


def _forget(connection: Connection, user_id: str) -> None:
    connection.execute(sa.delete(SIGN_IN).where(SIGN_IN.c.user_id == user_id))


def _invited(connection: Connection, text: str, now: int) -> str | None:
    """Return the user an invitation is for, None if it makes the first owner; raises if it is none."""
    is_it = (INVITATION.c.digest == digest(text)) & (INVITATION.c.expires_at > now)
    row = connection.execute(sa.select(INVITATION).where(is_it)).first()
    if row is None:
        raise _no_invitation()
    found: str | None = row.user_id
    return found


def _no_invitation() -> Refused:
    return Refused("The link was used already, or is too old.", code="INVITATION_INVALID")


def _is_live(now: int) -> "sa.ColumnElement[bool]":
    return (SIGN_IN.c.seen_at > now - IDLE_SECONDS * MICROSECONDS) & (
        SIGN_IN.c.created_at > now - LONGEST_SECONDS * MICROSECONDS
    )


def _is(column: "sa.ColumnElement[str | None]", value: str | None) -> "sa.ColumnElement[bool]":
    return column.is_(None) if value is None else column == value


def _email(text: str) -> str:
    plain = text.strip().lower()
    if not _EMAIL.fullmatch(plain) or not plain.isprintable():
        raise Refused(f"{text[:80]!r} is no e-mail address.", path="email")
    return plain
