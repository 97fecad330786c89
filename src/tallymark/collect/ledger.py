"""The receipt ledger: every item received met exactly one outcome.

    received = accepted + duplicate + conflict + quarantined + dropped + rejected

``received`` is what the front counted when the request came; the outcomes are counted in load, one
by one. That the two agree is checked, not assumed.

Lines of ``observed`` stand beside these: findings of the tracking plan, by code, in events that went on
to some outcome all the same. They count each time an event comes, and one event may have several.

Each load adds lines of its own, and lines that differ in nothing but their items are summed where
they are read. From time to time they become one line, so that they stay few.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

from tallymark.collect.rows import Columns, columns_of
from tallymark.core.clock import MICROSECONDS
from tallymark.core.event import Batch, Outcome
from tallymark.core.sql import Sql, sql

OUTCOMES: tuple[Outcome, ...] = (
    "accepted", "duplicate", "conflict", "quarantined", "dropped", "rejected",
)  # fmt: skip
MINUTE = 60 * MICROSECONDS
LINE = ("minute_us", "source", "protocol", "outcome", "reason", "items")

_Line: TypeAlias = tuple[int, str, str, str, str]


class Ledger:
    """Counts of one load, turned to lines that go to the store."""

    def __init__(self) -> None:
        self._counts: Counter[_Line] = Counter()

    def add(self, batch: Batch, outcome: Outcome, items: int = 1, reason: str = "") -> None:
        """Count items of a batch under the minute it was received in."""
        if not items:
            return
        minute = batch.received_at // MINUTE * MINUTE
        self._counts[(minute, batch.source, batch.protocol, outcome, reason)] += items

    def columns(self) -> Columns:
        """Return the lines to be added to the ``ledger`` table."""
        return columns_of(LINE, [(*line, items) for line, items in self._counts.items()])

    def totals(self) -> dict[str, int]:
        """Return the items by outcome."""
        totals: Counter[str] = Counter()
        for (_, _, _, outcome, _), items in self._counts.items():
            totals[outcome] += items
        return dict(totals)


def balances(totals: dict[str, int]) -> bool:
    """Say whether every received item met an outcome."""
    return totals.get("received", 0) == sum(totals.get(outcome, 0) for outcome in OUTCOMES)


def repeated_lines(least: int) -> Sql:
    """Return the query for the summed lines of each minute that has at least so many to spare."""
    return sql(
        """
        WITH line AS (
          SELECT minute_us, source, protocol, outcome, reason,
                 sum(items)::BIGINT AS items, count(*) - 1 AS to_spare
          FROM ledger GROUP BY ALL
        )
        SELECT minute_us, source, protocol, outcome, reason, items FROM line
        QUALIFY sum(to_spare) OVER (PARTITION BY minute_us) >= {least}
        """,
        least=least,
    )


def replace_lines(lines: Sequence[tuple[Any, ...]]) -> tuple[Sql, ...]:
    """Return the statements that leave of their minutes only these lines."""
    minutes, sources, protocols, outcomes, reasons, items = map(list, zip(*lines, strict=True))
    return (
        sql(
            "DELETE FROM ledger WHERE minute_us IN (SELECT unnest({minutes}::BIGINT[]))",
            minutes=sorted(set(minutes)),
        ),
        sql(
            """
            INSERT INTO ledger
            SELECT unnest({minutes}::BIGINT[]), unnest({sources}::VARCHAR[]),
                   unnest({protocols}::VARCHAR[]), unnest({outcomes}::VARCHAR[]),
                   unnest({reasons}::VARCHAR[]), unnest({items}::BIGINT[])
            """,
            minutes=minutes, sources=sources, protocols=protocols, outcomes=outcomes,
            reasons=reasons, items=items,
        ),
    )  # fmt: skip
