"""Pages of a list that stay the same list while events keep arriving.

A cursor holds the log position and the instant of the first page, so that every later page is of
the same events and the same range, and the place after which it goes on. It belongs to one
question and the definitions of then; asked with others, or altered, it is refused.
"""

import base64
import binascii
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.ids import hash128

from .insight import Scope
from .measures import Series
from .selection import Group, Question

MAX_CURSOR: Final = 400
_INT64: Final = 2**63
# The table that holds the keys of who is behind a number.
BEHIND: Final = "behind"


class Behind(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of an answer, to open the people behind it."""

    insight: Annotated[str, Meta(description="The insight that gave the number.")]
    question: Annotated[
        dict[str, Any], Meta(description="The question that was asked of it, as it was.")
    ] = {}
    place: Annotated[
        dict[str, Any],
        Meta(description="Which number of the answer; its fields are on the insight's page."),
    ] = {}


class Listing(Question, frozen=True, kw_only=True):
    """A question whose answer is a list in pages."""

    limit: Annotated[int, Meta(description="Most rows of a page.", ge=1, le=1_000)] = 100
    cursor: Annotated[
        str | None,
        Meta(description="The cursor of the page before; none for the first."),
    ] = None


class PagedQuestion(Listing, frozen=True, kw_only=True):
    """A list behind a number: the same series, filter and range, or one bucket of it."""

    series: Annotated[Series, Meta(description="The series whose number is opened.")] = Series()
    group: Annotated[
        Group | None, Meta(description="One group of a breakdown; if left out, all of them.")
    ] = None


class Place(Struct, frozen=True, array_like=True):
    """Where a page begins: after (time, key), among what was known at the log position and now."""

    question: bytes
    log_position: int
    now: int
    time_us: int
    key: int


def opened(question: Listing, scope: Scope, insight: str) -> tuple[Scope, Place | None]:
    """Return the scope of the first page and where this page begins.

    Raises InvalidQuery CURSOR_INVALID for a cursor that is not of this question.
    """
    if question.cursor is None:
        return scope, None
    place = _read(question.cursor)
    if (
        place.question != _digest(question, scope, insight)
        or not 0 <= place.log_position <= scope.log_position
        or not 0 <= place.now <= scope.now
        or not all(-_INT64 <= number < _INT64 for number in (place.time_us, place.key))
    ):
        raise _invalid()
    return msgspec.structs.replace(scope, log_position=place.log_position, now=place.now), place


def cursor_after(question: Listing, scope: Scope, insight: str, time_us: int, key: int) -> str:
    """Return the cursor of the page that follows the row at (time, key); scope is of this page."""
    place = Place(_digest(question, scope, insight), scope.log_position, scope.now, time_us, key)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def _digest(question: Listing, scope: Scope, insight: str) -> bytes:
    # The size of a page may change from one to the next.
    same = msgspec.structs.replace(question, cursor=None, limit=1)
    text = msgspec.json.encode(same).decode()
    # A name that means something else by now would make another list of it.
    named = [] if scope.definitions is None else [scope.definitions.digest]
    return hash128(insight, scope.project, scope.timezone, text, *named)[:8]


def _read(cursor: str) -> Place:
    if len(cursor) > MAX_CURSOR:
        raise _invalid()
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(data, type=Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _invalid() from None


def _invalid() -> InvalidQuery:
    return InvalidQuery(
        "The cursor is not one of this question.", code="CURSOR_INVALID", path="cursor"
    )
