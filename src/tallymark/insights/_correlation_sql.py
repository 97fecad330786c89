"""How many of those who converted, and of those who did not, have each thing that may matter."""

from typing import Final

from tallymark.core.sql import Sql, ident, join, sql

from . import fields, filters
from ._funnel_question import FunnelQuestion, Rules, steps_of
from .fields import Field, field
from .insight import Scope
from .selection import Frame, matches, step_fields
from .units import key_of

# The table of the tries: unit, seq of the event it began with, begin_us, end_us, is_converted and
# is_complete. Only of those whose window is over is it known whether they convert.
TRIED: Final = "tried"
_COMPLETE: Final = Sql("(SELECT * FROM tried WHERE is_complete)")
MOST_VALUES: Final = 50
MOST_EVENTS: Final = 200
NEW: Final = "is new"
FACTS: Final = (NEW, "has a user id", "has an account")


def totals() -> Sql:
    """Return how many converted, how many did not, and of how many it is not known yet."""
    return sql(
        "SELECT count(*) FILTER (is_complete AND is_converted),"
        " count(*) FILTER (is_complete AND NOT is_converted), count(*) FILTER (NOT is_complete)\n"
        "FROM {tried}",
        tried=ident(TRIED),
    )


def by_property(names: list[str], scope: Scope) -> Sql:
    """Return (place of the field, value as text, converted, dropped) by the event each began with."""
    found = [field(name, scope, path="properties") for name in names]
    columns = [
        sql("CAST({value} AS VARCHAR) AS {name}", value=fields.breakdown(one)[0], name=_name(place))
        for place, one in enumerate(found)
    ]
    counts = [
        sql(
            "(SELECT {place} AS place, {name} AS value, count(*) FILTER (is_converted) AS converted,"
            " count(*) FILTER (NOT is_converted) AS dropped\nFROM entry\nWHERE {name} IS NOT NULL\n"
            "GROUP BY {name}\nORDER BY converted + dropped DESC, value\nLIMIT {most})",
            place=place,
            name=_name(place),
            most=MOST_VALUES,
        )
        for place in range(len(found))
    ]
    return sql(
        "WITH entry AS MATERIALIZED (\nSELECT {columns}\n{source}\n)\n{counts}",
        columns=join(", ", [Sql("tried.is_converted"), *columns]),
        source=_entries(found, scope),
        counts=join("\nUNION ALL\n", counts),
    )


def by_event(question: FunnelQuestion, rules: Rules, frame: Frame) -> Sql:
    """Return (event, converted, dropped) of what they did between their first and last step."""
    return sql(
        "SELECT name, count(*) FILTER (is_converted) AS converted,"
        " count(*) FILTER (NOT is_converted) AS dropped\n"
        "FROM (\nSELECT DISTINCT tried.unit, tried.is_converted, e.event_key\n{source}\n) AS done"
        " JOIN event_name USING (event_key)\nGROUP BY name\n"
        "ORDER BY converted + dropped DESC, name\nLIMIT {most}",
        source=done(question, rules, frame),
        most=MOST_EVENTS,
    )


def by_fact(rules: Rules, scope: Scope) -> Sql:
    """Return (converted, dropped) of each fact, in the order of the facts."""
    user, account = field("user_id", scope), field("account", scope)
    return sql(
        """WITH entry AS MATERIALIZED (
SELECT tried.unit, tried.is_converted, tried.begin_us,
  {has_user} AS has_user, {has_account} AS has_account
{source}
), earlier AS (
{earlier}
)
SELECT is_converted,
  count(*) FILTER (first_us IS NULL) AS is_new,
  count(*) FILTER (has_user) AS has_user,
  count(*) FILTER (has_account) AS has_account
FROM entry LEFT JOIN earlier USING (unit)
GROUP BY is_converted""",
        has_user=filters.exists(user),
        has_account=filters.exists(account),
        source=_entries([user, account], scope),
        earlier=earlier(rules, scope),
    )


def having(kind: str, has: Sql, *, rules: Rules, scope: Scope, needed: list[Field]) -> Sql:
    """Return whether ``tried`` has something: of the event it began with, or of what came before."""
    if kind == "fact":
        return sql(
            "tried.unit NOT IN (SELECT unit FROM (\n{earlier}\n) AS earlier)",
            earlier=earlier(rules, scope),
        )
    return sql(
        "tried.seq IN (\nSELECT e.seq\n{source}\nWHERE {has}\n)",
        source=_entries(needed, scope),
        has=has,
    )


def done(question: FunnelQuestion, rules: Rules, frame: Frame) -> Sql:
    """Return FROM and WHERE of the events ``e`` between the first and last step, but the steps."""
    scope = frame.scope
    unit, also = key_of(rules.by, scope)
    steps = steps_of(question)
    is_step = join(" OR ", [matches(step, frame) for step in steps])
    wanted = (
        [] if question.filter is None else [filters.condition(question.filter, scope, frame.zone)]
    )
    used = [field(name, scope) for name in filters.names(question.filter)]
    return sql(
        "FROM {events}{joins}\nJOIN {tried} AS tried ON tried.unit = {unit}\nWHERE {conditions}",
        events=fields.events(scope),
        joins=fields.joins([*also, *used, *step_fields(steps, scope)], scope),
        tried=_COMPLETE,
        unit=unit,
        conditions=join(
            "\n  AND ",
            [
                sql("e.seq < {end}", end=fields.end_of_log(scope)),
                # Constants let the engine skip what no try can reach.
                sql("e.time_us >= {since}", since=rules.since),
                sql("e.time_us <= {until}", until=rules.until + rules.horizon),
                Sql("e.time_us > tried.begin_us"),
                Sql("e.time_us < tried.end_us"),
                *([] if question.include_bots else [Sql("e.is_bot IS DISTINCT FROM true")]),
                sql("({it}) IS NOT TRUE", it=is_step),
                *wanted,
            ],
        ),
    )


def earlier(rules: Rules, scope: Scope) -> Sql:
    """Return unit and first_us of those who did anything before their try began."""
    unit, also = key_of(rules.by, scope)
    return sql(
        "SELECT tried.unit, min(e.time_us) AS first_us\n"
        "FROM {events}{joins}\nJOIN {tried} AS tried ON tried.unit = {unit}\n"
        "WHERE e.seq < {end} AND e.time_us < {until} AND e.time_us < tried.begin_us\n"
        "GROUP BY tried.unit",
        events=fields.events(scope),
        joins=fields.joins(also, scope),
        tried=_COMPLETE,
        unit=unit,
        end=fields.end_of_log(scope),
        until=rules.until,
    )


def _entries(needed: list[Field], scope: Scope) -> Sql:
    return sql(
        "FROM {events}{joins}\nJOIN {tried} AS tried ON tried.seq = e.seq",
        events=fields.events(scope),
        joins=fields.joins(needed, scope),
        tried=_COMPLETE,
    )


def _name(place: int) -> Sql:
    return ident(f"f{place}")
