"""Where on a page people click: counts by cells of a grid, and the elements clicked, ranked."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Rows

from . import fields
from ._heat_rules import RULES
from .fields import Field, field
from .insight import Columnar, Insight, Members, Scope, Table
from .numbers import Number, ratio
from .page_views import Bots, PageQuestion, Tables, on_page
from .selection import (
    Period,
    StepOrName,
    field_names,
    frame_of,
    of_steps,
    period,
    step_fields,
    step_of,
    warnings_of,
)

_POINTS: Final = "properties.points"
_SELECTORS: Final = "properties.selectors"
MOST_BANDS: Final = 500


class HeatQuestion(PageQuestion, frozen=True, kw_only=True):
    """Where on a page people click."""

    step: Annotated[StepOrName, Meta(description="What tells of the clicks.")] = "heat_points"
    columns: Annotated[
        int, Meta(description="Into how many columns the width is parted.", ge=1, le=100)
    ] = 20
    band: Annotated[
        int, Meta(description="How high a row of the grid is, in pixels.", ge=10, le=10_000)
    ] = 100
    bands: Annotated[
        int,
        Meta(description="Most rows of the grid; what is below is counted.", ge=1, le=MOST_BANDS),
    ] = 100


class HeatPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people who clicked in a cell, or on an element, or anywhere."""

    column: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="The cell's column.")] = (
        None
    )
    band: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="The cell's row.")] = None
    element: Annotated[str | None, Meta(description="The element as the answer names it.")] = None


class HeatCell(Struct, frozen=True):
    """The clicks in one cell: its column from the left and its band from the top, from 0."""

    column: int
    band: int
    clicks: int
    people: int


class HeatElement(Struct, frozen=True):
    """The clicks on one element; null are those that name none."""

    element: str | None
    clicks: int
    share: Number | None
    people: int


class HeatData(Struct, frozen=True):
    """The answer of a heat question: the cells that have clicks, and the elements by clicks."""

    range: Period
    timezone: str
    bots: Bots
    page: str | None
    columns: int
    band: int
    bands: int
    clicks: int
    people: int
    below: int
    element_count: int
    cells: list[HeatCell]
    elements: list[HeatElement]
    warnings: list[str]


def to_sql(question: HeatQuestion, scope: Scope) -> tuple[Sql]:
    """Return one statement of (what, column, band, element, clicks, people)."""
    return (
        _clicks(question, scope).then(
            sql(
                """SELECT 'whole' AS what, NULL AS place, count(*) FILTER (WHERE band >= {bands}) AS band,
  NULL AS element, count(*) AS clicks, count(DISTINCT person) AS people
FROM click
UNION ALL
SELECT 'cell', place, band, NULL, count(*), count(DISTINCT person)
FROM click
WHERE band < {bands}
GROUP BY place, band
UNION ALL
SELECT * FROM (
SELECT 'element', count(*) OVER (), 0, element, count(*) AS clicks, count(DISTINCT person) AS people
FROM click
GROUP BY element
ORDER BY clicks DESC, people DESC, element NULLS LAST
LIMIT {top}
)""",
                bands=question.bands,
                top=question.top,
            )
        ),
    )


def shape(question: HeatQuestion, scope: Scope, results: Sequence[Rows]) -> HeatData:
    """Return the cells from the top, and the elements, those with most clicks first."""
    rows = results[0].rows
    ((below, _, clicks, people),) = [row[2:] for row in rows if row[0] == "whole"]
    cells = sorted((row[2], row[1], *row[4:]) for row in rows if row[0] == "cell")
    elements = [row[3:] for row in rows if row[0] == "element"]
    step = step_of(question.step)
    frame = frame_of(question, scope)
    return HeatData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        page=question.page,
        columns=question.columns,
        band=question.band,
        bands=1 + max((cell[0] for cell in cells), default=-1),
        clicks=clicks,
        people=people,
        below=below,
        element_count=max((row[1] for row in rows if row[0] == "element"), default=0),
        cells=[HeatCell(place, band, n, by) for band, place, n, by in cells],
        elements=[
            HeatElement(element, n, ratio(n, clicks), by)
            for element, n, by in sorted(elements, key=_order)
        ],
        warnings=warnings_of(step.event, field_names([question.filter, step.filter]), scope),
    )


