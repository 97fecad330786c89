"""The stream of what is accepted and refused."""

import socket
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from .harness import Harness


class Follower:
    """Reads one stream."""

    def __init__(self, server: Harness, *headers: str, kind: str = "read") -> None:
        lines = [
            "GET /tm/v1/live HTTP/1.1", "Host: x",
            f"Authorization: Bearer {server.keys[kind]}", *headers, "", "",
        ]  # fmt: skip
        self.sock = server.open()
        self.sock.sendall("\r\n".join(lines).encode())
        self.text = b""
        self.until(b"\n\n")

    def until(self, wanted: bytes, count: int = 1) -> bytes:
        """Read until the text was seen so many times."""
        while self.text.count(wanted) < count:
            chunk = self.sock.recv(65536)
            assert chunk, self.text
            self.text += chunk
        return self.text

    def entries(self) -> list[dict[str, Any]]:
        """Return what was told so far."""
        lines = [line for line in self.text.split(b"\n") if line.startswith(b"data: ")]
        return [msgspec.json.decode(line[6:]) for line in lines]

    def last_id(self) -> int:
        """Return the id of the last entry."""
        return int([line for line in self.text.split(b"\n") if line.startswith(b"id: ")][-1][4:])

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_error: object) -> None:
        self.sock.close()


def send(server: Harness, *names: str) -> None:
    body = msgspec.json.encode([{"name": name, "id": f"{name}-id"} for name in names])
    assert server.request("POST", "/tm/v1/events", body, key="secret").status == 202


def test_an_accepted_event_is_told(server: Harness) -> None:
    with Follower(server) as follower:
        send(server, "signup", "login")
        follower.until(b"data: ")

        (entry,) = follower.entries()

    assert entry["counts"] == {"accepted": 2, "failed": 0, "dropped": 0}
    accepted = entry["accepted"]
    assert isinstance(accepted, list)
    assert [one["name"] for one in accepted] == ["signup", "login"]


def test_a_refused_event_is_told_with_its_reason(server: Harness) -> None:
    with Follower(server) as follower:
        server.request("POST", "/tm/v1/events", b'[{"name":""},{"name":"good"}]', key="secret")
        follower.until(b"data: ")

        (entry,) = follower.entries()

    failed = entry["failed"]
    assert isinstance(failed, list)
    assert failed[0]["code"] == "NAME_INVALID"


def test_a_request_too_large_to_be_read_is_told_too(server: Harness) -> None:
    with Follower(server) as follower:
        server.request("POST", "/tm/v1/events", b"x" * 11_000_000, key="secret")
        follower.until(b"data: ")

        (entry,) = follower.entries()

    assert entry["counts"] == {"accepted": 0, "failed": 1, "dropped": 0}
    assert entry["failed"] == [
        {
            "code": "BODY_TOO_LARGE",
            "message": "The body is larger than 10485760 bytes.",
            "fix": "Send smaller batches, or raise `max_body_bytes`.",
        }
    ]


