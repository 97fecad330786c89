"""Amplitude's SDKs as they are, pointed at a real server: what they send is stored, and once."""

from decimal import Decimal

import pytest
from tests.journey import kept
from tests.journey.browser import Content, chromium, eventually, module_page, pages
from tests.journey.flaky import Flaky, Trouble, statuses
from tests.journey.sdks import CLIENTS, Target, as_json, run_node, run_python, snippet

SETTINGS = {"account_group": "company"}
PAGE = "from-amplitude.md"
SCRIPT = CLIENTS.joinpath(
    "node_modules", "@amplitude", "analytics-browser", "lib", "scripts", "amplitude-min.umd.js"
)
EXPORTS = "export const { init, track, flush, setTransport } = window.amplitude"


def python(server: Target, calls: str, port: int | None = None) -> str:
    """Return the program of the page up to its client, which tells what became of each event."""
    setup = snippet(PAGE, "py", server).partition("client.track(")[0]
    if port is not None:
        setup = setup.replace(f":{server.port}", f":{port}")
    return (
        setup
        + """
import json, time
from amplitude import EventOptions, Identify, Revenue
told = []
client.configuration.flush_interval_millis = 100
client.configuration.callback = lambda event, code, message=None: told.append([event.event_type, code])
def wait(count, seconds=20):
    until = time.monotonic() + seconds
    while len(told) < count and time.monotonic() < until:
        time.sleep(0.02)
"""
        + calls
        + """
client.shutdown()
print(json.dumps(told))
"""
    )


def node(server: Target, calls: str, port: int | None = None) -> str:
    """Return the program of the page up to its client, which flushes soon and tells what became of it."""
    setup = snippet(PAGE, "js", server).partition("ready.then(")[0]
    setup = setup.replace("// this line", "flushIntervalMillis: 50,")
    if port is not None:
        setup = setup.replace(f":{server.port}", f":{port}")
    return (
        setup
        + f"""
const {{ Identify, Revenue }} = amplitude
const sent = [];
ready.then(async () => {{
{calls}
  const told = await Promise.all(sent.map(one => one.promise))
  console.log(JSON.stringify(told.map(one => [one.event.event_type, one.code])))
}})
"""
    )


def test_what_the_python_page_says_stores_a_use(server: Target) -> None:
    # Else the SDK waits ten seconds for more before it ends.
    run_python(snippet(PAGE, "py", server).replace("Config(", "Config(flush_interval_millis=100, "))

    (event,) = server.of("user-1")
    assert (event["event"], event["properties"]) == ("Signed Up", {"plan": "pro"})
    assert (event["time_rule"], len(event["id"])) == ("client", 36)
    assert event["context"]["protocol"] == "amplitude"
    assert event["context"]["library_name"] == "amplitude-python"
    # What a server sends tells nothing of a browser.
    assert "browser" not in event["context"]


def test_every_call_of_the_python_sdk_becomes_what_it_means(server: Target) -> None:
    told = as_json(run_python(python(server, """
client.track(BaseEvent("Visited", device_id="py-device", session_id=1767261600000, time=1767261600000))
client.track(BaseEvent("Opened", user_id="py-1", device_id="py-device", session_id=1767261600000,
                       time=1767261600500, insert_id="py-opened", groups={"company": "acme", "team": ["red", "blue"]},
                       event_properties={"n": 0.1, "big": 2**60}, os_name="Linux", app_version="1.2"))
identify = Identify()
identify.set("plan", "pro").set_once("first", "x").add("logins", 1).append("tags", "a").prepend("tags2", "b")
identify.unset("old").pre_insert("t", "c").post_insert("u", "d").remove("v", "e")
client.identify(identify, EventOptions(user_id="py-1"))
client.identify(Identify().clear_all(), EventOptions(user_id="py-1"))
client.set_group("company", ["acme", "beta"], EventOptions(user_id="py-1"))
seats = Identify(); seats.set("seats", 5)
client.group_identify("company", "py-acme", seats)
client.revenue(Revenue(price=3.99, quantity=3, product_id="com.x", currency="EUR"), EventOptions(user_id="py-1"))
wait(7)
""")))  # fmt: skip

    assert [code for _, code in told] == [200] * len(told)
    (visited,) = [event for event in server.events() if event["event"] == "Visited"]
    opened, paid = server.of("py-1")
    assert (opened["id"], opened["time"]) == ("py-opened", "2026-01-01T10:00:00.500000Z")
    assert (opened["account"], opened["groups"]) == ("acme", {"team": "red"})
    assert opened["properties"] == {
        "n": 0.1, "big": 2**60, "groups": {"company": "acme", "team": ["red", "blue"]},
    }  # fmt: skip
    assert (opened["context"]["os"], opened["context"]["app_version"]) == ("Linux", "1.2")
    assert opened["session"] == visited["session"] == "py-device/1767261600000"
    # Anonymous before, known after: one person.
    assert (visited["anonymous_id"], visited["person"]) == ("py-device", opened["person"])
    assert (paid["event"], paid["kind"], paid["revenue"]) == ("revenue_amount", "revenue", 11.97)
    assert paid["currency"] == "EUR"
    assert kept.changes(server, "py-1") == [
        ("set", {"plan": "pro"}),
        ("set_once", {"first": "x"}),
        ("add", {"logins": 1}),
        ("append", {"tags": "a"}),
        ("prepend", {"tags2": "b"}),
        ("unset", {"old": None}),
        ("union", {"t": ["c"]}),
        ("union", {"u": ["d"]}),
        ("remove", {"v": "e"}),
        ("clear", {}),
        ("set", {"company": ["acme", "beta"]}),
    ]
    assert kept.memberships(server, "py-1") == [("account", "acme"), ("account", "beta")]
    assert kept.changes(server, "py-acme") == [("set", {"seats": 5})]


