"""Collection: the routes of every wire protocol, as plain ASGI on raw bytes.

Each event costs a request where a browser sends it, so nothing of a framework runs here.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import structs
from starlette.types import Receive, Scope, Send

from tallymark.catalog.origins import allows, origin_of
from tallymark.collect.protocol import Protocol, Reply, Request
from tallymark.core.errors import NotAllowed, Refused, TallymarkError

from .addresses import Found
from .auth import PROJECT_HEADER, SOURCE_HEADER, Known, key_text, refuse_secret_in_url
from .bodies import Room, read_body
from .cors import cors_headers
from .peers import Peers
from .projects import local_known
from .services import Services

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Collection:
    """Answers requests that bring events; ``refused`` is told of each that was not taken."""

    def __init__(
        self, services: Services, *, is_local: bool, refused: Callable[[str, str], None]
    ) -> None:
        self._services = services
        self._is_local = is_local
        self._refused = refused
        self._peers = Peers(services.settings.trusted_proxies)
        self._room = Room(services.settings.log_queue_bytes)

    async def take(
        self, found: Found, scope: Scope, receive: Receive, headers: Mapping[str, str]
    ) -> Reply:
        """Return the reply once everything sent is durable; raises TallymarkError or Disconnected."""
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            headers,
            b"",
            self._peers.of(scope, headers),
            self._services.clock.now(),
            found.params,
        )
        protocol = found.protocols[0]
        if found.endpoint is not None:
            body = await self._body(receive, headers)
            return found.endpoint.answer(
                structs.replace(request, body=body), self._services.settings
            )
        if protocol.open is None:
            return await self._take_own(protocol, request, receive)
        try:
            try:
                body = await self._body(receive, headers)
            except Refused as why:
                await self._count_unread(found.protocols, request, why)
                raise
            request = structs.replace(request, body=body)
            protocol, request = await self._opened(found.protocols, request)
            senders = await self._senders(protocol, protocol.apart(request))
            collector = self._services.collector
            replies = [await collector.accept(protocol, one, by.caller) for by, one in senders]
            return replies[-1]
        except TallymarkError as error:
            if protocol.refuse is None:
                raise
            return self._refusal(protocol, request, error)

    async def _take_own(self, protocol: Protocol, request: Request, receive: Receive) -> Reply:
        """Take a request whose key is in its head: nobody else makes us read a body."""
        services = self._services
        known = await self._sender(protocol, request)
        try:
            body = await self._body(receive, request.headers)
        except Refused as why:
            await services.collector.refuse(protocol, request, known.caller, why)
            raise
        except TallymarkError as error:
            services.live.refused(known.project.id, protocol.name, error, request.received_at)
            raise
        return await services.collector.accept(
            protocol, structs.replace(request, body=body), known.caller
        )

    async def _count_unread(
        self, sharing: tuple[Protocol, ...], request: Request, why: Refused
    ) -> None:
        """Count a request whose body was not read, if its address or head says whose it is."""
        for protocol in sharing:
            try:
                known = await self._sender(protocol, request)
            except TallymarkError:
                continue
            await self._services.collector.refuse(protocol, request, known.caller, why)
            return

    async def _opened(
        self, sharing: tuple[Protocol, ...], request: Request
    ) -> tuple[Protocol, Request]:
        """Return whose request it is, with its content; what cannot be read is kept if we know whose."""
        collector = self._services.collector
        protocol = sharing[0]
        try:
            request = await collector.opened(protocol, request, is_shared=len(sharing) > 1)
        except Refused as why:
            try:
                known = await self._sender(protocol, request)
            except TallymarkError:
                # Nobody's: there is no project to keep it in.
                raise why from None
            await collector.refuse(protocol, request, known.caller, why)
            raise
        if len(sharing) > 1:
            protocol = next((one for one in sharing if one.claims(request)), protocol)
        return protocol, request

    async def _body(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        limit = self._services.settings.max_body_bytes
        return await read_body(receive, headers, limit=limit, room=self._room)

    async def _sender(self, protocol: Protocol, request: Request) -> Known:
        query = request.query.encode("latin-1")
        if self._is_local:
            refuse_secret_in_url(query)
            known = await local_known(self._services, request.headers.get(PROJECT_HEADER))
            return _by_source(known, request.headers.get(SOURCE_HEADER, ""))
        callers = self._services.callers
        refuse_secret_in_url(query)
        hidden = protocol.credential(request)
        known = (
            await callers.by_key(key_text(request.headers, query))
            if hidden is None
            else await callers.by_credential(protocol.name, hidden)
        )
        if known.caller.kind == "read":
            raise NotAllowed("A read key cannot send events.", code="AUTH_WRONG_KIND")
        if known.origins:
            self._check_origin(protocol, request, known)
        return known

    def _check_origin(self, protocol: Protocol, request: Request, known: Known) -> None:
        """Raise NotAllowed for a page of a site that may not send with the key, and tell its project."""
        headers = request.headers
        origin = headers.get("origin") or origin_of(headers.get("referer", ""))
        if allows(known.origins, origin):
            return
        shown = repr(origin[:200]) if origin else "what names no page"
        error = NotAllowed(f"The key is not for {shown}.", code="ORIGIN_REFUSED")
        self._services.live.refused(known.project.id, protocol.name, error, request.received_at)
        raise error

    async def _senders(
        self, protocol: Protocol, requests: Sequence[Request]
    ) -> list[tuple[Known, Request]]:
        """Return who sends each request, each project once; raises NotAllowed if nobody is known."""
        found: dict[str, tuple[Known, Request]] = {}
        for request in requests:
            try:
                known = await self._sender(protocol, request)
            except NotAllowed:
                if request is requests[-1] and not found:
                    raise
                continue
            found.setdefault(known.project.id, (known, request))
        return list(found.values())

    def _refusal(self, protocol: Protocol, request: Request, error: TallymarkError) -> Reply:
        assert protocol.refuse is not None  # noqa: S101 - looked at before
        self._refused(protocol.name, error.code)
        reply = protocol.refuse(error, request)
        if reply.status not in (429, 503):
            return reply
        seconds = error.retry_after_seconds or self._services.settings.retry_after_seconds
        return structs.replace(reply, headers=(*reply.headers, ("Retry-After", str(seconds))))


def _by_source(known: Known, name: str) -> Known:
    """Return the local caller as one of several, if it says which: what follows a log or a broker."""
    if not _SOURCE.fullmatch(name):
        return known
    caller = structs.replace(known.caller, source=f"{known.caller.source}/{name}")
    return structs.replace(known, caller=caller)


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
