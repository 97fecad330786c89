"""Paths: of persons from an event, of sessions from their beginning, and over pages."""

from collections import Counter
from typing import Any

import duckdb
from benchmarks.baselines import paths_baseline as baseline
from benchmarks.cases import Case


def _told(answer: Any) -> Any:
    """Return nodes and links by their names, without Other and those who left."""
    nodes, links = {}, {}
    for number, step in enumerate(answer.steps):
        for node in step.nodes:
            if node.kind == "node":
                nodes[number, node.name] = node.count
        if number == 0:
            continue
        before = answer.steps[number - 1].nodes
        for link in step.links:
            source, target = before[link.source], step.nodes[link.target]
            if source.kind == target.kind == "node":
                links[number, source.name, target.name] = link.count
    return nodes, links


def _by_hand(name: str, top: int) -> Any:
    """Return the baseline with the names that our answer shows, which are the most frequent ones."""

    def ask(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> Any:
        nodes, links = getattr(baseline, name)(connection, since, until)
        shown = {
            step: set(
                _most({node: count for (at, node), count in nodes.items() if at == step}, top)
            )
            for step in range(baseline.DEPTH)
        }
        return (
            {
                (step, _name(node)): count
                for (step, node), count in nodes.items()
                if node in shown[step]
            },
            {
                (step, _name(before), _name(node)): count
                for (step, before, node), count in links.items()
                if before in shown[step - 1] and node in shown[step]
            },
        )

    return ask


def _most(counts: dict[Any, int], top: int) -> list[Any]:
    ranked = sorted(Counter(counts).items(), key=lambda one: (-one[1], _name(one[0])))
    return [node for node, _ in ranked[:top]]


def _name(node: Any) -> str:
    return node if isinstance(node, str) else f"event {node}"


CASES = [
    Case(
        name="paths_from",
        insight="paths",
        question={"start": {"event": "event 1"}, "unit": "person"},
        by_hand=_by_hand("paths_from", 5),
        comparable=_told,
    ),
    Case(
        name="paths_sessions",
        insight="paths",
        question={},
        by_hand=_by_hand("paths_sessions", 5),
        comparable=_told,
    ),
    Case(
        name="paths_pages",
        insight="paths",
        question={"node": "path", "unit": "person"},
        by_hand=_by_hand("paths_pages", 5),
        comparable=_told,
    ),
]
