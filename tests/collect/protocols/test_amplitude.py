"""What Amplitude's requests become, beside the recorded ones in ``tests/golden/amplitude``."""

import json
import urllib.parse
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tallymark.collect.batch import Origin, batch_of
from tallymark.collect.protocol import Caller, Decoded, Reply, Request
from tallymark.collect.protocols.amplitude import amplitude
from tallymark.core.clock import SystemClock
from tallymark.core.errors import NotAllowed, Refused, Unavailable
from tallymark.core.event import Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
MS = NOW // 1000
LIMITS = Settings(account_group="company")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def request(body: Any, path: str = "/2/httpapi", query: str = "") -> Request:
    text = body if isinstance(body, str) else json.dumps(body)
    sent = Request("POST", path, query, {"user-agent": AGENT}, text.encode(), "203.0.113.9", NOW)
    assert amplitude.open is not None
    return structs.replace(sent, content=amplitude.open(sent, LIMITS))


def took(body: Any, path: str = "/2/httpapi", kind: Any = "public") -> tuple[Decoded, Reply]:
    sent = request(body, path)
    decoded = amplitude.decode(sent, Caller("p", kind, "k"), LIMITS)
    return decoded, amplitude.reply(decoded, sent)


def events(*items: Any, kind: Any = "public", **body: Any) -> Decoded:
    return took({"api_key": "pk_1", "events": list(items), **body}, kind=kind)[0]


def told(kind: Any = "public", **item: Any) -> Event:
    """Return the event that these fields become."""
    (event,) = events({"event_type": "e", **item}, kind=kind).events
    return event


def test_an_insert_id_is_told_apart_by_device_or_else_by_user() -> None:
    def key(**who: str) -> tuple[str, str]:
        event = told(insert_id="i", **who)
        return event.namespace, event.id

    assert key(device_id="d", user_id="ana") == key(device_id="d")
    assert key(device_id="d") != key(device_id="d2")
    assert key(user_id="ana") != key(user_id="bo")
    assert key(device_id="d")[1] == "i"
    assert len(key(device_id="d" * 200)[0]) < 60


def test_an_event_without_insert_id_gets_one_and_is_flagged() -> None:
    assert told(user_id="ana").flags == ("no_id",)


def test_short_ids_are_taken_whatever_length_was_asked_for() -> None:
    decoded = events({"event_type": "e", "user_id": "a"}, options={"min_id_length": 5})

    assert [one.user_id for one in decoded.events] == ["a"]


@pytest.mark.parametrize(
    ("said", "session"),
    [
        ({"session_id": -1, "device_id": "d"}, None),
        ({"session_id": "-1"}, None),
        ({"session_id": 1790000000000, "device_id": "d", "user_id": "ana"}, "d/1790000000000"),
        ({"session_id": 1790000000000, "user_id": "ana"}, "ana/1790000000000"),
        ({"session_id": 1790000000000}, "1790000000000"),
        ({}, None),
    ],
)
def test_a_session_is_one_of_its_device_and_minus_one_is_none(
    said: dict[str, Any], session: str | None
) -> None:
    assert told(**said).session_id == session


def test_a_session_of_a_device_with_a_long_id_still_has_one() -> None:
    first, second = (told(session_id=1, device_id="d" * 199 + end).session_id for end in "ab")

    assert first != second
    assert first is not None
    assert len(first) == 32


def test_a_list_of_groups_keeps_the_first_on_the_event_and_all_among_the_properties() -> None:
    event = told(groups={"company": ["acme", "beta"], "team": "red", "user": "x", "none": []})

    assert event.groups == {"account": "acme", "team": "red"}
    assert event.properties["groups"]["company"] == ["acme", "beta"]
    assert "groups" not in told(groups={"company": "acme"}).properties


@pytest.mark.parametrize(
    ("given_money", "amount", "currency"),
    [
        ({"$price": 3.99, "$quantity": 3, "$currency": "EUR"}, "11.97", "EUR"),
        ({"$price": 5, "$currency": "usd"}, "5", "USD"),
        ({"$revenue": 7, "$price": 5, "$quantity": 9, "$currency": "EUR"}, "7", "EUR"),
        (
            {"$price": "12345678901234567890.12345", "$quantity": 1000000.1, "$currency": "EUR"},
            "12345680135802458013580239.012345",
            "EUR",
        ),
        ({"$price": -2.5, "$quantity": 2, "$currency": "EUR"}, "-5.0", "EUR"),
        ({"$price": "much", "$currency": "EUR"}, None, None),
        ({"$price": 5}, None, None),
        ({"$price": 0.000000015, "$quantity": 0.1, "$currency": "EUR"}, "0.000000002", "EUR"),
    ],
)
def test_revenue_is_told_or_price_times_quantity_exactly(
    given_money: dict[str, Any], amount: str | None, currency: str | None
) -> None:
    event = told(event_type="revenue_amount", event_properties=given_money)

    assert event.kind == "revenue"
    assert event.revenue == (None if amount is None else Decimal(amount))
    assert event.currency == currency
    assert set(given_money) <= set(event.properties)


