"""The store process hangs, dies, or finds its files damaged or gone; collection never notices."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.answers import Answer
from tests.faults.oracle import Oracle, Sender, check
from tests.faults.rounds import ACKNOWLEDGED, LONG, ROUNDS, seeded, until
from tests.faults.server import QUESTIONS, Server, uses

# How long a machine may take that is busy with something else; what it answers stays the same.
_PATIENCE = 180
SETTINGS = {"question_seconds": 4, "index_flush_keys": 64}
HEAVY = {
    "series": [
        {
            "measure": "p99",
            "of": "properties.n",
            "filter": {"field": "properties.place", "op": "contains", "value": text},
        }
        for text in "0123456789"
    ],
    "breakdown": ["properties.n", "properties.place"],
    "interval": "hour",
    "range": {"since": "2026-01-01", "until": "2026-01-02"},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings=SETTINGS)
    yield made
    made.end()


@contextmanager
def frozen_store(server: Server) -> Iterator[None]:
    server.signal_store(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal_store(signal.SIGCONT)


def filled(server: Server, oracle: Oracle, number: int = 0) -> None:
    """Send a round's events and wait until all of them are loaded."""
    sender = Sender(server.port, server.keys["secret"], oracle, f"r{number}")
    sender.start()
    oracle.wait_for(ACKNOWLEDGED * (number + 1))
    sender.stop()
    server.wait_until_loaded()


def test_given_a_store_that_hangs_then_collection_goes_on_and_questions_end_with_503(
    server: Server,
) -> None:
    oracle = Oracle()
    server.start()
    filled(server, oracle)

    with frozen_store(server):
        sender = Sender(server.port, server.keys["secret"], oracle, "hung")
        sender.start()
        began = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            asked = pool.submit(server.ask)
            status = pool.submit(server.get, "/tm/v1/status")
            ready = pool.submit(server.get, "/readyz")
        took = time.monotonic() - began
        sender.stop()

    assert (asked.result().status, asked.result().code) == (503, "STORE_AWAY")
    assert (status.result()[0], status.result()[1]["code"]) == (503, "STORE_AWAY")
    assert (ready.result()[0], ready.result()[1]["checks"]["store"]) == (503, "STORE_AWAY")
    assert took < 20
    assert set(oracle.codes) == {"202"}
    server.wait_until_loaded()
    assert server.ask().status == 200
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_store_that_dies_during_a_question_then_it_ends_with_503_and_the_next_works(
    server: Server,
) -> None:
    oracle = Oracle()
    server.start()
    filled(server, oracle)

    for _ in range(ROUNDS):
        answers: list[Answer] = []
        asker = threading.Thread(target=lambda got=answers: got.append(server.ask()))
        server.signal_store(signal.SIGSTOP)
        asker.start()
        time.sleep(0.2)
        server.signal_store(signal.SIGKILL)
        asker.join()
        assert [(a.status, a.code) for a in answers] == [(503, "STORE_AWAY")]
        server.wait_until_ready()
        assert server.ask().status == 200

    assert server.stop() == 0
    check(oracle, server.store)


@pytest.fixture
def hasty_server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings={"question_seconds": 1})
    made.start()
    yield made
    made.end()