@pytest.mark.parametrize("trouble", [503, 429])
def test_through_an_overload_the_python_sdk_stores_each_event_once_and_stops_after_success(
    server: Target, proxy: Flaky, trouble: int
) -> None:
    who = f"py-overload-{trouble}"
    before = server.ledger().get("duplicate", 0)
    proxy.plan(trouble, trouble)
    calls = f"""
for n in range(3):
    client.track(BaseEvent("Paid", user_id="{who}", event_properties={{"n": n}}))
wait(3)
time.sleep(0.5)
"""

    told = as_json(run_python(python(server, calls, proxy.port)))

    assert told == [["Paid", 200]] * 3
    # A slow machine lets it send the three in two batches; none of them came again after its 200.
    assert statuses(proxy.seen) >= 3
    assert sorted(event["properties"]["n"] for event in server.of(who)) == [0, 1, 2]
    assert server.ledger().get("duplicate", 0) == before


def test_a_cut_connection_is_not_tried_again_by_the_python_sdk_which_tells_nobody(
    server: Target, proxy: Flaky
) -> None:
    sent = {}
    for trouble in ("lost", "reset"):
        proxy.seen.clear()
        proxy.plan(trouble)
        calls = f'client.track(BaseEvent("Cut", user_id="py-{trouble}"))\nwait(1, 2)\n'
        assert as_json(run_python(python(server, calls, proxy.port))) == []
        sent[trouble] = statuses(proxy.seen)

    assert sent == {"lost": 1, "reset": 1}
    assert len(server.of("py-lost")) == 1
    assert server.of("py-reset") == []


def test_a_wrong_key_makes_the_python_sdk_stop(server: Target, proxy: Flaky) -> None:
    program = python(
        server, 'client.track(BaseEvent("E", user_id="nobody"))\ntime.sleep(1)', proxy.port
    )

    run_python(program.replace(server.keys["public"], "pk_wrong"))

    assert statuses(proxy.seen) == 1
    assert server.of("nobody") == []


def test_what_the_node_page_says_stores_a_use(server: Target) -> None:
    # Else the SDK waits ten seconds for more before it ends.
    run_node(snippet(PAGE, "js", server).replace("// this line", "flushIntervalMillis: 50,"))

    (event,) = server.of("user-2")
    assert (event["event"], event["properties"]) == ("Signed Up", {"plan": "pro"})
    assert (len(event["id"]), event["context"]["library_name"]) == (36, "amplitude-node-ts")
    assert event["time_sent"] >= event["time"]


