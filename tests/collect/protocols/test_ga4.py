"""Google Analytics: ids made of what is said, profiles with their times, and Google's own limits."""

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols.ga4 import credential, decode, ga4, read, refuse
from tallymark.core.errors import Refused, TallymarkError, Unavailable
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
LIMITS = Settings(max_batch_events=5)
STREAM = "measurement_id=G-1&api_secret=S"
HIT = "v=2&tid=G-1&cid=1.2&_p=77&_s=1&sid=1789999990"


def opened(path: str, body: Any, query: str, headers: dict[str, str] | None = None) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", path, query, headers or {}, raw, "203.0.113.9", NOW)
    return structs.replace(request, content=read(request, LIMITS))


def sent(body: Any, query: str = STREAM) -> Decoded:
    return decode(opened("/mp/collect", body, query), Caller("p", "public", "k"), LIMITS)


def gtag(query: str, body: bytes = b"") -> Decoded:
    return decode(opened("/g/collect", body, query), Caller("p", "public", "k"), LIMITS)


def ids(decoded: Decoded) -> list[str]:
    return [event.id for event in decoded.events]


def event(name: str = "login", **params: Any) -> dict[str, Any]:
    return {"name": name, "params": params}


def test_an_event_with_a_time_has_the_same_id_when_it_is_sent_again() -> None:
    body = {"client_id": "1.2", "timestamp_micros": NOW, "events": [event(), event(), event(a=1)]}

    first, again = sent(body), sent(body)

    assert ids(first) == ids(again)
    assert len(set(ids(first))) == 3
    assert ids(sent(body, "measurement_id=G-2")) != ids(first)
    assert ids(sent({**body, "client_id": "3.4"})) != ids(first)


def test_an_event_without_a_time_is_another_each_time_and_says_so() -> None:
    body = {"client_id": "1.2", "events": [event()]}

    (first,), (second,) = sent(body).events, sent(body).events

    assert first.id != second.id
    assert first.flags == ("no_id",)


def test_a_purchase_is_one_whoever_tells_of_it() -> None:
    server = sent({"events": [event("purchase", transaction_id="T-1", value=1)]})
    later = sent({"timestamp_micros": NOW, "events": [event("purchase", transaction_id="T-1")]})
    page = gtag(f"{HIT}&en=purchase&ep.transaction_id=T-1")
    refund = sent({"timestamp_micros": NOW, "events": [event("refund", transaction_id="T-1")]})

    assert ids(server) == ids(later) == ids(page) != ids(refund)


@pytest.mark.parametrize(
    ("given", "revenue", "currency"),
    [
        (event("purchase", value="0.10", currency="usd"), Decimal("0.10"), "USD"),
        (event("refund", value=5, currency="EUR"), Decimal(-5), "EUR"),
        (event("purchase", value="free", currency="EUR"), None, None),
        (event("purchase", value=5), None, None),
        (event("add_to_cart", value=5, currency="EUR"), None, None),
    ],
)
def test_only_what_was_paid_is_revenue_and_only_with_its_currency(
    given: dict[str, Any], revenue: Decimal | None, currency: str | None
) -> None:
    (found,) = sent({"events": [given]}).events

    assert (found.revenue, found.currency) == (revenue, currency)
    assert found.properties["value"] == given["params"]["value"]


def test_two_visitors_of_one_second_have_two_sessions() -> None:
    one = sent({"client_id": "1.2", "events": [event(session_id=1789999990)]})
    other = sent({"client_id": "3.4", "events": [event(session_id="1789999990")]})

    assert one.events[0].session_id == "1.2.1789999990"
    assert other.events[0].session_id == "3.4.1789999990"
    assert "session_id" not in one.events[0].properties


def test_a_source_that_is_no_campaign_stays_a_property() -> None:
    (plain, campaign) = sent(
        {"events": [event(source="menu"), event(source="news", medium="email")]}
    ).events

    assert plain.properties == {"source": "menu"}
    assert plain.context.utm_source is None
    assert campaign.properties == {}
    assert campaign.context.utm_source == "news"


def test_user_properties_count_as_one_item_and_no_use() -> None:
    decoded = sent({"user_id": "ana", "user_properties": {"a": {"value": 1}}, "events": []})

    assert (decoded.received, decoded.events, len(decoded.commands)) == (1, [], 1)


def test_user_properties_of_nobody_are_not_kept() -> None:
    decoded = sent({"user_id": "undefined", "user_properties": {"a": {"value": 1}}})

    assert decoded.commands == []
    assert decoded.dropped == {"NOT_KEPT": 1}


def test_hashed_addresses_for_advertising_are_not_kept() -> None:
    decoded = sent({"user_data": {"sha256_email_address": ["HASH"]}, "events": [event()]})

    assert "HASH" not in str(decoded)


