"""PostHog's protocol: whom an event is about, when it was, where, and what is no use at all."""

import base64
import gzip
import json
import urllib.parse
import zlib
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from tallymark.collect.protocol import Caller, Decoded, Reply, Request
from tallymark.collect.protocols.posthog import posthog
from tallymark.core.errors import NotAllowed, Refused, TallymarkError, Unavailable
from tallymark.core.event import Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
LIMITS = Settings()
UUID = "0190f6c2-0000-7000-8000-00000000000"
DEVICE = "01a21497-bc4a-703b-ac59-e3bdc660cf8c"
BROWSER = {"$lib": "web", "$device_id": DEVICE, "$is_identified": False, "distinct_id": DEVICE}
ANA = {"$lib": "web", "$device_id": DEVICE, "$is_identified": True, "distinct_id": "ana"}


def request(
    body: Any, path: str = "/batch/", *, query: str = "", method: str = "POST", **headers: str
) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = Request(method, path, query, named, raw, "203.0.113.9", NOW)
    assert posthog.open is not None
    return structs.replace(asked, content=posthog.open(asked, LIMITS))


def decode(
    body: Any,
    path: str = "/batch/",
    *,
    kind: Any = "public",
    policy: Policy | None = None,
    **how: Any,
) -> Decoded:
    return posthog.decode(
        request(body, path, **how), Caller("p", kind, "k", policy or Policy()), LIMITS
    )


def batch(*items: Any, **envelope: Any) -> dict[str, Any]:
    return {"api_key": "pk_1", "batch": list(items), **envelope}


def use(name: str = "bought", /, *, given: dict[str, Any] | None = None, **item: Any) -> Any:
    return {"event": name, "uuid": UUID + "1", "properties": given or {}, **item}


def one(item: Any, **how: Any) -> Event:
    decoded = decode(batch(item), **how)
    assert decoded.failed == []
    (event,) = decoded.events
    return event


def commands(item: Any) -> list[Any]:
    decoded = decode(batch(item))
    assert (decoded.events, decoded.failed) == ([], [])
    return list(decoded.commands)


def answer(error: TallymarkError) -> Reply:
    assert posthog.refuse is not None
    return posthog.refuse(error, request(batch()))


# Bodies


TWO = [use("a", given={"token": "pk_1", "distinct_id": "u"}), use("b", distinct_id="u")]
PACKED = base64.b64encode(json.dumps(TWO).encode()).decode()
# The same as lz-string packs it.
LZ64 = (
    "NobwRApgbhB2AuYBcACMBDMAaNBXXAlgCbJoAMAjAJxkBmAbAMYBMAtGR2awOyesAcfTsOEVsaAA4AnAPYSIU+AQgBnUuHgyA"
    "1nFJgJWgPpicYIgRVLYjeIeJ7cYAL5Oc4aHESowAI3Fh8e29KGgYWdj5eDgEhERETSVl5RWU1VBBXNHNLAmtbILxnAF0gA="
)


@pytest.mark.parametrize(
    "path", ["/batch", "/e/", "/i/v0/e/", "/capture/", "/posthog/track/", "/engage"]
)
@pytest.mark.parametrize(
    ("body", "how"),
    [
        (json.dumps(batch(*TWO)).encode(), {}),
        (json.dumps({"token": "pk_1", "batch": TWO}).encode(), {"content_type": "text/plain"}),
        (json.dumps(TWO).encode(), {}),
        (gzip.compress(json.dumps(TWO).encode()), {"content_type": "text/plain"}),
        (gzip.compress(json.dumps(TWO).encode()), {"content_encoding": "gzip"}),
        (zlib.compress(json.dumps(TWO).encode()), {"content_encoding": "deflate"}),
        (b"data=" + urllib.parse.quote(PACKED).encode(), {"query": "compression=base64"}),
        (b"data=" + urllib.parse.quote(json.dumps(TWO)).encode(), {}),
        (b"", {"query": "_=1790000000000&data=" + urllib.parse.quote(PACKED)}),
        (PACKED.encode(), {}),
        (b"data=" + urllib.parse.quote(LZ64).encode(), {"query": "compression=lz64"}),
        (b"", {"query": "compression=lz64&data=" + urllib.parse.quote(LZ64)}),
        (LZ64.encode(), {"query": "compression=lz64"}),
    ],
)  # fmt: skip
def test_every_form_of_body_gives_its_events_at_every_address(
    path: str, body: bytes, how: dict[str, Any]
) -> None:
    asked = request(body, path, **how)

    decoded = decode(body, path, **how)

    assert [event.name for event in decoded.events] == ["a", "b"]
    assert [event.user_id for event in decoded.events] == ["u", "u"]
    assert posthog.credential(asked) == "pk_1"


