"""How pages are read, where people click in vain, what becomes of forms, and the heat of clicks."""

from typing import Any

from benchmarks.baselines import pages_baseline as baseline
from benchmarks.cases import Case


def _scroll(answer: Any) -> Any:
    return (
        (answer.views, answer.people, answer.known),
        {one.percent: (one.views.count, one.people) for one in answer.curve},
        {one.path: one.views for one in answer.pages},
    )


def _frustration(answer: Any) -> Any:
    return (
        (answer.rage, answer.dead, answer.people.count, answer.people.of),
        [(one.path, one.element, one.rage, one.dead, one.people) for one in answer.elements],
    )


def _forms(answer: Any) -> Any:
    return [
        (one.path, one.form, one.seen, one.start.count, one.completion.count, one.people.seen)
        for one in answer.forms
    ]


def _heat(answer: Any) -> Any:
    cells = {(one.column, one.band): (one.clicks, one.people) for one in answer.cells}
    return answer.clicks, cells


CASES = [
    Case(
        name="scroll_of_pages",
        insight="scroll",
        question={"depth": "value", "engaged": []},
        by_hand=baseline.scroll,
        comparable=_scroll,
    ),
    Case(
        name="frustration_by_element",
        insight="frustration",
        question={"rage": "event 3", "dead": "event 4", "element": "browser"},
        by_hand=baseline.frustration,
        comparable=_frustration,
    ),
    Case(
        name="forms_of_pages",
        insight="forms",
        question={"start": "event 5", "submit": "event 6", "form": ["browser"]},
        by_hand=baseline.forms,
        comparable=_forms,
    ),
    Case(
        name="heat_of_clicks",
        insight="heat",
        question={"step": "event 20"},
        by_hand=baseline.heat,
        comparable=_heat,
    ),
]
