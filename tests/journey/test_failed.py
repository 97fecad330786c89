"""Failed events at a real server, from the command line: listed, looked into, repaired, replayed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journey.sdks import Target, target
from tests.schema.plans import CHECKOUT, plan

from tallymark.cli.main import main
from tallymark.schema.files import write_folder

FIX = """\
steps:
  - regex_sub: {path: properties.amount, pattern: '^EUR ', with: ''}
    when: {code: SCHEMA_TYPE, event: checkout_completed}
  - cast: {path: properties.amount, to: number}
  - set: {path: properties.currency, value: EUR}
    when: {path: properties.currency, missing: true}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Target]:
    with target(tmp_path) as made:
        write_folder(plan(CHECKOUT), tmp_path / "plan")
        assert main(["plan", "push", str(tmp_path / "plan"), "--data", str(made.data)]) == 0
        yield made


def send(server: Target, event_id: str, **properties: Any) -> None:
    event = {"name": "checkout_completed", "id": event_id, "user_id": "ana", "time": "2026-11-20T10:00:00Z", "properties": properties}  # fmt: skip
    answer = server.send(event)
    assert (answer.status, answer.json()) == (202, {"accepted": 1, "failed": []})


def command(server: Target, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["failed", *words, "--data", str(server.data)])
    return status, capsys.readouterr().out


