"""Mixpanel's SDKs as they are, pointed at a real server: what they send is stored, and once."""

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.journey import kept
from tests.journey.browser import Content, chromium, eventually, module_page, pages
from tests.journey.flaky import Flaky, statuses
from tests.journey.sdks import CLIENTS, Target, as_json, run_node, run_python, snippet

SETTINGS = {"account_group": "company", "mixpanel_groups": "team", "default_currency": "EUR"}
PAGE = "from-mixpanel.md"
MODULE = CLIENTS / "node_modules" / "mixpanel-browser" / "dist" / "mixpanel.module.js"
IMPORTS = {"mixpanel-browser": "/mixpanel.js"}
# The SDK retries over TLS only; the server of a test has none, so its own adapter is put on http too.
RETRYING = 'mp._consumer._session.mount("http://", mp._consumer._session.get_adapter("https://"))\n'


def behind(code: str, server: Target, proxy: Flaky) -> str:
    """Return code that sends through the proxy."""
    return code.replace(f":{server.port}", f":{proxy.port}").replace(
        str(server.port), str(proxy.port)
    )


def test_what_the_python_page_says_stores_a_use_and_a_profile(server: Target) -> None:
    run_python(snippet(PAGE, "py", server, 0) + snippet(PAGE, "py", server, 1))

    old, new = server.of("user-1")
    assert (new["event"], new["properties"], new["time_rule"]) == (
        "Signed Up",
        {"plan": "pro"},
        "client",
    )
    assert (new["context"]["protocol"], new["context"]["library_name"]) == ("mixpanel", "python")
    assert len(new["id"]) == 32
    assert (old["event"], old["time"]) == ("Signed Up", "2023-11-14T22:13:20Z")
    assert old["context"]["source"] == server.keys["secret"][:11]
    assert kept.changes(server, "user-1") == [("set", {"$email": "ana@example.com"})]


def test_every_call_of_the_python_sdk_becomes_what_it_means(server: Target) -> None:
    program = (
        snippet(PAGE, "py", server, 0).partition("mp.track(")[0]
        + """
mp.track("py-1", "Opened", {"company": "acme", "team": ["red"], "price": 0.1, "big": 2**60})
mp.people_set_once("py-1", {"first": "x"})
mp.people_increment("py-1", {"logins": 2})
mp.people_append("py-1", {"tags": "a"})
mp.people_union("py-1", {"tags": ["b"]})
mp.people_remove("py-1", {"tags": "a"})
mp.people_unset("py-1", ["old"])
mp.people_track_charge("py-1", 19.99, {"$time": "2026-01-02T10:00:00"})
mp.people_delete("py-1")
mp.group_set("company", "py-acme", {"seats": 5})
mp.group_union("company", "py-acme", {"tags": ["b"]})
mp.merge(None, "py-1", "py-2", api_secret="SECRET")
""".replace("SECRET", server.keys["secret"])
    )
    run_python(program)

    charge, opened = server.of("py-1")
    assert opened["properties"] == {"company": "acme", "team": ["red"], "price": 0.1, "big": 2**60}
    assert (opened["account"], opened["groups"]) == ("acme", {"team": "red"})
    assert (charge["event"], charge["kind"], charge["time"]) == (
        "charge",
        "revenue",
        "2026-01-02T10:00:00Z",
    )
    assert (charge["revenue"], charge["currency"]) == (19.99, "EUR")
    assert kept.changes(server, "py-1") == [
        ("set_once", {"first": "x"}),
        ("add", {"logins": 2}),
        ("append", {"tags": "a"}),
        ("union", {"tags": ["b"]}),
        ("remove", {"tags": "a"}),
        ("unset", {"old": None}),
        (
            "append",
            {"$transactions": {"$time": "2026-01-02T10:00:00", "$amount": Decimal("19.99")}},
        ),
        ("delete", {}),
    ]
    assert kept.changes(server, "py-acme") == [("set", {"seats": 5}), ("union", {"tags": ["b"]})]
    assert kept.links(server, "py-1") == {("py-1", "py-2", "merge")}


