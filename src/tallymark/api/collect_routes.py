"""Collection: the routes of every wire protocol, as plain ASGI on raw bytes.

Each event costs a request where a browser sends it, so nothing of a framework runs here.
"""

from collections.abc import Mapping
from typing import TypeAlias

from starlette.types import Receive, Scope, Send

from tallymark.collect.protocol import Protocol, Reply, Request
from tallymark.core.errors import NotAllowed, TallymarkError
from tallymark.core.registry import discover

from .auth import PROJECT_HEADER, Known, key_text, refuse_secret_in_url
from .bodies import Room, read_body
from .cors import cors_headers
from .peers import Peers
from .projects import local_known
from .services import Services

Table: TypeAlias = Mapping[tuple[str, str], Protocol]


def collection_table() -> Table:
    """Return the protocol of each (method, path), with and without a slash at the end."""
    table: dict[tuple[str, str], Protocol] = {}
    for protocol in discover("tallymark.collect.protocols", Protocol).values():
        for method, path in protocol.routes:
            table[method, path.rstrip("/")] = protocol
            table[method, path.rstrip("/") + "/"] = protocol
    return table


class Collection:
    """Answers requests that bring events."""

    def __init__(self, services: Services, *, is_local: bool) -> None:
        self._services = services
        self._is_local = is_local
        self._peers = Peers(services.settings.trusted_proxies)
        self._room = Room(services.settings.log_queue_bytes)

    async def take(
        self, protocol: Protocol, scope: Scope, receive: Receive, headers: Mapping[str, str]
    ) -> Reply:
        """Return the reply once everything sent is durable; raises TallymarkError or Disconnected."""
        services = self._services
        received_at = services.clock.now()
        known = await self._sender(headers, scope["query_string"])
        try:
            body = await read_body(
                receive, headers, limit=services.settings.max_body_bytes, room=self._room
            )
        except TallymarkError as error:
            services.live.refused(known.project.id, protocol.name, error, received_at)
            raise
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            headers,
            body,
            self._peers.of(scope, headers),
            received_at,
        )
        return await services.collector.accept(protocol, request, known.caller)

    async def _sender(self, headers: Mapping[str, str], query: bytes) -> Known:
        if self._is_local:
            refuse_secret_in_url(query)
            return await local_known(self._services, headers.get(PROJECT_HEADER))
        known = await self._services.callers.by_key(key_text(headers, query))
        if known.caller.kind == "read":
            raise NotAllowed("A read key cannot send events.", code="AUTH_WRONG_KIND")
        return known


async def send_reply(send: Send, reply: Reply, headers: Mapping[str, str]) -> None:
    """Send a collection reply, readable by the page it was sent from."""
    pairs = [
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
    ]
    if "origin" in headers:
        pairs += [(n.encode(), v.encode("latin-1")) for n, v in cors_headers(headers)]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    await send({"type": "http.response.body", "body": reply.body})
