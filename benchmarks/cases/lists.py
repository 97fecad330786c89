"""Lists: the accounts seen last, what one person did, and the sessions that began last."""

from datetime import datetime
from typing import Any

from benchmarks.baselines import lists_baseline as baseline
from benchmarks.cases import Case

from tallymark.core.clock import instant

_ON_A_PATH = {"filter": {"op": "equals", "field": "path", "value": "/p/7"}}


def _accounts(answer: Any) -> Any:
    return [(one.people, one.events) for one in answer.accounts], answer.total


def _timeline(answer: Any) -> Any:
    return sorted((one.events,) for one in answer.sessions), answer.total


def _visits(answer: Any) -> Any:
    return [
        (instant(datetime.fromisoformat(one.start)), one.events) for one in answer.visits
    ], answer.total


CASES = [
    Case(
        name="latest_accounts",
        insight="accounts",
        question={**_ON_A_PATH, "limit": 100},
        by_hand=baseline.latest_accounts,
        comparable=_accounts,
    ),
    Case(
        name="timeline_of_one",
        insight="timeline",
        question={"person": 4711, "limit": 100},
        by_hand=baseline.timeline_of_one,
        comparable=_timeline,
    ),
    Case(
        name="latest_visits",
        insight="visits",
        question={**_ON_A_PATH, "limit": 50},
        by_hand=baseline.latest_visits,
        comparable=_visits,
    ),
]