def test_through_trouble_the_python_sdk_stores_each_thing_once(
    server: Target, proxy: Flaky
) -> None:
    program = (
        snippet(PAGE, "py", server, 0).partition("mp.track(")[0]
        + RETRYING
        + """
mp.track("py-3", "Paid", {"n": 1})
mp.people_increment("py-3", {"logins": 1})
"""
    )
    before = server.ledger()
    for path in ("/track", "/engage"):
        proxy.plan(503, "reset", "lost", only=path)
        run_python(behind(program, server, proxy))
        assert proxy.troubles == []
        # Of the other address one, which met no trouble and was not sent again.
        assert statuses(proxy.seen, path) == 4
        assert len(proxy.seen) == 5
        proxy.seen.clear()

    assert [event["properties"] for event in server.of("py-3")] == [{"n": 1}] * 2
    after = server.ledger()
    assert after["accepted"] - before["accepted"] == 4
    assert after["duplicate"] - before["duplicate"] == 2
    assert after["conflict"] == before["conflict"] == 0


def test_what_the_buffer_of_the_python_sdk_could_not_send_it_sends_at_the_next_flush(
    server: Target, proxy: Flaky
) -> None:
    setup = (
        snippet(PAGE, "py", server, 0)
        .partition("mp.track(")[0]
        .replace("Consumer", "BufferedConsumer")
    )
    program = (
        setup
        + """
from mixpanel import MixpanelException
for n in range(60):
    try:
        mp.track(f"py-4-{n}", "Buffered", {"n": n})
    except MixpanelException:
        pass
failed = 0
while True:
    try:
        mp._consumer.flush()
        break
    except MixpanelException:
        failed += 1
print(failed)
"""
    )
    proxy.plan(503, 429, "reset", "lost", only="/track")
    assert as_json(run_python(behind(program, server, proxy))) <= 4

    # Fifty fill a batch, ten are left; four requests met trouble.
    assert proxy.troubles == []
    found = [event for event in server.events() if event["event"] == "Buffered"]
    assert sorted(event["properties"]["n"] for event in found) == list(range(60))


def test_a_wrong_key_is_an_error_that_the_python_sdk_raises_and_nothing_is_sent_again(
    server: Target, proxy: Flaky
) -> None:
    code = snippet(PAGE, "py", server, 0).partition("mp.people_set(")[0]
    wrong = behind(code, server, proxy).replace(server.keys["public"], "pk_wrong").replace("Consumer(", "Consumer(retry_limit=9, ")  # fmt: skip
    program = f"""
from mixpanel import MixpanelException
try:
    exec({wrong!r})
except MixpanelException as error:
    print('"', error, '"')
"""
    said = run_python(program)

    assert "Mixpanel error: No key or site of mixpanel is known by that name." in said
    assert statuses(proxy.seen) == 1


def test_what_the_node_page_says_stores_a_use_and_a_profile(server: Target) -> None:
    run_node(snippet(PAGE, "js", server, 0) + snippet(PAGE, "js", server, 1))

    signed, paid = sorted(server.of("user-2"), key=lambda event: str(event["event"]), reverse=True)
    assert (signed["event"], signed["properties"]) == ("Signed Up", {"plan": "pro"})
    assert (signed["time_rule"], signed["flags"]) == ("received", ["no_id"])
    assert (paid["event"], paid["id"], paid["time_rule"]) == ("Paid", "order-1", "client")
    assert kept.changes(server, "user-2") == [("set", {"$email": "bo@example.com"})]


