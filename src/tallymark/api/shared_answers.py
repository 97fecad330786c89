"""What a link gives to whoever has it: the answers of its own questions, and nothing else.

Whoever opens a link is nobody: no cookie is read and no key, and of a request nothing but the token,
the name of a tile and a pass. The questions, their range and their filters come from the catalog.
"""

import asyncio
import hmac
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from tallymark.catalog.definitions import StoredDefinitions
from tallymark.catalog.shares import Share
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import InvalidQuery, NotAllowed, NotFound, TallymarkError
from tallymark.core.registry import lookup
from tallymark.insights import small_groups
from tallymark.insights.definitions import Definitions, decode_definitions
from tallymark.insights.insight import Insight, View
from tallymark.insights.ranges import Dates
from tallymark.insights.sharing import check_shareable
from tallymark.insights.small_groups import check_small

from .ask_routes import answered, insights
from .auth import Known
from .board_content import QuestionTile, Tile, decode_board
from .board_routes import asked_narrowed
from .saved_routes import QuestionContent, saved_of
from .services import Call

PASS_SECONDS: Final = 12 * 3600
OPENER: Final = "tallymark-pass"
# The one tile of a link to a question.
QUESTION_TILE: Final = "question"


class SharedAnswer(Struct, frozen=True):
    """An answer as a link shows it: the numbers, and as of when and in which zone they are.

    In place of a number of fewer than ``min_group``, and of one that would give it away, stands the
    text ``few``. The table ``is_whole`` if it has none, and lacks no group.
    """

    data: Any
    view: View
    table: Any
    as_of: str
    timezone: str
    min_group: int
    is_whole: bool


class Opened(Struct, frozen=True):
    """What a link shows: its tiles in order, and the names of those that are saved questions.

    ``call`` is made for the project of the link, by nobody.
    """

    share: Share
    call: Call
    name: str
    description: str
    tiles: list[Tile]
    range: Any
    filters: list[Any]


class _Provenance(Struct, frozen=True):
    as_of: str
    timezone: str


class _Answered(Struct, frozen=True):
    data: msgspec.Raw
    view: View
    table: msgspec.Raw
    provenance: _Provenance


async def link_of(call: Call, token: str) -> Share:
    """Return the link of a token; raises NotFound, or SHARE_ENDED."""
    now = call.services.clock.now()
    return await asyncio.to_thread(lambda: call.services.catalog.shares.by_token(token, now=now))


async def opened(call: Call) -> Opened:
    """Return what the link of a request shows; raises NotFound, SHARE_ENDED or SHARE_LOCKED."""
    share = await link_of(call, call.params["token"])
    if share.password is not None:
        given = call.headers.get(OPENER, "")
        if not is_pass(given, share, call.services.clock.now()):
            raise NotAllowed("This link needs its password.", code="SHARE_LOCKED")
    known = await call.services.callers.by_project(share.project)
    mine = structs.replace(call, known=known, user=None)
    try:
        if share.kind == "question":
            return await _question(mine, known, share)
        return await _board(mine, share)
    except NotFound:
        raise TallymarkError("What this link showed is gone.", code="SHARE_ENDED") from None


async def answer_of(found: Opened, tile_id: str) -> SharedAnswer:
    """Return the answer of one tile of what is shared; raises NotFound for any other."""
    tile = next((one for one in found.tiles if one.id == tile_id), None)
    if not isinstance(tile, QuestionTile):
        raise NotFound("There is no such tile.")
    content = await content_of_tile(found, tile)
    least = found.share.locked.min_group
    insight = check_shared(content, _defined(found.call.caller.definitions), least)
    wider = structs.replace(content, question=small_groups.asked(insight, content.question, least))
    asked = asked_narrowed(found.call, wider, found.range, found.filters)
    answer = await answered(found.call, asked)
    return await asyncio.to_thread(_told, insight, content.question, answer, least)


