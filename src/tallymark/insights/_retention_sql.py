"""The statements of retention, and their results as what the kernel goes over."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Arrays

from . import currencies, fields, selection
from ._retention_cells import EVER, bucket_of, cells, of_cells, source_of
from ._retention_kernel import Ints, Returns, Starts
from ._retention_question import Plan
from .fields import Field, field
from .insight import Columnar
from .numbering import numbered
from .ranges import HOUR, Buckets, Span, bucket_number
from .selection import Group, Step, field_names

# An instant and its place in the log as one number that is ordered like both.
_MOMENT: Final = Sql("CAST(e.time_us AS HUGEINT) * 9223372036854775808 + e.seq")
_START, _RETURN, _SUM = 0, 1, 2
# What each part of a sum is worth in units of the ninth place: the first has the nine digits after
# the point, the others ten each before it.
_WORTH: Final = (1, 10**9, 10**19, 10**29)


def rows_of(plan: Plan, group: Group | None = None) -> Columnar:
    """Return the statement of all starts in the range, of what tells who came back, and of sums.

    Its rows are (kind, person, time_us, bucket, place, value), of the last three those that are not
    always 0. ``place`` is that of the group of a
    start, shown or not, or whether it is the group given. ``value`` numbers the value at the start,
    and that of a return if both must be the same. A sum has its cohort as person, and its parts as
    times: ``value`` says which.
    """
    if plan.is_fused:
        return Columnar(cells(plan))
    ctes = [*_starts(plan, group), _came(plan), sql("returned AS (\n{it}\n)", it=_returns(plan))]
    has_sums = plan.number is not None and group is None
    place = "place" if group is None else "CAST(is_group AS BIGINT)"
    # Of a start and of a return; what is the same for all of them is not handed over.
    columns = [
        (f"CAST({_START} AS UTINYINT) AS kind", f"{_RETURN}"),
        ("person", "person"),
        ("time_us", "time_us"),
        *([("0 AS bucket", "bucket")] if has_sums or _has_bucket(plan) else []),
        *([(f"{place} AS place", "0")] if plan.by else [("0 AS place", "0")] if has_sums else []),
        *([("place AS value", "place" if plan.is_both else "0")] if plan.by else []),
        *([("0 AS value", "0")] if has_sums and not plan.by else []),
    ]
    statement = sql(
        "WITH {ctes}\nSELECT {starts}\nFROM start{valued}\n"
        "UNION ALL\nSELECT {returns}\nFROM returned{as_valued}",
        ctes=join(", ", ctes),
        starts=Sql(", ".join(of_start for of_start, _ in columns)),
        returns=Sql(", ".join(of_return for _, of_return in columns)),
        valued=_joined(plan, "start") if plan.by else Sql(""),
        as_valued=_joined(plan, "returned") if plan.is_both else Sql(""),
    )
    if not has_sums:
        return Columnar(statement)
    return Columnar(sql("{rows}\nUNION ALL\n{sums}", rows=statement, sums=_sums(plan)))


def groups_of(plan: Plan) -> Sql:
    """Return the statement of the groups shown, those with most starts first: their values."""
    return sql(
        "WITH {ctes}\nSELECT {names}\nFROM value\nORDER BY place\nLIMIT {top}",
        ctes=join(", ", _starts(plan, None)),
        names=_names(plan),
        top=plan.question.top,
    )


def beside(plan: Plan) -> Sql:
    """Return how many cookieless visitors started in the range, and of how many currencies it is."""
    question, several = plan.question, Sql("0")
    named = field_names([question.filter, plan.returning.filter])
    if currencies.is_added_up(question.of, named):
        returns = source_of(plan, plan.returning, Span(plan.frame.span.since, plan.until))
        several = sql("({it})", it=currencies.counted(returns))
    return sql(
        "SELECT count(DISTINCT {person}), {several}\n{source}",
        person=fields.person(plan.frame.scope),
        several=several,
        source=source_of(plan, plan.start, plan.frame.span, lasting=False),
    )


def read(plan: Plan, rows: Arrays) -> tuple[Starts, Returns]:
    """Return the starts and the returns, with the same number for the same person."""
    edges = np.array(plan.edges)
    if plan.is_fused:
        return of_cells(plan, rows)
    begun, came = (_some(rows, kind) for kind in (_START, _RETURN))
    person, time = begun["person"], begun["time_us"]
    cohort = np.searchsorted(edges[: plan.cohorts + 1], time, side="right") - 1
    bucket = came["bucket"]
    if plan.needs_last_return:
        bucket = np.searchsorted(edges, came["time_us"], side="right") - 1
    keys, theirs = person, came["person"]
    if plan.is_both:
        most = int(begun["value"].max(initial=0)) + 1
        keys, theirs = keys * most + begun["value"], theirs * most + came["value"]
    who, others = numbered(keys, theirs)
    tick = _ticks(plan, time, cohort)
    if plan.options.clock == "rounded" and not plan.days:
        tick = tick // HOUR * HOUR
    return (
        Starts(person, who, cohort, begun["place"], time, tick),
        Returns(others, bucket, came["time_us"], _ticks(plan, came["time_us"], bucket)),
    )


def sums(rows: Arrays) -> dict[tuple[int, int, int], int]:
    """Return the sums by (place, cohort, bucket), in units of the ninth place.

    ``place`` is that after all shown for Other, ``bucket`` the number of buckets for what comes after
    all of them.
    """
    found: dict[tuple[int, int, int], int] = {}
    parts = _some(rows, _SUM) if "kind" in rows else {}
    names = ("place", "person", "bucket", "value", "time_us")
    for place, cohort, bucket, number, part in zip(
        *(parts[name].tolist() if parts else () for name in names), strict=True
    ):
        key = (place, cohort, bucket)
        found[key] = found.get(key, 0) + part * _WORTH[number]
    return found


def _some(rows: Arrays, kind: int) -> Mapping[str, Ints]:
    chosen = np.flatnonzero(rows["kind"] == kind)
    none = np.zeros(len(chosen), np.int64)
    found = {name: column[chosen].astype(np.int64, copy=False) for name, column in rows.items()}
    return {"bucket": none, "place": none, "value": none, **found}


def _has_bucket(plan: Plan) -> bool:
    """Whether what tells of returns depends on their bucket of the calendar."""
    is_by_bucket = plan.options.clock == "calendar" or plan.options.cohort == "recurring"
    return is_by_bucket and not plan.needs_last_return


def _came(plan: Plan) -> Sql:
    """Return the table of events that may be returns, with the number measured if there is one."""
    # Where everybody starts once, only what follows their start is looked at.
    is_first = plan.options.cohort != "recurring"
    within = Sql("")
    if plan.options.clock == "rolling" and not plan.needs_last_return:
        width = plan.rules.edges[-1] * plan.rules.unit
        within = sql("\n  AND came.time_us < start.time_us + {width}", width=width)
    return sql(
        "came AS {kept}MATERIALIZED (\n{events}\n)",
        kept=Sql("" if is_first and plan.number is not None else "NOT "),
        events=sql(
            "SELECT came.*\nFROM (\n{events}\n) AS came JOIN start USING (person)\n"
            "WHERE came.time_us > start.time_us{within}",
            events=_events(plan),
            within=within,
        )
        if is_first
        else _events(plan),
    )


def _returns(plan: Plan) -> Sql:
    """Return what tells who came back: all events, the last of each bucket, or the last of all."""
    is_last, is_all = plan.needs_last_return, plan.needs_all_returns
    names = [Sql(f"b{place}") for place in range(len(plan.by))] if plan.is_both else []
    bucket = Sql("0" if is_last else "bucket") + Sql(" AS bucket")
    time = Sql("came.time_us" if is_all else "max(came.time_us)") + Sql(" AS time_us")
    return sql(
        "SELECT person, {columns}\nFROM came{grouped}",
        columns=join(", ", [*names, time, bucket]),
        grouped=Sql("" if is_all else "\nGROUP BY ALL"),
    )


def _sums(plan: Plan) -> Sql:
    """Return the sums of the number by group, cohort and bucket, each in parts that fit 64 bits."""
    begun, came = Sql("start.time_us"), Sql("came.time_us")
    place = sql("least(place, {top})", top=plan.question.top) if plan.by else Sql("0")
    # A value that must be the same is compared with that of the start itself.
    same = (f"\n  AND came.b{at} IS NOT DISTINCT FROM start.b{at}" for at in range(len(plan.by)))
    return sql(
        "SELECT {sum}, cohort, unnest(CAST([sign(amount) * part, sign(amount) * (whole % {ten}),"
        " sign(amount) * (whole // {ten} % {ten}), sign(amount) * (whole // {ten} // {ten})] AS BIGINT[])),"
        " bucket, place, unnest([0, 1, 2, 3])\n"
        "FROM (\n"
        "SELECT *, CAST(abs(amount) % 1 * 1000000000 AS HUGEINT) AS part,"
        " CAST(abs(amount) - abs(amount) % 1 AS HUGEINT) AS whole\nFROM (\n"
        "SELECT {place} AS place, {cohort} AS cohort, {bucket} AS bucket,"
        " CAST(coalesce(sum(amount), 0) AS DECIMAL(38,9)) AS amount\n"
        "FROM start{valued}\nJOIN came ON came.person = start.person\n"
        "  AND came.time_us > start.time_us{same}\nGROUP BY ALL\n)\n)",
        sum=_SUM,
        ten=10**10,
        place=place,
        cohort=bucket_number(begun, plan.cut),
        bucket=_in_bucket(plan, _units(plan, begun, came)),
        valued=_joined(plan, "start") if plan.by else Sql(""),
        same=Sql("".join(same) if plan.is_both else ""),
    )


def _events(plan: Plan) -> Sql:
    """Return every event that may be a return."""
    needs_bucket = plan.options.clock == "calendar" or plan.options.cohort == "recurring"
    number = plan.number
    source = source_of(
        plan,
        plan.returning,
        Span(plan.frame.span.since, plan.until),
        also=[*(plan.by if plan.is_both else []), *([number] if number else [])],
    )
    columns = [
        sql("{person} AS person", person=fields.person(plan.frame.scope)),
        Sql("e.time_us"),
        (bucket_of(plan) if needs_bucket else Sql("0")) + Sql(" AS bucket"),
        *(_grouped(plan) if plan.is_both else []),
        *([(number.number or Sql("NULL")) + Sql(" AS amount")] if number else []),
    ]
    return sql("SELECT {columns}\n{source}", columns=join(",\n  ", columns), source=source)


def _units(plan: Plan, begun: Sql, came: Sql) -> Sql:
    """Return how many units after a start something came; see ``_ticks``."""
    if plan.options.clock == "calendar":
        return sql("came.bucket - ({cohort})", cohort=bucket_number(begun, plan.cut))
    if plan.days:
        days = Buckets(Span(plan.days[0], plan.days[-1]), plan.days)
        begun, came = bucket_number(begun, days), bucket_number(came, days)
    elif plan.options.clock == "rounded":
        begun = sql("{begun} // {hour} * {hour}", begun=begun, hour=HOUR)
    return sql("(({came}) - ({begun})) // {unit}", came=came, begun=begun, unit=plan.rules.unit)


def _in_bucket(plan: Plan, units: Sql) -> Sql:
    edges = plan.rules.edges
    if edges[-1] == plan.rules.buckets:
        return sql("least({units}, {last})", units=units, last=edges[-1])
    chosen = join(
        " ",
        (sql("WHEN {units} < {edge} THEN {place}", units=units, edge=edge, place=place)
         for place, edge in enumerate(edges[1:])),
    )  # fmt: skip
    return sql("CASE {chosen} ELSE {last} END", chosen=chosen, last=plan.rules.buckets)


def _starts(plan: Plan, group: Group | None) -> list[Sql]:
    """Return the table of one row a start, and of the values at starts if they are broken down."""
    options, scope, by = plan.options, plan.frame.scope, range(len(plan.by))
    is_recurring, is_ever = options.cohort == "recurring", options.cohort == "first_ever"
    # Who is first at an instant matters only where more is asked of the event than its time.
    moment = _MOMENT if plan.by or is_ever else Sql("e.time_us")
    columns = [
        sql("{person} AS person", person=fields.person(scope)),
        sql("{cohort} AS cohort", cohort=_cohort(plan) if is_recurring else Sql("0")),
        moment + Sql(" AS moment"),
        *_grouped(plan),
    ]
    group_fields: list[Field] = []
    if plan.by:
        within, group_fields = selection.in_group(group, scope) if group else (Sql("true"), [])
        columns.append(within + Sql(" IS TRUE AS is_group"))
    if is_ever:
        columns.append(_matched(plan) + Sql(" IS TRUE AS is_matched"))
    names = [*(f"b{place}" for place in by), *(["is_group"] if plan.by else [])]
    taken = "".join(f", arg_min_null({name}, moment) AS {name}" for name in names)
    first = "min(moment)" if moment is not _MOMENT else "CAST(min(moment) >> 63 AS BIGINT)"
    is_first = "\n  AND min(moment) = min(moment) FILTER (is_matched)" if is_ever else ""
    start = sql(
        "start AS MATERIALIZED (\nSELECT person, {first} AS time_us{taken}\nFROM (\n"
        "SELECT {columns}\n{source}\n)\nGROUP BY person, cohort\nHAVING {first} >= {since}{is_first}\n)",
        first=Sql(first), taken=Sql(taken), columns=join(",\n  ", columns), is_first=Sql(is_first),
        source=_start_source(plan, group_fields), since=plan.frame.span.since,
    )  # fmt: skip
    return [start, _values(plan)] if plan.by else [start]


def _start_source(plan: Plan, also: Sequence[Field]) -> Sql:
    """Return FROM and WHERE of all start events, or of all that may be the first ever."""
    scope, span = plan.frame.scope, plan.frame.span
    if plan.options.cohort == "recurring":
        return source_of(plan, plan.start, span, also=[*plan.by, *also])
    span = Span(EVER, span.until)
    if plan.options.cohort == "first_matching":
        return source_of(plan, plan.start, span, also=[*plan.by, *also])
    asked = [field(name, scope) for name in selection.field_names([plan.question.filter])]
    asked += selection.step_fields([plan.start], scope)
    step = msgspec.structs.replace(plan.start, filter=None)
    return source_of(plan, step, span, also=[*plan.by, *also, *asked], is_filtered=False)


def _cohort(plan: Plan) -> Sql:
    return bucket_number(Sql("e.time_us"), plan.cut)


def _matched(plan: Plan) -> Sql:
    """Return whether an event satisfies all filters of the start."""
    step = selection.matches(plan.start, plan.frame)
    asked = selection.matches(Step(filter=plan.question.filter), plan.frame)
    return sql("({step} AND {asked})", step=step, asked=asked)


def _grouped(plan: Plan) -> list[Sql]:
    return [fields.breakdown(one)[0] + Sql(f" AS b{place}") for place, one in enumerate(plan.by)]


def _names(plan: Plan) -> Sql:
    return Sql(", ".join(f"b{place}" for place in range(len(plan.by))))


def _values(plan: Plan) -> Sql:
    """Return the table of all values at starts in the range, those of most starts first."""
    order = ", ".join(f"b{place} NULLS LAST" for place in range(len(plan.by)))
    return sql(
        "value AS MATERIALIZED (\n"
        "SELECT {names}, row_number() OVER (ORDER BY count(*) DESC, {order}) - 1 AS place\n"
        "FROM start\nGROUP BY {names}\n)",
        names=_names(plan),
        order=Sql(order),
    )


def _joined(plan: Plan, table: str) -> Sql:
    same = (
        f"{table}.b{place} IS NOT DISTINCT FROM value.b{place}" for place in range(len(plan.by))
    )
    return Sql(f"\nJOIN value ON {' AND '.join(same)}")


def _ticks(plan: Plan, time: Ints, bucket: Ints) -> Ints:
    """Return what the clock counts: buckets, days or microseconds."""
    if plan.options.clock == "calendar":
        return bucket
    if plan.days:
        return np.searchsorted(np.array(plan.days), time, side="right") - 1
    return time
