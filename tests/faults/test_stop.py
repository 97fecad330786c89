"""Stopping under load, twice, too early; and two servers on one folder."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.oracle import Oracle, Sender, check
from tests.faults.rounds import ACKNOWLEDGED, ROUNDS, seeded, until
from tests.faults.server import Server, uses

IN_USE = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings={"load_batch_events": 100})
    yield made
    made.end()


def test_given_a_stop_under_load_then_it_ends_in_order_and_everything_acknowledged_is_there(
    server: Server,
) -> None:
    chance = seeded()
    oracle = Oracle()
    for number in range(ROUNDS):
        server.start()
        sender = Sender(server.port, server.keys["secret"], oracle, f"r{number}")
        sender.start()
        oracle.wait_for(ACKNOWLEDGED * (number + 1))
        time.sleep(chance.uniform(0, 0.3))
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 20
        sender.stop()

    assert set(oracle.codes) <= {"202", "STORAGE_PRESSURE"}
    server.start()
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_second_signal_then_it_ends_at_once_and_loses_nothing(server: Server) -> None:
    oracle = Oracle()
    server.start()
    sender = Sender(server.port, server.keys["secret"], oracle, "twice")
    sender.start()
    oracle.wait_for(ACKNOWLEDGED)
    # A store that hangs would hold up an orderly end.
    store = server.store_pid()
    server.signal_store(signal.SIGSTOP)
    process = server.process
    process.terminate()
    time.sleep(1)
    assert process.poll() is None

    process.terminate()
    began = time.monotonic()
    process.wait(10)

    assert time.monotonic() - began < 3
    sender.stop()
    server.release(store)
    server.start()
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_signal_during_the_start_then_it_ends_and_the_next_start_works(
    server: Server,
) -> None:
    chance = seeded()
    oracle = Oracle()
    server.start()
    assert server.send(uses("first", 100)).status == 202
    oracle.note([f"first-{place}" for place in range(100)], 202)
    assert server.stop() == 0

    for _ in range(5 * ROUNDS):
        process = server.launch()
        time.sleep(chance.uniform(0.05, 1.5))
        process.terminate()
        assert process.wait(20) in (0, -signal.SIGTERM)

    server.start()
    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_folder_in_use_then_a_second_server_is_refused_until_the_first_is_dead(
    server: Server, tmp_path: Path
) -> None:
    oracle = Oracle()
    server.start()
    second = Server(server.data, said=tmp_path / "second")
    second.keys = server.keys

    assert second.launch().wait(30) == IN_USE
    assert "is in use by process" in second.output()
    assert "Traceback" not in second.output()
    assert server.send(uses("first", 100)).status == 202
    oracle.note([f"first-{place}" for place in range(100)], 202)

    server.kill()
    try:
        second.start()
        second.wait_until_loaded()
        assert second.stop() == 0
    finally:
        second.end()
    check(oracle, server.store)


def test_given_many_that_start_at_once_then_one_serves(server: Server, tmp_path: Path) -> None:
    others = [Server(server.data, said=tmp_path / f"other{number}") for number in range(3)]
    try:
        for other in others:
            other.launch()
        until(lambda: sum(not other.has_ended() for other in others) == 1, "not one is left")
        serving = next(other for other in others if not other.has_ended())
        serving.wait_until_ready()
        assert {other.process.returncode for other in others if other.has_ended()} == {IN_USE}
    finally:
        for other in others:
            other.end()
