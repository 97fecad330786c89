"""How much people have of a number in sixty days, in forty bins."""

from typing import Any

from benchmarks.baselines import distribution_baseline as baseline
from benchmarks.cases import Case


def _by_bin(answer: Any) -> tuple[dict[Any, Any], Any]:
    found: dict[Any, Any] = {"median": float(answer.median), "p90": float(answer.p90)}
    for row in answer.rows:
        if row.units.count:
            number = int(row.low) // baseline.WIDTH
            found["people", number], found["sum", number] = row.units.count, float(row.amount)
    return found, float(answer.mean)


CASES = [
    Case(
        name="distribution_sum",
        insight="distribution",
        question={
            "measure": "sum", "of": "value", "width": baseline.WIDTH, "start": 0, "bins": baseline.BINS,
        },
        by_hand=baseline.distribution_sum,
        comparable=_by_bin,
        is_rounded=True,
    )
]  # fmt: skip
