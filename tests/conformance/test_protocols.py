"""What every wire protocol must do, whoever sends and whatever it sends.

Golden requests lie in ``tests/golden/<protocol>/<case>.json``: ``method``, ``path``, ``query``,
``headers``, ``body`` (text, JSON, or ``{"base64": …}``), ``caller`` (a kind of key), and what must
come of it: ``status``, ``reply``, ``credential``, ``events``, ``commands``, ``failed``, ``dropped``.
Of events and commands only the members that the file names are compared.
"""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tallymark.collect.batch import Origin, batch_of
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.clock import SystemClock
from tallymark.core.errors import Refused, TallymarkError, Unavailable
from tallymark.core.registry import discover
from tallymark.core.settings import Settings
from tallymark.log.codec import encode_batch

GOLDEN = Path(__file__).parent.parent / "golden"
NOW = 1_790_000_000_000_000
LIMITS = Settings(max_batch_events=200)
PROTOCOLS = {
    name: one for name, one in discover("tallymark.collect.protocols", Protocol).items() if one.open
}
CASES = sorted(path for name in PROTOCOLS for path in (GOLDEN / name).glob("*.json"))
_HEADERS = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def golden_request(case: dict[str, Any]) -> Request:
    body = case.get("body", "")
    if isinstance(body, dict) and set(body) == {"base64"}:
        raw = base64.b64decode(body["base64"])
    else:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Request(
        case.get("method", "POST"), case["path"], case.get("query", ""),
        {**_HEADERS, **case.get("headers", {})}, raw, "203.0.113.9", NOW, case.get("params", {}),
    )  # fmt: skip


