"""What a server writes is for its owner alone."""

import os
import stat
from pathlib import Path

import pytest
from tests.faults.server import Server

from tallymark.core.errors import TallymarkError
from tallymark.core.sockets import make_private


def test_given_a_server_that_ran_then_no_file_of_it_is_readable_by_others(tmp_path: Path) -> None:
    server = Server(tmp_path / "d")
    server.start()
    try:
        assert server.stop() == 0
    finally:
        server.end()

    open_to_others = [
        path
        for path in (tmp_path / "d").rglob("*")
        if path.is_file() and path.name != "lock" and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]

    assert open_to_others == []


def test_given_a_folder_of_another_user_then_it_is_not_used(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 12345, 12345)

    with pytest.raises(TallymarkError, match="another user"):
        make_private(folder)