def test_given_a_heavy_question_then_it_is_stopped_and_collection_goes_on(
    hasty_server: Server,
) -> None:
    oracle, server = Oracle(), hasty_server
    batches = 100 if LONG else 10
    for number in range(batches):
        events = uses(f"h{number}", 10_000, time="2026-01-01T12:00:00Z")
        for place, event in enumerate(events):
            event["properties"] = {"n": number * 10_000 + place, "place": f"{place}-{number}"}
            event["user_id"] = f"u{number}-{place}"
        assert server.send(events, timeout=_PATIENCE).status == 202
        oracle.note([str(event["id"]) for event in events], 202)
    server.wait_until_loaded(seconds=300)

    sender = Sender(server.port, server.keys["secret"], oracle, "meanwhile")
    sender.start()
    # Several at once, so that none has the machine for itself.
    answers: list[Answer] = []
    askers = [
        threading.Thread(target=lambda: answers.append(server.ask(HEAVY, timeout=_PATIENCE)))
        for _ in range(8)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    sender.stop()

    # A fast machine may answer one before the others get their turn.
    codes = {answer.code for answer in answers}
    assert {"QUERY_STOPPED"} <= codes <= {"QUERY_STOPPED", "200"}
    assert {answer.status for answer in answers} <= {200, 503}
    assert set(oracle.codes) == {"202"}
    server.wait_until_loaded()
    # It has no more time than the heavy ones had, and others may have the machine.
    until(lambda: server.ask().status == 200, "the next question is not answered", _PATIENCE)
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_a_store_that_crashes_again_and_again_then_the_queue_moves_on(
    server: Server,
) -> None:
    oracle = Oracle()
    server.start()
    sender = Sender(server.port, server.keys["secret"], oracle, "crash")
    sender.start()

    for number in range(3 * ROUNDS):
        oracle.wait_for(300 * (number + 1))
        server.signal_store(signal.SIGSEGV)
        server.wait_until_ready()

    sender.stop()
    # While it crashed hardly anything was loaded, and all of that comes now.
    server.wait_until_loaded(60 + 30 * ROUNDS)
    assert set(oracle.codes) == {"202"}
    assert server.stop() == 0
    check(oracle, server.store)


def ask_all(server: Server) -> bool:
    """Say whether every question is answered; until then it is a 503."""
    answers = [server.ask(question) for question in QUESTIONS]
    assert {answer.status for answer in answers} <= {200, 503}, answers
    return all(answer.status == 200 for answer in answers)


def overwrite(server: Server, chance: random.Random) -> None:
    """Overwrite 4 KB in the middle of the store's file."""
    size = server.store.stat().st_size
    with server.store.open("r+b") as file:
        file.seek(chance.randrange(size // 8192, size // 4096) * 4096)
        file.write(chance.randbytes(4096))


def overwrite_head(server: Server, chance: random.Random) -> None:
    with server.store.open("r+b") as file:
        file.write(chance.randbytes(4096))


def lose_store(server: Server, _chance: random.Random) -> None:
    server.store.unlink()


def lose_store_and_index(server: Server, _chance: random.Random) -> None:
    server.store.unlink()
    shutil.rmtree(server.project / "index")


def lose_index(server: Server, _chance: random.Random) -> None:
    shutil.rmtree(server.project / "index")


def spoil_index(server: Server, chance: random.Random) -> None:
    files = sorted(p for p in (server.project / "index").rglob("*") if p.is_file())
    chosen = chance.choice(files)
    data = bytearray(chosen.read_bytes())
    for _ in range(8):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    chosen.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [overwrite, overwrite_head, lose_store, lose_store_and_index, lose_index, spoil_index],
)
def test_given_damaged_files_of_the_store_then_they_are_rebuilt_with_the_same_answers(
    server: Server, damage: Callable[[Server, random.Random], None]
) -> None:
    chance = seeded()
    oracle = Oracle()
    server.start()
    assert server.send(uses("again", 50)).status == 202
    oracle.note([f"again-{place}" for place in range(50)], 202)
    filled(server, oracle)
    told, events = server.answers(), server.wait_until_loaded()["events"]
    assert server.stop() == 0

    for _ in range(ROUNDS):
        damage(server, chance)
        server.start()
        # A lost or spoilt index must not make the same events count twice.
        assert server.send(uses("again", 50)).status == 202
        # Damage may be found only by a question, which is refused then and later answered.
        until(lambda: ask_all(server), "the questions are not answered again")
        assert server.wait_until_loaded()["events"] == events
        assert server.answers() == told
        assert server.stop() == 0
        check(oracle, server.store)


def test_given_an_index_older_than_the_store_then_nothing_counts_twice(
    server: Server, tmp_path: Path
) -> None:
    oracle = Oracle()
    server.start()
    assert server.send(uses("a", 200)).status == 202
    oracle.note([f"a-{place}" for place in range(200)], 202)
    server.wait_until_loaded()
    assert server.stop() == 0
    shutil.copytree(server.project / "index", tmp_path / "older")
    server.start()
    filled(server, oracle)
    assert server.send(uses("b", 200)).status == 202
    oracle.note([f"b-{place}" for place in range(200)], 202)
    server.wait_until_loaded()
    assert server.stop() == 0

    shutil.rmtree(server.project / "index")
    (tmp_path / "older").rename(server.project / "index")
    server.start()
    for prefix in ("a", "b"):
        assert server.send(uses(prefix, 200)).status == 202

    server.wait_until_loaded()
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_damage_while_the_server_runs_then_collection_goes_on_and_the_store_is_rebuilt(
    server: Server,
) -> None:
    oracle = Oracle()
    server.start()
    filled(server, oracle)
    sender = Sender(server.port, server.keys["secret"], oracle, "on")
    sender.start()

    with server.store.open("r+b") as file:
        file.write(os.urandom(16 * 4096))
    server.signal_store(signal.SIGKILL)
    until((server.project / "corrupt").exists, "the damaged store is not set aside")
    sender.stop()

    server.wait_until_loaded()
    assert set(oracle.codes) == {"202"}
    assert server.ask().status == 200
    assert server.stop() == 0
    check(oracle, server.store)
