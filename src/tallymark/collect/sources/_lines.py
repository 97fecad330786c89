"""The lines of a file with their ids' digests, read block by block; see ``source`` for the rule."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from tallymark.core.errors import Refused

from .source import MAX_RAW, Failure, Line

BLOCK = 64 * 1024
# The largest event the server takes by default; a longer line is cut, and refused.
MAX_LINE = 1024 * 1024
_DIGEST_BYTES = 12
_BOM = b"\xef\xbb\xbf"
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


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


class Cutter:
    """Cuts the bytes of a file, given in any portions, into lines with the digests of their ids.

    ``head_lines`` is how many of the first lines that are not blank identify the file: the header,
    if there is one, and the first record. Until they are complete no line is given, since their
    digest is part of its id. ``head`` is that digest once it is known, ``size`` how much was given and
    ``offset`` where the first line begins that was not given back yet.
    """

    def __init__(self, head_lines: int = 1) -> None:
        self._head_lines = head_lines
        self._head = b""
        self._content = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._digest = ""
        self._pending, self._pending_digest, self._dropped = b"", "", 0
        self._number = 0
        self.head = ""
        self.offset = self.size = 0

    def cut(self, data: bytes) -> list[Line]:
        """Return the lines that ``data`` completes."""
        found: list[Line] = []
        while data:
            room = BLOCK - self.size % BLOCK
            part, data = data[:room], data[room:]
            self.size += len(part)
            self._content.update(part)
            found += self._taken(part)
            if self.size % BLOCK == 0:
                self._digest = self._content.hexdigest()
        return found

    def finish(self) -> list[Line]:
        """Return what is left once nothing more comes, a last line without an end among it."""
        found = self._resolved()
        if self._pending:
            found.append(Line(self._number + 1, self.offset, self._pending_digest, self._pending))
            self._pending = b""
        return found

    def damaged(self, why: Exception) -> Failure:
        """Return why the file cannot be read on."""
        pending, digest = self._head or self._pending, self._pending_digest or self._digest
        message = f"The file is damaged from here on: {why}."
        raw = pending[:MAX_RAW]
        return Failure(
            self._number + 1, self.offset, f"{digest}:{self.offset}", "FILE_UNREADABLE", message,
            raw, len(pending) + self._dropped,
        )  # fmt: skip

    def _taken(self, part: bytes) -> list[Line]:
        if self._digest:
            return self._split(part)
        self._head += part
        ends = (line for line in self._head.split(b"\n")[:-1] if line.strip())
        if self.size < BLOCK and sum(1 for _ in ends) < self._head_lines:
            return []
        return self._resolved()

    def _resolved(self) -> list[Line]:
        if self._digest or not self._head:
            return []
        self._digest = self.head = _head_digest(self._head, self._head_lines)
        head, self._head = self._head, b""
        return self._split(head)

    def _split(self, part: bytes) -> list[Line]:
        found: list[Line] = []
        first, *rest = part.split(b"\n")
        if self._pending or self._dropped:
            self._pending, self._dropped = _grown(self._pending, first, self._dropped)
        else:
            self._pending, self._pending_digest = first, self._digest
        for following in rest:
            self._number += 1
            found.append(Line(self._number, self.offset, self._pending_digest, self._pending))
            self.offset += len(self._pending) + self._dropped + 1
            self._pending, self._pending_digest, self._dropped = following, self._digest, 0
        return found


def lines(path: Path, *, position: int = 0, head_lines: int = 1) -> Iterator[Line | Failure]:
    """Give every line that begins at ``position`` or after it; blank ones too.

    A failure in the middle, such as damaged compression, ends the file.
    """
    cutter = Cutter(head_lines)
    with open_file(path) as stream:
        while True:
            try:
                block = stream.read(BLOCK)
            except (EOFError, OSError, zlib.error) as error:
                yield cutter.damaged(error)
                return
            found = cutter.cut(block)
            # A short block is the last, even if the file has grown meanwhile.
            is_last = len(block) < BLOCK
            for line in found + cutter.finish() if is_last else found:
                if line.offset >= position:
                    yield line
            if is_last:
                return


def digest_at(path: Path, offset: int, *, head_lines: int = 1) -> str:
    """Return the digest of a line that begins, or would begin, at ``offset``.

    A file that ends before that block, or is damaged, gives the digest of its last readable block.
    """
    content = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest, seen = "", 0
    with open_file(path) as stream:
        while True:
            try:
                block = stream.read(BLOCK)
            except (EOFError, OSError, zlib.error):
                return digest
            digest = digest or _head_digest(block, head_lines)
            if len(block) < BLOCK or offset < seen + BLOCK:
                return digest
            seen += BLOCK
            content.update(block)
            digest = content.hexdigest()


def ended_size(path: Path) -> int | None:
    """Return how many bytes of a plain file are whole lines; None if all are, or it is compressed."""
    with open_file(path) as stream:
        if isinstance(stream, _Gzip):
            return None
        size = at = stream.seek(0, os.SEEK_END)
        while at:
            start = max(0, at - BLOCK)
            stream.seek(start)
            place = stream.read(at - start).rfind(b"\n")
            if place >= 0:
                ended = start + place + 1
                return None if ended == size else ended
            at = start
    return 0 if size else None


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
