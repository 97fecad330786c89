"""What is counted of the chosen events, as SQL in two steps that are exact for any grouping.

First the events become *cells*, small enough to keep: sums by bucket and group, or the distinct
people of each. Then cells become numbers, so that people of the Other group, or of the whole range,
are counted once however many groups or buckets they are in.

Whoever counts once is a bit: keys are surrogates from 1 on, so sixty-four of them that follow each
other are one row, its block, with a word of bits. That is a row for each of them where they lie far
apart, as it would be without, and up to sixty-four times less where many come.
"""

from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql, ident, join, sql

from . import fields, filters, percentiles
from .fields import Field, field
from .filters import Filter
from .insight import Scope
from .numbers import Number, exact, ratio
from .presence import words_of
from .selection import EventNames, Frame, Group, Question, chosen, field_names, in_group

Measure: TypeAlias = Literal[
    "count", "unique_people", "unique_accounts", "sessions", "sum", "avg", "min", "max",
    "median", "p90", "p95", "p99", "per_person",
]  # fmt: skip
# What a statement gives of a measure; of a percentile, the two values next to its rank.
Amount: TypeAlias = Number | list[Decimal] | None

_QUANTILES: Final[dict[Measure, int]] = {"median": 50, "p90": 90, "p95": 95, "p99": 99}
_DISTINCT: Final[tuple[Measure, ...]] = (
    "unique_people", "unique_accounts", "sessions", "per_person",
)  # fmt: skip
_NEEDS_NUMBER: Final[tuple[Measure, ...]] = ("sum", "avg", "min", "max", *_QUANTILES)
_ZERO_IF_NONE: Final[tuple[Measure, ...]] = (
    "count", "sum", "unique_people", "unique_accounts", "sessions",
)  # fmt: skip


class Series(Struct, frozen=True, forbid_unknown_fields=True):
    """One line: which events, and what is measured of them."""

    event: EventNames = None
    measure: Annotated[
        Measure,
        Meta(
            description=(
                "count; unique_people, unique_accounts or sessions; sum, avg, min, max, median, p90,"
                " p95 or p99 of a number; per_person: count, or the sum of a number, by person."
            )
        ),
    ] = "count"
    of: Annotated[
        str | None,
        Meta(
            description="The number measured: value, revenue, properties.<name> or person.<name>."
        ),
    ] = None
    filter: Annotated[
        Filter | None, Meta(description="Only these events, besides the common filter.")
    ] = None
    label: Annotated[
        str | None, Meta(description="Name of the line; made from the event if left out.")
    ] = None


class Cells(Struct, frozen=True):
    """The cells of a series as a statement, with the columns ``b0`` … of its groups."""

    statement: Sql
    measure: Measure
    groups: tuple[str, ...]


def cells(
    series: Series,
    frame: Frame,
    bucket: Sql,
    by: list[Field],
    *,
    wanted: Filter | None,
    include_bots: bool,
) -> Cells:
    """Return the cells of a series; raises InvalidQuery if its measure does not fit."""
    number = _number(series, frame.scope)
    groups = tuple(f"b{place}" for place in range(len(by)))
    grouped = [
        sql("{bucket} AS bucket", bucket=bucket),
        *(
            fields.breakdown(one)[0] + Sql(f" AS {name}")
            for name, one in zip(groups, by, strict=True)
        ),
    ]
    key, key_fields = _distinct_key(series.measure, frame.scope)
    also = [*by, *key_fields, *([number] if number else [])]
    source = chosen(
        series.event, (wanted, series.filter), frame, include_bots=include_bots, also=also
    )
    value = (number.number if number else None) or Sql("CAST(NULL AS DECIMAL(38,9))")
    return Cells(_cells(series, grouped, source, value, key), series.measure, groups)


def keyed(
    series: Series,
    frame: Frame,
    made: Sql,
    by: list[Field],
    *,
    wanted: Filter | None,
    include_bots: bool,
) -> Cells:
    """Return one cell for each key of a measure of distinct ones, and group.

    ``made`` are columns made of all events of the cell.
    """
    groups = tuple(f"b{place}" for place in range(len(by)))
    key, key_fields = _distinct_key(series.measure, frame.scope)
    source = chosen(
        series.event,
        (wanted, series.filter),
        frame,
        include_bots=include_bots,
        also=[*by, *key_fields],
    )
    statement = sql(
        "SELECT {groups}{key} AS k,\n  {made}\n{source}\n  AND {key} IS NOT NULL\nGROUP BY ALL",
        groups=_columns(groups, by),
        key=key or Sql("NULL"),
        made=made,
        source=source,
    )
    return Cells(statement, series.measure, groups)


