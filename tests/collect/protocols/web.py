"""Takes what clients of page counters send as the server does, up to the batch for the log."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from tallymark.collect.batch import Origin, Surroundings, batch_of
from tallymark.collect.protocol import Caller, Decoded, KeyKind, Protocol, Reply, Request
from tallymark.core.clock import SystemClock
from tallymark.core.event import Batch, Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Taken(Struct, frozen=True):
    """What became of one request."""

    request: Request
    decoded: Decoded
    batch: Batch
    reply: Reply

    @property
    def event(self) -> Event:
        """The only event there is."""
        (event,) = self.decoded.events
        assert not self.decoded.failed
        return event

    @property
    def codes(self) -> list[str]:
        """Why items failed, in their order."""
        return [item.code for item in self.decoded.failed]


def opened(
    protocol: Protocol,
    path: str,
    body: Any = b"",
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    peer: str = "203.0.113.9",
) -> Request:
    """Return a request with its content; without a body it is a GET."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    request = Request(
        "POST" if raw else "GET", path, query, {"user-agent": FIREFOX, **(headers or {})}, raw,
        peer, NOW,
    )  # fmt: skip
    assert protocol.open is not None
    return structs.replace(request, content=protocol.open(request, Settings()))


def take(
    protocol: Protocol,
    request: Request,
    kind: KeyKind = "public",
    policy: Policy = Policy(),  # noqa: B008 - frozen
) -> Taken:
    """Decode a request, make its batch and the answer."""
    caller = Caller("shop", kind, "key", policy)
    decoded = protocol.decode(request, caller, Settings())
    origin = Origin(protocol.name, NOW, request.peer, request.headers)
    visits = Surroundings(visitor=lambda visit, _: f"d_{visit.ip}")
    made = batch_of(decoded, caller, origin, clock=SystemClock(), around=visits)
    return Taken(request, decoded, made.batch, protocol.reply(decoded, request))
