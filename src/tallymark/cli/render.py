"""Answers as text: aligned tables, sparklines, CSV that is safe to open in a spreadsheet."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.cells import cell_len

from tallymark.client import Answer
from tallymark.client.answer import source_line

from .render_notes import notes

_BARS: Final = "▁▂▃▄▅▆▇█"
_LONGEST_CELL: Final = 60
_LONGEST_SPARK: Final = 60
_MOST_ROWS: Final = 200
_NUMERIC: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
# What a spreadsheet takes for a formula, as typed and in full-width letters.
_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")


def sparkline(values: Sequence[int | Decimal | None], width: int = _LONGEST_SPARK) -> str:
    """Return one bar a value, from zero (or the least, if below) to the largest; a gap for None.

    More values than fit are averaged, neighbours first.
    """
    if len(values) > width:
        values = _squeezed(values, width)
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low = min(0, *known)
    span = max(known) - low
    return "".join(
        " " if value is None else _BARS[int((value - low) * 7 / span) if span else 0]
        for value in values
    )


def shown(value: Any) -> str:
    """Return a value as a terminal may show it: numbers grouped, control characters made visible."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value:,f}" if abs(value.adjusted()) < 40 else str(value)
    text = value if isinstance(value, str) else str(value)
    return "".join(_visible(character) for character in text)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return a table as lines: columns of numbers to the right, all others to the left."""
    cells = [[_cut(shown(value)) for value in row] for row in rows]
    heads = [_cut(shown(column)) for column in columns]
    widths = [
        max(cell_len(head), *(cell_len(row[at]) for row in cells)) if cells else cell_len(head)
        for at, head in enumerate(heads)
    ]
    is_right = [_is_numeric(row[at] for row in rows) for at in range(len(columns))]
    rule = ["─" * width for width in widths]
    return [
        "  ".join(
            " " * (width - cell_len(cell)) + cell
            if right
            else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(line, widths, is_right, strict=True)
        ).rstrip()
        for line in (heads, rule, *cells)
    ]


def answer_lines(answer: Answer) -> list[str]:
    """Return an answer for the terminal: sparklines where it is about time, a table, its source."""
    data = answer.data
    lines: list[str] = []
    if answer.view == "line" and isinstance(data, dict) and "lines" in data:
        lines += _trend_lines(answer, data)
    elif answer.view == "funnel" and isinstance(data, dict):
        from .render_funnel import funnel_lines

        lines += funnel_lines(data)
    elif answer.view == "matrix" and isinstance(data, dict):
        from .render_matrix import matrix_lines

        lines += matrix_lines(data)
    elif answer.view == "flow" and isinstance(data, dict):
        from .render_flow import flow_lines

        lines += flow_lines(data)
    else:
        lines += _limited(answer.columns, answer.rows)
    if isinstance(data, dict):
        if data.get("cursor"):
            lines.append(f"The next page: --cursor {shown(data['cursor'])}")
        lines += [f"! {shown(warning)}" for warning in data.get("warnings") or ()]
        lines += notes(data)
    return [*lines, "", source_line(answer.provenance)]


def trend_summary(data: dict[str, Any]) -> list[str]:
    """Return one line for each series and group of a trend: its course as a sparkline, its total."""
    compared = data["compared"] is not None
    heads = ["series", *data["breakdown"], f"by {data['interval']}", "total"]
    rows = []
    for line in data["lines"]:
        group = ["(none)" if value is None else value for value in line["breakdown"] or ()]
        names = ["Other"] * len(data["breakdown"]) if line["is_other"] else group
        row = [line["label"], *names, sparkline(line["values"]), line["total"]]
        rows.append([*row, line["compared_total"]] if compared else row)
    return aligned([*heads, "earlier"] if compared else heads, rows)


def answer_csv(answer: Answer) -> str:
    """Return the flat table as CSV; of a trend with whether the bucket of a row is incomplete."""
    if answer.view != "line":
        return csv_text(answer.columns, answer.rows)
    is_incomplete = {one["label"]: one["is_incomplete"] for one in answer.data["buckets"]}
    rows = [(*row, is_incomplete[row[0]]) for row in answer.rows]
    return csv_text([*answer.columns, "is_incomplete"], rows)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV (RFC 4180, UTF-8) in which no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([csv_cell(column) for column in columns])
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return out.getvalue()


def csv_cell(value: Any) -> str:
    """Return a value as a CSV cell; text that a spreadsheet would calculate starts with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    # Some spreadsheets look past quotes and blanks for the sign of a formula.
    bare = text.lstrip("\"' ")
    starts = {text[:1], bare[:1]}
    return f"'{text}" if starts & _FORMULA and not _NUMERIC.match(text) else text


def _trend_lines(answer: Answer, data: dict[str, Any]) -> list[str]:
    lines = trend_summary(data)
    if data["breakdown"]:
        return lines
    open_labels = {bucket["label"] for bucket in data["buckets"] if bucket["is_incomplete"]}
    marked = [
        (f"{label} *" if label in open_labels else label, *values) for label, *values in answer.rows
    ]
    lines += ["", *_limited(answer.columns, marked)]
    return [*lines, "* not complete"] if open_labels else lines


def _limited(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = aligned(columns, rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        lines.append(f"… and {len(rows) - _MOST_ROWS:,} more rows; --csv or --json gives all")
    return lines


def _squeezed(values: Sequence[int | Decimal | None], width: int) -> list[Decimal | None]:
    found: list[Decimal | None] = []
    for at in range(width):
        part = values[at * len(values) // width : (at + 1) * len(values) // width]
        known = [Decimal(value) for value in part if value is not None]
        found.append(sum(known, Decimal(0)) / len(known) if known else None)
    return found


def _is_numeric(values: Iterable[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | Decimal) and not isinstance(value, bool) for value in known
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _visible(character: str) -> str:
    # A stored value must not move the cursor, colour the screen or turn the text around.
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return f"\\u{ord(character):04x}" if ord(character) > 0xFF else f"\\x{ord(character):02x}"
    return character
