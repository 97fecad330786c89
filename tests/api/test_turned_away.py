"""Requests that no ledger knows of are counted, so that somebody can say why nothing arrives."""

from typing import Any

import msgspec
import pytest

from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

from .harness import Harness

SENT = msgspec.json.encode({"event": "a", "userId": "u1", "messageId": "m1"})
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def told(server: Harness) -> Any:
    def ask() -> dict[tuple[str, str], int]:
        answer = server.request("GET", "/tm/v1/turned-away").json()
        assert all(one["last_us"] >= answer["since_us"] for one in answer["requests"])
        return {(one["protocol"], one["code"]): one["requests"] for one in answer["requests"]}

    return ask


def sources(server: Harness) -> list[str]:
    log = SqliteLog(server.data / "projects" / "shop" / "log.db", readonly=True)
    try:
        return [decode_batch(one).source for one in log.read(0, max_bytes=1 << 20, max_items=100)]
    finally:
        log.close()


def test_requests_that_nobody_is_known_to_have_sent_are_counted_by_protocol_and_code(
    server: Harness, told: Any
) -> None:
    for _ in range(2):
        server.request("POST", "/v1/track", SENT, headers={**JSON, "Authorization": "Basic eHg6"})
    server.request("POST", "/tm/v1/events", SENT, headers=JSON)
    server.request("POST", "/nowhere", SENT, headers=JSON)
    server.request("GET", "/favicon.ico")

    assert told() == {
        ("segment", "AUTH_INVALID"): 2, ("native", "AUTH_MISSING"): 1, ("", "NOT_FOUND"): 1,
    }  # fmt: skip


def test_what_is_kept_as_failed_is_not_turned_away(server: Harness, told: Any) -> None:
    answer = server.request("POST", "/tm/v1/events", b"{broken", key="secret", headers=JSON)

    assert answer.status == 400
    assert told() == {}


@pytest.mark.parametrize(
    ("name", "source"),
    [("mqtt", "local/mqtt"), ("access-log", "local/access-log"), ("", "local"), ("A b", "local"), ("x" * 41, "local")],
)  # fmt: skip
def test_what_the_owner_follows_is_a_source_of_its_own(
    server: Harness, name: str, source: str
) -> None:
    answer = server.request(
        "POST", "/tm/v1/events", b'{"name": "a"}', local=True,
        headers={"Tallymark-Project": "shop", "Tallymark-Source": name},
    )  # fmt: skip

    assert answer.status == 202
    assert sources(server) == [source]


def test_whoever_comes_from_elsewhere_cannot_say_what_source_they_are(server: Harness) -> None:
    headers = {**JSON, "Tallymark-Source": "mqtt"}

    server.request("POST", "/tm/v1/events", b'{"name": "a"}', key="secret", headers=headers)

    (source,) = sources(server)
    assert source.startswith("sk_")
