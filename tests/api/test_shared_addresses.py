"""Addresses that several tools claim: what a request holds says whose it is (no client is told to move)."""

import json
from typing import Any

import pytest
from msgspec import structs

from tallymark.api.addresses import addresses
from tallymark.collect.protocol import Protocol, Request
from tallymark.core.settings import Settings

TABLE = addresses()
SEGMENT = {"type": "track", "event": "a", "writeKey": "k", "messageId": "m"}
POSTHOG = {"api_key": "k", "batch": [{"event": "a", "distinct_id": "u"}]}
AMPLITUDE = {"api_key": "k", "events": [{"event_type": "a", "user_id": "u"}]}
MIXPANEL = {"event": "a", "properties": {"token": "k", "distinct_id": "u"}}
PROFILE = {"$token": "k", "$distinct_id": "u", "$set": {"a": 1}}


def whose(method: str, path: str, body: Any = None, query: str = "") -> str:
    found = TABLE.find({"method": method, "path": path, "raw_path": path.encode()})
    assert found is not None, f"{method} {path} is nobody's"
    if found.endpoint is not None:
        return f"{found.protocols[0].name} endpoint"
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body else b""
    request = Request(method, path, query, {}, raw, None, 0)
    first = found.protocols[0]
    assert first.open is not None
    opened = structs.replace(request, content=first.open(request, Settings()))
    claiming: list[Protocol] = [one for one in found.protocols if one.claims(opened)]
    assert len(claiming) <= 1 or len(found.protocols) == 1, [one.name for one in claiming]
    return (claiming or [first])[0].name


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/batch", POSTHOG, "posthog"),
        ("POST", "/batch", AMPLITUDE, "amplitude"),
        ("POST", "/track", MIXPANEL, "mixpanel"),
        ("POST", "/track", [MIXPANEL], "mixpanel"),
        ("POST", "/track", "data=" + json.dumps(MIXPANEL), "mixpanel"),
        ("POST", "/track", {"api_key": "k", "event": "a", "distinct_id": "u"}, "posthog"),
        ("POST", "/track", POSTHOG, "posthog"),
        # Nothing here is only Mixpanel's, but PostHog's clients would say more beside the event.
        ("POST", "/track", [{"event": "a", "properties": {"token": "k"}}], "mixpanel"),
        ("POST", "/track", [{"event": "a", "uuid": "1", "properties": {"token": "k"}}], "posthog"),
        ("POST", "/track", [{"event": "a", "distinct_id": "u", "properties": {"token": "k"}}], "posthog"),
        ("POST", "/track", {"token": "k", "event": "a", "properties": {}}, "posthog"),
        ("POST", "/engage", PROFILE, "mixpanel"),
        ("POST", "/engage", [PROFILE], "mixpanel"),
        ("POST", "/engage", POSTHOG, "posthog"),
        ("POST", "/e", POSTHOG, "posthog"),
        ("POST", "/i/v0/e", POSTHOG, "posthog"),
        ("POST", "/i", SEGMENT, "segment"),
        ("GET", "/i", None, "snowplow"),
        ("POST", "/s", {**SEGMENT, "type": "screen"}, "segment"),
        ("POST", "/s", {"token": "k", "event": "$snapshot", "properties": {}}, "posthog"),
        ("POST", "/identify", "api_key=k&identification=[]", "amplitude"),
        ("POST", "/v1/identify", {**SEGMENT, "type": "identify"}, "segment"),
        ("POST", "/v1/batch", {"batch": [SEGMENT], "writeKey": "k"}, "segment"),
        ("POST", "/flags", None, "posthog endpoint"),
        ("GET", "/flags", None, "mixpanel endpoint"),
        ("POST", "/decide", None, "posthog endpoint"),
        ("GET", "/decide", None, "mixpanel endpoint"),
        ("POST", "/api/v1/events", None, "cloudevents"),
        ("POST", "/api/event", {"n": "pageview", "u": "https://x/", "d": "x"}, "plausible"),
        ("POST", "/api/send", {"type": "event", "payload": {"website": "w"}}, "umami"),
        ("POST", "/v1/traces", None, "otlp"),
        ("POST", "/v1/t", SEGMENT, "segment"),
    ],
)  # fmt: skip
def test_each_request_at_a_shared_address_finds_its_protocol(
    method: str, path: str, body: Any, expected: str, slash: str
) -> None:
    assert whose(method, path + slash, body) == expected


@pytest.mark.parametrize("name", sorted({p for _, p in TABLE.declared() if "{" not in p}))
def test_no_address_redirects_or_leads_to_another_with_a_slash(name: str) -> None:
    for method in ("GET", "POST"):
        one = TABLE.find({"method": method, "path": name, "raw_path": name.encode()})
        other_path = name.rstrip("/") + "/"
        other = TABLE.find({"method": method, "path": other_path, "raw_path": other_path.encode()})

        assert one == other
