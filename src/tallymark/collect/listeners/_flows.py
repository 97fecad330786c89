"""NetFlow 5 and 9 and IPFIX packets as flows (RFC 3954, RFC 7011); nothing in one can hurt us.

Of version 9 and IPFIX a template says what a record holds, and comes only now and then: templates are
kept by exporter and domain, and records that come before theirs wait for it, within bounds.
"""

import ipaddress
import struct
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from tallymark.core.clock import MICROSECONDS

_MOST_TEMPLATES: Final = 4_096
_MOST_FIELDS: Final = 512
_MOST_EARLY_BYTES: Final = 4 * 1024 * 1024
_MOST_EARLY_SETS: Final = 20_000
_VARIABLE: Final = 65_535
_ENTERPRISE: Final = 0x8000
_WRAP: Final = 2**32
_V5_HEADER: Final = struct.Struct("!HHIIIIBBH")
_V5_RECORD: Final = struct.Struct("!4s4s4sHHIIIIHHxBBBHHBBxx")
_V9_HEADER: Final = struct.Struct("!HHIIII")
_IPFIX_HEADER: Final = struct.Struct("!HHIII")
# From 1900, when NTP's seconds begin, to 1970.
_NTP_SECONDS: Final = 2_208_988_800

Fields: TypeAlias = tuple[tuple[int, int, bool], ...]
TemplateKey: TypeAlias = tuple[str, int, int, int]

# Information elements by number; where several say the same, the first that is there is taken.
_NUMBERS: Final[dict[str, tuple[int, ...]]] = {
    "bytes": (1, 85, 23),
    "packets": (2, 86, 24),
    "protocol": (4,),
    "tos": (5,),
    "tcp_flags": (6,),
    "source_port": (7,),
    "destination_port": (11,),
    "input_interface": (10,),
    "output_interface": (14,),
    "source_as": (16,),
    "destination_as": (17,),
    "direction": (61,),
}
_SOURCES: Final = (8, 27)
_DESTINATIONS: Final = (12, 28)


class Header(Struct, frozen=True):
    """What a packet says of itself; ``sent`` and ``started`` (of the exporter) are microseconds."""

    exporter: str
    version: int
    domain: int
    sequence: int
    sent: int
    started: int
    sampling: int = 1


class Flow(Struct, frozen=True):
    """One flow. ``place`` tells it from the others of its packet; addresses are as packed."""

    header: Header
    place: str
    numbers: dict[str, int]
    source: bytes | None = None
    destination: bytes | None = None
    start: int | None = None
    end: int | None = None


class _Early(Struct, frozen=True):
    header: Header
    number: int
    body: bytes


