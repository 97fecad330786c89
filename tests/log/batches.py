"""Batches for the tests of the log, made from a number."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from tallymark.core.event import Batch, Event
from tallymark.log.codec import decode_batch, encode_batch
from tallymark.log.log import Entry, Log, Record

NO_LIMIT = {"max_bytes": 2**62, "max_items": 2**62}


def batch(number: int, size: int = 0, received_at: int | None = None) -> Batch:
    """Return a batch of one event; ``size`` adds that many bytes that do not compress."""
    noise = random.Random(number).randbytes(size // 2).hex() if size else ""
    event = Event(name="opened", id=f"e{number}", time=number, properties={"noise": noise})
    at = 1_000 + number if received_at is None else received_at
    return Batch(received_at=at, source="k", protocol="native", received=1, events=[event])


def entry(number: int, size: int = 0, received_at: int | None = None) -> Entry:
    """Return that batch ready to be stored."""
    return encode_batch(batch(number, size, received_at))


def entries(numbers: range, size: int = 0) -> list[Entry]:
    """Return these batches ready to be stored."""
    return [entry(number, size) for number in numbers]


def ids(records: Sequence[Record]) -> list[str | None]:
    """Return the event id of each record, None where there is no payload."""
    return [None if r.payload is None else decode_batch(r).events[0].id for r in records]


def everything(log: Log) -> list[Record]:
    """Return all records of a log."""
    return log.read(0, **NO_LIMIT)


def fingerprint(path: Path) -> str:
    """Return a hash of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
