"""How far pages are read and for how long: the share of views that reach each tenth of a page."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, join, sql
from tallymark.store.engine import Rows

from . import clusters, fields, filters
from ._scroll_rules import RULES
from .fields import Field, field
from .insight import Columnar, Insight, Members, Scope, Table
from .numbers import Number, exact, ratio
from .page_views import (
    Bots,
    PageQuestion,
    Tables,
    first_person,
    on_page,
    unit,
    unit_fields,
    unit_names,
)
from .ranges import Span
from .rates import Rate, rate_by_people
from .selection import Frame, Period, Step, field_names, frame_of, of_steps, period, warnings_of
from .visits import EVER, VIEWS

ENGAGED: Final = ("properties.engaged_ms", "properties.engagement_time_msec")
TENTHS: Final = range(10, 101, 10)
_MILLISECONDS: Final = 1_000


class ScrollQuestion(PageQuestion, frozen=True, kw_only=True):
    """How far and how long pages are read."""

    depth: Annotated[
        str, Meta(description="The number that tells how far, in percent.", max_length=300)
    ] = "properties.scroll_depth"
    engaged: Annotated[
        tuple[str, ...],
        Meta(description="The numbers that tell how long, in milliseconds.", max_length=5),
    ] = ENGAGED


class ScrollPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people of the views that reached so far; of all views if it is left out."""

    percent: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None,
        Meta(description="How far they came at least, in percent; 0 is all whose depth is known."),
    ] = None


class Reached(Struct, frozen=True):
    """The views that came at least so far, of those whose depth is known, and by how many people."""

    percent: int
    views: Rate
    people: int


class ReadPage(Struct, frozen=True):
    """How one page is read; ``known`` are the views whose depth is known."""

    path: str
    views: int
    people: int
    known: int
    mean_percent: Number | None
    half: Rate
    mean_seconds: Number | None
    median_seconds: Number | None


class ScrollData(Struct, frozen=True):
    """The answer of a scroll question; what is null is of nothing."""

    range: Period
    timezone: str
    bots: Bots
    page: str | None
    views: int
    people: int
    known: int
    mean_percent: Number | None
    engaged_views: int
    mean_seconds: Number | None
    median_seconds: Number | None
    curve: list[Reached]
    pages: list[ReadPage]
    warnings: list[str]


def to_sql(question: ScrollQuestion, scope: Scope) -> tuple[Sql]:
    """Return one statement of (what, value, numbers …) for the whole, the tenths and the pages."""
    return (
        Tables((*_views(question, scope).named, ("reader", _readers()))).then(
            sql(
                """SELECT 'whole' AS what, NULL AS value, {numbers}, NULL AS sums
FROM view
UNION ALL
SELECT 'page', path, {numbers}, NULL
FROM view
GROUP BY path
QUALIFY row_number() OVER (ORDER BY count(*) DESC, path) <= {top}
UNION ALL
SELECT 'people', CAST(tenth AS VARCHAR), count(*), 0, 0, NULL, 0, 0, NULL, NULL, NULL
FROM (
SELECT CAST(floor(max(depth) / 10) AS INTEGER) AS tenth
FROM view
WHERE depth IS NOT NULL AND person IS NOT NULL
GROUP BY person
)
GROUP BY tenth
UNION ALL
SELECT 'half', path, 0, 0, 0, NULL, 0, 0, NULL, NULL, {half}
FROM (
SELECT path, person, count(*) AS views, count(depth) AS trials,
  count(*) FILTER (WHERE depth >= 50) AS reached
FROM view
GROUP BY path, person
)
GROUP BY path
QUALIFY row_number() OVER (ORDER BY sum(views) DESC, path) <= {top}
{curve}""",
                half=clusters.sums("reached"),
                curve=join("\n", map(_reached, TENTHS)),
                numbers=_NUMBERS,
                top=question.top,
            )
        ),
    )


