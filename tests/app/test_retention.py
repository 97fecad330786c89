"""Trimming the log of a real server: what goes, what stays, and that nothing else notices."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.faults.rounds import until
from tests.faults.server import Server, uses

from tallymark.app.backup import backed_up, restore
from tallymark.app.folders import Folders
from tallymark.app.link import StoreLink
from tallymark.app.retention import trim
from tallymark.collect.batch import prepare
from tallymark.collect.protocol import Caller, Request
from tallymark.collect.protocols.native import native
from tallymark.core.clock import DAY, SystemClock, rfc3339
from tallymark.core.settings import Settings
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.log.writer import LogWriter

KEEP = {"log_keep_days": 1, "log_trim_seconds": 1, "index_flush_keys": 64}
OLD_BATCHES = 20
NOW = SystemClock().now()
LAST_YEAR = rfc3339(NOW - 300 * DAY)


def old_uses(number: int) -> list[dict[str, Any]]:
    """Return the events of one batch that was received three days ago."""
    return uses(f"old{number}", 10, time=rfc3339(NOW - 3 * DAY + number))


def receive_long_ago(log: SqliteLog) -> None:
    for number in range(OLD_BATCHES):
        body = json.dumps(old_uses(number)).encode()
        received_at = NOW - 3 * DAY + number
        request = Request("POST", "/tm/v1/events", "", {}, body, None, received_at)
        caller = Caller("default", "secret", "sk_1")
        prepared = prepare(native, request, caller, Settings(), clock=SystemClock())
        log.append([encode_batch(prepared.batch)])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose log holds batches of three days ago, then one back-dated batch of today."""
    made = Server(tmp_path / "d", settings=KEEP)
    made.start()
    made.stop()
    with closing(SqliteLog(made.project / "log.db")) as log:
        receive_long_ago(log)
    made.start()
    assert made.send(uses("back-dated", 5, time=LAST_YEAR)).status == 202
    made.wait_until_loaded()
    yield made
    made.end()


def back_up(server: Server, target: Path) -> Any:
    answer = server.own("POST", "/tm/v1/backup", {"target": str(target)})
    assert answer.status == 200, answer
    return answer.json()


def ends(server: Server) -> tuple[int, int]:
    with closing(SqliteLog(server.project / "log.db", readonly=True)) as log:
        return log.first(), log.head()


def until_trimmed(server: Server) -> None:
    until(lambda: ends(server)[0] == OLD_BATCHES + 1, "the log was not trimmed", 20)


def told(server: Server, what: str) -> Any:
    code, found = server.get(f"/tm/v1/{what}")
    assert code == 200
    return found


def test_what_is_old_loaded_and_backed_up_goes_and_no_answer_changes(
    server: Server, tmp_path: Path
) -> None:
    before = server.answers()
    assert ends(server) == (1, OLD_BATCHES + 1)

    back_up(server, tmp_path / "backup")
    until_trimmed(server)

    # The back-dated events came today, so their batch stays.
    assert ends(server) == (OLD_BATCHES + 1, OLD_BATCHES + 1)
    assert server.own("POST", "/tm/v1/verify").json()["ok"]
    assert server.answers() == before
    assert server.stop() == 0
    # What is derived from the store must not need the log either.
    shutil.rmtree(server.project / "index")
    server.start()
    assert server.answers() == before
    assert server.send(old_uses(3)).status == 202
    server.wait_until_loaded()
    ledger = told(server, "ledger")
    assert ledger["totals"]["duplicate"] == 10
    assert ledger["totals"]["conflict"] == 0
    assert ledger["balanced"]
    assert server.answers() == before
    assert server.own("POST", "/tm/v1/verify").json()["ok"]


def test_nothing_goes_that_is_young_not_loaded_or_in_no_backup(tmp_path: Path) -> None:
    server = Server(tmp_path / "d")
    folders = Folders(server.data)

    async def trim_here(keep_days: int, held: int | None) -> int:
        if held is not None:
            done = {"created_at": NOW, "store_positions": {"default": held}}
            folders.backups.write_text(json.dumps(done))
        settings = Settings(log_keep_days=keep_days)
        link = StoreLink(folders.store_socket, seconds=20)
        writer = LogWriter(folders.log, settings=settings, clock=SystemClock())
        try:
            return await trim("default", folders, settings, writer, link.call, now=NOW)
        finally:
            await writer.close()
            link.close()

    try:
        server.start()
        server.stop()
        with closing(SqliteLog(server.project / "log.db")) as log:
            receive_long_ago(log)
        server.start()
        server.wait_until_loaded()

        assert asyncio.run(trim_here(1, None)) == 0
        assert asyncio.run(trim_here(0, OLD_BATCHES)) == 0
        assert asyncio.run(trim_here(4, OLD_BATCHES)) == 0
        assert ends(server) == (1, OLD_BATCHES)
        assert asyncio.run(trim_here(1, 5)) == 5
        assert ends(server) == (6, OLD_BATCHES)
        # A note of another state of the folder cannot reach beyond what is loaded.
        assert asyncio.run(trim_here(1, 10**6)) == OLD_BATCHES - 5
        assert ends(server) == (OLD_BATCHES + 1, OLD_BATCHES)
    finally:
        server.end()


def test_a_damaged_store_of_a_trimmed_log_is_told_and_its_backup_restores_elsewhere(
    server: Server, tmp_path: Path
) -> None:
    before = server.answers()
    manifest = back_up(server, tmp_path / "backup")
    until_trimmed(server)
    assert manifest["projects"]["default"]["store_position"] == OLD_BATCHES + 1
    assert server.stop() == 0
    server.store.write_bytes(b"no store" * 4096)
    server.store.with_name(server.store.name + ".wal").unlink(missing_ok=True)

    server.launch()
    until(lambda: accepted(server) == 202, "collection does not go on")
    until(lambda: server.ask().code == "STORE_DAMAGED", "the damage is not told")
    asked = server.ask()

    assert asked.status == 503
    assert "restore a backup" in asked.json()["hint"]
    assert ends(server)[0] == OLD_BATCHES + 1

    restore(tmp_path / "backup", tmp_path / "elsewhere")
    other = Server(tmp_path / "elsewhere", settings=KEEP)
    other.keys = server.keys
    try:
        other.start()
        assert other.answers() == before
        # Its log begins at the beginning, and stays until it has a backup of its own.
        assert ends(other)[0] == 1
        assert backed_up(Folders(other.data)) == {}
    finally:
        other.end()


def accepted(server: Server) -> int:
    answer = server.call("POST", "/tm/v1/events", uses("later", 1), key="secret")
    return answer.status if answer else 0
