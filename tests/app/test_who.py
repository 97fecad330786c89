"""Pages of who somebody is, as the store process is asked for them."""

from typing import Any

import pytest

from tallymark.app import who
from tallymark.core.errors import Refused
from tallymark.core.sql import Sql
from tallymark.store.engine import Rows


def nothing(_: Sql) -> Rows:
    raise AssertionError("a cursor is looked at before anything is read")


@pytest.mark.parametrize("asked", [who.links, who.people_of])
@pytest.mark.parametrize("cursor", ["x", "1.x.2", "Ⅷ"])
def test_a_cursor_that_was_not_given_out_is_refused(asked: Any, cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(nothing, {"type": "account", "id": "acme", "cursor": cursor})

    assert refused.value.code == "CURSOR_INVALID"
