"""Text tables with a header: comma, semicolon, tab, bar or blanks between the columns.

A quoted field may span lines. A record that breaks the rules fails alone: reading goes on with the
line after its first one, so a quote that is never closed costs one line, not the rest of the file.
"""

import csv as standard
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from tallymark.core.errors import Refused

from . import mapping
from ._lines import MAX_LINE, digest_at, ended_size, failure, lines, plain_text, unreadable
from .source import Failure, Item, Line, Options, Record, Source

_DELIMITERS = ",;\t|"
_BLANKS = " "
# The header and the first record together tell one export from another.
_HEAD_LINES = 2
_MOST_LINES_OF_RECORD = 1000


class Table(Struct, frozen=True):
    """A file whose header has been read; ``start`` is the first offset after the header's."""

    path: Path
    start: int
    header: tuple[str, ...]
    delimiter: str


class Row(Struct, frozen=True):
    """One record as text by column, and the line it begins on; ``is_latin`` if it is not UTF-8."""

    line: Line
    cells: dict[str, str]
    is_latin: bool


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give an event or a reason for every record after the header."""
    table = open_table(path, options.delimiter)
    plan = mapping.settle(options.fields, table.header)
    for row in rows(table, position):
        if isinstance(row, Failure):
            yield row
            continue
        try:
            yield _record(plan, row)
        except Refused as refusal:
            yield failure(row.line, refusal)


def explain(path: Path, options: Options) -> list[str]:
    """Say which column is which field."""
    table = open_table(path, options.delimiter)
    plan = mapping.settle(options.fields, table.header)
    shown = {"\t": "tab", _BLANKS: "blanks"}.get(table.delimiter, repr(table.delimiter))
    return [f"{len(table.header)} columns between {shown}", *mapping.explain(plan)]


def digest(path: Path, position: int) -> str:
    """Return the first part of the id of a record that begins there."""
    return digest_at(path, position, head_lines=_HEAD_LINES)


def rows(table: Table, position: int) -> Iterator[Row | Failure]:
    """Give every record after the header that begins at ``position`` or after it."""
    source = lines(table.path, position=max(position, table.start), head_lines=_HEAD_LINES)
    taken_back: deque[Line | Failure] = deque()
    following = _following(source, taken_back)
    for line in following:
        if isinstance(line, Failure):
            yield line
        elif line.text and not line.text.isspace():
            try:
                yield _row(table, line, following, taken_back)
            except Refused as refusal:
                yield failure(line, refusal)


def open_table(path: Path, delimiter: str) -> Table:
    """Return a file with its header; raises Refused FILE_UNREADABLE if it has none."""
    first = next(
        (line for line in lines(path) if isinstance(line, Failure) or line.text.strip()), None
    )
    if first is None:
        raise unreadable(path, "the file is empty")
    if isinstance(first, Failure):
        raise unreadable(path, first.message)
    text = plain_text(first.text)[0].rstrip("\r")
    delimiter = _delimiter(text, delimiter)
    try:
        header = tuple(name.strip() for name in _cells(text, delimiter, iter(())))
    except standard.Error as error:
        raise unreadable(path, f"the header cannot be read: {error}") from error
    if "" in header or len(set(header)) < len(header):
        raise unreadable(path, f"the header has an empty or a repeated name: {', '.join(header)}")
    return Table(path, first.offset + 1, header, delimiter)


def _delimiter(header: str, wanted: str) -> str:
    if wanted != "auto":
        return {"whitespace": _BLANKS, "tab": "\t"}.get(wanted, wanted)
    best = max(_DELIMITERS, key=header.count)
    return best if best in header else _BLANKS


def _record(plan: mapping.Plan, row: Row) -> Record:
    line = row.line
    event = mapping.to_event(plan, row.cells)
    event.setdefault("id", f"{line.digest}:{line.offset}")
    if row.is_latin:
        event.setdefault("properties", {})["line_flags"] = "latin-1"
    return Record(line.number, line.offset, event)


def _row(
    table: Table,
    line: Line,
    following: Iterator[Line | Failure],
    taken_back: deque[Line | Failure],
) -> Row:
    if len(line.text) > MAX_LINE:
        raise Refused(f"The line is longer than {MAX_LINE} bytes.", code="EVENT_TOO_LARGE")
    text, is_latin = plain_text(line.text)
    more: list[Line] = []
    try:
        cells = _cells(text.rstrip("\r"), table.delimiter, _continued(following, taken_back, more))
    except standard.Error as error:
        taken_back.extendleft(reversed(more))
        raise Refused(f"The record is malformed: {error}.", code="LINE_UNREADABLE") from error
    if len(cells) != len(table.header):
        message = f"The record has {len(cells)} fields, the header {len(table.header)}."
        taken_back.extendleft(reversed(more))
        raise Refused(message, code="LINE_UNREADABLE")
    if "\0" in text:
        raise Refused("The record holds NUL characters.", code="NUL_CHAR")
    return Row(line, dict(zip(table.header, cells, strict=True)), is_latin)


def _cells(text: str, delimiter: str, more: Iterator[str]) -> list[str]:
    if delimiter == _BLANKS:
        return text.split()
    if '"' not in text:
        return text.split(delimiter)
    return next(standard.reader(_chain(text, more), delimiter=delimiter, strict=True))


def _chain(first: str, more: Iterator[str]) -> Iterator[str]:
    yield first + "\n"
    yield from more


def _continued(
    following: Iterator[Line | Failure], taken_back: deque[Line | Failure], more: list[Line]
) -> Iterator[str]:
    """Give the lines a quoted field goes on with, noting each in ``more`` so it can be given back."""
    size = 0
    for line in following:
        if isinstance(line, Failure) or size > MAX_LINE or len(more) == _MOST_LINES_OF_RECORD:
            taken_back.appendleft(line)
            return
        more.append(line)
        size += len(line.text)
        yield plain_text(line.text)[0] + "\n"


def _following(
    source: Iterator[Line | Failure], taken_back: deque[Line | Failure]
) -> Iterator[Line | Failure]:
    while True:
        line = taken_back.popleft() if taken_back else next(source, None)
        if line is None:
            return
        yield line


csv = Source(
    name="csv",
    summary="Text tables with a header; delimiter and columns are guessed or mapped.",
    read=read,
    explain=explain,
    digest=digest,
    ended=ended_size,
)
