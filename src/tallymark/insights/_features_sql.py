"""The statements of features: what each person and each account used, counted by feature."""

import msgspec
from msgspec import Struct

from tallymark.core.sql import Sql, join, sql

from . import fields, filters
from .fields import Field, breakdown, field
from .filters import Scalar
from .ranges import Span
from .selection import Frame, Question, Step, field_names, matches, of_steps

# No stored instant is earlier.
_EVER = -(2**62)


class Plan(Struct, frozen=True):
    """A question with its steps and its field; without steps, the values of the field are meant."""

    question: Question
    frame: Frame
    steps: tuple[Step, ...]
    by: Field


def features(plan: Plan, top: int) -> Sql:
    """Return (kind, feature, people, uses, known uses, new people, last, twice the median wait).

    The median is between the two middle waits, of an odd number twice the same: a trillionth above
    the half is the next rank only if the half of the number is whole. Of kind ``breadth`` uses is the number of features, of ``active`` only people is given. At least
    the top features are given, by people and uses; more of them if they tie.
    """
    return sql(
        """WITH used AS MATERIALIZED (
{used}
), seen AS (
{seen}
), total AS (
SELECT feature, count(person) FILTER (uses > 0) AS people, sum(uses) AS uses,
  coalesce(sum(uses) FILTER (person IS NOT NULL), 0) AS known_uses,
  count(person) FILTER (first_us >= {since}) AS new_people, max(last_us) AS last_us
FROM used
GROUP BY feature
HAVING sum(uses) > 0
), shown AS MATERIALIZED (
SELECT *
FROM total
QUALIFY rank() OVER (ORDER BY people DESC, uses DESC) <= {top}
), wait AS (
SELECT feature,
  list_sum(quantile_disc(first_us - seen_us, [0.5, 0.500000000001])) AS twice
FROM used JOIN seen USING (person)
WHERE first_us >= {since}
GROUP BY feature
)
SELECT 'feature' AS kind, feature, people, uses, known_uses, new_people, last_us, twice
FROM shown LEFT JOIN wait USING (feature)
UNION ALL
SELECT 'breadth', NULL, count(*), features, 0, 0, 0, NULL
FROM (
SELECT person, count(*) AS features FROM used WHERE uses > 0 AND person IS NOT NULL GROUP BY person
)
GROUP BY features
UNION ALL
SELECT 'active', NULL, count(*), 0, 0, 0, 0, NULL FROM seen WHERE is_active""",
        used=_used(plan),
        seen=_seen(plan),
        since=plan.frame.span.since,
        top=top,
    )


def accounts(plan: Plan, most: int) -> Sql:
    """Return (kind, feature, n, account, first, last): of kind ``count`` n is the accounts of a feature.

    Those of no feature are all active ones. Of kind ``list`` n is the uses of one account, for the
    accounts with most.
    """
    scope = plan.frame.scope
    source = _events(plan, plan.frame.span, also=[field("account", scope)] if most else [])
    if not most and not plan.steps:
        return sql(
            "SELECT 'count' AS kind, feature, count(DISTINCT account_key) AS n, NULL, NULL, NULL\n"
            "FROM (SELECT {feature} AS feature, e.account_key\n{source}\n"
            "  AND e.account_key IS NOT NULL)\n"
            "GROUP BY GROUPING SETS ((feature), ())\n"
            "HAVING feature IS NOT NULL OR grouping(feature) = 1",
            feature=_feature(plan),
            source=source,
        )
    return sql(
        """WITH used AS MATERIALIZED (
SELECT feature, account_key, count(*) AS uses, min(time_us) AS first_us, max(time_us) AS last_us
FROM (
SELECT {feature} AS feature, e.account_key, e.time_us
{source}
  AND e.account_key IS NOT NULL
)
WHERE feature IS NOT NULL
GROUP BY ALL
), listed AS (
SELECT feature, uses, account.id, first_us, last_us
FROM used JOIN account USING (account_key)
QUALIFY row_number() OVER (PARTITION BY feature ORDER BY uses DESC, account.id) <= {most}
)
SELECT 'count' AS kind, feature, count(*) AS n, NULL AS account, NULL AS first_us, NULL AS last_us
FROM used
GROUP BY feature
UNION ALL
SELECT 'count', NULL, count(DISTINCT e.account_key), NULL, NULL, NULL
{active}
UNION ALL
SELECT 'list', feature, uses, id, first_us, last_us FROM listed""",
        feature=_feature(plan),
        source=source,
        most=most,
        active=_all(plan, plan.frame.span),
    )


