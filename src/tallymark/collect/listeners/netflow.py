"""NetFlow 5, NetFlow 9 and IPFIX from routers over UDP: one event ``network_flow`` a flow.

``value`` is the bytes of the flow. A flow's id is made of its exporter, sequence number and place, so
a packet that the network delivers twice counts once. Flows are on disk within a second of coming;
templates are remembered, so that flows after a restart can be read at once.
"""

import argparse
import hashlib
from typing import Final, Literal, TypeAlias

from tallymark.collect.sources.source import WireEvent
from tallymark.core.clock import DAY, MICROSECONDS, rfc3339

from ._flows import Fields, Flow, FlowDecoder, TemplateKey, masked, text
from ._udp import Datagrams, add_udp_flags, digest, udp_identity
from .listener import Listener, Surroundings
from .memory import Change, Memory

Addresses: TypeAlias = Literal["mask", "full", "none"]

_FLUSH_US: Final = MICROSECONDS
_MOST_HELD: Final = 5_000
# Beyond, an exporter's clock is not believed.
_AHEAD_US: Final = 300 * MICROSECONDS
_BEHIND_US: Final = 30 * DAY
_PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6", 132: "sctp"}
_DIRECTIONS: Final = {0: "ingress", 1: "egress"}


class Flows:
    """Turns packets into events, for a second at a time."""

    def __init__(self, around: Surroundings, addresses: Addresses) -> None:
        self._around = around
        self._addresses: Addresses = addresses
        self._decoder = FlowDecoder(around.counts, _known_templates(around.memory))
        self._held: list[WireEvent] = []
        self._began: int | None = None

    def take(self, datagram: bytes, sender: str, now: int) -> None:
        """Take a packet in."""
        if self._began is None:
            self._began = now
        for flow in self._decoder.decode(datagram, sender):
            self._held.append(event(flow, now, self._addresses, self._around.options.salt))

    def is_due(self, now: int) -> bool:
        """Whether what was taken in is a second old, or much."""
        if self._began is None:
            return False
        return not self._began <= now < self._began + _FLUSH_US or len(self._held) >= _MOST_HELD

    def flush(self, _id_prefix: str) -> tuple[list[WireEvent], list[Change]]:
        """Return the events, and the templates that came with them."""
        held, self._held, self._began = self._held, [], None
        changes = [
            Change("template", "\0".join(map(str, key)), fields)
            for key, fields in self._decoder.changed.items()
        ]
        self._decoder.changed.clear()
        return held, changes


def event(flow: Flow, now: int, addresses: Addresses, salt: str) -> WireEvent:
    """Return the event of a flow at its end; without a time if that is not believable.

    It then happens when the server hears of it, and a packet that comes twice is still the same.
    """
    header, numbers = flow.header, dict(flow.numbers)
    properties: dict[str, object] = {"exporter": header.exporter.rpartition(":")[0], **numbers}
    if "protocol" in numbers:
        protocol = numbers["protocol"]
        properties["protocol"] = _PROTOCOLS.get(protocol, str(protocol))
    if "direction" in numbers:
        properties["direction"] = _DIRECTIONS.get(numbers["direction"], str(numbers["direction"]))
    if header.sampling > 1:
        properties["sampling_interval"] = header.sampling
    if flow.start is not None and flow.end is not None and flow.end >= flow.start:
        properties["duration_ms"] = (flow.end - flow.start) // 1000
    shown = {"mask": masked, "full": text}.get(addresses)
    for name, address in (("source", flow.source), ("destination", flow.destination)):
        if address is not None and shown is not None:
            properties[name] = shown(address)
    end = header.sent if flow.end is None else flow.end
    made: WireEvent = {
        "id": f"flow-{digest(header.exporter, header.version, header.domain, header.sequence, header.sent, flow.place)}",
        "name": "network_flow",
        "kind": "metric",
        "properties": properties,
    }
    if now - _BEHIND_US < end < now + _AHEAD_US:
        made["time"] = rfc3339(end)
    if flow.source is not None:
        made["anonymous_id"] = _host(salt, flow.source)
    if "bytes" in numbers:
        made["value"], made["unit"] = numbers["bytes"], "byte"
    return made


def _host(salt: str, address: bytes) -> str:
    """Return what stands for a host, as in access logs: a keyed hash that names nobody."""
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    return hashlib.blake2b(address, key=key, digest_size=16).hexdigest()


def _known_templates(memory: Memory) -> dict[TemplateKey, Fields]:
    found: dict[TemplateKey, Fields] = {}
    for key, fields in memory.all("template", Fields).items():
        exporter, version, domain, template_id = key.split("\0")
        found[exporter, int(version), int(domain), int(template_id)] = fields
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add where to listen and what is kept of addresses."""
    add_udp_flags(parser, "127.0.0.1:2055")
    parser.add_argument("--addresses", choices=("mask", "full", "none"), default="mask", help="what is kept of source and destination: their network, /24 or /48 (default), all, or nothing")  # fmt: skip


def follow(args: argparse.Namespace, around: Surroundings) -> Datagrams:
    """Begin to listen."""
    return Datagrams(args.listen, Flows(around, args.addresses), around)


netflow = Listener(
    name="netflow",
    summary="Flows of routers over UDP: NetFlow 5, NetFlow 9 and IPFIX.",
    add_flags=add_flags,
    identity=udp_identity,
    open=follow,
)
