"""The catalog is locked, read-only or damaged: collection goes on, and nothing is said wrongly."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.faults.oracle import Oracle, Sender, check
from tests.faults.rounds import ACKNOWLEDGED, seeded
from tests.faults.server import Server, uses


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d")
    made.start()
    yield made
    made.end()


@contextmanager
def sending(server: Server, oracle: Oracle) -> Iterator[None]:
    """Send until the block ends; the keys of sender and asker are known when it begins."""
    sender = Sender(server.port, server.keys["secret"], oracle, "on")
    sender.start()
    try:
        oracle.wait_for(100)
        assert server.ask().status == 200
        yield
    finally:
        sender.stop()


@contextmanager
def locked(server: Server) -> Iterator[None]:
    with closing(sqlite3.connect(server.data / "catalog.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def damaged(server: Server) -> Iterator[None]:
    path, chance = server.data / "catalog.db", seeded()
    family = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    good = {member: member.read_bytes() for member in family if member.exists()}
    wrong = bytearray(good[path])
    for place in range(0, len(wrong), 7):
        wrong[place] ^= chance.randrange(1, 256)
    path.write_bytes(wrong)
    yield
    for member in family:
        member.unlink(missing_ok=True)
    for member, content in good.items():
        member.write_bytes(content)


def test_given_a_locked_catalog_then_collection_goes_on_and_changes_wait(server: Server) -> None:
    oracle = Oracle()
    new_key = {"kind": "read"}
    assert server.own("POST", "/tm/v1/projects/default/keys", new_key).status == 201

    with sending(server, oracle), locked(server):
        refused = server.own("POST", "/tm/v1/projects/default/keys", new_key)
        oracle.wait_for(ACKNOWLEDGED)
        assert server.ask().status == 200

    assert set(oracle.codes) == {"202"}
    assert (refused.status, refused.code) == (503, "CATALOG_AWAY")
    assert server.own("POST", "/tm/v1/projects/default/keys", new_key).status == 201
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_catalog_damaged_while_the_server_runs_then_collection_goes_on(
    server: Server,
) -> None:
    oracle = Oracle()

    with sending(server, oracle), damaged(server):
        oracle.wait_for(ACKNOWLEDGED)
        assert server.ask().status == 200
        assert server.stop() == 0

    assert set(oracle.codes) <= {"202", "STORAGE_PRESSURE"}
    server.start()
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_damaged_catalog_at_the_start_then_one_line_says_so(server: Server) -> None:
    assert server.send(uses("kept", 100)).status == 202
    assert server.stop() == 0
    before = len(server.output())

    with damaged(server):
        assert server.launch().wait(30) != 0
        said = server.output()[before:]

    assert "catalog.db) is damaged" in said
    assert said.count("\n") == 1
    assert "Traceback" not in said
    server.start()
    assert server.wait_until_loaded()["events"] == 100
    assert server.stop() == 0
