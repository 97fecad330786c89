"""Flow packets over UDP into a real server, each flow once."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.following import balances, follower, ledger, until_accepted
from tests.collect.listeners.packets import data, packet, record, template, version_5
from tests.faults.rounds import until
from tests.faults.server import free_port
from tests.journey.sdks import Target, target


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Target]:
    with target(tmp_path) as one:
        yield one


def test_flows_are_counted_once_also_when_a_packet_comes_twice_or_the_server_is_away(
    server: Target,
) -> None:
    port = free_port()
    one_flow = record("10.1.2.3", "10.9.9.9", 7, 800, version=10)
    with (
        follower(server, "netflow", "--listen", f"127.0.0.1:{port}") as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router,
    ):
        router.bind(("127.0.0.1", 0))

        def send(made: bytes) -> None:
            router.sendto(made, ("127.0.0.1", port))

        for _ in range(2):
            send(version_5(("10.1.2.3", "10.9.9.9", 3, 400)))
        send(packet(template(one_flow, version=10), version=10))
        send(b"\x00\x09\x00")
        until_accepted(server, 1)
        server.kill()
        send(packet(data(one_flow), version=10, sequence=1))
        time.sleep(3)
        one.kill()
        server.start()
        # The template is remembered.
        one.start()
        send(packet(data(one_flow, one_flow), version=10, sequence=2))
        until_accepted(server, 4)
        until(lambda: ledger(server)["received"] >= 5, "the packet that came twice is missing")
        assert one.stop() == 0

    totals = ledger(server)
    assert totals["accepted"] == 4
    assert balances(totals)
    assert set(totals) <= {"received", "accepted", "duplicate"}
    assert sorted(event["value"] for event in server.events()) == [400, 800, 800, 800]


def test_what_is_malformed_is_counted_and_told(server: Target) -> None:
    port = free_port()
    with follower(server, "netflow", "--listen", f"127.0.0.1:{port}") as one:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
            for made in (b"", b"\x00\x07", version_5(("10.1.2.3", "10.9.9.9", 3, 400))[:60]):
                router.sendto(made, ("127.0.0.1", port))
        assert one.stop() == 0
        assert "3 malformed packets" in one.output()
