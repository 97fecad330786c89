"""Raw clients that are slow, greedy or lie about themselves."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Harness, read_all

EVENT = b'{"name":"x","id":"g1"}'


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """A server with little patience, so that the tests are quick."""
    folder = tmp_path_factory.mktemp("data")
    bounds = {"header_seconds": 1, "max_header_bytes": 4096, "max_connections": 40}
    with Harness(folder, body_grace=1.0, **bounds) as harness:
        yield harness


def post(server: Harness, body: bytes, *extra: str, length: int | None = None) -> bytes:
    lines = [
        "POST /tm/v1/events HTTP/1.1", "Host: x",
        f"Authorization: Bearer {server.keys['secret']}",
        *extra,
    ]  # fmt: skip
    if length is not None or not extra:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def trickle(sock: socket.socket, data: bytes, *, pause: float, seconds: float) -> bytes:
    """Send a byte at a time until the server closes or the time is over; return what it said."""
    end = time.monotonic() + seconds
    sock.settimeout(pause)
    for place in range(len(data)):
        if time.monotonic() > end:
            break
        try:
            sock.sendall(data[place : place + 1])
            said = sock.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b"closed"
        return said
    return b""


def test_a_silent_connection_is_closed(strict: Harness) -> None:
    began = time.monotonic()

    with strict.open() as sock:
        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 4


def test_a_head_sent_byte_by_byte_is_closed(strict: Harness) -> None:
    with strict.open() as sock:
        answer = trickle(sock, post(strict, EVENT), pause=0.2, seconds=6)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_slow_head_after_a_good_request_is_closed_too(strict: Harness) -> None:
    with strict.open() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        first = sock.recv(65536)
        answer = trickle(sock, post(strict, EVENT), pause=0.2, seconds=6)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_connection_kept_open_between_requests_is_left_alone(strict: Harness) -> None:
    with strict.open() as sock:
        for pause in (2.5, 0):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
            time.sleep(pause)


def test_a_body_sent_byte_by_byte_is_closed_after_a_grace(strict: Harness) -> None:
    began = time.monotonic()
    with strict.open() as sock:
        sock.sendall(post(strict, b"", length=1000))
        answer = trickle(sock, b" " * 1000, pause=0.5, seconds=16)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.9 < time.monotonic() - began < 5
    assert "g1" not in strict.stored()


def test_a_slow_but_honest_upload_is_taken(tmp_path: Path) -> None:
    # Three seconds, past the one after which the rate is looked at; at 2 KB/s it may go on.
    body = b'{"name":"x","id":"slow","properties":{"pad":"' + b"x" * 6_000 + b'"}}'
    with Harness(tmp_path, body_grace=1.0) as server, server.open() as sock:
        sock.sendall(post(server, b"", length=len(body)))
        step = len(body) // 12 + 1
        for place in range(0, len(body), step):
            sock.sendall(body[place : place + step])
            time.sleep(0.25)
        answer = sock.recv(65536)

    assert answer.startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize("size", [5_000, 60_000, 2_000_000])
def test_a_large_head_is_refused(strict: Harness, size: int) -> None:
    answer = strict.raw(post(strict, EVENT, "X-Pad: " + "x" * size, length=len(EVENT)))

    # While the client is still sending, the refusal may be lost to the reset that follows it.
    assert answer.startswith(b"HTTP/1.1 431 ") or (size == 2_000_000 and answer == b"")


def test_many_small_headers_make_a_large_head(strict: Harness) -> None:
    many = "\r\n".join(f"X-{n}: y" for n in range(20_000))

    answer = strict.raw(post(strict, EVENT, many, length=len(EVENT)))

    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""


def test_a_large_head_in_parts_is_refused(strict: Harness) -> None:
    with strict.open() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Pad: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                sock.sendall(b"x" * 1000)
                time.sleep(0.02)
        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""


def test_a_long_address_counts_as_head(strict: Harness) -> None:
    answer = strict.raw(b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 22", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 22"],
        ["Content-Length: 22", "Content-Length: 23"],
        ["Content-Length: 22", "Content-Length: 22"],
        ["Content-Length: -1"],
        ["Content-Length: +22"],
        ["Content-Length: 0x16"],
        ["Content-Length: 22, 22"],
        ["Content-Length: 99999999999999999999999999"],
        ["Transfer-Encoding: chunked, identity"],
        ["Bad Header: x"],
        ["X-Bare: a\nInjected: b\x00"],
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(
    strict: Harness, headers: list[str]
) -> None:
    answer = strict.raw(post(strict, EVENT, *headers))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer
    assert "g1" not in strict.stored()


def test_bytes_beyond_the_stated_length_are_no_event(strict: Harness) -> None:
    answer = strict.raw(post(strict, EVENT + EVENT, length=5))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"JSON_SYNTAX" in answer
    assert "g1" not in strict.stored()


def test_garbage_is_refused(strict: Harness) -> None:
    assert strict.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").startswith(b"HTTP/1.1 400 ")


def test_beyond_the_cap_a_connection_is_turned_away_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    with Harness(tmp_path, max_connections=30, header_seconds=30) as server:
        with contextlib.ExitStack() as held:
            good = held.enter_context(server.open())
            good.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert good.recv(65536).startswith(b"HTTP/1.1 200 ")
            idle = [held.enter_context(server.open()) for _ in range(500)]
            idle[-1].settimeout(5)
            turned_away = read_all(idle[-1])
            good.sendall(post(server, EVENT))
            kept = good.recv(65536)
            owner = server.local("GET", "/healthz")
        time.sleep(0.3)
        afterwards = server.request("GET", "/healthz")

    assert turned_away.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in turned_away
    assert kept.startswith(b"HTTP/1.1 202 ")
    assert owner.status == 200
    assert afterwards.status == 200


def test_a_body_that_was_refused_is_not_read_for_ever(strict: Harness) -> None:
    began = time.monotonic()
    sent = 0

    with strict.open() as sock:
        sock.sendall(post(strict, b"", length=1 << 40))
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 10:
                sent += sock.send(b"x" * 65536)
                time.sleep(0.01)

    assert time.monotonic() - began < 6
    assert sent > 0


def test_websockets_are_not_served(strict: Harness) -> None:
    upgrade = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: x",
        "Sec-WebSocket-Version: 13",
    )
    lines = ["GET /tm/v1/live HTTP/1.1", "Host: x", *upgrade, "", ""]

    with strict.open() as sock:
        sock.sendall("\r\n".join(lines).encode())
        answer = sock.recv(65536)

    assert answer.startswith(b"HTTP/1.1 401 ")


def test_what_was_closed_is_counted_by_reason(strict: Harness) -> None:
    strict.raw(b"garbage\r\n\r\n")

    text = strict.request("GET", "/metrics").body.decode()

    assert 'tallymark_connections_closed_total{reason="malformed"}' in text


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(strict: Harness) -> None:
    body = b'{"name":"x","id":"expected"}'
    head = post(strict, b"", "Expect: 100-continue", length=len(body))

    with strict.open() as sock:
        sock.sendall(head)
        asked = sock.recv(65536)
        sock.sendall(body)
        answer = sock.recv(65536)

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 202 ")


def test_a_body_too_large_is_refused_instead_of_asked_for(strict: Harness) -> None:
    with strict.open() as sock:
        sock.sendall(post(strict, b"", "Expect: 100-continue", length=1 << 30))
        answer = sock.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_answer_comes_in_one_piece(strict: Harness) -> None:
    with strict.open() as sock:
        for _ in range(50):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(65536).endswith(b'{"alive":true}')


def test_an_answer_without_a_body_is_sent(strict: Harness) -> None:
    with strict.open() as sock:
        for method in (b"HEAD /healthz", b"OPTIONS /tm/v1/events", b"HEAD /healthz"):
            sock.sendall(method + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 20")
