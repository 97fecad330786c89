"""Patterns agree with ``re`` on everything they know, and no text makes them slow."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.core.errors import Refused
from tallymark.schema.pattern import LONGEST_TEXT, Pattern

CHARS = "ab0 -_\n"
ATOMS = st.sampled_from(
    ["a", "b", "0", " ", ".", r"\d", r"\w", r"\s", r"\D", "[ab]", "[^a]", "[a-b0]", r"[\d-]", r"[^\w]",
     "-", "_", "^", "$", "", r"[\S]"]
)  # fmt: skip


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counts = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "{0}"])
    return st.one_of(
        st.lists(parts, max_size=4).map("".join),
        st.tuples(parts, parts).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(parts, counts).map(lambda two: f"(?:{two[0]}){two[1]}"),
    )


PATTERNS = st.recursive(ATOMS, _larger, max_leaves=8)


@given(PATTERNS, st.text(CHARS, max_size=8))
def test_a_pattern_is_found_exactly_where_re_finds_it(pattern: str, text: str) -> None:
    # Here $ is the end of the text alone; that of re is also before a last line break.
    oracle = re.compile(pattern.replace("$", r"\Z"), re.ASCII)

    assert Pattern(pattern).matches(text) == (oracle.search(text) is not None)


@given(PATTERNS, st.text(CHARS, max_size=8))
def test_the_longest_match_from_the_left_is_replaced(pattern: str, text: str) -> None:
    oracle = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
    expected, at = "", 0
    while at < len(text):
        ends = [end for end in range(len(text), at, -1) if _is_whole(oracle, text, at, end)]
        expected, at = (expected + "*", ends[0]) if ends else (expected + text[at], at + 1)

    assert Pattern(pattern).replaced(text, "*") == expected


def _is_whole(oracle: re.Pattern[str], text: str, begin: int, end: int) -> bool:
    """Whether a match goes from begin to end: tried at every split, with edges where the text has them."""
    held = re.compile(f"(?:{oracle.pattern})(?<=(?s:\\A.{{{end}}}))", re.ASCII)
    return held.match(text, begin) is not None if begin == 0 else _inside(oracle, text, begin, end)


def _inside(oracle: re.Pattern[str], text: str, begin: int, end: int) -> bool:
    # ^ of a match that begins inside never holds: pos leaves \A at the true begin.
    pattern = re.compile(
        f"(?s:\\A.{{{begin}}})(?:{oracle.pattern})(?<=(?s:\\A.{{{end}}}))", re.ASCII
    )
    return pattern.search(text) is not None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^(a+)+$", "a" * 5_000 + "!"),
        (r"^(a|aa)+$", "a" * 5_000 + "!"),
        (r"(x+x+)+y", "x" * 5_000),
        (r"^(\d+)*,$", "1" * 5_000),
        (r"(a|b)*a(a|b){8}c", "ab" * 2_500),
    ],
)
def test_no_text_makes_a_pattern_slow(pattern: str, text: str) -> None:
    began = time.perf_counter()

    assert not Pattern(pattern).matches(text)
    # Trial and error would take longer than the universe is old.
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(a", "without its )"), ("a)", "without its ("), ("[a", "without its ]"), ("*a", "repeats nothing"),
        ("a**", "repeats a repetition"), ("a+?", "repeats a repetition"), (r"(a)\1", "escape"), (r"\bword", "escape"),
        ("(?=a)", "looks around"), ("(?i)a", "flags"), ("(?P<n>a)", "name"), ("a{2,1}", "wrong way"),
        ("a{", "no {m}"), ("a{9999}", "too much"), ("((a{100}){100}){100}", "too much"), ("[b-a]", "ends before"),
        ("a" * 201, "more than 200"), ("\\", "ends in a backslash"), (r"\p{L}", "escape"),
    ],
)  # fmt: skip
def test_what_is_not_linear_or_not_whole_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(Refused, match=re.escape(what)) as caught:
        Pattern(pattern)

    assert caught.value.code == "PLAN_INVALID"


def test_a_text_that_is_too_long_matches_nothing() -> None:
    assert Pattern("^a").matches("a" * LONGEST_TEXT)
    assert not Pattern("^a").matches("a" * (LONGEST_TEXT + 1))


def test_what_was_learnt_is_forgotten_before_it_fills_the_memory() -> None:
    pattern = Pattern("x.y")
    for first in range(0x1000, 0x8000, 100):
        assert not pattern.matches("".join(map(chr, range(first, first + 100))))

    assert pattern.matches("xay")
    assert pattern._kept <= 20_000
