"""What a log is: batches in order, each sealed by a digest, all linked by a chain.

The digest seals one batch; the chain links the digests, not the payloads. So a payload can be
erased and leaves a tombstone, and the whole log still verifies.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

GENESIS = bytes(32)


class Entry(Struct, frozen=True):
    """A batch ready to be stored: encoded, compressed and sealed."""

    received_at: int
    items: int
    codec: int
    digest: bytes
    payload: bytes


class Record(Struct, frozen=True):
    """A batch as it lies in the log at ``position`` (1, 2, 3 … without gaps).

    ``payload`` is None when it was erased, or when the batch is ``damaged``: present once, no longer
    what was written. The other fields of a damaged record are what could still be read, else zero.
    """

    position: int
    received_at: int
    items: int
    codec: int
    digest: bytes
    payload: bytes | None
    damaged: bool = False


class LogReport(Struct, frozen=True):
    """What a full check of a log found.

    ``first_broken`` is the first position whose link does not follow from the one before it; links
    on either side of a lost batch cannot be checked and count as whole.
    """

    first: int
    head: int
    batches: int
    items: int
    erased: int
    damaged: tuple[int, ...]
    chain_ok: bool
    first_broken: int | None = None

    @property
    def ok(self) -> bool:
        """Return whether nothing is damaged and every link holds."""
        return self.chain_ok and not self.damaged


class Log(Protocol):
    """An append-only sequence of batches that survives the death of its process and machine."""

    def append(self, entries: Sequence[Entry]) -> int:
        """Store all entries in one durable commit; return the position of the first.

        Raises Unavailable when they could not be stored: then none of them is acknowledged.
        """

    def recover(self) -> None:
        """After a failure: check that all that was acknowledged is there, and commit once.

        Raises Unavailable while the disk still fails, Broken when acknowledged batches are gone.
        """

    def read(self, after: int, *, max_bytes: int, max_items: int) -> list[Record]:
        """Return records after a position in order, at least one if there is any.

        A damaged batch comes back as a damaged record; it never stops the reading of others.
        """

    def head(self) -> int:
        """Return the last position given out, 0 for none."""

    def first(self) -> int:
        """Return the oldest position still held; head + 1 when none is."""

    def erase(self, positions: Iterable[int]) -> int:
        """Destroy the payloads of these positions; return how many there were."""

    def trim(self, before_received_at: int, upto_position: int) -> int:
        """Delete the oldest batches received before an instant and up to a position; return how many.

        Only a prefix goes: the first batch that must stay keeps all behind it.
        """

    def verify(self) -> LogReport:
        """Read everything and check every digest and link."""

    def backup(self, target: Path) -> int:
        """Write a consistent copy to a new file while others write; return its head."""

    def close(self) -> None:
        """Release the log."""


def seal(received_at: int, items: int, codec: int, payload: bytes) -> bytes:
    """Return the digest of a batch: BLAKE2b-256 over its fields and its payload as stored."""
    digest = hashlib.blake2b(_fields(received_at, items, codec), digest_size=32)
    digest.update(payload)
    return digest.digest()


def link(chain: bytes, position: int, entry: Entry | Record) -> bytes:
    """Return the chain value of a position from the one before it (GENESIS for position 1)."""
    return hashlib.blake2b(
        chain
        + position.to_bytes(8, "big")
        + _fields(entry.received_at, entry.items, entry.codec)
        + entry.digest,
        digest_size=32,
    ).digest()


def _fields(received_at: int, items: int, codec: int) -> bytes:
    return (
        received_at.to_bytes(8, "big", signed=True)
        + items.to_bytes(8, "big", signed=True)
        + codec.to_bytes(8, "big", signed=True)
    )