def test_the_key_is_found_wherever_it_hides() -> None:
    bearer = {"authorization": "Bearer pk_1"}

    assert posthog.credential(request({"event": "a", "token": "pk_2"})) == "pk_2"
    assert posthog.credential(request([use(given={"token": "pk_3"})])) == "pk_3"
    assert posthog.credential(request([], query="token=pk_4")) == "pk_4"
    assert posthog.credential(request(batch(), "/i/v1/analytics/events", **bearer)) is None


def test_a_property_of_ones_own_is_not_taken_for_the_key_of_capture_v1() -> None:
    own = use(given={"token": "somebody's"})

    asked = request({"batch": [own]}, "/i/v1/analytics/events", authorization="Bearer pk_1")

    assert posthog.credential(asked) is None


def test_a_body_that_cannot_be_read_leaves_the_key_of_the_query_or_the_header() -> None:
    unread = Request("POST", "/batch", "token=pk_4", {}, b"{", None, NOW)

    assert posthog.credential(unread) == "pk_4"
    assert posthog.credential(structs.replace(unread, query="")) is None


def test_a_secret_key_in_the_url_is_refused_though_it_is_packed() -> None:
    packed = base64.b64encode(json.dumps(use(given={"token": "sk_1"})).encode()).decode()
    asked = request(b"", "/e/", method="GET", query="data=" + urllib.parse.quote(packed))

    with pytest.raises(Refused) as caught:
        posthog.credential(asked)

    assert caught.value.code == "AUTH_IN_URL"


@pytest.mark.parametrize(
    ("path", "body", "is_ours"),
    [
        ("/batch", {"api_key": "k", "batch": []}, True),
        ("/batch", {"api_key": "k", "events": []}, False),
        ("/track", {"event": "a", "properties": {"token": "t", "distinct_id": "u"}}, False),
        ("/track", {"event": "a", "api_key": "k", "properties": {}}, True),
        ("/track", [{"event": "a", "properties": {"token": "t"}}], False),
        ("/track", [{"event": "a", "uuid": "1", "properties": {"token": "t"}}], True),
        ("/engage", {"$token": "t", "$distinct_id": "u", "$set": {}}, False),
        ("/engage", {"token": "t", "$set": {}, "distinct_id": "u"}, True),
        ("/s", {"type": "screen", "messageId": "1", "writeKey": "k"}, False),
        ("/s", [{"event": "$snapshot", "properties": {"token": "t"}}], True),
        ("/e", {"event": "a"}, True),
    ],
)  # fmt: skip
def test_of_a_shared_address_only_ours_is_claimed(path: str, body: Any, is_ours: bool) -> None:
    assert posthog.claims(request(body, path)) is is_ours


@pytest.mark.parametrize("body", [b"", {"api_key": "pk_1"}, {"batch": "x"}, 5, "text"])
def test_a_body_without_an_event_is_refused(body: Any) -> None:
    with pytest.raises(Refused):
        decode(body)


