"""Snowplow's own trackers, in Python, Node and a real browser, against a real server."""

import textwrap
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page
from tests.journey.browser import Content, eventually, module_page, pages
from tests.journey.flaky import Flaky, bodies, statuses
from tests.journey.sdks import CLIENTS, Target, run_node, run_python, snippet

BROWSER = CLIENTS / "node_modules" / "@snowplow" / "browser-tracker" / "dist" / "index.umd.min.js"
EXPORT = "iglu:com.acme/export/jsonschema/1-0-0"
TP2 = "/com.snowplowanalytics.snowplow/tp2"

PYTHON = f"""
import sys, time
from snowplow_tracker import *
url, key, method, user = sys.argv[1:5]
sent = []
emitter = Emitter(url, method=method, max_retry_delay_seconds=0.2, on_success=lambda done: sent.extend(done))
tracker = Tracker("ns", [emitter], app_id=key, subject=Subject().set_user_id(user).set_domain_user_id("d-" + user))
account = SelfDescribingJson("iglu:com.acme/account/jsonschema/1-0-0", {{"id": "acme"}})
tracker.track(StructuredEvent("shop", "add to cart", label="book", property_="blue", value=2.5))
tracker.track(PageView("https://shop.example/a?x=1", "A page", "https://search.example/"))
tracker.track(SelfDescribing(SelfDescribingJson("{EXPORT}", {{"rows": 5, "ok": True}}), context=[account]))
tracker.flush()
while len(sent) < 3:
    time.sleep(0.02)
"""

NODE = f"""
const S = require("@snowplow/node-tracker");
const [url, key, user, again] = process.argv.slice(1);
const t = S.newTracker({{ namespace: "ns", appId: key }}, {{ endpoint: url }});
t.setUserId(user); t.setDomainUserId("d-" + user); t.setSessionId("s-" + user);
t.track(S.buildSelfDescribingEvent({{ event: {{ schema: "{EXPORT}", data: {{ rows: 7 }} }} }}));
t.track(S.buildEcommerceTransaction({{ orderId: "o-1", total: 19.9, currency: "EUR" }}));
t.track(S.buildEcommerceTransactionItem({{ orderId: "o-1", sku: "k1", price: 19.9, quantity: 1, currency: "EUR" }}));
(async () => {{ for (let n = 0; n <= Number(again); n++) await t.flush(); }})();
"""

PAGE = f"""<!doctype html><title>Shop</title><script src="/sp.js"></script><script>
const {{ newTracker, trackPageView, trackStructEvent, trackSelfDescribingEvent, enableActivityTracking, setUserId }} = snowplowBrowserTracking;
const given = new URLSearchParams(location.search);
newTracker("sp", given.get("to"), {{ appId: given.get("key"), eventMethod: given.get("method"),
  postPath: given.get("path") || undefined,
  anonymousTracking: given.has("anonymous") && {{ withServerAnonymisation: true }} }});
setUserId(given.get("user"));
if (given.has("active")) enableActivityTracking({{ minimumVisitLength: 1, heartbeatDelay: 1 }});
trackPageView();
trackStructEvent({{ category: "shop", action: "add", value: 3 }});
trackSelfDescribingEvent({{ event: {{ schema: "{EXPORT}", data: {{ rows: 7 }} }} }});
</script>"""

EXPORTS = "export const { newTracker, trackPageView, trackStructEvent } = snowplowBrowserTracking;"


def visit(page: Page, site: str, to: str, server: Target, user: str, **more: str) -> None:
    given = {"to": to, "key": server.keys["public"], "user": user, "method": "post", **more}
    page.goto(f"{site}/?" + "&".join(f"{name}={value}" for name, value in given.items()))


@pytest.mark.parametrize("method", ["post", "get"])
def test_the_python_tracker_stores_what_it_tracks(
    server: Target, proxy: Flaky, method: str
) -> None:
    user = f"ana-{method}"

    run_python(PYTHON, proxy.url, server.keys["public"], method, user)

    structured, export, page = sorted(server.of(user), key=lambda one: str(one["event"]))
    assert statuses(proxy.seen) == (1 if method == "post" else 3)
    assert structured["properties"] == {
        "category": "shop", "label": "book", "property": "blue", "value": 2.5,
    }  # fmt: skip
    assert (page["event"], page["context"]["page_url"]) == ("page_view", "https://shop.example/a")
    assert (page["context"]["title"], page["context"]["referrer"]) == ("A page", "https://search.example/")  # fmt: skip
    assert (export["event"], export["account"]) == ("export", "acme")
    assert export["properties"] == {"schema": EXPORT, "rows": 5, "ok": True}
    told = [structured, page, export]
    assert {one["anonymous_id"] for one in told} == {f"d-{user}"}
    assert len({one["person"] for one in told}) == 1
    # Its time of sending has no milliseconds and may lie before the event's.
    assert {one["time_rule"] for one in told} == {"client"}
    assert {one["context"]["is_bot"] for one in told} == {False}
    assert all(len(one["id"]) == 36 and "no_id" not in one["flags"] for one in told)


