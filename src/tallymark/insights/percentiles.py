"""Exact percentiles: the two values next to a rank come from SQL, what lies between is calculated.

The p-th percentile of n values in order has the rank (n - 1) * p / 100, counted from 0, and lies
between the values of the ranks below and above in proportion (the usual linear interpolation). The
engine interpolates in floating point, and sorting all values takes it several times as long; but of
q * n values it finds one exactly by partial sorting, if q * n is whole. So each group is padded, with
values below and above all others, until that is so and the rank wanted is the one found.

Rank and interpolation: Hyndman and Fan, Sample Quantiles in Statistical Packages (1996), type 7.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from tallymark.core.sql import Sql, sql

from .numbers import Number, combine, ratio

# What lies below and above all values of a type.
DECIMALS: Final = (
    Sql("CAST('-99999999999999999999999999999.999999999' AS DECIMAL(38,9))"),
    Sql("CAST('99999999999999999999999999999.999999999' AS DECIMAL(38,9))"),
)
INTEGERS: Final = (
    Sql("CAST(-9223372036854775807 AS BIGINT)"),
    Sql("CAST(9223372036854775807 AS BIGINT)"),
)


def neighbours(table: Sql, percent: int, ends: tuple[Sql, Sql] = DECIMALS) -> Sql:
    """Return (place, bucket, amount, n) of cells; bucket is NULL for the whole range.

    ``amount`` is a list of the values next to the rank; of a single value the second means nothing.
    ``ends`` lie below and above all values, and are of their type.
    """
    share = Fraction(percent, 100)
    return sql(
        """SELECT place, bucket, amount, n
FROM (
WITH sized AS MATERIALIZED (
SELECT place, bucket, count(*) AS n, ({of} - count(*) % {of}) % {of} AS pads
FROM {table}
GROUP BY GROUPING SETS ((place, bucket), (place))
), pad AS MATERIALIZED (
SELECT place, bucket,
  CASE WHEN number <= (n + pads) * {parts} // {of} - 1 - (n - 1) * {parts} // {of}
    THEN {below}
    ELSE {above}
  END AS amount
FROM sized JOIN range(1, {of}) AS numbered (number) ON number <= pads
), padded AS (
SELECT place, bucket, amount FROM {table}
UNION ALL
SELECT place, bucket, amount FROM pad WHERE bucket IS NOT NULL
), padded_whole AS (
SELECT place, amount FROM {table}
UNION ALL
SELECT place, amount FROM pad WHERE bucket IS NULL
), near AS (
SELECT place, bucket, quantile_disc(amount, {shares}) AS amount
FROM padded
GROUP BY place, bucket
UNION ALL
SELECT place, NULL, quantile_disc(amount, {shares})
FROM padded_whole
GROUP BY place
)
SELECT sized.place, sized.bucket, amount, n
FROM sized JOIN near
  ON sized.place IS NOT DISTINCT FROM near.place
  AND sized.bucket IS NOT DISTINCT FROM near.bucket
)""",
        table=table,
        parts=Sql(str(share.numerator)),
        of=Sql(str(share.denominator)),
        shares=_shares(percent),
        below=ends[0],
        above=ends[1],
    )


def neighbours_of_all(table: Sql, percent: int) -> Sql:
    """Return (amount, n) of all cells together, as ``neighbours`` does; no row of none."""
    share = Fraction(percent, 100)
    return sql(
        """SELECT amount, n
FROM (
WITH sized AS MATERIALIZED (
SELECT count(*) AS n, ({of} - count(*) % {of}) % {of} AS pads FROM {table}
), padded AS (
SELECT amount FROM {table}
UNION ALL
SELECT CASE WHEN number <= (n + pads) * {parts} // {of} - 1 - (n - 1) * {parts} // {of}
    THEN {below}
    ELSE {above}
  END
FROM sized JOIN range(1, {of}) AS numbered (number) ON number <= pads
)
SELECT quantile_disc(amount, {shares}) AS amount, (SELECT n FROM sized) AS n FROM padded
)
WHERE n > 0""",
        table=table,
        parts=Sql(str(share.numerator)),
        of=Sql(str(share.denominator)),
        shares=_shares(percent),
        below=DECIMALS[0],
        above=DECIMALS[1],
    )


def between(values: Sequence[Decimal], n: int, percent: int) -> Number | None:
    """Return the percentile of n values from the two next to its rank, rounded to nine places."""
    low, high = values
    part = (n - 1) * percent % 100
    below, above = combine("*", low, Decimal(100 - part)), combine("*", high, Decimal(part))
    return ratio(combine("+", below, above), 100)


def _shares(percent: int) -> Sql:
    # A trillionth more is the next rank, and in decimals the engine reckons ranks exactly.
    return Sql(f"[0.{percent:02}, 0.{percent:02}0000000001]")
