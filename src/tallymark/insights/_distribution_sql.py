"""How a number is spread over people, as SQL: the number of each, and the bins they fall into."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from tallymark.core.sql import Sql, join, sql

from . import percentiles

# What a row of the statement tells.
BELOW: Final = 0
INSIDE: Final = 1
ABOVE: Final = 2
WHOLE: Final = 3
NINTH: Final = 4

_NICE: Final = tuple(Decimal(digit).scaleb(power) for power in range(-9, 29) for digit in (1, 2, 5))
LIMIT: Final = Decimal(10) ** 29
_NUMBER: Final = "DECIMAL(38,9)"


class Even(Struct, frozen=True):
    """Bins of one width, at its multiples: of the narrowest of ``widths`` of which ``most`` suffice.

    They reach from the bin of the 1st percentile to that of the 99th, but are no more than ``most``.
    """

    widths: tuple[Decimal, ...]
    most: int


def nice(most: int, *, whole: bool) -> Even:
    """Return bins whose width is 1, 2 or 5 times a power of ten; a whole number if so."""
    return Even(tuple(width for width in _NICE if width >= 1 or not whole), most)


def binned(counted: Sql, bins: Even | Sequence[Decimal], *, is_sum: bool) -> Sql:
    """Return (what, low, width, units, amount, near) of all units; ``counted`` gives key and amount.

    ``what`` is in which of the bins, below or above them all; or the whole, with the least, in
    ``low``, the greatest, in ``width``, and the two values ``near`` the rank of the median, of which an
    odd number has one; or the 90th percentile, with the two near its rank. What
    those of a bin have together is only told if ``is_sum``.
    """
    return sql(
        """WITH counted AS MATERIALIZED (
{counted}
){bins}
SELECT what, low, width, count(*) AS units, {together} AS amount, NULL AS near
FROM binned
GROUP BY ALL
UNION ALL
SELECT {whole}, min(amount), max(amount), count(*), sum(amount),
  quantile_disc(amount, [0.5, 0.500000000001])
FROM counted
HAVING count(*) > 0
UNION ALL
SELECT {ninth}, NULL, NULL, n, NULL, amount
FROM ({at_ninth})""",
        counted=counted,
        together=Sql("sum(amount)" if is_sum else f"CAST(NULL AS {_NUMBER})"),
        bins=_even(bins) if isinstance(bins, Even) else _bounded(bins),
        whole=WHOLE,
        ninth=NINTH,
        at_ninth=percentiles.neighbours_of_all(Sql("counted"), 90),
    )


def between(counted: Sql, low: Decimal | None, high: Decimal | None) -> Sql:
    """Return the keys of those whose amount lies from low up to, but not including, high."""
    limits = [] if low is None else [sql("amount >= {low}", low=_number(low))]
    if high is not None:
        limits.append(sql("amount < {high}", high=_number(high)))
    return sql(
        "SELECT key\nFROM (\n{counted}\n)\nWHERE {limits}",
        counted=counted,
        limits=join(" AND ", limits or [Sql("true")]),
    )


def _bounded(bounds: Sequence[Decimal]) -> Sql:
    return sql(
        """, binned AS (
SELECT CASE WHEN amount < {first} THEN {below} WHEN amount >= {last} THEN {above} ELSE {inside} END
    AS what,
  CASE WHEN amount >= {first} AND amount < {last} THEN {low} END AS low,
  CAST(NULL AS DECIMAL(38,9)) AS width, amount
FROM counted
)""",
        first=_number(bounds[0]),
        last=_number(bounds[-1]),
        below=BELOW,
        inside=INSIDE,
        above=ABOVE,
        low=_lowest(bounds),
    )


def _lowest(bounds: Sequence[Decimal]) -> Sql:
    """Return the last bound that is not above an amount, by few comparisons a row."""
    if len(bounds) == 1:
        return _number(bounds[0])
    middle = len(bounds) // 2
    return sql(
        "CASE WHEN amount < {bound} THEN {before} ELSE {after} END",
        bound=_number(bounds[middle]),
        before=_lowest(bounds[:middle]),
        after=_lowest(bounds[middle:]),
    )


def _even(bins: Even) -> Sql:
    # The reach of bins is from the first one's low to the last one's; wider ones than numbers are
    # stored with are of no use, but one has to be left.
    reaches = [(width, width * (bins.most - 1)) for width in bins.widths]
    kept = [pair for pair in reaches if pair[1] < LIMIT] or [(reaches[0][0], Decimal(0))]
    rows = ", ".join(f"(CAST('{w:f}' AS {_NUMBER}), CAST('{r:f}' AS {_NUMBER}))" for w, r in kept)
    return sql(
        """, core AS (
SELECT quantile_disc(amount, 0.01) AS low, quantile_disc(amount, 0.99) AS high FROM counted
), tried AS (
SELECT candidate.width, reach, {low} AS first, {high} AS last
FROM core, (VALUES {candidates}) AS candidate (width, reach)
), taken AS (
SELECT coalesce(
  arg_min({edges}, width) FILTER (TRY(last - first) <= reach), arg_max({edges}, width)
) AS edges
FROM tried
WHERE first IS NOT NULL
), placed AS (
SELECT amount, edges.width AS width, edges.first AS first, edges.last AS last, {amount} AS low
FROM counted, taken
), binned AS (
SELECT CASE WHEN low IS NULL OR low < first THEN {below} WHEN low > last THEN {above} ELSE {inside} END
    AS what,
  CASE WHEN low >= first AND low <= last THEN low END AS low,
  width, amount
FROM placed
)""",
        low=_floor("core.low", "candidate.width"),
        high=_floor("core.high", "candidate.width"),
        candidates=Sql(rows),
        edges=Sql("{'width': width, 'first': first, 'last': least(last, first + reach)}"),
        amount=_floor("amount", "edges.width"),
        below=BELOW,
        inside=INSIDE,
        above=ABOVE,
    )


def _floor(value: str, width: str) -> Sql:
    """Return the multiple of a width at or below a value; NULL if no number is so low.

    By remainders, which are exact, where a quotient of decimals would be in floating point.
    """
    rest = f"{value} % {width}"
    return Sql(f"TRY({value} - {rest} - CASE WHEN {rest} < 0 THEN {width} ELSE 0 END)")


def _number(value: Decimal) -> Sql:
    return sql("CAST({value} AS DECIMAL(38,9))", value=value)