def test_every_call_of_the_node_sdk_becomes_what_it_means(server: Target) -> None:
    told = as_json(
        run_node(
            node(
                server,
                """
  sent.push(amplitude.track('Visited Node', {}, { device_id: 'node-device', session_id: -1, time: 1767261600000 }))
  sent.push(amplitude.track('Opened', { text: 'ü 名', n: 0.1 }, { user_id: 'node-1', device_id: 'node-device',
    session_id: 1767261600000, insert_id: 'node-opened', time: 1767261600500, groups: { company: 'acme' } }))
  sent.push(amplitude.identify(new Identify().set('plan', 'pro').add('n', 2).unset('old'), { user_id: 'node-1' }))
  sent.push(amplitude.setGroup('company', 'acme', { user_id: 'node-1' }))
  sent.push(amplitude.groupIdentify('company', 'node-acme', new Identify().set('seats', 5)))
  sent.push(amplitude.revenue(new Revenue().setPrice(3).setQuantity(2).setCurrency('EUR'), { user_id: 'node-1' }))
""",
            )
        )
    )

    assert [code for _, code in told] == [200] * 6
    (visited,) = [event for event in server.events() if event["event"] == "Visited Node"]
    opened, paid = server.of("node-1")
    assert (opened["id"], opened["time"]) == ("node-opened", "2026-01-01T10:00:00.500000Z")
    assert opened["properties"] == {"text": "ü 名", "n": 0.1}
    assert (opened["account"], opened["session"]) == ("acme", "node-device/1767261600000")
    assert visited["context"]["session_rule"] == "computed"
    assert visited["person"] == opened["person"]
    assert (paid["revenue"], paid["currency"]) == (6, "EUR")
    assert kept.changes(server, "node-1") == [
        ("set", {"plan": "pro"}),
        ("add", {"n": Decimal(2)}),
        ("unset", {"old": None}),
        ("set", {"company": "acme"}),
    ]
    assert kept.memberships(server, "node-1") == [("account", "acme")]
    assert kept.changes(server, "node-acme") == [("set", {"seats": 5})]


@pytest.mark.parametrize("trouble", [503, 429])
def test_through_an_overload_the_node_sdk_stores_each_event_once_and_stops_after_success(
    server: Target, proxy: Flaky, trouble: int
) -> None:
    who = f"node-overload-{trouble}"
    proxy.plan(trouble, trouble)
    calls = f"""
  for (const n of [0, 1, 2]) sent.push(amplitude.track('Paid', {{ n }}, {{ user_id: '{who}' }}))
  await Promise.all(sent.map(one => one.promise))
  await new Promise(done => setTimeout(done, 500))
"""

    told = as_json(run_node(node(server, calls, proxy.port)))

    assert told == [["Paid", 200]] * 3
    assert statuses(proxy.seen) == 3
    assert sorted(event["properties"]["n"] for event in server.of(who)) == [0, 1, 2]


def test_an_event_that_the_node_sdk_gave_up_counts_once_however_often_it_is_tracked_again(
    server: Target, proxy: Flaky
) -> None:
    proxy.plan("reset", "lost", "lost")
    calls = """
  const again = () => amplitude.track('Again', {}, { user_id: 'node-again', insert_id: 'again', time: 1767261600000 })
  for (let tries = 0; tries < 4; tries += 1) { sent.push(again()); await sent[tries].promise }
"""

    told = as_json(run_node(node(server, calls, proxy.port)))

    # Zero: the connection was cut, and the SDK does not try again by itself.
    assert told == [["Again", 0], ["Again", 0], ["Again", 0], ["Again", 200]]
    assert statuses(proxy.seen) == 4
    assert [event["id"] for event in server.of("node-again")] == ["again"]


def test_of_a_batch_with_a_bad_event_the_node_sdk_sends_nothing_again(
    server: Target, proxy: Flaky
) -> None:
    before = server.ledger()
    calls = """
  sent.push(amplitude.track('Fine', {}, { user_id: 'node-mixed' }))
  sent.push(amplitude.track('Long', {}, { user_id: 'x'.repeat(300) }))
"""

    told = as_json(run_node(node(server, calls, proxy.port)))

    assert told == [["Fine", 200], ["Long", 200]]
    assert statuses(proxy.seen) == 1
    after = server.ledger()
    assert (after["accepted"] - before["accepted"], after["rejected"] - before["rejected"]) == (
        1,
        1,
    )


def browsing(server: Target, proxy: Flaky, code: str) -> dict[str, Content]:
    """Return a site whose page does what the how-to page tells to write, sends soon, and then this."""
    setup = snippet(PAGE, "js", server, 1).replace(f":{server.port}", f":{proxy.port}")
    html = module_page(
        f"{setup}\nwindow.told = []\n{code}",
        {"@amplitude/analytics-browser": "/amplitude.mjs"},
        "/amplitude.js",
    )
    return {
        "/": html,
        "/amplitude.js": SCRIPT,
        "/amplitude.mjs": EXPORTS,
        "/elsewhere": "Elsewhere",
    }


def soon(site: dict[str, Content]) -> dict[str, Content]:
    """Return the same site without the default wait for more to send."""
    wait = "fetchRemoteConfig: false, flushIntervalMillis: 100,"
    return {**site, "/": str(site["/"]).replace("fetchRemoteConfig: false,", wait)}


