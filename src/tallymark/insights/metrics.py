"""Named metrics in a question about series: each becomes its series, and its formula if it has one."""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import structs

from tallymark.core.errors import InvalidQuery
from tallymark.core.registry import did_you_mean

from .insight import Scope
from .lines import Formula
from .measures import Series

LETTERS: Final = "ABCDEFGHIJ"


def expanded(question: Any, scope: Scope) -> Any:
    """Return a question with ``series``, ``formulas`` and ``metrics`` without the last of them.

    Its own series come first, unless it was left to the default. Raises InvalidQuery for a metric
    that is defined nowhere, or for too many series.
    """
    if not question.metrics:
        return question
    # Whatever kind of series the question has, its default is one that says nothing.
    own = () if question.series == (type(question.series[0])(),) else question.series
    series, formulas = series_of(question.metrics, scope, own)
    return structs.replace(
        question, series=series, formulas=(*question.formulas, *formulas), metrics=()
    )


def series_of(
    names: Sequence[str], scope: Scope, own: tuple[Series, ...] = ()
) -> tuple[tuple[Series, ...], tuple[Formula, ...]]:
    """Return the series of metrics after the own ones, and their formulas, lettered anew."""
    known = {} if scope.definitions is None else scope.definitions.metrics
    series, formulas = list(own), []
    for name in names:
        metric = known.get(name)
        if metric is None:
            raise InvalidQuery(
                f"There is no metric {name[:80]!r}.",
                hint=did_you_mean(name, known)
                or "Define it in a file and push it with `tallymark apply`.",
                path="metrics",
            )
        first = len(series)
        if metric.formula is None:
            series.append(structs.replace(metric.series[0], label=name))
            continue
        series += metric.series
        if len(series) > len(LETTERS):
            break
        formulas.append(Formula(_moved(metric.formula, first), name))
    if len(series) > len(LETTERS):
        raise InvalidQuery(
            f"Together the metrics have more than {len(LETTERS)} series.", path="metrics"
        )
    return tuple(series), tuple(formulas)


def _moved(formula: str, first: int) -> str:
    """Return the formula with its letters moved on, so that A is the series at ``first``."""
    return re.sub(r"[A-J]", lambda found: LETTERS[(LETTERS.index(found[0]) + first) % 10], formula)
