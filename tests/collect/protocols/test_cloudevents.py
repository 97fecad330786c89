"""CloudEvents: what each part of one means, and what becomes of those that mean nothing."""

import base64
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols.cloudevents import cloudevents, decode, read, refuse, reply
from tallymark.core.errors import Refused, Unavailable
from tallymark.core.event import Event
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
LIMITS = Settings(max_batch_events=5)
WHOLE = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}


def taken(body: Any, headers: dict[str, str] | None = None, settings: Settings = LIMITS) -> Decoded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", "/api/v1/events", "", headers or {}, raw, None, NOW)
    request = structs.replace(request, content=read(request, settings))
    return decode(request, Caller("p", "secret", "sk"), settings)


def one(body: Any, headers: dict[str, str] | None = None) -> Event:
    decoded = taken(body, headers)
    assert decoded.failed == []
    (event,) = decoded.events
    return event


def test_the_same_id_of_two_sources_is_two_events() -> None:
    first, second = one(WHOLE), one({**WHOLE, "source": "other"})

    assert (first.namespace, first.id) == ("cloudevents:s", "1")
    assert (second.namespace, second.id) == ("cloudevents:other", "1")


def test_white_space_is_part_of_an_id() -> None:
    assert one({**WHOLE, "id": " 1"}).id == " 1"


@pytest.mark.parametrize(
    ("data", "properties"),
    [
        (12, {"value": 12}),
        (None, {}),
        ("twelve", {"value": "twelve"}),
        ([1, 2], {"value": [1, 2]}),
        ({"n": 1}, {"n": 1}),
        (False, {"value": False}),
    ],
)
def test_data_that_is_no_object_is_the_property_value(
    data: Any, properties: dict[str, Any]
) -> None:
    assert one({**WHOLE, "data": data}).properties == {"ce_source": "s", **properties}


def test_a_number_is_kept_to_its_last_digit() -> None:
    event = one(b'{"id":"1","source":"s","type":"t","data":{"n":0.12345678901234567890}}')

    assert event.properties["n"] == Decimal("0.12345678901234567890")


def test_time_is_never_repaired() -> None:
    event = one({**WHOLE, "time": "2026-09-01T00:00:00+02:00"})

    assert (event.time, event.time_rule) == (1_788_213_600_000_000, "client")


def test_json_is_read_whatever_its_type_and_lines_of_it_too() -> None:
    assert one(WHOLE, {"content-type": "text/plain"}).name == "t"
    assert one(gzip.compress(json.dumps(WHOLE).encode())).name == "t"
    lines = b"\n".join(json.dumps({**WHOLE, "id": str(n)}).encode() for n in range(3))
    assert [event.id for event in taken(lines).events] == ["0", "1", "2"]


def test_a_structured_event_is_read_as_one_though_a_header_was_copied_beside_it() -> None:
    headers = {"content-type": "application/cloudevents+json", "ce-specversion": "1.0"}

    assert one(WHOLE, headers).id == "1"


def test_binary_text_that_is_no_json_is_kept_as_text() -> None:
    headers = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "content-type": "text/xml"}

    event = one("<ä/>".encode(), headers)

    assert event.properties["value"] == "<ä/>"
    assert event.properties["ce_datacontenttype"] == "text/xml"


def test_binary_json_that_is_none_is_set_aside_with_what_was_sent() -> None:
    headers = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "content-type": "application/json"}

    decoded = taken(b"{broken", headers)

    (failed,) = decoded.failed
    assert (failed.code, failed.id) == ("JSON_SYNTAX", "1")
    assert base64.b64encode(b"{broken") in failed.raw


@pytest.mark.parametrize(
    ("header", "account"),
    [
        ("a%20b", "a b"),
        ("100%", "100%"),
        ("50%zz%20", "50%zz%20"),
        ("%FF", "%FF"),
        ("MÃ¼ller", "Müller"),
        ("M\u00fcller", "Müller"),
        ('"a \\"b\\" %41"', 'a "b" A'),
        ("日本", "日本"),
    ],
)
def test_a_header_is_decoded_where_it_was_encoded(header: str, account: str) -> None:
    headers = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-subject": header}

    assert one(b"", headers).groups == {"account": account}


def test_an_event_larger_than_one_may_be_costs_no_other() -> None:
    settings = Settings(max_event_bytes=1_000)
    large = {**WHOLE, "id": "large", "data": "x" * 1_000}

    decoded = taken([WHOLE, large], settings=settings)

    assert [event.id for event in decoded.events] == ["1"]
    assert [(item.code, item.id) for item in decoded.failed] == [("EVENT_TOO_LARGE", "large")]


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", {}, "JSON_SYNTAX"),
        (b"12", {}, "BAD_FIELD"),
        (b"{}", {"content-type": "application/cloudevents+avro"}, "UNSUPPORTED_MEDIA"),
        (b"{}", {"content-encoding": "compress"}, "UNSUPPORTED_ENCODING"),
        (json.dumps([WHOLE] * 6).encode(), {}, "BATCH_TOO_LONG"),
    ],
)
def test_a_body_that_holds_no_event_is_refused_as_a_whole(
    body: bytes, headers: dict[str, str], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        taken(body, headers)

    assert caught.value.code == code


def test_success_has_no_body_and_a_refusal_is_a_problem() -> None:
    request = Request("POST", "/api/v1/events", "", {}, b"", None, NOW)

    said = reply(Decoded(0), request)
    told = refuse(Unavailable("Full."), request)

    assert (said.status, said.body) == (204, b"")
    assert (told.status, told.content_type) == (503, "application/problem+json")
    problem = json.loads(told.body)
    assert (problem["type"], problem["status"], problem["detail"]) == ("about:blank", 503, "Full.")


def test_the_key_is_in_the_authorization_header() -> None:
    request = Request("POST", "/api/v1/events", "", {}, b"{}", None, NOW)

    assert cloudevents.credential(request) is None