def people_of(plan: Plan, feature: Scalar, number: int | None, *, is_new: bool) -> Sql:
    """Return the keys of who used a feature; ``number`` is its place among the steps."""
    if number is None:
        mine = filters.equal(plan.by, feature)
    else:
        mine = matches(plan.steps[number], plan.frame)
    person = fields.person(plan.frame.scope)
    return sql(
        "SELECT {person} AS key\n{source}\n  AND {mine} AND {person} IS NOT NULL\nGROUP BY ALL\n"
        "HAVING max(e.time_us) >= {since} AND (min(e.time_us) >= {since} OR NOT {new})",
        person=person,
        source=_events(plan, Span(_EVER, plan.frame.span.until)),
        mine=mine,
        since=plan.frame.span.since,
        new=is_new,
    )


def accounts_of(plan: Plan, feature: Scalar, number: int | None) -> Sql:
    """Return the keys of the accounts that used a feature in the range; see ``people_of``."""
    if number is None:
        mine = filters.equal(plan.by, feature)
    else:
        mine = matches(plan.steps[number], plan.frame)
    return sql(
        "SELECT DISTINCT e.account_key AS key\n{source}\n  AND {mine} AND e.account_key IS NOT NULL",
        source=_events(plan, plan.frame.span),
        mine=mine,
    )


def active_accounts(plan: Plan) -> Sql:
    """Return the keys of all active accounts."""
    return sql(
        "SELECT DISTINCT e.account_key AS key\n{source}\n  AND e.account_key IS NOT NULL",
        source=_all(plan, plan.frame.span),
    )


def people_with(plan: Plan, breadth: int) -> Sql:
    """Return the keys of the active people who used so many features."""
    return sql(
        "WITH used AS (\n{used}\n), seen AS (\n{seen}\n)\n"
        "SELECT seen.person AS key\nFROM seen LEFT JOIN used"
        " ON used.person = seen.person AND used.uses > 0\nWHERE is_active\nGROUP BY seen.person\n"
        "HAVING count(used.feature) = {breadth}",
        used=_used(plan),
        seen=_seen(plan),
        breadth=breadth,
    )


def active_people(plan: Plan) -> Sql:
    """Return the keys of all active people."""
    return sql("SELECT person AS key FROM (\n{seen}\n) WHERE is_active", seen=_seen(plan))


def _used(plan: Plan) -> Sql:
    return sql(
        """SELECT feature, person, count(*) FILTER (time_us >= {since}) AS uses,
  min(time_us) AS first_us, max(time_us) AS last_us
FROM (
SELECT {feature} AS feature, {person} AS person, e.time_us
{source}
)
WHERE feature IS NOT NULL
GROUP BY ALL""",
        since=plan.frame.span.since,
        feature=_feature(plan),
        person=fields.person(plan.frame.scope),
        source=_events(plan, Span(_EVER, plan.frame.span.until)),
    )


def _seen(plan: Plan) -> Sql:
    """Return when each person was first seen at all, and whether in the range as the filter says."""
    question, frame = plan.question, plan.frame
    wanted = question.filter
    holds = Sql("true") if wanted is None else filters.condition(wanted, frame.scope, frame.zone)
    person = fields.person(frame.scope)
    return sql(
        "SELECT {person} AS person, min(e.time_us) AS seen_us,\n"
        "  count(*) FILTER (e.time_us >= {since} AND {holds}) > 0 AS is_active\n"
        "{source}\n  AND {person} IS NOT NULL\nGROUP BY ALL",
        person=person,
        since=frame.span.since,
        holds=holds,
        source=_all(plan, Span(_EVER, frame.span.until), is_filtered=False),
    )


def _feature(plan: Plan) -> Sql:
    if not plan.steps:
        return breakdown(plan.by)[0]
    numbered = [
        sql("CASE WHEN {it} THEN {number} END", it=matches(step, plan.frame), number=number)
        for number, step in enumerate(plan.steps)
    ]
    return sql("unnest([{numbered}])", numbered=join(", ", numbered))


def _events(plan: Plan, span: Span, *, also: list[Field] | None = None) -> Sql:
    """Return the events of a span that are of any feature."""
    scope = plan.frame.scope
    by = [plan.by] if not plan.steps else []
    return of_steps(
        plan.steps or (Step(),),
        msgspec.structs.replace(plan.frame, span=span),
        wanted=plan.question.filter,
        include_bots=plan.question.include_bots,
        also=[*by, field("person", scope), *(also or [])],
    )


def _all(plan: Plan, span: Span, *, is_filtered: bool = True) -> Sql:
    """Return the events of a span, whatever they are."""
    scope, wanted = plan.frame.scope, plan.question.filter
    used = [field(name, scope) for name in field_names([wanted])]
    return of_steps(
        (Step(),),
        msgspec.structs.replace(plan.frame, span=span),
        wanted=wanted if is_filtered else None,
        include_bots=plan.question.include_bots,
        also=[*used, field("person", scope)],
    )
