"""Which browser those have who convert, and those who do not."""

from typing import Any

from benchmarks.baselines import correlation_baseline as baseline
from benchmarks.cases import Case


def _by_browser(answer: Any) -> Any:
    return (
        (answer.converted, answer.dropped),
        {one.value: (one.converted_with, one.dropped_with) for one in answer.factors},
    )


CASES = [
    Case(
        name="correlation_of_browser",
        insight="correlation",
        question={
            "steps": [{"event": "event 1"}, {"event": "event 2"}],
            "window": "7d",
            "attempt": "first",
            "properties": ["browser"],
            "events": False,
            "facts": False,
        },
        by_hand=baseline.with_which_browser,
        comparable=_by_browser,
    )
]
