"""An item that failed undecoded is replayed under the key its own protocol gives it when it is taken."""

from typing import Any

import msgspec
import pytest
from tests.collect.protocols.web import NOW, opened

from tallymark.collect.claims import command_claim
from tallymark.collect.protocol import Caller, Protocol
from tallymark.collect.replay import Around, FailedRow, attempt
from tallymark.core.clock import SystemClock
from tallymark.core.event import Command, Event
from tallymark.core.registry import discover
from tallymark.core.settings import Settings
from tallymark.schema.repair import Repairer, read_repairs

PROTOCOLS = discover("tallymark.collect.protocols", Protocol)
CALLER = Caller("p", "secret", "sk_1")
# What makes an item fail before it is read, put in place of ``USER``.
USER, WRONG = "ana", "ana\u0007"
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
SPAN = {
    "name": "GET /", "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
    "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": "1790000000000000100",
    "attributes": [{"key": "user.id", "value": {"stringValue": USER}}],
}  # fmt: skip
CASES: dict[str, tuple[str, Any, dict[str, str]]] = {
    "segment": ("/v1/batch", {"batch": [{"type": "track", "event": "e", "messageId": "m-1", "userId": USER}]}, {}),
    "posthog": ("/batch/", {"batch": [{"event": "e", "uuid": "0192f5c1-7b7a-7c33-9f0e-6f1f3a9d2b10", "distinct_id": USER}]}, {}),
    "posthog by insert id": ("/batch/", {"batch": [{"event": "e", "distinct_id": USER, "properties": {"$insert_id": "i-1"}}]}, {}),
    "mixpanel": ("/track", [{"event": "e", "properties": {"distinct_id": "d-1", "$user_id": USER, "$insert_id": "i-1", "token": "t"}}], {}),
    "amplitude": ("/2/httpapi", {"api_key": "k", "events": [{"event_type": "e", "user_id": USER, "device_id": "d-1", "insert_id": "i-1"}]}, {}),
    "cloudevents": ("/api/v1/events", {"specversion": "1.0", "type": "e", "source": "s", "id": "c-1", "userid": USER}, {"content-type": "application/cloudevents+json"}),
    "snowplow": ("/com.snowplowanalytics.snowplow/tp2", {"schema": SNOWPLOW, "data": [{"e": "se", "se_ca": "c", "se_ac": "e", "tv": "py-1", "p": "srv", "eid": "0192f5c1-7b7a-4c33-9f0e-6f1f3a9d2b10", "uid": USER}]}, {}),
    "otlp": ("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}, {"content-type": "application/json"}),
}  # fmt: skip


def decoded(name: str, user: str) -> tuple[Protocol, Any]:
    path, body, headers = CASES[name]
    protocol = PROTOCOLS[name.split(maxsplit=1)[0]]
    sent = msgspec.json.encode(body).replace(f'"{USER}"'.encode(), msgspec.json.encode(user))
    request = opened(protocol, path, sent, headers=headers)
    return protocol, protocol.decode(request, CALLER, Settings())


def replayed(protocol: Protocol, failed: Any, as_native: dict[str, Any]) -> list[Event | Command]:
    """Replay what failed, repaired to an item of the native protocol."""
    row = FailedRow(1, NOW, "sk_1", protocol.name, failed.stage, failed.code, failed.raw, failed.raw_bytes, failed.id)  # fmt: skip
    drops = [{"drop": key} for key in msgspec.json.decode(failed.raw) if key != "id"]
    sets = [{"set": {"path": key, "value": value}} for key, value in as_native.items()]
    repairs = read_repairs(msgspec.json.encode({"steps": [*drops, *sets]}), "fix")
    around = Around(CALLER, Settings(), SystemClock(), lambda _: b"", Repairer(repairs))
    tried = attempt(row, around)
    assert tried.outcome == "fixed", tried.message
    return [*tried.events, *tried.commands]


@pytest.mark.parametrize("name", CASES)
def test_an_event_has_the_key_that_its_own_protocol_gives_it(name: str) -> None:
    (proper,) = decoded(name, USER)[1].events
    protocol, found = decoded(name, WRONG)
    (failed,) = found.failed
    assert found.events == []

    (again,) = replayed(protocol, failed, {"name": "e"})

    assert isinstance(again, Event)
    assert (again.namespace, again.id) == (proper.namespace, proper.id)
    assert "no_id" not in proper.flags


CHANGES: dict[str, tuple[str, Any]] = {
    "segment": ("/v1/batch", {"batch": [{"type": "identify", "messageId": "m-1", "userId": USER, "traits": {"n": 1}}]}),
    "mixpanel": ("/engage", [{"$distinct_id": "d-1", "$user_id": USER, "$token": "t", "$insert_id": "i-1", "$set": {"n": 1}}]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_profile_has_the_key_that_its_own_protocol_gives_it(name: str) -> None:
    path, body = CHANGES[name]
    protocol = PROTOCOLS[name]

    def keys(commands: list[Any]) -> set[tuple[str, str]]:
        return {(claim.namespace, claim.id) for claim in map(command_claim, commands)}

    proper = protocol.decode(opened(protocol, path, body), CALLER, Settings())
    wrong = msgspec.json.encode(body).replace(b'"ana"', b'"ana\\u0007"')
    found = protocol.decode(opened(protocol, path, wrong), CALLER, Settings())
    (failed,) = found.failed

    again = replayed(protocol, failed, {"type": "identify", "user_id": USER, "traits": {"n": 1}})

    assert keys(again) <= keys(proper.commands)
    assert again


def test_every_protocol_whose_clients_name_their_events_says_how() -> None:
    """Of the others nothing but their content tells two items apart."""
    silent = {name for name, one in PROTOCOLS.items() if one.own_id is None}

    assert silent == {"native", "ga4", "matomo", "plausible", "umami"}
