"""What every client meets over HTTP, whichever protocol it speaks: its key, its body, its page, trouble."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import brotli
import pytest
from backports import zstd
from msgspec import Struct

from tallymark.collect.protocol import Protocol
from tallymark.core.registry import discover
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

from .harness import Answer, Harness

ORIGIN = "https://shop.example"
BIG = 20_000
_MESSAGE = {"type": "track", "event": "E", "userId": "u", "messageId": "m"}
_CAPTURED = {"event": "E", "uuid": "01a21497-bc70-70b0-aad0-4be88550d22c", "distinct_id": "u"}
_TRACKED = {"event": "E", "properties": {"token": "KEY", "distinct_id": "u", "$insert_id": "i"}}
_LOGGED = {"event_type": "E", "user_id": "u", "insert_id": "i"}
_SPAN = {"traceId": "c0", "spanId": "d0", "name": "E", "endTimeUnixNano": "1790000000000000000"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class Sent(Struct, frozen=True):
    """One request as a client sends it; ``KEY`` stands for its key, wherever that is.

    ``no_key``, ``no_body`` and ``too_large`` are the answers that make this client stop; ``taken`` is
    the one that it takes for a success.
    """

    protocol: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = {}
    taken: int = 200
    no_key: int = 401
    too_large: int = 413
    packed: bool = False
    in_url: bool = False
    only_secret: bool = False


def _json(value: Any) -> str:
    return json.dumps(value)


SENT: dict[str, Sent] = {
    "segment server": Sent(
        "segment", "POST", "/v1/batch", {"batch": [_MESSAGE]}, {"authorization": "Basic KEY:"}
    ),
    "segment browser": Sent(
        "segment", "POST", "/v1/t", {**_MESSAGE, "writeKey": "KEY"}, {"content-type": "text/plain"}
    ),
    "rudderstack beacon": Sent(
        "segment", "POST", "/beacon/v1/batch?writeKey=KEY", {"batch": [_MESSAGE]}, in_url=True
    ),
    "posthog": Sent(
        "posthog", "POST", "/e/?ip=0&_=1&ver=1", {"api_key": "KEY", "batch": [_CAPTURED]}
    ),
    "posthog beacon": Sent(
        "posthog", "POST", "/e/?compression=base64&beacon=1",
        {"api_key": "KEY", "batch": [_CAPTURED]}, _FORM, packed=True,
    ),
    "posthog v1": Sent(
        "posthog", "POST", "/i/v1/analytics/events", {"batch": [_CAPTURED]},
        {"authorization": "Bearer KEY"},
    ),
    "mixpanel browser": Sent(
        "mixpanel", "POST", "/track/?verbose=1&ip=1", [_TRACKED], _FORM, packed=True
    ),
    "mixpanel profile": Sent(
        "mixpanel", "POST", "/engage?verbose=1",
        [{"$token": "KEY", "$distinct_id": "u", "$set": {"a": 1}}], _FORM, packed=True,
    ),
    "mixpanel import": Sent(
        "mixpanel", "POST", "/import?strict=1",
        [{"event": "E", "properties": {"distinct_id": "u", "$insert_id": "i", "time": 1790000000}}],
        {"authorization": "Basic KEY:"}, only_secret=True,
    ),
    "amplitude": Sent(
        "amplitude", "POST", "/2/httpapi", {"api_key": "KEY", "events": [_LOGGED]}, no_key=400
    ),
    "amplitude beacon": Sent(
        "amplitude", "POST", "/batch", {"api_key": "KEY", "events": [_LOGGED]},
        {"content-type": "text/plain;charset=UTF-8"}, no_key=400,
    ),
    "amplitude identify": Sent(
        "amplitude", "POST", "/identify",
        "api_key=KEY&identification=" + quote(_json([{"user_id": "u", "user_properties": {"a": 1}}])),
        _FORM, no_key=400,
    ),
    "ga4 server": Sent(
        "ga4", "POST", "/mp/collect?measurement_id=G-1&api_secret=KEY",
        {"client_id": "1.2", "events": [{"name": "E"}]}, taken=204, too_large=204, in_url=True,
    ),
    "ga4 browser": Sent(
        "ga4", "POST", "/g/collect?v=2&tid=KEY&cid=1.2&_p=1&_s=1", "en=E&ep.a=1", taken=204,
        too_large=204, in_url=True,
    ),
    "cloudevents": Sent(
        "cloudevents", "POST", "/api/v1/events",
        {"specversion": "1.0", "id": "1", "source": "s", "type": "E", "subject": "c"},
        {"authorization": "Bearer KEY"}, taken=204,
    ),
    "otlp": Sent(
        "otlp", "POST", "/v1/traces",
        {"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]}, {"authorization": "Bearer KEY"},
    ),
    # Its trackers send again what got 413.
    "snowplow": Sent(
        "snowplow", "POST", "/com.snowplowanalytics.snowplow/tp2",
        {"schema": "s", "data": [{"e": "pv", "aid": "KEY", "eid": "e", "url": "https://a.example/"}]},
        too_large=400,
    ),
    "snowplow picture": Sent("snowplow", "GET", "/i?e=pv&eid=e&aid=KEY", in_url=True),
    "matomo picture": Sent("matomo", "GET", "/matomo.php?rec=1&idsite=KEY", in_url=True),
    "matomo": Sent("matomo", "POST", "/matomo.php", urlencode({"idsite": "KEY", "rec": 1}), _FORM),
    "matomo bulk": Sent("matomo", "POST", "/matomo.php", {"requests": ["?idsite=KEY&rec=1"]}),
    "plausible": Sent(
        "plausible", "POST", "/api/event", {"n": "pageview", "u": "https://a.example/", "d": "KEY"},
        {"content-type": "text/plain"}, taken=202, no_key=400, too_large=400,
    ),
    "umami": Sent(
        "umami", "POST", "/api/send", {"type": "event", "payload": {"website": "KEY", "url": "/"}},
        no_key=400, too_large=400,
    ),
    "browser": Sent(
        "browser", "POST", "/tm/v1/e", {"k": "KEY", "e": [{"n": "E", "i": "1"}]},
        {"content-type": "text/plain;charset=UTF-8"}, taken=202,
    ),
    "pixel": Sent("pixel", "GET", "/tm/v1/pixel.gif?key=KEY", in_url=True),
}  # fmt: skip
WITH_BODY = [name for name, one in SENT.items() if one.method == "POST"]
LOOKED_AT = [name for name, one in SENT.items() if one.method == "GET"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with Harness(tmp_path_factory.mktemp("d"), max_body_bytes=BIG) as harness:
        yield harness


def send(
    server: Harness,
    sent: Sent,
    key: str | None = None,
    *,
    method: str | None = None,
    path: str | None = None,
    alter: Callable[[bytes], bytes] = lambda body: body,
    **headers: str,
) -> Answer:
    """Send a request with a key of its own kind, as a page of another origin does."""
    if key is None:
        key = server.keys["secret" if sent.only_secret else "public"]
    body = None
    if sent.body is not None:
        text = sent.body if isinstance(sent.body, str) else _json(sent.body)
        text = text.replace("KEY", key)
        body = text.encode()
        if sent.packed:
            body = b"data=" + quote(base64.b64encode(body)).encode()
        body = alter(body)
    given = {"Content-Type": "application/json", "Origin": ORIGIN}
    for name, value in {**sent.headers, **headers}.items():
        named = value.replace("KEY", key)
        if named.startswith("Basic "):
            named = "Basic " + base64.b64encode(named.removeprefix("Basic ").encode()).decode()
        given[name.replace("_", "-").title()] = named
    address = (path or sent.path).replace("KEY", key)
    return server.request(method or sent.method, address, body, headers=given)


def stored(server: Harness) -> int:
    """Return how many uses, changes and failures the log holds."""
    path = server.data / "projects" / "shop" / "log.db"
    if not path.exists():
        return 0
    log = SqliteLog(path, readonly=True)
    try:
        batches = [decode_batch(one) for one in log.read(0, max_bytes=1 << 30, max_items=1 << 30)]
    finally:
        log.close()
    return sum(len(one.events) + len(one.commands) for one in batches)


def refused(server: Harness) -> list[tuple[str, str, bytes, int]]:
    """Return what was refused as a whole: protocol, code, what is kept of it, items received."""
    path = server.data / "projects" / "shop" / "log.db"
    if not path.exists():
        return []
    with closing(SqliteLog(path, readonly=True)) as log:
        batches = [decode_batch(one) for one in log.read(0, max_bytes=1 << 30, max_items=1 << 30)]
    return [
        (batch.protocol, one.code, one.raw, batch.received)
        for batch in batches
        for one in batch.failed
    ]


def assert_readable(answer: Answer) -> None:
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers


def test_every_protocol_that_others_speak_is_here() -> None:
    foreign = discover("tallymark.collect.protocols", Protocol).values()

    assert {one.protocol for one in SENT.values()} == {one.name for one in foreign if one.open}


@pytest.mark.parametrize("name", SENT)
def test_a_request_is_taken_once_from_any_page_and_at_each_of_its_addresses(
    server: Harness, name: str
) -> None:
    sent = SENT[name]
    path, _, query = sent.path.partition("?")
    bare = path.rstrip("/")
    for address in (bare, f"{bare}/", f"/{sent.protocol}{bare}", f"/{sent.protocol}{bare}/"):
        before = stored(server)

        answer = send(server, sent, path=f"{address}?{query}")

        assert (answer.status, stored(server) - before) == (sent.taken, 1), address
        assert_readable(answer)


@pytest.mark.parametrize("name", SENT)
def test_a_page_may_ask_before_it_sends_whatever_headers_its_sdk_has(
    server: Harness, name: str
) -> None:
    wanted = "authorization,content-type,anonymousid,sentat,traceparent,x-retry-count,sp-anonymous,x-umami-cache,posthog-attempt"

    answer = send(
        server, SENT[name], method="OPTIONS", access_control_request_method=SENT[name].method,
        access_control_request_headers=wanted,
    )  # fmt: skip

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == wanted
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert answer.headers["access-control-max-age"] == "86400"
    assert_readable(answer)


@pytest.mark.parametrize("name", LOOKED_AT)
def test_who_only_looks_at_a_picture_is_not_counted(server: Harness, name: str) -> None:
    before = stored(server)

    answer = send(server, SENT[name], method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert_readable(answer)
    assert stored(server) == before


@pytest.mark.parametrize("name", SENT)
def test_another_method_is_told_which_are_answered(server: Harness, name: str) -> None:
    answer = send(server, SENT[name], method="PUT")

    assert answer.status == 405
    assert SENT[name].method in answer.headers["allow"]
    assert_readable(answer)


_PACKERS: dict[str, tuple[Callable[[bytes], bytes], dict[str, str]]] = {
    "gzip": (gzip.compress, {"content_encoding": "gzip"}),
    "gzip that nothing announces": (gzip.compress, {}),
    "gzip that a proxy took off": (lambda body: body, {"content_encoding": "gzip"}),
    "deflate": (zlib.compress, {"content_encoding": "deflate"}),
    "deflate without a head": (
        lambda body: zlib.compress(body, wbits=-15), {"content_encoding": "deflate"}
    ),
    "zstd": (zstd.compress, {"content_encoding": "zstd"}),
    "brotli": (brotli.compress, {"content_encoding": "br"}),
    "gzip as a form": (gzip.compress, {"content_type": "application/x-www-form-urlencoded"}),
    "text": (lambda body: body, {"content_type": "text/plain;charset=UTF-8"}),
    "bytes": (lambda body: body, {"content_type": "application/octet-stream"}),
    "a form": (lambda body: body, {"content_type": "application/x-www-form-urlencoded"}),
    "xml": (lambda body: body, {"content_type": "application/xml"}),
    "a byte order mark": (lambda body: b"\xef\xbb\xbf" + body, {}),
}  # fmt: skip


@pytest.mark.parametrize("how", _PACKERS)
@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_is_what_it_is_whatever_its_headers_say(
    server: Harness, name: str, how: str
) -> None:
    sent = SENT[name]
    pack, headers = _PACKERS[how]
    before = stored(server)

    answer = send(server, sent, alter=pack, **headers)

    assert (answer.status, stored(server) - before) == (sent.taken, 1)


@pytest.mark.parametrize("key", ["pk_00000000_nobody", "someone", ""])
@pytest.mark.parametrize("name", SENT)
def test_without_a_good_key_a_client_is_made_to_stop_and_nothing_is_stored(
    server: Harness, name: str, key: str
) -> None:
    before = stored(server)

    answer = send(server, SENT[name], key)

    assert answer.status == SENT[name].no_key
    assert "retry-after" not in answer.headers
    assert_readable(answer)
    assert stored(server) == before


@pytest.mark.parametrize("kind", ["secret", "read"])
@pytest.mark.parametrize("name", [name for name, one in SENT.items() if one.in_url])
def test_a_secret_key_in_an_address_is_refused(server: Harness, name: str, kind: str) -> None:
    before = stored(server)

    assert send(server, SENT[name], server.keys[kind]).status == 400
    assert stored(server) == before


@pytest.mark.parametrize("name", [name for name, one in SENT.items() if not one.in_url])
def test_a_secret_key_sends_and_a_read_key_does_not(server: Harness, name: str) -> None:
    sent = SENT[name]
    before = stored(server)

    assert send(server, sent, server.keys["secret"]).status == sent.taken
    assert stored(server) == before + 1
    assert send(server, sent, server.keys["read"]).status == (400 if sent.no_key == 400 else 403)
    assert stored(server) == before + 1


def test_what_needs_a_secret_key_is_refused_to_a_public_one(server: Harness) -> None:
    before = stored(server)

    answer = send(server, SENT["mixpanel import"], server.keys["public"])

    assert (answer.status, stored(server)) == (403, before)


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_over_the_limit_makes_its_client_stop_or_send_less(
    server: Harness, name: str
) -> None:
    before = stored(server)

    answer = send(server, SENT[name], alter=lambda body: body + b" " * BIG)

    assert answer.status == SENT[name].too_large
    assert_readable(answer)
    assert stored(server) == before


# Those whose key stands in the address or a header; of the others it is in the body that is not read.
_NAMED_IN_HEAD = [
    name for name, one in SENT.items()
    if one.body is not None and ("KEY" in one.path or "KEY" in str(one.headers))
]  # fmt: skip


@pytest.mark.parametrize("name", _NAMED_IN_HEAD)
def test_a_body_over_the_limit_is_counted_where_its_head_says_whose_it_is(
    server: Harness, name: str
) -> None:
    before = refused(server)

    send(server, SENT[name], alter=lambda body: body + b" " * BIG)

    assert refused(server) == [*before, (SENT[name].protocol, "BODY_TOO_LARGE", b"", 1)]


@pytest.mark.parametrize("name", SENT)
def test_when_nothing_can_be_stored_every_client_is_asked_to_come_back(
    tmp_path: Path, name: str
) -> None:
    with Harness(tmp_path) as server:
        folder = server.data / "projects" / "shop"
        folder.rmdir()
        folder.write_text("a file where the folder should be")

        answer = send(server, SENT[name])

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert_readable(answer)
    assert str(tmp_path).encode() not in answer.body
