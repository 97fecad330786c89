"""What each call of Segment's API becomes, in the cases that golden requests do not show."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from tallymark.collect.protocol import Caller, Decoded, Endpoint, Reply, Request
from tallymark.collect.protocols.segment import segment
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import NotAllowed, Refused, Unavailable
from tallymark.core.event import Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
SECOND = MICROSECONDS
SERVER = Caller("p", "secret", "sk_1")
BROWSER = Caller("p", "public", "pk_1")
LIMITS = Settings()
TRACK = {"type": "track", "event": "Used", "userId": "ana", "messageId": "m-1"}


def request(body: Any, path: str = "/v1/batch", query: str = "", **headers: str) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = Request("POST", path, query, headers, raw, "203.0.113.9", NOW)
    assert segment.open is not None
    return structs.replace(asked, content=segment.open(asked, LIMITS))


def decode(body: Any, path: str = "/v1/batch", caller: Caller = BROWSER, **headers: str) -> Decoded:
    return segment.decode(request(body, path, **headers), caller, LIMITS)


def one(message: dict[str, Any], path: str = "/v1/batch", **around: Any) -> Event:
    (event,) = decode({"batch": [message], **around}, path).events
    return event


def commands(message: dict[str, Any]) -> list[Any]:
    decoded = decode({"batch": [{"messageId": "m-1", **message}]})
    assert decoded.events == []
    return decoded.commands


def code_of(message: dict[str, Any]) -> str:
    """Return the code of a message that is set aside next to one that is not."""
    decoded = decode({"batch": [TRACK, message]})
    assert [event.name for event in decoded.events] == ["Used"]
    (failed,) = decoded.failed
    assert failed.index == 1
    return failed.code


# Addresses and bodies


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/track", "track"), ("/v1/t", "track"), ("/t", "track"), ("/segment/v1/t/", "track"),
        ("/v1/page", "page"), ("/v1/p", "page"), ("/v1/s", "screen"), ("/s/", "screen"),
    ],
)  # fmt: skip
def test_a_message_without_a_type_is_what_its_address_says(path: str, kind: str) -> None:
    (event,) = decode({"event": "Used", "userId": "ana"}, path).events

    assert event.kind == kind


def test_the_type_of_a_message_goes_before_its_address() -> None:
    (event,) = decode({**TRACK, "type": "Page"}, "/v1/t").events

    assert (event.name, event.kind) == ("page_view", "page")


@pytest.mark.parametrize("path", [path for _, path in segment.routes])
def test_every_address_takes_a_batch_and_a_single_message(path: str) -> None:
    assert len(decode({"batch": [TRACK, TRACK]}, path).events) == 2
    assert len(decode(TRACK, path).events) == 1


def test_a_list_of_messages_and_an_empty_batch_are_batches() -> None:
    assert len(decode([TRACK, TRACK]).events) == 2
    assert decode({"batch": []}) == Decoded(0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MISSING_FIELD"), ({"writeKey": "pk"}, "MISSING_FIELD"), ({"batch": "x"}, "BAD_FIELD"),
        (b"", "JSON_SYNTAX"),
    ],
)  # fmt: skip
def test_a_body_without_messages_is_refused(body: Any, code: str) -> None:
    with pytest.raises(Refused) as caught:
        decode(body)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "track", "event": "Used"}, "MISSING_FIELD"),
        ({"type": "track", "event": "Used", "userId": "", "anonymousId": None}, "MISSING_FIELD"),
        ({"type": "track", "event": " ", "userId": "ana"}, "NAME_INVALID"),
        ({"type": "merge", "userId": "ana"}, "BAD_FIELD"),
        ({"userId": "ana"}, "MISSING_FIELD"),
        ({**TRACK, "userId": "x" * 201}, "ID_TOO_LONG"),
        ({"type": "group", "userId": "ana"}, "MISSING_FIELD"),
        ({"type": "group", "userId": "ana", "groupId": "null"}, "ILLEGAL_ID"),
        ({"type": "alias", "userId": "ana"}, "MISSING_FIELD"),
        ({"type": "alias", "anonymousId": "a-1", "previousId": "a-0"}, "MISSING_FIELD"),
        ({"type": "identify", "userId": "undefined"}, "ILLEGAL_ID"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_counted_costs_no_other(
    message: dict[str, Any], code: str
) -> None:
    assert code_of(message) == code


def test_a_placeholder_is_no_person_but_its_use_counts() -> None:
    event = one({**TRACK, "userId": "null", "anonymousId": "a-1"})

    assert (event.user_id, event.anonymous_id, event.flags) == (None, "a-1", ("illegal_id",))


def test_numbers_as_ids_are_their_text() -> None:
    event = one({**TRACK, "userId": 42, "messageId": 7})

    assert (event.user_id, event.id) == ("42", "7")


# Whose request it is


@pytest.mark.parametrize(
    ("body", "is_claimed"),
    [
        ({"type": "screen", "anonymousId": "a"}, True),
        ({"batch": [{"type": "track"}]}, True),
        ({"batch": [], "writeKey": "pk"}, True),
        ({"event": "$snapshot", "api_key": "phc_1", "properties": {}}, False),
        ([{"event": "$snapshot", "properties": {"token": "phc_1"}}], False),
        ({"batch": [{"event": "$snapshot"}], "token": "phc_1"}, False),
        ({"batch": [None], "api_key": "phc_1"}, False),
        ({"type": {"x": 1}}, False),
        (b"", False),
    ],
)
def test_only_json_of_its_own_is_claimed_at_an_address_that_others_have(
    body: Any, is_claimed: bool
) -> None:
    assert segment.claims(request(body, "/s")) is is_claimed


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def test_the_key_is_the_basic_user_else_in_the_body_else_in_the_query() -> None:
    body = {"batch": [{}, {"writeKey": "pk_message"}], "writeKey": "pk_body"}

    def found(body: Any, query: str = "", **headers: str) -> str | None:
        return segment.credential(request(body, query=query, **headers))

    assert found(body, authorization=basic("pk_basic")) == "pk_basic"
    assert found(body, authorization=basic("")) == "pk_body"
    assert found(body, authorization="Basic %%%") == "pk_body"
    # Beside Segment's own OAuth, which is none of ours, the key stands in the body.
    assert found(body, authorization="Bearer eyJ0.eyJ.x") == "pk_body"
    assert found({"batch": body["batch"]}, "writeKey=pk_query") == "pk_message"
    assert found({"batch": []}, "writeKey=pk_query") == "pk_query"
    assert found({"batch": []}) is None


def test_the_key_of_a_body_that_cannot_be_opened_is_the_basic_user() -> None:
    broken = Request("POST", "/v1/t", "", {"authorization": basic("pk_1")}, b"{", None, NOW)

    assert segment.credential(broken) == "pk_1"
    assert segment.credential(structs.replace(broken, headers={})) is None


# Uses


def test_what_stands_around_a_batch_is_the_default_of_its_messages() -> None:
    around = {"locale": "de-DE", "app": {"name": "Shop"}, "groupId": "acme"}

    event = one({**TRACK, "context": {"app": {"name": "Till"}}}, context=around)

    assert (event.context.locale, event.context.app_name) == ("de-DE", "Till")
    assert event.groups == {"account": "acme"}


def test_the_page_of_a_page_call_is_kept_once_where_the_policy_scrubs_it() -> None:
    page = {"url": "https://a.example/old", "title": "Old", "referrer": "https://r.example/"}
    properties = {
        "url": "https://a.example/p#x", "path": "/p", "search": "?gclid=1&utm_source=n", "title": "",
        "referrer": None, "tab_url": "https://a.example/p?token=1", "plan": "pro",
        "initial_referrer": "https://r.example/x?token=1",
    }  # fmt: skip

    event = one(
        {"type": "page", "userId": "ana", "name": "P", "category": "C", "properties": properties,
         "context": {"page": page}}
    )  # fmt: skip

    assert event.properties == {
        "name": "P", "category": "C", "plan": "pro", "initial_referrer": "https://r.example/x",
    }  # fmt: skip
    found = event.context
    assert (found.page_url, found.page_path) == (
        "https://a.example/p?gclid=1&utm_source=n",
        "/p",
    )
    assert (found.page_title, found.referrer) == ("Old", "https://r.example/")


def test_nobody_referred_where_rudderstack_says_direct() -> None:
    page = {"url": "https://a.example/", "referrer": "$direct"}
    event = one(
        {**TRACK, "type": "page", "properties": {"initial_referrer": "$direct"}, "context": {"page": page}}
    )  # fmt: skip

    assert event.context.referrer is None
    assert event.properties == {}


def test_the_name_among_the_properties_goes_before_that_of_the_call() -> None:
    event = one({"type": "screen", "userId": "ana", "name": "A", "properties": {"name": "B"}})

    assert (event.name, event.properties) == ("screen_view", {"name": "B"})


@pytest.mark.parametrize(
    ("name", "properties", "revenue", "currency"),
    [
        ("Order Completed", {"revenue": 19.9, "total": 25, "currency": "eur"}, "19.9", "EUR"),
        ("Order Completed", {"revenue": "19.90"}, "19.90", "USD"),
        ("order_completed", {"total": 25, "value": 30}, "25", "USD"),
        ("Order Completed", {"value": 30}, "30", "USD"),
        ("Subscribed", {"revenue": 0.30000000000000004}, "0.3", "USD"),
        ("Subscribed", {"total": 25, "value": 5}, None, None),
        ("Subscribed", {"revenue": "a lot"}, None, None),
        ("Subscribed", {"revenue": True}, None, None),
        ("Checkout Started", {"revenue": 19.9}, None, None),
        ("Order Refunded", {"revenue": 19.9}, None, None),
    ],
)
def test_revenue_is_what_was_earned_by_this_very_event(
    name: str, properties: dict[str, Any], revenue: str | None, currency: str | None
) -> None:
    event = one({**TRACK, "event": name, "properties": properties})

    assert (event.revenue, event.currency) == (revenue and Decimal(revenue), currency)
    assert set(event.properties) == set(properties)


def test_revenue_in_a_currency_that_is_none_is_not_taken_for_dollars() -> None:
    event = one({**TRACK, "properties": {"revenue": 5, "currency": "bucks"}})

    assert (event.revenue, event.currency, event.flags) == (None, None, ("no_currency",))


def test_sessions_that_began_in_the_same_millisecond_are_two() -> None:
    def session(**message: Any) -> str | None:
        return one({**TRACK, **message, "context": {"sessionId": 1_789_999_000_000}}).session_id

    assert session(anonymousId="a-1") == session(anonymousId="a-1", userId="bob")
    assert session(anonymousId="a-1") != session(anonymousId="a-2")
    assert one({**TRACK, "context": {"sessionId": "s-1"}}).session_id == "s-1"


def test_the_sdk_of_rudderstack_is_not_the_app_it_runs_in() -> None:
    same = {"name": "RudderLabs JavaScript SDK", "version": "3"}

    event = one({**TRACK, "context": {"app": same, "library": same}})

    assert (event.context.app_name, event.context.library_name) == (None, same["name"])


@pytest.mark.parametrize(
    ("message", "is_server"),
    [
        ({"context": {"library": {"name": "analytics-python"}}}, True),
        ({"context": {"library": {"name": "@segment/analytics-node"}}}, True),
        ({"context": {"library": {"name": "Analytics.NET"}}}, True),
        ({"context": {"library": {"name": "analytics-java"}}}, True),
        ({"channel": "server", "context": {"library": {"name": "own"}}}, True),
        ({"context": {"library": {"name": "analytics.js"}}}, False),
        ({"context": {"library": {"name": "RudderLabs JavaScript SDK"}}}, False),
        ({"context": {"library": {"name": "analytics-react-native"}}}, False),
        ({"channel": "mobile"}, False),
        ({"context": {"library": {"name": "own"}}}, None),
        ({"context": "x"}, None),
    ],
)
def test_a_servers_sdk_is_told_from_a_persons_device(
    message: dict[str, Any], is_server: bool | None
) -> None:
    assert decode({"batch": [{**TRACK, **message}]}).server_side is is_server


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (
            {"consent": {"categoryPreferences": {"Analytics": True, "Advertising": False}}},
            {"measurement": "granted", "product": "granted", "performance": "granted",
             "sharing": "denied"},
        ),
        (
            {"consentManagement": {"allowedConsentIds": ["C0002"], "deniedConsentIds": ["product"]}},
            {"measurement": "granted", "product": "denied", "performance": "granted"},
        ),
        (
            {"consent": {"categoryPreferences": {"statistics": False, "analytics": "true"}}},
            {"measurement": "denied", "product": "denied", "performance": "denied"},
        ),
        ({"consent": {"categoryPreferences": {"cat7": False}}}, {}),
        ({"consent": [], "consentManagement": {"deniedConsentIds": {"a": 1}}}, {}),
    ],
)  # fmt: skip
def test_what_a_consent_manager_says_is_the_consent_of_the_event(
    context: dict[str, Any], said: dict[str, str]
) -> None:
    assert one({**TRACK, "context": context}).consent == said


# Time


def test_a_wrong_clock_is_repaired_by_when_the_message_or_its_batch_was_sent() -> None:
    hour_late = {**TRACK, "timestamp": "2026-09-21T13:13:00Z"}

    batch = one(hour_late, sentAt="2026-09-21T13:13:10Z")
    message = one({**hour_late, "sentAt": "2026-09-21T13:13:15Z"}, sentAt="2026-09-21T13:13:10Z")
    (header,) = decode(hour_late, "/v1/t", sentat="2026-09-21T13:13:10Z").events

    assert (batch.time, batch.time_rule) == (NOW - 10 * SECOND, "repaired")
    assert message.time == NOW - 15 * SECOND
    assert header.time == batch.time


def test_what_a_program_says_or_imports_or_tries_again_is_not_repaired() -> None:
    told = {**TRACK, "timestamp": "2026-09-01T00:00:00Z"}
    wrong = "2026-09-21T13:13:10Z"

    of_program = one({**told, "originalTimestamp": wrong}, sentAt=wrong)
    imported = one(told, "/v1/import", sentAt=wrong)

    stamped_once = {**told, "context": {"library": {"name": "analytics-node"}}}
    tried_late = one({**stamped_once, "sentAt": wrong}, sentAt=wrong)

    for event in (of_program, imported, tried_late):
        assert (event.time, event.time_rule) == (1_788_220_800_000_000, "client")


def test_the_clock_reading_of_rudderstack_is_the_time_where_there_is_no_other() -> None:
    event = one({**TRACK, "originalTimestamp": "2026-09-21T14:13:00.250Z"})

    assert event.time == NOW - 20 * SECOND + 250_000


@pytest.mark.parametrize("given", [None, "yesterday", "", {}, "9999-99-99T00:00:00Z"])
def test_a_time_that_is_none_is_the_time_of_receipt(given: Any) -> None:
    event = one({**TRACK, "timestamp": given})

    assert (event.time, event.time_rule) == (NOW, "received")


# People and accounts


def test_identify_links_and_sets_the_traits_wherever_they_stand() -> None:
    found = commands(
        {"type": "identify", "userId": "ana", "anonymousId": "a-1", "traits": {"plan": "pro"},
         "context": {"traits": {"plan": "free", "city": "Bonn"}}}
    )  # fmt: skip

    link, profile = found
    assert link == IdentityLink("a-1", "ana", "m-1", NOW, namespace="segment")
    assert isinstance(profile, ProfileOp)
    assert (profile.op, profile.subject, profile.subject_kind) == ("set", "ana", "user")
    assert profile.properties == {"plan": "pro", "city": "Bonn"}


def test_identify_without_a_user_tells_of_the_anonymous_one() -> None:
    (profile,) = commands({"type": "identify", "anonymousId": "a-1", "traits": {"plan": "pro"}})

    assert (profile.subject, profile.subject_kind) == ("a-1", "anonymous")


def test_group_is_membership_of_an_account_and_its_traits_and_a_link() -> None:
    link, member, profile = commands(
        {"type": "group", "userId": "ana", "anonymousId": "a-1", "groupId": 12,
         "traits": {"name": "Acme"}, "context": {"traits": {"plan": "pro"}}}
    )  # fmt: skip

    assert link == IdentityLink("a-1", "ana", "m-1", NOW, namespace="segment")
    assert member == GroupMembership("account", "12", "m-1", NOW, "ana", "a-1", "segment")
    # The traits in the context are the person's.
    assert (profile.subject, profile.properties) == ("12", {"name": "Acme"})


def test_alias_links_the_former_id_whether_it_named_a_device_or_a_user() -> None:
    found = commands({"type": "alias", "userId": "ana", "previousId": "old"})

    assert found == [
        IdentityLink("old", "ana", "m-1", NOW, "anonymous", "user", "alias", "segment"),
        IdentityLink("old", "ana", "m-1", NOW, "user", "user", "alias", "segment"),
    ]


def test_alias_of_the_anonymous_id_of_the_call_is_one_link() -> None:
    (link,) = commands(
        {"type": "alias", "userId": "ana", "anonymousId": "a-1", "previousId": "a-1"}
    )

    assert (link.one, link.one_kind, link.how) == ("a-1", "anonymous", "alias")


def test_alias_of_an_id_to_itself_changes_nothing() -> None:
    decoded = decode({"batch": [{"type": "alias", "userId": "ana", "previousId": "ana"}]})

    assert (decoded.commands, decoded.failed, decoded.dropped) == ([], [], {"NOT_KEPT": 1})


def test_the_traits_of_a_person_on_a_use_change_no_profile() -> None:
    decoded = decode({"batch": [{**TRACK, "context": {"traits": {"plan": "pro"}}}]})

    assert (len(decoded.events), decoded.commands) == (1, [])


# What clients hear, and ask for


def test_trouble_is_told_by_the_two_members_that_clients_show() -> None:
    assert segment.refuse is not None
    reply = segment.refuse(Unavailable("Full.", code="STORAGE_PRESSURE"), request({"batch": []}))

    assert reply.status == 503
    assert json.loads(reply.body) == {"code": "STORAGE_PRESSURE", "message": "Full."}


def endpoint(path: str) -> Endpoint:
    (found,) = [one for one in segment.endpoints if one.path == path]
    return found


def settings_for(path: str, key: str = "pk_1", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = Request("GET", path, "", named, b"", None, NOW, {"writeKey": key})
    return endpoint("/v1/projects/{writeKey}/settings").answer(asked, LIMITS)


@pytest.mark.parametrize(
    ("path", "headers", "api_host", "scheme"),
    [
        ("/v1/projects/pk_1/settings", {"host": "t.example"}, "t.example/v1", "http"),
        (
            "/segment/v1/projects/pk_1/settings/",
            {"host": "t.example:8410", "x_forwarded_proto": "https, http"},
            "t.example:8410/segment/v1",
            "https",
        ),
        (
            "/v1/projects/pk_1/settings",
            {"host": "t.example", "origin": "https://shop.example"},
            "t.example/v1",
            "https",
        ),
        (
            "/v1/projects/pk_1/settings",
            {"host": "localhost:8410", "origin": "https://shop.example"},
            "localhost:8410/v1",
            "http",
        ),
        ("/v1/projects/pk_1/settings", {"host": "[::1]:8410"}, "[::1]:8410/v1", "http"),
    ],
)
def test_the_settings_send_the_sdk_back_the_way_it_came(
    path: str, headers: dict[str, str], api_host: str, scheme: str
) -> None:
    reply = settings_for(path, **headers)

    told = json.loads(reply.body)["integrations"]
    assert told == {"Segment.io": {"apiKey": "pk_1", "apiHost": api_host, "protocol": scheme}}
    assert dict(reply.headers)["Cache-Control"].startswith("private")


@pytest.mark.parametrize("host", ["", "evil.example/x?", "a b", 'x"', "t.example:8410:1"])
def test_without_a_host_there_are_no_settings_that_would_send_elsewhere(host: str) -> None:
    with pytest.raises(Refused):
        settings_for("/v1/projects/pk_1/settings", host=host)


def test_a_secret_key_in_a_browser_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Refused) as caught:
        settings_for("/v1/projects/sk_1/settings", key="sk_1", host="t.example")

    assert caught.value.code == "AUTH_IN_URL"


def test_rudderstack_gets_its_source_by_header_or_query_and_not_without_a_key() -> None:
    def asked(query: str = "", **headers: str) -> Any:
        given = Request("GET", "/sourceConfig/", query, headers, b"", None, NOW)
        return json.loads(endpoint("/sourceConfig").answer(given, LIMITS).body)

    assert asked(authorization=basic("pk_1"))["source"]["writeKey"] == "pk_1"
    assert asked("p=npm&writeKey=pk_2&v=3")["source"]["writeKey"] == "pk_2"
    assert asked("writeKey=pk_2")["destinations"] == []
    with pytest.raises(NotAllowed):
        asked(authorization="Basic %%%")
    with pytest.raises(Refused):
        asked(authorization=basic("sk_1"))


def test_what_an_sdk_counts_of_itself_is_taken_and_thrown_away() -> None:
    asked = Request("POST", "/v1/m", "", {}, b"\xff", None, NOW)

    assert endpoint("/v1/m").answer(asked, LIMITS).status == 200
