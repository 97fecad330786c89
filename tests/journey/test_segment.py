"""Segment's and RudderStack's own SDKs, pointed at a real server: what is stored, and how often.

One server and one proxy serve the whole file; each test has people of its own.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.journey.browser import chromium, eventually, module_page, pages
from tests.journey.flaky import Flaky, Trouble, flaky, statuses
from tests.journey.sdks import CLIENTS, Target, run_node, run_python, snippet

from tallymark.core.event import GroupMembership, IdentityLink, ProfileOp
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog

MODULES = CLIENTS / "node_modules"
SEGMENT = MODULES / "@segment" / "analytics-next" / "dist" / "umd"
RUDDERSTACK = MODULES / "@rudderstack" / "analytics-js" / "dist" / "npm" / "modern" / "bundled"
TROUBLES: tuple[Trouble, ...] = (503, 429, "reset", "lost")

SEGMENT_PYTHON = """
import sys, datetime, segment.analytics as sdk
key, url, who, gzip = sys.argv[1:]
sdk.write_key, sdk.host, sdk.gzip = key, url, gzip == "gzip"
"""
RUDDERSTACK_PYTHON = """
import sys, datetime, rudderstack.analytics as sdk
key, url, who, gzip = sys.argv[1:]
sdk.write_key, sdk.gzip = key, gzip == "gzip"
sdk.dataPlaneUrl = sdk.host = url
"""
PYTHON_CALLS = """
visitor = who + "-visitor"
sdk.track(None, "Looked", {"n": 1}, anonymous_id=visitor)
sdk.identify(who, {"plan": "pro"}, anonymous_id=visitor)
sdk.group(who, who + "-acme", {"name": "Acme"})
sdk.alias(who + "-old", who)
paid = datetime.datetime(2026, 9, 1, 12, 30, 0, 250000, tzinfo=datetime.timezone.utc)
around = {"groupId": who + "-acme", "sessionId": who + "-s1", "ip": "203.0.113.7"}
sdk.track(
    who, "Order Completed", {"revenue": 19.9, "currency": "EUR", "order_id": "o-1"},
    context=around, timestamp=paid,
)
sdk.page(who, "Docs", "Home", {"url": "https://shop.example/p?utm_source=news&token=1"})
sdk.screen(who, "Main", "Cart")
sdk.flush()
"""
SEGMENT_NODE = """
const { Analytics } = require('@segment/analytics-node')
const [key, url, who] = process.argv.slice(1)
const sdk = new Analytics({ writeKey: key, host: url })
const done = () => sdk.closeAndFlush()
"""
RUDDERSTACK_NODE = """
const Sdk = require('@rudderstack/rudder-sdk-node')
const [key, url, who] = process.argv.slice(1)
// Of its own accord it gives up after three tries.
const sdk = new Sdk(key, { dataPlaneUrl: url, retryCount: 5 })
const done = () => sdk.flush()
"""
NODE_CALLS = """
const visitor = who + '-visitor'
sdk.track({ anonymousId: visitor, event: 'Looked', properties: { n: 1 } })
sdk.identify({ userId: who, anonymousId: visitor, traits: { plan: 'pro' } })
sdk.group({ userId: who, groupId: who + '-acme', traits: { name: 'Acme' } })
sdk.alias({ userId: who, previousId: who + '-old' })
sdk.track({
  userId: who, event: 'Order Completed',
  properties: { revenue: 19.9, currency: 'EUR', order_id: 'o-1' },
  context: { groupId: who + '-acme', sessionId: who + '-s1', ip: '203.0.113.7' },
  timestamp: new Date('2026-09-01T12:30:00.250Z'),
})
sdk.page({
  userId: who, name: 'Home', category: 'Docs',
  properties: { url: 'https://shop.example/p?utm_source=news&token=1' },
})
sdk.screen({ userId: who, name: 'Cart', category: 'Main' })
done()
"""
CLIENT_SETUPS = {
    "segment-python": (SEGMENT_PYTHON, "plain"),
    "segment-python-gzip": (SEGMENT_PYTHON, "gzip"),
    "rudderstack-python": (RUDDERSTACK_PYTHON, "gzip"),
    "segment-node": (SEGMENT_NODE, ""),
    "rudderstack-node": (RUDDERSTACK_NODE, ""),
}


@pytest.fixture(scope="module")
def proxy_of_all(server: Target) -> Iterator[Flaky]:
    with flaky(server.port) as running:
        yield running


@pytest.fixture
def proxy(proxy_of_all: Flaky) -> Flaky:
    proxy_of_all.seen.clear()
    proxy_of_all.plan()
    return proxy_of_all


def run(client: str, server: Target, proxy: Flaky, who: str, calls: tuple[str, str]) -> None:
    setup, mode = CLIENT_SETUPS[client]
    arguments = (server.keys["public"], proxy.url, who)
    if "python" in client:
        run_python(setup + calls[0], *arguments, mode)
    else:
        run_node(setup + calls[1], *arguments)


def of(server: Target, who: str) -> list[dict[str, Any]]:
    """Return the stored events of somebody's ids."""
    return [
        event
        for event in server.events()
        if any(str(event[name]).startswith(who) for name in ("user_id", "anonymous_id"))
    ]


