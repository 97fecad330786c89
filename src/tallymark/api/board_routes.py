"""Dashboards: kept, listed, changed by whoever saw the last version, and asked tile by tile."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.named import Draft, Named
from tallymark.core.errors import InvalidQuery, TallymarkError
from tallymark.core.registry import lookup
from tallymark.insights.definitions import Definitions, decode_definitions
from tallymark.insights.insight import Answer
from tallymark.insights.narrowing import Narrowing, check_range, narrowed

from .ask_routes import Asked, answered, insights
from .board_content import (
    AskedRange,
    BoardContent,
    Filters,
    QuestionTile,
    check_tiles,
    decode_board,
)
from .bodies import json_answer
from .saved_routes import (
    QuestionContent,
    Removed,
    check_content,
    encode_content,
    forget,
    saved_answer,
    saved_of,
    who,
)
from .services import Call, Route

_Name = Annotated[str, Meta(min_length=1, max_length=200)]


class BoardToSave(BoardContent, frozen=True, kw_only=True):
    """A dashboard to keep under a name."""

    name: _Name
    description: Annotated[str, Meta(max_length=2_000)] = ""


class BoardToReplace(BoardToSave, frozen=True, kw_only=True):
    """A dashboard as it is to be; ``version`` is the one that was changed."""

    version: int


class Dashboard(BoardContent, frozen=True, kw_only=True):
    """A dashboard. ``owner`` made it first; instants are microseconds since 1970."""

    id: str
    name: str
    description: str
    owner: str
    changed_by: str
    version: int
    created_at: int
    updated_at: int


class BoardBrief(Struct, frozen=True):
    """A dashboard in a list."""

    id: str
    name: str
    description: str
    tiles: int
    owner: str
    updated_at: int


class Boards(Struct, frozen=True):
    """Every dashboard of the project, those changed last first."""

    dashboards: list[BoardBrief]


class TileOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A question of a tile, asked of a range and with filters that hold for all of its dashboard.

    Without a range the question keeps its own.
    """

    saved: Annotated[str, Meta(max_length=63)] | None = None
    question: QuestionContent | None = None
    range: AskedRange = None
    filters: Filters = []


async def list_boards(call: Call) -> Response:
    """Return every dashboard of the project."""
    kept = await asyncio.to_thread(call.services.catalog.dashboards.all, call.caller.project.id)
    return json_answer(Boards([_brief(one) for one in kept]))


async def show_board(call: Call) -> Response:
    """Return one dashboard."""
    kept = call.services.catalog.dashboards
    found = await asyncio.to_thread(kept.get, call.caller.project.id, call.params["id"])
    return saved_answer(board_of(found))


async def save_board(call: Call) -> Response:
    """Keep a dashboard under a name."""
    order = await call.order(BoardToSave, exact=True)
    project, now = call.params["project"], call.services.clock.now()

    def save() -> Dashboard:
        draft = _draft(call, order, project)
        return board_of(call.services.catalog.dashboards.add(project, draft, now=now))

    return saved_answer(await asyncio.to_thread(save), status=201)


async def replace_board(call: Call) -> Response:
    """Replace a dashboard, if nobody did since it was looked at."""
    order = await call.order(BoardToReplace, exact=True)
    project, now = call.params["project"], call.services.clock.now()

    def replace() -> Dashboard:
        draft = _draft(call, order, project)
        kept = call.services.catalog.dashboards
        return board_of(
            kept.change(project, call.params["id"], draft, version=order.version, now=now)
        )

    return saved_answer(await asyncio.to_thread(replace))


async def remove_board(call: Call) -> Response:
    """Forget a dashboard: one's own, or as an admin anybody's. What it showed stays saved."""
    return await forget(call, call.services.catalog.dashboards)


async def ask_tile(call: Call) -> Response:
    """Ask what a tile shows."""
    order = await call.order(TileOrder, exact=True)
    if (order.saved is None) == (order.question is None):
        raise InvalidQuery("A tile shows either a saved question or one of its own.")
    content = await content_of(call, order.saved, order.question)
    asked = asked_narrowed(call, content, order.range, order.filters)
    return Response(await answered(call, asked), media_type="application/json")


