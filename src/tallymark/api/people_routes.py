"""Who somebody is: the ids, links and profile of one person, of one group, and every claim."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.core.clock import instant, moment
from tallymark.core.errors import NotFound, Refused
from tallymark.identity.members import MembersPage
from tallymark.identity.portraits import GroupPortrait, KnownLink, Portrait

from .ask_routes import from_store, text, whole
from .services import Call, Route

_AwareTime: TypeAlias = Annotated[datetime, Meta(tz=True)]
AT = {"at": "As of this instant, RFC 3339 with an offset; now if left out."}
_PAGE = {
    "cursor": "Where to go on; from the page before.",
    "limit": "Most entries on a page.",
}
_LINKS = {"outcome": "Only claims that were linked, retracted, refused or ignored.", **_PAGE}


class LinksPage(Struct, frozen=True):
    """A page of claims that two ids are one person, newest first.

    ``counts`` are those of all pages, by outcome and reason.
    """

    links: list[KnownLink]
    counts: dict[str, int]
    cursor: str | None


async def person(call: Call) -> Response:
    """Return the person an id belongs to."""
    return await from_store(
        call, "person", kind=kind_of(call), id=call.params["id"], at=instant_of(call)
    )


async def group(call: Call) -> Response:
    """Return a group."""
    return await from_store(
        call, "group", type=call.params["type"], id=call.params["id"], at=instant_of(call)
    )


async def group_people(call: Call) -> Response:
    """Return a page of the people of a group."""
    return await from_store(
        call, "group_people", type=call.params["type"], id=call.params["id"], at=instant_of(call),
        cursor=text(call, "cursor"), limit=whole(call, "limit", least=1),
    )  # fmt: skip


async def links(call: Call) -> Response:
    """Return a page of claims."""
    limit = whole(call, "limit", least=1)
    return await from_store(
        call, "links", outcome=text(call, "outcome"), cursor=text(call, "cursor"), limit=limit
    )


def kind_of(call: Call) -> str:
    """Return the kind of id that the address names; raises NotFound."""
    kind = call.params["kind"]
    if kind not in ("user", "anonymous"):
        raise NotFound(
            f"There is no kind of id {kind[:50]!r}.", hint="It is either user or anonymous."
        )
    return kind


def instant_of(call: Call) -> int | None:
    """Return the instant that is asked about, None for now; raises Refused."""
    given = text(call, "at")
    if given is None:
        return None
    try:
        # A plus sign that was not escaped comes as a space.
        at = instant(msgspec.convert(given.replace(" ", "+"), _AwareTime))
        # With an offset, the first and last day of the calendar lie outside it in UTC.
        moment(at)
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise Refused(
            f"at {given[:100]!r} is no time.",
            code="BAD_FIELD",
            path="at",
            hint="Write it as 2026-11-22T10:00:00Z.",
        ) from None
    return at


PEOPLE_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/people/{kind}/{id}", "read", person,
        "Tell everything known of the person an id belongs to.", answer=Portrait, query=AT,
    ),
    Route(
        "GET", "/tm/v1/groups/{type}/{id}", "read", group,
        "Tell everything known of a group, such as an account.", answer=GroupPortrait, query=AT,
    ),
    Route(
        "GET", "/tm/v1/groups/{type}/{id}/people", "read", group_people,
        "List the people who belong to a group or acted for it.", answer=MembersPage,
        query={**AT, **_PAGE},
    ),
    Route(
        "GET", "/tm/v1/links", "read", links,
        "List the claims that two ids are one person.", answer=LinksPage, query=_LINKS,
    ),
)  # fmt: skip