def test_the_node_tracker_stores_what_it_tracks(server: Target, proxy: Flaky) -> None:
    run_node(NODE, proxy.url, server.keys["public"], "bo", "0")

    export, order, item = sorted(server.of("bo"), key=lambda one: str(one["event"]))
    assert statuses(proxy.seen, TP2) == 1
    assert (export["event"], export["properties"]["rows"]) == ("export", 7)
    assert (order["kind"], order["revenue"], order["currency"]) == ("revenue", 19.9, "EUR")
    assert item["revenue"] is None
    assert {one["session"] for one in (export, order, item)} == {"s-bo"}
    assert {one["anonymous_id"] for one in (export, order, item)} == {"d-bo"}
    assert len({one["person"] for one in (export, order, item)}) == 1
    assert {one["time_rule"] for one in (export, order, item)} == {"client"}
    assert len({one["id"] for one in (export, order, item)}) == 3
    assert {one["context"]["library_name"] for one in (export, order)} == {"snowplow-node"}


@pytest.mark.parametrize("method", ["post", "get"])
def test_a_browser_stores_what_it_tracks(
    server: Target, browser: BrowserContext, proxy: Flaky, method: str
) -> None:
    user = f"cy-{method}"
    with pages({"/": PAGE, "/sp.js": BROWSER}) as site:
        page = browser.new_page()
        visit(page, site, proxy.url, server, user, method=method)
        eventually(lambda: len(server.of(user)) == 3, "not all events came")
        page.close()

    view, structured, export = server.of(user)
    assert [one["event"] for one in (view, structured, export)] == ["page_view", "add", "export"]
    assert view["context"]["page_url"] == f"{site}/"
    assert (view["context"]["title"], view["context"]["browser"]) == ("Shop", "Chrome")
    assert view["context"]["screen_width"] > 0
    assert structured["properties"]["value"] == 3
    assert export["properties"]["schema"] == EXPORT
    assert len({one["properties"]["page_view_id"] for one in (view, structured, export)}) == 1
    assert len({one["session"] for one in (view, structured, export)}) == 1
    assert len({one["person"] for one in (view, structured, export)}) == 1
    assert {one["anonymous_id"] for one in (view, structured, export)} == {view["anonymous_id"]}
    assert len({one["id"] for one in (view, structured, export)}) == 3


