"""Kill -9 of either process, at random moments and at every named place, under load.

An outside oracle that knows only the answers a client got decides: no acknowledged event missing,
none twice, the ledger balances. ``make faults`` runs the long form.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.oracle import Oracle, Sender, check
from tests.faults.rounds import ACKNOWLEDGED, ROUNDS, seeded, until
from tests.faults.server import Server

from tallymark.core.failpoint import PLACES

# Small, so that flushes and merges of the dedupe index happen all the time.
SETTINGS = {"index_flush_keys": 64, "load_batch_events": 1000}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings=SETTINGS)
    yield made
    made.end()


@pytest.mark.parametrize("victim", ["front", "store"])
def test_given_a_kill_at_a_random_moment_then_every_acknowledged_event_counts_once(
    server: Server, victim: str
) -> None:
    chance = seeded()
    oracle = Oracle()
    server.start()

    for number in range(ROUNDS):
        sender = Sender(server.port, server.keys["secret"], oracle, f"r{number}")
        sender.start()
        oracle.wait_for(ACKNOWLEDGED * (number + 1))
        time.sleep(chance.uniform(0.005, 0.5))
        if victim == "front":
            server.kill()
            sender.stop()
            server.start()
        else:
            server.signal_store()
            time.sleep(chance.uniform(0.005, 0.5))
            sender.stop()
            server.wait_until_ready()

    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


@pytest.mark.parametrize("place", PLACES)
def test_given_a_kill_at_a_named_place_then_every_acknowledged_event_counts_once(
    server: Server, place: str, tmp_path: Path
) -> None:
    chance = seeded()
    oracle = Oracle()
    server.start()
    server.stop()

    def restart_if_ended() -> None:
        if server.has_ended():
            server.start()

    for number in range(ROUNDS):
        fired = tmp_path / f"fired{number}"
        # Some places are reached once a load; everything else happens all the time.
        rare = "checkpoint" in place or "merging" in place
        count = 1 if rare else chance.randint(1, 12)
        server.start(TALLYMARK_KILL_AT=f"{place}:{count}:{fired}")
        # Runs are merged with neighbours of their size, which loads of a steady trickle make.
        threads, pause = (1, 0.04) if "merging" in place else (4, 0.01)
        sender = Sender(
            server.port, server.keys["secret"], oracle, f"r{number}", threads, pause=pause
        )
        sender.start()
        if "checkpoint" in place:
            # That is done in a pause.
            oracle.wait_for(len(oracle.acknowledged) + 1)
            sender.stop()
        until(fired.exists, "the place was never reached")
        if "checkpoint" in place:
            sender = Sender(server.port, server.keys["secret"], oracle, f"s{number}")
            sender.start()
        time.sleep(chance.uniform(0.0, 0.3))
        oracle.wait_for(ACKNOWLEDGED * (number + 1), meanwhile=restart_if_ended)
        sender.stop()
        restart_if_ended()
        server.wait_until_loaded()
        assert server.stop() == 0

    check(oracle, server.store)
