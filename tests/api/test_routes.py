"""Every route with every kind of key; every other address."""

import re

import msgspec
import pytest
from scripts.web import BUILT

from tallymark.api.app import all_routes
from tallymark.api.services import Route
from tallymark.core.errors import Unavailable
from tallymark.web.tracker_files import scripts

from .harness import Harness

ROUTES = all_routes()
SAMPLES = {
    "{insight}": "trends",
    "{project}": "shop",
    "{key}": "AAAAAAAA",
    "{id}": "known",
    "{kind}": "user",
    "{type}": "account",
    "{name}": "weekly",
    "{version}": scripts().version,
    "{script}": "t.js",
    "{user}": "AAAAAAAA",
    "{token}": "AAAAAAAA",
    "{tile}": "t1",
    "{file}": min(one.name for one in (BUILT / "assets").iterdir()),
}
BODIES: dict[tuple[str, str], object] = {
    ("POST", "/tm/v1/projects"): {"name": "Third"},
    ("POST", "/tm/v1/projects/{project}/keys"): {"kind": "read"},
    ("POST", "/tm/v1/projects/{project}/sites"): {"protocol": "umami", "name": "x.org"},
    ("DELETE", "/tm/v1/projects/{project}/sites"): {"protocol": "umami", "name": "x.org"},
    ("POST", "/tm/v1/backup"): {"target": "/nowhere"},
    ("PUT", "/tm/v1/projects/{project}/policy"): {"ip": "mask"},
    ("POST", "/tm/v1/projects/{project}/failed/mark"): {"where": {"code": "BAD_ID"}},
    ("POST", "/tm/v1/users"): {"email": "ana@example.org"},
    ("PUT", "/tm/v1/users/{user}"): {"is_owner": False, "projects": {}},
    ("POST", "/tm/v1/session"): {"email": "ana@example.org", "password": "x"},
    ("POST", "/tm/v1/setup"): {"token": "x", "email": "a@b", "password": "x" * 12},
    ("POST", "/tm/v1/password"): {"token": "x", "password": "x" * 12},
    ("POST", "/tm/v1/entrance"): {"token": "x"},
    ("POST", "/tm/v1/tile"): {"question": {"insight": "trends"}},
    ("POST", "/tm/v1/projects/{project}/saved"): {"name": "Weekly", "insight": "trends"},
    ("PUT", "/tm/v1/projects/{project}/saved/{id}"): {
        "name": "W",
        "insight": "trends",
        "version": 1,
    },
    ("POST", "/tm/v1/projects/{project}/dashboards"): {"name": "Wall"},
    ("PUT", "/tm/v1/projects/{project}/dashboards/{id}"): {"name": "Wall", "version": 1},
    ("POST", "/tm/v1/projects/{project}/annotations"): {"at": "2026-11-20T10:00:00Z", "text": "x"},
    ("PUT", "/tm/v1/projects/{project}/annotations/{id}"): {
        "at": "2026-11-20T10:00:00Z",
        "text": "x",
    },
    ("POST", "/tm/v1/projects/{project}/shares"): {"kind": "question", "target": "none"},
    ("POST", "/tm/v1/shared/{token}/unlock"): {"password": "x"},
}
# What there is none of, whoever asks.
MISSING = {
    ("GET", "/tm/v1/saved/{id}"): 404,
    ("GET", "/tm/v1/dashboards/{id}"): 404,
    ("GET", "/tm/v1/shared/{token}"): 404,
    ("POST", "/tm/v1/shared/{token}/unlock"): 404,
    ("POST", "/tm/v1/shared/{token}/tiles/{tile}"): 404,
    ("GET", "/share/{token}"): 404,
}
# What the owner gets over the socket, where it is not 200.
LOCAL = {
    **MISSING,
    ("PUT", "/tm/v1/projects/{project}/cohorts/{name}"): 400,
    ("DELETE", "/tm/v1/projects/{project}/cohorts/{name}"): 404,
    ("GET", "/tm/v1/projects/{project}/plan/changes"): 400,
    ("POST", "/tm/v1/projects/{project}/saved"): 201,
    ("PUT", "/tm/v1/projects/{project}/saved/{id}"): 404,
    ("DELETE", "/tm/v1/projects/{project}/saved/{id}"): 404,
    ("POST", "/tm/v1/projects/{project}/dashboards"): 201,
    ("PUT", "/tm/v1/projects/{project}/dashboards/{id}"): 404,
    ("DELETE", "/tm/v1/projects/{project}/dashboards/{id}"): 404,
    ("POST", "/tm/v1/projects/{project}/annotations"): 201,
    ("PUT", "/tm/v1/projects/{project}/annotations/{id}"): 404,
    ("DELETE", "/tm/v1/projects/{project}/annotations/{id}"): 404,
    ("POST", "/tm/v1/projects/{project}/shares"): 404,
    ("DELETE", "/tm/v1/projects/{project}/shares/{id}"): 404,
    # Tokens are somebody's, and the owner of the folder is nobody's user.
    ("GET", "/tm/v1/tokens"): 403,
    ("POST", "/tm/v1/tokens"): 403,
    ("POST", "/tm/v1/tokens/{token}/revoke"): 403,
    ("POST", "/tm/v1/projects"): 201,
    ("POST", "/tm/v1/projects/{project}/keys"): 201,
    ("POST", "/tm/v1/projects/{project}/sites"): 201,
    ("POST", "/tm/v1/ask/saved/{name}"): 404,
    ("POST", "/tm/v1/keys/{key}/revoke"): 404,
    ("POST", "/tm/v1/keys/{key}/rotate"): 404,
    ("POST", "/tm/v1/setup/link"): 201,
    ("POST", "/tm/v1/users"): 201,
    ("PUT", "/tm/v1/users/{user}"): 404,
    ("POST", "/tm/v1/users/{user}/invitation"): 404,
    ("POST", "/tm/v1/session"): 401,
    ("POST", "/tm/v1/setup"): 400,
    ("POST", "/tm/v1/password"): 400,
    ("POST", "/tm/v1/entrance"): 400,
}
# What whoever may ask for it gets: no saved question, file or user has that name.
ABSENT = {
    **MISSING,
    ("POST", "/tm/v1/ask/saved/{name}"): 404,
    ("POST", "/tm/v1/session"): 401,
    ("POST", "/tm/v1/setup"): 400,
    ("POST", "/tm/v1/password"): 400,
    ("POST", "/tm/v1/entrance"): 400,
}
STATUS = {
    "open": {None: 200, "bad": 200, "public": 200, "secret": 200, "read": 200},
    "metrics": {None: 200, "bad": 200, "public": 200, "secret": 200, "read": 200},
    "read": {None: 401, "bad": 401, "public": 403, "secret": 200, "read": 200},
    "local": {None: 401, "bad": 401, "public": 403, "secret": 403, "read": 403},
}


