"""Queries and forms are read as the standard library reads them, only faster."""

import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.collect.loose import form_fields
from tallymark.core.errors import Refused

_parts = st.lists(
    st.sampled_from(["%22", "%25", "%2", "%", "%C3%A9", "%e2%82%AC", "%FF", "%zz", "+", "=", "&", "a", "5", "é"])
    | st.text("abc%25&=+é \r\n\t_", max_size=4),
    max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=400)
@given(_parts)
def test_any_form_is_read_as_the_standard_library_does(text: str) -> None:
    assert form_fields(text) == dict(urllib.parse.parse_qsl(text, keep_blank_values=True))


def test_an_escaped_sign_makes_no_new_escape() -> None:
    assert form_fields("a=%2522%22&b=100%25") == {"a": '%22"', "b": "100%"}


def test_of_more_parameters_than_anybody_needs_none_is_read() -> None:
    assert len(form_fields("&".join(f"n{one}=1" for one in range(5_000)))) == 5_000
    with pytest.raises(Refused):
        form_fields("&" * 5_000)
