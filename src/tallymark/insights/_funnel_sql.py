"""The events a funnel is made of, as SQL: whose they are, which steps they are, in which group."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from tallymark.core.clock import DAY
from tallymark.core.sql import Sql, join, sql

from . import ephemeral, fields
from ._funnel_question import FunnelQuestion, Rules, steps_of, widened
from .fields import Field, field
from .insight import Fleeting
from .selection import Frame, chosen, matches, of_steps, step_fields
from .units import key_of

# A group is one of this many values that most events of the steps have; others are Other.
MOST_VALUES: Final = 10_000
# The number of the group of events that have no value, and of those with one of too many.
NO_VALUE: Final = 0
REST: Final = -1


class Source(Struct, frozen=True):
    """What the statements of a funnel are written from."""

    question: FunnelQuestion
    rules: Rules
    frame: Frame
    by: list[Field]
    held: list[Field]
    holds_breakdown: bool = False


def source_of(
    question: FunnelQuestion,
    rules: Rules,
    frame: Frame,
    *,
    by: Sequence[str] = (),
    holds_breakdown: bool = False,
) -> Source:
    """Return what the statements are written from; raises InvalidQuery for an unknown field."""
    scope = frame.scope
    return Source(
        question,
        rules,
        widened(frame, rules),
        by=[field(name, scope, path="breakdown") for name in by],
        held=[field(name, scope, path="hold_constant") for name in question.hold_constant],
        holds_breakdown=holds_breakdown,
    )


def events(source: Source) -> Sql:
    """Return unit, time_us, seq and steps of the events; grp if broken down, held if held constant."""
    if not source.by and not source.held:
        return _chosen(source)
    parts = [sql("chosen AS MATERIALIZED (\n{it}\n)", it=_chosen(source))]
    columns = ["unit", "time_us", "seq", "steps"]
    joins = []
    if source.by:
        parts.append(sql("value AS MATERIALIZED (\n{it}\n)", it=_values(source)))
        columns.append(f"CASE WHEN {_is_missing(source)} THEN {NO_VALUE} ELSE coalesce(grp, {REST}) END AS grp")  # fmt: skip
        joins.append(_join("value", _names(source, "b")))
    if held := _held_names(source):
        names = Sql(", ".join(held))
        numbered = "SELECT {names}, row_number() OVER () AS held FROM (SELECT DISTINCT {names} FROM chosen)"
        parts.append(sql("lane AS MATERIALIZED (\n{it}\n)", it=sql(numbered, names=names)))
        columns.append("held")
        joins.append(_join("lane", held))
    return sql(
        "WITH {parts}\nSELECT {columns}\nFROM chosen{joins}",
        parts=join(", ", parts),
        columns=Sql(", ".join(columns)),
        joins=Sql("".join(joins)),
    )


def values(source: Source) -> Sql:
    """Return the values b0 … of each group and its number, those that most events have first."""
    return sql(
        "WITH chosen AS MATERIALIZED (\n{chosen}\n)\nSELECT * FROM (\n{values}\n) ORDER BY grp",
        chosen=_chosen(source),
        values=_values(source),
    )


def fleeting(question: FunnelQuestion, rules: Rules, frame: Frame) -> Fleeting | None:
    """Return whether somebody enters who cannot go on the day after."""
    if rules.by != "person" or rules.horizon <= DAY:
        return None
    # In any order, any step may be the first.
    steps = steps_of(question)[: None if rules.order == "any" else 1]
    return ephemeral.among(question, frame, steps, warning=ephemeral.KEPT)


def _chosen(source: Source) -> Sql:
    """Return a row for each event that may matter."""
    rules, scope = source.rules, source.frame.scope
    unit, also = key_of(rules.by, scope)
    bits = _bits(source)
    columns = [unit + Sql(" AS unit"), Sql("e.time_us"), Sql("e.seq"), bits + Sql(" AS steps")]
    needed = [*also, *source.by, *source.held]
    for letter, listed in (("b", source.by), ("h", source.held)):
        for number, one in enumerate(listed):
            columns.append(fields.breakdown(one)[0] + Sql(f" AS {letter}{number}"))
    present = [unit, *(fields.breakdown(one)[0] for one in source.held)]
    return sql(
        "SELECT {columns}\n{source}\n  AND {present}",
        columns=join(", ", columns),
        source=_events(source, needed, unit),
        present=join(" AND ", [one + Sql(" IS NOT NULL") for one in present]),
    )


def _events(source: Source, needed: list[Field], unit: Sql) -> Sql:
    question, rules = source.question, source.rules
    bots = question.include_bots
    if rules.order != "strict":
        return of_steps(
            [*steps_of(question), *question.exclusions], source.frame,
            wanted=question.filter, include_bots=bots, also=needed,
        )  # fmt: skip
    # Anything that happens breaks a strict order, but only to those who did the first step.
    steps = [*steps_of(question), *question.exclusions]
    also = [*needed, *step_fields(steps, source.frame.scope)]
    every = chosen(None, (question.filter,), source.frame, include_bots=bots, also=also)
    first = of_steps(
        steps[:1], source.frame, wanted=question.filter, include_bots=bots,
        also=key_of(rules.by, source.frame.scope)[1],
    )  # fmt: skip
    return sql(
        "{every}\n  AND {unit} IN (\nSELECT {unit}\n{first}\n)", every=every, unit=unit, first=first
    )


def _bits(source: Source) -> Sql:
    """Return which steps an event is, and after those which exclusions, one bit each."""
    parts = [*steps_of(source.question), *source.question.exclusions]
    cases = [
        sql("CASE WHEN {it} THEN {bit} ELSE 0 END", it=matches(one, source.frame), bit=Sql(str(1 << number)))
        for number, one in enumerate(parts)
    ]  # fmt: skip
    return sql("CAST({cases} AS INTEGER)", cases=join(" + ", cases))


def _values(source: Source) -> Sql:
    names = ", ".join(_names(source, "b"))
    order = ", ".join(f"{name} NULLS LAST" for name in _names(source, "b"))
    return Sql(
        f"SELECT {names}, row_number() OVER (ORDER BY count(*) DESC, {order}) AS grp\n"
        f"FROM chosen\nWHERE steps <> 0 AND NOT ({_is_missing(source)})\n"
        f"GROUP BY {names}\nORDER BY grp\nLIMIT {MOST_VALUES}"
    )


def _is_missing(source: Source) -> str:
    return " AND ".join(f"chosen.{name} IS NULL" for name in _names(source, "b"))


def _held_names(source: Source) -> list[str]:
    broken_down = _names(source, "b") if source.holds_breakdown else []
    return [*_names(source, "h"), *broken_down]


def _names(source: Source, letter: str) -> list[str]:
    listed: list[Any] = source.by if letter == "b" else source.held
    return [f"{letter}{number}" for number in range(len(listed))]


def _join(table: str, names: list[str]) -> str:
    same = " AND ".join(f"chosen.{name} IS NOT DISTINCT FROM {table}.{name}" for name in names)
    return f"\nLEFT JOIN {table} ON {same}"