def behind(series: Series, question: Question, group: Group | None, frame: Frame) -> Sql:
    """Return FROM and WHERE of the events that make the number of a series, or of one group.

    Those are the events that have what the measure needs: a number, a person, an account, a session.
    """
    number = _number(series, frame.scope)
    key, also = _distinct_key(series.measure, frame.scope)
    needed = [*([key] if key else []), *([number.number or Sql("NULL")] if number else [])]
    within, group_fields = in_group(group, frame.scope) if group else (Sql("true"), [])
    source = chosen(
        series.event,
        (question.filter, series.filter),
        frame,
        include_bots=question.include_bots,
        also=[*also, *group_fields, field("person", frame.scope)],
    )
    present = [sql("{it} IS NOT NULL", it=it) for it in needed]
    return sql(
        "{source}\n  AND {conditions}",
        source=source,
        conditions=join("\n  AND ", [within, *present]),
    )


def names_behind(series: Series, question: Question, group: Group | None) -> list[str]:
    """Return the names of all fields a list of events or people depends on."""
    used = [*field_names([question.filter, series.filter]), *(group.by if group else [])]
    return [*used, *([series.of] if series.of else [])]


def measured(series: Series, question: Question) -> list[str]:
    """Return the names of the fields that only count where they are numbers."""
    wanted = (question.filter, series.filter)
    compared = [name for one in wanted for name in filters.compared(one)]
    return [*([series.of] if series.of else []), *compared]


def numbers(found: Cells, source: str) -> Sql:
    """Return (place, bucket, amount, n) of placed cells; bucket is NULL for the whole range."""
    table = ident(source)
    if found.measure in _QUANTILES:
        return percentiles.neighbours(table, _QUANTILES[found.measure])
    if found.measure in _DISTINCT:
        return sql(
            "SELECT place, bucket, sum(amount) AS amount, sum(bit_count(keys)) AS n\n"
            "FROM {table}\nGROUP BY place, bucket\n"
            "UNION ALL\n"
            "SELECT place, NULL, sum(amount), sum(bit_count(keys))\n"
            "FROM {together}\nGROUP BY place",
            table=table,
            together=_together(Sql("place"), table),
        )
    return sql(
        "SELECT place, bucket, {merged} AS amount, sum(n) AS n\n"
        "FROM {table}\nGROUP BY GROUPING SETS ((place, bucket), (place))",
        merged=merged(found.measure),
        table=table,
    )


def placed(found: Cells, is_broken_down: bool) -> Sql:
    """Return the cells with the place of their group among the top ones, NULL for Other."""
    if not is_broken_down:
        return Sql("SELECT *, 0 AS place\nFROM cell")
    same = same_group(found)
    if found.measure in _DISTINCT:
        return sql(
            "SELECT place, bucket, block, bit_or(keys) AS keys, sum(amount) AS amount\n"
            "FROM cell LEFT JOIN top ON {same}\nGROUP BY ALL",
            same=same,
        )
    return sql("SELECT cell.*, place\nFROM cell LEFT JOIN top ON {same}", same=same)


def top(found: Cells, source: str, most: int) -> Sql:
    """Return the groups with the greatest totals and their places, ties by value, missing last.

    ``found`` is how many groups there are, beyond those that are returned too.
    """
    columns, table = join(", ", (Sql(name) for name in found.groups)), ident(source)
    order = join(", ", (Sql(f"{name} NULLS LAST") for name in found.groups))
    return sql(
        "SELECT {columns}, row_number() OVER (ORDER BY {total} DESC NULLS LAST, {order}) - 1"
        " AS place, count(*) OVER () AS found\nFROM {table}\nGROUP BY {columns}\nORDER BY place\nLIMIT {most}",
        columns=columns,
        total=_total(found.measure),
        order=order,
        table=_together(columns, table) if is_distinct(found.measure) else table,
        most=most,
    )


def number_of(measure: Measure, row: tuple[Amount, int] | None) -> Number | None:
    """Return the number of a measure from its (amount, n), which is None where no event is."""
    amount, n = row or (None, 0)
    if isinstance(amount, list):
        return percentiles.between(amount, n, _QUANTILES[measure])
    if measure in {"avg", "per_person"}:
        return ratio(amount, n)
    value = n if measure in _DISTINCT else exact(amount)
    return 0 if value is None and measure in _ZERO_IF_NONE else value


