"""Matomo's tracker for Node, its pictures and its bulks, against a real server."""

import subprocess
from typing import Any

import pytest
from tests.journey.browser import chromium, eventually, pages
from tests.journey.flaky import Flaky, statuses
from tests.journey.sdks import Target, run_node, snippet

# It reads no answer to what it sends with GET, which keeps Node from ending by itself.
END = "setTimeout(() => process.exit(), 600);"
NODE = """
const M = require("matomo-tracker");
const [url, site, user] = process.argv.slice(1);
const m = new M(site, url + "/matomo.php");
m.on("error", (why) => console.log("error", why));
const who = { uid: user, _id: "0123456789abcdef" };
m.track({ ...who, url: "https://shop.example/a?mtm_campaign=spring", action_name: "A", res: "1920x1080", lang: "de-CH,de;q=0.9" });
m.track({ ...who, url: "https://shop.example/a", e_c: "shop", e_a: "add to cart", e_n: "book", e_v: 2.5, cvar: JSON.stringify({ 1: ["plan", "pro"] }) });
m.track({ ...who, url: "https://shop.example/a", idgoal: 0, ec_id: "o-1", revenue: 19.9, currency: "EUR", ec_items: JSON.stringify([["k1", "Book", "Paper", 19.9, 1]]) });
"""
BULK = """
const M = require("matomo-tracker");
const [url, site, user] = process.argv.slice(1);
const m = new M(site, url + "/matomo.php");
m.on("error", (why) => console.log("error", why));
const hits = ["c", "d", "c"].map((page) => ({ uid: user, url: "https://shop.example/" + page, cdt: Math.floor(Date.now() / 1000) - 60 }));
m.trackBulk(hits, (answer) => console.log(answer));
"""


def test_the_tracker_for_node_stores_what_it_tracks(server: Target, proxy: Flaky) -> None:
    printed = run_node(NODE + END, proxy.url, server.keys["public"], "ana")

    cart, order, view = sorted(server.of("ana"), key=lambda one: str(one["event"]))
    assert printed == ""
    assert statuses(proxy.seen, "/matomo.php") == 3
    assert (view["event"], view["kind"]) == ("page_view", "page")
    assert view["context"]["page_url"] == "https://shop.example/a"
    assert (view["context"]["title"], view["context"]["utm_campaign"]) == ("A", "spring")
    assert (view["context"]["screen_width"], view["context"]["locale"]) == (1920, "de-CH")
    assert cart["event"] == "add to cart"
    assert cart["properties"] == {"category": "shop", "name": "book", "value": 2.5, "plan": "pro"}
    assert (order["kind"], order["revenue"], order["currency"]) == ("revenue", 19.9, "EUR")
    assert order["properties"]["items"][0]["sku"] == "k1"
    assert {one["anonymous_id"] for one in (view, cart, order)} == {"0123456789abcdef"}
    assert len({one["person"] for one in (view, cart, order)}) == 1
    assert {one["context"]["session_rule"] for one in (view, cart, order)} == {"computed"}
    assert len({one["id"] for one in (view, cart, order)}) == 3
    assert view["person"] is not None
    assert {one["time_rule"] for one in (view, cart, order)} == {"received"}


def test_a_bulk_stores_each_of_its_hits_at_its_time(server: Target, proxy: Flaky) -> None:
    printed = run_node(BULK, proxy.url, server.keys["public"], "bo")

    events = server.of("bo")
    assert '"tracked":3,"invalid":0' in printed
    assert sorted(one["context"]["path"] for one in events) == ["/c", "/c", "/d"]
    assert {one["time_rule"] for one in events} == {"client"}
    assert all(one["time"] < one["received_at"] for one in events)
    assert statuses(proxy.seen) == 1


@pytest.mark.parametrize("trouble", [503, "reset"])
def test_what_meets_trouble_on_the_way_is_told_to_the_program_and_stored_nowhere(
    server: Target, proxy: Flaky, trouble: Any
) -> None:
    user = f"cy-{trouble}"
    proxy.plan(trouble)

    printed = run_node(BULK, proxy.url, server.keys["public"], user)

    assert "error" in printed
    assert server.of(user) == []
    # The tracker never sends again by itself.
    assert statuses(proxy.seen) == 1


def test_a_bulk_whose_answer_was_lost_counts_once_when_it_is_sent_again(
    server: Target, proxy: Flaky
) -> None:
    proxy.plan("lost")
    again = """
const [url, site] = process.argv.slice(1);
const body = JSON.stringify({ requests: ["a", "b", "a"].map((page) => `?idsite=${site}&rec=1&uid=dee&url=https://shop.example/${page}&cdt=${Math.floor(Date.now() / 1000) - 5}`) });
(async () => {
  for (let n = 0; n < 3; n++) {
    try { const answer = await fetch(url + "/matomo.php", { method: "POST", body }); console.log(await answer.text()); return; } catch {}
  }
})();
"""

    printed = run_node(again, proxy.url, server.keys["public"])

    assert '"tracked":3' in printed
    assert statuses(proxy.seen) == 2
    assert sorted(one["context"]["path"] for one in server.of("dee")) == ["/a", "/a", "/b"]


def test_the_site_a_tracker_already_has_works_once_it_is_registered(
    server: Target, proxy: Flaky
) -> None:
    refused = run_node(NODE + END, proxy.url, "7", "eve")
    server.own("POST", "/tm/v1/projects/default/sites", {"protocol": "matomo", "name": "7"})
    taken = run_node(NODE + END, proxy.url, "7", "eve")

    assert refused == "error 401\n" * 3
    assert taken == ""
    assert len(server.of("eve")) == 3
    assert {one["context"]["source"] for one in server.of("eve")} == {"matomo:7"}


def test_the_page_says_what_to_write_in_node(server: Target) -> None:
    code = snippet("from-matomo.md", "js", server)

    run_node(code.replace('uid: "ana"', 'uid: "fay"') + END)

    (event,) = server.of("fay")
    assert (event["event"], event["properties"]) == ("add to cart", {"category": "shop"})
    assert event["context"]["host"] == "shop.example"


def test_the_page_says_what_to_write_where_no_script_runs(server: Target) -> None:
    picture = snippet("from-matomo.md", "html", server)
    with pages({"/plain": picture}) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{site}/plain")
        eventually(lambda: bool(_of_host(server, "localhost")), "the picture was not counted")

    (event,) = _of_host(server, "localhost")
    assert (event["event"], event["context"]["browser"]) == ("page_view", "Chrome")


def _of_host(server: Target, host: str) -> list[dict[str, Any]]:
    return [event for event in server.events() if event["context"].get("host") == host]


def test_the_page_says_how_to_bring_many_with_times_of_their_own(server: Target) -> None:
    command = snippet("from-matomo.md", "sh", server)

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    events = [one for one in server.events() if one["properties"].get("idsite") == "7"]
    assert '"tracked":2' in done.stdout
    assert [one["time"][:19] for one in events] == ["2026-01-02T03:04:05", "2026-01-02T03:05:00"]
