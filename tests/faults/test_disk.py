"""The disk under a running server fails, fills up or takes long."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.disk import SmallDisk, files_of_at_most, injected
from tests.faults.oracle import Oracle, Sender, check
from tests.faults.rounds import ACKNOWLEDGED, LONG, ROUNDS, seeded, until
from tests.faults.server import Server, uses

MIB = 1024 * 1024
DELAY_SECONDS = 0.2
# What a machine busy with other tests may add.
SLACK_SECONDS = 0.5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings={"retry_after_seconds": 1})
    yield made
    made.end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "small", 96)
    yield made
    made.close()


def load_around(server: Server, oracle: Oracle, number: int) -> Sender:
    """Start sending; return once enough was acknowledged for a round."""
    sender = Sender(server.port, server.keys["secret"], oracle, f"r{number}")
    sender.start()
    oracle.wait_for(ACKNOWLEDGED * (number + 1))
    return sender


def until_refused(oracle: Oracle, already: int) -> None:
    until(lambda: oracle.codes["STORAGE_PRESSURE"] > already, "nothing was refused")


def until_taken(oracle: Oracle, more: int = 100) -> None:
    oracle.wait_for(len(oracle.acknowledged) + more)


def test_given_a_disk_that_cannot_flush_then_it_refuses_and_heals_and_loses_nothing(
    server: Server,
) -> None:
    chance = seeded()
    oracle = Oracle()
    server.start()

    for number in range(ROUNDS):
        sender = load_around(server, oracle, number)
        refused = oracle.codes["STORAGE_PRESSURE"]
        with injected(server.pid(), "fdatasync", "error=EIO"):
            until_refused(oracle, refused)
            time.sleep(chance.uniform(0.0, 0.5))
        until_taken(oracle)
        sender.stop()

    assert set(oracle.codes) == {"202", "STORAGE_PRESSURE"}
    server.wait_until_loaded()
    # Killed, so that nothing is put right by an orderly end.
    server.kill()
    server.start()
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_files_that_may_not_grow_then_it_refuses_and_heals_and_loses_nothing(
    server: Server,
) -> None:
    oracle = Oracle()
    server.start()

    for number in range(ROUNDS):
        sender = load_around(server, oracle, number)
        refused = oracle.codes["STORAGE_PRESSURE"]
        with files_of_at_most(server.pid(), 64 * 1024):
            until_refused(oracle, refused)
        until_taken(oracle)
        sender.stop()

    assert set(oracle.codes) == {"202", "STORAGE_PRESSURE"}
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


@pytest.mark.parametrize("reserve", [1, 24 * MIB], ids=["full", "reserve"])
def test_given_a_full_disk_then_it_refuses_answers_questions_and_heals_by_itself(
    small_disk: SmallDisk, tmp_path: Path, reserve: int
) -> None:
    oracle = Oracle()
    server = Server(
        tmp_path / "small" / "d",
        settings={"retry_after_seconds": 1, "disk_reserve_bytes": reserve},
        around=small_disk.around,
        seen=small_disk.seen / "d",
        said=tmp_path / "said",
    )
    try:
        server.start()
        assert small_disk.free_bytes() > reserve + 16 * MIB
        for number in range(ROUNDS if LONG else 2):
            sender = load_around(server, oracle, number)
            refused = oracle.codes["STORAGE_PRESSURE"]
            small_disk.fill(leave=reserve // 2)
            until_refused(oracle, refused)
            sender.stop()
            if reserve > 1:
                # There is still room for everything that was taken.
                server.wait_until_loaded()
                assert small_disk.free_bytes() > 0
            assert server.ask().status == 200
            assert server.call("GET", "/healthz")
            assert server.send(uses("refused", 1)).status == 503
            small_disk.empty()
            until(lambda: server.send(uses("healed", 1)).status == 202, "it does not heal")
            oracle.note(["healed-0"], 202)
        server.wait_until_loaded()
        assert server.stop() == 0
        assert set(oracle.codes) == {"202", "STORAGE_PRESSURE"}
        # The disk is not where its path says, for us.
        check(oracle, Path(shutil.copy(server.store, tmp_path / "kept.duckdb")))
    finally:
        server.end()


def test_given_a_slow_disk_then_answers_take_little_more_and_the_rest_is_refused(
    tmp_path: Path,
) -> None:
    oracle = Oracle()
    limits = {"log_queue_bytes": 64 * 1024, "retry_after_seconds": 1}
    server = Server(tmp_path / "d", settings=limits)
    server.start()
    try:
        with injected(server.pid(), "fdatasync", f"delay_enter={int(DELAY_SECONDS * 1e6)}"):
            few = Sender(server.port, server.keys["secret"], oracle, "few", threads=4)
            few.start()
            oracle.wait_for(ACKNOWLEDGED if LONG else 300)
            few.stop()
            assert set(oracle.codes) == {"202"}
            # One flush may be under way when a request comes, and the next is its own.
            seconds = sorted(oracle.seconds)
            assert seconds[len(seconds) // 2] < 2 * DELAY_SECONDS + SLACK_SECONDS, seconds
            assert seconds[int(len(seconds) * 0.99) - 1] < 3 * DELAY_SECONDS + SLACK_SECONDS

            many = Sender(
                server.port, server.keys["secret"], oracle, "many", threads=24, batch=60, pause=0
            )
            many.start()
            until_refused(oracle, 0)
            waits = [health_seconds(server) for _ in range(20)]
            many.stop()
        assert sorted(waits)[len(waits) // 2] < 0.25, waits
        # A machine full of other work may keep one of them waiting for itself.
        assert sorted(waits)[-3] < 1, waits
        assert server.send(uses("after", 1)).status == 202
        oracle.note(["after-0"], 202)
        server.wait_until_loaded()
        assert server.stop() == 0
        assert set(oracle.codes) == {"202", "STORAGE_PRESSURE"}
        check(oracle, server.store)
    finally:
        server.end()


def health_seconds(server: Server) -> float:
    began = time.monotonic()
    answer = server.call("GET", "/healthz")
    assert answer is not None
    assert answer.status == 200
    return time.monotonic() - began