def commands(server: Target, who: str) -> list[Any]:
    """Return what the log holds besides events that names somebody's ids, without ids and times."""
    log = SqliteLog(server.project / "log.db", readonly=True)
    try:
        records = log.read(0, max_bytes=2**30, max_items=10**6)
        batches = [decode_batch(record) for record in records]
    finally:
        log.close()
    found = [command for batch in batches for command in batch.commands]
    return [structs.replace(one, id="", time=0) for one in found if who in repr(one)]


def change(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


# Servers


@pytest.mark.parametrize("client", CLIENT_SETUPS)
def test_everything_a_servers_sdk_sends_is_stored_once_and_right(
    client: str, server: Target, proxy: Flaky
) -> None:
    before = server.ledger()

    run(client, server, proxy, client, (PYTHON_CALLS, NODE_CALLS))

    # A link and a profile; a member and a profile; two links: what each of the three calls changes.
    assert change(before, server.ledger()) == {"received": 10, "accepted": 10}
    found = {event["event"]: event for event in of(server, client)}
    assert set(found) == {"Looked", "Order Completed", "page_view", "screen_view"}
    assert len({event["id"] for event in found.values()}) == 4
    assert len({event["person"] for event in found.values()}) == 1
    assert found["Looked"]["anonymous_id"] == f"{client}-visitor"
    assert found["Looked"]["properties"] == {"n": 1}
    assert_order(found["Order Completed"], client)
    page = found["page_view"]
    assert page["kind"] == "page"
    assert page["properties"] == {"category": "Docs", "name": "Home"}
    assert page["context"]["page_url"] == "https://shop.example/p?utm_source=news"
    assert page["context"]["utm_source"] == "news"
    assert found["screen_view"]["properties"] == {"category": "Main", "name": "Cart"}
    assert_commands(commands(server, client), client)


def assert_order(order: dict[str, Any], who: str) -> None:
    assert (order["user_id"], order["account"], order["session"]) == (
        who, f"{who}-acme", f"{who}-s1",
    )  # fmt: skip
    assert (order["revenue"], order["currency"]) == (19.9, "EUR")
    assert order["properties"] == {"revenue": 19.9, "currency": "EUR", "order_id": "o-1"}
    assert (order["time"], order["time_rule"]) == ("2026-09-01T12:30:00.250000Z", "client")
    # The SDK's own user agent is no robot's, and no person's.
    assert order["context"]["is_bot"] is False
    assert "browser" not in order["context"]
    assert order["context"]["library_version"]


def assert_commands(found: list[Any], who: str) -> None:
    name = "segment"
    assert sorted(map(repr, found)) == sorted(
        map(
            repr,
            [
                IdentityLink(f"{who}-visitor", who, "", 0, namespace=name),
                ProfileOp("set", who, "", 0, {"plan": "pro"}, "user", name),
                GroupMembership("account", f"{who}-acme", "", 0, who, None, name),
                ProfileOp("set", f"{who}-acme", "", 0, {"name": "Acme"}, "account", name),
                IdentityLink(f"{who}-old", who, "", 0, "anonymous", "user", "alias", name),
                IdentityLink(f"{who}-old", who, "", 0, "user", "user", "alias", name),
            ],
        )
    )


PYTHON_TRACK = "sdk.track(who, 'Tried', {'n': 1})\nsdk.flush()\n"
NODE_TRACK = "sdk.track({ userId: who, event: 'Tried', properties: { n: 1 } })\ndone()\n"


@pytest.mark.parametrize("client", [name for name in CLIENT_SETUPS if "gzip" not in name])
def test_what_a_servers_sdk_has_to_send_again_counts_once_and_then_no_more(
    client: str, server: Target, proxy: Flaky
) -> None:
    before, who = server.ledger(), f"again-{client}"
    proxy.plan(*TROUBLES)

    run(client, server, proxy, who, (PYTHON_TRACK, NODE_TRACK))

    assert statuses(proxy.seen) == len(TROUBLES) + 1
    (event,) = of(server, who)
    assert event["properties"] == {"n": 1}
    assert_time_is_the_clients(event)
    # The answer that was lost is the duplicate.
    assert change(before, server.ledger()) == {"received": 2, "accepted": 1, "duplicate": 1}


def assert_time_is_the_clients(event: dict[str, Any]) -> None:
    """A retry is stamped anew, so that waiting for it is not taken for a wrong clock."""
    told = datetime.fromisoformat(event["time_client"])
    assert abs((datetime.fromisoformat(event["time"]) - told).total_seconds()) < 1.5


def test_a_wrong_key_ends_the_tries_of_each_sdk(server: Target, proxy: Flaky) -> None:
    before = server.ledger()
    clients = ("segment-python", "rudderstack-python", "segment-node", "rudderstack-node")
    for client in clients:
        setup, mode = CLIENT_SETUPS[client]
        if "python" in client:
            run_python(setup + PYTHON_TRACK, "pk_wrong", proxy.url, "nobody", mode)
        else:
            # The one of RudderStack tells of it by an error.
            quiet = setup.replace("retryCount: 5", "retryCount: 5, errorHandler: () => {}")
            run_node(quiet + NODE_TRACK, "pk_wrong", proxy.url, "nobody")

    assert statuses(proxy.seen) == len(clients)
    assert server.ledger() == before


# Browsers

CALLS = """
sdk.page('Docs', 'Home');
sdk.track('Looked', { n: 1.5 });
sdk.identify('WHO', { plan: 'pro' });
sdk.group('WHO-acme', { name: 'Acme' });
sdk.track('Order Completed', { revenue: 19.9, currency: 'EUR' });
"""


def segment_page(server_url: str, key: str, calls: str, options: object = None) -> str:
    """Return a page as `from-segment.md` tells to write, with other calls."""
    return f"""<!doctype html><title>Shop</title><script>
      var sdk = window.analytics = [];
      ['page', 'track', 'identify', 'group', 'alias', 'reset', 'ready'].forEach(function (call) {{
        sdk[call] = function () {{ window.analytics.push ?
          window.analytics.push([call].concat([].slice.call(arguments))) :
          window.analytics[call].apply(window.analytics, arguments) }}
      }});
      sdk._writeKey = '{key}'; sdk._cdn = '{server_url}';
      sdk._loadOptions = {json.dumps(options or {})};
      {calls}
    </script><script async src="/standalone.js"></script>"""


def rudderstack_page(server_url: str, key: str, calls: str, options: object = None) -> str:
    more = json.dumps({"configUrl": server_url, "polyfillIfRequired": False, **(options or {})})  # type: ignore[dict-item]
    return f"""<!doctype html><title>Shop</title><script src="/rudderstack.js"></script><script>
      var sdk = new rudderanalytics.RudderAnalytics();
      sdk.load('{key}', '{server_url}', {more});
      {calls}
    </script>"""


PAGE_OF = {"segment": segment_page, "rudderstack": rudderstack_page}
SCRIPTS: dict[str, str | Path] = {
    "/standalone.js": SEGMENT / "standalone.js",
    "/segment.js": SEGMENT / "index.js",
    "/rudderstack.js": RUDDERSTACK / "umd" / "index.js",
    "/rudderstack.mjs": RUDDERSTACK / "esm" / "index.mjs",
    "/segment.mjs": "export const AnalyticsBrowser = window.AnalyticsNext.AnalyticsBrowser",
    "/elsewhere": "<!doctype html><title>Elsewhere</title>",
}


def batching(timeout_ms: int) -> dict[str, Any]:
    delivery = {"strategy": "batching", "config": {"size": 10, "timeout": timeout_ms}}
    return {"integrations": {"Segment.io": {"deliveryStrategy": delivery}}}


@pytest.mark.parametrize("sdk", PAGE_OF)
def test_everything_a_browsers_sdk_sends_is_stored_once_and_right(
    sdk: str, server: Target, proxy: Flaky
) -> None:
    before, who = server.ledger(), f"web-{sdk}"
    html = PAGE_OF[sdk](proxy.url, server.keys["public"], CALLS.replace("WHO", who))
    with pages({"/": html, **SCRIPTS}) as site, chromium() as browser:
        browser.new_page().goto(f"{site}/?utm_source=news&token=1")
        eventually(lambda: server.ledger()["accepted"] - before["accepted"] >= 8, "not all came")
        time.sleep(0.5)
        sent = statuses(proxy.seen, "/v1/") - statuses(proxy.seen, "/settings")

    assert sent == 5
    assert change(before, server.ledger()) == {"received": 8, "accepted": 8}
    device = next(e["anonymous_id"] for e in server.events() if e["user_id"] == who)
    found = {event["event"]: event for event in of(server, device)}
    assert set(found) == {"page_view", "Looked", "Order Completed"}
    assert len({event["person"] for event in found.values()}) == 1
    page, order = found["page_view"], found["Order Completed"]
    assert page["context"]["page_url"] == f"{site}/?utm_source=news"
    assert (page["context"]["title"], page["context"]["utm_source"]) == ("Shop", "news")
    assert (page["context"]["browser"], page["context"]["device_type"]) == ("Chrome", "desktop")
    assert "token" not in json.dumps(list(found.values()))
    assert found["Looked"]["properties"] == {"n": 1.5}
    assert (order["revenue"], order["currency"]) == (19.9, "EUR")
    if sdk == "rudderstack":
        assert found["Looked"]["user_id"] is None
        assert len({event["session"] for event in found.values()}) == 1
        assert page["session"].startswith("1")
    member = GroupMembership("account", f"{who}-acme", "", 0, who, device, "segment")
    assert member in commands(server, who)


@pytest.mark.parametrize(
    ("sdk", "options", "path"),
    [
        ("segment", batching(60_000), "/v1/b"),
        (
            "rudderstack",
            {"useBeacon": True, "beaconQueueOptions": {"flushQueueInterval": 60_000}},
            "/beacon/v1/batch",
        ),
    ],
)
def test_what_waits_in_a_page_that_is_left_is_stored_once(
    sdk: str, options: dict[str, Any], path: str, server: Target, proxy: Flaky
) -> None:
    who = f"leave-{sdk}"
    calls = f"sdk.identify('{who}'); sdk.track('Left', {{ n: 1 }}); sdk.track('Left', {{ n: 2 }});"
    html = PAGE_OF[sdk](proxy.url, server.keys["public"], calls, options)
    with pages({"/": html, **SCRIPTS}) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(site)
        page.wait_for_load_state("networkidle")
        assert statuses(proxy.seen, path) == 0
        page.goto(f"{site}/elsewhere")
        eventually(lambda: len(of(server, who)) == 2, "what waited was lost")

    assert statuses(proxy.seen, path) == 1
    assert [event["properties"] for event in of(server, who)] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("sdk", "options"), [("segment", None), ("segment", batching(300)), ("rudderstack", None)]
)
def test_what_a_browser_has_to_send_again_counts_once_and_then_no_more(
    sdk: str, options: dict[str, Any] | None, server: Target, proxy: Flaky
) -> None:
    who = f"again-{sdk}-{'batch' if options else 'single'}"
    tracks = f"sdk.identify('{who}');" + "sdk.track('Tried', { n: 1 });" * (9 if options else 1)
    html = PAGE_OF[sdk](proxy.url, server.keys["public"], tracks, options)
    events = "/v1/b" if options else "/v1/t"
    proxy.plan(*TROUBLES, only=events)
    with pages({"/": html, **SCRIPTS}) as site, chromium() as browser:
        browser.new_page().goto(site)
        wanted = len(TROUBLES) + 1
        eventually(lambda: statuses(proxy.seen, events) == wanted, "too few tries", seconds=60)
        time.sleep(1.5)

    assert statuses(proxy.seen, events) == wanted
    found = of(server, who)
    assert len(found) == (9 if options else 1)
    for event in found:
        assert_time_is_the_clients(event)