def outcome(
    protocol: Protocol, request: Request, kind: Any = "public"
) -> tuple[Decoded | None, Reply]:
    """Take a request as the server does, from its bytes to the answer."""
    assert protocol.open is not None
    try:
        request = structs.replace(request, content=protocol.open(request, LIMITS))
        credential = protocol.credential(request)
        assert credential is None or isinstance(credential, str)
        assert isinstance(protocol.claims(request), bool)
        caller = Caller("p", kind, "k")
        decoded = protocol.decode(request, caller, LIMITS)
        made = batch_of(decoded, caller, Origin(protocol.name, NOW), clock=SystemClock())
        # What was accepted can be kept: it goes through the log and comes out the same.
        encode_batch(made.batch)
        return decoded, protocol.reply(decoded, request)
    except Refused as why:
        if protocol.refuse is None:
            raise
        return None, protocol.refuse(why, request)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_request_gives_what_was_recorded(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    protocol = PROTOCOLS[path.parent.name]

    decoded, reply = outcome(protocol, golden_request(case), case.get("caller", "public"))

    assert reply.status == case["status"]
    if "reply" in case:
        said = case["reply"]
        assert (reply.body.decode() if isinstance(said, str) else json.loads(reply.body)) == said
    if "credential" in case:
        request = golden_request(case)
        assert protocol.open is not None
        opened = structs.replace(request, content=protocol.open(request, LIMITS))
        assert protocol.credential(opened) == case["credential"]
    if decoded is None:
        assert "events" not in case
        return
    for member in ("events", "commands", "failed"):
        if member in case:
            got = json.loads(
                msgspec.json.Encoder(decimal_format="number").encode(getattr(decoded, member))
            )
            assert _restricted(got, case[member]) == case[member]
    if "dropped" in case:
        assert decoded.dropped == case["dropped"]


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_has_golden_requests(name: str) -> None:
    assert [path for path in CASES if path.parent.name == name]


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_trouble_is_told_in_a_way_the_clients_of_the_protocol_understand(name: str) -> None:
    protocol = PROTOCOLS[name]
    request = Request("POST", protocol.routes[0][1], "", {}, b"", None, NOW)
    troubles: list[TallymarkError] = [
        Unavailable("Full.", code="STORAGE_PRESSURE"),
        Refused("No key.", code="AUTH_INVALID"),
        Refused("Too large.", code="BODY_TOO_LARGE"),
    ]

    assert protocol.refuse is not None
    for trouble in troubles:
        reply = protocol.refuse(trouble, request)
        assert isinstance(reply.body, bytes)
        assert reply.status in (trouble.status, 200, 204, 400)
    # Whatever else it says, overload must make a client come back.
    assert protocol.refuse(troubles[0], request).status == 503


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_the_key_of_a_body_that_could_not_be_read_is_looked_for_without_a_bug(name: str) -> None:
    protocol = PROTOCOLS[name]

    for method, path in protocol.routes:
        request = Request(method, path, "a=1", _HEADERS, b"{", None, NOW)

        assert protocol.credential(request) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["u1", "$identify", "track", "2026-01-01T00:00:00Z", "1e999", "-5", "[]"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


def mutated(value: Any, draw: Any) -> Any:
    """Return a value in which somewhere something else stands."""
    if not draw(st.booleans()):
        return value
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: mutated(value[key], draw) if draw(st.booleans()) else draw(_json)}
    if isinstance(value, list) and value:
        place = draw(st.integers(0, len(value) - 1))
        return [mutated(one, draw) if n == place else one for n, one in enumerate(value)]
    return draw(_json)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@settings(max_examples=40)
@given(data=st.data())
def test_no_change_of_a_golden_request_breaks_its_decoder(path: Path, data: st.DataObject) -> None:
    case = json.loads(path.read_text("utf-8"))
    body = case.get("body", "")
    if isinstance(body, dict | list) and not (isinstance(body, dict) and set(body) == {"base64"}):
        case["body"] = mutated(body, data.draw)

    decoded, reply = outcome(
        PROTOCOLS[path.parent.name], golden_request(case), data.draw(st.sampled_from(["public", "secret"]))
    )  # fmt: skip

    assert 200 <= reply.status < 500
    if decoded is not None:
        dropped = sum(decoded.dropped.values())
        assert (
            decoded.received
            <= len(decoded.events) + len(decoded.commands) + len(decoded.failed) + dropped
        )


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@settings(max_examples=60)
@given(data=st.data())
def test_no_change_of_bytes_breaks_a_decoder(path: Path, data: st.DataObject) -> None:
    request = golden_request(json.loads(path.read_text("utf-8")))
    body, query = bytearray(request.body), request.query
    for _ in range(data.draw(st.integers(1, 6))):
        if body:
            place = data.draw(st.integers(0, len(body) - 1))
            length = data.draw(st.integers(0, 4))
            body[place : place + length] = data.draw(st.binary(max_size=5))
        if query:
            place = data.draw(st.integers(0, len(query) - 1))
            query = (
                query[:place]
                + data.draw(st.text("%=&{}[]\x00aü0", max_size=4))
                + query[place + 1 :]
            )

    _, reply = outcome(
        PROTOCOLS[path.parent.name], structs.replace(request, body=bytes(body), query=query)
    )

    assert 200 <= reply.status < 500


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@settings(max_examples=60)
@given(body=st.binary(max_size=200), query=st.text("abcdefgh%=&{}[]\x00ü0", max_size=60))
def test_no_bytes_at_all_break_a_decoder(name: str, body: bytes, query: str) -> None:
    protocol = PROTOCOLS[name]
    for method, path in protocol.routes:
        request = Request(method, path, query, _HEADERS, body, None, NOW)

        _, reply = outcome(protocol, request)

        assert 200 <= reply.status < 500


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_deep_and_odd_json_is_no_bug_of_any_decoder(name: str) -> None:
    odd = [
        b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b'{"events":NaN}', b'{"batch":[1,"x",null,[[]]]}',
        b'["\\ud800"]', b'{"batch":[{"event":"a\\u0000","properties":{"n":1e999}}]}', b"\xff\xfe{}",
        b'[{"event":"' + b"x" * 100_000 + b'"}]', b"9" * 5_000, b'{"batch":{"a":1}}', b'{"batch":"x"}',
        b'{"events":[{"n":' + b"9" * 5_000 + b"}]}",
    ]  # fmt: skip
    protocol = PROTOCOLS[name]
    for method, path in protocol.routes:
        for body in odd:
            _, reply = outcome(protocol, Request(method, path, "", _HEADERS, body, None, NOW))

            assert 200 <= reply.status < 500


def _restricted(got: Any, wanted: Any) -> Any:
    """Return of what was got only what is wanted, so that a golden file names what it is about."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        return {key: _restricted(got[key], wanted[key]) for key in wanted if key in got}
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        return [_restricted(one, other) for one, other in zip(got, wanted, strict=True)]
    return got
