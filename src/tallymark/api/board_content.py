"""What a dashboard is made of: tiles on a grid of twelve columns, and what is asked of all of them."""

from decimal import Decimal
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery, Refused
from tallymark.insights.filters import Filter
from tallymark.insights.ranges import Dates

from .saved_routes import QuestionContent

COLUMNS: Final = 12
MOST_TILES: Final = 100
Place = Annotated[int, Meta(ge=0, le=10_000)]
Width = Annotated[int, Meta(ge=1, le=COLUMNS)]
Height = Annotated[int, Meta(ge=1, le=40)]
TileId = Annotated[str, Meta(pattern="^[a-z0-9]{1,16}$")]
Title = Annotated[str, Meta(max_length=200)]
Filters: TypeAlias = Annotated[list[Filter], Meta(max_length=20)]
AskedRange: TypeAlias = Dates | Annotated[str, Meta(max_length=40)] | None


class _Tile(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """One tile; ``x`` counts columns and ``y`` rows from 0, ``w`` and ``h`` how many it takes."""

    id: TileId
    x: Place
    y: Place
    w: Width
    h: Height
    title: Title = ""


class QuestionTile(_Tile, frozen=True, tag="question", kw_only=True):
    """A tile that shows an answer: to a saved question, or to one that is only here."""

    saved: Annotated[str, Meta(max_length=63)] | None = None
    question: QuestionContent | None = None


class TextTile(_Tile, frozen=True, tag="text", kw_only=True):
    """A tile of text. A few signs of Markdown are understood, and never HTML."""

    text: Annotated[str, Meta(max_length=10_000)]


Tile: TypeAlias = QuestionTile | TextTile


class BoardContent(Struct, frozen=True, forbid_unknown_fields=True):
    """What a dashboard shows, and which range and filters hold for all of it.

    Without a range every question has its own.
    """

    tiles: Annotated[list[Tile], Meta(max_length=MOST_TILES)] = []
    range: AskedRange = None
    filters: Filters = []


def check_tiles(content: BoardContent) -> None:
    """Raise Refused for tiles that reach over the edge, have one id, or show nothing."""
    seen: set[str] = set()
    for number, tile in enumerate(content.tiles):
        path = f"tiles[{number}]"
        if tile.id in seen:
            raise Refused(f"Two tiles have the id {tile.id!r}.", path=f"{path}.id")
        seen.add(tile.id)
        if tile.x + tile.w > COLUMNS:
            raise Refused(f"The tile reaches over column {COLUMNS}.", path=f"{path}.w")
        if isinstance(tile, QuestionTile) and (tile.saved is None) == (tile.question is None):
            raise InvalidQuery(
                "A tile shows either a saved question or one of its own.", path=f"{path}.question"
            )


decode_board: Final = msgspec.json.Decoder(BoardContent, float_hook=Decimal).decode
