"""Datagrams from the network: taken in by a thread of their own, and on disk before they are sent.

So a server that is away loses nothing, and what was sent but not confirmed is sent again after a
crash, byte for byte. What a datagram holds is the business of a ``Gatherer``.
"""

import argparse
import hashlib
import socket
import threading
from typing import Any, Final, Protocol

import msgspec

from tallymark.collect.sources.source import WireEvent
from tallymark.core.errors import TallymarkError
from tallymark.core.ids import random_text

from .listener import Portion, Surroundings
from .memory import Change

_LONGEST_DATAGRAM: Final = 65_535
_LOOK_SECONDS: Final = 0.2
# How long what has arrived is still taken in when we are to stop.
_DRAIN_SECONDS: Final = 1.0
# What the kernel may hold while we write to disk.
_BUFFER_BYTES: Final = 8 * 1024 * 1024
# Beyond that, what is waiting for an absent server is not added to.
_MOST_WAITING_BYTES: Final = 512 * 1024 * 1024
_WAITING: Final = "waiting"
_PORTION_EVENTS: Final = 2_000
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Gatherer(Protocol):
    """Makes events of datagrams; one thread calls it."""

    def take(self, datagram: bytes, sender: str, now: int) -> None:
        """Take a datagram in; never fails, whatever it holds."""

    def is_due(self, now: int) -> bool:
        """Whether what was taken in is to be given now."""

    def flush(self, id_prefix: str) -> tuple[list[WireEvent], list[Change]]:
        """Return the events of what was taken in, and what to remember with them.

        An event that has no id of its own gets one that begins with ``id_prefix``.
        """


class Datagrams:
    """Listens on a UDP address; ``take`` gives what was gathered, the oldest first."""

    def __init__(self, address: str, gatherer: Gatherer, around: Surroundings) -> None:
        self._gatherer = gatherer
        self._around = around
        self._socket = _listening(address)
        host, port = self._socket.getsockname()[:2]
        around.tell(f"listening on {host}:{port} (UDP)")
        self._prefix, number, self._size = _begun(around)
        self._number = number
        self._news = threading.Event()
        self._is_over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="datagrams", daemon=True)
        self._thread.start()

    def take(self, wait_seconds: float) -> Portion | None:
        """Return what was gathered next; raises what the listening thread ended with."""
        if self._error is not None:
            raise self._error
        found = self._around.memory.first(_WAITING)
        if found is None and wait_seconds:
            self._news.wait(min(wait_seconds, _LOOK_SECONDS))
            self._news.clear()
            found = self._around.memory.first(_WAITING)
        if found is None:
            return None
        key, value = found
        events = msgspec.json.decode(value, type=list[msgspec.Raw])
        return Portion(events, changes=[Change(_WAITING, key, None)], token=len(value))

    def confirm(self, portion: Portion) -> None:
        """Make room for more."""
        self._size -= portion.token

    def finish(self) -> None:
        """Take in what has arrived, and no more."""
        self._is_over.set()
        self._thread.join()

    def close(self) -> None:
        """Stop listening."""
        self.finish()
        self._socket.close()

    def _run(self) -> None:
        clock = self._around.clock
        ends: float | None = None
        try:
            while True:
                is_over = self._is_over.is_set()
                if is_over and ends is None:
                    ends = clock.monotonic() + _DRAIN_SECONDS
                self._socket.settimeout(0.001 if is_over else _LOOK_SECONDS)
                try:
                    datagram, sender = self._socket.recvfrom(_LONGEST_DATAGRAM)
                except TimeoutError:
                    if is_over:
                        break
                else:
                    self._gatherer.take(datagram, f"{sender[0]}:{sender[1]}", clock.now())
                if self._gatherer.is_due(clock.now()):
                    self._flush()
                if ends is not None and clock.monotonic() > ends:
                    break
            self._flush()
        except Exception as error:  # noqa: BLE001 - raised to who takes
            self._error = error
            self._news.set()

    def _flush(self) -> None:
        """Put what was gathered on disk, to be sent."""
        number = self._number + 1
        events, changes = self._gatherer.flush(f"{self._prefix}-{number}")
        for first in range(0, len(events), _PORTION_EVENTS):
            part = [
                msgspec.Raw(_ENCODER.encode(event))
                for event in events[first : first + _PORTION_EVENTS]
            ]
            size = sum(len(bytes(one)) for one in part)
            if self._size + size > _MOST_WAITING_BYTES:
                self._around.counts["events dropped, too many waiting"] += len(part)
                continue
            self._size += len(msgspec.json.encode(part))
            self._number += 1
            changes.append(Change(_WAITING, f"{self._number:020}", part))
        if changes:
            changes.append(Change("number", "", self._number))
            self._around.memory.change(changes)
            self._news.set()
        self._number = max(self._number, number)


def _begun(around: Surroundings) -> tuple[str, int, int]:
    """Return this listener's own name, the last number it used and the bytes that are waiting."""
    memory = around.memory
    name = memory.get("name", "", str)
    if name is None:
        name = random_text(12)
        memory.change([Change("name", "", name)])
    last, size = memory.size(_WAITING)
    return name, max(memory.get("number", "", int) or 0, int(last or 0)), size


def _listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_DGRAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        found.bind((host, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        found.close()
        raise TallymarkError(
            f"Cannot listen on {address}: {getattr(error, 'strerror', None) or error}.",
            code="CANNOT_LISTEN",
        ) from error
    return found


def add_udp_flags(parser: argparse.ArgumentParser, default: str) -> None:
    """Add where to listen."""
    parser.add_argument("--listen", metavar="HOST:PORT", default=default, help=f"UDP address to listen on (default: {default})")  # fmt: skip


def udp_identity(args: argparse.Namespace) -> str:
    """Return the address: only one can listen there."""
    address: str = args.listen
    return address


def digest(*parts: Any) -> str:
    """Return a short digest of what makes something the same."""
    said = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(said, digest_size=12).hexdigest()
