"""Sends events in the order of their file, while the next ones are being read."""

import threading
from queue import Queue
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from tallymark.client import Client, SendResult
from tallymark.collect.sources.source import Failure, Record
from tallymark.core.errors import CODES, NotAllowed, Refused, TallymarkError

from .load_report import Report

BATCH_EVENTS: Final = 2_000
# As the client: below the size from which the server suspects a compressed body of being a bomb.
BATCH_BYTES: Final = 900_000
_LONGEST_MESSAGE: Final = 500
# Batches that may wait for the one being sent; reading pauses beyond.
_AHEAD: Final = 3


class Place(Struct, frozen=True):
    """Where a line begins, and how many lines of its file were read before it."""

    offset: int
    before: int


class _Batch(Struct):
    events: bytearray
    failed: bytearray
    lines: list[int]
    failures: int = 0
    last: Place = Place(0, 0)

    def is_empty(self) -> bool:
        return not (self.lines or self.failures)


class Sender:
    """A thread that sends batches one after another, so that the log keeps the file's order.

    With ``keeps_failures`` the lines that gave no event are sent too, to be kept with their reason;
    only the owner of the data folder may do that.
    ``durable`` is the place of the last line the server has confirmed. Leaving the context sends
    what is left, also after Ctrl-C; an error of the sending thread is raised to whoever adds.
    """

    def __init__(self, client: Client, file: str, report: Report, *, keeps_failures: bool) -> None:
        self._client = client
        self._file = file
        self._report = report
        self._keeps_failures = keeps_failures
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._batch = _new_batch()
        self._waiting: Queue[_Batch | None] = Queue(_AHEAD)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.durable: Place | None = None

    def add(self, record: Record, before: int) -> None:
        """Take along a record that so many were read before; waits if too many batches do."""
        encoded = self._encoder.encode(record.event)
        batch = self._with_room(len(encoded))
        if batch.lines:
            batch.events += b","
        batch.events += encoded
        batch.lines.append(record.line)
        batch.last = Place(record.offset, before)

    def add_failure(self, failure: Failure, before: int) -> None:
        """Take along a line that is no event, if the server keeps such; like ``add``."""
        if not self._keeps_failures:
            return
        encoded = self._encoder.encode(wire_failure(failure))
        batch = self._with_room(len(encoded))
        if batch.failures:
            batch.failed += b","
        batch.failed += encoded
        batch.failures += 1
        batch.last = Place(failure.offset, before)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._batch.is_empty() and self._error is None:
            self._waiting.put(self._batch)
        self._waiting.put(None)
        self._thread.join()
        # An error on the way out must not hide the one that led here.
        if self._error is not None and kind is None:
            raise self._error

    def _with_room(self, size: int) -> _Batch:
        """Return the batch to be filled, a new one if the one before is full."""
        batch = self._batch
        is_full = len(batch.lines) + batch.failures >= BATCH_EVENTS
        if not batch.is_empty() and (
            is_full or len(batch.events) + len(batch.failed) + size > BATCH_BYTES
        ):
            if self._error is not None:
                raise self._error
            self._waiting.put(batch)
            self._batch = _new_batch()
        return self._batch

    def _run(self) -> None:
        while (batch := self._waiting.get()) is not None:
            if self._error is not None:
                continue
            try:
                result = self._send(batch)
            except Exception as error:  # noqa: BLE001 - raised to the reading thread
                self._error = error
                continue
            self._report.accepted += result.accepted
            self._report.kept += batch.failures
            for item in result.failed:
                line = batch.lines[int(item["index"])]
                self._report.fail(item["code"], f"{self._file}:{line}: {item['message']}", None)
            self.durable = batch.last

    def _send(self, batch: _Batch) -> SendResult:
        body = b"[" + batch.events + b"]"
        if batch.failures:
            body = b'{"events":' + body + b',"failed":[' + batch.failed + b"]}"
        try:
            return self._client.send_json(body)
        except NotAllowed:
            raise
        except Refused as refusal:
            if len(batch.lines) != 1 or batch.failures:
                raise
            # A request of one event that cannot be read is refused as a whole.
            failed = {"index": 0, "code": refusal.code, "message": refusal.message}
            return SendResult(0, [failed])
        except TallymarkError as error:
            error.hint = f"{error.hint or ''} Run the same command again to go on.".strip()
            raise


def _new_batch() -> _Batch:
    return _Batch(bytearray(), bytearray(), [])


def wire_failure(failure: Failure) -> dict[str, object]:
    """Return a line that gave no event as it is sent."""
    message = failure.message
    return {
        "code": failure.code,
        # Not cut, lest half an address be left that nobody recognises as one.
        "message": message if len(message) <= _LONGEST_MESSAGE else CODES[failure.code].meaning,
        "line": failure.line,
        "id": failure.id,
        "raw": failure.raw,
        "raw_bytes": failure.raw_bytes,
    }