async def content_of_tile(found: Opened, tile: QuestionTile) -> QuestionContent:
    """Return what a tile asks; raises NotFound for a saved question that is gone."""
    if tile.question is not None:
        return tile.question
    return await _saved_content(found.call, tile.saved or "")


async def name_of_tile(found: Opened, tile: QuestionTile) -> str:
    """Return what the saved question of a tile is called, empty for one of its own."""
    if tile.saved is None:
        return ""
    known = found.call.caller
    return (await saved_of(found.call, known.project.id, known.definitions, tile.saved)).name


def check_shared(content: QuestionContent, definitions: Definitions, least: int) -> Insight:
    """Return the insight of a question that a link may show.

    Raises NotAllowed SHARE_PERSONAL for one that no link may, and SHARE_SMALL for one of which numbers
    of fewer than ``least`` could not be kept back.
    """
    insight = lookup(insights(), content.insight, "insight")
    try:
        question = msgspec.convert(content.question, insight.question)
    except msgspec.ValidationError as error:
        raise InvalidQuery(f"The question cannot be asked any more: {error}.") from None
    check_shareable(insight, question, definitions)
    check_small(insight, content.question, least, frozenset(definitions.events))
    return insight


def _told(insight: Insight, question: Any, answer: bytes, least: int) -> SharedAnswer:
    read = _read(answer)
    where = read.provenance
    if not least:
        return SharedAnswer(read.data, read.view, read.table, where.as_of, where.timezone, 0, True)
    data = msgspec.json.decode(read.data, type=insight.data)
    shown = small_groups.told(insight, question, data, least)
    return SharedAnswer(
        shown.data, read.view, shown.table, where.as_of, where.timezone, least, shown.is_whole
    )


def new_pass(share: Share, now: int) -> str:
    """Return what stands for the password of a link for some hours; nothing of it is kept."""
    ends = now + PASS_SECONDS * MICROSECONDS
    return f"{ends}.{_signed(share, ends)}"


def is_pass(text: str, share: Share, now: int) -> bool:
    """Whether a text is a pass of this link that still holds."""
    ends, _, signature = text.partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) <= 18):
        return False
    is_ours = hmac.compare_digest(signature.encode(), _signed(share, int(ends)).encode())
    return is_ours and now < int(ends)


def _signed(share: Share, ends: int) -> str:
    # The hash of the password is known to nobody outside, and is another one for every link.
    secret = (share.password or "").encode()
    return hmac.digest(secret, f"pass {share.id} {ends}".encode(), "sha256").hex()


async def _question(call: Call, known: Known, share: Share) -> Opened:
    saved = await saved_of(call, share.project, known.definitions, share.target)
    tile = QuestionTile(id=QUESTION_TILE, x=0, y=0, w=12, h=8, title=saved.name, saved=saved.id)
    locked = share.locked
    return Opened(share, call, saved.name, saved.description, [tile], _range(locked.range), locked.filters)  # fmt: skip


async def _board(call: Call, share: Share) -> Opened:
    kept = await asyncio.to_thread(call.services.catalog.dashboards.get, share.project, share.target)  # fmt: skip
    content = decode_board(kept.content)
    locked = share.locked
    return Opened(
        share, call, kept.name, kept.description, content.tiles,
        content.range if locked.range is None else _range(locked.range),
        [*content.filters, *locked.filters],
    )  # fmt: skip


async def _saved_content(call: Call, saved: str) -> QuestionContent:
    known = call.caller
    found = await saved_of(call, known.project.id, known.definitions, saved)
    return QuestionContent(found.insight, found.question, found.address)


def _defined(stored: StoredDefinitions | None) -> Definitions:
    return Definitions() if stored is None else decode_definitions(stored.content)


def _range(kept: Any) -> Any:
    return None if kept is None else msgspec.convert(kept, Dates | str)


_read: Final = msgspec.json.Decoder(_Answered).decode
