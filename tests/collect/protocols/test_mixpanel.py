"""What Mixpanel's requests become, beside the recorded ones in ``tests/golden/mixpanel``."""

import base64
import json
import urllib.parse
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tallymark.collect.protocol import Caller, Decoded, Reply, Request
from tallymark.collect.protocols.mixpanel import mixpanel
from tallymark.core.errors import Refused, Unavailable
from tallymark.core.event import Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
LIMITS = Settings(mixpanel_groups=("team",), account_group="company")
DEVICE = "9a1416d3-e023-464a-9f46-6f6d781f8692"


def request(
    items: Any, path: str = "/track", query: str = "", headers: dict[str, str] | None = None
) -> Request:
    """Return a request as the SDK for Python sends it."""
    body = b"data=" + urllib.parse.quote(json.dumps(items), safe="").encode()
    return opened(Request("POST", path, query, headers or {}, body, "203.0.113.9", NOW))


def opened(sent: Request) -> Request:
    assert mixpanel.open is not None
    return structs.replace(sent, content=mixpanel.open(sent, LIMITS))


def took(
    items: Any, path: str = "/track", query: str = "", kind: Any = "public"
) -> tuple[Decoded, Reply]:
    sent = request(items, path, query)
    decoded = mixpanel.decode(sent, Caller("p", kind, "k"), LIMITS)
    return decoded, mixpanel.reply(decoded, sent)


def told(**properties: Any) -> Event:
    """Return the event that these properties become."""
    (event,) = took({"event": "e", "properties": {"token": "pk_1", **properties}})[0].events
    return event


@pytest.mark.parametrize(
    ("given_time", "micros"),
    [
        (1_789_999_999, 1_789_999_999_000_000),
        (1_789_999_999.25, 1_789_999_999_250_000),
        (1_789_999_999_250, 1_789_999_999_250_000),
        (1_789_999_999_250_125, 1_789_999_999_250_125),
        ("1789999999", 1_789_999_999_000_000),
    ],
)
def test_a_time_tells_its_unit_by_its_size(given_time: Any, micros: int) -> None:
    assert told(time=given_time).time == micros


def test_an_event_without_time_and_id_happened_on_arrival_and_gets_an_id() -> None:
    event = told()

    assert (event.time, event.time_rule, event.time_client) == (NOW, "received", None)
    assert event.flags == ("no_id",)


def test_a_time_that_cannot_be_read_is_flagged() -> None:
    assert "time_unread" in told(time="yesterday").flags


@pytest.mark.parametrize(
    ("said", "user", "device"),
    [
        ({"distinct_id": "ana"}, "ana", None),
        ({"distinct_id": f"$device:{DEVICE}"}, None, DEVICE),
        ({"distinct_id": f"$device:{DEVICE}", "$device_id": DEVICE}, None, DEVICE),
        ({"distinct_id": DEVICE, "$device_id": DEVICE}, None, DEVICE),
        ({"distinct_id": "ana", "$device_id": DEVICE}, "ana", DEVICE),
        ({"distinct_id": "ana", "$device_id": f"$device:{DEVICE}", "$user_id": "ana"}, "ana", DEVICE),
        ({"$device_id": DEVICE, "$user_id": "ana"}, "ana", DEVICE),
        ({"distinct_id": 42}, "42", None),
        ({"distinct_id": ""}, None, None),
        ({"distinct_id": "undefined"}, None, None),
        ({"distinct_id": "$device:"}, None, None),
    ],
)  # fmt: skip
def test_who_it_was_is_read_from_all_three_ids(
    said: dict[str, Any], user: str | None, device: str | None
) -> None:
    event = told(**said)

    assert (event.user_id, event.anonymous_id) == (user, device)


def test_an_insert_id_is_told_apart_by_event_and_person_and_not_by_its_token() -> None:
    def key(name: str, who: str, project: str = "pk_1") -> tuple[str, str]:
        sent = {
            "event": name,
            "properties": {"token": project, "distinct_id": who, "$insert_id": "i"},
        }
        (event,) = took(sent)[0].events
        return event.namespace, event.id

    assert key("a", "ana") == key("a", "ana", project="pk_2")
    assert len({key("a", "ana"), key("b", "ana"), key("a", "bo"), key("aa", "na")}) == 4


