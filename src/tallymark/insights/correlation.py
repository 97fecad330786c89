"""What those who converted have more often than those who did not: properties, events, facts."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, sql
from tallymark.store.engine import Arrays, Rows

from . import fields, filters
from ._correlation_rules import RULES
from ._correlation_sql import (
    FACTS,
    NEW,
    TRIED,
    by_event,
    by_fact,
    by_property,
    done,
    having,
    totals,
)
from ._funnel_kernel import tries_of
from ._funnel_numbers import counted
from ._funnel_question import FunnelQuestion, Rules, rules_of, steps_of
from ._funnel_sql import events, source_of
from ._funnel_sql import fleeting as fleeting_of
from ._funnel_stream import stream_of
from .fields import PROPERTY, field
from .filters import Scalar
from .group_values import shown, value_of
from .insight import Columnar, Fleeting, Insight, Members, Prepared, Scope, Statement, Table
from .lines import Value
from .numbers import Number, exact, ratio, rounded
from .odds import Correction, adjusted, odds
from .selection import Frame, Period, field_names, period, warnings_of
from .uncertainty import ENOUGH
from .units import listed

Kind: TypeAlias = Literal["property", "event", "fact"]
LEVEL: Final = Decimal("0.05")
MOST_PROPERTIES: Final = 60
_USUAL: Final = (
    "channel", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "path", "device_type",
    "browser", "os", "country", "locale", "app_version",
)  # fmt: skip


class CorrelationQuestion(FunnelQuestion, frozen=True, kw_only=True):
    """A funnel, and what may distinguish those who came to its end."""

    properties: Annotated[
        Annotated[tuple[str, ...], Meta(max_length=MOST_PROPERTIES)] | None,
        Meta(description="Fields of the event they entered with; the usual ones if left out."),
    ] = None
    events: Annotated[
        bool, Meta(description="Whether to look at other events between first and last step.")
    ] = True
    facts: Annotated[
        bool, Meta(description="Whether to look at what is known of them when they entered.")
    ] = True
    correction: Annotated[
        Correction,
        Meta(
            description=(
                "benjamini_hochberg: at most one in twenty called significant is so by chance; holm:"
                " at most one in twenty answers has any such; none: p-values as they are."
            )
        ),
    ] = "benjamini_hochberg"
    top: Annotated[int, Meta(description="How many are shown.", ge=1, le=1_000)] = 50


class CorrelationPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: those who converted or not, with something or without it."""

    kind: Annotated[Kind, Meta(description="property, event or fact.")]
    name: Annotated[str, Meta(description="The field, the event or the fact.")]
    value: Annotated[Scalar | None, Meta(description="The value of a property.")] = None
    converted: Annotated[bool, Meta(description="Those who converted, or did not.")] = True
    has: Annotated[bool, Meta(description="Those who have it, or do not.")] = True


class Factor(Struct, frozen=True):
    """Something that some have: ``converted_with`` is how many of those who have it converted.

    ``odds_ratio`` is how many times higher the odds to convert are with it than without, and lies in
    the interval from ``low`` to ``high`` 95 times in 100. ``p_value`` is how often chance alone does
    as much, ``adjusted_p_value`` the same for as many as were looked at.
    """

    kind: Kind
    name: str
    value: Value
    converted_with: int
    dropped_with: int
    converted_without: int
    dropped_without: int
    rate_with: Number | None
    rate_without: Number | None
    odds_ratio: Number
    low: Number
    high: Number
    p_value: Number
    adjusted_p_value: Number
    is_significant: bool


class CorrelationData(Struct, frozen=True):
    """What distinguishes those who converted, what is surest first.

    ``tested`` is how many things were compared and corrected for, ``too_few`` how many more had fewer
    than five people with or without them.
    """

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    converted: int
    dropped: int
    incomplete: int
    correction: Correction
    tested: int
    too_few: int
    factors: list[Factor]
    warnings: list[str]


class _Seen(Struct, frozen=True):
    """Something that may matter, and how many have it."""

    kind: Kind
    name: str
    value: Value
    converted: int
    dropped: int


def prepared(question: CorrelationQuestion, scope: Scope) -> Prepared:
    """Return the best try of everybody, as a table."""
    rules, frame = _rules(question, scope)
    statement = Columnar(events(source_of(question, rules, frame)))
    return Prepared(TRIED, (statement,), lambda results: _tried(results[0], rules, scope))


