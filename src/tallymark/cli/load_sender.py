"""Sends events in the order of their file, while the next ones are being read."""

import threading
from queue import Queue
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from tallymark.client import Client, SendResult
from tallymark.collect.sources.source import Record
from tallymark.core.errors import NotAllowed, Refused, TallymarkError

from .load_report import Report

_BATCH_EVENTS: Final = 2_000
# As the client: below the size from which the server suspects a compressed body of being a bomb.
_BATCH_BYTES: Final = 900_000
# Batches that may wait for the one being sent; reading pauses beyond.
_AHEAD: Final = 3


class _Batch(Struct):
    body: bytearray
    lines: list[int]
    last: int


class Sender:
    """A thread that sends batches one after another, so that the log keeps the file's order.

    ``durable`` is the offset of the last line the server has confirmed. Leaving the context sends
    what is left, also after Ctrl-C; an error of the sending thread is raised to whoever adds.
    """

    def __init__(self, client: Client, file: str, report: Report) -> None:
        self._client = client
        self._file = file
        self._report = report
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._batch = _Batch(bytearray(), [], 0)
        self._waiting: Queue[_Batch | None] = Queue(_AHEAD)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.durable: int | None = None

    def add(self, record: Record) -> None:
        """Take a record along; returns at once unless too many batches wait."""
        encoded = self._encoder.encode(record.event)
        batch = self._batch
        if batch.lines and (
            len(batch.lines) >= _BATCH_EVENTS or len(batch.body) + len(encoded) > _BATCH_BYTES
        ):
            self._hand_over()
            batch = self._batch
        batch.body += b"," if batch.lines else b"["
        batch.body += encoded
        batch.lines.append(record.line)
        batch.last = record.offset

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._batch.lines and self._error is None:
            self._waiting.put(self._batch)
        self._waiting.put(None)
        self._thread.join()
        # An error on the way out must not hide the one that led here.
        if self._error is not None and kind is None:
            raise self._error

    def _hand_over(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiting.put(self._batch)
        self._batch = _Batch(bytearray(), [], 0)

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
            for item in result.failed:
                line = batch.lines[int(item["index"])]
                self._report.fail(item["code"], f"{self._file}:{line}: {item['message']}", None)
            self.durable = batch.last

    def _send(self, batch: _Batch) -> SendResult:
        body = bytes(batch.body) + b"]"
        try:
            return self._client.send_json(body)
        except NotAllowed:
            raise
        except Refused as refusal:
            if len(batch.lines) > 1:
                raise
            # A request of one event that cannot be read is refused as a whole.
            failed = {"index": 0, "code": refusal.code, "message": refusal.message}
            return SendResult(0, [failed])
        except TallymarkError as error:
            error.hint = f"{error.hint or ''} Run the same command again to go on.".strip()
            raise