def test_an_item_of_another_project_in_the_same_request_is_set_aside() -> None:
    items = [{"event": "e", "properties": {"token": token}} for token in ("pk_1", "pk_2")]

    decoded, reply = took(items)

    assert len(decoded.events) == 1
    assert [(one.index, one.code) for one in decoded.failed] == [(1, "AUTH_INVALID")]
    assert reply.body == b"1"


def test_an_address_is_believed_from_a_server_only_and_is_never_a_property() -> None:
    item = {"event": "e", "properties": {"token": "pk_1", "ip": "203.0.113.5", "$ip": "1.2.3.4"}}

    (public,) = took(item)[0].events
    (secret,) = took(item, kind="secret")[0].events

    assert public.context.ip is None
    assert secret.context.ip == "203.0.113.5"
    assert public.properties == secret.properties == {}


@pytest.mark.parametrize(("query", "server_side"), [("ip=0", True), ("ip=1", False), ("", None)])
def test_ip_says_whether_a_server_sent_it(query: str, server_side: bool | None) -> None:
    decoded, _ = took({"event": "e", "properties": {}}, query=query)

    assert decoded.server_side is server_side


def test_no_address_that_the_sdk_collects_keeps_its_query() -> None:
    event = told(**{
        "$initial_referrer": "https://a.example/p?mail=ana@b.example",
        "current_url_search": "?q=1",
        "mine": "https://a.example/?q=1",
    })  # fmt: skip

    assert event.properties == {"$initial_referrer": "https://a.example/p", "mine": "https://a.example/?q=1"}  # fmt: skip


def test_groups_are_the_properties_that_the_settings_name() -> None:
    event = told(company=["acme", "beta"], team="red", other=["x"])

    assert event.groups == {"account": "acme", "team": "red"}
    assert event.properties == {"company": ["acme", "beta"], "team": "red", "other": ["x"]}


def _links(name: str, **properties: Any) -> list[tuple[str, str, str, str, str]]:
    decoded, _ = took({"event": name, "properties": properties})
    assert decoded.events == []
    found: list[tuple[str, str, str, str, str]] = []
    for one in decoded.commands:
        assert isinstance(one, IdentityLink)
        found.append((one.one_kind, one.one, one.other_kind, one.other, one.how))
    return found


def test_identify_links_the_device_and_the_user() -> None:
    assert _links(
        "$identify", distinct_id="ana", **{"$anon_distinct_id": f"$device:{DEVICE}", "$device_id": DEVICE}
    ) == [("anonymous", DEVICE, "user", "ana", "identify")]  # fmt: skip
    assert _links("$identify", **{"$identified_id": "ana", "$anon_id": "$device:d"}) == [
        ("anonymous", "d", "user", "ana", "identify")
    ]


def test_identify_after_another_user_never_takes_that_user_for_a_device() -> None:
    links = _links("$identify", distinct_id="bo", **{"$anon_distinct_id": "ana", "$device_id": "d"})

    assert links == [
        ("user", "ana", "user", "bo", "identify"),
        ("anonymous", "d", "user", "bo", "identify"),
    ]


def test_alias_and_merge_link_what_they_name_and_no_placeholders() -> None:
    assert _links("$create_alias", distinct_id="$device:d", alias="ana") == [
        ("anonymous", "d", "user", "ana", "alias")
    ]
    assert _links("$merge", **{"$distinct_ids": ["ana", "null", "bo", "$device:d"]}) == [
        ("user", "ana", "user", "bo", "merge"),
        ("user", "ana", "anonymous", "d", "merge"),
    ]
    assert took({"event": "$create_alias", "properties": {"distinct_id": "a", "alias": "null"}})[
        0
    ].dropped == {"NOT_KEPT": 1}


@pytest.mark.parametrize(
    ("name", "properties"),
    [("$identify", {}), ("$create_alias", {"alias": "a"}), ("$merge", {"$distinct_ids": ["a"]})],
)
def test_a_claim_that_names_too_few_is_set_aside(name: str, properties: dict[str, Any]) -> None:
    decoded, _ = took({"event": name, "properties": properties})

    assert [one.code for one in decoded.failed] == ["MISSING_FIELD"]


