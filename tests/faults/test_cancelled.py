"""A question that nobody wants any more is stopped, and gives back what it took."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.faults.answers import Answer
from tests.faults.rounds import until
from tests.faults.server import Server, uses
from tests.faults.test_store_away import HEAVY

EVENTS = 20_000
# Thousands of groups in each of several series, so that it takes seconds whatever the machine.
LONG = {**HEAVY, "compare": "previous_period"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d", settings={"question_seconds": 300})
    made.start()
    events = uses("c", EVENTS, time="2026-01-01T12:00:00Z")
    for place, event in enumerate(events):
        event["properties"] = {"n": place, "place": f"{place}-0123456789"}
    for first in range(0, EVENTS, 10_000):
        assert made.send(events[first : first + 10_000]).status == 202
    made.wait_until_loaded(seconds=120)
    yield made
    made.end()


def listed(server: Server) -> list[dict[str, Any]]:
    status, body = server.get("/tm/v1/questions")
    assert status == 200
    found: list[dict[str, Any]] = body["questions"]
    return found


def test_a_question_under_way_is_listed_and_stopped_and_the_next_is_answered(
    server: Server,
) -> None:
    answers: list[Answer] = []
    asker = threading.Thread(target=lambda: answers.append(server.ask(LONG, timeout=120)))
    asker.start()
    until(lambda: any(one["statement"] for one in listed(server)), "the question is not under way")
    (one,) = listed(server)

    stopped = server.call("DELETE", f"/tm/v1/questions/{one['id']}")
    asker.join()

    assert one["insight"] == "trends"
    assert 0 < one["statement"] <= one["statements"] == 20
    assert one["percent"] is None or 0 <= one["percent"] <= 100
    assert stopped is not None
    assert stopped.status == 200
    assert [(answer.status, answer.code) for answer in answers] == [(499, "QUERY_CANCELLED")]
    assert listed(server) == []
    assert server.ask().status == 200


def test_a_question_whose_asker_went_away_is_stopped(server: Server) -> None:
    body = msgspec.json.encode(LONG)
    head = (
        f"POST /tm/v1/ask/trends HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {server.keys['read']}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
        until(lambda: listed(server) != [], "the question is not listed")

    until(lambda: listed(server) == [], "the question goes on")
    assert server.ask().status == 200
