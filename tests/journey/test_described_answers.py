"""Every answer of a real server is as its OpenAPI document says it is, member by member."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from scripts.web import BUILT
from tests.faults.answers import call
from tests.journey.described import misfits
from tests.journey.made_on_pages import about
from tests.journey.sdks import Target, target
from tests.schema.plans import CHECKOUT, plan

from tallymark.api.app import all_routes
from tallymark.api.ask_routes import insights
from tallymark.app.folders import Folders
from tallymark.schema.plan import encode_plan

TRACKER = BUILT.parent / "tracker"
PROJECT = "/tm/v1/projects/{project}"
# Asked for in this order: what is changed comes before what is looked at.
# A question is over before it could be stopped by an id here; tests/faults/test_cancelled.py stops one.
# Tokens are of whoever signed in; they have a test of their own below.
# A server is taken over before anybody else is let in.
_FIRST = [("POST", "/tm/v1/setup/link"), ("POST", "/tm/v1/setup")]
OPERATIONS = [
    *_FIRST,
    *(
        (route.method, route.path)
        for route in all_routes()
        if route.path not in ("/tm/v1/ask/{insight}", "/tm/v1/questions/{id}")
        and (route.method, route.path) not in _FIRST
        and not route.path.startswith("/tm/v1/tokens")
    ),
    *(("POST", f"/tm/v1/ask/{name}") for name in insights()),
]
PASSWORD = "correct horse battery staple"
DEFINED = {
    "cohorts": {"fans": {"who": {"op": "did", "event": "signup"}}},
    "questions": {"weekly": {"insight": "trends", "question": {"range": "7d"}}},
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/tm/v1/projects"): {"name": "Third"},
    ("POST", PROJECT + "/keys"): {"kind": "read"},
    ("POST", PROJECT + "/sites"): {"protocol": "umami", "name": "x.org"},
    ("DELETE", PROJECT + "/sites"): {"protocol": "umami", "name": "shop.example"},
    ("PUT", PROJECT + "/policy"): {"ip": "mask"},
    ("PUT", PROJECT + "/plan"): msgspec.Raw(encode_plan(plan(CHECKOUT))),
    ("POST", PROJECT + "/failed/replay"): {},
    ("POST", "/tm/v1/sql"): {"sql": "SELECT 1 AS one, 'a' AS text"},
    ("POST", "/tm/v1/explain"): {
        one: {"insight": "trends", "question": {"range": "today"}, "as_of": "1"}
        for one in ("before", "after")
    },
    ("PUT", PROJECT + "/definitions"): DEFINED,
    ("POST", "/tm/v1/ask/saved/{name}"): {"range": "1d"},
    ("POST", "/tm/v1/users"): {"email": "new@example.org"},
    ("PUT", "/tm/v1/users/{user}"): {"is_owner": False, "projects": {"default": "viewer"}},
    ("POST", PROJECT + "/failed/mark"): {"where": {"code": "NAME_INVALID"}},
} | {("POST", f"/tm/v1/ask/{name}"): insight.example for name, insight in insights().items()}
EVENTS: list[dict[str, Any]] = [
    {"name": "signup", "id": "1", "user_id": "ana", "anonymous_id": "a-1", "groups": {"account": "acme"}, "properties": {"plan": "pro", "n": 7}, "consent": {"product": "granted"}},
    {"name": "signup", "id": "1", "user_id": "ana", "anonymous_id": "a-1", "groups": {"account": "acme"}, "properties": {"plan": "pro", "n": 7}, "consent": {"product": "granted"}},
    {"name": "signup", "id": "1", "user_id": "bo"},
    {"name": "signup", "id": "2", "user_id": "undefined"},
    {"name": "", "id": "4", "properties": {"note": "\u00e9"}},
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("described")) as made:
        for event in EVENTS:
            made.send(event)
        made.wait_until_loaded()
        ask(made, "POST", f"{PROJECT}/sites", {"protocol": "umami", "name": "shop.example"})
        ask(made, "PUT", f"{PROJECT}/plan", BODIES["PUT", PROJECT + "/plan"])
        ask(made, "PUT", f"{PROJECT}/definitions", DEFINED)
        yield made


@pytest.fixture(scope="module")
def document(server: Target) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(ask(server, "GET", "/tm/v1/openapi.json")[2])
    return found


def address(server: Target, path: str) -> str:
    """Return an address of something that is there."""
    owner = "acme" if "groups" in path else "ana" if "people" in path else "1"
    # A key that was revoked can have no successor.
    key = server.keys["public" if path.endswith("/revoke") else "secret"]
    there = {
        "{project}": "default", "{key}": key.split("_")[1], "{id}": owner,
        "{kind}": "user", "{type}": "account", "{name}": "weekly",
        "{version}": json.loads((TRACKER / "manifest.json").read_text("utf-8"))["version"],
        "{script}": "t.js", "{file}": min(one.name for one in (BUILT / "assets").iterdir()),
    }  # fmt: skip
    if "{user}" in path:
        there["{user}"] = invited(server)["user"]["id"]
    return "/".join(there.get(part, part) for part in path.split("/"))


def invited(server: Target) -> dict[str, Any]:
    """Let somebody new in; return the user and the token of their link."""
    email = f"{uuid4().hex}@example.org"
    made: dict[str, Any] = msgspec.json.decode(
        ask(server, "POST", "/tm/v1/users", {"email": email})[2]
    )
    return made


def body_of(server: Target, method: str, path: str) -> Any:
    """Return a body that is taken; those about users name one who is there."""
    match method, path:
        case "POST", "/tm/v1/setup":
            link = msgspec.json.decode(ask(server, "POST", "/tm/v1/setup/link")[2])
            return {"token": link["token"], "email": "ona@example.org", "password": PASSWORD}
        case "POST", "/tm/v1/session":
            made = invited(server)
            ask(server, "POST", "/tm/v1/password", {"token": made["token"], "password": PASSWORD})
            return {"email": made["user"]["email"], "password": PASSWORD}
        case "POST", "/tm/v1/password":
            return {"token": invited(server)["token"], "password": PASSWORD}
        case "POST", "/tm/v1/entrance":
            return {"token": invited(server)["token"]}
    return BODIES.get((method, path))


def ask(server: Target, method: str, path: str, body: Any = None) -> tuple[int, str, bytes]:
    """Ask as the owner of the data folder; return status, media type and body."""
    if path == "/tm/v1/backup":
        body = {"target": str(server.data.parent / "backup")}
    connection = http.client.HTTPConnection("127.0.0.1", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(60)
    connection.sock.connect(str(Folders(Path(server.data)).front_socket))
    headers = {"Content-Type": "application/json", "Tallymark-Project": "default"}
    try:
        connection.request(
            method,
            address(server, path),
            None if body is None else msgspec.json.encode(body),
            headers,
        )
        answer = connection.getresponse()
        media = answer.headers.get_content_type()
        # A stream has no end; its beginning is enough.
        content = answer.readline() if media == "text/event-stream" else answer.read()
        return answer.status, media, content
    finally:
        connection.close()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_answer_has_exactly_what_its_description_says(
    server: Target, document: dict[str, Any], method: str, path: str
) -> None:
    def make(how: str, place: str, given: Any) -> Any:
        return msgspec.json.decode(ask(server, how, place, given)[2])

    place, given = about(make, method, path) or (path, body_of(server, method, path))
    status, media, body = ask(server, method, place, given)

    assert status in (200, 201), body
    described = document["paths"][path][method.lower()]["responses"]
    schema = described[str(status)]["content"][media]["schema"]
    assert schema
    for value in values_of(media, body):
        assert misfits(value, schema, document) == []


def test_the_answers_about_tokens_are_as_described(
    server: Target, document: dict[str, Any]
) -> None:
    made = msgspec.json.decode(
        ask(
            server,
            "POST",
            "/tm/v1/users",
            {"email": "tok@example.org", "projects": {"default": "analyst"}},
        )[2]
    )
    ask(server, "POST", "/tm/v1/password", {"token": made["token"], "password": PASSWORD})
    signed = call(
        server.port, "POST", "/tm/v1/session", {"email": "tok@example.org", "password": PASSWORD}
    )
    assert signed is not None
    cookie = {
        "Cookie": signed.headers["set-cookie"].split(";")[0],
        "X-CSRF-Token": signed.json()["csrf"],
    }

    def told(method: str, path: str, place: str, body: Any = None) -> Any:
        answer = call(server.port, method, place, body, cookie)
        assert answer is not None
        assert answer.status in (200, 201), answer.body
        described = document["paths"][path][method.lower()]["responses"][str(answer.status)]
        schema = described["content"]["application/json"]["schema"]
        assert misfits(answer.json(), schema, document) == []
        return answer.json()

    issued = told("POST", "/tm/v1/tokens", "/tm/v1/tokens", {"name": "nightly", "role": "viewer"})
    found = told("GET", "/tm/v1/tokens", "/tm/v1/tokens")
    ended = found["tokens"][0]["id"]
    told("POST", "/tm/v1/tokens/{token}/revoke", f"/tm/v1/tokens/{ended}/revoke")

    assert issued["secret"]


def values_of(media: str, body: bytes) -> list[Any]:
    """Return what an answer holds: of JSON lines each, and there must be one."""
    match media:
        case "application/json":
            return [msgspec.json.decode(body)]
        case "application/x-ndjson":
            assert body
            return [msgspec.json.decode(line) for line in body.splitlines()]
        case _:
            return [body.decode()]


def test_every_route_says_what_it_answers() -> None:
    silent = [f"{route.method} {route.path}" for route in all_routes() if route.answer is None]

    assert silent == []


def test_why_an_answer_changed_is_described_with_the_numbers_that_did(
    server: Target, document: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"series": [{"measure": "count"}], "range": "today"}
    before = msgspec.json.decode(ask(server, "POST", "/tm/v1/ask/trends", asked)[2])
    server.send({"name": "signup", "id": "later"})
    server.wait_until_loaded()
    after = msgspec.json.decode(ask(server, "POST", "/tm/v1/ask/trends", asked)[2])
    told = [
        {"insight": "trends", "question": asked, "as_of": one["provenance"]["as_of"]}
        for one in (before, after)
    ]

    status, _, body = ask(server, "POST", "/tm/v1/explain", {"before": told[0], "after": told[1]})

    found = msgspec.json.decode(body)
    assert (status, len(found["changes"]) > 0) == (200, True)
    assert misfits(found, {"$ref": "#/components/schemas/Explained"}, document) == []


@pytest.mark.parametrize("event_id", ["1", "4"])
def test_what_became_of_an_id_is_described_whether_it_counts_or_not(
    server: Target, document: dict[str, Any], event_id: str
) -> None:
    _, _, body = ask(server, "GET", f"/tm/v1/event/{event_id}")

    fate = msgspec.json.decode(body)
    assert fate["outcome"] == {"1": "counted", "4": "refused"}[event_id]
    assert ("seq" in fate) is (event_id == "1")
    assert len(fate["failed"]) == 1
    assert misfits(fate, {"$ref": "#/components/schemas/EventFate"}, document) == []


def test_a_member_that_is_missing_beside_or_of_another_type_is_noticed() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}

    assert misfits({"a": 1}, schema, {}) == []
    assert misfits({}, schema, {}) == ["$: a is missing"]
    assert misfits({"a": 1, "b": 2}, schema, {}) == ["$: b is not described"]
    assert misfits({"a": True}, schema, {}) == ["$.a: True is no ['integer']"]
