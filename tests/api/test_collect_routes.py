"""Collection over HTTP: keys, cross-origin pages, bodies of every size."""

import gzip
import socket
import time

import msgspec
import pytest

from tallymark.core.errors import Unavailable
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

from .harness import Harness, read_all

ORIGIN = {"Origin": "https://shop.example"}


def event(event_id: str) -> bytes:
    return msgspec.json.encode({"name": "signup", "id": event_id, "user_id": "u1"})


def test_an_event_sent_with_a_public_key_is_durable_when_it_is_answered(shared: Harness) -> None:
    answer = shared.request("POST", "/tm/v1/events", event("a1"), key="public")

    assert answer.status == 202
    assert answer.json()["accepted"] == 1
    assert "a1" in shared.stored()


@pytest.mark.parametrize("path", ["/tm/v1/events/", "/tm/v1/events?x=1"])
def test_a_slash_or_a_query_at_the_end_changes_nothing(shared: Harness, path: str) -> None:
    assert shared.request("POST", path, event(f"s{len(path)}"), key="secret").status == 202


def test_the_key_may_be_the_user_name_of_basic_authentication(shared: Harness) -> None:
    answer = shared.request("POST", "/tm/v1/events", event("b1"), headers=shared.basic("secret"))

    assert answer.status == 202


def test_a_public_key_may_stand_in_the_query(shared: Harness) -> None:
    path = f"/tm/v1/events?key={shared.keys['public']}"

    assert shared.request("POST", path, event("q1")).status == 202