def test_money_at_the_top_of_an_ordinary_event_makes_it_revenue() -> None:
    event = told(price=2, quantity=3, currency="EUR", productId="p")

    assert (event.name, event.kind, event.revenue) == ("e", "revenue", Decimal(6))
    assert event.properties == {"price": 2, "quantity": 3, "currency": "EUR", "productId": "p"}
    assert told(quantity=3).kind == "track"


def test_a_clock_that_is_wrong_by_the_hour_is_repaired_by_the_upload_time() -> None:
    slow = "2026-09-21T13:13:20.000Z"

    decoded = events({"event_type": "e", "time": MS - 3_600_000 - 5_000}, client_upload_time=slow)

    assert decoded.sent_at == NOW - 3_600_000_000
    (event,) = decoded.events
    assert (event.time, event.time_rule) == (NOW - 5_000_000, "repaired")


def test_the_address_of_the_request_is_the_persons_only_where_the_event_says_so() -> None:
    remote, server = {"event_type": "e", "ip": "$remote"}, {"event_type": "e"}

    assert events(remote, remote).server_side is False
    assert events(server).server_side is True
    mixed = events(remote, server)
    assert mixed.server_side is True
    assert [(one.context.ip, one.context.user_agent) for one in mixed.events] == [
        ("203.0.113.9", AGENT),
        (None, None),
    ]


def test_an_address_is_believed_from_a_server_only() -> None:
    assert told(ip="203.0.113.5").context.ip is None
    assert told(kind="secret", ip="203.0.113.5").context.ip == "203.0.113.5"


def test_advertising_ids_and_places_are_not_kept() -> None:
    event = told(idfa="A", idfv="B", adid="C", android_id="D", location_lat=47.1, location_lng=8.5)

    assert event.properties == {}


@pytest.mark.parametrize(
    ("name", "stored", "kind"),
    [
        ("[Amplitude] Page Viewed", "page_view", "page"),
        ("[Amplitude] Element Clicked", "[Amplitude] Element Clicked", "interaction"),
        ("[Amplitude] Rage Click", "[Amplitude] Rage Click", "interaction"),
        ("[Amplitude] Web Vitals", "[Amplitude] Web Vitals", "metric"),
        ("session_start", "session_start", "session"),
        ("session_end", "session_end", "session"),
        ("Signed up", "Signed up", "track"),
    ],
)
def test_names_of_the_sdk_say_what_kind_of_use_it_is(name: str, stored: str, kind: str) -> None:
    event = told(event_type=name)

    assert (event.name, event.kind) == (stored, kind)


def _changes(**item: Any) -> list[tuple[str, str, dict[str, Any]]]:
    decoded = events(item)
    assert not decoded.failed, decoded.failed
    assert decoded.events == []
    ops = [one for one in decoded.commands if isinstance(one, ProfileOp)]
    return [(one.op, one.subject, one.properties) for one in ops]


def test_what_has_no_operation_is_set_and_no_id_meets_another() -> None:
    item = {
        "event_type": "$identify", "user_id": "ana", "insert_id": "i",
        "user_properties": {"$set": {"a": 1}, "b": 2, "$preInsert": {"x": 1}, "$postInsert": {"y": 2}},
    }  # fmt: skip

    decoded = events(item)

    assert [(one.id, one.op) for one in decoded.commands if isinstance(one, ProfileOp)] == [
        ("i", "set"), ("i", "union"), ("i/$postInsert", "union"), ("i/plain", "set"),
    ]  # fmt: skip


def test_an_ordinary_event_may_change_its_person_and_groups_unless_it_says_not_to() -> None:
    item = {"event_type": "e", "user_id": "ana", "user_properties": {"plan": "pro"}}

    changed = events(item)
    quiet = events({**item, "$skip_user_properties_sync": True})

    assert [len(changed.events), len(changed.commands)] == [1, 1]
    assert [len(quiet.events), len(quiet.commands)] == [1, 0]


