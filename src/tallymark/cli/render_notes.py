"""What a reader of a table should know of it, said once below."""

from collections.abc import Mapping
from typing import Any, Final

_NO_SUM: Final = (
    "The groups do not add up to all of them: somebody may be in several, and a mean is no sum."
)
_ROBOTS: Final = "Known robots are left out; --include-bots counts them."


def notes(data: Mapping[str, Any]) -> list[str]:
    """Return the notes of an answer, for the terminal alone."""
    found = []
    if not _adds_up(data):
        found.append(_NO_SUM)
    if data.get("bots") == "excluded":
        found.append(_ROBOTS)
    return found


def _adds_up(data: Mapping[str, Any]) -> bool:
    said = data.get("sums_to_total", True)
    if isinstance(said, Mapping):
        return all(said.values())
    lines = data.get("lines")
    if data.get("breakdown") and isinstance(lines, list):
        return all(one.get("sums_to_total", True) for one in lines)
    return bool(said) or not data.get("breakdown")