def address(route: Route) -> str:
    return re.sub(r"\{\w+\}", lambda found: SAMPLES[found[0]], route.path)


def body(route: Route) -> bytes:
    return msgspec.json.encode(BODIES.get((route.method, route.path), {}))


def endless(route: Route) -> bool:
    return route.media_type == "text/event-stream"


@pytest.mark.parametrize("key", [None, "bad", "public", "secret", "read"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_lets_in_whom_it_should(shared: Harness, route: Route, key: str | None) -> None:
    shared.store.events["shop"] = {"known"}
    expected = STATUS[route.access][key]
    if expected == 200:
        expected = ABSENT.get((route.method, route.path), 200)
    if endless(route) and expected == 200:
        with shared.open() as sock:
            sock.sendall(
                f"GET {route.path} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {shared.keys[key or '']}\r\n\r\n".encode()
            )
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        return

    answer = shared.request(route.method, address(route), body(route), key=key)

    assert answer.status == expected
    # What is shared is a page also where it is no more.
    if expected >= 400 and not route.path.startswith("/share/"):
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if not endless(route)],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_the_owner_may_do_everything(shared: Harness, route: Route) -> None:
    shared.store.events["shop"] = {"known"}

    answer = shared.request(
        route.method, address(route), body(route),
        headers={"Tallymark-Project": "shop"}, local=True,
    )  # fmt: skip

    assert answer.status == LOCAL.get((route.method, route.path), 200)


@pytest.mark.parametrize(
    "path",
    [
        "/tm", "/tm/v1", "/tm/v1/", "/tm/v1/nothing", "/tm/v2/events", "/favicon.ico",
        "/tm/v1/projects/:p", "/tm/v1/projects/..%2f..%2fetc", "/tm/v1/projects/%252f",
        "/tm/v1/ask", "/tm/v1/ask/", "/tm/v1/ask/trends/x", "/tm/v1/events/x", "//tm/v1/events",
        "/tm/v1//events", "/tm/v1/events;/", "/tm/v1/%65vents%00", "/TM/V1/EVENTS",
        "/tm/v1/ev\\ents", "/tm/v1/docs/../status/x", "/.git/config", "/tm/v1/%ff",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_any_other_address_is_not_there(shared: Harness, method: str, path: str) -> None:
    answer = shared.request(method, path, key="secret")

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/tm/v1/projects/:p/keys", "/tm/v1/projects/..%2fshop/keys"])
def test_a_project_is_only_ever_a_name(shared: Harness, path: str) -> None:
    answer = shared.request("GET", path, local=True)

    assert (answer.status, answer.json()["code"]) == (404, "PROJECT_UNKNOWN")


@pytest.mark.parametrize("event_id", ["..%2f..%2fetc%2fpasswd", "a%2Fb", "%27%3B--"])
def test_an_event_id_is_taken_as_it_is(shared: Harness, event_id: str) -> None:
    answer = shared.request("GET", f"/tm/v1/event/{event_id}", key="read")

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


def test_an_event_of_another_project_is_not_there(shared: Harness) -> None:
    shared.store.events["other"] = {"theirs"}

    assert shared.request("GET", "/tm/v1/event/theirs", key="secret").status == 404


def test_an_unknown_kind_of_id_is_not_there(shared: Harness) -> None:
    answer = shared.request("GET", "/tm/v1/people/person/ana", key="read")

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "given", ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00+01:00", "2026-11-22T11:00:00%2B01:00"]
)
def test_an_instant_may_be_asked_for_in_any_offset(shared: Harness, given: str) -> None:
    answer = shared.request("GET", f"/tm/v1/people/user/a%2Fb?at={given}", key="read")

    assert answer.json()["params"] == {
        "project": "shop", "kind": "user", "id": "a/b", "at": 1_795_341_600_000_000,
    }  # fmt: skip


@pytest.mark.parametrize("given", ["", "now", "2026-11-22", "2026-11-22T10:00:00", "0001-01-01T00:00:00%2B23:59"])  # fmt: skip
def test_what_is_no_instant_is_refused(shared: Harness, given: str) -> None:
    answer = shared.request("GET", f"/tm/v1/groups/account/acme?at={given}", key="read")

    assert (answer.status, answer.json()["code"]) == (400, "BAD_FIELD")


def test_a_page_of_the_people_of_a_group_is_asked_of_the_store(shared: Harness) -> None:
    path = "/tm/v1/groups/account/a%2Fb/people?at=2026-11-22T10:00:00Z&limit=5&cursor=1.2.3"

    answer = shared.request("GET", path, key="read")

    assert answer.json()["params"] == {
        "project": "shop", "type": "account", "id": "a/b", "at": 1_795_341_600_000_000,
        "cursor": "1.2.3", "limit": 5,
    }  # fmt: skip


def test_a_question_reaches_the_store_as_it_was_sent(shared: Harness) -> None:
    question = b'{"range":"30d","big":18446744073709551616.10}'

    answer = shared.request("POST", "/tm/v1/ask/trends", question, key="read")

    params = answer.json()["params"]
    # By its id it can be found among those that are being answered, and stopped.
    assert params.pop("id")
    assert params == {
        "project": "shop", "insight": "trends", "question": question.decode(), "timezone": "UTC",
        "seconds": 60, "as_of": None,
    }  # fmt: skip


def test_an_unknown_insight_is_answered_with_the_nearest_name(shared: Harness) -> None:
    answer = shared.request("POST", "/tm/v1/ask/trend", b"{}", key="read")

    assert answer.status == 404
    assert answer.json()["hint"] == "Did you mean 'trends'?"


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "limit=0", "limit=1e9", "limit=" + "9" * 5000]
)
def test_a_page_size_is_a_whole_number(shared: Harness, query: str) -> None:
    answer = shared.request("GET", f"/tm/v1/failed?{query}", key="read")

    assert (answer.status, answer.json()["path"]) == (400, "limit")


