"""Whose events are meant: those of one person, by their key or an id, or of one account."""

from typing import Annotated, Final, Literal, Protocol, TypeAlias

from msgspec import Meta

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, sql

from . import fields, known
from .insight import Scope

Subject: TypeAlias = Literal["person", "user_id", "anonymous_id", "account"]

SUBJECTS: Final[tuple[Subject, ...]] = ("person", "user_id", "anonymous_id", "account")


PersonKey: TypeAlias = Annotated[
    int | None, Meta(description="The key that answers name a person by.")
]
UserId: TypeAlias = Annotated[str | None, Meta(description="A user id of the person.")]
AnonymousId: TypeAlias = Annotated[str | None, Meta(description="An anonymous id of the person.")]
AccountId: TypeAlias = Annotated[str | None, Meta(description="The id of the account.")]


class Whose(Protocol):
    """A question that can be about one person or account, and says who in one of four fields."""

    @property
    def person(self) -> int | None:
        """The key that answers name a person by."""

    @property
    def user_id(self) -> str | None:
        """A user id of the person."""

    @property
    def anonymous_id(self) -> str | None:
        """An anonymous id of the person."""

    @property
    def account(self) -> str | None:
        """The id of the account."""


def subject_of(whose: Whose) -> Subject | None:
    """Return which of the four says who is meant; raises InvalidQuery if several do."""
    given = [name for name in SUBJECTS if getattr(whose, name) is not None]
    if len(given) > 1:
        raise InvalidQuery(
            "It can be about one person or account.",
            hint=f"Give one of {', '.join(SUBJECTS)}.",
            path=given[1],
        )
    return given[0] if given else None


def theirs(whose: Whose, scope: Scope) -> Sql:
    """Return whether an event is of who is meant, of whom one must be; joins ``person``."""
    subject = subject_of(whose)
    if subject == "account":
        return sql(
            "e.account_key IN (SELECT account_key FROM account WHERE id = {id})", id=whose.account
        )
    if subject == "person":
        return sql("{person} = {key}", person=fields.person(scope), key=whose.person)
    kind = "user" if subject == "user_id" else "anonymous"
    return sql(
        "{person} IN (\n{keys}\n)",
        person=fields.person(scope),
        keys=known.person_known_by(kind, str(getattr(whose, str(subject))), scope),
    )
