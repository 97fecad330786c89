"""The StatsD client of others, a real server, and everything between them killed."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.following import balances, follower, ledger, until_accepted
from tests.faults.rounds import until
from tests.faults.server import free_port
from tests.journey.sdks import Target, run_python, target


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Target]:
    with target(tmp_path) as one:
        yield one


CLIENT = """
    import sys, statsd
    client = statsd.StatsClient("127.0.0.1", int(sys.argv[1]))
    for _ in range(100):
        client.incr("orders", 2)
    client.decr("orders", 50)
    client.gauge("queue", 10)
    client.gauge("queue", -3, delta=True)
    client.set("visitors", "ana")
    client.set("visitors", "bo")
    client.timing("render", 320)
    with client.pipeline() as many:
        many.incr("orders")
        many.timing("render", 12.5)
"""


def test_what_the_statsd_client_sends_is_stored_as_it_meant_it(server: Target) -> None:
    port = free_port()
    listen = ("statsd", "--listen", f"127.0.0.1:{port}", "--interval", "3600")
    with follower(server, *listen) as one:
        run_python(CLIENT, str(port))
        # Stopping sends the interval that is going on.
        assert one.stop() == 0
        assert "5 events accepted and durable" in one.output()

    events = {(event["event"], event["value"]): event for event in server.events()}
    assert set(events) == {
        ("orders", 151), ("queue", 7), ("visitors", 2), ("render", 320), ("render", 12.5),
    }  # fmt: skip
    assert events["orders", 151]["properties"] == {"metric_type": "counter", "samples": 102}
    assert events["render", 320]["unit"] == "ms"
    assert ledger(server) == {"received": 5, "accepted": 5}


def test_gauges_go_on_from_where_they_were(server: Target) -> None:
    port = free_port()
    with follower(server, "statsd", "--listen", f"127.0.0.1:{port}", "--interval", "1") as one:
        for sent in (b"queue:5|g", b"queue:+2|g"):
            send(port, sent)
            time.sleep(1.5)
            one.stop()
            one.start()
        until_accepted(server, 2)

    assert sorted(event["value"] for event in server.events()) == [5, 7]


def test_nothing_that_was_flushed_is_lost_or_counted_twice_whoever_is_killed(
    server: Target,
) -> None:
    port = free_port()
    with follower(server, "statsd", "--listen", f"127.0.0.1:{port}", "--interval", "1") as one:
        for number in range(4):
            server.kill()
            for _ in range(300):
                send(port, b"uses:1|c|#round:%d" % number)
            time.sleep(2.5)
            one.kill()
            server.start()
            one.start()
        until_accepted(server, 4)
        until(lambda: sum_of(server) == 1200, f"not all counted: {sum_of(server)}")
        assert one.stop() == 0

    totals = ledger(server)
    assert totals["accepted"] == totals["received"] - totals.get("duplicate", 0)
    assert balances(totals)
    assert sum_of(server) == 1200


def test_what_is_malformed_is_counted_and_told(server: Target) -> None:
    port = free_port()
    with follower(server, "statsd", "--listen", f"127.0.0.1:{port}", "--interval", "1") as one:
        send(port, b"\xff\xfe\nuses:1|c\n_sc|db|0\nuses:x|c")
        until_accepted(server, 1)
        assert one.stop() == 0
        assert "1 events and checks ignored, 2 malformed lines" in one.output()


def test_an_address_that_is_taken_is_said_in_one_line(server: Target) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with follower(server, "statsd", "--listen", address, starts=False) as one:
            one.start(waits=False)
            until(lambda: one.status() is not None, "it does not end")

            assert one.status() == 2
            assert f"Cannot listen on {address}: Address already in use." in one.output()


def send(port: int, datagram: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, ("127.0.0.1", port))


def sum_of(server: Target) -> int:
    return sum(event["value"] for event in server.events())
