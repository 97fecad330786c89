"""What lz-string packed; the Base64 is what its own ``compressToBase64`` gave."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.collect.lz import LONGEST, unpacked
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings

LIMITS = Settings()
EVENT = {
    "token": "pk_1",
    "event": "$pageview",
    "properties": {"distinct_id": "u", "$lib": "web", "n": 0.1, "words": "to be or not to be, that is to be"},
}  # fmt: skip
PACKED_EVENT = (
    "N4IgLg9g1gpgdiAXCADlA+gRhAGhDAN3jCRABIUBDAc0IEsYB3XVAJwhRlbAYGclQAEzq8ecAMZh0dQaQCuLMgBs6AI1KMY6"
    "vAkQAGAHSY8jCK0H9kkAASqY1s9bgQw1m3ZxuAFpVci3ELYwIAC+IUA="
)


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("", "Q==="),
        ("a", "IZA="),
        ("{}", "N4XyA==="),
        ('{"a":1}', "N4IghiBcCMC+Q==="),
        ("a" * 40, "IY18ZVkA"),
        ("ü 名 \U0001f600 ab ab ab", "D8AksCoovBuAB7IIYCN5MUA="),
        (json.dumps(EVENT, separators=(",", ":")), PACKED_EVENT),
        ('{"a":1}', "N4IghiBcCMC Q"),
    ],
)
def test_what_was_packed_is_the_text_it_was(text: str, packed: str) -> None:
    assert unpacked(packed, LIMITS).decode() == text


@pytest.mark.parametrize(
    "packed", ["", "N4Ighi", "!!!!", "N4IghiBcCMC+Q==="[1:], PACKED_EVENT[:-20]]
)
def test_what_is_damaged_is_refused(packed: str) -> None:
    with pytest.raises(Refused) as refused:
        unpacked(packed, LIMITS)

    assert refused.value.code == "DECOMPRESS_CORRUPT"


def test_a_bomb_is_stopped_at_the_limit() -> None:
    growing = Settings(max_inflated_bytes=30)

    with pytest.raises(Refused) as bomb:
        unpacked("IY18ZVkA", growing)
    with pytest.raises(Refused) as long:
        unpacked("A" * (LONGEST + 1), LIMITS)

    assert (bomb.value.code, long.value.code) == ("DECOMPRESS_LIMIT", "DECOMPRESS_LIMIT")


@given(st.text(string.ascii_letters + string.digits + "+/= ", max_size=400) | st.text(max_size=20))
def test_any_text_is_unpacked_or_refused(packed: str) -> None:
    try:
        assert isinstance(unpacked(packed, LIMITS), bytes)
    except Refused as refused:
        code = refused.code
    else:
        return
    assert code in ("DECOMPRESS_CORRUPT", "DECOMPRESS_LIMIT")