@pytest.mark.parametrize("kind", ["secret", "read"])
@pytest.mark.parametrize("name", ["key", "token"])
def test_a_secret_key_in_the_url_is_refused_even_beside_a_good_one(
    shared: Harness, kind: str, name: str
) -> None:
    path = f"/tm/v1/events?{name}={shared.keys[kind]}"

    answer = shared.request("POST", path, event("never"), key="public")

    assert (answer.status, answer.json()["code"]) == (400, "AUTH_IN_URL")
    assert "never" not in shared.stored()
    assert shared.keys[kind] not in shared.logged.getvalue()


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, "AUTH_MISSING"),
        ("", 401, "AUTH_MISSING"),
        ("Bearer", 401, "AUTH_INVALID"),
        ("Bearer nonsense", 401, "AUTH_INVALID"),
        ("Basic !!!", 401, "AUTH_INVALID"),
        ("Digest username=x", 401, "AUTH_INVALID"),
        ("Bearer pk_00000000_00000000000000000000000000000000_000000", 401, "AUTH_INVALID"),
    ],
)
def test_without_a_good_key_nothing_is_taken(
    shared: Harness, authorization: str | None, status: int, code: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = shared.request("POST", "/tm/v1/events", event("no"), headers=headers)

    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "no" not in shared.stored()


def test_a_read_key_cannot_send(shared: Harness) -> None:
    answer = shared.request("POST", "/tm/v1/events", event("no"), key="read")

    assert (answer.status, answer.json()["code"]) == (403, "AUTH_WRONG_KIND")


def test_a_browser_may_ask_before_it_sends(shared: Harness) -> None:
    wanted = {**ORIGIN, "Access-Control-Request-Headers": "authorization,x-retry-count"}

    answer = shared.request("OPTIONS", "/tm/v1/events", headers=wanted)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "authorization,x-retry-count"
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(("key", "status"), [("public", 202), (None, 401)])
def test_a_page_can_read_its_answer_good_or_bad(
    shared: Harness, key: str | None, status: int
) -> None:
    answer = shared.request("POST", "/tm/v1/events", event(f"c{status}"), key=key, headers=ORIGIN)

    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert answer.headers["vary"] == "Origin"


def test_a_question_is_not_readable_from_another_page(shared: Harness) -> None:
    answer = shared.request("GET", "/tm/v1/status", key="read", headers=ORIGIN)

    assert "access-control-allow-origin" not in answer.headers


def test_a_cookie_is_no_key(shared: Harness) -> None:
    cookie = {
        "Cookie": f"key={shared.keys['secret']}; Authorization=Bearer {shared.keys['secret']}"
    }

    assert shared.request("POST", "/tm/v1/events", event("no"), headers=cookie).status == 401


def test_another_method_is_told_which_are_answered(shared: Harness) -> None:
    answer = shared.request("GET", "/tm/v1/events", key="secret")

    assert (answer.status, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "OPTIONS, POST"


def test_over_the_socket_of_the_folder_no_key_is_needed(shared: Harness) -> None:
    answer = shared.local("POST", "/tm/v1/events", {"name": "x", "id": "l1"}, project="other")

    assert answer.status == 202
    assert shared.stored("other") == ["l1"]


def test_over_the_socket_an_unknown_project_is_named(shared: Harness) -> None:
    answer = shared.local("POST", "/tm/v1/events", {"name": "x"}, project="nope")

    assert (answer.status, answer.json()["code"]) == (404, "PROJECT_UNKNOWN")


def test_a_body_of_20_mb_is_refused_before_it_is_read(shared: Harness) -> None:
    head = (
        f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.keys['secret']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 20971520\r\n\r\n"
    ).encode()

    with shared.open() as sock:
        sock.sendall(head)
        answer = sock.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"BODY_TOO_LARGE" in answer


def test_a_body_over_the_limit_is_counted_as_rejected(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Harness(tmp_path_factory.mktemp("d"), max_body_bytes=1_000) as server:
        answer = server.request("POST", "/tm/v1/events", b" " * 1_001, key="secret")

        log = SqliteLog(server.data / "projects" / "shop" / "log.db", readonly=True)
        (batch,) = [decode_batch(one) for one in log.read(0, max_bytes=1 << 30, max_items=9)]
        log.close()

    assert answer.status == 413
    assert (batch.received, [one.code for one in batch.failed]) == (1, ["BODY_TOO_LARGE"])


def test_a_refused_body_still_being_sent_does_not_hide_the_answer(shared: Harness) -> None:
    answer = shared.request("POST", "/tm/v1/events", b"x" * 20_971_520, key="secret")

    assert (answer.status, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_a_body_without_a_stated_length_is_stopped_at_the_limit(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Harness(tmp_path_factory.mktemp("d"), max_body_bytes=100_000) as server:
        head = (
            f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.keys['secret']}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        ).encode()
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"

        with server.open() as sock:
            sock.sendall(head + chunk * 4)
            answer = sock.recv(65536)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert server.stored() == []


def test_a_chunked_body_is_taken_whole(shared: Harness) -> None:
    body = event("chunked")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    request = (
        f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.keys['secret']}\r\n"
        "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()

    answer = shared.raw(request + chunks + b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 202 ")
    assert "chunked" in shared.stored()


def test_of_a_request_cut_off_half_way_nothing_is_stored(shared: Harness) -> None:
    body = b"[" + b",".join(event(f"cut{n}") for n in range(100)) + b"]"
    head = (
        f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.keys['secret']}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()

    for stop in (0, 1, len(body) // 2, len(body) - 1):
        with shared.open() as sock:
            sock.sendall(head + body[:stop])
    shared.request("POST", "/tm/v1/events", event("after-cut"), key="secret")

    stored = shared.stored()
    assert "after-cut" in stored
    assert not [one for one in stored if one.startswith("cut")]


def test_two_content_encodings_are_refused(shared: Harness) -> None:
    body = gzip.compress(gzip.compress(event("twice")))
    request = (
        f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.keys['secret']}\r\n"
        "Connection: close\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()

    answer = shared.raw(request + body)

    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"UNSUPPORTED_ENCODING" in answer


def test_an_unavailable_log_is_told_with_when_to_come_again(server: Harness) -> None:
    (server.data / "projects" / "shop").rmdir()
    (server.data / "projects" / "shop").write_text("a file where the folder should be")

    answer = server.request("POST", "/tm/v1/events", event("x"), key="secret", headers=ORIGIN)

    assert (answer.status, answer.json()["code"]) == (503, "STORAGE_PRESSURE")
    assert int(answer.headers["retry-after"]) >= 1
    assert str(server.data) not in answer.body.decode()


def test_half_read_bodies_share_a_bounded_room(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Harness(tmp_path_factory.mktemp("d"), log_queue_bytes=100_000) as server:
        head = (
            f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.keys['secret']}\r\n"
            "Content-Length: 90000\r\n\r\n"
        ).encode()
        first, second = server.open(), server.open()
        first.sendall(head + b" " * 80_000)
        time.sleep(0.2)

        second.sendall(head + b" " * 80_000)
        answer = second.recv(65536)
        first.close()
        second.close()
        time.sleep(0.2)
        afterwards = server.request("POST", "/tm/v1/events", event("x"), key="secret")

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert afterwards.status == 202


def test_pipelined_requests_are_answered_in_order(shared: Harness) -> None:
    def request(event_id: str, *, last: bool) -> bytes:
        body = event(event_id)
        end = "Connection: close\r\n" if last else ""
        return (
            f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.keys['secret']}\r\n"
            f"{end}Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    answer = shared.raw(b"".join(request(f"p{n}", last=n == 19) for n in range(20)))

    assert answer.count(b"HTTP/1.1 202 ") == 20
    assert [one for one in shared.stored() if one[0] == "p"] == [f"p{n}" for n in range(20)]


def test_a_bug_is_told_as_nothing_but_a_bug(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.store.error = ValueError("secret@example.com SELECT * FROM event /srv/data")

    answer = server.request("GET", "/tm/v1/status", key="read")

    assert (answer.status, answer.json()["code"]) == (500, "INTERNAL")
    for word in ("secret@", "SELECT", "/srv", "ValueError", "Traceback"):
        assert word not in answer.body.decode()
    line = msgspec.json.decode(server.logged.getvalue())
    assert line["error"] == "ValueError"
    assert line["request_id"] == answer.json()["request_id"]
    assert any("harness.py" in place for place in line["at"])
    assert "secret@" not in server.logged.getvalue()


def test_an_expected_failure_of_the_store_is_passed_on(server: Harness) -> None:
    server.store.error = Unavailable("The store is away.", code="STORE_AWAY", retry_after_seconds=2)

    answer = server.request("POST", "/tm/v1/ask/trends", b"{}", key="read")

    assert (answer.status, answer.json()["code"]) == (503, "STORE_AWAY")
    assert answer.headers["retry-after"] == "2"
    assert server.request("POST", "/tm/v1/events", event("on"), key="public").status == 202


def test_a_client_that_hangs_up_before_its_answer_does_no_harm(shared: Harness) -> None:
    body = event("hung-up")
    request = (
        f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.keys['secret']}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body

    with shared.open() as sock:
        sock.sendall(request)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert shared.request("GET", "/healthz").status == 200


def test_an_old_client_sees_its_connection_closed_after_the_answer(shared: Harness) -> None:
    with shared.open() as sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")

        assert read_all(sock).startswith(b"HTTP/1.1 200 OK")
