"""Small groups behind a link: what whoever has it is told, where a number may be of a few people.

A link has a least: no number that counts more than nobody and fewer than that is told, nor one with
which such a number could be had by reckoning with the others of the same answer. An answer in which
that cannot be seen to exactly is not shown at all.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tallymark.core.errors import NotAllowed

from . import _small_counts as counts
from ._small_funnels import funnels
from ._small_retention import retention
from ._small_trends import asked_alone, check_trends, trends, with_people
from .insight import Insight, Table

_WAYS: Final[Mapping[str, Callable[[Any, int], Any]]] = {
    "funnels": funnels, "retention": retention, "lifecycle": counts.lifecycle,
    "stickiness": counts.stickiness, "frequency": counts.frequency,
    "distribution": counts.distribution, "web": counts.web,
}  # fmt: skip


class Told(Struct, frozen=True):
    """What is told of an answer; ``is_whole`` says that nothing of its table is hidden."""

    data: Any
    table: Table
    is_whole: bool


def check_small(
    insight: Insight, question: Mapping[str, Any], least: int, defined: frozenset[str]
) -> None:
    """Raise NotAllowed SHARE_SMALL for a question of which small groups cannot be kept back.

    ``defined`` are the names of the project's events that stand for others.
    """
    if not least:
        return
    if insight.name == "trends":
        check_trends(question, defined)
    elif insight.name not in _WAYS:
        raise NotAllowed(
            f"The numbers of {insight.name} add up in so many ways that a small one cannot be kept"
            " back.",
            code="SHARE_SMALL",
        )


def asked(insight: Insight, question: Mapping[str, Any], least: int) -> Mapping[str, Any]:
    """Return what to ask in place of a question, to know whom its numbers are of."""
    return with_people(question) if least and insight.name == "trends" else question


def told(insight: Insight, question: Mapping[str, Any], data: Any, least: int) -> Told:
    """Return what is told of the answer to what ``asked`` returned for the question."""
    if insight.name == "trends":
        plain, shown = asked_alone(data, question), trends(data, question, least)
    else:
        plain, shown = data, _WAYS[insight.name](data, least)
        if insight.name == "web":
            plain = replace(data, tables={}, pages=[], goals=[])
        elif insight.name == "funnels":
            plain = replace(data, buckets=None)
    table = insight.table(shown)
    return Told(shown, table, table == insight.table(plain))
