"""Links to share: who may see what without being a user is said by whoever makes the link, here."""

import asyncio
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.passwords import LEAST_LENGTH
from tallymark.catalog.shares import USUAL_GROUP, Locked, Share, ShareKind, ShareOrder
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import Refused
from tallymark.insights.definitions import Definitions, decode_definitions
from tallymark.insights.narrowing import check_range

from .board_content import AskedRange, Filters
from .bodies import json_answer
from .saved_routes import QuestionContent, need_to_own, saved_of, who
from .services import Call, Route
from .shared_answers import check_shared

_LONGEST_DAYS: Final = 3_650
_MOST_ORIGINS: Final = 20
_LARGEST_GROUP: Final = 1_000
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,45}\]")


class ShareToMake(Struct, frozen=True, forbid_unknown_fields=True):
    """A link to make. What it locks holds for whoever opens it, and nothing in the link can change it."""

    kind: ShareKind
    target: Annotated[str, Meta(description="Id of the saved question or dashboard.", max_length=63)]  # fmt: skip
    label: Annotated[str, Meta(description="For whom it is.", max_length=200)] = ""
    days: Annotated[
        Annotated[int, Meta(ge=1, le=_LONGEST_DAYS)] | None,
        Meta(description="How long it works; until it is revoked if null."),
    ] = 30
    password: Annotated[
        Annotated[str, Meta(max_length=1024)] | None,
        Meta(description=f"Needed to open it; at least {LEAST_LENGTH} characters."),
    ] = None
    range: AskedRange = None
    filters: Filters = []
    origins: Annotated[
        list[Annotated[str, Meta(max_length=300)]],
        Meta(description="Origins whose pages may show it in a frame.", max_length=_MOST_ORIGINS),
    ] = []
    min_group: Annotated[
        int,
        Meta(
            description="Numbers of fewer people than this are not told; 0 tells them all.",
            ge=0,
            le=_LARGEST_GROUP,
        ),
    ] = USUAL_GROUP


class ToldShare(Struct, frozen=True):
    """A link, without what opens it. Instants are microseconds since 1970."""

    id: str
    kind: ShareKind
    target: str
    label: str
    owner: str
    has_password: bool
    has_filters: bool
    has_range: bool
    origins: list[str]
    min_group: int
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    is_over: bool
    views: int
    viewed_at: int | None


class MadeShare(Struct, frozen=True):
    """A link just made; ``token`` is the end of its address, shown this once."""

    share: ToldShare
    token: str


class ToldShares(Struct, frozen=True):
    """Every link of the project, newest first."""

    shares: list[ToldShare]


async def list_shares(call: Call) -> Response:
    """Return every link the project ever had."""
    now = call.services.clock.now()
    kept = await asyncio.to_thread(call.services.catalog.shares.all, call.params["project"])
    return json_answer(ToldShares([_told(one, now) for one in kept]))


async def make_share(call: Call) -> Response:
    """Make a link and show its token this once."""
    order = await call.order(ShareToMake, exact=True)
    project, now = call.params["project"], call.services.clock.now()
    known = await call.services.callers.by_project(project)
    check_range(order.range, known.project.timezone, now)
    if order.kind == "question":
        found = await saved_of(call, project, known.definitions, order.target)
        content = QuestionContent(found.insight, found.question, found.address)
        stored = known.definitions
        defined = Definitions() if stored is None else decode_definitions(stored.content)
        check_shared(content, defined, order.min_group)
    else:
        kept = call.services.catalog.dashboards
        await asyncio.to_thread(kept.get, project, order.target)
    ends = None if order.days is None else now + order.days * 86_400 * MICROSECONDS
    origins = [origin_of(one) for one in order.origins]
    locked = Locked(order.range, list(order.filters), origins, order.min_group)
    made = ShareOrder(order.kind, order.target, order.label, order.password or None, locked, ends)
    share, token = await asyncio.to_thread(
        lambda: call.services.catalog.shares.add(project, made, who(call), now=now)
    )
    return json_answer(MadeShare(_told(share, now), token), status=201)


async def revoke_share(call: Call) -> Response:
    """End a link at once: one's own, or as an admin anybody's."""
    project, share_id = call.params["project"], call.params["id"]
    now = call.services.clock.now()

    def revoke() -> Share:
        kept = call.services.catalog.shares
        need_to_own(call, project, kept.get(project, share_id).owner)
        return kept.revoke(project, share_id, now=now)

    return json_answer(_told(await asyncio.to_thread(revoke), now))


def origin_of(text: str) -> str:
    """Return an origin as a policy names it: scheme, host and port; raises Refused for anything else."""
    given = text.strip().lower()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise _no_origin(text) from None
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    plain = f"{parts.scheme}://{parts.netloc}"
    is_one = parts.scheme in ("https", "http") and _HOST.fullmatch(host) is not None
    if not is_one or given.rstrip("/") != plain:
        raise _no_origin(text)
    return plain


def _no_origin(text: str) -> Refused:
    return Refused(
        f"{text[:80]!r} is no origin.", hint="Write for example https://example.org.",
        path="origins",
    )  # fmt: skip


def _told(share: Share, now: int) -> ToldShare:
    locked = share.locked
    return ToldShare(
        share.id, share.kind, share.target, share.label, share.owner, share.password is not None,
        bool(locked.filters), locked.range is not None, locked.origins, locked.min_group,
        share.created_at, share.expires_at, share.revoked_at, share.is_over(now), share.views, share.viewed_at,
    )  # fmt: skip


SHARE_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/projects/{project}/shares", "local", list_shares,
        "List the links to what is shared.", answer=ToldShares, role="analyst",
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/shares", "local", make_share,
        "Make a link with which anybody may see a saved question or dashboard.",
        body=ShareToMake, answer=MadeShare, status=201, role="analyst",
    ),
    Route(
        "DELETE", "/tm/v1/projects/{project}/shares/{id}", "local", revoke_share,
        "Revoke a link.", answer=ToldShare, role="analyst",
    ),
)  # fmt: skip
