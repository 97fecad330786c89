"""The socket between the two processes: what the one raises is what the other catches."""

import asyncio
from pathlib import Path

import pytest

from tallymark.app.link import Call, StoreLink, serve_link
from tallymark.core.errors import KINDS, TallymarkError


def kinds(of: type[TallymarkError] = TallymarkError) -> set[type[TallymarkError]]:
    return {one for kind in of.__subclasses__() for one in (kind, *kinds(kind))}


def test_every_kind_of_failure_can_cross() -> None:
    assert set(KINDS.values()) == {
        one for one in kinds() if one.__module__ == TallymarkError.__module__
    }


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_failure_is_raised_as_what_it_was(kind: type[TallymarkError], tmp_path: Path) -> None:
    async def fail(call: Call) -> bytes:
        raise kind("Not so.", hint="Try so.", path="at.here", retry_after_seconds=3)

    async def ask() -> None:
        async with await serve_link(tmp_path / "s", fail):
            link = StoreLink(tmp_path / "s", seconds=10)
            try:
                await link.call("anything", {})
            finally:
                link.close()

    with pytest.raises(TallymarkError) as raised:
        asyncio.run(ask())

    error = raised.value
    assert type(error) is kind
    assert (error.code, error.message) == (kind.default_code, "Not so.")
    assert (error.hint, error.path, error.retry_after_seconds) == ("Try so.", "at.here", 3)