def test_hits_are_told_apart_by_page_load_count_and_line() -> None:
    lines = b"en=scroll\r\nen=scroll\r\n"

    first, again = gtag(HIT, lines), gtag(HIT, lines)
    other = gtag(HIT.replace("_s=1", "_s=2"), lines)

    assert ids(first) == ids(again)
    assert len({*ids(first), *ids(other)}) == 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0.12345678901", Decimal("0.12345678901")),
        ("-7", -7),
        ("1e3", Decimal("1e3")),
        ("1_0", "1_0"),
        ("many", "many"),
        ("", ""),
        ("9" * 5_000, "9" * 5_000),
    ],
)
def test_a_number_of_a_hit_is_kept_to_its_last_digit(given: str, kept: Any) -> None:
    (found,) = gtag(f"{HIT}&en=scroll&epn.n={given}").events

    assert found.properties["n"] == kept
    assert type(found.properties["n"]) is type(kept)


def test_a_session_that_all_lines_share_begins_once() -> None:
    decoded = gtag(f"{HIT}&_ss=1&_fv=1", b"en=page_view\nen=scroll")

    names = [one.name for one in decoded.events]
    assert names == ["session_start", "first_visit", "page_view", "scroll"]


def test_a_hit_without_a_name_is_set_aside_without_its_query() -> None:
    decoded = gtag(f"{HIT}&dl=https%3A%2F%2Fa.example%2F%3Fq%3D1")

    (failed,) = decoded.failed
    assert failed.code == "NAME_INVALID"
    assert b'"dl":"https://a.example/?q=1"' in failed.raw


@pytest.mark.parametrize(
    ("query", "headers", "found"),
    [
        ("measurement_id=G-1&api_secret=S", {}, "G-1"),
        ("measurement_id=G-1&api_secret=pk_x", {}, "pk_x"),
        ("firebase_app_id=1:2", {}, "1:2"),
        ("tid=G-1", {}, "G-1"),
        ("tid=G-1", {"authorization": "Bearer sk"}, None),
        ("", {}, None),
    ],
)
def test_the_key_or_the_name_of_the_stream_is_in_the_query(
    query: str, headers: dict[str, str], found: str | None
) -> None:
    assert credential(opened("/mp/collect", b"", query, headers)) == found


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("Bad.", code="JSON_SYNTAX"), 204),
        (Refused("Long.", code="BATCH_TOO_LONG"), 204),
        (Refused("In the URL.", code="AUTH_IN_URL"), 400),
        (Refused("Who?", code="AUTH_INVALID"), 401),
        (Unavailable("Full."), 503),
        (TallymarkError("Bug."), 503),
    ],
)
def test_only_a_wrong_key_and_trouble_are_told(error: TallymarkError, status: int) -> None:
    request = opened("/mp/collect", b"", "")

    told = refuse(error, request)

    assert told.status == status
    assert bool(told.body) == (status != 204)


@pytest.mark.parametrize("body", [b"[]", b"7", b"{", b""])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        sent(body)


def messages(body: Any) -> list[tuple[str, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (endpoint,) = ga4.endpoints
    reply = endpoint.answer(Request("POST", endpoint.path, "", {}, raw, None, NOW), LIMITS)
    assert reply.status == 200
    found = json.loads(reply.body)["validationMessages"]
    assert all(one["description"] for one in found)
    return [(one["fieldPath"], one["validationCode"]) for one in found]


def test_the_debug_address_says_nothing_of_what_is_right() -> None:
    right = {"client_id": "1.2", "events": [event("login", method="mail")]}

    assert messages(right) == []
    assert messages({**right, "user_properties": {"plan": {"value": "pro"}}}) == []


def test_the_debug_address_names_every_fault() -> None:
    wrong = {
        "events": [event("9lives"), event("ga_x", **{"a b": 1}, long="x" * 101), {"params": 7}, 8],
        "user_properties": {"": {}},
    }

    assert messages(wrong) == [
        ("client_id", "VALUE_REQUIRED"),
        ("events[0].name", "NAME_INVALID"),
        ("events[1].name", "NAME_RESERVED"),
        ("events[1].params.a b", "NAME_INVALID"),
        ("events[1].params.long", "VALUE_OUT_OF_BOUNDS"),
        ("events[2].name", "VALUE_REQUIRED"),
        ("events[2].params", "VALUE_INVALID"),
        ("events[3].name", "VALUE_REQUIRED"),
        ("user_properties.", "VALUE_REQUIRED"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", ("", "VALUE_INVALID")),
        (b"[]", ("", "VALUE_INVALID")),
        (b"x" * 130_001, ("", "VALUE_OUT_OF_BOUNDS")),
    ],
)
def test_the_debug_address_answers_whatever_it_gets(body: bytes, expected: tuple[str, str]) -> None:
    assert messages(body) == [expected]


def test_the_debug_address_tells_of_too_many_and_stops_somewhere() -> None:
    many = {
        "client_id": "1",
        "events": [{"name": "login", "params": {f"p{n}": 1 for n in range(26)}}] * 26,
    }

    found = messages(many)

    assert ("events", "EXCEEDED_MAX_ENTITIES") in found
    assert ("events[0].params", "EXCEEDED_MAX_ENTITIES") in found
    assert len(messages({"client_id": "1", "events": [7] * 5_000})) == 100
