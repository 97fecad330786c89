"""Whom a PostHog event is about, and what it says of people and groups."""

import re
from typing import Any, Final, Literal

from msgspec import Struct, structs

from tallymark.core.errors import Refused
from tallymark.core.event import Command, IdKind, Operation

from ._checks import Terms, check_groups
from ._foreign import Source, link, membership, person, profile
from ._values import text

# What a browser that may not know anybody sends in place of an id: the same for all of them.
_COOKIELESS: Final = "$posthog_cookieless"
# The ids that its clients make up for whoever is not known yet.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_CHANGES: Final[tuple[tuple[str, Operation], ...]] = (
    ("$set", "set"), ("$set_once", "set_once"), ("$unset", "unset"),
)  # fmt: skip


class Who(Struct, frozen=True):
    """The ids of one event, and whether anything may be kept of the person.

    ``is_client`` says that the person's own device sent it, and not a server on their behalf.
    """

    user: str | None = None
    anonymous: str | None = None
    has_profile: bool = True
    is_client: bool = False


def who(item: dict[str, Any], given: dict[str, Any]) -> Who:
    """Return whom an event is about; raises Refused for an id that is no text.

    A browser says whether the person is identified. A server says nothing, and means a user, unless
    it wants no profile: then it made the id up.
    """
    distinct = _distinct_id(item, given)
    device, identified = given.get("$device_id"), given.get("$is_identified")
    has_profile = given.get("$process_person_profile") is not False
    if device is None and identified is None and distinct is not None:
        # What servers send, and nearly all that most of them say of anybody.
        return Who(distinct, None) if has_profile else Who(None, distinct, False)
    device = _id(device)
    is_client = device is not None or isinstance(identified, bool)
    if distinct is None:
        return Who(None, device, has_profile, is_client)
    if isinstance(identified, bool):
        is_user = identified
    elif device is None or not has_profile:
        is_user = has_profile
    else:
        # Older browsers keep the device but not the id when somebody logs out.
        is_user = distinct != device and (given.get("$lib") != "web" or "$user_id" in given)
    if not is_user:
        return Who(None, distinct, has_profile, is_client)
    return Who(distinct, None if device == distinct else device, has_profile, is_client)


def commands(
    name: str | None,
    by: Source,
    who: Who,
    *,
    given: dict[str, Any],
    changes: dict[str, dict[str, Any]],
    terms: Terms,
) -> list[Command]:
    """Return what an event says of people and groups; raises Refused for ids that cannot be kept."""
    made: list[Command] = []
    match name:
        case "$identify":
            who = structs.replace(who, user=who.user or who.anonymous)
            anonymous = _checked(given.get("$anon_distinct_id"), terms)
            made += _link(by, ("anonymous", anonymous), ("user", _checked(who.user, terms)))
        case "$create_alias":
            made += _alias(by, who, _checked(given.get("alias"), terms), terms, how="alias")
        case "$merge_dangerously":
            made += _alias(by, who, _checked(given.get("alias"), terms), terms, how="merge")
        case "$groupidentify":
            made += _group(by, who, given, changes.get("$group_set", {}), terms=terms)
        case _:
            pass
    is_made_up = name == "$groupidentify" and not who.is_client
    if is_made_up or not who.has_profile:
        return made
    subject = ("user", who.user) if who.user is not None else ("anonymous", who.anonymous)
    for key, operation in _CHANGES:
        made += profile(by, operation, subject, changes.get(key, {}), terms)
    return made


def _distinct_id(item: dict[str, Any], given: dict[str, Any]) -> str | None:
    first = item.get("distinct_id")
    if type(first) is str and (found := first.strip()):
        return None if found == _COOKIELESS else found
    places = (first, item.get("$distinct_id"), given.get("distinct_id"))
    for place in places:
        if place is None or (isinstance(place, str) and not place.strip()):
            continue
        if text(place) is None:
            raise Refused("distinct_id is not text.", code="BAD_ID", path="distinct_id")
        return _id(place)
    return None


def _id(value: Any) -> str | None:
    found = text(value)
    return None if found == _COOKIELESS else found


def _checked(value: Any, terms: Terms) -> str | None:
    return person(_id(value), terms.settings, [])


def _link(
    by: Source,
    one: tuple[IdKind, str | None],
    other: tuple[IdKind, str | None],
    how: Literal["identify", "alias", "merge"] = "identify",
) -> list[Command]:
    # The same name for the device and the user says nothing.
    return [] if one[1] == other[1] else link(by, one, other, how)


def _alias(
    by: Source,
    who: Who,
    alias: str | None,
    terms: Terms,
    *,
    how: Literal["alias", "merge"],
) -> list[Command]:
    """Return that two ids are one person. SDKs differ in which they put where, so it is symmetric.

    A server names ids that it did not make: one that looks as if a browser made it up is also the
    anonymous id of that browser.
    """
    if who.is_client and who.user is None:
        return _link(by, ("anonymous", _checked(who.anonymous, terms)), ("user", alias), how)
    known = _checked(who.user or who.anonymous, terms)
    made = _link(by, ("user", known), ("user", alias), how)
    if not made or who.is_client:
        return made
    for place, (one, other) in enumerate(((known, alias), (alias, known)), start=1):
        if one is not None and _UUID.match(one):
            own = structs.replace(by, id=f"{by.id}/{place}")
            made += _link(own, ("anonymous", one), ("user", other), how)
    return made


def _group(
    by: Source, who: Who, given: dict[str, Any], traits: dict[str, Any], *, terms: Terms
) -> list[Command]:
    kind, name = text(given.get("$group_type")), text(given.get("$group_key"))
    if kind is None or name is None:
        raise Refused("A group needs a type and a key.", code="MISSING_FIELD", path="$group_key")
    if kind in ("user", "anonymous"):
        raise Refused(f"A group cannot be of type {kind}.", path="$group_type")
    check_groups({kind: name}, terms.settings)
    made = profile(by, "set", (kind, name), traits, terms)
    if who.is_client:
        user, anonymous = _checked(who.user, terms), _checked(who.anonymous, terms)
        made += membership(by, (kind, name), user, anonymous)
    return made