# What the how-to pages tell to write


@pytest.mark.parametrize(
    ("page", "library"),
    [("from-segment.md", "analytics-python"), ("from-rudderstack.md", "analytics-python")],
)
def test_the_python_lines_of_the_page_are_all_it_takes(
    page: str, library: str, server: Target
) -> None:
    before = len(of(server, "user-1"))

    run_python(snippet(page, "py", server))

    event = of(server, "user-1")[before]
    assert (event["event"], event["properties"]) == ("Signed Up", {"plan": "pro"})
    assert event["context"]["library_name"] == library
    assert event["context"]["source"].startswith("sk_")


@pytest.mark.parametrize(
    ("page", "library"),
    [("from-segment.md", "@segment/analytics-node"), ("from-rudderstack.md", "analytics-node")],
)
def test_the_node_lines_of_the_page_are_all_it_takes(
    page: str, library: str, server: Target
) -> None:
    before = len(of(server, "user-2"))

    run_node(snippet(page, "js", server))

    event = of(server, "user-2")[before]
    assert (event["event"], event["properties"]) == ("Signed Up", {"plan": "pro"})
    assert event["context"]["library_name"] == library


def test_the_plain_request_of_the_page_is_all_it_takes(server: Target) -> None:
    done = subprocess.run(
        ["sh", "-c", snippet("from-segment.md", "sh", server)],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    assert json.loads(done.stdout) == {"success": True}
    (event,) = of(server, "user-3")
    assert (event["event"], event["id"]) == ("Signed Up", "order-17")


@pytest.mark.parametrize("page", ["from-segment.md", "from-rudderstack.md"])
def test_the_browser_lines_of_the_page_are_all_it_takes(page: str, server: Target) -> None:
    imports = {
        "@segment/analytics-next": "/segment.mjs",
        "@rudderstack/analytics-js": "/rudderstack.mjs",
    }
    html = module_page(snippet(page, "js", server, 1), imports, "/segment.js")

    assert_seen(server, html.replace("Shop", page), page)


def test_the_script_lines_of_the_page_are_all_it_takes(server: Target) -> None:
    html = f"<!doctype html><title>as a script</title>{snippet('from-segment.md', 'html', server)}"

    assert_seen(server, html, "as a script")


def assert_seen(server: Target, html: str, title: str) -> None:
    """Open a page and wait until the view of it is stored."""
    with pages({"/": html, **SCRIPTS}) as site, chromium() as browser:
        browser.new_page().goto(site)

        def views() -> list[dict[str, Any]]:
            return [e for e in server.events() if e["context"].get("title") == title]

        eventually(lambda: any(e["event"] == "page_view" for e in views()), "no view came")
    (view,) = [event for event in views() if event["event"] == "page_view"]
    assert view["properties"]["name"] == "Home"
    assert view["context"]["source"].startswith("pk_")
