"""Clients of page counters over HTTP: sites in place of keys, and secrets where proxies would keep them."""

from urllib.parse import urlencode

import msgspec
import pytest

from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

from .harness import Harness, stored_events

VIEW = {"n": "pageview", "u": "https://shop.example/", "d": "shop.example"}
ORIGIN = {"Origin": "https://shop.example"}


def register(server: Harness, project: str, protocol: str, *names: str) -> None:
    for name in names:
        site = {"protocol": protocol, "name": name}
        assert server.local("POST", f"/tm/v1/projects/{project}/sites", site).status == 201


def plausible(server: Harness, sites: str) -> int:
    return server.request("POST", "/api/event", msgspec.json.encode({**VIEW, "d": sites})).status


def names(server: Harness, project: str) -> list[str]:
    return [event.name for event in stored_events(server.data, project)]


def test_a_list_of_domains_counts_once_in_each_of_their_projects(server: Harness) -> None:
    register(server, "shop", "plausible", "shop.example", "www.shop.example")
    register(server, "other", "plausible", "all.example")

    status = plausible(server, "shop.example, www.shop.example,all.example,unknown.example")

    assert status == 202
    assert names(server, "shop") == names(server, "other") == ["page_view"]


def test_a_list_of_domains_that_nobody_registered_is_refused(server: Harness) -> None:
    assert plausible(server, "a.example,b.example") == 400
    assert plausible(server, "") == 400
    assert plausible(server, ",".join(f"{n}.example" for n in range(50))) == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/matomo.php?" + urlencode({"idsite": "KEY", "rec": "1", "url": "https://a.example/"}), None),
        ("POST", "/matomo.php", {"requests": ["?idsite=KEY&rec=1&url=https://a.example/"]}),
        ("GET", "/i?e=pv&aid=KEY&eid=e-1", None),
        ("POST", "/com.snowplowanalytics.snowplow/tp2", {"data": [{"e": "pv", "aid": "KEY"}]}),
        ("POST", "/snowplow/com.acme/v1", {"data": [{"e": "pv", "aid": "KEY"}]}),
        ("POST", "/api/event", {**VIEW, "d": "KEY"}),
        ("POST", "/api/send", {"type": "event", "payload": {"website": "KEY", "url": "/"}}),
        ("POST", "/api/batch", [{"type": "event", "payload": {"website": "KEY", "url": "/"}}]),
    ],
)  # fmt: skip
def test_a_public_key_in_place_of_a_site_sends(
    shared: Harness, method: str, path: str, body: object
) -> None:
    before = len(shared.stored())
    key = shared.keys["public"]
    raw = None if body is None else msgspec.json.encode(body).replace(b"KEY", key.encode())

    answer = shared.request(method, path.replace("KEY", key), raw, headers=ORIGIN)

    assert answer.status in (200, 202)
    assert len(shared.stored()) == before + 1
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/matomo.php?idsite=1&rec=1", None, 401),
        ("POST", "/matomo.php", {"requests": ["?idsite=1&rec=1"]}, 401),
        ("GET", "/i?e=pv&aid=nobody", None, 401),
        ("GET", "/i?e=pv", None, 401),
        ("POST", "/com.snowplowanalytics.snowplow/tp2", {"data": [{"e": "pv", "aid": "x"}]}, 401),
        ("POST", "/api/event", {**VIEW, "d": "nobody.example"}, 400),
        ("POST", "/api/send", {"type": "event", "payload": {"website": "nobody"}}, 400),
    ],
)  # fmt: skip
def test_a_site_that_nobody_registered_sends_nothing(
    shared: Harness, method: str, path: str, body: object, status: int
) -> None:
    before = len(shared.stored())

    answer = shared.request(method, path, None if body is None else msgspec.json.encode(body))

    assert answer.status == status
    assert len(shared.stored()) == before


def test_a_secret_token_counts_in_the_body_and_is_refused_in_the_address(shared: Harness) -> None:
    old = {"rec": "1", "idsite": "7", "url": "https://a.example/old", "cdt": "2026-01-02 03:04:05"}
    token = {"token_auth": shared.keys["secret"]}
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    told = shared.request("POST", "/matomo.php", urlencode(old | token).encode(), headers=form)
    shown = shared.request("GET", f"/matomo.php?{urlencode(old | token)}")
    both = shared.request("POST", f"/matomo.php?{urlencode(token)}", urlencode(old).encode())

    (event,) = [e for e in stored_events(shared.data, "shop") if e.context.page_url == old["url"]]
    assert (told.status, shown.status, both.status) == (200, 400, 400)
    assert event.time == 1_767_323_045_000_000
    assert shared.keys["secret"] not in shared.logged.getvalue()


def test_nothing_of_a_bulk_that_is_refused_as_a_whole_is_kept(shared: Harness) -> None:
    hit = "?idsite=7&rec=1&url=https://a.example/?mail=ana@a.example&cip=198.51.100.7"
    body = {"token_auth": shared.keys["secret"], "requests": [hit] * 10_001}

    answer = shared.request("POST", "/matomo.php", msgspec.json.encode(body))

    log = SqliteLog(shared.data / "projects" / "shop" / "log.db", readonly=True)
    try:
        records = log.read(0, max_bytes=1 << 30, max_items=1 << 30)
        failed = [item for record in records for item in decode_batch(record).failed]
    finally:
        log.close()
    assert answer.status == 413
    assert [(item.code, item.raw) for item in failed] == [("BATCH_TOO_LONG", b"")]


def test_a_page_may_send_the_token_of_umami_and_the_header_of_snowplow(shared: Harness) -> None:
    for path, header in (
        ("/api/send", "content-type,x-umami-cache"),
        ("/com.snowplowanalytics.snowplow/tp2", "content-type,sp-anonymous"),
        ("/snowplow/com.acme/v1", "content-type"),
        ("/api/event", "content-type"),
    ):
        asked = {**ORIGIN, "Access-Control-Request-Headers": header}
        answer = shared.request("OPTIONS", path, headers=asked)

        assert answer.status == 204
        assert answer.headers["access-control-allow-headers"] == header


def test_no_redirect_is_followed_and_health_needs_no_key(shared: Harness) -> None:
    redirect = shared.request("GET", "/r/tp2?u=https://evil.example/")
    health = shared.request("GET", "/health")

    assert (redirect.status, "location" in redirect.headers) == (400, False)
    assert (health.status, health.body) == (200, b"ok")