class FlowDecoder:
    """Reads packets; remembers templates. ``changed`` are those that came since it was cleared."""

    def __init__(self, counts: Counter[str], templates: dict[TemplateKey, Fields]) -> None:
        self._counts = counts
        self._templates: OrderedDict[TemplateKey, Fields] = OrderedDict(templates)
        self._early: OrderedDict[TemplateKey, list[_Early]] = OrderedDict()
        self._early_bytes = self._early_sets = 0
        self.changed: dict[TemplateKey, Fields | None] = {}

    def decode(self, packet: bytes, exporter: str) -> list[Flow]:
        """Return the flows of a packet; what is malformed is counted and ends it."""
        found: list[Flow] = []
        try:
            for flow in self._read(packet, exporter):
                found.append(flow)  # noqa: PERF402 - what came before a fault is kept
        except (struct.error, IndexError, ValueError):
            self._counts["malformed packets"] += 1
        return found

    def _read(self, packet: bytes, exporter: str) -> Iterator[Flow]:
        (version,) = struct.unpack_from("!H", packet)
        if version == 5:
            yield from _version_5(packet, exporter)
        elif version == 9:
            _, _, uptime, seconds, sequence, domain = _V9_HEADER.unpack_from(packet)
            sent = seconds * MICROSECONDS
            header = Header(exporter, 9, domain, sequence, sent, sent - uptime * 1000)
            yield from self._sets(header, packet[_V9_HEADER.size :], template_set=0)
        elif version == 10:
            _, length, seconds, sequence, domain = _IPFIX_HEADER.unpack_from(packet)
            sent = seconds * MICROSECONDS
            header = Header(exporter, 10, domain, sequence, sent, sent)
            yield from self._sets(header, packet[_IPFIX_HEADER.size : length], template_set=2)
        else:
            raise ValueError(f"version {version}")

    def _sets(self, header: Header, body: bytes, *, template_set: int) -> Iterator[Flow]:
        at, number = 0, 0
        while at + 4 <= len(body):
            set_id, length = struct.unpack_from("!HH", body, at)
            if length < 4 or at + length > len(body):
                raise ValueError("a set that is longer than its packet")
            content = body[at + 4 : at + length]
            if set_id in (template_set, template_set + 1):
                is_options = set_id != template_set
                yield from self._take_templates(header, content, is_options=is_options)
            elif set_id >= 256 and content:
                yield from self._records(header, set_id, _Early(header, number, content))
            at, number = at + length, number + 1

    def _records(self, header: Header, set_id: int, data: _Early) -> Iterator[Flow]:
        key = _key(header, set_id)
        fields = self._templates.get(key)
        if fields is None:
            self._wait(key, data)
        else:
            self._templates.move_to_end(key)
            yield from _flows(data.header, data.number, data.body, fields)

    # Templates

    def _take_templates(self, header: Header, body: bytes, *, is_options: bool) -> Iterator[Flow]:
        at = 0
        while at + 4 <= len(body):
            template_id, count = struct.unpack_from("!HH", body, at)
            if template_id < 256:
                # Padding, or the withdrawal of all.
                return
            at += 4
            if is_options:
                at, fields = _skip_options(header, body, at, count)
            else:
                at, fields = _template(header, body, at, count)
            yield from self._take_template(_key(header, template_id), fields)

    def _take_template(self, key: TemplateKey, fields: Fields) -> Iterator[Flow]:
        if self._templates.get(key) != fields:
            self.changed[key] = fields
        self._templates[key] = fields
        self._templates.move_to_end(key)
        while len(self._templates) > _MOST_TEMPLATES:
            forgotten, _ = self._templates.popitem(last=False)
            self.changed[forgotten] = None
        for early in self._early.pop(key, []):
            self._early_bytes -= len(early.body)
            self._early_sets -= 1
            yield from _flows(early.header, early.number, early.body, fields)

    def _wait(self, key: TemplateKey, early: _Early) -> None:
        self._early.setdefault(key, []).append(early)
        self._early_bytes += len(early.body)
        self._early_sets += 1
        while self._early_bytes > _MOST_EARLY_BYTES or self._early_sets > _MOST_EARLY_SETS:
            _, forgotten = self._early.popitem(last=False)
            self._early_bytes -= sum(len(one.body) for one in forgotten)
            self._early_sets -= len(forgotten)
            self._counts["sets dropped, no template came"] += len(forgotten)


def _key(header: Header, template_id: int) -> TemplateKey:
    return header.exporter, header.version, header.domain, template_id


def _template(header: Header, body: bytes, at: int, count: int) -> tuple[int, Fields]:
    """Return where a template ends, and its fields: number, length and whether a vendor's own."""
    if count > _MOST_FIELDS:
        raise ValueError("too many fields")
    fields = []
    for _ in range(count):
        number, length = struct.unpack_from("!HH", body, at)
        at += 4
        is_own = header.version == 10 and bool(number & _ENTERPRISE)
        if is_own:
            struct.unpack_from("!I", body, at)
            at += 4
        fields.append((number, length, is_own))
    return at, tuple(fields)


def _skip_options(header: Header, body: bytes, at: int, count: int) -> tuple[int, Fields]:
    """Return where an options template ends; it has no fields for us: its records are no flows."""
    if header.version == 9:
        (options,) = struct.unpack_from("!H", body, at)
        return at + 2 + count + options, ()
    if count == 0:
        return at, ()
    at, _ = _template(header, body, at + 2, count)
    return at, ()


# Records


def _flows(header: Header, number: int, body: bytes, fields: Fields) -> Iterator[Flow]:
    smallest = sum(1 if length == _VARIABLE else length for _, length, _ in fields)
    at, place = 0, 0
    # A template without length would give records without end.
    while smallest and at + smallest <= len(body):
        at, values = _values(body, at, fields)
        yield _flow(header, f"{number}.{place}", values)
        place += 1