def test_claims_of_one_item_have_ids_of_their_own() -> None:
    item = {"event": "$merge", "properties": {"$insert_id": "m", "$distinct_ids": ["a", "b", "c"]}}

    assert [one.id for one in took(item)[0].commands] == ["m", "m/1"]


def _profiles(item: dict[str, Any], path: str = "/engage") -> list[Any]:
    decoded, _ = took({"$token": "pk_1", **item}, path)
    assert not decoded.failed, decoded.failed
    return decoded.commands


def test_an_update_may_hold_several_operations() -> None:
    ops = _profiles({
        "$distinct_id": "ana", "$set": {"a": 1}, "$add": {"n": -0.5}, "$union": {"t": "x"},
        "$unset": "old",
    })  # fmt: skip

    assert [(one.op, one.properties) for one in ops] == [
        ("set", {"a": 1}),
        ("add", {"n": Decimal("-0.5")}),
        ("union", {"t": ["x"]}),
        ("unset", {"old": None}),
    ]
    assert len({one.id for one in ops}) == 1


def test_an_update_of_a_device_changes_what_is_known_of_the_device() -> None:
    (op,) = _profiles({"$distinct_id": "$device:d", "$set": {"a": 1}})

    assert isinstance(op, ProfileOp)
    assert (op.subject_kind, op.subject) == ("anonymous", "d")


def test_a_property_that_is_a_group_key_makes_a_member() -> None:
    found = _profiles({"$distinct_id": "ana", "$set": {"company": ["acme", "beta"]}})

    members = [one for one in found if isinstance(one, GroupMembership)]
    assert [(one.group_type, one.group_id, one.user_id) for one in members] == [
        ("account", "acme", "ana"),
        ("account", "beta", "ana"),
    ]
    assert len({one.id for one in members}) == 2


def test_a_group_is_a_subject_of_its_own_and_never_a_person() -> None:
    (op,) = _profiles({"$group_key": "team", "$group_id": 7, "$delete": ""}, "/groups")
    decoded, _ = took({"$group_key": "user", "$group_id": "ana", "$set": {"a": 1}}, "/groups")

    assert (op.op, op.subject_kind, op.subject) == ("delete", "team", "7")
    assert [one.code for one in decoded.failed] == ["BAD_FIELD"]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"$set": {"a": 1}}, "MISSING_FIELD"),
        ({"$distinct_id": "ana"}, "MISSING_FIELD"),
        ({"$distinct_id": "ana", "$set": 5}, "BAD_FIELD"),
        ({"$distinct_id": "ana", "$add": {"n": "1"}}, "VALUE_NOT_NUMERIC"),
        ({"$distinct_id": "ana", "$add": {"n": True}}, "VALUE_NOT_NUMERIC"),
        ([], "BAD_FIELD"),
    ],
)
def test_an_update_that_makes_no_sense_is_set_aside(item: Any, code: str) -> None:
    decoded, reply = took([item, {"$distinct_id": "bo", "$set": {"b": 1}}], "/engage")

    assert [one.code for one in decoded.failed] == [code]
    assert len(decoded.commands) == 1
    assert (reply.status, reply.body) == (200, b"1")


def test_the_same_update_at_the_same_exact_time_is_one_and_others_are_not() -> None:
    def ids(time: Any) -> set[str]:
        item = {"$distinct_id": "ana", "$time": time, "$add": {"n": 1}}
        return {_profiles(item)[0].id for _ in range(2)}

    assert len(ids(1_789_999_990.25)) == 1
    assert len(ids(1_789_999_990)) == 2
    assert len(ids(None)) == 2


def test_a_charge_is_a_change_of_the_profile_and_revenue() -> None:
    item = {
        "$distinct_id": "ana",
        "$append": {"$transactions": {"$amount": 9.99, "currency": "eur"}},
    }

    decoded, _ = took(item, "/engage")

    (charge,), (op,) = decoded.events, decoded.commands
    assert (charge.name, charge.kind, str(charge.revenue), charge.currency) == (
        "charge", "revenue", "9.99", "EUR",
    )  # fmt: skip
    assert isinstance(op, ProfileOp)
    assert op.op == "append"


