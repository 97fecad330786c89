"""Flow packets against flows written down by hand, and against another decoder of them."""

import json
import struct
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collect.listeners.packets import (
    SENT,
    address,
    data,
    one_set,
    packet,
    record,
    template,
    version_5,
)
from tests.journey.sdks import run_python

from tallymark.collect.listeners._flows import Flow, FlowDecoder
from tallymark.collect.listeners.netflow import event

NOW = (SENT + 5) * 1_000_000
HOME = "192.0.2.1:5000"


class Exporter:
    """A decoder and what it counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.decoder = FlowDecoder(self.counts, {})

    def read(self, made: bytes, exporter: str = HOME) -> list[Flow]:
        return self.decoder.decode(made, exporter)


def sizes(flows: list[Flow]) -> list[tuple[int, int]]:
    return [(flow.numbers["packets"], flow.numbers["bytes"]) for flow in flows]


def test_a_flow_of_version_5_is_an_event_with_its_bytes() -> None:
    (flow,) = Exporter().read(version_5(("10.1.2.3", "198.51.100.77", 12, 3456)))

    made = event(flow, NOW, "mask", "salt")

    assert made | {"id": "", "anonymous_id": ""} == {
        "id": "",
        "name": "network_flow",
        "kind": "metric",
        "time": "2026-05-17T09:59:59Z",
        "value": 3456,
        "unit": "byte",
        "anonymous_id": "",
        "properties": {
            "exporter": "192.0.2.1", "bytes": 3456, "packets": 12, "protocol": "tcp", "tos": 0,
            "tcp_flags": 27, "source_port": 51000, "destination_port": 443, "input_interface": 3,
            "output_interface": 4, "source_as": 65001, "destination_as": 65002,
            "duration_ms": 5000, "source": "10.1.2.0", "destination": "198.51.100.0",
        },
    }  # fmt: skip
    assert len(made["anonymous_id"]) == 32


@pytest.mark.parametrize("version", [9, 10])
def test_flows_are_read_by_the_template_that_came_before_them(version: int) -> None:
    exporter = Exporter()
    first = record("10.1.2.3", "10.9.9.9", 1, 100, version=version)
    six = record("2001:db8::1", "2001:db8:1::2", 2, 2**40, version=version)
    both = [template(first, version=version), template(six, version=version, template_id=300)]

    assert exporter.read(packet(*both, version=version)) == []
    flows = exporter.read(packet(data(first, first), data(six, template_id=300), version=version))

    assert sizes(flows) == [(1, 100), (1, 100), (2, 2**40)]
    assert [flow.place for flow in flows] == ["0.0", "0.1", "1.0"]
    assert {(flow.start, flow.end) for flow in flows} == {
        ((SENT - 6) * 1_000_000, (SENT - 1) * 1_000_000)
    }
    assert flows[2].source == address("2001:db8::1")
    assert event(flows[2], NOW, "mask", "")["properties"]["destination"] == "2001:db8:1::"


@pytest.mark.parametrize("version", [9, 10])
def test_flows_that_come_before_their_template_wait_for_it(version: int) -> None:
    exporter = Exporter()
    one = record("10.1.2.3", "10.9.9.9", 1, 100, version=version)

    assert exporter.read(packet(data(one), version=version, sequence=1)) == []
    assert exporter.read(packet(data(one), version=version, domain=5)) == []
    flows = exporter.read(packet(template(one, version=version), version=version, sequence=2))

    # Not those of another domain, whose template may be another.
    assert sizes(flows) == [(1, 100)]
    assert flows[0].header.sequence == 1


def test_templates_of_exporters_and_domains_are_apart() -> None:
    exporter = Exporter()
    one = record("10.1.2.3", "10.9.9.9", 1, 100, version=9)
    exporter.read(packet(template(one, version=9), version=9, domain=1))

    assert exporter.read(packet(data(one), version=9, domain=2)) == []
    assert exporter.read(packet(data(one), version=9, domain=1), "192.0.2.2:5000") == []
    assert len(exporter.read(packet(data(one), version=9, domain=1))) == 1


def test_fields_of_a_vendor_and_of_any_length_are_passed_over() -> None:
    exporter = Exporter()
    made = struct.pack("!HHHHIHHHH", 256, 3, 0x8001, 4, 29305, 371, 65535, 1, 4)
    body = b"vend" + b"\x05hello" + struct.pack("!I", 77)
    long = b"vend" + b"\xff\x01\x00" + b"x" * 256 + struct.pack("!I", 78)

    flows = exporter.read(packet(one_set(2, made), one_set(256, body + long), version=10))

    assert [flow.numbers for flow in flows] == [{"bytes": 77}, {"bytes": 78}]


def test_records_of_options_are_no_flows() -> None:
    exporter = Exporter()
    nine = struct.pack("!HHHHHHH", 256, 4, 4, 1, 4, 34, 4)
    ten = struct.pack("!HHHHHHH", 256, 2, 1, 1, 4, 34, 4)

    for version, options in ((9, one_set(1, nine)), (10, one_set(3, ten))):
        assert exporter.read(packet(options, one_set(256, bytes(16)), version=version)) == []
    assert exporter.counts == {}


def test_a_packet_that_came_twice_has_the_ids_it_had() -> None:
    made = version_5(("10.1.2.3", "10.9.9.9", 1, 2), ("10.1.2.3", "10.9.9.9", 1, 2))
    events = [event(flow, NOW, "mask", "s") for _ in range(2) for flow in Exporter().read(made)]

    assert events[:2] == events[2:]
    assert events[0]["id"] != events[1]["id"]


def test_an_exporter_whose_clock_is_wrong_gets_the_time_of_the_server() -> None:
    (flow,) = Exporter().read(version_5(("10.1.2.3", "10.9.9.9", 1, 2)))

    assert "time" not in event(flow, NOW + 365 * 86_400_000_000, "mask", "")
    assert "time" not in event(flow, NOW - 3_600_000_000, "mask", "")


@pytest.mark.parametrize(("addresses", "shown"), [("full", "10.1.2.3"), ("none", None)])
def test_what_is_kept_of_addresses_can_be_chosen(addresses: Any, shown: str | None) -> None:
    (flow,) = Exporter().read(version_5(("10.1.2.3", "10.9.9.9", 1, 2)))

    assert event(flow, NOW, addresses, "")["properties"].get("source") == shown


ORACLE = """
    import json, sys, netflow
    templates = {"netflow": {}, "ipfix": {}}
    for packet in json.load(sys.stdin):
        parsed = netflow.parse_packet(bytes.fromhex(packet), templates)
        print(json.dumps([flow.data for flow in parsed.flows], default=str))
