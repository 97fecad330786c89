"""The workload's events as the SDKs of other tools would send them, one request a protocol.

A request is (method, path, query, headers, body, plain): ``plain`` is the JSON, or protobuf, that is
inside whatever the protocol wraps it in, for the baseline that only decodes.
"""

import hashlib
import json
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from benchmarks import workload
from msgspec import Struct

BATCH: Final = 500
Event = dict[str, Any]


class Sent(Struct, frozen=True):
    """One request of so many events."""

    method: str
    path: str
    body: bytes
    events: int = BATCH
    query: str = ""
    headers: Mapping[str, str] = {}
    plain: bytes | None = None

    @property
    def inside(self) -> bytes:
        """What a decoder has to read at the least."""
        return self.body if self.plain is None else self.plain


# What posthog-js 1.449 tells with every event.
_BROWSER: Final[Event] = {
    "$os": "Linux", "$os_version": "6.1", "$browser": "Chrome", "$device_type": "Desktop",
    "$timezone": "Europe/Berlin", "$host": "shop.example", "$browser_version": 156,
    "$raw_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0",
    "$browser_language": "en-US", "$browser_language_prefix": "en", "$screen_height": 720,
    "$screen_width": 1280, "$viewport_height": 600, "$viewport_width": 1200, "$lib": "web",
    "$lib_version": "1.449.2", "$time": 1790000000, "utm_source": None, "utm_medium": None,
    "utm_campaign": None, "utm_content": None, "utm_term": None, "gclid": None,
    "gad_source": None, "fbclid": None, "msclkid": None, "ttclid": None, "$referrer": "$direct",
    "$referring_domain": "$direct", "token": "k", "$window_id": "01a21497-bccc-7bc5-bd51-f8b96a245024",
    "$session_id": "01a21497-bccc-7bc5-bd51-f8b84b521588", "$session_entry_host": "shop.example",
    "$session_entry_url": "https://shop.example/?utm_source=news", "$session_entry_pathname": "/",
    "$sdk_debug_retry_queue_size": 0, "$is_identified": False, "$process_person_profile": False,
    "$lib_rate_limit_remaining_tokens": 99,
}  # fmt: skip


def _events(first: int, count: int = BATCH) -> list[Event]:
    return [workload.event(number) for number in range(first, first + count)]


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _iso(event: Event) -> str:
    return f"2026-09-21T14:{event['time'] // 60_000 % 60:02d}:{event['time'] // 1000 % 60:02d}.123Z"


def _hex(number: int, size: int) -> str:
    """Return the id of a number as random as real ones: zeros look like numbers of cards."""
    return hashlib.blake2b(str(number).encode(), digest_size=size).hexdigest()


def native(first: int = 0) -> Sent:
    return Sent("POST", "/tm/v1/events", workload.body(first, BATCH))


def native_one(first: int = 0) -> Sent:
    return Sent("POST", "/tm/v1/events", workload.body(first, 1), 1)


def segment(first: int = 0) -> Sent:
    batch = [_track(e) for e in _events(first)]
    return Sent("POST", "/v1/batch", _json({"batch": batch, "writeKey": "k", "sentAt": _iso(workload.event(first))}))  # fmt: skip


def segment_one(first: int = 0) -> Sent:
    """Return what Segment's SDK for browsers sends for each use."""
    message = _track(workload.event(first))
    library = {"name": "analytics.js", "version": "npm:next-1.81.0"}
    message["context"] = {**message["context"], "library": library, "locale": "en-US"}
    return Sent("POST", "/v1/t", _json({**message, "writeKey": "k", "sentAt": message["timestamp"]}), 1)  # fmt: skip


def _track(e: Event) -> Event:
    return {
        "type": "track", "event": e["name"], "messageId": e["id"], "userId": e["user_id"],
        "anonymousId": None, "timestamp": _iso(e), "properties": e["properties"],
        "context": {
            "library": {"name": "analytics-python", "version": "2.4.0"},
            "page": e["context"]["page"], "userAgent": e["context"]["user_agent"],
        },
        "integrations": {},
    }  # fmt: skip


