"""How a property drifts, told again over two lists of values with counters, floats and plain loops."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import log
from typing import Any

MISSING = object()


def having(values: Sequence[Any]) -> tuple[int, int, int]:
    """Return how many are text, numbers and something else."""
    kinds = [kind(one) for one in values]
    return kinds.count("text"), kinds.count("number"), kinds.count("other")


def kind(value: Any) -> str:
    if value is None or value is MISSING:
        return "none"
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | Decimal) and not isinstance(value, bool) else "other"


def categories(before: Sequence[Any], now: Sequence[Any]) -> dict[Any, tuple[int, int]]:
    """Return the counts before and now of what is taken for one value."""
    texts = Counter(one for one in [*before, *now] if kind(one) == "text")
    frequent = sorted(texts, key=lambda one: (-texts[one], one))[:50]
    edges = tenths(before, now)

    def category(value: Any) -> Any:
        match kind(value):
            case "text":
                return ("text", value) if value in frequent else "other text"
            case "number" if edges:
                return ("tenth", sum(edge < value for edge in edges))
            case "number":
                return ("number", Decimal(value))
            case _ if isinstance(value, bool):
                return ("truth", value)
            case _:
                return "structure"

    found: dict[Any, list[int]] = {}
    for side, values in enumerate((before, now)):
        for one in values:
            if kind(one) != "none":
                found.setdefault(category(one), [0, 0])[side] += 1
    return {name: (was, has) for name, (was, has) in found.items()}


def tenths(before: Sequence[Any], now: Sequence[Any]) -> list[Any]:
    """Return the nine numbers up to which a tenth, two tenths … lay before, if there are many numbers."""
    numbers = {one for one in [*before, *now] if kind(one) == "number"}
    usual = sorted(one for one in before if kind(one) == "number")
    if len(numbers) <= 50 or not usual:
        return []
    edges = []
    for tenth in range(1, 10):
        place = 0
        while (place + 1) * 10 < tenth * len(usual):
            place += 1
        edges.append(usual[place])
    return edges


def index(counts: dict[Any, tuple[int, int]]) -> float:
    """Return the population stability index with half a use more of everything."""
    if len(counts) < 2:
        return 0.0
    of_before = sum(was + 0.5 for was, _ in counts.values())
    of_now = sum(has + 0.5 for _, has in counts.values())
    total = 0.0
    for was, has in counts.values():
        p, q = (was + 0.5) / of_before, (has + 0.5) / of_now
        total += (q - p) * (log(q) - log(p))
    return total