def _values(body: bytes, at: int, fields: Fields) -> tuple[int, dict[int, bytes]]:
    values: dict[int, bytes] = {}
    for number, length, is_own in fields:
        size = length
        if length == _VARIABLE:
            size, at = body[at], at + 1
            if size == 255:
                (size,) = struct.unpack_from("!H", body, at)
                at += 2
        if at + size > len(body):
            raise ValueError("a record that is longer than its set")
        if not is_own:
            values.setdefault(number, body[at : at + size])
        at += size
    return at, values


def _flow(header: Header, place: str, values: dict[int, bytes]) -> Flow:
    numbers = {}
    for name, elements in _NUMBERS.items():
        raw = next((values[one] for one in elements if one in values), None)
        if raw is not None and 0 < len(raw) <= 8:
            numbers[name] = int.from_bytes(raw, "big")
    return Flow(
        header, place, numbers,
        source=_address(values, _SOURCES), destination=_address(values, _DESTINATIONS),
        start=_instant(header, values, (152, 154, 150, 156, 22)),
        end=_instant(header, values, (153, 155, 151, 157, 21)),
    )  # fmt: skip


def _address(values: dict[int, bytes], elements: Sequence[int]) -> bytes | None:
    found = [values[one] for one in elements if len(values.get(one, b"")) in (4, 16)]
    # A template for both kinds leaves the other one zero.
    return next((one for one in found if any(one)), found[0] if found else None)


def _instant(header: Header, values: dict[int, bytes], elements: Sequence[int]) -> int | None:
    """Return an instant of a flow, in whichever of its five forms it is there."""
    for element in elements:
        raw = values.get(element, b"")
        if len(raw) not in (4, 8):
            continue
        number = int.from_bytes(raw, "big")
        match element:
            case 152 | 153:
                return number * 1000
            case 150 | 151:
                return number * MICROSECONDS
            case 154 | 155 | 156 | 157:
                seconds, fraction = divmod(number, _WRAP)
                return (seconds - _NTP_SECONDS) * MICROSECONDS + fraction * MICROSECONDS // _WRAP
            case _:
                return _since_start(header, values, number)
    return None


def _since_start(header: Header, values: dict[int, bytes], milliseconds: int) -> int | None:
    if header.version == 10:
        # An IPFIX exporter says when it started in a field of its own, or nowhere.
        raw = values.get(160)
        started = None if raw is None else int.from_bytes(raw, "big") * 1000
        return None if started is None else started + milliseconds * 1000
    uptime = (header.sent - header.started) // 1000
    ago = (uptime - milliseconds) % _WRAP
    # The clock of an exporter wraps after 49 days; a flow may also end just after its packet's time.
    return header.sent - (ago - _WRAP if ago > _WRAP // 2 else ago) * 1000


def _version_5(packet: bytes, exporter: str) -> Iterator[Flow]:
    _, count, uptime, seconds, nanos, sequence, engine, unit, sampling = _V5_HEADER.unpack_from(
        packet
    )
    sent = seconds * MICROSECONDS + nanos // 1000
    header = Header(
        exporter, 5, engine * 256 + unit, sequence, sent, sent - uptime * 1000,
        max(1, sampling & 0x3FFF),
    )  # fmt: skip
    for place in range(count):
        (
            source, destination, _, came_in, went_out, packets, size, first, last, source_port,
            destination_port, flags, protocol, tos, source_as, destination_as, _, _,
        ) = _V5_RECORD.unpack_from(packet, _V5_HEADER.size + place * _V5_RECORD.size)  # fmt: skip
        numbers = {
            "bytes": size, "packets": packets, "protocol": protocol, "tos": tos,
            "tcp_flags": flags, "source_port": source_port, "destination_port": destination_port,
            "input_interface": came_in, "output_interface": went_out, "source_as": source_as,
            "destination_as": destination_as,
        }  # fmt: skip
        start, end = _since_start(header, {}, first), _since_start(header, {}, last)
        yield Flow(header, f"0.{place}", numbers, source, destination, start, end)


def masked(address: bytes) -> str:
    """Return the network of an address, /24 or /48, as the privacy policy masks addresses."""
    network = ipaddress.ip_network((address, 24 if len(address) == 4 else 48), strict=False)
    return str(network.network_address)


def text(address: bytes) -> str:
    """Return an address as people write it."""
    return str(ipaddress.ip_address(address))
