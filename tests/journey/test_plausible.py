"""Plausible's own script in a real browser, and its events API, against a real server."""

import json
import subprocess
from typing import Any

import pytest
from playwright.sync_api import BrowserContext
from tests.journey.browser import Content, eventually, module_page, pages
from tests.journey.flaky import Flaky, bodies, statuses
from tests.journey.sdks import CLIENTS, Target, snippet

SCRIPT = CLIENTS / "node_modules" / "@plausible-analytics" / "tracker" / "plausible.js"
BODY = """<script>window.__plausible = true</script>
<a id="out" href="https://elsewhere.example/x?token=1" target="_blank">out</a>
<div style="height: 3000px"></div>"""
CODE = """
import { init, track } from "@plausible-analytics/tracker";
window.answers = [];
init({ domain: "SITE", endpoint: "URL/api/event", captureOnLocalhost: true, outboundLinks: true });
track("Signup", { props: { plan: "pro" }, revenue: { currency: "USD", amount: 9.99 }, callback: (done) => answers.push(done) });
"""


def code(url: str, site: str) -> str:
    return CODE.replace("URL", url).replace("SITE", site)


def contents(path: str, script: str) -> dict[str, Content]:
    html = module_page(script, {"@plausible-analytics/tracker": "/plausible.js"})
    return {path: html + BODY, "/plausible.js": SCRIPT}


def of(server: Target, path: str) -> list[dict[str, Any]]:
    return [event for event in server.events() if event["context"].get("path") == path]


def uses_of(server: Target, path: str) -> list[str]:
    """Return the names of what happened on a page; how long it was read comes whenever it is left."""
    return sorted(one["event"] for one in of(server, path) if one["kind"] != "heartbeat")


def test_a_browser_stores_views_events_and_time_on_the_page(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    with pages(contents("/a", code(proxy.url, server.keys["public"]))) as site:
        page = browser.new_page()
        page.goto(f"{site}/a?utm_source=news&secret=1")
        # Less than three seconds of reading without scrolling are not told.
        page.evaluate("scrollTo(0, 2000)")
        eventually(lambda: len(uses_of(server, "/a")) == 2, "the first events did not come")
        page.wait_for_timeout(100)
        page.evaluate("window.dispatchEvent(new Event('blur'))")
        page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden'});"
                      "document.dispatchEvent(new Event('visibilitychange'))")  # fmt: skip
        eventually(lambda: len(of(server, "/a")) > 2, "the time on the page did not come")
        page.close()

    by_name = {one["event"]: one for one in of(server, "/a")}
    view, signup, ping = by_name["page_view"], by_name["Signup"], by_name["page_ping"]
    assert (view["kind"], ping["kind"]) == ("page", "heartbeat")
    assert view["context"]["page_url"] == f"{site}/a?utm_source=news"
    assert (view["context"]["utm_source"], view["context"]["browser"]) == ("news", "Chrome")
    assert signup["properties"] == {"plan": "pro"}
    assert (signup["revenue"], signup["currency"]) == (9.99, "USD")
    assert ping["properties"]["scroll_depth"] > 50
    assert {one["user_id"] for one in by_name.values()} == {None}
    (visitor,) = {one["anonymous_id"] for one in by_name.values()}
    assert visitor.startswith("d_")
    assert len({one["person"] for one in by_name.values()}) == 1
    assert {one["context"]["session_rule"] for one in by_name.values()} == {"computed"}
    assert all("cookieless" in one["flags"] for one in by_name.values())
    assert {one["time_rule"] for one in by_name.values()} == {"received"}


@pytest.mark.parametrize(("trouble", "stored"), [(503, 0), ("reset", 0), ("lost", 1)])
def test_the_script_sends_each_event_once_whatever_becomes_of_it(
    server: Target, browser: BrowserContext, proxy: Flaky, trouble: Any, stored: int
) -> None:
    path = f"/trouble-{trouble}"
    proxy.plan(trouble)
    with pages(contents(path, code(proxy.url, server.keys["public"]))) as site:
        page = browser.new_page()
        page.goto(site + path)
        eventually(lambda: bool(page.evaluate("window.answers?.length")), "no answer")
        eventually(lambda: statuses(proxy.seen, "/api/event") >= 2, "not all events were sent")
        page.wait_for_timeout(300)
        page.close()

    sent = [json.loads(body)["n"] for body in bodies(proxy.seen, "/api/event")]
    assert sorted(name for name in sent if name != "engagement") == ["Signup", "pageview"]
    assert len(uses_of(server, path)) == 1 + stored


def test_a_domain_works_once_it_is_registered_and_until_it_is_removed(
    server: Target, browser: BrowserContext
) -> None:
    site_of = {"protocol": "plausible", "name": "shop.example"}
    path = "/tm/v1/projects/default/sites"
    told = []
    with pages(contents("/own", code(server.url, "shop.example"))) as site:
        page = browser.new_page()
        for method in ("GET", "POST", "DELETE"):
            server.own(method, path, None if method == "GET" else site_of)
            page.goto(f"{site}/own")
            eventually(lambda: bool(page.evaluate("window.answers?.length")), "no answer")
            told.append(page.evaluate("window.answers[0].status"))
            if method == "POST":
                eventually(lambda: len(uses_of(server, "/own")) == 2, "not all events came")
        page.close()

    assert told == [400, 202, 400]
    assert uses_of(server, "/own") == ["Signup", "page_view"]
    assert {one["context"]["source"] for one in of(server, "/own")} == {"plausible:shop.example"}


def test_the_page_says_what_to_write_in_a_browser(server: Target, browser: BrowserContext) -> None:
    written = snippet("from-plausible.md", "js", server)
    # The script leaves out pages of one's own machine, which is where the tests are.
    script = written.replace("init({", "init({ captureOnLocalhost: true,")
    with pages(contents("/docs", script)) as site:
        page = browser.new_page()
        page.goto(f"{site}/docs")
        eventually(lambda: len(uses_of(server, "/docs")) == 2, "not all events came")
        page.close()

    assert uses_of(server, "/docs") == ["Signup", "page_view"]


def test_the_page_says_what_to_write_on_a_server(server: Target) -> None:
    command = snippet("from-plausible.md", "sh", server)

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    (event,) = of(server, "/pricing")
    assert done.stdout == "ok"
    assert (event["event"], event["context"]["browser"]) == ("page_view", "Firefox")
