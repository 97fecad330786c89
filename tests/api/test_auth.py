"""How long a key is believed, and what becomes of it when the catalog does not answer."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tallymark.api.auth import Callers, Known
from tallymark.catalog.catalog import Catalog
from tallymark.core.errors import NotAllowed, NotFound, Unavailable
from tallymark.core.policy import Policy

KEEP_SECONDS = 3600
START = 1_790_000_000_000_000


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> int:
        return START + int(self.passed * 1_000_000)

    def monotonic(self) -> float:
        return self.passed


class Room:
    """A catalog with one project and one key, and the callers found through it."""

    def __init__(self, data: Path) -> None:
        self.file = data / "catalog.db"
        self.clock = HandClock()
        self.catalog = Catalog.in_folder(data)
        self.catalog.create_project("shop", now=START)
        self.key, self.text = self.catalog.create_key("shop", "secret", now=START)
        self.callers = Callers(self.catalog, self.clock, keep_seconds=KEEP_SECONDS)

    def find(self, text: str | None = None) -> Known:
        return run(lambda: self.callers.by_key(text or self.text))

    def break_catalog(self) -> None:
        self.catalog.close()
        for file in self.file.parent.glob("catalog.db*"):
            file.unlink()
        self.file.write_bytes(b"\xff" * 8192)


def run(act: Callable[[], Awaitable[Known]]) -> Known:
    async def main() -> Known:
        return await act()

    return asyncio.run(main())


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.callers.close()
    room.catalog.close()


def test_a_key_names_its_project_kind_and_public_part(room: Room) -> None:
    caller = room.find().caller

    assert (caller.project, caller.kind) == ("shop", "secret")
    assert caller.source == room.text[:11]
    assert caller.policy == Policy()


def test_a_key_just_checked_is_not_looked_up_again(room: Room) -> None:
    room.find()
    room.break_catalog()
    room.clock.passed = 9.9

    assert room.find().key_id == room.key.id


def test_a_key_is_believed_without_the_catalog_for_as_long_as_the_setting_says(room: Room) -> None:
    room.find()
    room.break_catalog()

    for passed in (11, 60, KEEP_SECONDS - 1):
        room.clock.passed = passed
        assert room.find().key_id == room.key.id
    room.clock.passed = KEEP_SECONDS + 11
    with pytest.raises(Unavailable):
        room.find()


def test_a_key_never_seen_cannot_be_judged_while_the_catalog_is_away(room: Room) -> None:
    room.break_catalog()

    with pytest.raises(Unavailable) as caught:
        room.find()

    assert caught.value.code == "CATALOG_AWAY"


def test_a_damaged_key_is_refused_though_the_catalog_is_away(room: Room) -> None:
    room.break_catalog()

    with pytest.raises(NotAllowed):
        room.find(room.text[:-1] + "_")


def test_a_key_revoked_elsewhere_ends_within_seconds(room: Room) -> None:
    room.find()
    other = sqlite3.connect(room.file)
    other.execute("UPDATE api_key SET revoked_at = 1")
    other.commit()
    other.close()

    room.clock.passed = 11

    with pytest.raises(NotAllowed):
        room.find()


def test_a_key_forgotten_after_its_revocation_ends_at_once(room: Room) -> None:
    room.find()

    room.catalog.revoke(room.key.id, now=room.clock.now())
    room.callers.forget(key_id=room.key.id)

    with pytest.raises(NotAllowed):
        room.find()


def test_a_revocation_during_a_look_up_is_not_undone_by_it(room: Room) -> None:
    async def race() -> None:
        looking_up = asyncio.ensure_future(room.callers.by_key(room.text))
        await asyncio.sleep(0)
        room.callers.forget(key_id=room.key.id)
        await looking_up
        room.catalog.revoke(room.key.id, now=room.clock.now())
        with pytest.raises(NotAllowed):
            await room.callers.by_key(room.text)

    asyncio.run(race())


def test_a_rotated_key_ends_with_its_grace_even_without_the_catalog(room: Room) -> None:
    room.catalog.rotate(room.key.id, now=room.clock.now(), grace_seconds=60)
    room.find()
    room.break_catalog()

    room.clock.passed = 59
    assert room.find().key_id == room.key.id
    room.clock.passed = 60
    with pytest.raises(NotAllowed):
        room.find()


def test_a_changed_policy_is_seen_after_forgetting_the_project(room: Room) -> None:
    room.find()

    room.catalog.update_policy("shop", Policy(ip="full"))
    room.callers.forget(project="shop")

    assert room.find().caller.policy.ip == "full"


def test_the_owner_acts_for_a_project_by_name(room: Room) -> None:
    known = run(lambda: room.callers.by_project("shop"))

    assert (known.caller.kind, known.caller.source) == ("local", "local")
    with pytest.raises(NotFound):
        run(lambda: room.callers.by_project("nope"))


def test_many_callers_at_once_cost_one_look_up(room: Room) -> None:
    room.find()
    room.clock.passed = 11
    asked: list[str] = []
    find = room.catalog.find

    def counted(text: str, now: int) -> object:
        asked.append(text)
        return find(text, now)

    room.catalog.find = counted  # type: ignore[method-assign, assignment]

    async def crowd() -> None:
        await asyncio.gather(*(room.callers.by_key(room.text) for _ in range(50)))

    asyncio.run(crowd())

    assert len(asked) == 1