def to_sql(question: CorrelationQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return the statement of how many converted, and those of what is looked at."""
    rules, frame = _rules(question, scope)
    found = [totals()]
    if names := _properties(question, scope):
        found.append(by_property(names, scope))
    if question.events:
        found.append(by_event(question, rules, frame))
    if question.facts:
        found.append(by_fact(rules, scope))
    return tuple(found)


def shape(question: CorrelationQuestion, scope: Scope, results: Sequence[Rows]) -> CorrelationData:
    """Return what distinguishes those who converted, from the counts."""
    rules, frame = _rules(question, scope)
    converted, dropped, incomplete = results[0].rows[0]
    seen = list(_seen(question, scope, results[1:]))
    tested = [
        one for one in seen if ENOUGH <= one.converted + one.dropped <= converted + dropped - ENOUGH
    ]
    factors = _factors(tested, (converted, dropped), question.correction)
    return CorrelationData(
        range=period(frame.span),
        timezone=frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        converted=converted,
        dropped=dropped,
        incomplete=incomplete,
        correction=question.correction,
        tested=len(tested),
        too_few=len(seen) - len(tested),
        factors=factors[: question.top],
        warnings=_warnings(question, rules, scope, incomplete),
    )


def members(question: CorrelationQuestion, place: CorrelationPlace, scope: Scope) -> Members:
    """Return who is behind a number, found in the table of the tries."""
    rules, frame = _rules(question, scope)
    has = _having(question, place, rules, frame)
    statement = sql(
        "SELECT unit AS key FROM {tried} AS tried\n"
        "WHERE is_complete AND is_converted = {converted} AND ({has}) = {wanted}",
        tried=ident(TRIED),
        converted=place.converted,
        has=has,
        wanted=place.has,
    )
    return listed(statement, rules.by)


def fleeting(question: CorrelationQuestion, scope: Scope) -> Fleeting | None:
    """Return whether somebody enters who cannot convert on another day."""
    rules, frame = _rules(question, scope)
    return fleeting_of(question, rules, frame)


def table(data: CorrelationData) -> Table:
    """Return one row for each thing that was compared."""
    columns = ("what", "name", "value", "rate with", "rate without", "odds", "low", "high", "p", "significant")  # fmt: skip
    return Table(columns, [
        (one.kind, one.name, shown(one.value) if one.kind == "property" else None, one.rate_with,
         one.rate_without, one.odds_ratio, one.low, one.high, one.adjusted_p_value, one.is_significant)
        for one in data.factors
    ], keys=(0, 1, 2))  # fmt: skip


def _rules(question: CorrelationQuestion, scope: Scope) -> tuple[Rules, Frame]:
    rules, frame = rules_of(question, scope)
    if rules.count == "totals" or rules.per_value:
        raise InvalidQuery(
            "Those who converted are compared with those who did not, each counted once.",
            hint='Ask with count "uniques" and without per_value.',
            path="count",
        )
    return rules, frame


def _tried(columns: Arrays, rules: Rules, scope: Scope) -> Arrays:
    """Return the best try of each unit: who, from which event on, until when, with what result."""
    stream = stream_of(columns)
    tries = tries_of(stream, rules)
    found = counted(stream, rules, tries.of(~tries.is_excluded), scope.now)
    start, end = found.tries.reached[0], found.tries.reached[-1]
    until = np.where(end >= 0, stream.time[end], found.began + rules.horizon + 1)
    return {
        "unit": stream.units[found.unit],
        "seq": columns["seq"][stream.order[start]],
        "begin_us": found.began,
        "end_us": until,
        "is_converted": found.is_converted,
        "is_complete": found.is_complete,
    }


def _properties(question: CorrelationQuestion, scope: Scope) -> list[str]:
    if question.properties is not None:
        return list(question.properties)
    own = [PROPERTY + name for name in sorted(scope.properties)]
    return [*_USUAL, *own][:MOST_PROPERTIES]


def _seen(question: CorrelationQuestion, scope: Scope, results: Sequence[Rows]) -> Iterator[_Seen]:
    """Return everything that somebody has, from the results in the order of the statements."""
    left = iter(results)
    if names := _properties(question, scope):
        read = [_reader(name, scope) for name in names]
        for place, text, converted, dropped in next(left).rows:
            yield _Seen("property", names[place], read[place](text), converted, dropped)
    if question.events:
        for name, converted, dropped in next(left).rows:
            yield _Seen("event", name, None, converted, dropped)
    if question.facts:
        counts = {is_converted: row for is_converted, *row in next(left).rows}
        for place, name in enumerate(FACTS):
            converted, dropped = (counts.get(one, [0] * len(FACTS))[place] for one in (True, False))
            if converted + dropped:
                yield _Seen("fact", name, True, converted, dropped)


def _reader(name: str, scope: Scope) -> Callable[[str], Any]:
    """Return how a value of a field is read back from its text."""
    match fields.breakdown(field(name, scope))[1]:
        case "number":
            return lambda text: exact(Decimal(text))
        case "truth":
            return lambda text: text == "true"
        case kind:
            return lambda text: value_of(kind, text)


def _factors(seen: list[_Seen], all_: tuple[int, int], correction: Correction) -> list[Factor]:
    """Return what was compared, with its odds, what is surest first."""
    rest = [(all_[0] - one.converted, all_[1] - one.dropped) for one in seen]
    found = [
        odds((one.converted, one.dropped), without) for one, without in zip(seen, rest, strict=True)
    ]
    p_values = adjusted([one.p_value for one in found], correction)
    factors = [
        Factor(
            kind=one.kind,
            name=one.name,
            value=one.value,
            converted_with=one.converted,
            dropped_with=one.dropped,
            converted_without=without[0],
            dropped_without=without[1],
            rate_with=ratio(one.converted, one.converted + one.dropped),
            rate_without=ratio(without[0], sum(without)),
            odds_ratio=its.ratio,
            low=its.low,
            high=its.high,
            p_value=rounded(its.p_value) or 0,
            adjusted_p_value=rounded(corrected) or 0,
            is_significant=corrected <= LEVEL,
        )
        for one, without, its, corrected in zip(seen, rest, found, p_values, strict=True)
    ]
    return sorted(factors, key=_by_sureness)


def _by_sureness(one: Factor) -> tuple[Any, ...]:
    strength = max(Decimal(one.odds_ratio), 1 / Decimal(one.odds_ratio)) if one.odds_ratio else 0
    return (one.adjusted_p_value, one.p_value, -strength, one.kind, one.name, str(one.value))


def _having(
    question: CorrelationQuestion, place: CorrelationPlace, rules: Rules, frame: Frame
) -> Sql:
    scope = frame.scope
    if place.kind == "event":
        return sql(
            "tried.unit IN (SELECT tried.unit\n{done} AND e.event_key = {key})",
            done=done(question, rules, frame),
            key=scope.event_names.get(place.name, 0),
        )
    if place.kind == "fact" and place.name == NEW:
        return having("fact", Sql("true"), rules=rules, scope=scope, needed=[])
    if place.kind == "fact" and place.name not in FACTS:
        raise InvalidQuery(f"There is no fact {place.name!r}.", path="behind.place.name")
    known = {"has a user id": "user_id", "has an account": "account"}
    one = field(known.get(place.name, place.name), scope, path="behind.place.name")
    is_it = filters.exists(one)
    if place.kind == "property":
        if place.value is None:
            raise InvalidQuery("A property has a value.", path="behind.place.value")
        is_it = filters.equal(one, place.value)
    return having("property", is_it, rules=rules, scope=scope, needed=[one])


def _warnings(
    question: CorrelationQuestion, rules: Rules, scope: Scope, incomplete: int
) -> list[str]:
    steps = [*steps_of(question), *question.exclusions]
    used = field_names([question.filter, *(step.filter for step in steps)])
    found = [one for step in steps for one in warnings_of(step.event, (), scope)]
    found += warnings_of(
        None, [*used, *(question.properties or ()), *question.hold_constant], scope
    )
    if incomplete:
        found.append(f"{incomplete:,} may still convert and are left out.")
    return list(dict.fromkeys(found))


correlation = Insight(
    name="correlation",
    summary="What those who converted have more often than those who did not.",
    question=CorrelationQuestion,
    prepared=prepared,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=CorrelationData,
    place=CorrelationPlace,
    members=members,
    fleeting=fleeting,
    view="table",
    rules=RULES,
    example={
        "steps": [{"event": "signup"}, {"event": "purchase"}],
        "window": "14d",
        "range": "90d",
    },
)
