"""The same events sent again, in parallel, across restarts and after answers that got lost."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.faults.answers import call
from tests.faults.oracle import Oracle, check
from tests.faults.rounds import ACKNOWLEDGED, LONG, ROUNDS, until
from tests.faults.server import Server, uses

from tallymark.core.clock import DAY, SystemClock, moment

COPIES = 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings={"index_flush_keys": 64})
    made.start()
    yield made
    made.end()


def ledger(server: Server) -> dict[str, int]:
    status: dict[str, Any] = server.wait_until_loaded()
    found: dict[str, int] = status["ledger"]
    return found


def note(oracle: Oracle, events: list[dict[str, object]]) -> None:
    oracle.note([str(event["id"]) for event in events], 202)


def test_given_a_batch_sent_in_parallel_and_across_a_restart_then_it_counts_once(
    server: Server,
) -> None:
    oracle = Oracle()
    events = uses("same", 200, time="2026-11-01T10:00:00Z")

    for _ in range(ROUNDS if LONG else 2):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: server.send(events), range(COPIES // 2)))
        assert {answer.status for answer in answers} == {202}
        note(oracle, events)
        server.kill()
        server.start()

    counted = ledger(server)
    copies = (ROUNDS if LONG else 2) * (COPIES // 2)
    assert (counted["accepted"], counted["duplicate"]) == (200, 200 * (copies - 1))
    assert server.stop() == 0
    check(oracle, server.store)


def test_given_one_id_with_other_content_then_the_first_counts_and_the_other_is_kept(
    server: Server,
) -> None:
    first, second = uses("one", 1), uses("one", 1, name="other")

    assert [server.send(events).status for events in (first, second, first)] == [202] * 3

    counted = ledger(server)
    assert (counted["accepted"], counted["conflict"], counted["duplicate"]) == (1, 1, 1)
    _, failed = server.get("/tm/v1/failed")
    assert [(one["code"], one["event_id"], one["event_name"]) for one in failed["failed"]] == [
        ("DUPLICATE_CONFLICT", "one-0", "other")
    ]
    _, found = server.get("/tm/v1/event/one-0")
    assert found["event"][0]["name"] == "use"


class LossyProxy:
    """Passes requests on, and drops the answer of every second one after it was given."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.dropped = 0
        self._passed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Waking the thread that waits takes more than closing the listener.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            request = _message(client)
            server.sendall(request)
            answer = _message(server)
        self._passed += 1
        if self._passed % 2:
            self.dropped += 1
        else:
            client.sendall(answer)


def _message(source: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += source.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += source.recv(65536)
    return head + b"\r\n\r\n" + body


def test_given_answers_that_get_lost_when_the_client_sends_again_then_each_counts_once(
    server: Server,
) -> None:
    oracle = Oracle()
    proxy = LossyProxy(server.port)
    headers = {"Authorization": f"Bearer {server.keys['secret']}"}
    batches = ROUNDS * ACKNOWLEDGED // 100
    try:
        for number in range(batches):
            events = uses(f"b{number}", 100)
            for _ in range(5):
                answer = call(proxy.port, "POST", "/tm/v1/events", events, headers)
                oracle.note([str(e["id"]) for e in events], answer.status if answer else None)
                if answer is not None:
                    break
            assert answer is not None
            assert answer.status == 202
    finally:
        proxy.close()

    assert proxy.dropped == batches
    counted = ledger(server)
    assert (counted["accepted"], counted["duplicate"]) == (100 * batches, 100 * proxy.dropped)
    assert server.stop() == 0
    check(oracle, server.store)


@pytest.mark.parametrize("place", ["load.before_commit", "load.inside_commit"])
def test_given_a_store_that_dies_after_the_dedupe_decision_then_the_retry_is_stored_once(
    server: Server, tmp_path: Path, place: str
) -> None:
    oracle = Oracle()
    server.stop()
    for number in range(ROUNDS):
        fired = tmp_path / f"fired{number}"
        server.start(TALLYMARK_KILL_AT=f"{place}:1:{fired}")
        events = uses(f"r{number}", ACKNOWLEDGED)
        assert server.send(events).status == 202
        until(fired.exists, "the place was never reached")
        assert server.send(events).status == 202
        note(oracle, events)
        server.wait_until_loaded()
        assert server.stop() == 0

    check(oracle, server.store)


def test_given_events_of_ten_years_ago_then_they_stay_and_count(tmp_path: Path) -> None:
    oracle = Oracle()
    server = Server(tmp_path / "d", settings={"log_keep_days": 1})
    server.start()
    try:
        past = moment(SystemClock().now() - 3650 * DAY).isoformat()
        events = uses("old", 100, time=past)
        assert server.send(events).status == 202
        note(oracle, events)
        server.wait_until_loaded()
        # Long enough for upkeep, which is when a log is trimmed.
        time.sleep(2)
        server.kill()
        server.start()
        server.wait_until_loaded()

        asked = {
            "range": {"since": past[:4] + "-01-01", "until": str(int(past[:4]) + 1) + "-01-01"}
        }
        answer = server.ask({**asked, "interval": "year"})
        assert answer.status == 200
        assert b"100" in answer.body
        assert server.stop() == 0
        check(oracle, server.store)
    finally:
        server.end()


def test_given_an_event_too_large_in_a_good_batch_then_only_it_is_refused(server: Server) -> None:
    events = uses("good", 4)
    events[2]["properties"] = {"text": "x" * 1024 * 1024}

    answer = server.send(events)

    assert (answer.status, answer.json()["accepted"]) == (202, 3)
    assert [(one["index"], one["code"]) for one in answer.json()["failed"]] == [
        (2, "EVENT_TOO_LARGE")
    ]
    counted = ledger(server)
    assert (counted["received"], counted["accepted"], counted["rejected"]) == (4, 3, 1)
