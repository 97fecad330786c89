"""Finds the members of the cohorts a question needs, each once, and holds them as tables."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.core.sql import Sql
from tallymark.insights.held import Which, name_of
from tallymark.insights.insight import Scope, Unit
from tallymark.insights.membership import Cohort, cohort_of
from tallymark.insights.membership_sql import behind_table, keys_of, numbers_behind
from tallymark.insights.pages import Behind
from tallymark.insights.references import cohorts_in
from tallymark.store.engine import Arrays, Reading, Rows

_MOST_NESTED = 20


class KeysBehind(Protocol):
    """Finds who is behind a number."""

    def __call__(
        self, behind: Behind, scope: Scope, reading: "Holding", *, unit: Unit
    ) -> NDArray[np.int64]:
        """Return the keys; raises InvalidQuery if the number is of others."""


class Holding:
    """A reading that remembers which tables it holds, so that no cohort is looked for twice."""

    def __init__(self, reading: Reading, keys_behind: KeysBehind) -> None:
        self._reading = reading
        self._keys_behind = keys_behind
        self._held: set[str] = set()
        self._sought: list[str] = []
        self._nested = 0

    def __call__(self, statement: Sql) -> Rows:
        """Run a read-only statement."""
        return self._reading(statement)

    def arrays(self, statement: Sql) -> Arrays:
        """Return the result as arrays."""
        return self._reading.arrays(statement)

    def hold(self, name: str, columns: Arrays) -> None:
        """Keep columns as a table."""
        self._reading.hold(name, columns)
        self._held.add(name)

    def rows_read(self) -> int:
        """Return how many rows were gone over so far."""
        return self._reading.rows_read()

    def percent(self) -> float | None:
        """Return how far the present statement is."""
        return self._reading.percent()

    def stop(self) -> None:
        """Stop the present statement, and refuse others."""
        self._reading.stop()

    def hold_for(self, value: Any, scope: Scope) -> None:
        """Hold the members of every cohort in a value, as of the scope.

        Raises InvalidQuery for a cohort that is wrong, or holds itself.
        """
        if self._nested == _MOST_NESTED:
            raise InvalidQuery("Numbers behind numbers nest too deep, or without end.")
        self._nested += 1
        for which in cohorts_in(value, scope):
            self._hold_cohort(which, scope)
        for number in numbers_behind(value) if isinstance(value, Cohort) else ():
            name = behind_table(number, value.of, scope)
            if name not in self._held:
                unit: Unit = "person" if value.of == "people" else "account"
                keys = self._keys_behind(number.behind, scope, self, unit=unit)
                self.hold(name, {"key": keys})
        self._nested -= 1

    def _hold_cohort(self, which: Which, scope: Scope) -> None:
        name = name_of(which, scope)
        if name in self._held:
            return
        if name in self._sought:
            shown = repr(which) if isinstance(which, str) else "that is written out"
            raise InvalidQuery(f"The cohort {shown} holds itself.", path="cohort")
        self._sought.append(name)
        cohort = cohort_of(which, scope)
        self.hold_for(cohort, scope)
        self.hold(name, self._reading.arrays(keys_of(cohort, scope)))
        self._sought.pop()
