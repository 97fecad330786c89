"""A site on one page: the whole, its browsers and its pages."""

from typing import Any

from benchmarks.baselines import web_baseline as baseline
from benchmarks.cases import Case


def _numbers(one: Any) -> Any:
    return one.visits, one.visitors, one.page_views, one.bounces


def _by_row(answer: Any) -> Any:
    return {
        ("all", None): _numbers(answer.numbers),
        **{("browser", row.value): _numbers(row.numbers) for row in answer.tables["browsers"]},
        **{
            ("page", row.value): (row.visits, row.visitors, row.page_views, row.entries, row.exits)
            for row in answer.pages
        },
    }


CASES = [
    Case(
        name="web_page",
        insight="web",
        question={"tables": ["browsers", "pages"], "top": 12},
        by_hand=baseline.web_page,
        comparable=_by_row,
    )
]
