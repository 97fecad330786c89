"""The statements of web: visits put together once, then counted by each table."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.core.sql import Sql, ident, join, sql

from . import clusters, ephemeral, visits
from .fields import Field, field
from .filters import And, Filter, In
from .insight import Fleeting, Scope
from .selection import Frame, Question, Step, of_steps
from .visits import VIEWS, Bounce, End, Wanted

TableName: TypeAlias = Literal[
    "channels", "referrers", "utm_sources", "utm_mediums", "utm_campaigns", "utm_terms",
    "utm_contents", "entry_pages", "exit_pages", "pages", "countries", "regions", "cities", "devices",
    "browsers", "operating_systems", "languages", "hosts", "goals",
]  # fmt: skip
# The tables in which each visit is once, by the field of its entry or exit.
BY_END: Final[Mapping[TableName, tuple[End, str]]] = {
    "channels": ("entry", "channel"),
    "referrers": ("entry", "referrer_host"),
    "utm_sources": ("entry", "utm_source"),
    "utm_mediums": ("entry", "utm_medium"),
    "utm_campaigns": ("entry", "utm_campaign"),
    "utm_terms": ("entry", "utm_term"),
    "utm_contents": ("entry", "utm_content"),
    "entry_pages": ("entry", "path"),
    "exit_pages": ("exit", "path"),
    "countries": ("entry", "country"),
    "regions": ("entry", "region"),
    "cities": ("entry", "city"),
    "devices": ("entry", "device_type"),
    "browsers": ("entry", "browser"),
    "operating_systems": ("entry", "os"),
    "languages": ("entry", "locale"),
    "hosts": ("entry", "host"),
}
# Properties that tell engaged time in milliseconds, and how far a page was scrolled in percent.
ENGAGED: Final = ("properties.engaged_ms", "properties.engagement_time_msec")
SCROLL: Final = "properties.scroll_depth"
# What a row counts of visitors, from one row for each of them; and all of its numbers but the visits.
_PEOPLE: Final = sql(
    "count(person) AS visitors, coalesce(sum(bounces), 0) AS bounces, {bounced} AS bounced",
    bounced=clusters.sums("bounces"),
)
_NUMBERS: Final = Sql("visitors, views, bounces, length, engaged, engaged_visits, bounced")


class Plan(Struct, frozen=True):
    """A web question with everything about time and rules resolved."""

    question: Question
    frame: Frame
    filters: tuple[Filter, ...]
    entry: Filter | None
    exit: Filter | None
    tables: tuple[TableName, ...]
    goals: tuple[Step, ...]
    bounce: Bounce


def headline(plan: Plan) -> Sql:
    """Return one row of (visits, visitors, views, bounces, length, engaged, engaged visits, bounced)."""
    return sql(
        "WITH visit AS MATERIALIZED (\n{visits}\n)\n{numbers}",
        visits=visits.visits(plan.frame, _wanted(plan, {})),
        numbers=_headline(plan),
    )


def everything(plan: Plan, top: int) -> Sql:
    """Return (what, value, visits, visitors, views, bounces, length, engaged, n, bounced, scroll, n).

    Each n is how many visits carry what is before it, bounced the sums over visitors. What is ``all`` or the name of a table. Of pages, bounces are the entries and length the exits;
    of goals, value is the number of the goal and views its events.
    """
    parts = [
        sql(
            "SELECT 'all' AS what, NULL AS value, number.*, NULL AS scroll, 0 AS scrolls FROM ({it}) AS number",
            it=_headline(plan),
        )
    ]
    parts += [_by_end(plan, name, top) for name in plan.tables if name in BY_END]
    if "pages" in plan.tables:
        parts.append(sql("SELECT * FROM page"))
    parts += [_goal(number) for number in range(len(plan.goals)) if "goals" in plan.tables]
    ends: dict[str, tuple[End, str]] = {
        name: BY_END[name] for name in plan.tables if name in BY_END
    }
    if "pages" in plan.tables:
        ends |= {"first_page": ("entry", "path"), "last_page": ("exit", "path")}
    return sql(
        "WITH visit AS MATERIALIZED (\n{visits}\n){pages}\n{parts}",
        visits=visits.visits(plan.frame, _wanted(plan, ends)),
        pages=_pages(plan, top) if "pages" in plan.tables else Sql(""),
        parts=join("\nUNION ALL\n", parts),
    )


def keys(plan: Plan, unit: Literal["person", "session"]) -> Sql:
    """Return the keys of all visitors, or of all visits."""
    return visits.keys(visits.visits(plan.frame, _wanted(plan, {})), unit)


def fleeting(plan: Plan) -> Fleeting | None:
    """Return whether a visitor of more than a day counts once a day."""
    if not ephemeral.is_longer(plan.frame.span, plan.frame):
        return None
    # Of several filters each may be satisfied by another event of the visit.
    is_sure = len(plan.filters) <= 1 and plan.entry is None and plan.exit is None
    first = plan.filters[0] if plan.filters else None
    return ephemeral.among(
        msgspec.structs.replace(plan.question, filter=first),
        plan.frame,
        warning=ephemeral.DAILY if is_sure else ephemeral.PERHAPS,
    )


def as_filter(step: Step) -> Filter:
    """Return the filter that events of a step satisfy."""
    parts: list[Filter] = [] if step.filter is None else [step.filter]
    if step.event is not None:
        named = [step.event] if isinstance(step.event, str) else step.event
        parts.append(In("event", list(named)))
    return And(parts)


def both(one: Filter | None, other: Filter) -> Filter:
    """Return the filter that holds if both do."""
    return other if one is None else And([one, other])


def _wanted(plan: Plan, ends: Mapping[str, tuple[End, str]]) -> Wanted:
    scope = plan.frame.scope
    return Wanted(
        include_bots=plan.question.include_bots,
        filters=plan.filters,
        entry=plan.entry,
        exit=plan.exit,
        ends={name: (end, field(column, scope)) for name, (end, column) in ends.items()},
        steps=plan.goals,
        sums={f"engaged{number}": one for number, one in enumerate(_engaged(scope))},
    )


def _engaged(scope: Scope) -> list[Field]:
    """Return the properties of engaged time that any event carries as a number."""
    found = [field(name, scope) for name in ENGAGED]
    return [one for one in found if one.number is not None]


def _engaged_sum(scope: Scope, table: Literal["visit", "seen"]) -> Sql:
    """Return the engaged milliseconds of a visit or page, NULL where nothing carries any."""
    names = [f"{table}.engaged{number}" for number in range(len(_engaged(scope)))]
    if not names:
        return Sql("CAST(NULL AS DECIMAL(38,9))")
    total = " + ".join(f"coalesce({name}, 0)" for name in names)
    return Sql(f"CASE WHEN coalesce({', '.join(names)}) IS NOT NULL THEN {total} END")


def _headline(plan: Plan) -> Sql:
    return sql(
        "SELECT visits, {numbers}\nFROM (SELECT {sums}\nFROM visit) AS number,\n"
        "  (SELECT {people}\nFROM ({by}\nGROUP BY person)) AS of_person",
        numbers=_NUMBERS,
        sums=_sums(plan),
        people=_PEOPLE,
        by=_by_person(plan, Sql("person")),
    )


def _sums(plan: Plan) -> Sql:
    engaged = _engaged_sum(plan.frame.scope, "visit")
    return sql(
        "count(*) AS visits, coalesce(sum(views), 0) AS views,"
        " coalesce(sum(end_us - start_us), 0) AS length,\n"
        "  sum({engaged}) AS engaged, count({engaged}) AS engaged_visits",
        engaged=engaged,
    )


def _by_person(plan: Plan, columns: Sql) -> Sql:
    """Return the visits and bounces of each visitor, and no more: there may be millions of them."""
    return sql(
        "SELECT {columns}, count(*) AS trials, count(*) FILTER (WHERE {bounce}) AS bounces\nFROM visit",
        columns=columns,
        bounce=visits.is_bounce(plan.bounce, len(plan.goals)),
    )


def _by_end(plan: Plan, name: str, top: int) -> Sql:
    return sql(
        """SELECT * FROM (
SELECT {what} AS what, number.value, visits, {numbers}, NULL, 0
FROM (
SELECT {column} AS value, {sums}
FROM visit
GROUP BY {column}
) AS number JOIN (
SELECT value, {people}
FROM ({by}
GROUP BY {column}, person)
GROUP BY value
) AS of_person ON of_person.value IS NOT DISTINCT FROM number.value
ORDER BY visitors DESC, visits DESC, number.value NULLS LAST
LIMIT {top}
)""",
        what=name,
        numbers=_NUMBERS,
        column=ident(name),
        sums=_sums(plan),
        people=_PEOPLE,
        by=_by_person(plan, sql("{column} AS value, person", column=ident(name))),
        top=top,
    )


def _goal(number: int) -> Sql:
    goal = ident(f"s{number}")
    return sql(
        "SELECT 'goals', {number}, count(*), count(DISTINCT person), coalesce(sum({goal}), 0), 0, 0,"
        " NULL, 0, NULL, NULL, 0\nFROM visit\nWHERE {goal} > 0",
        number=str(number),
        goal=goal,
    )


def _pages(plan: Plan, top: int) -> Sql:
    scope = plan.frame.scope
    engaged, scroll = _engaged(scope), field(SCROLL, scope)
    source = of_steps(
        [Step()],
        msgspec.structs.replace(plan.frame, span=visits.EVER),
        wanted=None,
        include_bots=plan.question.include_bots,
        also=[*engaged, scroll],
    )
    measured = [
        sql(", sum({it}) AS {name}", it=one.number or Sql("NULL"), name=ident(f"engaged{number}"))
        for number, one in enumerate(engaged)
    ]
    total = _engaged_sum(scope, "seen")
    return sql(
        """, seen AS (
SELECT e.session_key AS visit, e.path, count(*) FILTER (WHERE e.kind IN {views}) AS views,
  max({scroll}) AS scroll{measured}
{source}
  AND e.path IS NOT NULL AND e.session_key IN (SELECT known.visit FROM visit AS known)
GROUP BY e.session_key, e.path
), begun AS (
SELECT first_page AS path, count(*) AS entries FROM visit WHERE views > 0 GROUP BY first_page
), ended AS (
SELECT last_page AS path, count(*) AS exits FROM visit WHERE views > 0 GROUP BY last_page
), viewed AS (
SELECT path, count(*) AS visits, count(DISTINCT person) AS visitors, sum(seen.views) AS views,
  sum({total}) AS engaged, count({total}) AS engaged_visits, sum(scroll) AS scroll, count(scroll) AS scrolls
FROM seen JOIN visit AS known ON known.visit = seen.visit
WHERE seen.views > 0
GROUP BY path
), page AS (
SELECT 'pages' AS what, path AS value, visits, visitors, views, coalesce(entries, 0) AS entries,
  coalesce(exits, 0) AS exits, engaged, engaged_visits, NULL, scroll, scrolls
FROM viewed LEFT JOIN begun USING (path) LEFT JOIN ended USING (path)
ORDER BY visitors DESC, visits DESC, path
LIMIT {top}
)""",
        views=VIEWS,
        scroll=scroll.number or Sql("CAST(NULL AS DECIMAL(38,9))"),
        measured=join("", measured),
        source=source,
        total=total,
        top=top,
    )
