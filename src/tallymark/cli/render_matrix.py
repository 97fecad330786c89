"""Retention as text: a row for each cohort, a column for each bucket, and marks where it is not over."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from .render import aligned, shown

_MOST_ROWS: Final = 200
_WORDS: Final = {
    "on": "on",
    "on_or_after": "on or after",
    "on_or_before": "on or before",
    "streak": "in a row up to",
}
_LENGTHS: Final = {"hour": "1 h", "day": "24 h", "week": "7 d", "month": "30 d"}
_MEASURES: Final = {
    "sum": "sum",
    "per_person": "per person of the cohort",
    "per_returning": "per person who returned",
}


def matrix_lines(data: Mapping[str, Any]) -> list[str]:
    """Return retention for the terminal; cells that are not over have a ``*``, those to come are blank."""
    heads = ["cohort", *data["breakdown"], "people", *(one["label"] for one in data["buckets"])]
    rows = [row for group in data["groups"] for row in _rows(group, data)]
    lines = [_title(data), "", *aligned(heads, rows[:_MOST_ROWS])]
    if len(rows) > _MOST_ROWS:
        lines.append(f"… and {len(rows) - _MOST_ROWS:,} more rows; --csv or --json gives all")
    if any("*" in cell for row in rows for cell in row):
        lines.append("* not over yet, and not in the row of all")
    return lines


def _title(data: Mapping[str, Any]) -> str:
    measure = _MEASURES.get(data["measure"])
    what = (
        f"{data['start']} → {data['returning']}, {_WORDS[data['criterion']]} the {data['interval']}"
    )
    what = f"{what}, {_clock(data)}"
    return what if measure is None else f"{what}: {measure}"


def _clock(data: Mapping[str, Any]) -> str:
    """Return by which clock an interval begins, in which the tools differ."""
    length = _LENGTHS[data["interval"]]
    match data["clock"]:
        case "calendar":
            return f"{data['interval']}s of the calendar of {data['timezone']}"
        case "rolling":
            return f"{length} at a time from each start"
        case _:
            return f"{length} at a time from each start, rounded down"


def _rows(group: Mapping[str, Any], data: Mapping[str, Any]) -> list[list[str]]:
    values = group["breakdown"] or []
    names = ["(none)" if value is None else shown(value) for value in values]
    if group["is_other"]:
        names = ["Other"] * len(data["breakdown"])
    rows = [["all", *names, shown(group["people"]), *_cells(group["overall"], data, is_all=True)]]
    for row in group["cohorts"]:
        cells = _cells(row["cells"], data, is_all=False)
        rows.append([row["label"], *names, shown(row["people"]), *cells])
    return rows


def _cells(cells: list[Mapping[str, Any]], data: Mapping[str, Any], *, is_all: bool) -> list[str]:
    return [_cell(cell, data, is_all=is_all) for cell in cells]


def _cell(cell: Mapping[str, Any], data: Mapping[str, Any], *, is_all: bool) -> str:
    if cell["returned"] is None:
        return "" if not is_all else "–"
    if data["measure"] == "people":
        rate = cell["rate"]
        text = "–" if rate is None else f"{Decimal(rate) * 100:.1f} %"
    else:
        text = "–" if cell["value"] is None else f"{Decimal(cell['value']):,.2f}"
    return text if cell["is_complete"] or not cell["people"] else f"{text} *"
