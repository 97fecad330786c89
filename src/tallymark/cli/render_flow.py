"""Paths as text: the tree of walks, each step indented below the one it goes on from."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from .render import aligned, shown

_MOST_LINES: Final = 60
_DEEPEST: Final = 20
_COUNTED: Final = {
    ("session", "uniques"): "sessions", ("session", "occurrences"): "walks",
    ("person", "uniques"): "people", ("person", "occurrences"): "walks",
}  # fmt: skip


def flow_lines(data: Mapping[str, Any]) -> list[str]:
    """Return paths for the terminal: a line a branch with its count and share of the one above."""
    counted = _COUNTED[data["unit"], data["count"]]
    lines = [f"{shown(data['walks'])} {counted} {_title(data)}"]
    if not data["tree"]:
        return lines
    rows, above = [], [data["walks"]]
    for branch in data["tree"][:_MOST_LINES]:
        level, count = branch["level"], branch["count"]
        del above[level + 1 :]
        rows.append([_indented(branch), count, _share(count, above[level]), _share(count, data["walks"])])  # fmt: skip
        above.append(count)
    lines += ["", *aligned(["step", counted, "of the step before", "of all"], rows)]
    if len(data["tree"]) > _MOST_LINES:
        lines.append(f"… and {len(data['tree']) - _MOST_LINES:,} more branches; --json gives all")
    return lines


def _title(data: Mapping[str, Any]) -> str:
    start, end = data["start"], data["end"]
    if start and end:
        return f"from {shown(start)} to {shown(end)}"
    if start:
        return f"from {shown(start)}"
    return f"to {shown(end)}, told from there backwards" if end else "from where they begin"


def _indented(branch: Mapping[str, Any]) -> str:
    deep = min(branch["level"], _DEEPEST)
    return (
        f"{'  ' * deep}{shown(branch['name'])}"
        if not deep
        else f"{'  ' * (deep - 1)}└ {shown(branch['name'])}"
    )


def _share(part: int, whole: int) -> str:
    return "–" if not whole else f"{Decimal(part) * 100 / whole:.1f} %"
