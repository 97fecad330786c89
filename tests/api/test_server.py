"""Sockets: who may bind and open them."""

import socket
import stat
from pathlib import Path

import pytest

from tallymark.api.server import local_socket, tcp_socket
from tallymark.core.errors import TallymarkError


def test_only_the_owner_may_open_the_socket_from_its_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "front.sock"

    with local_socket(path):
        mode = stat.S_IMODE(path.stat().st_mode)

    assert mode == 0o600
    assert not path.exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with local_socket(path) as sock:
        assert sock.getsockname() == str(path)


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    with local_socket(path) as first:
        first.listen()

        with pytest.raises(TallymarkError) as caught, local_socket(path):
            pass

        assert caught.value.code == "DATA_DIR_IN_USE"
        assert path.exists()


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    path.write_text("mine")

    with pytest.raises(TallymarkError), local_socket(path):
        pass

    assert path.read_text() == "mine"


def test_a_folder_too_deep_for_a_socket_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)

    with local_socket(folder / "front.sock"):
        assert stat.S_ISSOCK((folder / "front.sock").stat().st_mode)


def test_an_address_in_use_is_told() -> None:
    with tcp_socket("127.0.0.1", 0) as first:
        first.listen()

        with pytest.raises(OSError, match="in use"):
            tcp_socket("127.0.0.1", first.getsockname()[1])