def test_a_request_there_was_no_room_to_read_is_told_and_not_stored(tmp_path: Path) -> None:
    with Harness(tmp_path, log_queue_bytes=60_000) as server, Follower(server) as follower:
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        head = (
            f"POST /tm/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.keys['secret']}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        ).encode()
        with server.open() as sock:
            sock.sendall(head + chunk * 4)
            answer = sock.recv(65536)
        follower.until(b"data: ")

        (entry,) = follower.entries()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert entry["stored"] is False
    assert [one["code"] for one in entry["failed"]] == ["STORAGE_PRESSURE"]


def test_a_follower_that_comes_back_misses_nothing(server: Harness) -> None:
    with Follower(server) as follower:
        send(server, "one")
        follower.until(b"data: ")
        seen = follower.last_id()
    send(server, "two")
    send(server, "three")

    with Follower(server, f"Last-Event-ID: {seen}") as follower:
        send(server, "four")
        follower.until(b"data: ", 3)
        told = follower.text

    assert told.index(b'"two"') < told.index(b'"three"') < told.index(b'"four"')
    assert b'"one"' not in told


def test_a_new_follower_begins_now(server: Harness) -> None:
    send(server, "before")

    with Follower(server) as follower:
        send(server, "after")
        follower.until(b"data: ")

    assert b"before" not in follower.text


def test_where_it_happened_is_told_to_who_followed_and_to_who_comes_back(server: Harness) -> None:
    queries = ("", "?q=1", "?q=" + "x" * 600)
    pages = [{"url": f"https://shop.example/cart{query}"} for query in queries]
    sent = [{"name": "e", "id": str(n), "context": {"page": page}} for n, page in enumerate(pages)]

    with Follower(server) as follower:
        body = msgspec.json.encode(sent)
        assert server.request("POST", "/tm/v1/events", body, key="secret").status == 202
        follower.until(b"data: ")
    with Follower(server, "Last-Event-ID: 1") as late:
        late.until(b"data: ")

    (entry,) = follower.entries()
    assert late.entries() == [entry]
    assert [(one["host"], one["path"]) for one in entry["accepted"]] == [
        ("shop.example", "/cart")
    ] * len(queries)


def test_another_project_is_not_told(server: Harness) -> None:
    with Follower(server) as follower:
        server.local("POST", "/tm/v1/events", {"name": "theirs"}, project="other")
        send(server, "ours")
        follower.until(b"data: ")

    assert b"theirs" not in follower.text


def test_silence_is_broken_by_heartbeats(server: Harness) -> None:
    with Follower(server) as follower:
        follower.until(b": still here", 2)


def test_only_the_last_thousand_are_remembered(server: Harness) -> None:
    with Follower(server) as follower:
        send(server, "first")
        follower.until(b"data: ")
        seen = follower.last_id()
    for number in range(1100):
        server.publish("shop", f"many-{number}")
    send(server, "last")

    with Follower(server, f"Last-Event-ID: {seen}") as follower:
        follower.until(b": still here")

    assert len(follower.entries()) == 1000
    assert b'"many-100"' not in follower.text
    assert b'"many-101"' in follower.text


def test_a_follower_that_does_not_read_is_let_go_and_holds_nobody_up(server: Harness) -> None:
    with Follower(server) as sleeper:
        sleeper.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        name = "n" * 190
        for _ in range(2500):
            server.publish("shop", name)
        send(server, "still-collecting")
        deadline = time.monotonic() + 5
        while server.followers("shop") and time.monotonic() < deadline:
            time.sleep(0.05)
            sleeper.sock.recv(65536)

    assert server.followers("shop") == 0


def test_stopping_the_server_ends_the_streams(tmp_path: Path) -> None:
    with Harness(tmp_path) as server, Follower(server) as follower:
        took = server.stop()

        follower.sock.settimeout(2)
        while chunk := follower.sock.recv(65536):
            follower.text += chunk

    assert took < 3


@pytest.mark.parametrize("last", ["-1", "x", "1e3", "٣", "9" * 40])
def test_a_strange_last_id_begins_now(server: Harness, last: str) -> None:
    with Follower(server, f"Last-Event-ID: {last}".encode().decode("latin-1")) as follower:
        send(server, "now")
        follower.until(b": ")

    assert b": following" in follower.text


ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def test_what_a_robot_sent_says_how_it_is_known_to_be_one(server: Harness) -> None:
    with Follower(server) as follower:
        events = [
            {"name": "seen", "context": {"user_agent": ROBOT, "page": {"url": "https://a.example/x?y=1"}}},
            {"name": "seen"},
        ]  # fmt: skip
        server.request("POST", "/tm/v1/events", msgspec.json.encode(events), key="secret")
        follower.until(b"data: ")

        robot, person = follower.entries()[0]["accepted"]

    assert (robot["bot"], robot["browser"]) == ("user_agent", "Googlebot")
    assert (robot["host"], robot["path"]) == ("a.example", "/x")
    assert "bot" not in person


def test_what_was_counted_and_not_kept_is_told_with_the_reason(server: Harness) -> None:
    with Follower(server) as follower:
        body = b'[{"name":"seen","consent":{"measurement":"denied"}}]'
        server.request("POST", "/tm/v1/events", body, key="secret")
        follower.until(b"data: ")

        (entry,) = follower.entries()

    (drop,) = entry["dropped"]
    assert (drop["code"], drop["items"]) == ("CONSENT_DENIED", 1)
    assert drop["message"].startswith("The person said no")


def test_a_follower_that_saw_nothing_yet_misses_nothing_when_it_comes_again(
    server: Harness,
) -> None:
    with Follower(server) as first:
        place = first.last_id()
    send(server, "between")
    with Follower(server, f"Last-Event-ID: {place}") as again:
        again.until(b"data: ")

        (entry,) = again.entries()

    assert entry["accepted"][0]["name"] == "between"
