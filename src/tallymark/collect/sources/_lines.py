"""The lines of a file with their ids' digests, read block by block; see ``source`` for the rule."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from tallymark.core.errors import Refused

from .source import MAX_RAW, Failure

BLOCK = 64 * 1024
# The largest event the server takes by default; a longer line is cut, and refused.
MAX_LINE = 1024 * 1024
_DIGEST_BYTES = 12
_BOM = b"\xef\xbb\xbf"
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Line(NamedTuple):
    """One line without its end, at most one byte longer than ``MAX_LINE``."""

    number: int
    offset: int
    digest: str
    text: bytes


def open_file(path: Path) -> BufferedIOBase:
    """Open a plain or gzip file for reading its content; raises Refused FILE_UNREADABLE."""
    try:
        stream = path.open("rb")
        head = stream.read(2)
        stream.seek(0)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if head in _BOMS:
        stream.close()
        raise unreadable(path, f"it is {_BOMS[head]} text; convert it to UTF-8 first")
    # The magic number decides, because a rotated log may have lost its suffix.
    return _Gzip(stream) if head == b"\x1f\x8b" else stream


def lines(path: Path, *, position: int = 0, head_lines: int = 1) -> Iterator[Line | Failure]:
    """Give every line that begins at ``position`` or after it; blank ones too.

    ``head_lines`` is how many of the first lines that are not blank identify the file: the header,
    if there is one, and the first record. A failure in the middle, such as damaged compression,
    ends the file.
    """
    number, pending, pending_digest, dropped = 0, b"", "", 0
    offset = 0
    for digest, block in _blocks(path, head_lines):
        if isinstance(block, Failure):
            event_id = f"{pending_digest or digest}:{offset}"
            raw = pending[:MAX_RAW]
            yield Failure(
                number + 1, offset, event_id, block.code, block.message, raw, len(pending) + dropped
            )
            return
        first, *rest = block.split(b"\n")
        if pending or dropped:
            pending, dropped = _grown(pending, first, dropped)
        else:
            pending, pending_digest = first, digest
        for following in rest:
            number += 1
            if offset >= position:
                yield Line(number, offset, pending_digest, pending)
            offset += len(pending) + dropped + 1
            pending, pending_digest, dropped = following, digest, 0
    if pending and offset >= position:
        yield Line(number + 1, offset, pending_digest, pending)


def digest_at(path: Path, offset: int, *, head_lines: int = 1) -> str:
    """Return the digest of a line that begins, or would begin, at ``offset``.

    A file that ends before that block, or is damaged, gives the digest of its last readable block.
    """
    seen = 0
    for digest, block in _blocks(path, head_lines):
        if isinstance(block, Failure) or len(block) < BLOCK or offset < seen + BLOCK:
            return digest
        seen += BLOCK
    return ""


def failure(line: Line, refusal: Refused) -> Failure:
    """Return why a line is no event, with as much of the line as is kept."""
    event_id = f"{line.digest}:{line.offset}"
    raw = line.text[:MAX_RAW]
    return Failure(
        line.number, line.offset, event_id, refusal.code, refusal.message, raw, len(line.text)
    )


def unreadable(path: Path, why: str) -> Refused:
    """Return the error for a file that cannot be read at all."""
    return Refused(f"{path}: {why}.", code="FILE_UNREADABLE")


def plain_text(raw: bytes) -> tuple[str, bool]:
    """Return bytes as text and whether they had to be read as Latin-1, not being UTF-8."""
    try:
        return raw.removeprefix(_BOM).decode(), False
    except UnicodeDecodeError:
        return raw.decode("latin-1"), True


def _blocks(path: Path, head_lines: int) -> Iterator[tuple[str, bytes | Failure]]:
    """Give every block with the digest of the lines that begin in it."""
    content = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest = ""
    with open_file(path) as stream:
        while True:
            try:
                block = stream.read(BLOCK)
            except (EOFError, OSError, zlib.error) as error:
                message = f"The file is damaged from here on: {error}."
                yield digest, Failure(0, 0, "", "FILE_UNREADABLE", message)
                return
            digest = digest or _head_digest(block, head_lines)
            yield digest, block
            # A short block is the last, even if the file has grown meanwhile.
            if len(block) < BLOCK:
                return
            content.update(block)
            digest = content.hexdigest()


def _grown(pending: bytes, more: bytes, dropped: int) -> tuple[bytes, int]:
    room = MAX_LINE + 1 - len(pending)
    return pending + more[:room], dropped + max(0, len(more) - room)


def _head_digest(block: bytes, head_lines: int) -> str:
    kept = [line.rstrip(b"\r") for line in block.split(b"\n") if line.strip()][:head_lines]
    return hashlib.blake2b(b"\n".join(kept), digest_size=_DIGEST_BYTES).hexdigest()


class _Gzip(gzip.GzipFile):
    """A gzip reader that closes the file under it too."""

    def __init__(self, stream: BufferedIOBase) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._stream = stream

    def close(self) -> None:
        super().close()
        self._stream.close()
