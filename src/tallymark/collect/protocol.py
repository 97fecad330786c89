"""What a wire protocol is: routes, a pure decoder and a pure reply."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from tallymark.core.event import Command, Event, Failed
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

KeyKind: TypeAlias = Literal["public", "secret", "read", "local"]


class Caller(Struct, frozen=True):
    """Who sends: the project, the kind of key and its public part (never the secret)."""

    project: str
    kind: KeyKind
    source: str
    policy: Policy = Policy()


class Request(Struct, frozen=True):
    """One collection request after its bytes have been read and inflated.

    ``headers`` has lower-case names; ``peer`` is the client address after trusted proxies.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str | None
    received_at: int


class Decoded(Struct, frozen=True):
    """What a request holds: each of its ``received`` items is in exactly one of the lists below."""

    received: int
    events: list[Event] = []
    commands: list[Command] = []
    failed: list[Failed] = []
    dropped: dict[str, int] = {}
    sent_at: int | None = None
    strict: bool = False


class Reply(Struct, frozen=True):
    """What the client gets."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Protocol(Struct, frozen=True):
    """One wire protocol. ``decode`` and ``reply`` are pure; time comes with the request.

    ``decode`` raises Refused when the request as a whole cannot be read; anything wrong with one
    item becomes a ``Failed`` and never sinks the rest. New ids for events without one come from
    ``new_id``.
    """

    name: str
    routes: tuple[tuple[str, str], ...]
    decode: Callable[[Request, Caller, Settings], Decoded]
    reply: Callable[[Decoded], Reply]
