"""Who somebody is, and people joined and parted by hand, with a real server behind the commands."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tallymark.cli.main import main
from tallymark.client import Client, connect
from tallymark.core.errors import NotFound, Refused

NOON = "2026-11-20T12:00:00Z"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Client]]:
    with connect(tmp_path / "data", project="default") as client:
        client.send(
            [
                {"name": "visit", "time": "2026-11-20T10:00:00Z", "anonymous_id": "phone"},
                {"name": "login", "time": NOON, "user_id": "ana", "anonymous_id": "phone", "account": "acme"},
                {"name": "login", "time": NOON, "user_id": "bo", "anonymous_id": "phone"},
                {"type": "identify", "user_id": "ana", "time": NOON, "traits": {"plan": "pro"},
                 "operations": {"add": {"logins": 2}, "append": {"tags": ["a", "b"]}}},
                {"type": "group", "group_id": "acme", "time": NOON, "traits": {"seats": 3}},
            ]
        )  # fmt: skip
        client.wait()
        yield str(tmp_path / "data"), client


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def people(client: Client) -> int:
    series = [{"measure": "unique_people"}]
    asked = {"since": "2026-11-20", "until": "2026-11-21"}
    total: int = client.ask("trends", series=series, range=asked).data["lines"][0]["total"]
    return total


def test_who_tells_ids_profile_groups_and_links_of_a_person(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["who", "phone", "--data", served[0]]) == 0
    told = said(capsys)
    assert main(["who", "ana", "--json", "--at", "2026-11-20T11:00:00Z", "--data", served[0]]) == 0
    earlier = msgspec.json.decode(said(capsys))

    for part in ("user       ana", "anonymous  phone", "plan      pro", '["a","b"]', "account  acme", "refused MERGE_REFUSED"):  # fmt: skip
        assert part in told
    assert (earlier["events"], earlier["profile"]) == (1, {})


def test_who_tells_of_a_group(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["who", "acme", "--group", "account", "--json", "--data", served[0]]) == 0

    told = msgspec.json.decode(said(capsys))
    assert (told["profile"], told["people"], told["events"]) == ({"seats": 3}, 1, 1)
    with pytest.raises(NotFound):
        served[1].group("acme", group_type="team")


def test_a_person_unlinked_is_two_until_linked_again_by_hand(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    data, client = served
    assert people(client) == 2

    assert main(["identity", "unlink", "phone", "ana", "--data", data]) == 0
    parted = said(capsys)
    client.send({"name": "visit", "time": NOON, "user_id": "ana", "anonymous_id": "phone"})
    client.wait()
    assert people(client) == 3
    assert main(["identity", "link", "anonymous:phone", "user:ana", "--data", data]) == 0

    assert parted == "phone and ana are two people now.\n"
    assert said(capsys) == "phone and ana are one person now.\n"
    assert people(client) == 2


def test_two_users_are_one_once_somebody_says_so(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    data, client = served

    assert main(["identity", "link", "ana", "bo", "--data", data]) == 0
    assert main(["identity", "link", "ana", "bo", "--data", data]) == 0

    assert said(capsys).splitlines()[-1] == "Nothing to do: that is known already."
    assert people(client) == 1
    assert [one["id"] for one in client.person("bo")["ids"]] == ["ana", "bo", "phone"]


def test_what_is_refused_is_told_each_time_and_listed(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["identity", "unlink", "bo", "phone", "--data", served[0]]) == 1
        assert "There is no link between the two ids" in said(capsys)

    assert main(["identity", "links", "--outcome", "refused", "--data", served[0]]) == 0
    listed = said(capsys)
    assert "refused MERGE_REFUSED       1" in listed
    assert "linked                      1" in listed
    assert "ignored LINK_UNKNOWN        1" in listed


def test_an_id_of_both_kinds_must_be_written_in_full(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    served[1].send({"name": "visit", "anonymous_id": "ana"})

    assert main(["identity", "unlink", "ana", "phone", "--data", served[0]]) == 2

    assert "Write user:ana or anonymous:ana." in capsys.readouterr().err


def test_an_unknown_id_is_told(
    served: tuple[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["who", "nobody", "--data", served[0]]) == 2
    assert main(["identity", "unlink", "nobody", "ana", "--data", served[0]]) == 2

    assert capsys.readouterr().err.count("nobody") == 2
    with pytest.raises(Refused, match="no time"):
        served[1].person("ana", at="yesterday")