def test_every_call_of_the_node_sdk_becomes_what_it_means(server: Target) -> None:
    setup = snippet(PAGE, "js", server, 0).partition("mixpanel.track(")[0]
    run_node(
        setup
        + """
const done = start => new Promise((good, bad) => start(error => (error ? bad(error) : good())));
(async () => {
  await done(d => mixpanel.track('Odd text', { distinct_id: 'node-1', text: 'ü+/?&=~ 名' }, d));
  await done(d => mixpanel.track_batch([
    { event: 'First', properties: { distinct_id: 'node-1', time: new Date(1767261600000), $insert_id: 'n-1' } },
    { event: 'Second', properties: { distinct_id: 'node-1', time: new Date(1767261600500), $insert_id: 'n-2' } },
  ], d));
  await done(d => mixpanel.people.increment('node-1', 'logins', 2, d));
  await done(d => mixpanel.people.unset('node-1', ['old', 'older'], d));
  await done(d => mixpanel.people.track_charge('node-1', 5, {}, {}, d));
  await done(d => mixpanel.people.delete_user('node-1', {}, d));
  await done(d => mixpanel.groups.set_once('company', 'node-acme', { seats: 2 }, d));
  await done(d => mixpanel.alias('node-1', 'node-alias', d));
})().catch(error => { console.error(error); process.exit(1) })
"""
    )

    events = {event["event"]: event for event in server.of("node-1")}
    assert sorted(events) == ["First", "Odd text", "Second", "charge"]
    assert events["Odd text"]["properties"] == {"text": "ü+/?&=~ 名"}
    assert (events["First"]["id"], events["First"]["time"]) == ("n-1", "2026-01-01T10:00:00Z")
    assert events["Second"]["time"] == "2026-01-01T10:00:00.500000Z"
    assert (events["charge"]["revenue"], events["charge"]["currency"]) == (5, "EUR")
    assert kept.changes(server, "node-1") == [
        ("add", {"logins": 2}),
        ("unset", {"old": None, "older": None}),
        ("append", {"$transactions": {"$amount": 5}}),
        ("delete", {}),
    ]
    assert kept.changes(server, "node-acme") == [("set_once", {"seats": 2})]
    assert kept.links(server, "node-1") == {("node-1", "node-alias", "alias")}


@pytest.mark.parametrize(
    ("properties", "counted"), [({"time": 1767261600, "$insert_id": "again"}, 1), ({}, 2)]
)
def test_what_the_node_sdk_is_told_to_send_again_counts_once_if_it_has_an_id(
    server: Target, proxy: Flaky, properties: dict[str, Any], counted: int
) -> None:
    setup = behind(snippet(PAGE, "js", server, 0).partition("mixpanel.track(")[0], server, proxy)
    who = f"node-again-{counted}"
    proxy.plan(503, 429, "reset", "lost", only="/track")
    program = f"""
const properties = {json.dumps({"distinct_id": who, **properties})}
const send = () => new Promise(done => mixpanel.track('Again', {{ ...properties }}, error => done(!error)));
(async () => {{
  let tries = 1;
  while (!(await send())) tries += 1;
  console.log(JSON.stringify(tries));
}})();
"""

    assert as_json(run_node(setup + program)) == 5

    # The SDK itself gives no id, so nothing tells an event sent twice from two events.
    assert len(server.of(who)) == counted
    assert statuses(proxy.seen, "/track") == 5


def test_what_the_browser_page_says_makes_one_person_of_before_and_after(server: Target) -> None:
    code = snippet(PAGE, "js", server, 2)
    soon = code.replace("track_pageview: true,", "batch_flush_interval_ms: 200,")
    contents: dict[str, Content] = {
        "/": module_page(code, IMPORTS),
        "/again": module_page(soon, IMPORTS),
        "/leave": "",
        "/mixpanel.js": MODULE,
    }
    with pages(contents) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{site}/?utm_source=news&q=secret")
        # Each call is written down in its own time, and who was identified before is not again.
        queued = (
            "() => ['Looked Around', '$identify'].every(name =>"
            " Object.values(localStorage).some(one => one.includes(name)))"
        )
        page.wait_for_function(queued)
        # Leaving makes the SDK send what it has by beacon, which gives it no answer; coming back it
        # sends all of that again.
        page.goto(f"{site}/leave")
        page.goto(f"{site}/again")
        eventually(
            lambda: sum(e["event"] == "Looked Around" for e in server.events()) == 2,
            "the two visits did not arrive",
        )
        # Each of these travels in a request of its own, in no order.
        eventually(lambda: kept.memberships(server, "user-3") != [], "no group arrived")
        eventually(lambda: _was_set(server, "user-3", plan="pro"), "no profile arrived")
        eventually(lambda: kept.links(server, "user-3") != set(), "no link arrived")

    found = [one for one in server.events() if one["context"].get("host") == "localhost"]
    view = next(one for one in found if one["event"] == "page_view")
    looked = next(one for one in found if one["event"] == "Looked Around")
    assert len({one["id"] for one in found}) == len(found)
    assert (view["kind"], view["context"]["title"], view["context"]["path"]) == (
        "page",
        "Shop",
        "/",
    )
    assert view["context"]["utm_source"] == "news"
    assert view["context"]["page_url"].endswith("/?utm_source=news")
    assert (view["context"]["browser"], view["context"]["os"]) == ("Chrome", "Linux")
    assert looked.get("user_id") is None
    assert looked["anonymous_id"] == view["anonymous_id"]
    assert "secret" not in json.dumps(found)
    known = next(one for one in found if one.get("user_id") == "user-3")
    assert known["person"] == looked["person"] == view["person"]
    assert known["account"] == "acme"
    assert (looked["anonymous_id"], "user-3", "identify") in kept.links(server, "user-3")
    assert ("account", "acme") in kept.memberships(server, "user-3")


