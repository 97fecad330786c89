"""Consent strings against vectors written out bit by bit, the specifications' own, and any text."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.privacy.strings import Unparsable, gpp_string, tc_string

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# 2026-01-01T00:00:00Z in tenths of seconds.
NEW_YEAR = 17_672_256_000
# The examples that the specifications print.
EUROPE = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"


def packed(bits: str) -> str:
    """Write bits as base64url, filled up with zeros."""
    bits = bits.replace(" ", "")
    bits += "0" * (-len(bits) % 6)
    return "".join(LETTERS[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def number(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def letters(text: str) -> str:
    return "".join(number(ord(letter) - ord("A"), 6) for letter in text)


def tc(
    *purposes: int,
    version: int = 2,
    updated: int = NEW_YEAR,
    country: str = "DE",
    vendors: str = number(0, 16) + "0",
    interests: tuple[int, ...] = (),
) -> str:
    """Write a TC string field by field, in the order of its specification."""
    return packed(
        number(version, 6) + number(updated - 1, 36) + number(updated, 36) + number(31, 12)
        + number(640, 12) + number(1, 6) + letters("EN") + number(126, 12) + number(4, 6) + "1" + "0"
        + number(0, 12)
        + "".join("1" if place in purposes else "0" for place in range(1, 25))
        + "".join("1" if place in interests else "0" for place in range(1, 25))
        + "0" + letters(country) + vendors + number(0, 16) + "0" + number(0, 12)
    )  # fmt: skip


def us(sale: int = 2, sharing: int = 2, version: int = 1, gpc: int | None = None) -> str:
    """Write the section of the United States: notices, ways to opt out, and all the rest as zeros."""
    rest = {1: 19, 2: 24}.get(version, 19)
    fields = [1, 1, 1, 0, 0, 0, sale, sharing, *[0] * rest]
    core = packed(number(version, 6) + "".join(number(one, 2) for one in fields))
    return core if gpc is None else f"{core}.{packed('01' + str(gpc))}"


def test_a_tc_string_written_out_by_hand_is_read_field_by_field() -> None:
    # 2, then 2026-01-01 twice, CMP 31 version 640, screen 1, EN, list 126, policy 4, service-specific.
    core = (
        "000010 010000011101010110000001111000000000 010000011101010110000001111000000000"
        " 000000011111 001010000000 000001 000100 001101 000001111110 000100 1 0 000000000000"
        " 100000011100000000000000 000000000000000000000000 0 000011 000100"
        " 0000000000000000 0 0000000000000000 0 000000000000"
    )

    said = tc_string(packed(core))

    assert said.purposes == {1, 8, 9, 10}
    assert (said.updated_at, said.country) == (int("010000011101010110000001111000000000", 2) * 100_000, "DE")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "purposes", "updated_at", "country"),
    [
        ("COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA", {1, 2, 3}, 1_582_243_059_300_000, "AA"),
        ("COrVd1pOrVd1pACABCENAHCAAAAAAAAAAAiQAAAAAAAA", set(), 1_575_943_306_500_000, "ES"),
        ("CO5VTlWO5VTlWH1AAAENAwCwAIAAAAAAAIAAAAoAAAAA.YAAAAAAAAAA", {1}, 1_599_427_208_600_000, "AA"),
    ],
)  # fmt: skip
def test_tc_strings_that_are_published_say_what_is_published_of_them(
    text: str, purposes: frozenset[int], updated_at: int, country: str
) -> None:
    said = tc_string(text)

    assert (said.purposes, said.updated_at, said.country) == (purposes, updated_at, country)


@settings(max_examples=300)
@given(
    st.sets(st.integers(1, 24)), st.sets(st.integers(1, 24)), st.integers(1, 2**36 - 1),
    st.text("ABCXYZ", min_size=2, max_size=2), st.lists(st.integers(1, 65_535), max_size=5), st.booleans(),
)  # fmt: skip
def test_any_tc_string_gives_back_what_was_written(
    purposes: set[int], interests: set[int], updated: int, country: str, vendors: list[int], as_bits: bool
) -> None:  # fmt: skip
    ranges = "".join(f"0{number(one, 16)}" for one in vendors)
    listed = number(65_535, 16) + "1" + number(len(vendors), 12) + ranges
    flags = number(len(vendors), 16) + "0" + "1" * len(vendors)

    said = tc_string(
        tc(
            *purposes,
            updated=updated,
            country=country,
            interests=tuple(interests),
            vendors=flags if as_bits else listed,
        )
    )

    # A legitimate interest is no consent.
    assert said.purposes == purposes
    assert (said.updated_at, said.country) == (updated * 100_000, country)


@pytest.mark.parametrize(
    "text",
    [
        "", "C", "CPXx", EUROPE[:-20], "COvFyGB OvFyGB", EUROPE.replace("C", "=", 1), tc(version=1), tc(version=3),
        tc(country="[\\"), tc(vendors=number(65_535, 16) + "0"), tc(vendors=number(9, 16) + "1" + number(4_095, 12)),
        "1YNN", "DBABMA~" + EUROPE, "é",
    ],
)  # fmt: skip
def test_what_is_no_tc_string_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        tc_string(text)


@pytest.mark.parametrize(
    ("text", "is_europe"),
    [(f"DBABMA~{EUROPE}", True), (f"DBACNYA~{EUROPE}~1YNN", True), (f"DBABjw~{EUROPE}~1YNN", False)],
)  # fmt: skip
def test_the_headers_of_the_specification_name_their_sections(text: str, is_europe: bool) -> None:
    said = gpp_string(text)

    assert said.europe == (tc_string(EUROPE) if is_europe else None)
    assert (said.refuses_sharing, said.gpc) == (False, False)


@pytest.mark.parametrize(
    ("section", "refuses", "gpc"),
    [
        (us(), False, False), (us(sale=1), True, False), (us(sharing=1), True, False), (us(sale=0, sharing=0), False, False),
        (us(gpc=1), False, True), (us(gpc=0), False, False), (us(sale=1, gpc=1), True, True), (us(sale=1, version=2), True, False),
        ("BVQqAAAAAgA.QA", False, False),
    ],
)  # fmt: skip
def test_the_section_of_the_united_states_tells_who_opted_out(
    section: str, refuses: bool, gpc: bool
) -> None:
    # Type 3, version 1, one single section, whose id 7 is 2 + 5.
    said = gpp_string(packed("000011 000001 000000000001 0 01011") + "~" + section)

    assert (said.europe, said.refuses_sharing, said.gpc) == (None, refuses, gpc)


def test_sections_are_found_by_their_order_in_the_header() -> None:
    # 2 and 6 to 8: the group is four beyond 2, and two more long.
    header = packed("000011 000001 000000000010 0 011 1 1011 011")

    said = gpp_string(f"{header}~{tc(1)}~1YNN~{us(sale=1)}~anything")

    assert said.europe is not None
    assert said.europe.purposes == {1}
    assert said.refuses_sharing


@pytest.mark.parametrize(
    "text",
    [
        "", "DBABMA", f"DBABMA~{EUROPE}~1YNN", f"CBABMA~{EUROPE}", f"DCABMA~{EUROPE}", "DBABMA~nonsense", "DBAB~x",
        packed("000011 000001 000000000001 0 000000"), packed("000011 000001 000000000001 1 011" + "0" * 60 + "11") + "~x",
        packed("000011 000001 000000000001 0 01011") + "~" + us(version=9), packed("000011 000001 000000000001 0 01011") + "~" + us(sale=3),
        packed("000011 000001 000000000001 0 01011") + "~" + us()[:4], tc(1),
    ],
)  # fmt: skip
def test_what_is_no_gpp_string_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        gpp_string(text)


@settings(max_examples=300)
@given(st.text(LETTERS + ".~", max_size=200) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Unparsable):
        tc_string(text)
    with suppress(Unparsable):
        gpp_string(text)
