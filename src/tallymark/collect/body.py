"""How the bytes of a request become text: one bounded decompression, nothing trusted.

The decompressors are stopped at the limit; nothing is inflated first and measured afterwards.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from tallymark.collect.protocol import Request
from tallymark.core.errors import Refused
from tallymark.core.settings import MIB, Settings

# Each member restarts the decompressor and copies what is left, so many empty ones are an attack.
MAX_MEMBERS = 8
# 8 MiB, which RFC 8878 asks every decoder to support; a larger window is memory without output.
ZSTD_WINDOW_LOG = 23
_CHUNK = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"

_NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_JSON = frozenset({"", "application/json", "text/plain", "text/json", "application/octet-stream"})


def inflate(body: bytes, content_encoding: str, settings: Settings) -> bytes:
    """Return the body without its compression: gzip, deflate, brotli, zstd or none.

    Gzip is also recognised without the header. Raises Refused: UNSUPPORTED_ENCODING,
    DECOMPRESS_LIMIT beyond the size or ratio limit, DECOMPRESS_CORRUPT for anything damaged.
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        if not body.startswith(GZIP_MAGIC):
            return _plain(body, settings)
        encoding = "gzip"
    match encoding:
        case "gzip" | "x-gzip":
            # A proxy may decode the body and leave the header in place.
            if not body.startswith(GZIP_MAGIC):
                return _plain(body, settings)
            return _inflate(body, _gzip, settings)
        case "deflate":
            return _inflate(body, _zlib if _is_zlib(body) else _raw, settings, members=1)
        case "br":
            return _inflate(body, _Brotli, settings, members=1)
        case "zstd":
            return _inflate(body, _zstd, settings)
        case _:
            raise Refused(
                f"Content-Encoding {content_encoding[:100]!r} is not supported.",
                code="UNSUPPORTED_ENCODING",
            )


def inflated(request: Request, settings: Settings) -> bytes:
    """Return the body of a request as ``inflate`` does, by what its header says."""
    return inflate(request.body, request.headers.get("content-encoding", ""), settings)


def unmarked(body: bytes) -> bytes:
    """Return a text without a byte order mark and the white space around it."""
    return body.removeprefix(b"\xef\xbb\xbf").strip()


def is_ndjson(content_type: str) -> bool:
    """Return whether a Content-Type names JSON lines; raises Refused UNSUPPORTED_MEDIA.

    No type, text/plain (what a browser's beacon sends) and application/octet-stream pass for JSON.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media in _NDJSON:
        return True
    if media in _JSON or media.endswith("+json"):
        return False
    raise Refused(f"Content-Type {media[:100]!r} is not supported.", code="UNSUPPORTED_MEDIA")


class _Inflater(Protocol):
    """One member being decompressed."""

    def feed(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Return some output, less than ``_CHUNK`` bytes only if no more is left, and unread input."""

    @property
    def eof(self) -> bool:
        """Whether the member is complete and its checksum right."""

    @property
    def unused_data(self) -> bytes:
        """What was fed beyond the end of the member."""


class _Zlib:
    """One gzip, zlib or raw deflate member."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    def feed(self, chunk: bytes) -> tuple[bytes, bytes]:
        output = self._inner.decompress(chunk, _CHUNK)
        return output, self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


class _Zstd:
    """One zstd frame."""

    def __init__(self) -> None:
        self._inner = ZstdDecompressor(
            options={DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        )

    def feed(self, chunk: bytes) -> tuple[bytes, bytes]:
        return self._inner.decompress(chunk, max_length=_CHUNK), b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


class _Brotli:
    """One brotli stream (RFC 7932); it has no magic number, so only its header tells."""

    # What follows its end is an error to the decompressor itself.
    unused_data = b""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def feed(self, chunk: bytes) -> tuple[bytes, bytes]:
        # It stops once it has reached the limit, at most half as much beyond it.
        output: bytes = self._inner.process(chunk, output_buffer_limit=_CHUNK)
        return output, b""

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())


def _gzip() -> _Inflater:
    return _Zlib(zlib.MAX_WBITS | 16)


def _zlib() -> _Inflater:
    return _Zlib(zlib.MAX_WBITS)


def _raw() -> _Inflater:
    return _Zlib(-zlib.MAX_WBITS)


def _zstd() -> _Inflater:
    return _Zstd()


def _is_zlib(body: bytes) -> bool:
    # "deflate" means zlib-wrapped (RFC 9110), but some clients send the bare stream (RFC 1951).
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _plain(body: bytes, settings: Settings) -> bytes:
    if len(body) > settings.max_inflated_bytes:
        raise _too_large(settings.max_inflated_bytes)
    return body


def _inflate(
    body: bytes, start: Callable[[], _Inflater], settings: Settings, *, members: int = MAX_MEMBERS
) -> bytes:
    limit = min(settings.max_inflated_bytes, max(MIB, settings.max_inflate_ratio * len(body)))
    pieces: list[bytes] = []
    total = 0
    try:
        for piece in _pieces(body, start, members):
            total += len(piece)
            if total > limit:
                raise _too_large(limit)
            pieces.append(piece)
    except (zlib.error, ZstdError, brotli.error) as error:
        raise _corrupt("it is damaged") from error
    return b"".join(pieces)


def _pieces(body: bytes, start: Callable[[], _Inflater], members: int) -> Iterator[bytes]:
    position = 0
    for _ in range(members):
        inflater = start()
        while not inflater.eof:
            chunk = body[position : position + _CHUNK]
            if not chunk:
                raise _corrupt("it ends too early")
            position += len(chunk)
            yield from _outputs(inflater, chunk)
        position -= len(inflater.unused_data)
        if position == len(body):
            return
    raise _corrupt(f"it holds more than {members} members")


def _outputs(inflater: _Inflater, chunk: bytes) -> Iterator[bytes]:
    while True:
        output, chunk = inflater.feed(chunk)
        if output:
            yield output
        if inflater.eof or (not chunk and len(output) < _CHUNK):
            return


def _corrupt(what: str) -> Refused:
    return Refused(f"The compressed body cannot be read: {what}.", code="DECOMPRESS_CORRUPT")


def _too_large(limit: int) -> Refused:
    return Refused(f"The body inflates to more than {limit} bytes.", code="DECOMPRESS_LIMIT")
