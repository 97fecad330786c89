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


class _Table(Struct, frozen=True):
    """A file whose header has been read; ``start`` is the first offset after the header's."""

    start: int
    header: tuple[str, ...]
    delimiter: str
    plan: mapping.Plan


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give an event or a reason for every record after the header."""
    table = _open(path, options)
    source = lines(path, position=max(position, table.start), head_lines=_HEAD_LINES)
    taken_back: deque[Line | Failure] = deque()
    following = _following(source, taken_back)
    for line in following:
        if isinstance(line, Failure):
            yield line
        elif line.text and not line.text.isspace():
            try:
                yield _record(table, line, following, taken_back)
            except Refused as refusal:
                yield failure(line, refusal)


def explain(path: Path, options: Options) -> list[str]:
    """Say which column is which field."""
    table = _open(path, options)
    shown = {"\t": "tab", _BLANKS: "blanks"}.get(table.delimiter, repr(table.delimiter))
    return [f"{len(table.header)} columns between {shown}", *mapping.explain(table.plan)]


def digest(path: Path, position: int) -> str:
    """Return the first part of the id of a record that begins there."""
    return digest_at(path, position, head_lines=_HEAD_LINES)


def _open(path: Path, options: Options) -> _Table:
    first = next(
        (line for line in lines(path) if isinstance(line, Failure) or line.text.strip()), None
    )
    if first is None:
        raise unreadable(path, "the file is empty")
    if isinstance(first, Failure):
        raise unreadable(path, first.message)
    text = plain_text(first.text)[0].rstrip("\r")
    delimiter = _delimiter(text, options.delimiter)
    try:
        header = tuple(name.strip() for name in _cells(text, delimiter, iter(())))
    except standard.Error as error:
        raise unreadable(path, f"the header cannot be read: {error}") from error
    if "" in header or len(set(header)) < len(header):
        raise unreadable(path, f"the header has an empty or a repeated name: {', '.join(header)}")
    return _Table(first.offset + 1, header, delimiter, mapping.settle(options.fields, header))


def _delimiter(header: str, wanted: str) -> str:
    if wanted != "auto":
        return {"whitespace": _BLANKS, "tab": "\t"}.get(wanted, wanted)
    best = max(_DELIMITERS, key=header.count)
    return best if best in header else _BLANKS


def _record(
    table: _Table,
    line: Line,
    following: Iterator[Line | Failure],
    taken_back: deque[Line | Failure],
) -> Record:
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
    event = mapping.to_event(table.plan, dict(zip(table.header, cells, strict=True)))
    event.setdefault("id", f"{line.digest}:{line.offset}")
    if is_latin:
        event.setdefault("properties", {})["line_flags"] = "latin-1"
    return Record(line.number, line.offset, event)


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
