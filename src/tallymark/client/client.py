"""A session with one server: send events, ask questions, look after projects and keys."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from tallymark.core.clock import Clock, SystemClock
from tallymark.core.errors import NotFound, Refused, Unavailable
from tallymark.core.ids import new_id
from tallymark.core.structs import learn

from .answer import Answer, decode_answer, told
from .calls import DECODER, address
from .owning import Owning
from .private import PrivateServer
from .transport import Request, Transport

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Below the size from which the server suspects a compressed body of being a bomb.
BATCH_BYTES = 900_000
BATCH_EVENTS = 5_000
_MOST_SHRINKING = 50
_LINES_AT_ONCE = 500
_SEND_PATIENCE_SECONDS = 120


class SendResult(Struct, frozen=True):
    """What became of the events sent: how many are durable, and which failed and why.

    The ``index`` of a failed event counts from the first event given to ``send``.
    """

    accepted: int
    failed: list[dict[str, Any]] = []


class _Sent(Struct, frozen=True):
    accepted: int = 0
    failed: list[dict[str, Any]] = []


class Client(Owning):
    """A connection to a Tallymark server; ``project`` is what calls are about, None where a key says.

    What the owner of a data folder sends is told apart by ``source``, such as ``mqtt``; a key is a
    source of its own.

    Use it as a context manager, or call ``close``. Threads may share it; they take turns.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        project: str | None = None,
        server: PrivateServer | None = None,
        clock: Clock | None = None,
    ) -> None:
        learn()
        super().__init__(transport, project)
        self._server = server
        self._clock = clock or SystemClock()
        self.source: str | None = None

    @property
    def has_own_server(self) -> bool:
        """Whether nobody served the folder, so that a server runs for this client alone."""
        return self._server is not None

    # Events

    def send(
        self, events: Mapping[str, Any] | Iterable[Mapping[str, Any]], *, project: str | None = None
    ) -> SendResult:
        """Send events and return once they are durable; reads the iterable lazily, in batches.

        An event without an ``id`` is given one before the first try, so that trying again never
        counts it twice. Raises when the server stays away or refuses a request as a whole; batches
        before that one are durable.
        """
        accepted = 0
        failed: list[dict[str, Any]] = []
        first = 0
        for batch in self._batches([events] if isinstance(events, Mapping) else events):
            result = self.send_json(b"[" + b",".join(batch) + b"]", project=project)
            accepted += result.accepted
            failed += [
                {**item, "index": first + int(item.get("index", 0))} for item in result.failed
            ]
            first += len(batch)
        return SendResult(accepted, failed)

    def send_json(
        self,
        body: bytes,
        *,
        project: str | None = None,
        patience_seconds: float = _SEND_PATIENCE_SECONDS,
    ) -> SendResult:
        """Send one request whose body is JSON already; give every event an id to make it safe.

        It is tried again for ``patience_seconds``.
        """
        content, encoding = _compress(body)
        headers = {"Content-Type": "application/json", **encoding, **self._scope(project)}
        if self.source is not None:
            headers["Tallymark-Source"] = self.source
        request = Request(
            "POST", "/tm/v1/events", content, headers, patience_seconds=patience_seconds
        )
        response = self._transport.answer(request)
        sent = msgspec.json.decode(response.body, type=_Sent)
        return SendResult(sent.accepted, sent.failed)

    def _batches(self, events: Iterable[Mapping[str, Any]]) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        size = 0
        for event in events:
            encoded = self._encoder.encode(
                event if event.get("id") is not None else {**event, "id": new_id(self._clock.now())}
            )
            if batch and (size + len(encoded) > BATCH_BYTES or len(batch) == BATCH_EVENTS):
                yield batch
                batch, size = [], 0
            batch.append(encoded)
            size += len(encoded) + 1
        if batch:
            yield batch

    # Questions

    def ask(
        self,
        insight: str,
        /,
        *,
        as_of: str | None = None,
        question_id: str | None = None,
        definitions_at: int | None = None,
        **question: Any,
    ) -> Answer:
        """Return the answer to a question, e.g. ``ask("trends", series=[{"event": "signup"}])``.

        ``@name`` asks the saved question of that name; what else is given replaces parts of it.
        ``as_of`` is that of an earlier answer's provenance, or a log position: then the data is
        that of then. ``question_id`` names the question while it is being answered, see
        ``questions``. ``definitions_at`` is the version of the project's definitions that is asked
        with. Raises the server's error, with its code and hint.
        """
        path = address("ask", *(("saved", insight[1:]) if insight[:1] == "@" else (insight,)))
        asked = {"as_of": as_of, "definitions_at": definitions_at}
        given = {name: value for name, value in asked.items() if value is not None}
        response = self._call(
            "POST",
            path + (f"?{urlencode(given)}" if given else ""),
            question,
            is_repeatable=True,
            headers={} if question_id is None else {"Tallymark-Question": question_id},
        )
        return decode_answer(response)

    def sql(self, statement: str, *, limit: int = 1_000, max_age_seconds: int = 60) -> Any:
        """Return the rows of one SELECT over ``events``, ``people``, ``accounts`` and ``sessions``.

        They are of a copy that is made anew when it is older than ``max_age_seconds``; the answer
        says how old it is, and ``is_cut`` if there are more rows than ``limit``.
        """
        asked = {"sql": statement, "limit": limit, "max_age_seconds": max_age_seconds}
        return DECODER.decode(self._call("POST", "/tm/v1/sql", asked, is_repeatable=True))

    def explain(self, before: Answer, after: Answer) -> Any:
        """Return what makes two answers to a question differ: each number, and its causes."""
        pair = {"before": told(before), "after": told(after)}
        body = self._call("POST", "/tm/v1/explain", pair, is_repeatable=True)
        return DECODER.decode(body)

    def questions(self) -> list[dict[str, Any]]:
        """Return the questions being answered now, with how far each is."""
        return list(self._get("/tm/v1/questions")["questions"])

    def stop_question(self, question_id: str) -> None:
        """Stop a question; raises NotFound if it is not being answered."""
        self._call("DELETE", address("questions", question_id), is_repeatable=False)

    def insights(self) -> Any:
        """Return every insight the server knows, with the JSON schema of its question."""
        return self._get("/tm/v1/insights")["insights"]

    def definitions(self, version: int | None = None) -> Any:
        """Return what the project defines by name, with its version, 0 if nothing."""
        return self._get("/tm/v1/definitions", version=version)

    def event(self, event_id: str) -> Any:
        """Return what became of an event id: counted, sent again, in conflict or refused."""
        return self._get(f"/tm/v1/event/{quote(event_id, safe='')}")

    # People and groups

    def person(
        self, name: str, *, kind: str | None = None, at: datetime | str | None = None
    ) -> Any:
        """Return everything known of the person an id belongs to: ids, links, profile, groups.

        Without a ``kind`` (``user`` or ``anonymous``) a user id is looked for first. ``at`` is an
        instant with an offset; the profile, groups and counts are as of then. Raises NotFound.
        """
        kinds = ("user", "anonymous") if kind is None else (kind,)
        for tried in kinds[:-1]:
            with suppress(NotFound):
                return self._get(address("people", tried, name), at=_time(at))
        return self._get(address("people", kinds[-1], name), at=_time(at))

    def consent(self, name: str, *, kind: str = "user", at: datetime | str | None = None) -> Any:
        """Return what the person an id belongs to agreed to, and what of it holds; raises NotFound."""
        return self._get(f"{address('people', kind, name)}/consent", at=_time(at))

    def group(
        self, name: str, *, group_type: str = "account", at: datetime | str | None = None
    ) -> Any:
        """Return everything known of a group, such as an account; raises NotFound."""
        return self._get(address("groups", group_type, name), at=_time(at))

    def links(self, **filters: Any) -> Any:
        """Return a page of claims that two ids are one person, newest first, and their counts."""
        return self._get("/tm/v1/links", **filters)

    # The state of things

    def ready(self) -> dict[str, str]:
        """Return each part the server needs, with ``ok`` or the code of what is wrong with it."""
        response = self._transport.answer(Request("GET", "/readyz", is_error_told=False))
        checks: dict[str, str] = DECODER.decode(response.body)["checks"]
        return checks

    def status(self) -> dict[str, Any]:
        """Return how far the log and the store are, and what the server knows of itself."""
        answer = self._get("/tm/v1/status")
        if not isinstance(answer, dict):
            raise Refused("The server's status is not an object.", code="INTERNAL")
        return answer

    def wait(self, position: int | None = None, *, timeout_seconds: float = 60) -> int:
        """Return the store's position once it has reached ``position``, by default the log's end.

        What was sent before is then part of every answer. Raises Unavailable when it takes longer.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        pause = 0.01
        while True:
            status = self.status()
            loaded = int(status["log_position"])
            if position is None:
                position = int(status["log_head"])
            if loaded >= position:
                return loaded
            if self._clock.monotonic() > deadline:
                raise Unavailable(
                    f"The store is at position {loaded}, not yet at {position}, "
                    f"after {timeout_seconds:g} s.",
                    code="STORE_AWAY",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def failed(self, **filters: Any) -> Any:
        """Return a page of refused, conflicting and quarantined events, newest first."""
        return self._get("/tm/v1/failed", **filters)

    def failed_lines(self, **filters: Any) -> Iterator[bytes]:
        """Yield all of them as lines of JSON, oldest first."""
        after: int | None = None
        while True:
            page = self._bytes("/tm/v1/failed/export", after=after, limit=_LINES_AT_ONCE, **filters)
            lines = page.splitlines()
            yield from lines
            if len(lines) < _LINES_AT_ONCE:
                return
            after = int(DECODER.decode(lines[-1])["seq"])

    def ledger(self, **filters: Any) -> Any:
        """Return how many items met which outcome; received equals the sum of the others."""
        return self._get("/tm/v1/ledger", **filters)

    def quality(self, hours: int = 24) -> Any:
        """Return how good what arrived in the last hours is, by source."""
        return self._get("/tm/v1/quality", hours=hours)

    def names(self) -> Any:
        """Return the events, properties and fields there are to ask about."""
        return self._get("/tm/v1/names")

    def turned_away(self) -> Any:
        """Return which requests with events no project knows of, since the server started."""
        return self._get("/tm/v1/turned-away")

    def close(self) -> None:
        """Close the connection, and end the server if it was started for this client."""
        self._transport.close()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _compress(body: bytes) -> tuple[bytes, dict[str, str]]:
    packed = zstd.compress(body, 3)
    # A server takes a body that shrinks a hundredfold for a bomb; such a one travels as it is.
    if len(packed) * _MOST_SHRINKING < len(body):
        return body, {}
    return packed, {"Content-Encoding": "zstd"}


def _time(at: datetime | str | None) -> str | None:
    return at.isoformat() if isinstance(at, datetime) else at
