"""Reading many events of PostHog's clients at once gives what reading each of them by itself gives."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols._alike import FROM_EVENTS
from tallymark.collect.protocols._foreign import agreed
from tallymark.collect.protocols._posthog_usual import Usual
from tallymark.collect.protocols.posthog import posthog
from tallymark.collect.steps import StepContext, run_steps
from tallymark.core.clock import SystemClock
from tallymark.core.event import Context, Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
LIMITS = Settings()
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
POLICIES = (Policy(), Policy(ip="full", url_parameters=("q",), redact_paths=False, keep_user_agent=True))  # fmt: skip

BROWSER: dict[str, Any] = {
    "plan": "pro", "$os": "Linux", "$browser": "Firefox", "$device_type": "Desktop",
    "$timezone": "UTC", "$current_url": "https://a.example/p?q=1&utm_source=x", "$host": "a.example",
    "$pathname": "/p", "$raw_user_agent": FIREFOX, "$browser_version": 140, "$screen_height": 720,
    "$screen_width": 1280, "$lib": "web", "$lib_version": "1.449.2", "$insert_id": "i", "$time": 1.5,
    "distinct_id": "d1", "$device_id": "d1", "utm_source": "x", "utm_medium": None, "gclid": None,
    "$referrer": "$direct", "$referring_domain": "$direct", "title": "Shop", "token": "pk_1",
    "$session_id": "s1", "$window_id": "w1", "$session_entry_url": "https://a.example/?secret=1",
    "$sdk_debug_retry_queue_size": 0, "$is_identified": False, "$process_person_profile": False,
}  # fmt: skip
SERVER: dict[str, Any] = {
    "plan": "pro", "price": 1, "$python_runtime": "CPython", "$os": "Linux", "$lib": "posthog-python",
    "$lib_version": "7.91.1", "$geoip_disable": True, "$is_server": True,
    "$groups": {"company": "acme"},
}  # fmt: skip
# As JSON text, because True, 1, 1.0 and 1.00 are not the same.
ODD = (
    "null", "true", "false", "1", "0", "1.0", "1.00", '"1"', '""', '" "', '" a "', '"$direct"', "[]",
    '["https://a.example/?x=1"]', '{"a":{"b":[1]}}', '"https://u:p@a.example/x?y=1#z"', '"mailto:a@b.c"',
    '"203.0.113.7"', '"Mobile"', '"bot"', '"undefined"', '"$posthog_cookieless"', '"a\\u0001b"', "-5",
    '"ada@example.com"', '"' + "x" * 300 + '"', f'"{FIREFOX}"', f'"{GOOGLEBOT}"', '{"company":"null"}',
    '{"company":true,"team":1}', '"2026-09-21T14:00:00Z"',
)  # fmt: skip
KEYS = (
    *BROWSER, *SERVER, "$device", "$locale", "$user_agent", "$ip", "$initial_ip", "$set", "$set_once",
    "$unset", "$group_set", "currency", "revenue", "$ignore_sent_at", "$user_id", "$distinct_id",
    "$browser_type", "$initial_referrer", "$elements_chain", "fbclid", "msclkid", "utm_term", "a",
    "k" * 300, "$anon_distinct_id", "alias", "$group_type", "$group_key", "$cookieless_mode",
)  # fmt: skip
BESIDE = (
    "uuid", "distinct_id", "$distinct_id", "timestamp", "offset", "$set", "$set_once", "event",
    "properties", "api_key", "type",
)  # fmt: skip
NAMES = (
    "$pageview", " $pageview", "viewed", "viewed", " viewed ", "$autocapture", "$identify", "$set", "$snapshot", "e\u0301",
    "n" * 300, "\u202e", "$create_alias", "$groupidentify",
)  # fmt: skip


def text_of(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"


@st.composite
def items(draw: st.DrawFn) -> str:
    """Return an event as text, now and then with something odd in it."""
    base = draw(st.sampled_from((BROWSER, SERVER)))
    given = {name: json.dumps(value) for name, value in base.items()}
    oddities = draw(st.sampled_from((0, 0, 1, 3)))
    odd = st.sampled_from(ODD)
    given |= draw(st.dictionaries(st.sampled_from(KEYS), odd, max_size=oddities))
    item = {
        "event": json.dumps(draw(st.sampled_from(NAMES))),
        "properties": text_of(given),
        "uuid": json.dumps(draw(st.sampled_from(("u1", "u2")))),
        "timestamp": draw(st.sampled_from(('"2026-09-21T13:59:59.5Z"', '"2036-01-01"', "null"))),
    }
    if base is SERVER:
        item["distinct_id"] = '"d2"'
    item |= draw(st.dictionaries(st.sampled_from(BESIDE), odd, max_size=oddities // 2))
    return text_of(item) if draw(st.integers(0, 30)) else draw(odd)


def decoded(several: list[str], policy: Policy, sent_at: str) -> Decoded:
    body = f'{{"batch":[{",".join(several)}],"sent_at":{sent_at}}}'
    sent = Request("POST", "/batch/", "", {}, body.encode(), None, NOW)
    assert posthog.open is not None
    opened = structs.replace(sent, content=posthog.open(sent, LIMITS))
    return posthog.decode(opened, Caller("p", "public", "pk_1", policy), LIMITS)


def told(found: Decoded) -> tuple[Any, ...]:
    """Return what was found, written out, without the ids that were made at random."""
    encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
    events = [structs.replace(e, id="made") if "no_id" in e.flags else e for e in found.events]
    commands = [structs.replace(c, id="made") if len(c.id) > 30 else c for c in found.commands]
    failed = [structs.replace(f, index=0) for f in found.failed]
    return [*map(encode, events)], [*map(encode, commands)], failed, found.dropped


@given(
    st.lists(items(), min_size=FROM_EVENTS, max_size=7),
    st.sampled_from(POLICIES),
    st.sampled_from(("null", '"2026-09-21T14:00:00Z"', '"2026-09-21T12:00:00Z"')),
)
@settings(max_examples=300, deadline=None)
def test_a_batch_gives_what_each_of_its_items_gives(
    several: list[str], policy: Policy, sent_at: str
) -> None:
    together = told(decoded(several, policy, sent_at))

    alone = [told(decoded([item], policy, sent_at)) for item in several]
    for place in range(3):
        assert together[place] == [one for found in alone for one in found[place]]
    dropped = sum(found[3].get("NOT_KEPT", 0) for found in alone)
    assert together[3].get("NOT_KEPT", 0) == dropped
    assert [one.index for one in decoded(several, policy, sent_at).failed] == [
        index for index, found in enumerate(alone) if found[2]
    ]


@pytest.mark.parametrize(
    ("name", "heap"), [("$pageview", BROWSER), ("viewed", BROWSER), ("viewed", SERVER)]
)
def test_what_the_sdks_send_is_usual(name: str, heap: dict[str, Any]) -> None:
    terms = agreed(LIMITS, received_at=NOW)
    item = {"event": name, "uuid": "u", "distinct_id": "d", "timestamp": "2026-09-21T13:00:00Z"}

    assert Usual(Policy(), terms).event(item, heap) is not None


@pytest.mark.parametrize(
    "beside", [{"$set": {"a": 1}}, {"offset": 5}, {"event": "$identify"}, {"event": None}, {"uuid": None}]
)  # fmt: skip
def test_what_is_more_than_a_use_is_not_usual(beside: dict[str, Any]) -> None:
    item = {"event": "viewed", "uuid": "u", "distinct_id": "d", **beside}

    assert Usual(Policy(), agreed(LIMITS, received_at=NOW)).event(item, {"a": 1}) is None


CONTEXTS = st.builds(
    Context,
    page_url=st.sampled_from(
        (None, "https://a.example/?utm_source=x&q=1", "https://b@a.example/#x")
    ),
    page_path=st.sampled_from((None, "/a?b", "/u/a@b.example")),
    referrer=st.sampled_from((None, "", "https://r.example/?q=secret")),
    utm_source=st.sampled_from((None, "said")),
    os=st.sampled_from((None, "", "Plan 9")),
    ip=st.sampled_from((None, "203.0.113.77", "nowhere")),
    user_agent=st.sampled_from((None, "", FIREFOX, GOOGLEBOT)),
)
PROPERTIES = st.dictionaries(
    st.sampled_from(("a", "b", "mail")),
    st.sampled_from((1, True, None, "plain", "ada@example.com", ["ada@example.com"], "+49 170 1234567")),
    max_size=2,
)  # fmt: skip


@given(
    st.lists(st.tuples(CONTEXTS, PROPERTIES), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.sampled_from((None, "", FIREFOX, GOOGLEBOT)),
    st.sampled_from((*POLICIES, Policy(suspects="hmac"), Policy(suspects="quarantine"))),
)
@settings(max_examples=200, deadline=None)
def test_steps_do_with_a_batch_what_they_do_with_each_of_its_events(
    parts: list[tuple[Context, dict[str, Any]]], which: list[int], agent: str | None, policy: Policy
) -> None:
    chosen = [parts[number % len(parts)] for number in which]
    flags: tuple[tuple[str, ...], ...] = ((), ("bot",))
    events = [
        Event("viewed", "1", 1, context=where, properties=what, flags=flags[number % 2])
        for number, (where, what) in zip(which, chosen, strict=True)
    ]
    around = StepContext(policy, agent)

    together = run_steps(events, around, SystemClock())

    alone = [run_steps([event], around, SystemClock()) for event in events]
    assert together.events == [event for one in alone for event in one.events]
    assert [(one.event, one.code) for one in together.aside] == [
        (found.event, found.code) for one in alone for found in one.aside
    ]