def test_what_is_wrong_with_one_costs_no_other() -> None:
    decoded = decode(batch(5, use(""), use(distinct_id=[1]), use("good"), {"event": None}))

    assert [event.name for event in decoded.events] == ["good"]
    assert [(item.index, item.code) for item in decoded.failed] == [
        (0, "BAD_FIELD"), (1, "NAME_INVALID"), (2, "BAD_ID"), (4, "NAME_INVALID"),
    ]  # fmt: skip


# People


@pytest.mark.parametrize(
    ("item", "given", "user", "anonymous"),
    [
        # A server means a user, unless it wants no profile: then it made the id up.
        ({"distinct_id": "ana"}, {}, "ana", None),
        ({"$distinct_id": "ana"}, {}, "ana", None),
        ({"distinct_id": 42}, {}, "42", None),
        ({"distinct_id": DEVICE}, {"$process_person_profile": False}, None, DEVICE),
        ({"distinct_id": "ana"}, {"$device_id": "phone"}, "ana", "phone"),
        # A browser says whether it knows somebody.
        ({}, BROWSER, None, DEVICE),
        ({}, ANA, "ana", DEVICE),
        ({}, {**BROWSER, "distinct_id": "after-log-out"}, None, "after-log-out"),
        ({}, {**ANA, "distinct_id": DEVICE}, DEVICE, None),
        # An older one only lets it be seen.
        ({}, {"$lib": "web", "$device_id": "d", "distinct_id": "d"}, None, "d"),
        ({}, {"$lib": "web", "$device_id": "d", "distinct_id": "e"}, None, "e"),
        ({}, {"$lib": "web", "$device_id": "d", "distinct_id": "u", "$user_id": "u"}, "u", "d"),
        # What a browser that may not know anybody sends is the same for all of them.
        ({"distinct_id": "$posthog_cookieless"}, {"$device_id": None}, None, None),
        ({"distinct_id": "$posthog_cookieless"}, {"$cookieless_mode": True}, None, None),
        ({}, {}, None, None),
        ({"distinct_id": " "}, {"$device_id": "d"}, None, "d"),
    ],
)
def test_it_is_told_whether_an_id_is_a_user(
    item: dict[str, Any], given: dict[str, Any], user: str | None, anonymous: str | None
) -> None:
    event = one(use(given=given, **item))

    assert (event.user_id, event.anonymous_id) == (user, anonymous)


def test_a_placeholder_is_nobody() -> None:
    event = one(use(distinct_id="undefined"))

    assert (event.user_id, event.flags) == (None, ("illegal_id",))


def test_identify_links_the_former_anonymous_id() -> None:
    made = commands(use("$identify", given={**ANA, "$anon_distinct_id": DEVICE}))

    assert made == [IdentityLink(DEVICE, "ana", UUID + "1", NOW, namespace="posthog")]


@pytest.mark.parametrize("former", ["ana", "", None, "undefined", "$posthog_cookieless"])
def test_identify_with_nobody_to_link_changes_nothing(former: Any) -> None:
    decoded = decode(batch(use("$identify", given={**ANA, "$anon_distinct_id": former})))

    assert (decoded.commands, decoded.dropped) == ([], {"NOT_KEPT": 1})


def test_an_alias_is_symmetric_and_says_both_are_users() -> None:
    (link,) = commands(use("$create_alias", distinct_id="old", given={"alias": "ana"}))

    assert (link.one_kind, link.one, link.other_kind, link.other) == ("user", "old", "user", "ana")
    assert link.how == "alias"


@pytest.mark.parametrize(("distinct", "alias"), [(DEVICE, "ana"), ("ana", DEVICE)])
def test_an_alias_of_an_id_that_a_browser_made_up_also_links_that_browser(
    distinct: str, alias: str
) -> None:
    made = commands(use("$create_alias", distinct_id=distinct, given={"alias": alias}))

    kinds = {(link.one_kind, link.one, link.other_kind, link.other) for link in made}
    assert kinds == {
        ("user", distinct, "user", alias),
        ("anonymous", DEVICE, "user", "ana"),
    }
    assert len({link.id for link in made}) == 2