@pytest.mark.parametrize(
    ("query", "path", "hint"),
    [
        ("code=SCHEMA_TIPE", "code", "Did you mean 'SCHEMA_TYPE'?"),
        ("code=bad_id", "code", "Did you mean 'BAD_ID'?"),
        ("code=NOPE", "code", "The error codes are listed in the reference."),
        ("code=", "code", "The error codes are listed in the reference."),
        ("status=Opn", "status", "Did you mean 'open'?"),
        ("status=x", "status", "Known: open, fixed, replayed, ignored, expired."),
    ],
)
def test_what_nothing_can_have_failed_by_is_told_and_not_answered_with_nothing(
    shared: Harness, query: str, path: str, hint: str
) -> None:
    answer = shared.request("GET", f"/tm/v1/failed?{query}", key="read")

    told = answer.json()
    assert (answer.status, told["code"], told["path"]) == (400, "BAD_FIELD", path)
    assert told["hint"] == hint


@pytest.mark.parametrize("act", ["replay", "mark"])
def test_failed_events_of_an_unknown_code_are_not_acted_on(shared: Harness, act: str) -> None:
    answer = shared.local(
        "POST", f"/tm/v1/projects/shop/failed/{act}", {"where": {"code": "SCHEMA_TIPE"}}
    )

    assert (answer.status, answer.json()["hint"]) == (400, "Did you mean 'SCHEMA_TYPE'?")


def test_a_header_project_does_not_move_a_key_to_another_project(shared: Harness) -> None:
    answer = shared.request(
        "GET", "/tm/v1/status", key="read", headers={"Tallymark-Project": "other"}
    )

    assert answer.json()["params"]["project"] == "shop"