async def content_of(
    call: Call, saved: str | None, question: QuestionContent | None
) -> QuestionContent:
    """Return what a tile asks; raises NotFound for a saved question that is gone."""
    if question is not None:
        return question
    known = call.caller
    found = await saved_of(call, known.project.id, known.definitions, saved or "")
    return QuestionContent(found.insight, found.question, found.address)


def asked_narrowed(
    call: Call, content: QuestionContent, range_: AskedRange, filters: Sequence[Any]
) -> Asked:
    """Return a question on its way to the store, of a range and with filters besides its own."""
    insight = lookup(insights(), content.insight, "insight")
    zone, now = call.caller.project.timezone, call.services.clock.now()
    by = Narrowing(zone, now, range_, filters)
    question = narrowed(insight, content.question, by=by, address=content.address)
    return Asked(insight.name, question, call.caller.definitions)


def board_of(kept: Named) -> Dashboard:
    """Return a dashboard as it was kept."""
    content = decode_board(kept.content)
    return Dashboard(
        tiles=content.tiles, range=content.range, filters=content.filters, id=kept.id,
        name=kept.name, description=kept.description, owner=kept.owner,
        changed_by=kept.changed_by, version=kept.version, created_at=kept.created_at,
        updated_at=kept.updated_at,
    )  # fmt: skip


def _brief(kept: Named) -> BoardBrief:
    tiles = len(decode_board(kept.content).tiles)
    return BoardBrief(kept.id, kept.name, kept.description, tiles, kept.owner, kept.updated_at)


def _draft(call: Call, order: BoardToSave, project: str) -> Draft:
    content = BoardContent(order.tiles, order.range, order.filters)
    check_tiles(content)
    now = call.services.clock.now()
    catalog = call.services.catalog
    check_range(content.range, catalog.project(project).timezone, now)
    stored = catalog.definitions.newest(project)
    defined = Definitions() if stored is None else decode_definitions(stored.content)
    for number, tile in enumerate(content.tiles):
        if isinstance(tile, QuestionTile) and tile.question is not None:
            check_content(tile.question, defined, now, path=f"tiles[{number}].question")
        elif isinstance(tile, QuestionTile) and tile.saved not in defined.questions:
            _need_saved(call, project, tile.saved or "", number)
    return Draft(order.name, order.description, encode_content(content), who(call))


def _need_saved(call: Call, project: str, saved: str, number: int) -> None:
    if call.services.catalog.saved.find(project, saved) is None:
        raise TallymarkError(
            f"There is no saved question {saved[:80]!r}.", code="QUERY_INVALID",
            path=f"tiles[{number}].saved", hint="Take the tile away, or save the question again.",
        )  # fmt: skip


BOARD_ROUTES: tuple[Route, ...] = (
    Route("GET", "/tm/v1/dashboards", "read", list_boards, "List the dashboards.", answer=Boards),
    Route(
        "GET", "/tm/v1/dashboards/{id}", "read", show_board, "Show a dashboard.",
        answer=Dashboard,
    ),
    Route(
        "POST", "/tm/v1/tile", "read", ask_tile,
        "Ask what a tile of a dashboard shows, for the range and filters of the dashboard.",
        body=TileOrder, answer=Answer,
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/dashboards", "local", save_board, "Save a dashboard.",
        body=BoardToSave, answer=Dashboard, status=201, role="analyst",
    ),
    Route(
        "PUT", "/tm/v1/projects/{project}/dashboards/{id}", "local", replace_board,
        "Replace a dashboard.", body=BoardToReplace, answer=Dashboard, role="analyst",
    ),
    Route(
        "DELETE", "/tm/v1/projects/{project}/dashboards/{id}", "local", remove_board,
        "Delete a dashboard.", answer=Removed, role="analyst",
    ),
)  # fmt: skip
