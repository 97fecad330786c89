"""Series that reach beyond their bucket, as SQL.

Like ``measures``, in two steps: cells, then (place, bucket, amount, n). Of everybody counted once
the cells of a window hold the pieces of time as bits, one row a person however many days they were
active, and those of a running number the first bucket.
"""

from operator import itemgetter
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.core.sql import Sql, ident, join, sql

from . import measures
from .fields import Field
from .filters import Filter
from .measures import Cells, Series
from .ranges import Buckets, bucket_number
from .selection import Frame
from .windows import Windows

Asked: TypeAlias = tuple[Filter | None, bool]

# Bits 0 to 61 of a BIGINT are never its sign.
_WORD: Final = 62


class Reaching(Struct, frozen=True):
    """The cells of a series that reaches, and what it reaches over: windows, or all buckets so far."""

    cells: Cells
    windows: Windows | None

    @property
    def words(self) -> int:
        """In how many columns of bits the pieces of time are held."""
        return len(_starts(self.windows)) if self.windows else 0


def windowed(
    series: Series, frame: Frame, windows: Windows, by: list[Field], asked: Asked
) -> Reaching:
    """Return the cells of a series with windows."""
    wanted, include_bots = asked
    pieces = windows.pieces
    within = msgspec.structs.replace(frame, span=pieces.span)
    bucket = bucket_number(Sql("e.time_us"), pieces)
    if not measures.is_distinct(series.measure):
        return Reaching(_added(series, within, bucket, by, asked), windows)
    words = join(",\n  ", _words(bucket, windows))
    found = measures.keyed(series, within, words, by, wanted=wanted, include_bots=include_bots)
    return Reaching(found, windows)


def running(series: Series, frame: Frame, cut: Buckets, by: list[Field], asked: Asked) -> Reaching:
    """Return the cells of a cumulative series."""
    wanted, include_bots = asked
    within = msgspec.structs.replace(frame, span=cut.span)
    bucket = bucket_number(Sql("e.time_us"), cut)
    if not measures.is_distinct(series.measure):
        return Reaching(_added(series, within, bucket, by, asked), None)
    first = sql("min({bucket}) AS bucket", bucket=bucket)
    found = measures.keyed(series, within, first, by, wanted=wanted, include_bots=include_bots)
    return Reaching(found, None)


def placed(found: Reaching, is_broken_down: bool) -> Sql:
    """Return the cells with the place of their group among the top ones, NULL for Other."""
    if not measures.is_distinct(found.cells.measure):
        return measures.placed(found.cells, is_broken_down)
    if not is_broken_down:
        return Sql("SELECT *, 0 AS place\nFROM cell")
    made = (
        join(", ", (Sql(f"bit_or(w{n}) AS w{n}") for n in range(found.words)))
        if found.words
        else Sql("min(bucket) AS bucket")
    )
    return sql(
        "SELECT place, k, {made}\nFROM cell LEFT JOIN top ON {same}\nGROUP BY place, k",
        made=made,
        same=measures.same_group(found.cells),
    )


def numbers(found: Reaching, source: str, *, is_broken_down: bool) -> Sql:
    """Return (place, bucket, amount, n) of placed cells; bucket is NULL for the whole range.

    Of running numbers, a bucket in which nothing came has no row.
    """
    table = ident(source)
    is_distinct = measures.is_distinct(found.cells.measure)
    if found.windows is None:
        return _running(found, table, is_distinct=is_distinct)
    if is_distinct:
        return _counted(found.windows, table, is_broken_down=is_broken_down)
    return _added_up(found, found.windows, table)


def _added(series: Series, frame: Frame, bucket: Sql, by: list[Field], asked: Asked) -> Cells:
    wanted, include_bots = asked
    return measures.cells(series, frame, bucket, by, wanted=wanted, include_bots=include_bots)


def _running(found: Reaching, table: Sql, *, is_distinct: bool) -> Sql:
    merged = measures.merged(found.cells.measure)
    each = (
        sql("SELECT place, bucket, NULL AS amount, count(*) AS n FROM {t} GROUP BY place, bucket", t=table)
        if is_distinct
        else sql(
            "SELECT place, bucket, {merged} AS amount, sum(n) AS n FROM {t} GROUP BY place, bucket",
            merged=merged, t=table,
        )
    )  # fmt: skip
    so_far = Sql(" OVER (PARTITION BY place ORDER BY bucket) AS ")
    return sql(
        "SELECT place, bucket, amount, n\nFROM (\nWITH each AS MATERIALIZED (\n{each}\n)\n"
        "SELECT place, bucket, {amount}, {n}\nFROM each\n"
        "UNION ALL\nSELECT place, NULL, {whole}, sum(n)\nFROM each\nGROUP BY place\n)",
        each=each,
        amount=Sql("NULL AS amount") if is_distinct else merged + so_far + Sql("amount"),
        n=Sql("sum(n)") + so_far + Sql("n"),
        whole=Sql("NULL") if is_distinct else merged,
    )


