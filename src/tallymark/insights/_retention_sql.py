"""The statements of retention, and their results as what the kernel goes over."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from tallymark.core.sql import Sql, ident, join, sql
from tallymark.store.engine import Arrays

from . import ephemeral, fields, selection
from ._retention_kernel import LIMB, Ints, Returns, Starts, numbered
from ._retention_question import Plan
from .fields import Field, field
from .insight import Columnar
from .ranges import HOUR, Buckets, Span, bucket_number
from .selection import Group, Step

# An instant and its place in the log as one number that is ordered like both.
_MOMENT: Final = Sql("CAST(e.time_us AS HUGEINT) * 9223372036854775808 + e.seq")
_TIME_AND_SEQ: Final = Sql(
    "CAST(moment >> 63 AS BIGINT) AS time_us, CAST(moment & 9223372036854775807 AS BIGINT) AS seq"
)
_EVER: Final = -(2**62)
_LIMBS: Final = 4


def starts_of(plan: Plan, group: Group | None = None) -> Columnar:
    """Return the statement of all starts: (person, time_us, seq, place, value).

    ``place`` is that of the group, all shown or not, or whether it is the group given. ``value``
    numbers the value at the start.
    """
    if not plan.by:
        whole = sql(
            "SELECT person, {moment}, 0 AS place, 0 AS value\nFROM start", moment=_TIME_AND_SEQ
        )
        return Columnar(_with(plan, None, [], whole))
    place = Sql("place") if group is None else Sql("CAST(is_group AS INTEGER)")
    whole = sql(
        "SELECT person, {moment}, {place} AS place, place AS value\n"
        "FROM start JOIN value ON {same}",
        moment=_TIME_AND_SEQ, place=place, same=_same(plan, "start"),
    )  # fmt: skip
    return Columnar(_with(plan, group, [_values(plan)], whole))


def groups_of(plan: Plan) -> Sql:
    """Return the statement of the groups shown, those with most starts first: their values."""
    whole = sql(
        "SELECT {names}\nFROM value\nORDER BY place\nLIMIT {top}",
        names=_names(plan),
        top=plan.question.top,
    )
    return _with(plan, None, [_values(plan)], whole)


def returns_of(plan: Plan) -> Columnar:
    """Return the statement of what tells who came back: (person, time_us, seq, bucket, …).

    ``value`` numbers the value where it must be that of the start, ``v0`` … are parts of the number.
    """
    is_both = plan.is_both
    found = _returns(plan)
    value = Sql("value.place AS value") if is_both else Sql("0 AS value")
    valued = sql(" JOIN value ON {same}", same=_same(plan, "returned")) if is_both else Sql("")
    limbs = Sql("".join(f", v{at}" for at in range(_LIMBS))) if plan.number else Sql("")
    whole = sql(
        "SELECT person, {moment}, bucket, {value}{limbs}\nFROM returned{valued}",
        moment=_TIME_AND_SEQ, value=value, limbs=limbs, valued=valued,
    )  # fmt: skip
    if not is_both:
        return Columnar(sql("WITH returned AS (\n{found}\n)\n{whole}", found=found, whole=whole))
    parts = [_values(plan), sql("returned AS (\n{found}\n)", found=found)]
    return Columnar(_with(plan, None, parts, whole))


def cookieless_of(plan: Plan) -> Sql:
    """Return the statement of how many cookieless visitors started in the range."""
    # The negated condition is the only one that needs the flags of every event.
    source = _source(plan, plan.start, plan.frame.span, lasting=False)
    return sql(
        "SELECT count(DISTINCT {person})\n{source}",
        person=fields.person(plan.frame.scope),
        source=source,
    )


def read(plan: Plan, starts: Arrays, returns: Arrays) -> tuple[Starts, Returns]:
    """Return the starts in the range and the returns, with the same number for the same person."""
    kept = starts["time_us"] >= plan.frame.span.since
    person, time, seq, place, value = (
        starts[name][kept].astype(np.int64)
        for name in ("person", "time_us", "seq", "place", "value")
    )
    cohort = np.searchsorted(np.array(plan.cut.edges), time, side="right") - 1
    bucket = returns["bucket"].astype(np.int64)
    if plan.needs_last_return:
        edges = np.array(plan.edges)
        bucket = np.searchsorted(edges, returns["time_us"], side="right") - 1
    keys, theirs = person, returns["person"]
    if plan.is_both:
        most = int(value.max(initial=0)) + 1
        keys, theirs = keys * most + value, theirs * most + returns["value"]
    who, others = numbered(keys, theirs)
    began = _ticks(plan, time, cohort)
    if plan.options.clock == "rounded" and not plan.days:
        began = began // HOUR * HOUR
    limbs = tuple(returns[f"v{at}"] for at in range(_LIMBS)) if plan.number else ()
    return (
        Starts(person, who, cohort, place, time, seq, began),
        Returns(
            others, bucket, returns["time_us"], returns["seq"],
            _ticks(plan, returns["time_us"], bucket), limbs,
        ),
    )  # fmt: skip


def summed(limbs: Sequence[Any]) -> list[int]:
    """Return the sums that limbs stand for, in units of the ninth place."""
    whole = [0] * len(limbs[0])
    for limb in reversed(limbs[1:]):
        whole = [number * LIMB + int(part) for number, part in zip(whole, limb, strict=True)]
    # The lowest holds nine digits after the point, the others ten before it.
    return [n * 10**9 + int(part) for n, part in zip(whole, limbs[0], strict=True)]


def _returns(plan: Plan) -> Sql:
    is_both = plan.is_both
    span = Span(plan.frame.span.since, plan.until)
    also = [*(plan.by if is_both else []), *([plan.number] if plan.number else [])]
    columns = [
        sql("{person} AS person", person=fields.person(plan.frame.scope)),
        sql("{bucket} AS bucket", bucket=_bucket(plan)),
        *(_grouped(plan) if is_both else []),
    ]
    if plan.needs_last_return:
        columns[1] = Sql("0 AS bucket")
    source = _source(plan, plan.returning, span, also=also)
    if plan.needs_all_returns and not plan.needs_last_return:
        limbs = _limbs(plan.number) if plan.number else []
        return sql(
            "SELECT {columns}\n{source}",
            columns=join(",\n  ", [*columns, _MOMENT + Sql(" AS moment"), *limbs]),
            source=source,
        )
    return sql(
        "SELECT {columns}, max({moment}) AS moment\n{source}\nGROUP BY ALL",
        columns=join(",\n  ", columns), moment=_MOMENT, source=source,
    )  # fmt: skip


def _bucket(plan: Plan) -> Sql:
    last = plan.edges[-1]
    within = bucket_number(Sql("e.time_us"), Buckets(Span(plan.edges[0], last), plan.edges))
    if plan.until <= last:
        return within
    return sql(
        "CASE WHEN e.time_us >= {last} THEN {beyond} ELSE {within} END",
        last=last, beyond=len(plan.edges) - 1, within=within,
    )  # fmt: skip


def _with(plan: Plan, group: Group | None, parts: list[Sql], whole: Sql) -> Sql:
    """Return a statement that begins with the starts; more CTEs follow them."""
    ctes = [sql("start AS MATERIALIZED (\n{starts}\n)", starts=_starts(plan, group)), *parts]
    return sql("WITH {ctes}\n{whole}", ctes=join(", ", ctes), whole=whole)


def _starts(plan: Plan, group: Group | None) -> Sql:
    """Return one row a start: (person, moment, b0 …, is_group)."""
    scope, options = plan.frame.scope, plan.options
    is_recurring, is_ever = options.cohort == "recurring", options.cohort == "first_ever"
    within, group_fields = selection.in_group(group, scope) if group else (Sql("true"), [])
    matched = _matched(plan) if is_ever else Sql("true")
    step = msgspec.structs.replace(plan.start, filter=None) if is_ever else plan.start
    span = Span(plan.frame.span.since if is_recurring else _EVER, plan.frame.span.until)
    told = [*_grouped(plan), within + Sql(" IS TRUE AS is_group")] if plan.by else []
    ever = selection.step_fields([plan.start], scope) if is_ever else []
    ever += [field(name, scope) for name in selection.field_names([plan.question.filter])]
    source = _source(
        plan, step, span, also=[*plan.by, *group_fields, *ever], is_filtered=not is_ever
    )
    cohort = bucket_number(Sql("e.time_us"), plan.cut) if is_recurring else Sql("0")
    taken = join(
        "", (sql(", arg_min_null({name}, instant) AS {name}", name=name) for name in _told(plan))
    )
    having = "\nHAVING min(instant) = min(instant) FILTER (is_matched)" if is_ever else ""
    return sql(
        "SELECT person, min(instant) AS moment{taken}\nFROM (\n"
        "SELECT {columns}\n{source}\n)\nGROUP BY person, cohort{having}",
        taken=taken,
        columns=join(
            ",\n  ",
            [
                sql("{person} AS person", person=fields.person(scope)),
                cohort + Sql(" AS cohort"),
                _MOMENT + Sql(" AS instant"),
                *([matched + Sql(" IS TRUE AS is_matched")] if is_ever else []),
                *told,
            ],
        ),
        source=source,
        having=Sql(having),
    )


def _matched(plan: Plan) -> Sql:
    """Return whether an event satisfies all filters of the start."""
    step = selection.matches(plan.start, plan.frame)
    asked = selection.matches(Step(filter=plan.question.filter), plan.frame)
    return sql("({step} AND {asked})", step=step, asked=asked)


def _source(
    plan: Plan, step: Step, span: Span, *,
    also: Sequence[Field] = (), is_filtered: bool = True, lasting: bool = True,
) -> Sql:  # fmt: skip
    scope = plan.frame.scope
    source = selection.of_steps(
        [step],
        msgspec.structs.replace(plan.frame, span=span),
        wanted=plan.question.filter if is_filtered else None,
        include_bots=plan.question.include_bots,
        also=[*also, field("person", scope)],
    )
    known = sql("{person} IS NOT NULL", person=fields.person(scope))
    conditions = [known]
    if not lasting:
        conditions.append(sql("NOT ({lasts})", lasts=ephemeral.lasts()))
    elif not plan.question.include_cookieless:
        conditions.append(ephemeral.lasts())
    return sql(
        "{source}\n  AND {conditions}", source=source, conditions=join("\n  AND ", conditions)
    )


def _grouped(plan: Plan) -> list[Sql]:
    return [fields.breakdown(one)[0] + Sql(f" AS b{place}") for place, one in enumerate(plan.by)]


def _told(plan: Plan) -> list[Sql]:
    names = [*(f"b{place}" for place in range(len(plan.by))), *(["is_group"] if plan.by else [])]
    return [ident(name) for name in names]


def _names(plan: Plan) -> Sql:
    return Sql(", ".join(f"b{place}" for place in range(len(plan.by))))


def _values(plan: Plan) -> Sql:
    """Return the table of all values at starts in the range, those of most starts first."""
    names = _names(plan)
    order = Sql(", ".join(f"b{place} NULLS LAST" for place in range(len(plan.by))))
    return sql(
        "value AS MATERIALIZED (\n"
        "SELECT {names}, row_number() OVER (ORDER BY count(*) DESC, {order}) - 1 AS place\n"
        "FROM start\nWHERE moment >> 63 >= {since}\nGROUP BY {names}\n)",
        names=names, order=order, since=plan.frame.span.since,
    )  # fmt: skip


def _same(plan: Plan, table: str) -> Sql:
    same = (
        f"{table}.b{place} IS NOT DISTINCT FROM value.b{place}" for place in range(len(plan.by))
    )
    return Sql(" AND ".join(same))


def _limbs(number: Field) -> list[Sql]:
    """Return the number as parts that fit into 64 bits: nine decimal places, then ten digits each."""
    value = sql("coalesce({number}, 0)", number=number.number or Sql("NULL"))
    floor = sql("CAST(floor({value}) AS HUGEINT)", value=value)
    parts = [
        sql("CAST(({value} - floor({value})) * 1000000000 AS BIGINT)", value=value),
        sql("CAST({floor} % {limb} AS BIGINT)", floor=floor, limb=LIMB),
        sql("CAST({floor} // {limb} % {limb} AS BIGINT)", floor=floor, limb=LIMB),
        sql("CAST({floor} // {limb} // {limb} AS BIGINT)", floor=floor, limb=LIMB),
    ]
    return [part + Sql(f" AS v{at}") for at, part in enumerate(parts)]


def _ticks(plan: Plan, time: Ints, bucket: Ints) -> Ints:
    """Return what the clock counts: buckets, days or microseconds."""
    if plan.options.clock == "calendar":
        return bucket
    if plan.days:
        return np.searchsorted(np.array(plan.days), time, side="right") - 1
    return time