"""


def test_another_decoder_finds_the_same_flows() -> None:
    packets = [version_5(("10.1.2.3", "10.9.9.9", 3, 400), ("10.1.2.4", "10.9.9.9", 5, 600))]
    for version in (9, 10):
        one = record("10.1.2.3", "10.9.9.9", 7, 800, version=version)
        two = record("10.1.2.3", "10.9.9.9", 9, 10_000, version=version)
        packets.append(packet(template(one, version=version), data(one, two), version=version))

    printed = run_python(ORACLE, stdin=[made.hex() for made in packets]).splitlines()

    theirs = [
        (
            flow.get("IN_PKTS", flow.get("IN_PACKETS", flow.get("packetDeltaCount"))),
            flow.get("IN_OCTETS", flow.get("IN_BYTES", flow.get("octetDeltaCount"))),
        )
        for line in printed
        for flow in json.loads(line)
    ]
    exporter = Exporter()
    assert theirs == sizes([flow for made in packets for flow in exporter.read(made)])


@given(st.data())
@settings(max_examples=300)
def test_whatever_a_packet_holds_it_is_flows_or_counted(given_data: st.DataObject) -> None:
    exporter = Exporter()
    one = record("10.1.2.3", "10.9.9.9", 1, 100, version=9)
    sound = [
        version_5(("10.1.2.3", "10.9.9.9", 1, 2)),
        packet(template(one, version=9), data(one), version=9),
        packet(template(one, version=10), data(one), version=10),
    ]
    for _ in range(given_data.draw(st.integers(1, 5))):
        made = bytearray(given_data.draw(st.sampled_from([*sound, b"", b"\x00\x09"])))
        for _ in range(given_data.draw(st.integers(0, 6))):
            if made:
                place = given_data.draw(st.integers(0, len(made) - 1))
                made[place] = given_data.draw(st.integers(0, 255))
        made = made[: given_data.draw(st.integers(0, len(made)))]
        for flow in exporter.read(bytes(made)):
            assert event(flow, NOW, "full", "")["name"] == "network_flow"


def test_a_flood_of_templates_and_of_records_without_any_stays_within_bounds() -> None:
    exporter = Exporter()
    for domain in range(300):
        sets = [template([(1, b"1234")], version=10, template_id=256 + n) for n in range(100)]
        exporter.read(packet(*sets, version=10, domain=domain))
        exporter.read(packet(one_set(9_999, bytes(50_000)), version=10, domain=domain))
        exporter.read(packet(*[one_set(9_998, b"")] * 5_000, version=10, domain=domain))
        exporter.read(packet(*[one_set(9_997, b"x")] * 5_000, version=10, domain=domain))

    decoder = exporter.decoder
    assert len(decoder._templates) == 4_096
    assert decoder._early_bytes <= 4 * 1024 * 1024
    assert sum(map(len, decoder._early.values())) == decoder._early_sets <= 20_000
    assert exporter.counts["sets dropped, no template came"] >= 200


def test_a_template_without_length_gives_no_endless_records() -> None:
    exporter = Exporter()
    empty = one_set(2, struct.pack("!HHHH", 256, 1, 1, 0))

    assert exporter.read(packet(empty, one_set(256, bytes(40)), version=10)) == []
