"""Which features people use: how many of them, how much, how many features each, since when."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import MICROSECONDS, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql
from tallymark.store.engine import Rows

from . import _features_sql as statements
from . import ephemeral
from ._features_rules import RULES
from ._features_sql import Plan
from .fields import breakdown, field
from .filters import Scalar
from .group_values import value_of
from .insight import Fleeting, Insight, Members, Scope, Statement, Table
from .lines import Value
from .numbers import Number, ratio
from .rates import Rate, rate
from .selection import (
    Period,
    Question,
    Step,
    StepOrName,
    field_names,
    frame_of,
    label_of,
    period,
    step_of,
    warnings_of,
)
from .units import listed


class FeaturesQuestion(Question, frozen=True, kw_only=True):
    """How features are used."""

    by: Annotated[
        str, Meta(description="The field each of whose values is a feature.", max_length=300)
    ] = "event"
    features: Annotated[
        tuple[StepOrName, ...],
        Meta(description="The features, if they are no values of a field.", max_length=50),
    ] = ()
    top: Annotated[int, Meta(description="How many features are shown.", ge=1, le=200)] = 20
    accounts: Annotated[
        int, Meta(description="How many accounts are listed of each feature.", ge=0, le=200)
    ] = 0


class FeaturesPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """The people or accounts of a feature, people of a number of features, or all active ones."""

    feature: Annotated[Scalar | None, Meta(description="The feature as the answer names it.")] = (
        None
    )
    new: Annotated[bool, Meta(description="Only those who used it for the first time.")] = False
    breadth: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="How many features they used.")
    ] = None


class Feature(Struct, frozen=True):
    """How one feature is used in the range."""

    feature: Value
    uses: int
    people: int
    adoption: Rate
    uses_per_person: Number | None
    accounts: int
    account_adoption: Rate
    new_people: int
    median_seconds_to_first_use: Number | None
    last_time: str


class Breadth(Struct, frozen=True):
    """The active people who used so many different features."""

    features: int
    people: Rate


class AccountUse(Struct, frozen=True):
    """How one account uses one feature in the range."""

    feature: Value
    account: str
    uses: int
    first_time: str
    last_time: str


class FeaturesData(Struct, frozen=True):
    """The answer of a features question."""

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    active_people: int
    active_accounts: int
    features: list[Feature]
    breadth: list[Breadth]
    mean_breadth: Number | None
    account_uses: list[AccountUse]
    warnings: list[str]


def to_sql(question: FeaturesQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return the statements of the features with their breadth, and of the accounts."""
    plan = _plan(question, scope)
    return (
        statements.features(plan, question.top),
        statements.accounts(plan, question.accounts),
    )


def shape(question: FeaturesQuestion, scope: Scope, results: Sequence[Rows]) -> FeaturesData:
    """Return each feature, and how many of them people use."""
    plan = _plan(question, scope)
    people = {kind: [row[1:] for row in results[0].rows if row[0] == kind]
              for kind in ("active", "feature", "breadth")}  # fmt: skip
    counted = {row[1]: row[2:] for row in results[1].rows if row[0] == "count"}
    active = people["active"][0][1] if people["active"] else 0
    active_accounts = int(counted.get(None, (0,))[0])
    found = []
    for feature, count, uses, known_uses, new, last, wait in sorted(
        people["feature"], key=lambda row: _order(row, plan)
    )[: question.top]:
        accounts = int(counted.get(feature, (0,))[0])
        found.append(
            Feature(
                feature=_named(feature, plan),
                uses=int(uses),
                people=count,
                adoption=rate(count, active),
                uses_per_person=ratio(int(known_uses), count),
                accounts=accounts,
                account_adoption=rate(accounts, active_accounts),
                new_people=new,
                median_seconds_to_first_use=None
                if wait is None
                else ratio(int(wait), 2 * MICROSECONDS),
                last_time=rfc3339(last),
            )
        )
    return FeaturesData(
        range=period(plan.frame.span),
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        active_people=active,
        active_accounts=active_accounts,
        features=found,
        breadth=_breadth(people["breadth"], active),
        mean_breadth=ratio(sum(int(row[2]) * row[1] for row in people["breadth"]), active),
        account_uses=_account_uses(results[1], plan, [one.feature for one in found]),
        warnings=_warnings(question, scope),
    )