def is_distinct(measure: Measure) -> bool:
    """Whether a measure counts each person, account or session once."""
    return measure in _DISTINCT


def adds_up(measure: Measure) -> bool:
    """Whether the numbers of groups of events add up to that of all of them."""
    return measure in {"count", "sum"}


def is_of_people(measure: Measure) -> bool:
    """Whether a measure counts each person once, or is of each."""
    return measure in {"unique_people", "per_person"}


def merged(measure: Measure) -> Sql:
    """Return how the amounts of cells make one amount."""
    return Sql(f"{measure}(amount)") if measure in {"min", "max"} else Sql("sum(amount)")


def same_group(found: Cells) -> Sql:
    """Return that a cell is of the group of a row of ``top``."""
    return join(
        " AND ", (Sql(f"cell.{name} IS NOT DISTINCT FROM top.{name}") for name in found.groups)
    )


def _columns(groups: tuple[str, ...], by: list[Field]) -> Sql:
    named = (
        fields.breakdown(one)[0] + Sql(f" AS {name},\n  ")
        for name, one in zip(groups, by, strict=True)
    )
    return join("", named)


def _cells(series: Series, grouped: list[Sql], source: Sql, value: Sql, key: Sql | None) -> Sql:
    columns = join(",\n  ", grouped)
    if series.measure in _QUANTILES:
        return sql(
            "SELECT {columns},\n  {value} AS amount\n{source}\n  AND {value} IS NOT NULL",
            columns=columns,
            value=value,
            source=source,
        )
    if key is not None:
        amount = Sql("CAST(NULL AS BIGINT)")
        if series.measure == "per_person":
            amount = Sql("count(*)") if series.of is None else sql("sum({v})", v=value)
        return sql(
            "SELECT {columns},\n  {words},\n  {amount} AS amount\n{source}\n  AND {key} IS NOT NULL\nGROUP BY ALL",
            columns=columns,
            words=words_of(key, "keys"),
            key=key,
            amount=amount,
            source=source,
        )
    return sql(
        "SELECT {columns},\n  {aggregate} AS amount,\n  {n} AS n\n{source}\nGROUP BY ALL",
        columns=columns,
        aggregate=_aggregate(series.measure, value),
        n=Sql("count(*)") if series.measure == "count" else sql("count({v})", v=value),
        source=source,
    )


def _aggregate(measure: Measure, value: Sql) -> Sql:
    match measure:
        case "count":
            return Sql("count(*)")
        case "min":
            return sql("min({value})", value=value)
        case "max":
            return sql("max({value})", value=value)
        case _:
            return sql("sum({value})", value=value)


def _together(by: Sql, cells: Sql) -> Sql:
    """Return cells with those of all buckets as one, as a table in FROM."""
    return sql(
        "(SELECT {by}, block, bit_or(keys) AS keys, sum(amount) AS amount"
        " FROM {cells} GROUP BY {by}, block)",
        by=by,
        cells=cells,
    )


def _total(measure: Measure) -> Sql:
    if measure in _QUANTILES:
        return Sql(f"quantile_cont(amount, 0.{_QUANTILES[measure]})")
    if measure == "per_person":
        return Sql("sum(amount) / sum(bit_count(keys))")
    if measure in _DISTINCT:
        return Sql("sum(bit_count(keys))")
    if measure == "avg":
        return Sql("sum(amount) / nullif(sum(n), 0)")
    return merged(measure)


def _distinct_key(measure: Measure, scope: Scope) -> tuple[Sql | None, list[Field]]:
    match measure:
        case "unique_people" | "per_person":
            return fields.person(scope), [field("person", scope)]
        case "unique_accounts":
            return Sql("e.account_key"), []
        case "sessions":
            return Sql("e.session_key"), []
        case _:
            return None, []


def _number(series: Series, scope: Scope) -> Field | None:
    if series.of is None:
        if series.measure in _NEEDS_NUMBER:
            raise InvalidQuery(
                f"{series.measure} needs a number to measure.",
                hint="Name it in `of`: value, revenue, properties.<name> or person.<name>.",
                path="series.of",
            )
        return None
    if series.measure not in {*_NEEDS_NUMBER, "per_person"}:
        raise InvalidQuery(f"{series.measure} measures no field.", path="series.of")
    found = field(series.of, scope, path="series.of")
    if found.number is None and not found.is_property:
        raise InvalidQuery(f"{series.of} is not a number.", path="series.of")
    return found