def test_head_is_answered_like_get_without_a_body(shared: Harness) -> None:
    answer = shared.request("HEAD", "/healthz")

    assert (answer.status, answer.body) == (200, b"")


def test_not_ready_says_what_is_not(server: Harness) -> None:
    assert server.request("GET", "/readyz").json() == {
        "ready": True,
        "checks": {"log": "ok", "store": "ok"},
    }

    server.checks["store"] = Unavailable("It is away.", code="STORE_AWAY")
    answer = server.request("GET", "/readyz")

    assert answer.status == 503
    assert answer.json() == {"ready": False, "checks": {"log": "ok", "store": "STORE_AWAY"}}


def test_metrics_are_hidden_from_whoever_comes_through_a_proxy(shared: Harness) -> None:
    forwarded = {"X-Forwarded-For": "127.0.0.1"}

    assert shared.request("GET", "/metrics", headers=forwarded).status == 401
    assert shared.request("GET", "/metrics", headers=forwarded, key="public").status == 403
    assert shared.request("GET", "/metrics", headers=forwarded, key="read").status == 200


def test_metrics_count_requests_by_route_and_never_by_what_was_sent(shared: Harness) -> None:
    shared.request("GET", "/tm/v1/event/canary-4711", key="read")
    shared.request("GET", "/canary-4711", key="read")

    text = shared.request("GET", "/metrics").body.decode()

    assert 'route="/tm/v1/event/{id}",method="GET",status="' in text
    assert "canary" not in text
    assert "tallymark_connections " in text


def test_a_question_whose_asker_left_is_stopped(server: Harness) -> None:
    server.store.is_slow = True
    lines = [
        "POST /tm/v1/ask/trends HTTP/1.1", "Host: x", "Content-Length: 2",
        f"Authorization: Bearer {server.keys['read']}", "", "{}",
    ]  # fmt: skip

    with server.open() as sock:
        sock.sendall("\r\n".join(lines).encode())
        assert server.store.begun.wait(5)
        assert not server.store.stopped.wait(0.2)

    assert server.store.stopped.wait(5)


def test_a_question_travels_with_the_definitions_that_hold(server: Harness) -> None:
    kept = server.catalog.definitions
    saved = {"insight": "trends", "question": {"range": "7d", "top": 3}}
    first = msgspec.json.encode({"questions": {"weekly": saved}}).decode()
    kept.push("shop", first, now=1)
    kept.push("shop", "{}", now=2)

    newest = server.request("POST", "/tm/v1/ask/trends", b"{}", key="read").json()["params"]
    old = server.request(
        "POST", "/tm/v1/ask/saved/weekly?definitions_at=1", b'{"range": "1d"}', key="read"
    ).json()["params"]
    none = server.request("POST", "/tm/v1/ask/trends?definitions_at=0", b"{}", key="read").json()
    unknown = server.request("POST", "/tm/v1/ask/trends?definitions_at=3", b"{}", key="read")
    wrong = server.request("POST", "/tm/v1/ask/trends?definitions_at=new", b"{}", key="read")
    no_object = server.request(
        "POST", "/tm/v1/ask/saved/weekly?definitions_at=1", b"[]", key="read"
    )

    assert (newest["definitions"], newest["definitions_version"]) == ("{}", 2)
    assert (old["definitions"], old["definitions_version"]) == (first, 1)
    assert (old["insight"], msgspec.json.decode(old["question"])) == ("trends", {"range": "1d", "top": 3})  # fmt: skip
    assert "definitions" not in none["params"]
    assert (unknown.status, wrong.status, no_object.status) == (404, 400, 400)


def test_every_version_of_definitions_stays_and_the_same_push_makes_none(server: Harness) -> None:
    path = "/tm/v1/projects/shop/definitions"
    body = b'{"cohorts": {"a": {"who": {"op": "did", "event": "x"}}}}'

    tried = server.request("PUT", f"{path}?dry_run=1", body, local=True).json()
    pushed = server.request("PUT", path, body, local=True).json()
    again = server.request("PUT", path, body, local=True).json()
    removed = server.request("PUT", path, b"{}", local=True).json()
    shown = server.request("GET", "/tm/v1/definitions?version=1", key="read").json()

    assert [one["version"] for one in (tried, pushed, again, removed)] == [0, 1, 1, 2]
    assert (tried["is_dry_run"], tried["changes"]) == (True, pushed["changes"])
    assert (again["changes"], removed["changes"][0]["what"]) == ([], "removed")
    assert shown["definitions"] == msgspec.json.decode(body)
    assert server.request("PUT", path, b"{", local=True).status == 400
    assert server.request("GET", "/tm/v1/definitions?version=9", key="read").status == 404