@pytest.mark.parametrize(
    ("query", "good", "bad"),
    [
        ("verbose=1", {"status": 1, "error": None}, {"status": 0, "error": "The event has no name."}),
        ("", 1, 0),
    ],
)  # fmt: skip
def test_a_reply_says_success_or_failure_as_it_was_asked(query: str, good: Any, bad: Any) -> None:
    taken = took({"event": "e", "properties": {}}, query=query)[1]
    lost = took({"event": " ", "properties": {}}, query=query)[1]

    assert (taken.status, json.loads(taken.body)) == (200, good)
    assert (lost.status, json.loads(lost.body)) == (400, bad)


def test_a_picture_is_answered_with_a_picture_whatever_happens() -> None:
    assert took({"event": "e", "properties": {}}, query="img=1")[1].content_type == "image/gif"
    sent = Request("GET", "/track", "img=1", {}, b"", None, NOW)
    assert mixpanel.refuse is not None
    assert mixpanel.refuse(Refused("No."), sent).content_type == "image/gif"


def test_trouble_is_told_in_the_words_of_the_address() -> None:
    assert mixpanel.refuse is not None
    full = Unavailable("Full.", code="STORAGE_PRESSURE")
    track = mixpanel.refuse(full, Request("POST", "/track", "verbose=1", {}, b"", None, NOW))
    load = mixpanel.refuse(full, Request("POST", "/import", "strict=1", {}, b"", None, NOW))

    assert (track.status, json.loads(track.body)) == (503, {"status": 0, "error": "Full."})
    assert (load.status, json.loads(load.body)["code"]) == (503, 503)


def _basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, "pk_1"),
        (_basic("sk_1:"), "sk_1"),
        (_basic("robot.7:sk_1"), "sk_1"),
        ({"authorization": "Bearer sk_1"}, "sk_1"),
        (_basic("somebody:else"), "pk_1"),
        ({"authorization": "Basic %%%"}, "pk_1"),
    ],
)
def test_a_key_of_ours_in_the_header_goes_before_the_token(
    headers: dict[str, str], key: str
) -> None:
    item = {"event": "e", "properties": {"token": "pk_1"}}

    assert mixpanel.credential(request(item, headers=headers)) == key


def test_the_token_of_a_profile_or_a_form_field_will_do() -> None:
    assert mixpanel.credential(request([{}, {"$token": "pk_1"}], "/engage")) == "pk_1"
    sent = Request("POST", "/import", "", {}, b"data=%5B%7B%7D%5D&api_key=sk_1", None, NOW)
    assert mixpanel.credential(opened(sent)) == "sk_1"
    assert mixpanel.credential(request({"event": "e"})) is None


@pytest.mark.parametrize(
    "query",
    [
        "data=" + urllib.parse.quote(base64.b64encode(b'{"properties":{"token":"sk_1"}}').decode()),
        "data=%7B%22%24token%22%3A%22rk_1%22%7D",
        "api_key=sk%5F1",
    ],
)
def test_a_secret_key_in_the_url_is_refused_however_it_is_packed(query: str) -> None:
    with pytest.raises(Refused) as refused:
        mixpanel.credential(opened(Request("GET", "/track", query, {}, b"", None, NOW)))

    assert refused.value.code == "AUTH_IN_URL"


def test_an_import_needs_a_secret_key() -> None:
    with pytest.raises(Refused) as refused:
        took({"event": "e", "properties": {}}, "/import")

    assert refused.value.code == "AUTH_WRONG_KIND"


