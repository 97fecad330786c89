"""What is wrong with definitions: every flaw names the definition, the key and what to do about it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from tallymark.core.errors import InvalidQuery, NotFound, TallymarkError, misfit
from tallymark.core.registry import lookup
from tallymark.core.sql import Sql

from . import expression, fields, formula, measures
from .definitions import KINDS, SINGULAR, Definitions, KindName, Metric, SavedQuestion, in_force
from .fields import COHORT, COMPUTED
from .held import Which
from .insight import Insight, Scope
from .membership import Cohort, cohort_of
from .membership_sql import keys_of, numbers_behind
from .metrics import LETTERS
from .ranges import span_of, zone_of
from .references import cohorts_in
from .selection import Frame, Step, matches, step_fields

MOST: Final = 1_000
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,62}", re.ASCII)
_LONGEST_EVENT: Final = 200


class Flaw(Struct, frozen=True):
    """One thing that cannot be: in which definition, at which key, what it is and how to mend it."""

    kind: KindName
    name: str
    key: str
    what: str
    fix: str


def flaws(definitions: Definitions, insights: Mapping[str, Insight], now: int) -> list[Flaw]:
    """Return everything that is wrong with definitions, which then cannot be pushed."""
    scope = _scope(definitions, now)
    found: list[Flaw] = []
    checks: dict[KindName, Callable[[str, Any], None]] = {
        "events": lambda _, one: _check_event(one, scope),
        "properties": lambda name, _: _check_property(name, definitions, scope),
        "cohorts": lambda name, one: _check_cohort(name, one, scope),
        "metrics": lambda _, one: _check_metric(one, scope),
        "questions": lambda _, one: _check_question(one, insights, scope),
    }
    for kind in KINDS:
        defined = getattr(definitions, kind)
        if len(defined) > MOST:
            found.append(Flaw(kind, "", "", f"There are more than {MOST}.", "Remove some."))
        for name, one in defined.items():
            try:
                _check_name(kind, name)
                checks[kind](name, one)
            except TallymarkError as error:
                found.append(Flaw(kind, name, error.path or "", error.message, error.hint or ""))
            except RecursionError:
                found.append(Flaw(kind, name, "", "It is nested too deeply.", "Make it flatter."))
    return found


def check_question(
    saved: SavedQuestion, definitions: Definitions, insights: Mapping[str, Insight], now: int
) -> None:
    """Raise InvalidQuery unless a question can be asked of a project that defines these things."""
    try:
        _check_question(saved, insights, _scope(definitions, now))
    except RecursionError:
        raise InvalidQuery("It is nested too deeply.", path="question") from None


def _scope(definitions: Definitions, now: int) -> Scope:
    return Scope(
        "", "UTC", now=now, log_position=0, event_names={}, properties={},
        has_more_properties=True, has_more_profiles=True,
        definitions=in_force(definitions),
    )  # fmt: skip


def _check_name(kind: KindName, name: str) -> None:
    if kind == "events":
        if name.strip() and name.isprintable() and len(name.encode()) <= _LONGEST_EVENT:
            return
        raise InvalidQuery("The name is empty, too long or not all visible.", path="name")
    if not _NAME.fullmatch(name):
        raise InvalidQuery(
            f"{name[:80]!r} cannot name a {SINGULAR[kind]}.",
            hint="Use letters a-z, digits, _ and -, beginning with a letter.", path="name",
        )  # fmt: skip


def _check_event(virtual: Any, scope: Scope) -> None:
    frame = _frame(scope)
    steps = [Step(None, part.filter) for part in virtual.events]
    step_fields(steps, scope)
    for step in steps:
        matches(step, frame)


def _check_property(name: str, definitions: Definitions, scope: Scope) -> None:
    seen: list[str] = []

    def follow(one: str) -> None:
        if one in seen:
            way = " → ".join([*seen[seen.index(one) :], one])
            raise InvalidQuery(f"It is computed from itself: {way}.", path="value")
        seen.append(one)
        known = definitions.properties.get(one)
        for used in expression.field_names(known.value) if known else ():
            if used.startswith(COMPUTED):
                follow(used.removeprefix(COMPUTED))
        seen.pop()

    follow(name)
    try:
        fields.field(COMPUTED + name, scope)
    except InvalidQuery as error:
        raise InvalidQuery(error.message, hint=error.hint, path="value") from None


def _check_cohort(name: str, cohort: Cohort, scope: Scope) -> None:
    way = _circle(name, [], scope)
    if way is not None:
        raise InvalidQuery(f"It holds itself: {' → '.join(way)}.", path="who")
    _check_made(cohort, scope)


def _check_made(cohort: Cohort, scope: Scope) -> None:
    keys_of(cohort, scope)
    for which in cohorts_in(cohort, scope):
        if not isinstance(which, str):
            _check_made(cohort_of(which, scope), scope)


def _circle(name: str, seen: list[str], scope: Scope) -> list[str] | None:
    """Return the way on which a cohort comes to hold itself, None if it does not."""
    if name in seen:
        return [*seen[seen.index(name) :], name]
    if name not in scope.definitions.cohorts:
        return None
    for one in _named_by(name, scope):
        if (way := _circle(one, [*seen, name], scope)) is not None:
            return way
    return None


def _named_by(which: Which, scope: Scope) -> Iterator[str]:
    """Yield the names of the cohorts that a cohort needs, also those written out in it."""
    cohort = cohort_of(which, scope)
    for one in cohorts_in(cohort, scope):
        if isinstance(one, str):
            yield one
        else:
            yield from _named_by(one, scope)
    for number in numbers_behind(cohort):
        yield from _named_in(number.question)


def _named_in(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(COHORT):
        yield value.removeprefix(COHORT)
    elif isinstance(value, dict):
        for key, one in value.items():
            listed = one if isinstance(one, list) else [one]
            if key in {"cohort", "cohorts"}:
                yield from (text for text in listed if isinstance(text, str))
            yield from _named_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named_in(one)


def _check_metric(metric: Metric, scope: Scope) -> None:
    if metric.formula is not None:
        try:
            formula.parse(metric.formula, LETTERS[: len(metric.series)])
        except InvalidQuery as error:
            raise InvalidQuery(error.message, hint=error.hint, path="formula") from None
    elif len(metric.series) > 1:
        raise InvalidQuery("Several series need a formula that makes one number.", path="formula")
    for number, series in enumerate(metric.series):
        try:
            measures.cells(series, _frame(scope), Sql("0"), [], wanted=None, include_bots=False)
        except InvalidQuery as error:
            key = (error.path or "").removeprefix("series.")
            raise InvalidQuery(error.message, hint=error.hint, path=f"series[{number}].{key}") from None  # fmt: skip


def _check_question(saved: SavedQuestion, insights: Mapping[str, Insight], scope: Scope) -> None:
    try:
        insight = lookup(insights, saved.insight, "insight")
    except NotFound as error:
        raise InvalidQuery(error.message, hint=error.hint, path="insight") from None
    try:
        question = msgspec.json.decode(_encode(saved.question), type=insight.question)
        if insight.expand is not None:
            question = insight.expand(question, scope)
        for which in cohorts_in(question, scope):
            cohort_of(which, scope)
        insight.to_sql(question, structs.replace(scope, max_rows=2**31))
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise InvalidQuery(text, path=_at("question", path)) from None
    except InvalidQuery as error:
        raise InvalidQuery(error.message, hint=error.hint, path=_at("question", error.path)) from None  # fmt: skip


def _at(first: str, path: str | None) -> str:
    return f"{first}.{path}" if path else first


def _frame(scope: Scope) -> Frame:
    zone = zone_of("UTC")
    return Frame(scope, zone, span_of("30d", zone, scope.now))


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
