"""The workload's events as the SDKs of other tools would send them, one request a protocol.

A request is (method, path, query, headers, body, plain): ``plain`` is the JSON, or protobuf, that is
inside whatever the protocol wraps it in, for the baseline that only decodes.
"""

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


def _events(first: int, count: int = BATCH) -> list[Event]:
    return [workload.event(number) for number in range(first, first + count)]


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _iso(event: Event) -> str:
    return f"2026-09-21T14:{event['time'] // 60_000 % 60:02d}:{event['time'] // 1000 % 60:02d}.123Z"


def native(first: int = 0) -> Sent:
    return Sent("POST", "/tm/v1/events", workload.body(first, BATCH))


def segment(first: int = 0) -> Sent:
    batch = [
        {
            "type": "track", "event": e["name"], "messageId": e["id"], "userId": e["user_id"],
            "anonymousId": None, "timestamp": _iso(e), "properties": e["properties"],
            "context": {
                "library": {"name": "analytics-python", "version": "2.4.0"},
                "page": e["context"]["page"], "userAgent": e["context"]["user_agent"],
            },
            "integrations": {},
        }
        for e in _events(first)
    ]  # fmt: skip
    return Sent("POST", "/v1/batch", _json({"batch": batch, "writeKey": "k", "sentAt": _iso(workload.event(first))}))  # fmt: skip


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
            "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": e["name"], "kind": 2,
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
    made.__name__: made
    for made in (
        native, segment, posthog, mixpanel, amplitude, ga4, cloudevents, otlp, snowplow, matomo,
        plausible, umami,
    )
}  # fmt: skip