def _readers() -> Sql:
    """Return of each person how many views are known, and how many came as far as each tenth."""
    reached = join(
        ",\n  ",
        (
            sql("count(*) FILTER (WHERE depth >= {n}) AS {name}", n=n, name=ident(f"reached_{n}"))
            for n in TENTHS
        ),
    )
    return sql(
        "SELECT person, count(*) AS trials,\n  {reached}\n"
        "FROM view\nWHERE depth IS NOT NULL\nGROUP BY person",
        reached=reached,
    )


def _reached(percent: int) -> Sql:
    return sql(
        "UNION ALL\nSELECT 'curve', {percent}, 0, 0, 0, NULL, 0, 0, NULL, NULL, {sums} FROM reader",
        percent=str(percent),
        sums=clusters.sums(f"reached_{percent}"),
    )


# A trillionth above the half is the next rank only if the half of the number is whole, so the sum is
# twice the median.
_NUMBERS: Final = Sql(
    "count(*) AS views, count(DISTINCT person) AS people, count(depth) AS known,\n"
    "  sum(depth) AS depth, count(*) FILTER (WHERE depth >= 50) AS half,\n"
    "  count(engaged) AS timed, sum(engaged) AS engaged,\n"
    "  list_sum(quantile_disc(engaged, [0.5, 0.500000000001])) AS twice"
)


def shape(question: ScrollQuestion, scope: Scope, results: Sequence[Rows]) -> ScrollData:
    """Return the numbers of all views, the curve, and each page."""
    rows = results[0].rows
    (whole,) = [row[2:] for row in rows if row[0] == "whole"]
    views, people, known, depth, _, timed, engaged, twice, _ = whole
    halves = {row[1]: row[10] for row in rows if row[0] == "half"}
    frame = frame_of(question, scope)
    return ScrollData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        page=question.page,
        views=views,
        people=people,
        known=known,
        mean_percent=ratio(exact(depth), known),
        engaged_views=timed,
        mean_seconds=_seconds(engaged, timed),
        median_seconds=_seconds(twice, 2),
        curve=_curve(rows),
        pages=[
            _page(row[1:], rate_by_people(clusters.told(halves[row[1]])))
            for row in sorted(rows, key=_order)
            if row[0] == "page"
        ],
        warnings=warnings_of(
            None,
            [*field_names([question.filter]), question.depth],
            scope,
            measured=[question.depth],
        ),
    )


def members(question: ScrollQuestion, place: ScrollPlace, scope: Scope) -> Members:
    """Return the people of the views that came so far."""
    reached = Sql("true")
    if place.percent is not None:
        reached = sql("depth >= {percent}", percent=place.percent)
    statement = _views(question, scope).then(
        sql(
            "SELECT DISTINCT person AS key\nFROM view\nWHERE person IS NOT NULL AND {reached}",
            reached=reached,
        )
    )
    return Members((Columnar(statement),), lambda results: results[0]["key"])


def table(data: ScrollData) -> Table:
    """Return one row a tenth for one page, else one row a page."""
    if data.page is not None:
        return Table(
            ("percent", "views", "share", "people"),
            [(one.percent, one.views.count, one.views.value, one.people) for one in data.curve],
        )
    columns = (
        "page", "views", "people", "mean percent", "reached half", "mean seconds", "median seconds",
    )  # fmt: skip
    return Table(
        columns,
        [
            (
                one.path,
                one.views,
                one.people,
                one.mean_percent,
                one.half.value,
                one.mean_seconds,
                one.median_seconds,
            )
            for one in data.pages
        ],
    )


