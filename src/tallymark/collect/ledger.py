"""The receipt ledger: every item received met exactly one outcome.

    received = accepted + duplicate + conflict + quarantined + dropped + rejected

``received`` is what the front counted when the request came; the outcomes are counted in load, one
by one. That the two agree is checked, not assumed.
"""

from collections import Counter
from typing import Literal, TypeAlias

from tallymark.core.clock import MICROSECONDS
from tallymark.core.event import Batch
from tallymark.core.sql import Sql, join, sql

Outcome: TypeAlias = Literal[
    "received", "accepted", "duplicate", "conflict", "quarantined", "dropped", "rejected"
]
OUTCOMES: tuple[Outcome, ...] = (
    "accepted", "duplicate", "conflict", "quarantined", "dropped", "rejected",
)  # fmt: skip
MINUTE = 60 * MICROSECONDS

_Line: TypeAlias = tuple[int, str, str, str, str]


class Ledger:
    """Counts of one load, turned to statements that add them to the store."""

    def __init__(self) -> None:
        self._counts: Counter[_Line] = Counter()

    def add(self, batch: Batch, outcome: Outcome, items: int = 1, reason: str = "") -> None:
        """Count items of a batch under the minute it was received in."""
        if not items:
            return
        minute = batch.received_at // MINUTE * MINUTE
        self._counts[(minute, batch.source, batch.protocol, outcome, reason)] += items

    def statements(self) -> tuple[Sql, ...]:
        """Return the statements that add these counts to the ``ledger`` table."""
        if not self._counts:
            return ()
        lines = join(", ", (_values(line, items) for line, items in self._counts.items()))
        minutes = sorted({line[0] for line in self._counts})
        added = sql(
            "WITH added (minute_us, source, protocol, outcome, reason, items) AS (VALUES {lines})",
            lines=lines,
        )
        update = sql(
            """
            UPDATE ledger SET items = ledger.items + added.items
            FROM (SELECT * FROM (VALUES {lines})
                  AS line (minute_us, source, protocol, outcome, reason, items)) AS added
            WHERE ledger.minute_us IN (SELECT unnest({minutes}::BIGINT[]))
              AND ledger.minute_us = added.minute_us AND ledger.source = added.source
              AND ledger.protocol = added.protocol AND ledger.outcome = added.outcome
              AND ledger.reason = added.reason
            """,
            lines=lines,
            minutes=minutes,
        )
        insert = (
            sql(
                "INSERT INTO ledger ",
            )
            + added
            + sql(
                """
            SELECT added.* FROM added
            ANTI JOIN ledger USING (minute_us, source, protocol, outcome, reason)
            """
            )
        )
        return (update, insert)

    def totals(self) -> dict[str, int]:
        """Return the items by outcome."""
        totals: Counter[str] = Counter()
        for (_, _, _, outcome, _), items in self._counts.items():
            totals[outcome] += items
        return dict(totals)


def balances(totals: dict[str, int]) -> bool:
    """Say whether every received item met an outcome."""
    return totals.get("received", 0) == sum(totals.get(outcome, 0) for outcome in OUTCOMES)


def _values(line: _Line, items: int) -> Sql:
    minute, source, protocol, outcome, reason = line
    return sql(
        "({minute}::BIGINT, {source}, {protocol}, {outcome}, {reason}, {items}::BIGINT)",
        minute=minute, source=source, protocol=protocol, outcome=outcome, reason=reason,
        items=items,
    )  # fmt: skip
