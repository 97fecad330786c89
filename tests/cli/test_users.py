"""Users let in, changed and kept out by the owner of the data folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.cli.main import main
from tallymark.client import Client, connect


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Client]]:
    with connect(tmp_path / "data", project="default") as client:
        yield str(tmp_path / "data"), client


def test_somebody_is_let_in_promoted_and_kept_out(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    data, client = served
    where = ["--data", data, "--project", "default"]

    assert main(["users", "list", *where]) == 0
    assert capsys.readouterr().out == "There are no users yet.\n"
    assert main(["users", "link", *where]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("/setup#")
    assert main(["users", "add", "Bo@example.org", "--name", "Bo", *where]) == 0
    said, token = capsys.readouterr().out.splitlines()
    assert said.startswith("bo@example.org is viewer of default.")
    assert token.startswith("/welcome#")
    assert main(["users", "add", "ona@example.org", "--role", "owner", *where]) == 0
    assert "ona@example.org is owner." in capsys.readouterr().out
    assert main(["users", "link", "bo@example.org", *where]) == 0
    assert capsys.readouterr().out.splitlines()[1] != token
    assert [(one["email"], one["is_owner"], one["projects"]) for one in client.users()] == [
        ("bo@example.org", False, {"default": "viewer"}),
        ("ona@example.org", True, {}),
    ]
    assert main(["users", "role", "bo@example.org", "--role", "admin", *where]) == 0
    assert capsys.readouterr().out == "bo@example.org is admin of default.\n"
    assert main(["users", "disable", "bo@example.org", *where]) == 0
    assert capsys.readouterr().out == "bo@example.org cannot sign in any more.\n"
    assert main(["users", "list", *where]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert ["disabled" in row for row in rows if "bo@" in row] == [True]
    assert ["invited" in row for row in rows if "ona@" in row] == [True]
    assert main(["users", "disable", "eve@example.org", *where]) == 2
    assert "There is no user 'eve@example.org'." in capsys.readouterr().err
