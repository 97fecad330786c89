"""A backup made under load, restored elsewhere, holds what its manifest says and answers the same."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.oracle import Oracle, Sender, check
from tests.faults.rounds import ACKNOWLEDGED, ROUNDS, seeded
from tests.faults.server import Server

SETTINGS = {"load_batch_events": 200, "index_flush_keys": 64}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings=SETTINGS)
    made.start()
    yield made
    made.end()


def restore(source: Path, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tallymark", "restore", str(source), "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def loaded_all(server: Server) -> tuple[int, list[Any]]:
    """Return the position and the answers of a server that has nothing left to load."""
    return server.wait_until_loaded()["log_position"], server.answers()


def test_given_a_backup_under_load_when_restored_elsewhere_then_counts_and_answers_agree(
    server: Server, tmp_path: Path
) -> None:
    oracle = Oracle()
    for number in range(ROUNDS):
        target, elsewhere = tmp_path / f"backup{number}", tmp_path / f"restored{number}"
        sender = Sender(server.port, server.keys["secret"], oracle, f"r{number}")
        sender.start()
        oracle.wait_for(ACKNOWLEDGED * (number + 1))
        before = oracle.acknowledged
        made = server.own("POST", "/tm/v1/backup", {"target": str(target)})
        assert made.status == 200, made.body
        sender.stop()
        server.kill()

        assert restore(target, elsewhere).returncode == 0
        manifest = json.loads((target / "manifest.json").read_text())["projects"]["default"]
        copy = Server(elsewhere, settings=SETTINGS)
        copy.keys = server.keys
        copy.start()
        position, told = loaded_all(copy)
        status = copy.wait_until_loaded()
        assert copy.own("POST", "/tm/v1/verify").json()["ok"]
        assert copy.stop() == 0

        assert position == manifest["log_head"]
        assert status["ledger"]["received"] == manifest["log_items"]
        # What was acknowledged before the backup began is in it; what came later may be.
        held = Oracle({name: [202 if name in before else None] for name in oracle.answers})
        check(held, copy.store)

        # The same log, loaded from the beginning, gives the same answers.
        (copy.store).unlink()
        shutil.rmtree(copy.project / "index")
        copy.start()
        assert loaded_all(copy) == (position, told)
        assert copy.stop() == 0
        server.start()

    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_flipped_byte_or_a_missing_file_then_nothing_is_restored(
    server: Server, tmp_path: Path
) -> None:
    chance = seeded()
    oracle = Oracle()
    sender = Sender(server.port, server.keys["secret"], oracle, "all")
    sender.start()
    oracle.wait_for(ACKNOWLEDGED)
    sender.stop()
    target = tmp_path / "backup"
    assert server.own("POST", "/tm/v1/backup", {"target": str(target)}).status == 200
    files = [
        target / one["path"] for one in json.loads((target / "manifest.json").read_text())["files"]
    ]
    assert {file.name for file in files} >= {"log.db", "store.duckdb", "catalog.db"}

    for number, file in enumerate(files):
        good = file.read_bytes()
        place = chance.randrange(len(good))
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        refused = restore(target, tmp_path / f"no{number}")
        assert refused.returncode == 2
        assert "does not match its hash" in refused.stderr
        assert not (tmp_path / f"no{number}").exists()
        file.write_bytes(good)

    (target / "manifest.json").rename(tmp_path / "aside")
    assert "was not finished" in restore(target, tmp_path / "unfinished").stderr
    (tmp_path / "aside").rename(target / "manifest.json")
    assert restore(target, tmp_path / "good").returncode == 0
    assert restore(target, tmp_path / "good").returncode == 2


def test_given_a_target_with_something_in_it_then_a_backup_touches_nothing(
    server: Server, tmp_path: Path
) -> None:
    target = tmp_path / "full"
    target.mkdir()
    (target / "mine").write_text("mine")

    refused = server.own("POST", "/tm/v1/backup", {"target": str(target)})

    assert (refused.status, refused.code) == (400, "BACKUP_INVALID")
    assert [path.name for path in target.iterdir()] == ["mine"]