def test_an_alias_from_a_browser_names_the_kind_of_its_own_id() -> None:
    (anonymous,) = commands(use("$create_alias", given={**BROWSER, "alias": "ana"}))
    (known,) = commands(use("$create_alias", given={**ANA, "alias": "anna"}))

    assert (anonymous.one_kind, anonymous.one, anonymous.other) == ("anonymous", DEVICE, "ana")
    assert (known.one_kind, known.one, known.other) == ("user", "ana", "anna")


def test_a_merge_is_told_apart_from_an_alias() -> None:
    (link,) = commands(use("$merge_dangerously", distinct_id="ana", given={"alias": "anna"}))

    assert (link.how, link.one, link.other) == ("merge", "ana", "anna")


def test_an_id_linked_to_itself_says_nothing() -> None:
    decoded = decode(batch(use("$create_alias", distinct_id="ana", given={"alias": "ana"})))

    assert (decoded.commands, decoded.dropped) == ([], {"NOT_KEPT": 1})


# Profiles and groups


def test_a_profile_stands_at_both_places_and_the_properties_go_first() -> None:
    item = use(
        "$set",
        distinct_id="ana",
        given={"$set": {"plan": "team"}, "$unset": ["trial", 5, None]},
    )
    item |= {"$set": {"plan": "pro", "city": "Rome"}, "$set_once": {"first": 1}}

    made = commands(item)

    assert [(done.op, done.subject, done.properties) for done in made] == [
        ("set", "ana", {"plan": "team", "city": "Rome"}),
        ("set_once", "ana", {"first": 1}),
        ("unset", "ana", {"trial": None, "5": None}),
    ]


def test_an_event_with_a_profile_gives_both_and_shares_its_id() -> None:
    decoded = decode(batch(use(distinct_id="ana", given={"$set": {"plan": "pro"}, "n": 1})))

    (event,), (change,) = decoded.events, decoded.commands
    assert event.properties == {"n": 1}
    assert isinstance(change, ProfileOp)
    assert (change.id, change.subject, change.properties) == (event.id, "ana", {"plan": "pro"})


def test_without_a_person_profile_nothing_is_kept_of_the_person() -> None:
    given = {"$process_person_profile": False, "$set": {"email": "a@b.example"}}

    decoded = decode(batch(use(distinct_id=DEVICE, given=given)))

    assert decoded.commands == []
    assert decoded.events[0].properties == {}


def test_a_group_of_a_server_makes_no_person() -> None:
    given = {
        "$group_type": "company",
        "$group_key": "acme",
        "$group_set": {"size": 3},
        "$set": {"a": 1},
    }

    for made_up in ("$company_acme", DEVICE):
        (change,) = commands(use("$groupidentify", distinct_id=made_up, given=given))

        assert isinstance(change, ProfileOp)
        assert (change.subject_kind, change.subject, change.properties) == (
            "company", "acme", {"size": 3},
        )  # fmt: skip


def test_a_group_of_a_browser_has_its_user_as_a_member() -> None:
    given = {**ANA, "$group_type": "company", "$group_key": "acme", "$group_set": {}}

    (member,) = commands(use("$groupidentify", given=given))

    assert isinstance(member, GroupMembership)
    assert (member.group_type, member.group_id, member.user_id) == ("company", "acme", "ana")


@pytest.mark.parametrize(
    "given", [{"$group_type": "company"}, {"$group_key": "a"}, {"$group_type": "user", "$group_key": "a"}]
)  # fmt: skip
def test_a_group_that_is_none_is_set_aside(given: dict[str, Any]) -> None:
    decoded = decode(batch(use("$groupidentify", distinct_id="x", given=given)))

    assert (decoded.commands, [item.path[:6] for item in decoded.failed if item.path]) == (
        [],
        ["$group"],
    )


