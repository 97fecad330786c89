"""An answer in Python's own terms: exact numbers, a flat table, data frames, a notebook rendering."""

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.insights.insight import Provenance

from . import frames

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Cell: TypeAlias = Any
_SHOWN_ROWS = 60


class Answer(Struct, frozen=True):
    """What a question gave.

    ``data`` is as the insight shapes it; ``columns`` and ``rows`` are the same, flattened;
    ``question`` is what was asked, whole. Numbers
    are ``int`` or ``Decimal``, never ``float``; times are RFC 3339 text here and aware in frames.
    """

    data: Any
    view: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    question: Any
    provenance: Provenance

    def __repr__(self) -> str:
        """Return what it is and how to go on: an answer may have more rows than a screen."""
        return (
            f"<Answer {self.provenance.insight}: {len(self.rows)} rows of {len(self.columns)}"
            " columns; see .table(), .data, .to_pandas(), .to_polars(), .to_arrow()>"
        )

    def table(self) -> list[dict[str, Cell]]:
        """Return the flat rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_arrow(self) -> "pyarrow.Table":
        """Return a pyarrow table; decimals are decimal128, times aware, in the answer's zone."""
        return frames.to_arrow(
            self.columns, self.rows, self.provenance.timezone, numbers=self._numbers()
        )

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a pandas frame; decimals stay Decimal objects, times aware, in the answer's zone."""
        return frames.to_pandas(
            self.columns, self.rows, self.provenance.timezone, numbers=self._numbers()
        )

    def to_polars(self) -> "polars.DataFrame":
        """Return a polars frame; decimals are Decimal, times aware, in the answer's zone."""
        return frames.to_polars(
            self.columns, self.rows, self.provenance.timezone, numbers=self._numbers()
        )

    def _numbers(self) -> frozenset[str]:
        """Return the names of the columns of frames that are numbers, whatever is in them."""
        if self.view != "line":
            return frames.NUMBER_COLUMNS
        return frozenset(frames.unique(self.columns)[1 + len(self.data["breakdown"]) :])

    def _repr_html_(self) -> str:
        """Return the table for a notebook; every value is shown as text, whatever it holds."""
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        body = "".join(f"<tr>{_cells(row)}</tr>" for row in self.rows[:_SHOWN_ROWS])
        more = len(self.rows) - _SHOWN_ROWS
        rest = f"<p>… and {more} more rows</p>" if more > 0 else ""
        return (
            f"<table><caption>{escape(source_line(self.provenance))}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
        )


class _Table(Struct, frozen=True):
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


class _Reply(Struct, frozen=True):
    data: Any
    view: str
    table: _Table
    provenance: Provenance
    question: Any = None


_DECODER = msgspec.json.Decoder(_Reply, float_hook=Decimal)


def decode_answer(body: bytes) -> Answer:
    """Return the answer a server's JSON body holds, its numbers exactly as written."""
    reply = _DECODER.decode(body)
    return Answer(
        data=reply.data,
        view=reply.view,
        columns=reply.table.columns,
        rows=reply.table.rows,
        question=reply.question,
        provenance=reply.provenance,
    )


def told(answer: Answer) -> dict[str, Any]:
    """Return what names an answer, so that it can be explained."""
    return {
        "insight": answer.provenance.insight,
        "question": answer.question,
        "as_of": answer.provenance.as_of,
        "definitions_version": answer.provenance.definitions_version or 0,
        "table": {"columns": answer.columns, "rows": answer.rows},
        "version": answer.provenance.version,
    }


def source_line(provenance: Provenance) -> str:
    """Return where an answer came from, in one line: with it, the same answer can be had again."""
    return (
        f"{provenance.insight} of {provenance.project} · as of {provenance.as_of}"
        f" · {provenance.timezone} · definition {provenance.definition[:12]}"
        f" · {provenance.rows_read:,} rows read in {provenance.took_ms:.0f} ms"
        f" · Tallymark {provenance.version}"
    )


def _cells(row: Sequence[Cell]) -> str:
    return "".join(f"<td>{'' if cell is None else escape(str(cell))}</td>" for cell in row)
