"""Who somebody is and what is claimed of them, as the store process is asked."""

from collections.abc import Mapping
from typing import Any, Final

from tallymark.core.errors import Refused
from tallymark.identity import portraits
from tallymark.identity.members import MembersPage, Place, read_cursor
from tallymark.identity.portraits import GroupPortrait, Portrait
from tallymark.store.engine import Fetch

_PAGE: Final = 100
_MOST: Final = 1000


def person(fetch: Fetch, params: Mapping[str, Any]) -> Portrait:
    """Tell everything known of the person an id belongs to: kind, id, at (microseconds)."""
    return portraits.person(fetch, str(params["kind"]), str(params["id"]), params.get("at"))


def group(fetch: Fetch, params: Mapping[str, Any]) -> GroupPortrait:
    """Tell everything known of a group: type, id, at (microseconds)."""
    return portraits.group(fetch, str(params["type"]), str(params["id"]), params.get("at"))


def people_of(fetch: Fetch, params: Mapping[str, Any]) -> MembersPage:
    """Page through the people of a group, those seen last first: type, id, at, cursor, limit."""
    return portraits.people_of(
        fetch, str(params["type"]), str(params["id"]), at=params.get("at"),
        after=_place_of(params.get("cursor")), most=_most(params),
    )  # fmt: skip


def links(fetch: Fetch, params: Mapping[str, Any]) -> dict[str, Any]:
    """Page through claims that two ids are one person, newest first, with counts."""
    most = _most(params)
    before = cursor_of(params.get("cursor"))
    page, counts = portraits.links(fetch, outcome=params.get("outcome"), before=before, most=most)
    cursor = str(page[-1].seq) if len(page) == most else None
    return {"links": page, "counts": counts, "cursor": cursor}


def cursor_of(text: Any) -> int:
    """Return the place in the log before which a page begins; raises Refused."""
    if text is None or text == "":
        return 2**62
    try:
        return int(str(text))
    except ValueError:
        raise _no_cursor() from None


def _place_of(text: str | None) -> Place | None:
    try:
        return read_cursor(text) if text else None
    except ValueError:
        raise _no_cursor() from None


def _most(params: Mapping[str, Any]) -> int:
    return min(int(params.get("limit") or _PAGE), _MOST)


def _no_cursor() -> Refused:
    return Refused("The cursor is not one we gave out.", code="CURSOR_INVALID")
