"""Where people click in vain: rage and dead clicks by page and element, and by whom."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Rows

from . import clusters, fields
from ._frustration_rules import RULES
from .fields import Field, field
from .group_values import shown
from .insight import Columnar, Insight, Members, Scope, Table
from .numbers import Number, ratio
from .page_views import Bots, PageQuestion, Tables, text_of
from .rates import Rate, rate, rate_by_people
from .selection import (
    Period,
    Step,
    StepOrName,
    field_names,
    frame_of,
    matches,
    of_steps,
    period,
    step_fields,
    step_of,
    warnings_of,
)
from .visits import VIEWS

Listing: TypeAlias = Literal["pages", "elements"]


class FrustrationQuestion(PageQuestion, frozen=True, kw_only=True):
    """Where people click in vain."""

    rage: Annotated[StepOrName, Meta(description="What is a rage click.")] = "rage_click"
    dead: Annotated[StepOrName, Meta(description="What is a dead click.")] = "dead_click"
    element: Annotated[
        str, Meta(description="The text that tells what was clicked.", max_length=300)
    ] = "properties.selector"


class FrustrationPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people of a row of a table, or of all of them."""

    table: Annotated[Listing | None, Meta(description="The table; all people if none.")] = None
    page: Annotated[str | None, Meta(description="The row's page, null for a missing one.")] = None
    element: Annotated[
        str | None, Meta(description="The row's element, null for a missing one.")
    ] = None


class FrustratingPage(Struct, frozen=True):
    """The clicks in vain on one page; ``people`` are of those who viewed it or clicked so on it."""

    path: str | None
    rage: int
    dead: int
    people: Rate
    visits: int


class FrustratingElement(Struct, frozen=True):
    """The clicks in vain on one element of one page."""

    path: str | None
    element: str | None
    rage: int
    dead: int
    people: int
    visits: int


class FrustrationData(Struct, frozen=True):
    """The answer of a frustration question; people and visits are of those who viewed any page."""

    range: Period
    timezone: str
    bots: Bots
    page: str | None
    rage: int
    dead: int
    people: Rate
    visits: Rate
    clicks_per_thousand_visits: Number | None
    pages: list[FrustratingPage]
    elements: list[FrustratingElement]
    warnings: list[str]


_NUMBERS: Final = Sql(
    "count(*) FILTER (WHERE is_rage) AS rage, count(*) FILTER (WHERE is_dead) AS dead,\n"
    "  count(DISTINCT person) FILTER (WHERE is_rage OR is_dead) AS people,\n"
    "  count(DISTINCT visit) FILTER (WHERE is_rage OR is_dead) AS visits"
)
_MOST_FIRST: Final = Sql("rage + dead DESC, people DESC, path NULLS LAST")


def to_sql(question: FrustrationQuestion, scope: Scope) -> tuple[Sql]:
    """Return a statement of (what, path, element, rage, dead, people, visits, of, visits of, sums)."""
    return (
        _acts(question, scope).then(
            sql(
                """SELECT 'whole' AS what, NULL AS path, NULL AS element, {numbers},
  count(DISTINCT person) AS viewers, count(DISTINCT visit) AS viewing, NULL AS sums
FROM act
UNION ALL
SELECT * FROM (
SELECT 'pages', path, NULL, {numbers}, count(DISTINCT person), 0, NULL
FROM act
GROUP BY path
HAVING bool_or(is_rage OR is_dead)
ORDER BY {most_first}
LIMIT {top}
)
UNION ALL
SELECT * FROM (
SELECT 'elements', path, element, {numbers}, 0, 0, NULL
FROM act
WHERE is_rage OR is_dead
GROUP BY path, element
ORDER BY {most_first}, element NULLS LAST
LIMIT {top}
)
UNION ALL
SELECT 'visits', NULL, NULL, 0, 0, 0, 0, 0, 0, {sums}
FROM (
SELECT person, count(*) AS trials, count(*) FILTER (WHERE is_in_vain) AS vain
FROM (
SELECT min(person) AS person, bool_or(is_rage OR is_dead) AS is_in_vain
FROM act
WHERE visit IS NOT NULL
GROUP BY visit
)
GROUP BY person
)""",
                sums=clusters.sums("vain"),
                numbers=_NUMBERS,
                most_first=_MOST_FIRST,
                top=question.top,
            )
        ),
    )


