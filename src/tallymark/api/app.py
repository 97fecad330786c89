"""The HTTP surface: every address that is answered stands in a table below.

Collection is looked up first, by method and path, and runs on raw bytes. Everything else is found
in the exact table of routes, after its caller was found to be allowed.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallymark.catalog.keys import token_parts
from tallymark.catalog.users import User
from tallymark.collect.protocol import Protocol
from tallymark.collect.protocols._wire import WireEvent
from tallymark.core.errors import NotAllowed, NotFound, TallymarkError
from tallymark.core.ids import new_id
from tallymark.core.registry import discover

from .account_routes import ACCOUNT_ROUTES
from .addresses import Addresses, Found, addresses
from .annotation_routes import ANNOTATION_ROUTES
from .ask_routes import ASK_ROUTES, insights
from .auth import PROJECT_HEADER, Known, key_text, refuse_secret_in_url
from .board_routes import BOARD_ROUTES
from .bodies import header_map
from .cohort_routes import COHORT_ROUTES
from .collect_routes import Collection, send_reply
from .control_routes import CONTROL_ROUTES
from .cors import cors_headers, preflight_headers
from .definition_routes import DEFINITION_ROUTES
from .failed_routes import FAILED_ROUTES
from .names_routes import NAMES_ROUTES
from .openapi import document
from .peers import Peers
from .people_routes import PEOPLE_ROUTES
from .plan_routes import PLAN_ROUTES
from .privacy_routes import PRIVACY_ROUTES
from .problem import Disconnected, bug, problem_response
from .projects import local_known
from .routing import Match, NotThisWay, Routes
from .saved_routes import SAVED_ROUTES
from .service_routes import SERVICE_ROUTES, described
from .services import Call, Route, Services
from .share_routes import SHARE_ROUTES
from .shared_routes import SHARED_ROUTES
from .sign_in import Asked, check_csrf, cookie_text, known_of, signed_in, user_by_token
from .token_routes import TOKEN_ROUTES
from .tracker_routes import TRACKER_ROUTES
from .web_routes import PAGE_ROUTE, WEB_ROUTES, is_page


@cache
def all_routes() -> tuple[Route, ...]:
    """Return every route but those of collection, with the description made from them."""
    routes = (
        *ASK_ROUTES,
        *PEOPLE_ROUTES,
        *NAMES_ROUTES,
        *CONTROL_ROUTES,
        *FAILED_ROUTES,
        *PLAN_ROUTES,
        *DEFINITION_ROUTES,
        *COHORT_ROUTES,
        *SAVED_ROUTES,
        *BOARD_ROUTES,
        *ANNOTATION_ROUTES,
        *SHARE_ROUTES,
        *SHARED_ROUTES,
        *PRIVACY_ROUTES,
        *ACCOUNT_ROUTES,
        *TOKEN_ROUTES,
        *SERVICE_ROUTES,
        *TRACKER_ROUTES,
        *WEB_ROUTES,
    )
    return (*routes, *described(lambda: api_document(all_routes())))


def api_document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes and of everything registered."""
    protocols = discover("tallymark.collect.protocols", Protocol).values()
    return document(routes, protocols, insights().values(), WireEvent)


def build(services: Services, *, is_local: bool) -> ASGIApp:
    """Return the application: for the network, or for the owner over the socket of the folder."""
    return App(services, addresses(), all_routes(), is_local=is_local)