def test_groups_and_session_are_those_of_the_event() -> None:
    given = {**ANA, "$groups": {"company": "acme", "team": 7, "none": None}, "$session_id": "s1"}

    event = one(use(given=given))

    assert event.groups == {"company": "acme", "team": "7"}
    assert event.session_id == "s1"


# Time


@pytest.mark.parametrize(
    ("envelope", "how"),
    [
        ({"sent_at": "2026-09-21T14:03:20Z"}, {}),
        ({"sent_at": 1_789_999_400_000}, {}),
        ({}, {"query": "sent_at=1789999400000"}),
        ({}, {"query": "ip=1&_=1789999400000"}),
    ],
)
def test_a_wrong_clock_is_repaired_by_when_it_was_sent(
    envelope: dict[str, Any], how: dict[str, Any]
) -> None:
    """The clock is ten minutes behind; the event came a second before it was sent."""
    decoded = decode(batch(use(timestamp="2026-09-21T14:03:19Z"), **envelope), **how)

    (event,) = decoded.events
    assert (event.time, event.time_rule) == (NOW - 1_000_000, "repaired")
    assert event.time_client == NOW - 601_000_000


@pytest.mark.parametrize(
    ("given", "envelope"),
    [({"$ignore_sent_at": True}, {}), ({}, {"historical_migration": True})],
)
def test_what_is_no_clock_of_a_client_is_never_repaired(
    given: dict[str, Any], envelope: dict[str, Any]
) -> None:
    item = use(given=given, timestamp="2020-02-29T12:00:00Z", distinct_id="ana")
    item["$set"] = {"a": 1}

    decoded = decode(batch(item, sent_at="2026-09-21T14:03:20Z", **envelope))

    (event,), (change,) = decoded.events, decoded.commands
    assert (event.time, event.time_rule) == (1_582_977_600_000_000, "client")
    assert change.time == event.time


def test_an_offset_counts_back_from_receipt_and_leaves_a_repetition_the_same() -> None:
    event = one(use(offset=5000))

    assert (event.time, event.time_client) == (NOW - 5_000_000, None)


@pytest.mark.parametrize("offset", [-1, "soon", None, 10**30, [1], True])
def test_an_offset_that_cannot_be_is_the_time_of_receipt(offset: Any) -> None:
    event = one(use(offset=offset))

    assert (event.time, event.time_rule) == (NOW, "received")


# Capture v1


def test_capture_v1_has_its_options_session_and_library_beside_the_properties() -> None:
    item = use(
        distinct_id=DEVICE,
        given={"n": 1},
        timestamp="2026-09-21T14:03:19Z",
        options={"process_person_profile": False},
        session_id="s1",
        window_id="w1",
    )

    decoded = decode(
        {"created_at": "2026-09-21T14:00:00Z", "batch": [item]},
        "/i/v1/analytics/events",
        posthog_sdk_info="posthog-python/7.91.1",
        posthog_request_timestamp="2026-09-21T14:03:20+00:00",
    )

    (event,) = decoded.events
    assert (event.anonymous_id, event.session_id) == (DEVICE, "s1")
    assert (event.time, event.time_rule) == (NOW - 1_000_000, "repaired")
    assert event.properties == {"n": 1, "$window_id": "w1"}
    assert event.context.library_name == "posthog-python"
    assert event.context.library_version == "7.91.1"


def test_capture_v1_can_forbid_the_repair() -> None:
    item = use(timestamp="2026-09-21T14:03:19Z", options={"disable_skew_correction": True})

    decoded = decode(
        {"batch": [item]},
        "/i/v1/analytics/events",
        posthog_request_timestamp="2026-09-21T14:03:20Z",
    )

    assert decoded.events[0].time_rule == "client"


