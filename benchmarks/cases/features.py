"""How each of twelve values is used by people and accounts."""

from typing import Any

from benchmarks.baselines import features_baseline as baseline
from benchmarks.cases import Case


def _by_feature(answer: Any) -> Any:
    return (
        {
            one.feature: (one.people, one.uses, one.new_people, one.accounts)
            for one in answer.features
        },
        {one.features: one.people.count for one in answer.breadth if one.people.count},
    )


CASES = [
    Case(
        name="features_by_browser",
        insight="features",
        question={"by": "browser"},
        by_hand=baseline.features_by_browser,
        comparable=_by_feature,
    )
]