def members(question: HeatQuestion, place: HeatPlace, scope: Scope) -> Members:
    """Return the people who clicked in a cell, on an element, or anywhere."""
    if (place.column is None) != (place.band is None):
        raise InvalidQuery("A cell has a column and a band.", path="behind.place")
    if place.column is not None and place.element is not None:
        raise InvalidQuery("Give either a cell or an element.", path="behind.place")
    mine = Sql("true")
    if place.column is not None:
        mine = sql("place = {column} AND band = {band}", column=place.column, band=place.band)
    elif place.element is not None:
        mine = sql("element = {element}", element=place.element)
    statement = _clicks(question, scope).then(
        sql(
            "SELECT DISTINCT person AS key\nFROM click\nWHERE person IS NOT NULL AND {mine}",
            mine=mine,
        )
    )
    return Members((Columnar(statement),), lambda results: results[0]["key"])


def table(data: HeatData) -> Table:
    """Return one row for each element."""
    return Table(
        ("element", "clicks", "share", "people"),
        [
            ("(none)" if one.element is None else one.element, one.clicks, one.share, one.people)
            for one in data.elements
        ],
    )


def _clicks(question: HeatQuestion, scope: Scope) -> Tables:
    """Return the table ``click``: the cell, the element and the person of each.

    What was sent may be anything: what is no point within the width of a page is left out.
    """
    frame = frame_of(question, scope)
    step = step_of(question.step)
    points, selectors = (_lists(name, scope) for name in (_POINTS, _SELECTORS))
    source = of_steps(
        (step,),
        frame,
        wanted=question.filter,
        include_bots=question.include_bots,
        also=[field("person", scope), *step_fields((step,), scope)],
    )
    told = sql(
        "SELECT {person} AS person, unnest({points}) AS point, {selectors} AS selectors\n{source}\n"
        "  AND {on_page}",
        person=fields.person(scope),
        points=points,
        selectors=selectors,
        source=source,
        on_page=on_page(question.page),
    )
    point = sql(
        """SELECT person, TRY_CAST(point->>0 AS DECIMAL(38,9)) AS x,
  TRY_CAST(point->>1 AS DECIMAL(38,9)) AS y, TRY_CAST(point->>2 AS DECIMAL(38,9)) AS n, selectors
FROM told
WHERE json_type(point) = 'ARRAY'"""
    )
    click = sql(
        """SELECT person,
  CAST(least(floor(x * {columns} / 1000), {columns} - 1) AS INTEGER) AS place,
  CAST(floor(y / {band}) AS INTEGER) AS band,
  CASE WHEN n = floor(n) AND n BETWEEN 0 AND 9999 AND json_type(selectors[CAST(n AS INTEGER) + 1]) = 'VARCHAR'
    THEN selectors[CAST(n AS INTEGER) + 1]->>'$' END AS element
FROM point
WHERE x BETWEEN 0 AND 1000 AND y BETWEEN 0 AND 1000000""",
        columns=question.columns,
        band=question.band,
    )
    return Tables((("told", told), ("point", point), ("click", click)))


def _lists(name: str, scope: Scope) -> Sql:
    """Return the items of a property that is a list, as JSON; NULL of any other."""
    other = _other(field(name, scope))
    return sql(
        "CASE WHEN json_type({it}) = 'ARRAY' THEN CAST(CAST({it} AS JSON) AS JSON[]) END", it=other
    )


def _other(found: Field) -> Sql:
    return found.other or Sql("CAST(NULL AS VARCHAR)")


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    element, clicks, people = row
    return -clicks, -people, element is None, element or ""


heat = Insight(
    name="heat",
    summary="Where on a page people click, by a grid and by elements.",
    question=HeatQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=HeatData,
    view="table",
    rules=RULES,
    place=HeatPlace,
    members=members,
    example={"page": "/pricing", "range": "30d"},
)
