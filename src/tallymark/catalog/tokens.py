"""Tokens: with one, a program does over HTTP what its user may, and no more than the token's role.

What a token may is worked out when it is used, from what its user may then; so whoever loses a role, or
is kept out, loses it for all of their tokens too. Its secret is kept as a digest.
"""

import hmac
from collections.abc import Iterable

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import NotAllowed, NotFound, Refused

from .keys import digest, new_token_text, token_parts
from .tables import PROJECT, TOKEN, USER
from .users import RANK, Connecting, MemberRole, Role, User, users_of

LONGEST_DAYS = 366
MOST_TOKENS = 100
_NOBODY = digest("")
# That a token was used is written down at most so often.
_USED_SECONDS = 60


class Token(Struct, frozen=True):
    """A token as the catalog knows it; its secret part is not among what is kept.

    ``role`` is the most it may be anywhere, ``used_at`` when it was last used, to the minute.
    """

    id: str
    user_id: str
    name: str
    role: Role
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    used_at: int | None = None


class Tokens:
    """The tokens of all users, in the catalog's database."""

    def __init__(self, read: Connecting, write: Connecting) -> None:
        self._read = read
        self._write = write

    def create(
        self, user: User, name: str, role: Role, *, days: int, now: int
    ) -> tuple[Token, str]:
        """Add a token and return it with its text, which is not kept and cannot be shown again.

        Raises NotAllowed ROLE_TOO_LOW for a role that the user has nowhere, or Refused.
        """
        if not 1 <= days <= LONGEST_DAYS:
            raise Refused(f"{days} days are not between 1 and {LONGEST_DAYS}.", path="days")
        if not name.strip() or not name.isprintable():
            raise Refused(
                "A token needs a name, to tell it by when it is to be ended.", path="name"
            )
        if RANK[role] > _highest(user):
            raise NotAllowed(f"A token cannot be {role} where you are not.", code="ROLE_TOO_LOW")
        text = new_token_text()
        token_id, secret = token_parts(text) or ("", "")
        token = Token(
            token_id, user.id, name.strip(), role, now, now + days * 86_400 * MICROSECONDS
        )
        with self._write() as connection:
            if (
                len(_tokens(connection, _is_alive(now) & (TOKEN.c.user_id == user.id)))
                >= MOST_TOKENS
            ):
                raise Refused(f"You have {MOST_TOKENS} tokens.", hint="End those not needed.")
            row = {**structs.asdict(token), "hash": digest(secret)}
            connection.execute(sa.insert(TOKEN).values(row))
        return token, text

    def all(self, user_id: str | None = None) -> list[Token]:
        """Return every token there ever was of a user, or of all of them, newest first."""
        with self._read() as connection:
            chosen = sa.true() if user_id is None else TOKEN.c.user_id == user_id
            return _tokens(connection, chosen)

    def revoke(self, token_id: str, *, now: int, user_id: str | None = None) -> Token:
        """End a token at once; with a user only one of theirs. Raises NotFound.

        One that was ended before keeps its first time.
        """
        is_it = TOKEN.c.id == token_id
        with self._write() as connection:
            found = _tokens(
                connection, is_it if user_id is None else is_it & (TOKEN.c.user_id == user_id)
            )
            if not found:
                raise NotFound("There is no such token.", hint="See the list of your tokens.")
            (token,) = found
            if token.revoked_at is None:
                token = structs.replace(token, revoked_at=now)
                connection.execute(sa.update(TOKEN).where(is_it).values(revoked_at=now))
        return token

    def user_of(self, text: str, *, now: int) -> User | None:
        """Return whose token it is, with no more rights than the token has; None if it works no more.

        An unknown id and a wrong secret take the same path.
        """
        parts = token_parts(text)
        if parts is None:
            return None
        with self._read() as connection:
            is_it = (TOKEN.c.id == parts[0]) & _is_alive(now)
            row = connection.execute(sa.select(TOKEN).where(is_it)).mappings().first()
            is_same = hmac.compare_digest(digest(parts[1]), _NOBODY if row is None else row["hash"])
            if row is None or not is_same:
                return None
            (user,) = users_of(connection, USER.c.id == row["user_id"])
            projects = list(connection.execute(sa.select(PROJECT.c.id)).scalars())
        if user.disabled_at is not None:
            return None
        if row["used_at"] is None or now - row["used_at"] > _USED_SECONDS * MICROSECONDS:
            with self._write() as connection:
                connection.execute(
                    sa.update(TOKEN).where(TOKEN.c.id == parts[0]).values(used_at=now)
                )
        return limited(user, row["role"], projects)


def limited(user: User, role: Role, projects: Iterable[str]) -> User:
    """Return the user with no more than a role in any project; an owner is in all of them."""
    if role == "owner":
        return user
    most: MemberRole = role
    rights = dict.fromkeys(projects, most) if user.is_owner else user.projects
    lower = {name: mine if RANK[mine] < RANK[most] else most for name, mine in rights.items()}
    return structs.replace(user, is_owner=False, projects=lower)


def _highest(user: User) -> int:
    if user.is_owner:
        return RANK["owner"]
    return max((RANK[one] for one in user.projects.values()), default=0)


def _is_alive(now: int) -> "sa.ColumnElement[bool]":
    return TOKEN.c.revoked_at.is_(None) & (TOKEN.c.expires_at > now)


def _tokens(connection: Connection, chosen: "sa.ColumnElement[bool]") -> list[Token]:
    query = sa.select(TOKEN).where(chosen).order_by(TOKEN.c.created_at.desc(), TOKEN.c.id)
    rows = connection.execute(query).mappings()
    return [Token(**{name: row[name] for name in Token.__struct_fields__}) for row in rows]