def shape(question: FrustrationQuestion, scope: Scope, results: Sequence[Rows]) -> FrustrationData:
    """Return the whole, the pages and the elements, those with most such clicks first."""
    rows: dict[str, list[tuple[Any, ...]]] = {
        "whole": [], "pages": [], "elements": [], "visits": []
    }  # fmt: skip
    for what, *row in results[0].rows:
        rows[what].append(tuple(row))
    _, _, rage, dead, people, _, viewers, viewing, _ = rows["whole"][0]
    frame = frame_of(question, scope)
    return FrustrationData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        page=question.page,
        rage=rage,
        dead=dead,
        people=rate(people, viewers),
        visits=rate_by_people(clusters.told(rows["visits"][0][8])),
        clicks_per_thousand_visits=ratio(1_000 * (rage + dead), viewing),
        pages=[
            FrustratingPage(path, raging, dying, rate(count, of), within)
            for path, _, raging, dying, count, within, of, *_ in sorted(rows["pages"], key=_order)
        ],
        elements=[FrustratingElement(*row[:6]) for row in sorted(rows["elements"], key=_order)],
        warnings=_warnings(question, scope),
    )


def members(question: FrustrationQuestion, place: FrustrationPlace, scope: Scope) -> Members:
    """Return the people who clicked in vain: anywhere, on a page, or on an element of one."""
    mine = [Sql("person IS NOT NULL AND (is_rage OR is_dead)")]
    if place.table is None and place.page is not None:
        raise InvalidQuery("Only a row of a table has a page.", path="behind.place.page")
    if place.table != "elements" and place.element is not None:
        raise InvalidQuery("Only a row of elements has one.", path="behind.place.element")
    if place.table is not None:
        mine.append(sql("path IS NOT DISTINCT FROM {page}", page=place.page))
    if place.table == "elements":
        mine.append(sql("element IS NOT DISTINCT FROM {element}", element=place.element))
    statement = _acts(question, scope).then(
        sql(
            "SELECT DISTINCT person AS key\nFROM act\nWHERE {mine}",
            mine=join("\n  AND ", mine),
        )
    )
    return Members((Columnar(statement),), lambda results: results[0]["key"])


def table(data: FrustrationData) -> Table:
    """Return one row for each element."""
    return Table(
        ("page", "element", "rage clicks", "dead clicks", "people", "visits"),
        [
            (shown(one.path), shown(one.element), one.rage, one.dead, one.people, one.visits)
            for one in data.elements
        ],
        keys=(0, 1),
    )


def _acts(question: FrustrationQuestion, scope: Scope) -> Tables:
    """Return the table ``act`` of all page views and clicks in vain that are meant."""
    frame = frame_of(question, scope)
    steps = [step_of(question.rage), step_of(question.dead)]
    rage, dead = (sql("coalesce({it}, false)", it=matches(step, frame)) for step in steps)
    element = text_of(question.element, scope, "element")
    also: list[Field] = [element, field("person", scope), *step_fields(steps, scope)]
    source = of_steps(
        (Step(),),
        frame,
        wanted=question.filter,
        include_bots=question.include_bots,
        also=also,
    )
    page = Sql("")
    if question.page is not None:
        page = sql("\n  AND e.path = {page}", page=question.page)
    return Tables(
        (
            (
                "act",
                sql(
                    """SELECT e.path AS path, {element} AS element, {person} AS person,
  e.session_key AS visit, {rage} AS is_rage, {dead} AS is_dead
{source}
  AND (e.kind IN {views} OR {rage} OR {dead}){page}""",
                    element=element.text or Sql("CAST(NULL AS VARCHAR)"),
                    person=fields.person(scope),
                    rage=rage,
                    dead=dead,
                    source=source,
                    views=VIEWS,
                    page=page,
                ),
            ),
        )
    )


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    path, element, rage, dead, people, *_ = row
    return -(rage + dead), -people, path is None, path or "", element is None, element or ""


def _warnings(question: FrustrationQuestion, scope: Scope) -> list[str]:
    found: list[str] = []
    for step in (step_of(question.rage), step_of(question.dead)):
        names = field_names([question.filter, step.filter])
        found += warnings_of(step.event, [*names, question.element], scope)
    return list(dict.fromkeys(found))


frustration = Insight(
    name="frustration",
    summary="Rage and dead clicks by page and element, and who clicks so.",
    question=FrustrationQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=FrustrationData,
    view="table",
    rules=RULES,
    place=FrustrationPlace,
    members=members,
    example={"range": "30d", "top": 10},
)