def test_an_unset_names_only_and_clear_all_takes_everything() -> None:
    assert _changes(
        event_type="$identify", device_id="d", user_properties={"$unset": {"a": "-", "b": "-"}}
    ) == [("unset", "d", {"a": None, "b": None})]
    assert _changes(
        event_type="$identify", device_id="d", user_properties={"$clearAll": "-"}
    ) == [("clear", "d", {})]  # fmt: skip


def test_empty_is_nothing_for_a_campaign_and_a_word_elsewhere() -> None:
    said = {"$setOnce": {"initial_utm_source": "EMPTY", "initial_gclid": "EMPTY", "tank": "EMPTY"}}

    assert _changes(event_type="$identify", device_id="d", user_properties=said) == [
        ("set_once", "d", {"initial_utm_source": None, "initial_gclid": None, "tank": "EMPTY"})
    ]


def test_set_group_makes_a_member_of_each_group() -> None:
    decoded = events(
        {"event_type": "$identify", "user_id": "ana", "insert_id": "i", "groups": {"company": ["a", "b"]}}
    )  # fmt: skip

    members = [one for one in decoded.commands if isinstance(one, GroupMembership)]
    assert [(one.group_type, one.group_id, one.user_id, one.id) for one in members] == [
        ("account", "a", "ana", "i"),
        ("account", "b", "ana", "i/1"),
    ]


def test_a_group_identify_needs_no_person_and_an_identify_does() -> None:
    group = {
        "event_type": "$groupidentify",
        "groups": {"company": "acme"},
        "group_properties": {"n": 1},
    }

    assert len(events(group).commands) == 1
    assert [one.code for one in events({"event_type": "$identify"}).failed] == ["MISSING_FIELD"]
    assert [one.code for one in events({"event_type": "$groupidentify"}).failed] == [
        "MISSING_FIELD"
    ]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"user_properties": {"$add": {"n": "much"}}}, "VALUE_NOT_NUMERIC"),
        ({"user_properties": {"$set": 5}}, "BAD_FIELD"),
    ],
)
def test_a_change_that_makes_no_sense_is_set_aside(item: dict[str, Any], code: str) -> None:
    decoded = events({"event_type": "$identify", "user_id": "ana", **item})

    assert [one.code for one in decoded.failed] == [code]


def form(**fields: Any) -> str:
    return urllib.parse.urlencode(
        {key: one if isinstance(one, str) else json.dumps(one) for key, one in fields.items()}
    )


def test_identify_comes_as_a_form_or_as_json_and_is_answered_in_words() -> None:
    item = {"user_id": "ana", "user_properties": {"plan": "pro"}}

    as_form, reply = took(form(api_key="pk_1", identification=item), "/identify")
    as_json, _ = took({"api_key": "pk_1", "identification": [item]}, "/identify")

    assert (reply.status, reply.body) == (200, b"success")
    assert [structs.replace(one, id="") for one in as_form.commands] == [
        structs.replace(one, id="") for one in as_json.commands
    ]


def test_a_mapping_links_two_users_and_unmap_takes_it_back() -> None:
    mapped, _ = took(
        form(api_key="pk_1", mapping={"user_id": "a", "global_user_id": "g"}), "/usermap"
    )
    back, _ = took(
        form(api_key="pk_1", mapping={"user_id": "a", "global_user_id": "g", "unmap": True}), "/usermap"
    )  # fmt: skip

    assert [(one.one, one.other, one.one_kind, one.other_kind, one.how) for one in mapped.commands if isinstance(one, IdentityLink)] == [("a", "g", "user", "user", "alias")]  # fmt: skip
    assert [one.how for one in back.commands if isinstance(one, IdentityLink)] == ["retract"]


def test_a_group_is_never_a_person() -> None:
    decoded, _ = took(
        form(
            api_key="pk_1",
            identification={
                "group_type": "user",
                "group_value": "ana",
                "group_properties": {"a": 1},
            },
        ),
        "/groupidentify",
    )

    assert [one.code for one in decoded.failed] == ["BAD_FIELD"]


def test_one_bad_event_among_good_ones_is_success_with_the_count_of_the_good() -> None:
    _, reply = took({"api_key": "pk_1", "events": [{"event_type": "e"}, {"user_id": "ana"}]})

    assert reply.status == 200
    assert json.loads(reply.body) == {
        "code": 200,
        "events_ingested": 1,
        "payload_size_bytes": len(
            json.dumps({"api_key": "pk_1", "events": [{"event_type": "e"}, {"user_id": "ana"}]})
        ),
        "server_upload_time": MS,
    }


