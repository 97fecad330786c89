"""Inflating a body: what is decoded, and where it stops."""

import gzip
import time
import tracemalloc
import zlib
from contextlib import suppress

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.collect.body import inflate, is_ndjson
from tallymark.core.errors import Refused
from tallymark.core.settings import MIB, Settings

LIMITS = Settings()
TEXT = b'{"name":"signup"}'


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def refusal(body: bytes, encoding: str, limits: Settings = LIMITS) -> str:
    with pytest.raises(Refused) as caught:
        inflate(body, encoding, limits)
    return caught.value.code


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("GZip ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("zstd", zstd.compress(TEXT)),
        ("br", brotli.compress(TEXT)),
    ],
)
def test_each_encoding_gives_the_text_back(encoding: str, body: bytes) -> None:
    assert inflate(body, encoding, LIMITS) == TEXT


def test_gzip_without_its_header_is_recognised() -> None:
    assert inflate(gzip.compress(TEXT), "", LIMITS) == TEXT


def test_a_body_a_proxy_decoded_already_is_taken_as_it_is() -> None:
    assert inflate(TEXT, "gzip", LIMITS) == TEXT


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=200_000), max_size=8))
def test_several_members_are_joined_up_to_eight(parts: list[bytes]) -> None:
    roomy = Settings(max_inflate_ratio=100_000)
    joined = b"".join(gzip.compress(part, 1) for part in parts) or gzip.compress(b"")
    frames = b"".join(zstd.compress(part, 1) for part in parts) or zstd.compress(b"")

    assert inflate(joined, "gzip", roomy) == b"".join(parts)
    assert inflate(frames, "zstd", roomy) == b"".join(parts)


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=200_000), max_size=4), st.integers(0, 11))
def test_brotli_of_any_length_gives_the_same_back(parts: list[bytes], quality: int) -> None:
    roomy = Settings(max_inflate_ratio=100_000)
    whole = b"".join(part * 3 for part in parts)

    assert inflate(brotli.compress(whole, quality=quality), "br", roomy) == whole


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "br"])
def test_a_bomb_is_stopped_at_the_limit_and_takes_little_memory(encoding: str) -> None:
    zeros = bytes(128 * MIB)
    compress = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstd.compress,
        "br": brotli.compress,
    }
    bomb: bytes = compress[encoding](zeros)
    limits = Settings(max_inflate_ratio=1_000_000)
    del zeros
    tracemalloc.start()
    try:
        assert refusal(bomb, encoding, limits) == "DECOMPRESS_LIMIT"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < limits.max_inflated_bytes + 20 * MIB


def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    limits = Settings(max_inflated_bytes=2 * MIB, max_inflate_ratio=1_000_000)

    assert len(inflate(gzip.compress(bytes(2 * MIB)), "gzip", limits)) == 2 * MIB
    assert refusal(gzip.compress(bytes(2 * MIB + 1)), "gzip", limits) == "DECOMPRESS_LIMIT"
    assert refusal(bytes(2 * MIB + 1), "", limits) == "DECOMPRESS_LIMIT"


def test_the_ratio_counts_only_above_one_mebibyte() -> None:
    limits = Settings(max_inflate_ratio=1)

    assert len(inflate(gzip.compress(bytes(MIB)), "gzip", limits)) == MIB
    assert refusal(gzip.compress(bytes(MIB + 1)), "gzip", limits) == "DECOMPRESS_LIMIT"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_hundred_thousand_empty_members_are_refused_at_once(encoding: str) -> None:
    empty = gzip.compress(b"") if encoding == "gzip" else zstd.compress(b"")
    body = empty * 100_000
    began = time.process_time()

    assert refusal(body, encoding) == "DECOMPRESS_CORRUPT"
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)[:-1]),
        ("gzip", gzip.compress(TEXT)[:-8] + b"\0" * 8),
        ("gzip", gzip.compress(TEXT) + b"rubbish"),
        ("deflate", zlib.compress(TEXT)[:-1]),
        ("deflate", zlib.compress(TEXT) + zlib.compress(TEXT)),
        ("br", brotli.compress(TEXT)[:-1]),
        ("br", brotli.compress(TEXT) + b"rubbish"),
        ("br", brotli.compress(bytes(range(256)) * 999) + b"x" * 70_000),
        ("br", b"rubbish"),
        ("br", b""),
        ("zstd", zstd.compress(TEXT)[:-1]),
        ("zstd", b"rubbish"),
    ],
)
def test_damaged_bodies_are_refused(encoding: str, body: bytes) -> None:
    assert refusal(body, encoding) == "DECOMPRESS_CORRUPT"


def test_a_zstd_frame_that_asks_for_a_giant_window_is_refused() -> None:
    wide: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    frame = zstd.ZstdCompressor(options=wide)
    body = frame.compress(TEXT) + frame.flush()

    assert refusal(body, "zstd") == "DECOMPRESS_CORRUPT"


@pytest.mark.parametrize("encoding", ["brotli", "gzip, gzip", "gzip,identity", "compress", "\0"])
def test_other_encodings_and_several_at_once_are_refused(encoding: str) -> None:
    assert refusal(gzip.compress(TEXT), encoding) == "UNSUPPORTED_ENCODING"


@settings(max_examples=100)
@given(st.binary(max_size=500), st.sampled_from(["", "gzip", "deflate", "zstd", "br"]))
def test_any_bytes_are_text_or_a_refusal(body: bytes, encoding: str) -> None:
    with suppress(Refused):
        assert len(inflate(body, encoding, LIMITS)) <= LIMITS.max_inflated_bytes


@pytest.mark.parametrize(
    ("content_type", "lines"),
    [
        ("", False),
        ("application/json", False),
        ("Application/JSON; charset=utf-8", False),
        ("text/plain;charset=UTF-8", False),
        ("application/octet-stream", False),
        ("application/cloudevents+json", False),
        ("application/x-ndjson", True),
        ("application/ndjson", True),
        ("application/jsonl; charset=utf-8", True),
    ],
)
def test_json_and_json_lines_are_told_apart(content_type: str, lines: bool) -> None:
    assert is_ndjson(content_type) is lines


@pytest.mark.parametrize(
    "content_type",
    ["application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
)
def test_other_media_are_refused(content_type: str) -> None:
    with pytest.raises(Refused) as caught:
        is_ndjson(content_type)

    assert (caught.value.code, caught.value.status) == ("UNSUPPORTED_MEDIA", 415)