def _added_up(found: Reaching, windows: Windows, table: Sql) -> Sql:
    merged = measures.merged(found.cells.measure)
    return sql(
        """SELECT place, bucket, amount, n
FROM (
WITH piece AS MATERIALIZED (
SELECT place, bucket, {merged} AS amount, sum(n) AS n
FROM {table}
GROUP BY place, bucket
), reach AS (
SELECT unnest({buckets}::BIGINT[]) AS bucket, unnest({first}::BIGINT[]) AS first,
  unnest({last}::BIGINT[]) AS last
)
SELECT place, reach.bucket, {merged} AS amount, sum(n) AS n
FROM piece JOIN reach ON piece.bucket >= first AND piece.bucket <= last
GROUP BY place, reach.bucket
UNION ALL
SELECT place, NULL, {merged}, sum(n)
FROM piece
WHERE bucket >= {low} AND bucket <= {high}
GROUP BY place
)""",
        merged=merged,
        table=table,
        buckets=list(range(len(windows.spans))),
        first=[first for first, _ in windows.spans],
        last=[last for _, last in windows.spans],
        low=windows.whole[0],
        high=windows.whole[1],
    )


def _counted(windows: Windows, table: Sql, *, is_broken_down: bool) -> Sql:
    starts = _starts(windows)
    counts = [_within(first, last, starts) for first, last in (*windows.spans, windows.whole)]
    # A row for each window, of what one pass over the people counted for all of them.
    return sql(
        "SELECT place, bucket, NULL AS amount, n\nFROM (\n"
        "SELECT {place}, unnest({buckets}::BIGINT[]) AS bucket, unnest([{counts}]) AS n\n"
        "FROM {table}{grouped}\n)",
        # To group by what is the same in every row takes a tenth of the time.
        place=Sql("place" if is_broken_down else "0 AS place"),
        grouped=Sql("\nGROUP BY place" if is_broken_down else ""),
        buckets=[*range(len(windows.spans))],
        counts=join(",\n  ", counts),
        table=table,
    )


def _starts(windows: Windows) -> list[int]:
    """Return the first piece of each word of bits.

    Words overlap where that takes at most one more: then a window lies in one of them, and counting
    who was there looks at one instead of two.
    """
    count = len(windows.pieces.edges) - 1
    plain = [*range(0, count, _WORD)]
    longest = max((last - first + 1 for first, last in windows.spans), default=1)
    if len(plain) == 1 or longest > _WORD // 2:
        return plain
    apart = [*range(0, count - longest + 1, _WORD - longest + 1)]
    return apart if len(apart) <= len(plain) + 1 else plain


def _words(bucket: Sql, windows: Windows) -> list[Sql]:
    """Return columns of bits: which of the pieces of time have an event."""
    starts = _starts(windows)
    if len(starts) == 1:
        return [sql("bit_or(CAST(1 AS BIGINT) << ({bucket})) AS w0", bucket=bucket)]
    return [
        sql(
            "bit_or(CASE WHEN ({bucket}) BETWEEN {low} AND {high}"
            " THEN CAST(1 AS BIGINT) << (({bucket}) - {low}) ELSE 0 END) AS {name}",
            bucket=bucket,
            low=low,
            high=low + _WORD - 1,
            name=ident(f"w{number}"),
        )
        for number, low in enumerate(starts)
    ]


def _within(first: int, last: int, starts: list[int]) -> Sql:
    """Return how many keys have an event in a run of pieces."""
    parts, at = [], first
    while at <= last:
        number, low = max((one for one in enumerate(starts) if one[1] <= at), key=itemgetter(1))
        high = min(last, low + _WORD - 1)
        mask = (1 << high - low + 1) - (1 << at - low)
        parts.append(sql("({word} & {mask}) <> 0", word=ident(f"w{number}"), mask=mask))
        at = high + 1
    return sql("count(*) FILTER ({parts})", parts=join(" OR ", parts))