def test_capture_v1_tells_what_became_of_each_event() -> None:
    body = {
        "batch": [
            use(),
            {**use(""), "uuid": UUID + "2"},
            {"event": "no id"},
            5,
            {**use(""), "uuid": UUID + "1"},
        ]
    }
    asked = request(body, "/i/v1/analytics/events")

    reply = posthog.reply(posthog.decode(asked, Caller("p", "public", "k"), LIMITS), asked)

    assert reply.status == 200
    assert json.loads(reply.body) == {
        "results": {
            UUID + "1": {"result": "ok"},
            UUID + "2": {"result": "drop", "details": "The event has no name."},
        }
    }


# Where, and what else it says


def test_where_it_was_goes_to_the_context_and_what_is_left_stays() -> None:
    given = {
        **ANA, "$current_url": "https://shop.example/a?b=1", "$pathname": "/a", "$host": "shop.example",
        "title": "Shop", "$referrer": "$direct", "$referring_domain": "$direct", "utm_source": "news",
        "utm_medium": None, "gclid": None, "fbclid": "f1", "$browser": "Chrome", "$browser_version": 156,
        "$os": "Linux", "$os_version": "6", "$device_type": "Mobile", "$device": "Pixel", "token": "pk_1",
        "$screen_width": 1280, "$screen_height": 720.0, "$timezone": "UTC", "$browser_language": "en-US",
        "$lib_version": "1.2", "$insert_id": "x", "$time": 1795641818.315, "$ip": "198.51.100.7",
        "$raw_user_agent": "Mozilla/5.0", "$viewport_width": 800, "$sdk_debug_retry_queue_size": 0,
        "plan": "pro", "price": 0.1, "gone": None, "$lib_rate_limit_remaining_tokens": 94.35000000000001,
    }  # fmt: skip

    event = one(use("$pageview", given=given))

    where = event.context
    assert (event.name, event.kind) == ("page_view", "page")
    assert (where.page_url, where.page_path, where.page_title) == (
        "https://shop.example/a?b=1",
        "/a",
        "Shop",
    )
    assert (where.referrer, where.utm_source, where.utm_medium) == (None, "news", None)
    assert (where.click_id, where.browser, where.browser_version) == ("fbclid:f1", "Chrome", "156")
    assert (where.os, where.os_version, where.device_type) == ("Linux", "6", "mobile")
    assert (where.device_model, where.screen_width, where.screen_height) == ("Pixel", 1280, 720)
    assert (where.timezone, where.locale, where.library_name) == ("UTC", "en-US", "web")
    assert (where.ip, where.user_agent) == ("198.51.100.7", "Mozilla/5.0")
    assert event.properties == {
        "$viewport_width": 800, "plan": "pro", "price": Decimal("0.1"), "gone": None,
    }  # fmt: skip


def test_a_title_of_ones_own_stays_a_property() -> None:
    event = one(use("book read", given={"title": "Momo"}))

    assert (event.context.page_title, event.properties) == (None, {"title": "Momo"})


def test_no_query_comes_back_through_a_property_of_the_sdk() -> None:
    """By default no query and no user agent is kept, wherever the SDK repeats it."""
    given = {
        "$session_entry_url": "https://shop.example/reset?secret=1&utm_source=news",
        "$session_entry_referrer": "https://mail.example/?q=secret",
        "$external_click_url": "https://x.example/?secret=1#secret",
        "$heatmap_data": {"https://a.example/?secret=1": [1], "https://a.example/?secret=2": [2]},
        "$elements_chain": 'a:attr__href="/x?secret=1"href="/x?secret=1"text="go"',
        "$elements": [{"tag_name": "a", "attr__href": "/x?secret=1"}],
        "$exception_list": [{"value": "why? no #1", "frames": [{"filename": "https://a.example/x.js?secret"}]}],
        "$initial_raw_user_agent": "secret",
        "$initial_ip": "198.51.100.7",
        "link": "https://mine.example/?kept=1",
    }  # fmt: skip
    item = use(distinct_id="ana", given={**given, "$set_once": {"$initial_current_url": "https://a.example/?secret=1"}})  # fmt: skip

    decoded = decode(batch(item))

    (event,), (change,) = decoded.events, decoded.commands
    assert isinstance(change, ProfileOp)
    assert "secret" not in json.dumps([event.properties, change.properties])
    assert event.properties["$session_entry_url"] == "https://shop.example/reset?utm_source=news"
    assert event.properties["$heatmap_data"] == {"https://a.example/": [1, 2]}
    assert event.properties["$exception_list"][0]["value"] == "why? no #1"
    assert event.properties["$elements_chain"] == 'a:attr__href="/x"href="/x"text="go"'
    assert event.properties["link"] == "https://mine.example/?kept=1"
    assert "$initial_ip" not in event.properties


