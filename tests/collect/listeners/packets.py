"""NetFlow and IPFIX packets as a router sends them, made field by field."""

import ipaddress
import struct
from collections.abc import Sequence
from typing import TypeAlias

# Number and value, of the length of the value; a number above 32767 is a vendor's own.
Record: TypeAlias = Sequence[tuple[int, bytes]]

SENT = 1_779_012_000
UPTIME = 3_600_000


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def version_5(*flows: tuple[str, str, int, int], sequence: int = 7, sampling: int = 0) -> bytes:
    """Flows are source, destination, packets and bytes; each ended one second before the packet."""
    header = struct.pack("!HHIIIIBBH", 5, len(flows), UPTIME, SENT, 0, sequence, 1, 2, sampling)
    for source, destination, packets, size in flows:
        header += struct.pack(
            "!4s4s4sHHIIIIHHBBBBHHBBH", address(source), address(destination), bytes(4), 3, 4,
            packets, size, UPTIME - 6_000, UPTIME - 1_000, 51_000, 443, 0, 0x1B, 6, 0, 65_001, 65_002,
            24, 24, 0,
        )  # fmt: skip
    return header


def fields(record: Record) -> bytes:
    made = b""
    for number, value in record:
        made += struct.pack("!HH", number, len(value))
        if number & 0x8000:
            made += struct.pack("!I", 29_305)
    return made


def one_set(set_id: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", set_id, len(body) + 4) + body


def template(record: Record, *, version: int, template_id: int = 256) -> bytes:
    body = struct.pack("!HH", template_id, len(record)) + fields(record)
    return one_set(0 if version == 9 else 2, body)


def data(*records: Record, template_id: int = 256) -> bytes:
    return one_set(template_id, b"".join(value for record in records for _, value in record))


def packet(*sets: bytes, version: int, sequence: int = 1, domain: int = 0) -> bytes:
    body = b"".join(sets)
    if version == 9:
        count = len(sets)
        return struct.pack("!HHIIII", 9, count, UPTIME, SENT, sequence, domain) + body
    return struct.pack("!HHIII", 10, 16 + len(body), SENT, sequence, domain) + body


def record(source: str, destination: str, packets: int, size: int, *, version: int) -> Record:
    """A flow that lasted five seconds and ended one second before its packet."""
    is_6 = ":" in source
    end = (
        [(22, struct.pack("!I", UPTIME - 6_000)), (21, struct.pack("!I", UPTIME - 1_000))]
        if version == 9
        else [
            (152, struct.pack("!Q", SENT * 1000 - 6_000)),
            (153, struct.pack("!Q", SENT * 1000 - 1_000)),
        ]
    )
    return [
        (27 if is_6 else 8, address(source)),
        (28 if is_6 else 12, address(destination)),
        (1, struct.pack("!Q", size)),
        (2, struct.pack("!I", packets)),
        (4, b"\x11"),
        (7, struct.pack("!H", 51_000)),
        (11, struct.pack("!H", 53)),
        *end,
    ]