def members(question: FeaturesQuestion, place: FeaturesPlace, scope: Scope) -> Members:
    """Return the people of a feature, or of a number of features, and the accounts if it has some."""
    plan = _plan(question, scope)
    if place.feature is not None and place.breadth is not None:
        raise InvalidQuery("Give either a feature or a breadth.", path="behind.place")
    if place.new and place.feature is None:
        raise InvalidQuery("Who is new is told of a feature.", path="behind.place.new")
    number: int | None = None
    if place.feature is not None and plan.steps:
        labels = [label_of(step) for step in plan.steps]
        if place.feature not in labels:
            raise InvalidQuery("There is no such feature.", path="behind.place.feature")
        number = labels.index(str(place.feature))
    accounts: Sql | None = None
    if place.feature is not None:
        wanted = statements.people_of(plan, place.feature, number, is_new=place.new)
        if not place.new:
            accounts = statements.accounts_of(plan, place.feature, number)
    elif place.breadth is not None:
        wanted = statements.people_with(plan, place.breadth)
    else:
        wanted = statements.active_people(plan)
        accounts = statements.active_accounts(plan)
    also = () if accounts is None else (listed(accounts, "account"),)
    return msgspec.structs.replace(listed(wanted, "person"), also=also)


def fleeting(question: FeaturesQuestion, scope: Scope) -> Fleeting | None:
    """Return whether somebody counts once a day."""
    frame = frame_of(question, scope)
    if not ephemeral.is_longer(frame.span, frame):
        return None
    return ephemeral.among(question, frame, warning=ephemeral.DAILY)


def table(data: FeaturesData) -> Table:
    """Return one row a feature, or one an account and feature if accounts are listed."""
    if data.account_uses:
        return Table(
            ("feature", "account", "uses", "first use", "last use"),
            [
                (one.feature, one.account, one.uses, one.first_time, one.last_time)
                for one in data.account_uses
            ],
            keys=(0, 1),
        )
    columns = (
        "feature", "people", "adoption", "uses", "uses per person", "accounts", "new people",
        "median seconds to first use", "last use",
    )  # fmt: skip
    return Table(
        columns,
        [
            (
                one.feature,
                one.people,
                one.adoption.value,
                one.uses,
                one.uses_per_person,
                one.accounts,
                one.new_people,
                one.median_seconds_to_first_use,
                one.last_time,
            )
            for one in data.features
        ],
    )


def _plan(question: FeaturesQuestion, scope: Scope) -> Plan:
    steps = tuple(step_of(one) for one in question.features)
    labels = [label_of(step) for step in steps]
    if len(set(labels)) < len(labels):
        raise InvalidQuery(
            "Two features have the same name.", hint="Give each a label.", path="features"
        )
    # Without features of its own a question is about the values of its field.
    by = field(question.by, scope, path="by")
    breakdown(by)
    return Plan(question, frame_of(question, scope), steps, by)


def _order(row: tuple[Any, ...], plan: Plan) -> Any:
    feature, people, uses, *_ = row
    shown = _named(feature, plan)
    return -people, -uses, str(type(shown)), shown


def _named(feature: Any, plan: Plan) -> Any:
    if plan.steps:
        return label_of(plan.steps[feature])
    return value_of(breakdown(plan.by)[1], feature)


def _breadth(rows: list[tuple[Any, ...]], active: int) -> list[Breadth]:
    by_count = {int(features): count for _, count, features, *_ in rows}
    if active:
        by_count[0] = active - sum(by_count.values())
    most = max(by_count, default=-1)
    return [Breadth(k, rate(by_count.get(k, 0), active)) for k in range(most + 1)]


def _account_uses(found: Rows, plan: Plan, shown: list[Value]) -> list[AccountUse]:
    listed = [
        AccountUse(_named(feature, plan), account, uses, rfc3339(first), rfc3339(last))
        for kind, feature, uses, account, first, last in found.rows
        if kind == "list"
    ]
    places = {(type(one), one): place for place, one in enumerate(shown)}
    inside = [one for one in listed if (type(one.feature), one.feature) in places]
    return sorted(
        inside,
        key=lambda one: (places[type(one.feature), one.feature], -one.uses, one.account),
    )


def _warnings(question: FeaturesQuestion, scope: Scope) -> list[str]:
    steps = [step_of(one) for one in question.features]
    names = field_names([question.filter, *(step.filter for step in steps)])
    used = names if steps else [*names, question.by]
    found = [
        warning for step in steps or [Step()] for warning in warnings_of(step.event, used, scope)
    ]
    return list(dict.fromkeys(found))


features = Insight(
    name="features",
    summary="Which features people use, how many, how much, and since when.",
    question=FeaturesQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=FeaturesData,
    view="table",
    rules=RULES,
    place=FeaturesPlace,
    members=members,
    fleeting=fleeting,
    example={"by": "properties.feature", "range": "30d", "top": 10},
)
