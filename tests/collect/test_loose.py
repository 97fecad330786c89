"""Forms and queries of other tools' SDKs, as the standard library reads them, but quicker."""

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.collect.loose import form_fields, mended
from tallymark.core.errors import Refused


@given(st.text("ab=&+%20Cc3ü\x00;/?", max_size=40))
def test_a_form_is_read_as_the_standard_library_reads_it(text: str) -> None:
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True)

    assert form_fields(text) == {mended(name): mended(value) for name, value in pairs}


def test_a_form_without_end_is_refused() -> None:
    assert len(form_fields("&".join(f"a{n}=1" for n in range(5_000)))) == 5_000
    with pytest.raises(Refused, match="5000 parameters"):
        form_fields("&" * 5_000)
