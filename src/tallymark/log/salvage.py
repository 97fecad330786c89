"""What can be saved of a damaged log, moved to a new file; the old one is kept in ``corrupt/``.

A server never refuses to start over a damaged log. Every batch whose digest holds keeps its
position; a lost one leaves a tombstone that reads as damaged, so that it is counted, not forgotten.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from tallymark.core.errors import Broken, Unavailable

from .file import (
    FORMAT,
    LOST,
    RETRY_AFTER_SECONDS,
    Row,
    Tail,
    create,
    family,
    has_sound_header,
    lost_row,
    sync,
)
from .log import GENESIS, Entry, link, seal
from .pages import Cell, Pages, columns
from .sqlite import SqliteLog
from .wal import is_broken_inside

# Reading every page of a small file costs less than a tenth of a second.
_DEEP_BELOW_BYTES = 64 * 1024 * 1024
# A tombstone takes some twenty bytes.
_ROWS_A_PAGE = 256


class _Found(NamedTuple):
    entry: Entry
    chain: bytes
    erased: bool
    cell: Cell


class SalvageReport(Struct, frozen=True):
    """What became of a damaged log: how many batches were saved, which positions are lost.

    ``moved_to`` is where the damaged file lies, None when only its end was missing.
    """

    saved: int
    lost: tuple[int, ...]
    moved_to: Path | None = None


def open_log(
    path: Path, *, at_least: int = 0, deep: bool = False
) -> tuple[SqliteLog, SalvageReport | None]:
    """Open the log for writing, making it if absent and salvaging it if damaged.

    ``at_least`` is the highest position known from elsewhere to have been given out: if the file
    ends before, the rest is reported lost and never given out again. ``deep`` reads every page
    first. Raises Unavailable when the disk fails, Broken VERSION_UNKNOWN for a newer format.
    """
    try:
        _finish_swap(path)
        report = None
        log = _open_sound(path, deep=deep)
        if log is None:
            report = salvage(path)
            log = SqliteLog(path)
    except OSError as error:
        raise Unavailable(
            f"The event log cannot be opened now ({type(error).__name__}).",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from error
    head = log.head()
    if head < at_least:
        log.skip(at_least)
        tail_lost = tuple(range(head + 1, at_least + 1))
        report = report or SalvageReport(saved=head + 1 - log.first(), lost=())
        report = SalvageReport(report.saved, report.lost + tail_lost, report.moved_to)
    return log, report


def salvage(path: Path) -> SalvageReport:
    """Write every batch that can still be read to a new file and put it in the place of the old."""
    lost: list[int] = []
    with Pages(path) as pages:
        found, tails = _survey(pages)
        tail = _both_ends(found, tails, span=pages.count * _ROWS_A_PAGE)
        create(_rescued(path), tail, _rows(pages, found, tail, lost))
    moved_to = _finish_swap(path)
    return SalvageReport(tail.head - tail.trim_position - len(lost), tuple(lost), moved_to)


def _open_sound(path: Path, *, deep: bool) -> SqliteLog | None:
    main, wal, _ = family(path)
    # SQLite deletes the write-ahead log of an empty file; batches may live only there.
    if (_size(main) == 0 and _size(wal) > 0) or is_broken_inside(wal):
        return None
    if _size(main) == 0:
        main.unlink(missing_ok=True)
    deep = deep or _size(main) < _DEEP_BELOW_BYTES
    # Twice, because a disk that fails to read for a moment looks like a damaged file.
    for _ in range(2):
        if main.exists() and not has_sound_header(main):
            continue
        try:
            log = SqliteLog(path)
        except Broken as broken:
            _raise_if_newer(broken)
            continue
        try:
            log.check(deep=deep)
        except Broken:
            log.close()
        except BaseException:
            log.close()
            raise
        else:
            return log
    return None


def _raise_if_newer(broken: Broken) -> None:
    if broken.code == "VERSION_UNKNOWN":
        raise broken


def _survey(pages: Pages) -> tuple[dict[int, list[_Found]], list[Tail]]:
    """Return what looks like batches, by position, and what looks like a meta row."""
    found: dict[int, list[_Found]] = {}
    tails: list[Tail] = []
    for cell in pages.cells():
        match columns(pages.beginning(cell)):
            case (None, int(at), int(items), int(codec), bytes(digest), bytes(chain), payload):
                if {len(digest), len(chain)} <= {0, 32} and cell.rowid > 0:
                    entry = Entry(at, items, codec, digest, LOST)
                    erased = payload is None
                    found.setdefault(cell.rowid, []).append(_Found(entry, chain, erased, cell))
            case (None, int(version), int(trim), bytes(trim_chain), int(head), bytes(chain)):
                _refuse_newer(pages, version)
                tails.append(Tail(trim, trim_chain, head, chain))
            case _:
                pass
    return found, tails


def _refuse_newer(pages: Pages, version: int) -> None:
    header = pages.page(1)
    in_header = int.from_bytes(header[60:64], "big")
    if version > FORMAT and (in_header == version or not header.startswith(b"SQLite format 3\0")):
        raise Broken(
            f"The damaged event log has format {version}; this version reads up to {FORMAT}.",
            code="VERSION_UNKNOWN",
        )


def _both_ends(found: dict[int, list[_Found]], tails: list[Tail], *, span: int) -> Tail:
    """Return where the log begins and ends: as its meta row says, else as its batches do.

    A file cannot hold positions further apart than ``span``, so a flipped bit in a position or in
    the meta row does not add a million lost batches.
    """
    middle = sorted(found)[len(found) // 2] if found else 0
    for tail in sorted(tails, key=lambda tail: tail.head, reverse=True):
        if 0 <= tail.trim_position <= tail.head and (
            not found or middle - span <= tail.trim_position <= middle <= tail.head <= middle + span
        ):
            return tail
    positions = [position for position in found if abs(position - middle) <= span]
    if not positions:
        return Tail()
    first, head = min(positions), max(positions)
    return Tail(first - 1, GENESIS if first == 1 else LOST, head, found[head][0].chain)


def _rows(
    pages: Pages, found: dict[int, list[_Found]], tail: Tail, lost: list[int]
) -> Iterator[Row]:
    """Yield a row for every position; one whose payload is gone has it empty, and joins ``lost``."""
    chain = tail.trim_chain
    for position in range(tail.trim_position + 1, tail.head + 1):
        batch = _best(found.get(position, []), chain, position)
        if batch is None:
            lost.append(position)
            chain = LOST
            yield lost_row(position)
            continue
        chain = batch.chain
        entry = batch.entry
        payload = None if batch.erased else _payload(pages, batch)
        if payload == LOST:
            lost.append(position)
        fields = (entry.received_at, entry.items, entry.codec, entry.digest)
        yield (position, *fields, chain, payload)


def _best(candidates: list[_Found], chain: bytes, position: int) -> _Found | None:
    """Return the candidate that follows from the position before, else an erased one, else any."""
    for candidate in candidates:
        if candidate.chain == link(chain, position, candidate.entry):
            return candidate
    return max(candidates, key=lambda candidate: candidate.erased, default=None)


def _payload(pages: Pages, batch: _Found) -> bytes:
    entry = batch.entry
    values = columns(pages.content(batch.cell)) or ()
    payload = values[-1] if values else LOST
    if not isinstance(payload, bytes):
        return LOST
    sealed = seal(entry.received_at, entry.items, entry.codec, payload)
    return payload if sealed == entry.digest else LOST


def _finish_swap(path: Path) -> Path | None:
    """Move the damaged file away and the rescued one in its place, also if interrupted before."""
    rescued = _rescued(path)
    if not rescued.exists():
        return None
    grave = path.parent / "corrupt"
    grave.mkdir(exist_ok=True)
    number = 1
    while (target := grave / f"{path.name}.{number}").exists():
        number += 1
    # The main file last: until it has moved, a second attempt finds the same number. And no
    # write-ahead log may be left beside the rescued file: SQLite would play it into it.
    for source, destination in reversed(list(zip(family(path), family(target), strict=True))):
        if source.exists():
            source.replace(destination)
    sync(grave)
    sync(path.parent)
    rescued.replace(path)
    sync(path.parent)
    return target


def _rescued(path: Path) -> Path:
    return path.with_name(path.name + ".rescued")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