def test_what_the_policy_allows_of_an_address_is_kept() -> None:
    item = use("$set", distinct_id="ana", given={"$set": {"$ip": "198.51.100.7", "$initial_raw_user_agent": "M"}})  # fmt: skip

    decoded = decode(batch(item), policy=Policy(ip="mask", keep_user_agent=True))

    (change,) = decoded.commands
    assert isinstance(change, ProfileOp)
    assert change.properties == {"$ip": "198.51.100.0", "$initial_raw_user_agent": "M"}


def test_a_server_tells_its_own_system_and_not_the_persons() -> None:
    server = {"$is_server": True, "$geoip_disable": True, "$os": "Linux", "$lib": "posthog-python"}

    decoded = decode(batch(use(given=server)), kind="public")

    assert decoded.server_side is True
    assert decoded.events[0].context.os is None
    assert decoded.events[0].properties == {"$os": "Linux"}


def test_what_a_browser_sends_is_the_persons_whatever_key_it_has() -> None:
    assert decode(batch(use(given=BROWSER)), kind="secret").server_side is False
    assert decode(batch(use()), kind="secret").server_side is None


@pytest.mark.parametrize(
    ("name", "stored", "kind"),
    [
        ("$pageview", "page_view", "page"), ("$screen", "screen_view", "screen"),
        ("$pageleave", "$pageleave", "interaction"), ("$autocapture", "$autocapture", "interaction"),
        ("$rageclick", "$rageclick", "interaction"), ("$exception", "$exception", "exception"),
        ("$web_vitals", "$web_vitals", "metric"), ("$$heatmap", "$$heatmap", "system"),
        ("$feature_flag_called", "$feature_flag_called", "system"),
        ("$ai_generation", "$ai_generation", "span"), ("survey sent", "survey sent", "track"),
    ],
)  # fmt: skip
def test_special_events_have_their_kind(name: str, stored: str, kind: str) -> None:
    event = one(use(name, given={"$web_vitals_LCP_value": 1200.5}))

    assert (event.name, event.kind) == (stored, kind)
    assert event.properties == {"$web_vitals_LCP_value": Decimal("1200.5")}


@pytest.mark.parametrize(
    ("given", "revenue"),
    [
        ({"revenue": 9.5, "currency": "EUR"}, Decimal("9.5")),
        ({"$revenue": "12.30", "currency": "usd"}, Decimal("12.30")),
        ({"revenue": 9.5}, None),
        ({"revenue": "much", "currency": "EUR"}, None),
        ({"amount": 9.5, "value": 3, "currency": "EUR"}, None),
    ],
)
def test_money_is_taken_only_where_it_is_told_as_such(
    given: dict[str, Any], revenue: Decimal | None
) -> None:
    event = one(use(given=given))

    assert event.revenue == revenue
    assert (event.currency is None) == (revenue is None)
    assert event.flags == ()
    assert set(event.properties) == set(given)


def test_what_the_client_itself_calls_a_robot_is_flagged() -> None:
    assert one(use(given={"$browser_type": "bot"})).flags == ("bot",)