def _views(question: ScrollQuestion, scope: Scope) -> Tables:
    """Return the table ``view``: a row for each view, with how far and how long it was read if known."""
    frame = frame_of(question, scope)
    depth = _number(question.depth, scope, "depth")
    engaged = [_number(name, scope, "engaged") for name in question.engaged]
    told = [one for one in engaged if one.number is not None]
    is_view, parts = _is_view(question, frame)
    source = of_steps(
        (Step(),),
        # What a view tells of itself comes after it, also after the end of the range.
        Frame(scope, frame.zone, Span(frame.span.since, EVER.until)),
        wanted=None,
        include_bots=question.include_bots,
        also=[*unit_fields(scope), depth, *engaged, *parts],
    )
    event = sql(
        """SELECT *
FROM (
SELECT {unit},
  e.seq, {person} AS person, {is_view} AS is_view, {depth} AS depth, {engaged} AS engaged
{source}
  AND {on_page}
)
WHERE is_view OR depth BETWEEN 0 AND 100 OR engaged > 0""",
        unit=unit(scope),
        person=fields.person(scope),
        is_view=is_view,
        depth=depth.number or Sql("CAST(NULL AS DECIMAL(38,9))"),
        engaged=_sum(told),
        source=source,
        on_page=on_page(question.page),
    )
    view = sql(
        "SELECT path, {person} AS person, max(depth) FILTER (WHERE depth BETWEEN 0 AND 100) AS depth,\n"
        "  sum(engaged) FILTER (WHERE engaged > 0) AS engaged\n"
        "FROM (\n{event}\n)\nGROUP BY {unit}\nHAVING bool_or(is_view)",
        person=first_person(["is_view"]),
        event=event,
        unit=Sql(", ".join(unit_names(scope))),
    )
    return Tables((("view", view),))


def _is_view(question: ScrollQuestion, frame: Frame) -> tuple[Sql, list[Field]]:
    """Return whether an event is a view that the question means, and the fields that it needs."""
    scope = frame.scope
    parts = [
        sql("e.kind IN {views}", views=VIEWS),
        sql("e.time_us < {until}", until=frame.span.until),
    ]
    if question.filter is not None:
        parts.append(filters.condition(question.filter, scope, frame.zone))
    needed = [field(name, scope) for name in field_names([question.filter])]
    return Sql("coalesce(") + join(" AND ", parts) + Sql(", false)"), needed


def _number(name: str, scope: Scope, path: str) -> Field:
    found = field(name, scope, path=path)
    if found.number is None and not found.is_property:
        raise InvalidQuery(f"{name} is not a number.", path=path)
    return found


def _sum(numbers: Sequence[Field]) -> Sql:
    if not numbers:
        return Sql("CAST(NULL AS DECIMAL(38,9))")
    known = [one.number for one in numbers if one.number is not None]
    total = join(" + ", (sql("coalesce({it}, 0)", it=it) for it in known))
    return sql(
        "CASE WHEN coalesce({any}) IS NOT NULL THEN {total} END", any=join(", ", known), total=total
    )


def _curve(rows: Sequence[tuple[Any, ...]]) -> list[Reached]:
    """Return how many came at least as far as each tenth."""
    views = {int(row[1]): clusters.told(row[10]) for row in rows if row[0] == "curve"}
    people = {int(row[1]): int(row[2]) for row in rows if row[0] == "people"}
    return [
        Reached(
            percent,
            rate_by_people(views[percent]),
            sum(n for tenth, n in people.items() if tenth * 10 >= percent),
        )
        for percent in TENTHS
    ]


def _page(row: Sequence[Any], half: Rate) -> ReadPage:
    path, views, people, known, depth, _, timed, engaged, twice, _ = row
    return ReadPage(
        path=path,
        views=views,
        people=people,
        known=known,
        mean_percent=ratio(exact(depth), known),
        half=half,
        mean_seconds=_seconds(engaged, timed),
        median_seconds=_seconds(twice, 2),
    )


def _seconds(milliseconds: Any, count: int) -> Number | None:
    return None if milliseconds is None else ratio(milliseconds, count * _MILLISECONDS)


def _order(row: tuple[Any, ...]) -> tuple[int, str]:
    return -int(row[2]), str(row[1])


scroll = Insight(
    name="scroll",
    summary="How far pages are scrolled and how long they are read.",
    question=ScrollQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=ScrollData,
    view="table",
    rules=RULES,
    place=ScrollPlace,
    members=members,
    example={"page": "/pricing", "range": "30d"},
)
