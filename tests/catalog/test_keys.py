"""The text of keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.catalog.keys import Kind, checksum, new_key_text, parse


@pytest.mark.parametrize(("kind", "prefix"), [("public", "pk"), ("secret", "sk"), ("read", "rk")])
def test_a_new_key_reads_as_its_kind(kind: Kind, prefix: str) -> None:
    text = new_key_text(kind)

    parts = parse(text)

    assert text.startswith(f"{prefix}_")
    assert len(text) == 2 + 1 + 8 + 1 + 32 + 1 + 6
    assert parts is not None
    assert parts.kind == kind


def test_the_checksum_is_the_crc_in_base_62() -> None:
    # CRC-32 of "123456789" is 0xCBF43926 = 3 421 780 262 = 3·62^5 + 45·62^4 + 35·62^3 + 4·62^2 + 25·62 + 12.
    expected = 3_421_780_262

    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    got = 0
    for digit in checksum("123456789"):
        got = got * 62 + digits.index(digit)

    assert got == expected
    assert len(checksum("")) == 6


@given(st.integers(0, 51), st.sampled_from("0Zz_-é\0"))
def test_a_key_with_one_character_changed_is_no_key(place: int, character: str) -> None:
    text = new_key_text("secret")
    changed = text[:place] + character + text[place + 1 :]

    assert (parse(changed) is None) == (changed != text)


@given(st.text())
def test_any_other_text_is_no_key(text: str) -> None:
    assert parse(text) is None


def test_a_public_key_renamed_to_a_secret_one_is_no_key() -> None:
    assert parse("sk" + new_key_text("public")[2:]) is None
