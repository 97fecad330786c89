"""What is kept of a line that could not be read: nothing that names a person by address."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.core.policy import Policy
from tallymark.privacy.scrub import scrub_line

DROP, FULL = Policy(), Policy(ip="full")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"192.0.2.7 - - [17/May/2015:10:05:03 +0000] x", b"[address] - - [17/May/2015:10:05:03 +0000] x"),
        (b"192.0.2.7:8080,a", b"[address]:8080,a"),
        (b"ip=2001:db8::7;x", b"ip=[address];x"),
        (b"[2001:db8:0:1:2:3:4:5]", b"[[address]]"),
        (b"::ffff:192.0.2.7", b"[address]"),
        (b"2026-01-02,ana@example.org,9.50", b"2026-01-02,[email],9.50"),
        (b"<ana.b+c@example.org>", b"<[email]>"),
        (b"GET /u/ana%40example.org HTTP/1.1", b"GET /u/[email] HTTP/1.1"),
        ("jos\u00e9@b\u00fccher.example x".encode(), b"[email] x"),
        (b"GET /reset?token=s3cret&utm_source=news HTTP/1.1", b"GET /reset?utm_source=news HTTP/1.1"),
        (b"01.02.2026,10:30:15,1.2.3", b"01.02.2026,10:30:15,1.2.3"),
        (b"Did you mean 'time'? Yes.", b"Did you mean 'time'? Yes."),
    ],
)  # fmt: skip
def test_addresses_mail_and_queries_go_and_the_rest_stays(line: bytes, kept: bytes) -> None:
    assert scrub_line(line, DROP) == kept


def test_a_policy_that_keeps_addresses_keeps_the_line() -> None:
    line = b"192.0.2.7 ana@example.org 2001:db8::7"

    assert scrub_line(line, FULL, is_cut=True) == line


@pytest.mark.parametrize("whole", [b"192.0.2.77", b"2001:db8:7:7:7:7:7:7", b"ana@example.org"])
def test_half_an_address_at_the_end_of_a_cut_line_goes_too(whole: bytes) -> None:
    for length in range(1, len(whole) + 1):
        assert scrub_line(b"word " + whole[:length], DROP, is_cut=True) == b"word "


@given(st.binary(max_size=60), st.sampled_from([b"203.0.113.77", b"2001:db8::beef", b"c@nary.example"]), st.binary(max_size=60))  # fmt: skip
def test_no_address_outlives_whatever_stands_around_it(
    before: bytes, canary: bytes, after: bytes
) -> None:
    kept = scrub_line(before + canary + after, DROP)

    assert canary not in kept
    assert not re.search(rb"\d+\.\d+\.113\.77|db8::beef", kept)


def test_the_largest_line_takes_no_time() -> None:
    for part in (b"a", b"1.", b":", b"@", b"?", b"a@", b"f:", b"?a="):
        line = part * (64 * 1024 // len(part))
        began = time.monotonic()
        scrub_line(line, DROP, is_cut=True)
        assert time.monotonic() - began < 1
