"""Requests of web applications are counted by route template, and nothing of an address is kept."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tallymark_client import AsgiMiddleware, Client, WsgiMiddleware


class Recorder(Client):
    """A client that keeps what would be sent."""

    def __init__(self, on_trouble: Callable[[str], None] | None = None) -> None:
        super().__init__(enabled=False, on_trouble=on_trouble)
        self.tracked: list[dict[str, Any]] = []

    def track(self, name: str, **fields: Any) -> str:
        self.tracked.append({"name": name, **fields})
        return ""


async def show(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["id"])


async def fail(_request: Request) -> PlainTextResponse:
    raise RuntimeError("broken")


APP = Starlette(
    routes=[
        Route("/users/{id}", show),
        Route("/fail", fail),
        Mount("/api", routes=[Route("/items/{id}", show)]),
    ]
)


def get(app: Any, path: str, **scope: Any) -> int:
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    base = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [], "http_version": "1.1", "scheme": "http", "server": ("x", 80), "root_path": "",
    }  # fmt: skip
    asyncio.run(app({**base, **scope}, receive, send))
    return status[0]


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/users/ana@example.org", "/users/{id}", 200),
        ("/api/items/42", "/api/items/{id}", 200),
        ("/nowhere/ana", "(unknown)", 404),
    ],
)
def test_a_request_is_counted_by_its_route_and_never_by_its_address(
    path: str, route: str, status: int
) -> None:
    recorder = Recorder()

    assert get(AsgiMiddleware(APP, recorder), path) == status

    (counted,) = recorder.tracked
    properties = counted["properties"]
    assert counted["name"] == "http_request"
    assert (properties["route"], properties["method"]) == (route, "GET")
    assert (properties["status"], properties["status_class"]) == (status, f"{status // 100}xx")
    assert properties["duration_ms"] >= 0
    assert "ana" not in str(counted)


def test_an_application_that_raises_is_counted_as_500_and_still_raises() -> None:
    recorder = Recorder()

    with pytest.raises(RuntimeError, match="broken"):
        get(AsgiMiddleware(APP, recorder), "/fail")

    assert recorder.tracked[0]["properties"]["status"] == 500


def test_who_asked_can_be_told_and_a_mistake_in_that_breaks_nothing() -> None:
    told: list[str] = []
    recorder = Recorder(on_trouble=told.append)

    known = AsgiMiddleware(APP, recorder, who=lambda scope: {"user_id": scope["method"]})
    broken = AsgiMiddleware(APP, recorder, who=lambda scope: {"user_id": scope["nobody"]})

    assert (get(known, "/users/1"), get(broken, "/users/1")) == (200, 200)
    assert [one.get("user_id") for one in recorder.tracked] == ["GET"]
    assert "not counted" in told[0]


def test_what_is_no_request_is_passed_on_uncounted() -> None:
    recorder = Recorder()
    seen: list[str] = []

    async def app(scope: dict[str, Any], _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(AsgiMiddleware(app, recorder)({"type": "lifespan"}, None, None))

    assert (seen, recorder.tracked) == (["lifespan"], [])


class Rule:
    rule = "/users/<id>"


class Routed:
    url_rule = Rule()


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("broken")
    environ["werkzeug.request"] = Routed()
    start_response("201 Created", [])
    return [b"a", b"b"]


def test_a_wsgi_request_is_counted_once_its_answer_is_complete() -> None:
    recorder = Recorder()
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/users/ana"}

    answer = WsgiMiddleware(wsgi, recorder)(environ, lambda *_: None)
    before = list(recorder.tracked)
    body = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]

    assert (before, body) == ([], b"ab")
    (counted,) = recorder.tracked
    assert (counted["properties"]["route"], counted["properties"]["status"]) == ("/users/<id>", 201)


def test_a_wsgi_application_that_raises_is_counted_as_500_and_still_raises() -> None:
    recorder = Recorder()

    with pytest.raises(RuntimeError, match="broken"):
        WsgiMiddleware(wsgi, recorder)(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/fail"}, lambda *_: None
        )

    assert recorder.tracked[0]["properties"]["status"] == 500
    assert recorder.tracked[0]["properties"]["route"] == "(unknown)"
