"""Sends portions until the server has them, however long that takes, or until it is to stop."""

import threading
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tallymark.client import Client, SendResult
from tallymark.collect.listeners.listener import Portion
from tallymark.core.errors import Refused, TallymarkError, Unavailable

from .follow_report import Teller
from .load_sender import BATCH_BYTES, BATCH_EVENTS, wire_failure

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0
# How long a server may be away when we are asked to stop.
_STOP_PATIENCE_SECONDS: Final = 5.0

_Items = Sequence[bytes]


class Delivery:
    """Sends to one server; counts what it ``accepted`` and what was ``refused``.

    With ``keeps_failures`` the lines that gave no event are sent too, to be kept with their reason.
    """

    def __init__(
        self, client: Client, stop: threading.Event, teller: Teller, *, keeps_failures: bool
    ) -> None:
        self._client = client
        self._stop = stop
        self.teller = teller
        self._keeps_failures = keeps_failures
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self.accepted = 0
        self.unreadable = 0
        self.refused = 0

    def deliver(self, portion: Portion) -> bool:
        """Return True once everything is durable or refused for good; False if it had to stop.

        Raises NotAllowed when the key does not or no longer do.
        """
        failures = [self._encoder.encode(wire_failure(one)) for one in portion.failures]
        for failure in portion.failures:
            self.teller.example(failure.code, failure.message)
        for batch in _batches([self._encoder.encode(one) for one in portion.events]):
            if not self._sent(batch, failed=False):
                return False
        for batch in _batches(failures if self._keeps_failures else []):
            if not self._sent(batch, failed=True):
                return False
        self.unreadable += len(failures)
        return True

    def _sent(self, items: _Items, *, failed: bool) -> bool:
        try:
            result = self._tried(items, failed=failed)
        except Refused as refusal:
            if len(items) > 1:
                # One item that spoils the request must not cost the others, nor stop the rest.
                half = len(items) // 2
                return self._sent(items[:half], failed=failed) and self._sent(
                    items[half:], failed=failed
                )
            problem = {"code": refusal.code, "message": refusal.message}
            result = SendResult(0, [problem])
        if result is None:
            return False
        self.accepted += 0 if failed else result.accepted
        self.refused += len(result.failed)
        for item in result.failed:
            self.teller.example(str(item["code"]), str(item["message"]))
        return True

    def _tried(self, items: _Items, *, failed: bool) -> SendResult | None:
        """Return what the server made of them, None if it stayed away until we had to stop."""
        body = b"[" + b",".join(items) + b"]"
        if failed:
            body = b'{"events":[],"failed":' + body + b"}"
        pause, waited_since_stop = _FIRST_PAUSE_SECONDS, 0.0
        while True:
            try:
                result = self._client.send_json(body, patience_seconds=0)
            except TallymarkError as error:
                if not (isinstance(error, Unavailable) or error.status >= 500):
                    raise
                self.teller.away(error.message)
                wait = max(pause, min(error.retry_after_seconds or 0, _LONGEST_PAUSE_SECONDS))
            else:
                self.teller.back()
                return result
            if self._stop.is_set():
                if waited_since_stop >= _STOP_PATIENCE_SECONDS:
                    return None
                wait = min(wait, 1.0)
                waited_since_stop += wait
                # The event is set already, so to wait for it would not wait.
                threading.Event().wait(wait)
            else:
                self._stop.wait(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _batches(items: _Items) -> Iterator[_Items]:
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (len(batch) == BATCH_EVENTS or size + len(item) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield batch
