"""What a follower remembers is there after a crash, all of a change or none, and is its alone."""

from pathlib import Path

import pytest

from tallymark.collect.listeners.memory import Change, Memory
from tallymark.core.errors import TallymarkError


def test_what_was_remembered_is_there_again_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "follow.db"
    memory = Memory(path)
    memory.change([Change("a", "1", [1, 2]), Change("a", "2", [3]), Change("b", "1", [4])])
    memory.change([Change("a", "1", None)])
    memory.close()

    again = Memory(path)

    assert again.all("a", list[int]) == {"2": [3]}
    assert again.get("b", "1", list[int]) == [4]
    assert again.get("b", "2", list[int]) is None
    assert again.size("a") == ("2", 3)
    again.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "follow.db")

    with pytest.raises(TypeError):
        memory.change([Change("a", "1", 1), Change("a", "2", object())])

    assert memory.all("a", int) == {}
    memory.close()


def test_one_process_at_a_time_has_it(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "follow.db")

    with pytest.raises(TallymarkError) as refused:
        Memory(tmp_path / "follow.db")

    assert refused.value.code == "ALREADY_FOLLOWED"
    memory.close()
    Memory(tmp_path / "follow.db").close()


def test_a_damaged_file_is_said_and_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "follow.db"
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)

    with pytest.raises(TallymarkError, match="cannot be read"):
        Memory(path)
    path.unlink()

    Memory(path).close()