def test_time_on_a_page_comes_as_heartbeats_to_a_path_of_ones_own(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    with pages({"/": PAGE, "/sp.js": BROWSER}) as site:
        page = browser.new_page()
        visit(page, site, proxy.url, server, "dee", active="1", path="/snowplow/com.acme/v1")

        def has_pinged() -> bool:
            page.mouse.move(10, 10)
            page.mouse.move(20, 20)
            return any(one["event"] == "page_ping" for one in server.of("dee"))

        eventually(has_pinged, "no page ping came")
        page.close()

    events = server.of("dee")
    assert {one["kind"] for one in events if one["event"] == "page_ping"} == {"heartbeat"}
    assert sum(one["event"] == "page_view" for one in events) == 1
    assert statuses(proxy.seen, "/snowplow/com.acme/v1") == statuses(proxy.seen)


def test_a_page_that_tracks_nobody_leaves_no_id_and_no_cookie_of_ours(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    with pages({"/": PAGE, "/sp.js": BROWSER}) as site:
        page = browser.new_page()
        visit(page, site, proxy.url, server, "eve", anonymous="1")
        eventually(lambda: statuses(proxy.seen) > 0, "nothing came")
        eventually(lambda: len(_anonymous(server)) == 3, "not all events came")
        cookies = page.context.cookies(server.url)
        page.close()

    (first, *_) = _anonymous(server)
    assert (first["user_id"], first["person"], first["session"]) == (None, None, None)
    assert first["context"].get("ip") is None
    assert first["context"]["browser"] == "Chrome"
    assert [one for one in cookies if one["name"] == "sp"] == []
    assert server.of("eve") == []


def _anonymous(server: Target) -> list[dict[str, Any]]:
    return [
        event for event in server.events()
        if event["anonymous_id"] is None and event["context"].get("library_name") == "snowplow-js"
    ]  # fmt: skip


def test_the_python_tracker_counts_once_through_every_trouble(server: Target, proxy: Flaky) -> None:
    proxy.plan(503, "reset", "lost")

    run_python(PYTHON, proxy.url, server.keys["public"], "post", "fay")

    assert sorted(one["event"] for one in server.of("fay")) == ["add to cart", "export", "page_view"]  # fmt: skip
    # Three that met trouble, the one that was answered, and nothing after it.
    assert statuses(proxy.seen, TP2) == 4
    assert server.ledger()["conflict"] == 0


def test_the_node_tracker_counts_once_through_every_trouble(server: Target, proxy: Flaky) -> None:
    proxy.plan(503, "reset", "lost")

    run_node(NODE, proxy.url, server.keys["public"], "gus", "5")

    assert sorted(one["event"] for one in server.of("gus")) == ["export", "transaction", "transaction_item"]  # fmt: skip
    assert statuses(proxy.seen, TP2) == 4
    assert server.ledger()["conflict"] == 0


def test_a_browser_counts_once_through_every_trouble(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    proxy.plan(503, "reset", "lost", only="tp2")
    with pages({"/": PAGE, "/sp.js": BROWSER}) as site:
        page = browser.new_page()
        visit(page, site, proxy.url, server, "hal")

        def is_sent() -> bool:
            page.evaluate("snowplowBrowserTracking.flushBuffer()")
            return statuses(proxy.seen, TP2) >= 4

        eventually(is_sent, "the tracker gave up")
        for _ in range(3):
            page.evaluate("snowplowBrowserTracking.flushBuffer()")
            page.wait_for_timeout(100)
        page.close()

    assert [one["event"] for one in server.of("hal")] == ["page_view", "add", "export"]
    assert statuses(proxy.seen, TP2) == 4
    assert server.ledger()["conflict"] == 0


def test_a_wrong_app_id_makes_the_tracker_stop_and_stores_nothing(
    server: Target, proxy: Flaky
) -> None:
    run_node(NODE, proxy.url, "nobody", "ivy", "3")

    assert server.of("ivy") == []
    assert len(bodies(proxy.seen, TP2)) == 1


def test_the_app_id_a_tracker_already_has_works_once_it_is_registered(
    server: Target, proxy: Flaky
) -> None:
    site = {"protocol": "snowplow", "name": "my-shop"}
    server.own("POST", "/tm/v1/projects/default/sites", site)

    run_node(NODE, proxy.url, "my-shop", "joy", "0")

    assert len(server.of("joy")) == 3
    assert {one["context"]["source"] for one in server.of("joy")} == {"snowplow:my-shop"}


def test_the_page_says_what_to_write_in_a_browser(server: Target, browser: BrowserContext) -> None:
    code = snippet("from-snowplow.md", "js", server, 0)
    contents: dict[str, Content] = {
        "/docs": module_page(code, {"@snowplow/browser-tracker": "/module.mjs"}, "/sp.js"),
        "/sp.js": BROWSER, "/module.mjs": EXPORTS,
    }  # fmt: skip
    with pages(contents) as site:
        page = browser.new_page()
        page.goto(f"{site}/docs")
        eventually(lambda: len(_of_path(server, "/docs")) == 2, "not all events came")
        page.close()

    assert [one["event"] for one in _of_path(server, "/docs")] == ["page_view", "add to cart"]


def _of_path(server: Target, path: str) -> list[dict[str, Any]]:
    return [event for event in server.events() if event["context"].get("path") == path]


def test_the_page_says_what_to_write_on_a_server(server: Target) -> None:
    run_python(snippet("from-snowplow.md", "py", server))
    run_node(textwrap.dedent(snippet("from-snowplow.md", "js", server, 1)))

    orders = [one for one in server.of("ana") if one["event"] == "order"]
    assert [one["properties"]["value"] for one in orders] == [19.9, 19.9]
    assert {one["context"]["library_name"] for one in orders} == {"snowplow-py", "snowplow-node"}