def _import(item: dict[str, Any], query: str = "") -> Decoded:
    sent = Request("POST", "/import", query, {}, json.dumps([item]).encode(), None, NOW)
    return mixpanel.decode(opened(sent), Caller("p", "secret", "k"), LIMITS)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"time": None}, "MISSING_FIELD"),
        ({"time": "soon"}, "TIME_UNPARSABLE"),
        ({"time": 31_535_999}, "TIME_TOO_OLD"),
        ({"time": NOW // 1_000_000 + 3_601}, "TIME_FUTURE"),
        ({"$insert_id": None}, "MISSING_FIELD"),
        ({"distinct_id": None}, "MISSING_FIELD"),
        ({"distinct_id": "00000000-0000-0000-0000-000000000000"}, "ILLEGAL_ID"),
        ({"distinct_id": "anon"}, "ILLEGAL_ID"),
    ],
)
def test_a_strict_import_takes_only_what_can_be_told_apart(
    changed: dict[str, Any], code: str
) -> None:
    properties = {"time": 1_700_000_000, "$insert_id": "i", "distinct_id": "", **changed}

    strict = _import({"event": "e", "properties": properties})
    lenient = _import({"event": "e", "properties": properties}, "strict=0")

    assert [one.code for one in strict.failed] == [code]
    assert len(lenient.events) == 1


def test_an_import_keeps_old_times_and_repairs_no_clock() -> None:
    properties = {"time": 1_000_000_000, "$insert_id": "i", "distinct_id": "ana"}

    (event,) = _import({"event": "e", "properties": properties}).events

    assert (event.time, event.time_rule) == (1_000_000_000_000_000, "client")


@pytest.mark.parametrize(
    ("content", "is_ours"),
    [
        ([{"event": "e", "properties": {"token": "pk_1"}}], True),
        ({"$token": "pk_1", "$set": {}}, True),
        (None, True),
        ({"api_key": "pk_1", "event": "e"}, False),
        ([{"api_key": "pk_1", "event": "e"}], False),
        ({"api_key": "pk_1", "batch": []}, False),
    ],
)
def test_what_has_an_api_key_inside_is_not_for_this_protocol(content: Any, is_ours: bool) -> None:
    sent = request(content) if content is not None else Request("POST", "/track", "", {}, b"", None, NOW)  # fmt: skip

    assert mixpanel.claims(sent) is is_ours


def test_what_is_asked_before_anything_is_sent_has_an_answer() -> None:
    answers = {
        (one.method, one.path): json.loads(
            one.answer(Request(one.method, one.path, "", {}, b"", None, NOW), LIMITS).body
        )
        for one in mixpanel.endpoints
    }

    assert answers["GET", "/flags"] == {"flags": {}}
    assert answers["GET", "/settings"]["sdk_config"]["config"] == {"record_sessions_percent": 0}
    assert answers["GET", "/decide"] == {"notifications": [], "config": {}}
    assert answers["POST", "/record"]["code"] == 200


_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["$device:", "$device:d", "undefined", "1e999", "pk_1", "https://a.example/?q"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_names = st.sampled_from([
    "token", "time", "distinct_id", "$device_id", "$user_id", "$insert_id", "alias", "$distinct_ids",
    "$anon_distinct_id", "$identified_id", "$current_url", "company", "team", "ip", "x",
    "$screen_width", "$browser_version", "$transactions", "$amount", "utm_source", "gclid",
])  # fmt: skip
_props = st.dictionaries(_names, _value, max_size=8) | _value
_event = st.fixed_dictionaries(
    {"event": st.sampled_from(["e", "$identify", "$create_alias", "$merge", "$mp_click"]) | _value},
    optional={"properties": _props},
)
_update = st.dictionaries(
    st.sampled_from(["$token", "$time", "$distinct_id", "$device_id", "$user_id", "$group_key",
                     "$group_id", "$set", "$set_once", "$add", "$append", "$union", "$remove",
                     "$unset", "$delete", "$insert_id"]),
    _props, max_size=8,
)  # fmt: skip


@settings(max_examples=150)
@given(
    items=st.lists(_event | _update, max_size=3),
    path=st.sampled_from(["/track", "/engage", "/groups", "/import"]),
)
def test_every_item_meets_an_outcome_whatever_it_holds(items: list[Any], path: str) -> None:
    decoded, reply = took(items, path, kind="secret")

    made = len(decoded.events) + len(decoded.commands) + len(decoded.failed)
    assert decoded.received == len(items)
    assert decoded.received <= made + sum(decoded.dropped.values())
    assert reply.status in (200, 400)
    assert all(one.index < len(items) for one in decoded.failed)