def test_what_failed_is_listed_repaired_and_counted_with_its_own_time(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fix = tmp_path / "fix.yaml"
    fix.write_text(FIX)
    send(server, "1", amount="EUR 9.50")
    send(server, "2", amount="EUR 0.10", currency="USD")
    send(server, "3", amount="much")
    send(server, "4", amount=1, currency="EUR")
    server.wait_until_loaded()

    status, said = command(server, capsys, "list", "--event", "checkout_completed")
    assert status == 0
    assert "amount must be a number, not text." in said
    assert "Open in all: 3 × SCHEMA_TYPE." in said

    status, said = command(server, capsys, "fix", str(fix), "--dry-run", "--show", "1")
    assert status == 1
    assert "Of 3, 2 would be counted, 1 still fail, 0 may not be kept, 0 count already." in said
    assert '- {"name":"checkout_completed"' in said
    assert '"properties":{"amount":9.5,"currency":"EUR"}' in said
    assert [one["id"] for one in server.events()] == ["4"]

    status, said = command(server, capsys, "fix", str(fix))
    assert status == 1
    assert "Of 3, 2 were counted, 1 still fail" in said
    told = {one["id"]: one for one in server.events()}
    assert sorted(told) == ["1", "2", "4"]
    assert told["1"]["properties"] == {"amount": 9.5, "currency": "EUR"}
    assert (told["1"]["time"], told["1"]["user_id"], told["1"]["flags"]) == ("2026-11-20T10:00:00Z", "ana", ["replayed"])  # fmt: skip
    assert told["1"]["received_at"] < told["4"]["received_at"]

    # Who sends the repaired event again themselves, sends a duplicate.
    send(server, "1", amount=9.50, currency="EUR")
    status, said = command(server, capsys, "fix", str(fix), "--status", "fixed")
    assert (status, "0 were counted, 0 still fail, 0 may not be kept, 2 count already" in said) == (0, True)  # fmt: skip
    assert server.ledger()["duplicate"] == 1
    assert len(server.events()) == 3


def test_what_is_ignored_stays_so_when_the_store_is_made_again(
    server: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        send(server, str(number), amount="much", currency="EUR")
    server.wait_until_loaded()
    status, said = command(server, capsys, "list")
    seq = said.splitlines()[2].split()[0]

    status, said = command(server, capsys, "show", seq)
    assert status == 0
    assert '"amount": "much"' in said
    assert "Send the type named in the message." in said
    assert command(server, capsys, "ignore")[0] == 2
    assert command(server, capsys, "ignore", "--seq", seq) == (0, "1 are ignored.\n")
    server.end()
    server.store.unlink()
    server.start()
    server.wait_until_loaded()

    open_ones = server.call("GET", "/tm/v1/failed?status=open")
    ignored = server.call("GET", "/tm/v1/failed?status=ignored")
    assert open_ones is not None
    assert ignored is not None
    assert len(open_ones.json()["failed"]) == 2
    assert [str(one["seq"]) for one in ignored.json()["failed"]] == [seq]
    assert command(server, capsys, "ignore", "--all") == (0, "2 are ignored.\n")
    assert command(server, capsys, "list", "--status", "open") == (0, "None.\n")


def test_what_failed_is_exported_as_json_lines(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        send(server, str(number), amount="much", currency="EUR")
    assert server.send({"name": ""}).status == 202
    server.wait_until_loaded()
    out = tmp_path / "failed.ndjson"

    status, said = command(server, capsys, "export", "--code", "SCHEMA_TYPE")
    assert command(server, capsys, "export", "--out", str(out)) == (
        0,
        f"4 were written to {out}.\n",
    )

    lines = [json.loads(line) for line in said.splitlines()]
    assert (status, [one["event_id"] for one in lines]) == (0, ["0", "1", "2"])
    assert lines[0]["errors"][0]["schema"] == "checkout_completed/2-1-0"
    assert lines[0]["server"]["plan_version"] == 1
    assert json.loads(lines[0]["raw"]["data"])["properties"]["amount"] == "much"
    whole = [json.loads(line) for line in out.read_text().splitlines()]
    assert whole[:3] == lines
    assert whole[3]["code"] == "NAME_INVALID"
    page = server.call("GET", f"/tm/v1/failed/export?after={lines[0]['seq']}&limit=1")
    assert page is not None
    assert (page.headers["content-type"], json.loads(page.body)) == ("application/x-ndjson", lines[1])  # fmt: skip
    refused = server.call("GET", "/tm/v1/failed/export?code=NO_SUCH")
    assert refused is not None
    assert refused.status == 400


def test_a_plan_that_was_mended_counts_what_it_set_aside(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(server, "1", amount=1, currency="CHF")
    server.wait_until_loaded()
    mended = CHECKOUT.replace("[EUR, USD]", "[EUR, USD, CHF]").replace("2-1-0", "2-1-1")
    write_folder(plan(mended), tmp_path / "mended")
    assert main(["plan", "push", str(tmp_path / "mended"), "--data", str(server.data)]) == 0

    status, said = command(server, capsys, "replay")

    assert (status, "Of 1, 1 were counted" in said) == (0, True)
    assert [one["id"] for one in server.events()] == ["1"]
    found = server.call("GET", "/tm/v1/failed?event=checkout_completed")
    assert found is not None
    assert [one["status"] for one in found.json()["failed"]] == ["replayed"]


def test_a_replay_in_another_shape_is_refused_and_changes_nothing(server: Target) -> None:
    send(server, "1", amount="1", currency="EUR")
    path = "/tm/v1/projects/default/failed/replay"
    bad: list[Any] = [
        {"steps": [{"run": "x"}]}, {"steps": [{}]}, {"where": {"code": 1}}, {"where": {"colour": "x"}},
        {"examples": 1000}, b"[", b"[" * 100_000, {"where": {"status": "lost"}},
    ]  # fmt: skip

    for body in bad:
        answer = server.own("POST", path, body)
        assert answer.status == 400, (body, answer.body)
    by_key = server.call("POST", path, {}, key="secret")
    nobody = server.own("POST", "/tm/v1/projects/nowhere/failed/replay", {})

    assert by_key is not None
    assert (by_key.status, nobody.status) == (403, 404)
    listed = server.call("GET", "/tm/v1/failed?status=lost")
    assert listed is not None
    assert listed.status == 400
    assert server.ledger()["accepted"] == 0


def test_numbers_of_repairs_stay_exact(server: Target) -> None:
    send(server, "1", amount="x", currency="EUR")
    server.wait_until_loaded()
    body = (
        b'{"steps": [{"set": {"path": "properties.amount", "value": 12345678901234567.000000001}}]}'
    )

    answer = server.own("POST", "/tm/v1/projects/default/failed/replay", json.loads(body) | {"dry_run": True})  # fmt: skip
    exact = server.own("POST", "/tm/v1/projects/default/failed/replay", body)

    assert answer.json()["fixed"] == exact.json()["fixed"] == 1
    server.wait_until_loaded()
    told = server.call("POST", "/tm/v1/ask/events", {"range": {"since": "2026-11-01", "until": "2026-12-01"}})  # fmt: skip
    assert told is not None
    assert b"12345678901234567.000000001" in told.body
