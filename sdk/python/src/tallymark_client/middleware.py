"""Counts the requests that a web application answers: by route template, never by address.

An address holds ids and names, and each would be a value of its own. Where a framework does not say
which route it chose, the route is ``(unknown)``; ``route`` may be given to say it.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from decimal import Decimal
from typing import (
    Any,
)

from .client import Client

NAME = "http_request"
UNKNOWN = "(unknown)"

Scope = MutableMapping[str, Any]
Route = Callable[[Mapping[str, Any]], str | None]
Who = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class AsgiMiddleware:
    """Counts the requests of an ASGI application, such as Starlette or FastAPI.

    ``who`` may tell from the scope who asked: a mapping with ``user_id`` or ``account``.
    """

    def __init__(
        self, app: Callable[..., Awaitable[None]], client: Client, *, name: str = NAME,
        route: Route | None = None, who: Who | None = None,
    ) -> None:  # fmt: skip
        self._app, self._counter = app, _Counter(client, name, who)
        self._route = route or asgi_route

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Pass on; count once the application is done."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def watched(message: Mapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._counter.count(scope, scope["method"], self._route(scope), status, began)


class WsgiMiddleware:
    """Counts the requests of a WSGI application, such as Flask or Django, once their answer was sent."""

    def __init__(
        self, app: Callable[..., Iterable[bytes]], client: Client, *, name: str = NAME,
        route: Route | None = None, who: Who | None = None,
    ) -> None:  # fmt: skip
        self._app, self._counter = app, _Counter(client, name, who)
        self._route = route or wsgi_route

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass on; count once the answer is complete."""
        began, status = time.perf_counter(), 500

        def watched(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal status
            status = int(line.split(" ", 1)[0])
            return start_response(line, headers, *rest)

        def done() -> None:
            self._counter.count(
                environ, environ["REQUEST_METHOD"], self._route(environ), status, began
            )

        try:
            answer = self._app(environ, watched)
        except BaseException:
            done()
            raise
        return _Counted(answer, done)


class _Counted:
    """An answer that tells when it was sent, or given up."""

    def __init__(self, answer: Iterable[bytes], done: Callable[[], None]) -> None:
        self._answer, self._pieces, self._done = answer, iter(answer), done

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        close = getattr(self._answer, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._done()


def asgi_route(scope: Mapping[str, Any]) -> str | None:
    """Return the template of the route that Starlette or FastAPI chose, None if it is not known."""
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        return str(scope.get("root_path") or "") + str(path)
    return (
        _template(str(scope.get("path", "")), scope.get("path_params"))
        if "endpoint" in scope
        else None
    )


def wsgi_route(environ: Mapping[str, Any]) -> str | None:
    """Return the template of the route that Flask or Django chose, None if it is not known."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    if rule is not None:
        return str(rule.rule)
    named = environ.get("wsgi.route") or environ.get("bottle.route")
    return None if named is None else str(getattr(named, "rule", named))


def _template(path: str, params: Mapping[str, Any] | None) -> str:
    """Return a path with its parameters named, as Starlette's scope tells them apart."""
    segments = path.split("/")
    for name, value in (params or {}).items():
        segments = [f"{{{name}}}" if one == str(value) else one for one in segments]
    return "/".join(segments)


class _Counter:
    """Counts requests under one name."""

    def __init__(self, client: Client, name: str, who: Who | None) -> None:
        self._client, self._name, self._who = client, name, who

    def count(
        self, request: Mapping[str, Any], method: str, route: str | None, status: int, began: float
    ) -> None:
        """Count one request; nothing that counts may break what is counted."""
        took = Decimal(round((time.perf_counter() - began) * 1_000_000)) / 1_000
        properties = {
            "route": route or UNKNOWN, "method": method, "status": status,
            "status_class": f"{status // 100}xx", "duration_ms": took,
        }  # fmt: skip
        try:
            who = dict(self._who(request)) if self._who else {}
            self._client.track(self._name, properties=properties, **who)
        except Exception as error:  # noqa: BLE001 - whatever ``who`` does
            self._client.tell(f"a request was not counted: {error!r}")