def posthog(first: int = 0) -> Sent:
    batch = [
        {
            "event": e["name"], "uuid": e["id"], "distinct_id": e["user_id"], "timestamp": _iso(e),
            "properties": {
                **e["properties"], "$lib": "posthog-python", "$lib_version": "7.91.1",
                "$current_url": e["context"]["page"]["url"],
                "$raw_user_agent": e["context"]["user_agent"],
            },
        }
        for e in _events(first)
    ]  # fmt: skip
    return Sent("POST", "/batch/", _json({"api_key": "k", "batch": batch}))


def posthog_browser(first: int = 0) -> Sent:
    """Return what posthog-js sends at once: two pages, what was done there, and all it knows each time."""
    return _browser(first, 8)


def posthog_one(first: int = 0) -> Sent:
    """Return what posthog-js sends of a page that is left at once."""
    return _browser(first, 1)


def _browser(first: int, count: int) -> Sent:
    device = "01a21497-bc4a-703b-ac59-e3bdc660cf8c"
    batch = []
    for place, e in enumerate(_events(first, count)):
        is_view = place % 4 == 0
        batch.append(
            {
                "uuid": e["id"], "event": "$pageview" if is_view else e["name"],
                "properties": {
                    **({"title": "Shop"} if is_view else e["properties"]), **_BROWSER,
                    "$current_url": f"https://shop.example/p/{place // 4}?q=1",
                    "$pathname": f"/p/{place // 4}", "$insert_id": _hex(place, 8),
                    "distinct_id": device, "$device_id": device,
                },
                "timestamp": _iso(e),
            }
        )  # fmt: skip
    return Sent("POST", "/e/", _json({"api_key": "k", "batch": batch}), len(batch))


def posthog_server(first: int = 0) -> Sent:
    """Return what posthog-python sends at once."""
    batch = [
        {
            "event": e["name"], "uuid": e["id"], "distinct_id": e["user_id"], "timestamp": _iso(e),
            "properties": {
                **e["properties"], "$python_runtime": "CPython", "$python_version": "3.12.1",
                "$os": "Linux", "$os_version": "6.1", "$groups": {"company": f"c{place % 7}"},
                "$lib": "posthog-python", "$lib_version": "7.91.1", "$geoip_disable": True,
                "$is_server": True,
            },
        }
        for place, e in enumerate(_events(first, 100))
    ]  # fmt: skip
    return Sent("POST", "/batch/", _json({"api_key": "k", "batch": batch}), len(batch))


def mixpanel(first: int = 0) -> Sent:
    items = [
        {
            "event": e["name"],
            "properties": {
                **e["properties"], "token": "k", "time": e["time"], "$insert_id": e["id"],
                "distinct_id": e["user_id"], "$current_url": e["context"]["page"]["url"],
            },
        }
        for e in _events(first)
    ]  # fmt: skip
    plain = _json(items)
    form = "data=" + urllib.parse.quote(plain.decode()) + "&verbose=1&ip=0"
    return Sent("POST", "/track", form.encode(), plain=plain)


def amplitude(first: int = 0) -> Sent:
    items = [
        {
            "event_type": e["name"], "insert_id": e["id"], "user_id": e["user_id"],
            "device_id": f"d-{e['user_id']}", "time": e["time"], "session_id": -1,
            "event_properties": e["properties"], "library": "amplitude-python/1.3.0",
        }
        for e in _events(first)
    ]  # fmt: skip
    return Sent("POST", "/2/httpapi", _json({"api_key": "k", "events": items}))


