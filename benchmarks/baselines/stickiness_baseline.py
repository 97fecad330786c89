"""Days of use and DAU/MAU as an expert would write them by hand: a mask of days a person, then numpy.

Imports nothing of tallymark.
"""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import duckdb
import numpy as np

DAY = 86_400_000_000
PLACES = Decimal("1E-9")


def stickiness_days(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> list[tuple[int, int]]:
    """Return the people with exactly k days and with at least k, for each k up to sixty."""
    found = connection.execute(
        f"""
        SELECT bit_or(1::BIGINT << ((time_us - $since) // {DAY})::INT) AS days
        FROM event
        WHERE time_us >= $since AND time_us < $until AND is_bot IS DISTINCT FROM true
        GROUP BY person_key
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchnumpy()
    most = (until - since) // DAY
    exactly = np.bincount(np.bitwise_count(found["days"]), minlength=most + 1)
    return [(int(exactly[k]), int(exactly[k:].sum())) for k in range(1, most + 1)]


def dau_by_mau(
    connection: duckdb.DuckDBPyConnection, since: int, until: int
) -> tuple[list[tuple[int, int, int]], Decimal]:
    """Return (DAU, WAU, MAU) of each of the last thirty days, and the mean of DAU/MAU."""
    found = connection.execute(
        f"""
        SELECT bit_or(1::BIGINT << ((time_us - $since) // {DAY})::INT) AS days
        FROM event
        WHERE time_us >= $since + {DAY} AND time_us < $until AND is_bot IS DISTINCT FROM true
        GROUP BY person_key
        """,  # noqa: S608  only our own constants
        {"since": since, "until": until},
    ).fetchnumpy()
    days = found["days"]
    last = np.full(len(days), -1, dtype=np.int32)
    rows = []
    for day in range((until - since) // DAY):
        here = (days >> day & 1).astype(bool)
        last[here] = day
        if day >= 30:
            rows.append(
                (
                    int(np.count_nonzero(here)),
                    int(np.count_nonzero(last > day - 7)),
                    int(np.count_nonzero(last > day - 30)),
                )
            )
    mean = sum((Fraction(dau, mau) for dau, _, mau in rows), Fraction(0)) / len(rows)
    return rows, (Decimal(mean.numerator) / mean.denominator).quantize(PLACES, ROUND_HALF_UP)