def test_replays_logs_and_metrics_are_counted_and_not_kept() -> None:
    logs = decode({"resourceLogs": []}, "/i/v1/logs", query="token=pk_1")
    replay = decode([use("$snapshot"), use("$snapshot")], "/s/")
    among_uses = decode(batch(use("$snapshot"), use("a")), "/e/")

    assert (logs.received, logs.dropped) == (1, {"NOT_KEPT": 1})
    assert (replay.received, replay.dropped) == (2, {"NOT_KEPT": 2})
    assert (len(among_uses.events), among_uses.dropped) == (1, {"NOT_KEPT": 1})


# Answers


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/batch/", {"status": 1}), ("/e", {"status": 1}), ("/i/v0/e/", {"status": "Ok"}),
        ("/posthog/i/v0/e", {"status": "Ok"}), ("/i/v1/logs", {}),
        ("/s/", {"status": 1, "quota_limited": ["recordings"]}),
    ],
)  # fmt: skip
def test_success_is_exactly_200_with_what_the_client_waits_for(path: str, said: Any) -> None:
    asked = request(batch(use()), path)

    reply = posthog.reply(posthog.decode(asked, Caller("p", "public", "k"), LIMITS), asked)

    assert (reply.status, json.loads(reply.body)) == (200, said)


def test_what_can_be_sent_later_makes_every_client_come_back() -> None:
    for error in (
        Unavailable("Full."),
        Refused("Too many.", code="RATE_LIMITED"),
    ):
        assert answer(error).status == 503


def test_an_error_is_worded_as_its_clients_read_it() -> None:
    reply = answer(NotAllowed("The key is unknown."))

    assert reply.status == 401
    said = json.loads(reply.body)
    assert said["type"] == "authentication_error"
    assert said["detail"].startswith("The key is unknown.")


# Before sending


def endpoint(method: str, path: str, params: dict[str, str] | None = None) -> Reply:
    (found,) = [one for one in posthog.endpoints if (one.method, one.path) == (method, path)]
    return found.answer(Request(method, path, "", {}, b"", None, NOW, params or {}), LIMITS)


def test_there_are_no_flags_in_any_shape() -> None:
    for path in ("/flags", "/decide"):
        said = json.loads(endpoint("POST", path).body)

        assert (said["flags"], said["featureFlags"], said["featureFlagPayloads"]) == ({}, {}, {})
        assert said["errorsWhileComputingFlags"] is False
        assert "quotaLimited" not in said
    assert json.loads(endpoint("GET", "/flags/definitions").body)["flags"] == []


def test_the_configuration_is_the_same_as_json_and_as_a_script() -> None:
    said = json.loads(endpoint("GET", "/array/{token}/config", {"token": "pk_1"}).body)
    script = endpoint("GET", "/array/{token}/config.js", {"token": "pk_1"})

    assert said["analytics"] == {"endpoint": "/i/v0/e/"}
    assert (said["autocapture_opt_out"], said["sessionRecording"]) == (False, False)
    assert script.content_type == "application/javascript"
    assert f'_POSTHOG_REMOTE_CONFIG["pk_1"]={{config:{json.dumps(said)},' in script.body.decode()


@pytest.mark.parametrize("token", ['"];alert(1)//', "</script>", "x" * 201, "\u2028"])
def test_no_key_runs_as_a_script(token: str) -> None:
    assert endpoint("GET", "/array/{token}/config.js", {"token": token}).status == 404


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/surveys", {"surveys": []}), ("/api/web_experiments", {"experiments": []}),
        ("/api/product_tours", {"product_tours": []}),
        ("/api/early_access_features", {"earlyAccessFeatures": []}),
        ("/api/projects/{project}/feature_flags/{key}/remote_config", None),
    ],
)  # fmt: skip
def test_what_there_is_none_of_is_answered_empty(path: str, said: Any) -> None:
    reply = endpoint("GET", path)

    assert (reply.status, json.loads(reply.body)) == (200, said)
