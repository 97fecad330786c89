"""What a file format is: a reader of one file that gives an event, or a reason, for every line.

A line's id is ``<digest>:<byte offset>``. The digest is of everything before the 64 KiB block the
line begins in; in the first block, of the file's first record with its header. So

- equal lines all count, because each has its own offset;
- a file that has grown gives the same ids for its old lines, however short it was before;
- a renamed, moved or compressed file keeps its ids;
- a split file, or one whose beginning was edited, is another file.

Two files that share header and first record are taken for one; where they differ within their first
64 KiB, lines at the same offset are then kept as conflicts, not counted.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from tallymark.core.event import Json
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

from .mapping import Fields

WireEvent: TypeAlias = dict[str, Json]

# What is kept of a line that cannot be read.
MAX_RAW = 64 * 1024


class Line(NamedTuple):
    """One line without its end; of a longer one than 1 MiB, one byte more than that is kept."""

    number: int
    offset: int
    digest: str
    text: bytes


class Record(Struct, frozen=True, gc=False):
    """One line, or record, as an event to send; ``line`` counts from 1, ``offset`` is in bytes.

    For Parquet ``offset`` is the row's number from 0. ``left`` names the fields of an export that the
    event does not hold. An ``event`` without members lies outside of the range that was asked for.
    """

    line: int
    offset: int
    event: WireEvent
    left: tuple[str, ...] = ()


class Failure(Struct, frozen=True):
    """One line that is no event, with its reason; ``raw`` is cut at 64 KiB.

    ``id`` is the id its event would have by default. ``raw_bytes`` is the length before the cut, of
    a line over 1 MiB no more than that.
    """

    line: int
    offset: int
    id: str
    code: str
    message: str
    raw: bytes = b""
    raw_bytes: int = 0


Item: TypeAlias = Record | Failure


class Around(Struct, frozen=True):
    """What an export is read by: the limits, what the project may keep, and the time it is now."""

    settings: Settings = Settings()
    policy: Policy = Policy()
    now: int = 0


class Options(Struct, frozen=True):
    """How to read. ``salt`` keys the hash that stands for a visitor, and is best kept secret.

    ``delimiter`` is ``auto``, ``whitespace`` or one character. The rest is for exports of other
    tools: what they are read by, and the half-open range of instants to take, in microseconds.
    """

    salt: str = ""
    fields: Fields = Fields()
    delimiter: str = "auto"
    around: Around = Around()
    since: int | None = None
    until: int | None = None


class Source(Struct, frozen=True):
    """One file format.

    ``read(path, options, position)`` gives the items that begin at ``position`` (a byte offset of
    the inflated file) or after it; it raises Refused FILE_UNREADABLE for a file it cannot read at
    all. ``explain(path, options)`` says in a few lines how the file is going to be read.
    ``digest(path, position)`` is the first part of the id of a line that begins there.
    ``line(line, options)`` reads one line, None for a blank one, where a line needs no other; only
    such formats can be followed while they are written. ``ended(path)`` is how many bytes of the
    file are whole lines, None if its end is not half a line.
    ``is_export`` says that it is an export of another tool, which only the owner of the data folder
    may load, since its events bring the ids that the tool's own clients send; ``settable`` are the
    fields that ``--set`` may give it.
    """

    name: str
    summary: str
    read: Callable[[Path, Options, int], Iterator[Item]]
    explain: Callable[[Path, Options], list[str]]
    digest: Callable[[Path, int], str]
    line: Callable[[Line, Options], Item | None] | None = None
    ended: Callable[[Path], int | None] | None = None
    is_export: bool = False
    settable: tuple[str, ...] = ()
