"""Segment's ``identify``, ``group`` and ``alias``: what changes who somebody is, and what is known of them."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tallymark.core.errors import Refused
from tallymark.core.event import Command, IdKind

from ._checks import Terms, check_groups
from ._foreign import Source, is_placeholder, link, membership, person, profile
from ._values import mapping, text

Who: TypeAlias = tuple[str | None, str | None]
"""User and anonymous id."""


def _people(message: dict[str, Any], terms: Terms) -> Who:
    """Return user and anonymous id, neither of them a placeholder; raises Refused if both were."""
    flags: list[str] = []
    user = person(text(message.get("userId")), terms.settings, flags)
    anonymous = person(text(message.get("anonymousId")), terms.settings, flags)
    if user is None and anonymous is None:
        raise Refused("The id is a placeholder, not a person.", code="ILLEGAL_ID", path="userId")
    return user, anonymous


def _identify(message: dict[str, Any], by: Source, terms: Terms) -> list[Command]:
    user, anonymous = _people(message, terms)
    # RudderStack's browser SDK has the traits in the context only.
    traits = mapping(mapping(message.get("context")).get("traits")) | mapping(message.get("traits"))
    subject = ("user", user) if user else ("anonymous", anonymous)
    return [
        *link(by, ("anonymous", anonymous), ("user", user)),
        *profile(by, "set", subject, traits, terms),
    ]


def _group(message: dict[str, Any], by: Source, terms: Terms) -> list[Command]:
    user, anonymous = _people(message, terms)
    account = text(message.get("groupId"))
    if account is None:
        raise Refused("group needs a groupId.", code="MISSING_FIELD", path="groupId")
    if is_placeholder(account):
        raise Refused("groupId is a placeholder, not a group.", code="ILLEGAL_ID", path="groupId")
    check_groups({"account": account}, terms.settings)
    return [
        *link(by, ("anonymous", anonymous), ("user", user)),
        *membership(by, ("account", account), user, anonymous),
        *profile(by, "set", ("account", account), mapping(message.get("traits")), terms),
    ]


def _alias(message: dict[str, Any], by: Source, terms: Terms) -> list[Command]:
    user, anonymous = _people(message, terms)
    former = person(text(message.get("previousId")), terms.settings, [])
    if user is None or (former is None and anonymous is None):
        raise Refused("alias needs userId and previousId.", code="MISSING_FIELD", path="previousId")
    now: tuple[IdKind, str] = ("user", user)
    found = link(by, ("anonymous", anonymous), now) if anonymous != former else []
    if former is not None and former != user:
        found += link(by, ("anonymous", former), now, "alias")
        if former != anonymous:
            # Nothing says whether the former id named a device or a user.
            found += link(by, ("user", former), now, "alias")
    return found


COMMANDS: Final[Mapping[str, Callable[[dict[str, Any], Source, Terms], list[Command]]]] = {
    "identify": _identify,
    "group": _group,
    "alias": _alias,
}