class App:
    """Answers requests; whatever goes wrong becomes problem+json."""

    def __init__(
        self, services: Services, collection: Addresses, routes: Sequence[Route], *, is_local: bool
    ) -> None:
        self._services = services
        self._is_local = is_local
        self._addresses = collection
        self._collection = Collection(services, is_local=is_local, refused=self._note_refusal)
        self._routes = Routes(routes, collection.methods)
        self._peers = Peers(services.settings.trusted_proxies)
        self._requests = services.metrics.counter(
            "tallymark_requests_total", "Requests answered.", ("route", "method", "status")
        )
        self._seconds = services.metrics.histogram(
            "tallymark_request_seconds", "Time from head to answer.", "route"
        )
        self._refused = services.metrics.counter(
            "tallymark_problems_total", "Requests answered with a problem.", ("code",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        began = self._services.clock.monotonic()
        found = self._addresses.find(scope)
        if found is not None:
            route = found.route
            status = await self._collect(found, scope, receive, send)
        else:
            route, status = await self._other(scope, receive, send)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.add(1, route, method, str(status))
        self._seconds.observe(self._services.clock.monotonic() - began, route)

    async def _collect(self, found: Found, scope: Scope, receive: Receive, send: Send) -> int:
        headers = header_map(scope["headers"])
        try:
            reply = await self._collection.take(found, scope, receive, headers)
        except Disconnected:
            return _CLIENT_LEFT
        except Exception as error:  # noqa: BLE001 - nothing may leave a request without an answer
            response = self._problem(error, cors_headers(headers), found.protocols[0].name)
            await response(scope, receive, send)
            return response.status_code
        await send_reply(send, reply, headers)
        return reply.status

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> tuple[str, int]:
        headers = header_map(scope["headers"])
        watched = _Watched(send)
        path = "unknown"
        try:
            if scope["method"] == "OPTIONS" and self._addresses.methods(scope):
                path, response = "preflight", _preflight(headers)
            elif scope["method"] == "HEAD" and "GET" in self._addresses.methods(scope):
                # Who only looks, as checkers of links and health do, is no use.
                path, response = "looked at", Response(headers=dict(cors_headers(headers)))
            else:
                match = self._match(scope, headers)
                path = match.route.path
                known, user = await self._allowed(match, scope, headers)
                request = HttpRequest(scope, receive)
                response = await match.route.handle(
                    Call(self._services, request, match.params, known, user)
                )
                response.headers.setdefault("Cache-Control", "no-store")
                response.headers.setdefault("X-Content-Type-Options", "nosniff")
            await response(scope, receive, watched)
        except Disconnected:
            return path, _CLIENT_LEFT
        except Exception as error:
            if watched.has_started:
                # Half an answer cannot be taken back; cutting it short tells the client.
                raise
            cors = cors_headers(headers) if self._addresses.methods(scope) else ()
            # Browsers look for pages and icons that we do not have; only what is sent is missed.
            is_sent = path == "unknown" and scope["method"] == "POST"
            response = self._problem(error, cors, "" if is_sent else None)
            await response(scope, receive, send)
        return path, response.status_code

    def _match(self, scope: Scope, headers: Mapping[str, str]) -> Match:
        try:
            return self._routes.find(scope)
        except NotFound:
            # The application knows its own addresses, and says so of one that is none.
            if is_page(scope, headers):
                return Match(PAGE_ROUTE, {})
            raise

    async def _allowed(
        self, match: Match, scope: Scope, headers: Mapping[str, str]
    ) -> tuple[Known | None, User | None]:
        """Return who asks, as far as the route needs to know; raises NotAllowed."""
        route = match.route
        if route.access == "open":
            return None, None
        if self._is_local:
            refuse_secret_in_url(scope["query_string"])
            needs_project = route.access == "read"
            name = headers.get(PROJECT_HEADER)
            return (await local_known(self._services, name) if needs_project else None), None
        if route.access == "metrics" and self._may_see_metrics(scope, headers):
            return None, None
        if "authorization" not in headers and cookie_text(headers) is not None:
            return await self._user(match, scope, headers)
        text = key_text(headers, scope["query_string"])
        if token_parts(text) is not None:
            return await self._by_token(match, scope, headers, text)
        return await self._by_key(route, text), None

    async def _user(
        self, match: Match, scope: Scope, headers: Mapping[str, str]
    ) -> tuple[Known | None, User]:
        signed = await signed_in(self._services, headers)
        if signed is None:
            raise NotAllowed("Nobody is signed in, or no longer.", code="SIGNED_OUT")
        check_csrf(signed, scope["method"], headers)
        asked = Asked(match.route, match.params, scope["query_string"], headers)
        return await known_of(self._services, signed.user, asked), signed.user

    async def _by_token(
        self, match: Match, scope: Scope, headers: Mapping[str, str], text: str
    ) -> tuple[Known | None, User]:
        user = await user_by_token(self._services, match.route, text)
        asked = Asked(match.route, match.params, scope["query_string"], headers)
        return await known_of(self._services, user, asked), user

    async def _by_key(self, route: Route, text: str) -> Known:
        known = await self._services.callers.by_key(text)
        if route.access == "local":
            raise NotAllowed(
                "This is answered only over the Unix socket of the data folder.",
                code="AUTH_WRONG_KIND",
                hint="Use the `tallymark` command on the server's machine.",
            )
        if known.caller.kind == "public":
            raise NotAllowed("A public key only sends events.", code="AUTH_WRONG_KIND")
        return known

    def _may_see_metrics(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        is_public = self._services.settings.metrics_public
        return is_public or self._peers.is_this_machine(scope, headers)

    def _note_refusal(self, protocol: str, code: str) -> None:
        self._refused.add(1, code)
        self._services.doorkeeper.note(protocol, code)

    def _problem(
        self, error: Exception, headers: Sequence[tuple[str, str]], protocol: str | None
    ) -> Response:
        request_id = new_id(self._services.clock.now())
        if isinstance(error, TallymarkError):
            told = error
        else:
            told = bug()
            self._services.logger.bug("unexpected failure", error, request_id=request_id)
        if protocol is None:
            self._refused.add(1, told.code)
        else:
            self._note_refusal(protocol, told.code)
        if isinstance(error, NotThisWay):
            headers = (*headers, ("Allow", error.allow))
        return problem_response(
            told,
            request_id,
            retry_after_seconds=self._services.settings.retry_after_seconds,
            headers=headers,
        )


# Not sent to anybody; nginx uses the same number in its logs.
_CLIENT_LEFT = 499
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


class _Watched:
    """A ``send`` that knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        self.has_started = True
        await self._send(message)


def _preflight(headers: Mapping[str, str]) -> Response:
    response = Response(status_code=204)
    for name, value in preflight_headers(headers):
        response.headers[name] = value
    return response