def test_a_visit_in_a_browser_is_stored_as_one_person_with_what_the_sdk_records_by_itself(
    server: Target, proxy: Flaky
) -> None:
    contents = soon(browsing(server, proxy, ""))
    everything = str(contents["/"]).replace("flushIntervalMillis", "autocapture: true, flushIntervalMillis")  # fmt: skip
    contents["/"] = f'{everything}<button id="buy">Buy</button>'
    with pages(contents) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{site}/?utm_source=news&gclid=abc&secret=1")
        eventually(lambda: bool(server.named("Looked Around")), "nothing came")
        page.click("#buy")
        page.evaluate("""amplitude.setUserId('web-1')
            amplitude.identify(new amplitude.Identify().set('plan', 'pro'))
            amplitude.setGroup('company', 'acme')
            amplitude.revenue(new amplitude.Revenue().setPrice(3.99).setQuantity(3).setCurrency('EUR'))""")
        device = page.evaluate("amplitude.getDeviceId()")
        session = page.evaluate("amplitude.getSessionId()")
        eventually(lambda: bool(server.of("web-1")), "the revenue did not come")
        exposed = "[Amplitude] Viewport Content Updated"
        eventually(lambda: bool(server.named(exposed)), "what was seen did not come")

    names = ("session_start", "page_view", "Looked Around", "[Amplitude] Element Clicked")
    assert {one["kind"] for one in server.named(exposed)} == {"interaction"}
    visit = [one for name in names for one in server.named(name) if one["anonymous_id"] == device]
    (paid,) = server.of("web-1")
    start, view, looked, click = visit
    assert [one["kind"] for one in visit] == ["session", "page", "track", "interaction"]
    assert looked["properties"]["platform"] == "Web"
    assert view["context"]["page_url"] == f"{site}/?utm_source=news"
    assert (view["context"]["title"], view["context"]["utm_source"]) == ("Shop", "news")
    assert (view["context"]["browser"], view["context"]["channel"]) == ("Chrome", "paid_search")
    assert click["properties"]["[Amplitude] Element Text"] == "Buy"
    assert (paid["revenue"], paid["currency"], paid["anonymous_id"]) == (11.97, "EUR", device)
    assert {one["session"] for one in (*visit, paid)} == {f"{device}/{session}"}
    assert len({one["person"] for one in (*visit, paid)}) == 1
    assert {one["time_rule"] for one in (*visit, paid)} == {"client"}
    assert all(len(one["id"]) == 36 for one in (*visit, paid))
    assert "secret" not in str(server.events())
    assert kept.changes(server, "web-1") == [("set", {"plan": "pro"}), ("set", {"company": "acme"})]
    assert kept.memberships(server, "web-1") == [("account", "acme")]
    first = dict(kept.changes(server, device))["set_once"]
    assert (first["initial_utm_source"], first["initial_referrer"]) == ("news", None)
    assert start["context"]["library_name"] == "amplitude-ts"


@pytest.mark.parametrize("trouble", [503, 429, "reset", "lost"])
def test_through_trouble_the_browser_stores_each_event_once_and_stops_after_success(
    server: Target, proxy: Flaky, trouble: Trouble
) -> None:
    name = f"Trouble {trouble}"
    proxy.plan(trouble)
    code = f"amplitude.track('{name}').promise.then(done => told.push(done.code))"
    contents = soon(browsing(server, proxy, code))
    html = str(contents["/"]).replace("amplitude.track('Looked Around')\n", "")
    contents["/"] = html.replace("flushIntervalMillis", "autocapture: false, flushIntervalMillis")
    with pages(contents) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(site)
        eventually(lambda: page.evaluate("told") == [200], "it was not told of a success")
        page.wait_for_timeout(1_000)

    assert statuses(proxy.seen) == 2
    assert len(server.named(name)) == 1


def test_what_waits_in_a_page_that_is_left_arrives_once(server: Target, proxy: Flaky) -> None:
    code = "amplitude.track('Left', { n: 1 }); window.isReady = true"
    with pages(browsing(server, proxy, code)) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(site)
        page.wait_for_function("() => window.isReady && localStorage.length > 0")
        page.wait_for_timeout(300)
        assert server.named("Left") == []
        page.goto(f"{site}/elsewhere")
        eventually(lambda: bool(server.named("Left")), "what waited was lost")
        page.wait_for_timeout(500)

    (left,) = server.named("Left")
    assert left["properties"]["n"] == 1
