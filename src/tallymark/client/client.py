"""A session with one server: send events, ask questions, look after projects and keys."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from tallymark.core.clock import Clock, SystemClock
from tallymark.core.errors import NotFound, Refused, Unavailable
from tallymark.core.ids import new_id
from tallymark.core.structs import learn

from .answer import Answer, decode_answer
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
_SEND_PATIENCE_SECONDS = 120
_LONG_TIMEOUT_SECONDS = 24 * 3600
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class SendResult(Struct, frozen=True):
    """What became of the events sent: how many are durable, and which failed and why.

    The ``index`` of a failed event counts from the first event given to ``send``.
    """

    accepted: int
    failed: list[dict[str, Any]] = []


class _Sent(Struct, frozen=True):
    accepted: int = 0
    failed: list[dict[str, Any]] = []


class Client:
    """A connection to a Tallymark server; ``project`` is what calls are about, None where a key says.

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
        self._transport = transport
        self.project = project
        self._server = server
        self._clock = clock or SystemClock()
        self._encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain)

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

    def ask(self, insight: str, /, *, definitions_at: int | None = None, **question: Any) -> Answer:
        """Return the answer to a question, e.g. ``ask("trends", series=[{"event": "signup"}])``.

        ``@name`` asks the saved question of that name; what else is given replaces parts of it.
        ``definitions_at`` is the version of the project's definitions that is asked with. Raises the
        server's error, with its code and hint.
        """
        path = _address("ask", *(("saved", insight[1:]) if insight[:1] == "@" else (insight,)))
        at = "" if definitions_at is None else f"?definitions_at={definitions_at}"
        return decode_answer(self._call("POST", path + at, question, is_repeatable=True))

    def insights(self) -> Any:
        """Return every insight the server knows, with the JSON schema of its question."""
        return self._get("/tm/v1/insights")["insights"]

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
                return self._get(_address("people", tried, name), at=_time(at))
        return self._get(_address("people", kinds[-1], name), at=_time(at))

    def group(
        self, name: str, *, group_type: str = "account", at: datetime | str | None = None
    ) -> Any:
        """Return everything known of a group, such as an account; raises NotFound."""
        return self._get(_address("groups", group_type, name), at=_time(at))

    def links(self, **filters: Any) -> Any:
        """Return a page of claims that two ids are one person, newest first, and their counts."""
        return self._get("/tm/v1/links", **filters)

    # The state of things

    def ready(self) -> dict[str, str]:
        """Return each part the server needs, with ``ok`` or the code of what is wrong with it."""
        response = self._transport.answer(Request("GET", "/readyz", is_error_told=False))
        checks: dict[str, str] = _DECODER.decode(response.body)["checks"]
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

    def ledger(self, **filters: Any) -> Any:
        """Return how many items met which outcome; received equals the sum of the others."""
        return self._get("/tm/v1/ledger", **filters)

    def quality(self, hours: int = 24) -> Any:
        """Return how good what arrived in the last hours is, by source."""
        return self._get("/tm/v1/quality", hours=hours)

    # Looking after it; only over the socket of the data folder

    def projects(self) -> list[dict[str, Any]]:
        """Return every project, by id."""
        return list(self._get("/tm/v1/projects")["projects"])

    def create_project(self, name: str, **options: Any) -> Any:
        """Create a project; return ``project`` and ``keys`` with their secrets, shown this once."""
        return self._post("/tm/v1/projects", {"name": name, **options})

    def keys(self, project: str | None = None) -> list[dict[str, Any]]:
        """Return every key a project had, oldest first; their secrets are not kept."""
        return list(self._get(f"/tm/v1/projects/{self._named(project)}/keys")["keys"])

    def create_key(self, kind: str, *, project: str | None = None, **options: Any) -> Any:
        """Create a public, secret or read key; return ``key`` and ``secret``, shown this once."""
        return self._post(f"/tm/v1/projects/{self._named(project)}/keys", {"kind": kind, **options})

    def revoke(self, key_id: str) -> Any:
        """End a key now."""
        return self._post(f"/tm/v1/keys/{quote(key_id, safe='')}/revoke", {})

    def rotate(self, key_id: str, **options: Any) -> Any:
        """Make a successor of a key; return ``key`` and ``secret``, shown this once."""
        return self._post(f"/tm/v1/keys/{quote(key_id, safe='')}/rotate", options)

    def sites(self, project: str | None = None) -> list[dict[str, Any]]:
        """Return the names by which clients of other protocols call a project."""
        return list(self._get(f"/tm/v1/projects/{self._named(project)}/sites")["sites"])

    def add_site(self, protocol: str, name: str, *, project: str | None = None) -> Any:
        """Let clients of a protocol call a project by that name; return the site."""
        path = f"/tm/v1/projects/{self._named(project)}/sites"
        return self._post(path, {"protocol": protocol, "name": name})

    def remove_site(
        self, protocol: str, name: str, *, project: str | None = None
    ) -> list[dict[str, Any]]:
        """End a site now; return those that are left."""
        path = f"/tm/v1/projects/{self._named(project)}/sites"
        body = {"protocol": protocol, "name": name}
        answer = self._call("DELETE", path, body, is_repeatable=False)
        return list(_DECODER.decode(answer)["sites"])

    def plan(self, project: str | None = None) -> Any:
        """Return the tracking plan that holds, with its version; raises NotFound if there is none."""
        return self._get(f"/tm/v1/projects/{self._named(project)}/plan")

    def push_plan(self, plan: Any, *, project: str | None = None, breaking: bool = False) -> Any:
        """Make a tracking plan the one that holds; return its version and what changed."""
        path = f"/tm/v1/projects/{self._named(project)}/plan" + ("?breaking=1" if breaking else "")
        return _DECODER.decode(self._call("PUT", path, plan, is_repeatable=False))

    def definitions(self, version: int | None = None) -> Any:
        """Return what the project defines by name, with its version, 0 if nothing."""
        return self._get("/tm/v1/definitions", version=version)

    def push_definitions(
        self, definitions: Any, *, project: str | None = None, dry_run: bool = False
    ) -> Any:
        """Make definitions those that hold; return what changes, also in numbers."""
        path = (
            f"/tm/v1/projects/{self._named(project)}/definitions{'?dry_run=1' if dry_run else ''}"
        )
        return _DECODER.decode(self._call("PUT", path, definitions, is_repeatable=False))

    def replay(self, *, project: str | None = None, **order: Any) -> Any:
        """Try failed events again: ``where``, ``steps`` of repairs, ``dry_run``; return the report."""
        return self._post(f"/tm/v1/projects/{self._named(project)}/failed/replay", order)

    def mark_failed(self, where: Mapping[str, Any], status: str = "ignored") -> int:
        """Say that failed events need no attention (``ignored``) or do (``open``); return how many."""
        order = {"where": where, "status": status}
        return int(self._post(f"/tm/v1/projects/{self._named(None)}/failed/mark", order)["marked"])

    def backup(self, target: str | Path) -> Any:
        """Write a consistent copy to a new folder on the server's machine; return its manifest."""
        return self._post("/tm/v1/backup", {"target": str(Path(target).absolute())})

    def verify(self) -> Any:
        """Check log, store and ledger against each other and return what was found."""
        return self._post("/tm/v1/verify", {})

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

    def _get(self, path: str, **query: Any) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return _DECODER.decode(
            self._call("GET", path + (f"?{urlencode(given)}" if given else ""), is_repeatable=True)
        )

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _DECODER.decode(self._call("POST", path, body, is_repeatable=False))

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, is_repeatable: bool
    ) -> bytes:
        request = Request(
            method,
            path,
            None if body is None else self._encoder.encode(body),
            {"Content-Type": "application/json", **self._scope(None)},
            is_repeatable=is_repeatable,
            timeout_seconds=None if is_repeatable else _LONG_TIMEOUT_SECONDS,
        )
        return self._transport.answer(request).body

    def _scope(self, project: str | None) -> dict[str, str]:
        chosen = project or self.project
        return {} if chosen is None else {"Tallymark-Project": chosen}

    def _named(self, project: str | None) -> str:
        chosen = project or self.project
        if chosen is None:
            raise Refused(
                "No project is named.",
                code="PROJECT_UNKNOWN",
                hint="Pass project=… to connect() or to this call.",
            )
        return quote(chosen, safe="")


def _address(*parts: str) -> str:
    return "/tm/v1/" + "/".join(quote(part, safe="") for part in parts)


def _time(at: datetime | str | None) -> str | None:
    return at.isoformat() if isinstance(at, datetime) else at


def _compress(body: bytes) -> tuple[bytes, dict[str, str]]:
    packed = zstd.compress(body, 3)
    # A server takes a body that shrinks a hundredfold for a bomb; such a one travels as it is.
    if len(packed) * _MOST_SHRINKING < len(body):
        return body, {}
    return packed, {"Content-Encoding": "zstd"}


def _plain(value: Any) -> Any:
    """Return what JSON can say of values that pandas and numpy put into rows."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if callable(getattr(value, "item", None)):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form; give text, a number or a list")
