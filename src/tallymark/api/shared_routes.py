"""What is behind a link: a page that anybody may open, its password, and its answers.

These addresses are open to everybody, so they read no cookie and set none.
"""

import asyncio
import secrets
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark import __version__
from tallymark.catalog.passwords import is_right
from tallymark.core.errors import NotAllowed, NotFound, TallymarkError
from tallymark.web.shell import Boot, shell

from .attempts import MOST_FROM_ONE_PLACE
from .board_content import TextTile, Tile
from .bodies import json_answer
from .peers import Peers
from .saved_routes import saved_answer
from .services import Call, Route
from .shared_answers import (
    OPENER,
    Opened,
    SharedAnswer,
    answer_of,
    content_of_tile,
    link_of,
    name_of_tile,
    new_pass,
    opened,
)
from .web_routes import base_of

_NO_INDEX: Final = {"X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}


class Unlocking(Struct, frozen=True, forbid_unknown_fields=True):
    """The password of a link."""

    password: Annotated[str, Meta(max_length=1024)]


class Unlocked(Struct, frozen=True):
    """What stands for the password for some hours, to be sent as Tallymark-Pass."""

    passing: Annotated[str, Meta(description="Opaque.")]


class SharedTile(Struct, frozen=True):
    """One tile of what is shared: a text, or a question to be asked by its id."""

    id: str
    title: str
    x: int
    y: int
    w: int
    h: int
    text: str | None = None
    insight: str | None = None
    address: str = ""


class SharedView(Struct, frozen=True):
    """What a link shows. Without a range every question has its own."""

    kind: str
    name: str
    description: str
    tiles: list[SharedTile]
    range: Any
    expires_at: int | None
    min_group: int


async def shared_page(call: Call) -> Response:
    """Return the page of a link; whether it may stand in a frame is as the link says."""
    origins: list[str] = []
    status = 200
    try:
        origins = (await link_of(call, call.params["token"])).locked.origins
    except (NotFound, TallymarkError) as error:
        # The page says in words what has become of the link.
        status = error.status
    boot = Boot(base_of(call), __version__)
    sent = shell(boot, secrets.token_urlsafe(16), origins, name="shared")
    return Response(sent.body, status, media_type="text/html", headers={**sent.headers, **_NO_INDEX})  # fmt: skip


async def shared_view(call: Call) -> Response:
    """Return what a link shows, and count that it was opened."""
    found = await opened(call)
    told = SharedView(
        found.share.kind, found.name, found.description,
        [await _told(found, one) for one in found.tiles], found.range, found.share.expires_at,
        found.share.locked.min_group,
    )  # fmt: skip
    now = call.services.clock.now()
    await asyncio.to_thread(
        lambda: call.services.catalog.shares.count_view(found.share.id, now=now)
    )
    return _unlisted(saved_answer(told))


async def shared_tile(call: Call) -> Response:
    """Return the answer of one tile of what is shared."""
    found = await opened(call)
    return _unlisted(json_answer(await answer_of(found, call.params["tile"])))


async def unlock(call: Call) -> Response:
    """Return a pass to whoever knows the password of a link."""
    given = await call.order(Unlocking)
    share = await link_of(call, call.params["token"])
    now, attempts = call.services.clock.now(), call.services.attempts
    name = f"share {share.id}"
    peers = Peers(call.services.settings.trusted_proxies)
    place = f"from {peers.of(call.request.scope, call.headers)}"
    attempts.take(place, now, most=MOST_FROM_ONE_PLACE)
    attempts.take(name, now)
    if not await asyncio.to_thread(is_right, given.password, share.password):
        raise NotAllowed("This is not the password of the link.", code="SHARE_LOCKED")
    attempts.forget(name)
    attempts.give_back(place)
    return _unlisted(json_answer(Unlocked(new_pass(share, now))))


async def _told(found: Opened, tile: Tile) -> SharedTile:
    if isinstance(tile, TextTile):
        return SharedTile(tile.id, tile.title, tile.x, tile.y, tile.w, tile.h, tile.text)
    content, title = None, tile.title
    try:
        content = await content_of_tile(found, tile)
        title = tile.title or await name_of_tile(found, tile)
    except NotFound:
        # One that is gone leaves a gap that says so, and the others as they are.
        content = None
    return SharedTile(
        tile.id, title, tile.x, tile.y, tile.w, tile.h,
        insight=None if content is None else content.insight,
        address="" if content is None else content.address,
    )  # fmt: skip


def _unlisted(response: Response) -> Response:
    response.headers.update(_NO_INDEX)
    return response


_PASS: Final = f"With a password, a {OPENER.title()} header is needed."
SHARED_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/share/{token}", "open", shared_page, "Open the page of a link.",
        media_type="text/html", answer=str,
    ),
    Route(
        "GET", "/tm/v1/shared/{token}", "open", shared_view,
        f"Tell what a link shows. {_PASS}", answer=SharedView,
    ),
    Route(
        "POST", "/tm/v1/shared/{token}/unlock", "open", unlock,
        "Get a pass for the password of a link.", body=Unlocking, answer=Unlocked,
    ),
    Route(
        "POST", "/tm/v1/shared/{token}/tiles/{tile}", "open", shared_tile,
        f"Get the answer of one tile of what a link shows. {_PASS}", answer=SharedAnswer,
    ),
)  # fmt: skip