def _was_set(server: Target, who: str, **properties: Any) -> bool:
    return any(
        op == "set" and properties.items() <= made.items() for op, made in kept.changes(server, who)
    )


def test_what_the_browser_sends_while_its_page_is_left_arrives_once(
    server: Target, proxy: Flaky
) -> None:
    leaving = "addEventListener('pagehide', () => mixpanel.track('Left', {}, { transport: 'sendBeacon' }))"
    contents: dict[str, Content] = {
        "/": _browsing(server, proxy, leaving),
        "/leave": "",
        "/mixpanel.js": MODULE,
    }
    with pages(contents) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(site)
        page.wait_for_function("() => window.mixpanel")
        page.goto(f"{site}/leave")
        eventually(lambda: statuses(proxy.seen, "/track") == 1, "no beacon was sent")
        page.wait_for_timeout(500)

    assert statuses(proxy.seen, "/track") == 1
    assert [one["event"] for one in server.events()].count("Left") == 1


def _browsing(server: Target, proxy: Flaky, code: str) -> str:
    init = {"api_host": proxy.url, "batch_flush_interval_ms": 200, "flags": True, "remote_settings_mode": "strict"}  # fmt: skip
    setup = f"""
import mixpanel from 'mixpanel-browser'
mixpanel.init({json.dumps(server.keys["public"])}, {json.dumps(init)})
window.mixpanel = mixpanel
{code}
"""
    return module_page(setup, IMPORTS)


def _times(server: Target, name: str) -> int:
    return sum(one["event"] == name for one in server.events())


@pytest.mark.parametrize("trouble", [503, 429])
def test_through_an_overload_the_browser_stores_each_event_once_and_stops_after_success(
    server: Target, proxy: Flaky, trouble: int
) -> None:
    name = f"Overload {trouble}"
    proxy.plan(trouble, trouble, only="/track")
    contents: dict[str, Content] = {
        "/": _browsing(server, proxy, f"mixpanel.track('{name}')"),
        "/mixpanel.js": MODULE,
    }
    with pages(contents) as site, chromium() as browser:
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site)
        # Not only seen by the proxy but stored; and then time enough to send it once more.
        eventually(lambda: _times(server, name) == 1, "it was not sent again")
        eventually(lambda: statuses(proxy.seen, "/flags") >= 1, "no flags were asked for")
        eventually(lambda: statuses(proxy.seen, "/settings") >= 1, "no settings were asked for")
        page.wait_for_timeout(1_000)

    # With credentials, from another origin: the browser let the SDK read each answer.
    assert statuses(proxy.seen, "/track") == 3
    assert _times(server, name) == 1
    assert not any("CORS" in text or "flags" in text.lower() for text in said), said
    assert statuses(proxy.seen, "/settings") == 1


def test_an_answer_that_the_browser_lost_counts_once_and_a_cut_connection_loses_its_batch(
    server: Target, proxy: Flaky
) -> None:
    contents: dict[str, Content] = {"/": _browsing(server, proxy, ""), "/mixpanel.js": MODULE}
    with pages(contents) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(site)
        page.wait_for_function("() => window.mixpanel")
        sent = {}
        for trouble in ("lost", "reset"):
            proxy.plan(trouble, only="/track")
            proxy.seen.clear()
            page.evaluate(f"mixpanel.track('{trouble}')")
            eventually(lambda: proxy.troubles == [], "nothing was sent")
            page.wait_for_timeout(1_500)
            sent[trouble] = statuses(proxy.seen, "/track")

    names = [one["event"] for one in server.events()]
    assert sent == {"lost": 1, "reset": 1}
    assert (names.count("lost"), names.count("reset")) == (1, 0)