def test_every_refusal_has_a_code_and_says_what_is_to_be_dropped() -> None:
    assert amplitude.refuse is not None
    sent = Request("POST", "/2/httpapi", "", {}, b"", None, NOW)
    answers = [
        (one.code, amplitude.refuse(one, sent))
        for one in (
            NotAllowed("No key was given.", code="AUTH_MISSING"),
            NotAllowed("Unknown.", code="AUTH_INVALID"),
            NotAllowed("A read key.", code="AUTH_WRONG_KIND"),
            Refused("In the URL.", code="AUTH_IN_URL"),
            Refused("No JSON.", code="JSON_SYNTAX"),
            Refused("zstd?", code="UNSUPPORTED_ENCODING"),
            Refused("Too long.", code="BATCH_TOO_LONG"),
            Refused("Too large.", code="BODY_TOO_LARGE"),
            Unavailable("Full.", code="STORAGE_PRESSURE"),
        )
    ]

    for code, reply in answers:
        body = json.loads(reply.body)
        assert body["code"] == reply.status, code
        if reply.status == 400:
            assert body["error"].startswith("Invalid API key: ") or body["missing_field"], code
    assert [reply.status for _, reply in answers] == [400] * 6 + [413, 413, 503]


def test_the_key_is_in_the_body_the_form_or_the_query_but_no_secret_in_the_last() -> None:
    assert amplitude.credential(request({"api_key": "sk_1", "events": []})) == "sk_1"
    assert amplitude.credential(request(form(api_key="pk_1", event="{}"), "/httpapi")) == "pk_1"
    assert amplitude.credential(request("", query="api_key=pk_1")) == "pk_1"
    with pytest.raises(Refused) as refused:
        amplitude.credential(request("", query="api_key=sk%5F1"))
    assert refused.value.code == "AUTH_IN_URL"


@pytest.mark.parametrize(
    ("path", "body", "is_ours"),
    [
        ("/batch", {"api_key": "pk_1", "events": []}, True),
        ("/batch/", {"api_key": "pk_1", "batch": []}, False),
        ("/batch", [], False),
        ("/2/httpapi", {}, True),
    ],
)
def test_a_batch_is_ours_if_it_holds_events(path: str, body: Any, is_ours: bool) -> None:
    assert amplitude.claims(request(body, path)) is is_ours


def test_the_browser_finds_an_empty_configuration() -> None:
    (endpoint,) = amplitude.endpoints
    answer = endpoint.answer(Request("GET", "/config", "", {}, b"", None, NOW), LIMITS)

    assert (endpoint.method, endpoint.path, json.loads(answer.body)) == (
        "GET", "/config", {"configs": {}},
    )  # fmt: skip


_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["EMPTY", "-", "undefined", "1e999", "$remote", "https://a.example/?q"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_operations = st.dictionaries(
    st.sampled_from(["$set", "$setOnce", "$add", "$unset", "$clearAll", "$preInsert", "$remove", "x"]),
    st.dictionaries(st.text(max_size=5), _value, max_size=3) | _value,
    max_size=4,
)  # fmt: skip
_item = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["e", "$identify", "$groupidentify", "revenue_amount", "[Amplitude] Page Viewed"]) | _value},
    optional={
        "user_id": _value, "device_id": _value, "insert_id": _value, "session_id": _value,
        "time": _value, "ip": _value, "groups": st.dictionaries(st.sampled_from(["company", "user"]), _value) | _value,
        "user_properties": _operations | _value, "group_properties": _operations | _value,
        "event_properties": st.dictionaries(st.sampled_from(["$price", "$quantity", "$revenue", "utm_source", "referrer"]), _value) | _value,
        "price": _value, "quantity": _value, "library": _value, "user_agent": _value,
    },
)  # fmt: skip


@settings(max_examples=150)
@given(
    items=st.lists(_item | _value, max_size=3),
    path=st.sampled_from(["/2/httpapi", "/batch", "/identify", "/groupidentify", "/usermap"]),
    upload=_value,
)
def test_every_item_meets_an_outcome_whatever_it_holds(
    items: list[Any], path: str, upload: Any
) -> None:
    body = {"api_key": "pk_1", "client_upload_time": upload}
    fields = {"identify": "identification", "groupidentify": "identification", "usermap": "mapping"}
    body[fields.get(path.strip("/"), "events")] = items

    decoded, reply = took(body, path, kind="secret")

    made = len(decoded.events) + len(decoded.commands) + len(decoded.failed)
    assert decoded.received == len(items)
    assert decoded.received <= made + sum(decoded.dropped.values())
    assert reply.status in (200, 400)
    batch_of(decoded, Caller("p", "secret", "k"), Origin("amplitude", NOW), clock=SystemClock())