def ga4(first: int = 0) -> Sent:
    # Google's clients send at most 25 events at once.
    items = [
        {"name": e["name"].replace(" ", "_"), "params": {**e["properties"], "session_id": "1", "page_location": e["context"]["page"]["url"]}}
        for e in _events(first, 25)
    ]  # fmt: skip
    body = {"client_id": "12.34", "user_id": "u-1", "timestamp_micros": 1_790_000_000_000_000, "events": items}  # fmt: skip
    return Sent("POST", "/mp/collect", _json(body), 25, query="measurement_id=G-1")


def cloudevents(first: int = 0) -> Sent:
    items = [
        {
            "specversion": "1.0", "id": e["id"], "source": "shop", "type": e["name"],
            "subject": e["user_id"], "time": _iso(e), "data": e["properties"],
        }
        for e in _events(first)
    ]  # fmt: skip
    headers = {"content-type": "application/cloudevents-batch+json"}
    return Sent("POST", "/api/v1/events", _json(items), headers=headers)


def otlp(first: int = 0) -> Sent:
    def value(one: Any) -> Event:
        match json.loads(_json(one)):
            case bool() as given:
                return {"boolValue": given}
            case int() as given:
                return {"intValue": str(given)}
            case float() as given:
                return {"doubleValue": given}
            case given:
                return {"stringValue": given}

    spans = [
        {
            "traceId": _hex(number, 16), "spanId": _hex(number, 8), "name": e["name"], "kind": 2,
            "startTimeUnixNano": str(e["time"] * 1_000_000),
            "endTimeUnixNano": str(e["time"] * 1_000_000 + 5_000_000),
            "attributes": [
                {"key": "user.id", "value": {"stringValue": e["user_id"]}},
                *({"key": key, "value": value(one)} for key, one in e["properties"].items()),
            ],
        }
        for number, e in enumerate(_events(first), first + 1)
    ]  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    return Sent("POST", "/v1/traces", _json(body), headers={"content-type": "application/json"})


def snowplow(first: int = 0) -> Sent:
    items = [
        {
            "e": "se", "eid": e["id"], "dtm": str(e["time"]), "stm": str(e["time"]), "aid": "k",
            "uid": e["user_id"], "se_ca": "shop", "se_ac": e["name"], "se_va": "5", "p": "web",
            "url": e["context"]["page"]["url"], "tv": "py-1.1.0", "ua": e["context"]["user_agent"],
        }
        for e in _events(first)
    ]  # fmt: skip
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    return Sent("POST", "/com.snowplowanalytics.snowplow/tp2", _json({"schema": schema, "data": items}))  # fmt: skip


def matomo(first: int = 0) -> Sent:
    items = [
        {
            "idsite": "1", "rec": "1", "url": e["context"]["page"]["url"], "uid": e["user_id"],
            "e_c": "shop", "e_a": e["name"], "e_v": 5, "rand": e["id"],
        }
        for e in _events(first)
    ]  # fmt: skip
    body = _json({"requests": ["?" + urllib.parse.urlencode(item) for item in items]})
    return Sent("POST", "/matomo.php", body, plain=_json(items))


def plausible(first: int = 0) -> Sent:
    e = workload.event(first)
    body = {
        "n": e["name"], "u": e["context"]["page"]["url"], "d": "shop.example", "p": {"plan": "pro"}
    }  # fmt: skip
    return Sent("POST", "/api/event", _json(body), 1)


def umami(first: int = 0) -> Sent:
    items = [
        {
            "type": "event",
            "payload": {
                "website": "k", "url": e["context"]["page"]["url"], "hostname": "shop.example",
                "name": e["name"], "data": e["properties"], "id": e["user_id"],
            },
        }
        for e in _events(first)
    ]  # fmt: skip
    return Sent("POST", "/api/batch", _json(items))


REQUESTS: Final[Mapping[str, Callable[..., Sent]]] = {
    made.__name__.replace("_", " "): made
    for made in (
        native, native_one, segment, segment_one, posthog, posthog_browser, posthog_server,
        posthog_one, mixpanel, amplitude, ga4, cloudevents, otlp, snowplow, matomo, plausible, umami,
    )
}  # fmt: skip
