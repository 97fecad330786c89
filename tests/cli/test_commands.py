import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallymark.cli.doctor import clock, disk, failures, ledger, loading
from tallymark.cli.main import main
from tallymark.client import Client, connect
from tallymark.core.settings import MIB, Settings

RANGE = ["--since", "2026-11-20", "--until", "2026-11-22"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Client]]:
    data = tmp_path_factory.mktemp("served")
    with connect(data, project="default") as client:
        client.send(
            [
                {"name": "signup", "id": "a", "time": "2026-11-20T10:00:00Z", "user_id": "ana", "properties": {"plan": "=pro"}},
                {"name": "signup", "id": "b", "time": "2026-11-21T10:00:00Z", "user_id": "bo", "properties": {"plan": "free"}},
                {"name": "signup", "id": "c", "time": "2026-11-21T11:00:00Z", "user_id": "bo", "properties": {"plan": "free"}},
                {"nam": "signup"},
            ]
        )  # fmt: skip
        client.wait()
        yield data, client


def test_ask_prints_a_table_csv_or_json(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["ask", "trends", "--event", "signup", *RANGE, "--data", str(served[0])]

    assert main(ask) == 0
    table = capsys.readouterr().out
    assert main([*ask, "--breakdown", "plan", "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert main([*ask, "--measure", "unique_people", "--filter", "plan = free", "--json"]) == 0
    answer = msgspec.json.decode(capsys.readouterr().out)

    assert re.search(r"^2026-11-21 +2$", table, re.MULTILINE)
    assert "▄█" in table
    assert rows[0] == ["day", "properties.plan", "count: signup", "is_incomplete"]
    assert sorted(row[:3] for row in rows[1:]) == [
        ["2026-11-20", "'=pro", "1"],
        ["2026-11-20", "free", "0"],
        ["2026-11-21", "'=pro", "0"],
        ["2026-11-21", "free", "2"],
    ]
    assert answer["data"]["lines"][0]["total"] == 1
    assert answer["provenance"]["log_position"] == 1


def test_ask_takes_a_whole_question_from_a_file(
    served: tuple[Path, Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = tmp_path / "question.json"
    question.write_text('{"series": [{"event": "signup"}], "range": {"since": "2026-11-21"}}')

    status = main(["ask", "trends", "-q", f"@{question}", "--json", "--data", str(served[0])])

    assert status == 0
    assert msgspec.json.decode(capsys.readouterr().out)["data"]["lines"][0]["total"] == 2


def test_ask_tells_what_is_wrong_with_a_question(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["ask", "trends", "--timezone", "Europe/Berlinn", "--data", str(served[0])])

    assert status == 2
    assert "Did you mean 'Europe/Berlin'?" in capsys.readouterr().err


def test_a_backup_restored_elsewhere_gives_the_same_answer(
    served: tuple[Path, Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, client = served
    copy, new = tmp_path / "copy", tmp_path / "new"
    ask: dict[str, Any] = {
        "series": [{"event": "signup"}],
        "range": {"since": "2026-11-20", "until": "2026-11-22"},
    }

    assert main(["verify", "--data", str(data)]) == 0
    assert main(["backup", str(copy), "--data", str(data)]) == 0
    assert main(["restore", str(copy), "--data", str(new)]) == 0
    with connect(new, project="default") as restored:
        again = restored.ask("trends", **ask)

    printed = capsys.readouterr().out
    assert "Everything fits together." in printed
    assert again.data == client.ask("trends", **ask).data
    assert main(["restore", str(copy), "--data", str(new)]) == 2


def test_keys_are_made_listed_and_revoked(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--project", "shop", "--data", str(served[0])]

    assert main(["keys", "create", "read", "--label", "board", "--new-project", *where]) == 0
    made = capsys.readouterr().out
    key = re.findall(r"read key (\w+) of shop", made)[0]
    assert main(["keys", "rotate", key, *where]) == 0
    assert main(["keys", "revoke", key, *where]) == 0
    capsys.readouterr()
    assert main(["keys", "list", *where]) == 0
    listed = capsys.readouterr().out

    secret = re.findall(r"rk_\w+", made)[0]
    assert re.search(rf"^{key} +read +board +\S+ +revoked", listed, re.MULTILINE)
    assert secret not in listed


@pytest.mark.parametrize("seconds", ["-5", "7776001"])
def test_a_grace_that_cannot_be_is_refused_with_what_to_say_instead(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    data, client = served
    key = client.create_key("read")["key"]["id"]

    status = main(["keys", "rotate", key, "--grace-seconds", seconds, "--data", str(data)])

    said = capsys.readouterr().err
    assert status == 2
    assert f"{int(seconds):,} seconds of grace are not between 0 and 7,776,000" in said
    assert "With 0 the old key ends as soon as its successor is there" in said
    listed = client.keys()
    assert [one["expires_at"] for one in listed if one["id"] == key] == [None]


def test_a_new_project_whose_name_is_no_id_gets_its_key(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--project", "My Shop", "--data", str(served[0])]

    assert main(["keys", "create", "read", "--new-project", *where]) == 0

    assert "of my-shop, shown this once" in capsys.readouterr().out


def test_sites_are_added_listed_and_removed(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--project", "default", "--data", str(served[0])]

    assert main(["sites", "list", *where]) == 0
    assert main(["sites", "add", "plausible", "shop.example", *where]) == 0
    assert main(["sites", "list", *where]) == 0
    assert main(["sites", "remove", "plausible", "shop.example", *where]) == 0
    printed = capsys.readouterr().out
    assert main(["sites", "remove", "plausible", "shop.example", *where]) == 2

    assert printed.startswith("default has no sites.\n")
    assert "The plausible site shop.example now sends to default." in printed
    assert re.search(r"^plausible +shop\.example +20\d\d-\S+Z$", printed, re.MULTILINE)
    assert "The plausible site shop.example no longer works." in printed
    assert "There is no plausible site 'shop.example'." in capsys.readouterr().err


def test_doctor_finds_what_failed_and_says_what_to_do(
    served: tuple[Path, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["doctor", "--project", "default", "--data", str(served[0])])

    printed = capsys.readouterr().out
    assert status == 0
    assert "ok    server: answers" in printed
    assert "ok    ledger balances: received 4, accepted 3" in printed
    assert "warn  failed events: 1 × BAD_FIELD\n      → " in printed


def test_doctor_grows_worried_as_the_disk_fills() -> None:
    settings = Settings(disk_reserve_bytes=100 * MIB)

    healths = [disk(free * MIB, settings).health for free in (1_000, 399, 99)]

    assert healths == ["ok", "warn", "bad"]


def test_doctor_tells_a_store_that_lags_and_a_ledger_that_does_not_balance() -> None:
    assert loading({"log_head": 5_000, "log_position": 10}).health == "warn"
    assert loading({"log_head": 5_000, "log_position": 4_990}).health == "ok"
    assert ledger({"ledger": {"received": 2, "accepted": 1}, "balanced": False}).health == "bad"


def test_doctor_sees_a_clock_that_went_back() -> None:
    assert clock(10_000_000, 5_000_000).health == "bad"
    assert clock(10_000_000, 9_000_000).health == "ok"
    assert clock(None, 0).health == "ok"


def test_doctor_gives_each_reason_its_own_fix() -> None:
    (finding,) = failures({"TIME_FUTURE": 3})

    assert finding.what == "failed events: 3 × TIME_FUTURE"
    assert "clock" in finding.fix
