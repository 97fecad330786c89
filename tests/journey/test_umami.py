"""Umami's own package for Node, and its API, against a real server."""

import json
import subprocess
from typing import Any

import pytest
from tests.journey import kept
from tests.journey.flaky import Flaky, statuses
from tests.journey.sdks import Target, as_json, run_node, snippet

NODE = """
const umami = require("@umami/node").default;
const [url, site, user] = process.argv.slice(1);
umami.init({ websiteId: site, hostUrl: url });
(async () => {
  const told = [];
  for (const send of [
    () => umami.track("signup", { plan: "pro", user }),
    () => umami.track({ id: user, url: "/a?secret=1", title: "A", hostname: "shop.example", language: "de-CH", screen: "1920x1080" }),
    () => umami.track({ id: user, name: "buy", url: "/b", hostname: "shop.example", data: { revenue: "9.99", currency: "EUR" } }),
    () => umami.send({ website: site, id: user, data: { plan: "pro" } }, "identify"),
  ]) {
    try { const answer = await send(); told.push([answer.status, await answer.json()]); } catch { told.push([0, {}]); }
  }
  console.log(JSON.stringify(told));
})();
"""


def of(server: Target, user: str) -> list[dict[str, Any]]:
    return [
        event for event in server.events()
        if user in (event["user_id"], event["properties"].get("user"))
    ]  # fmt: skip


def test_the_package_for_node_stores_what_it_tracks(server: Target, proxy: Flaky) -> None:
    told = as_json(run_node(NODE, proxy.url, server.keys["public"], "ana"))

    signup, view, buy = of(server, "ana")
    assert [status for status, _ in told] == [200] * 4
    assert statuses(proxy.seen, "/api/send") == 4
    assert (signup["event"], signup["properties"]["plan"]) == ("signup", "pro")
    assert (signup["user_id"], signup["person"]) == (None, None)
    assert (view["event"], view["kind"], view["context"]["title"]) == ("page_view", "page", "A")
    assert (view["context"]["page_url"], view["context"]["host"]) == ("/a", "shop.example")
    assert (view["context"]["locale"], view["context"]["screen_height"]) == ("de-CH", 1080)
    assert (buy["event"], buy["revenue"], buy["currency"]) == ("buy", 9.99, "EUR")
    assert view["person"] == buy["person"] is not None
    assert {one["context"]["is_bot"] for one in (signup, view, buy)} == {False}
    assert {one["context"]["session_rule"] for one in (view, buy)} == {"computed"}
    assert {one["time_rule"] for one in (signup, view, buy)} == {"received"}
    # What identify tells is no use: it is counted as received, and is no event.
    assert kept.changes(server, "ana") == [("set", {"plan": "pro"})]
    assert server.ledger()["accepted"] == 4


def test_the_answers_name_the_same_session_and_never_turn_the_tracker_off(
    server: Target,
) -> None:
    told = as_json(run_node(NODE, server.url, server.keys["public"], "bo"))
    again = as_json(run_node(NODE, server.url, server.keys["public"], "bo"))

    answers = [answer for _, answer in told + again]
    assert len({json.dumps(answer, sort_keys=True) for answer in answers}) == 1
    assert set(answers[0]) == {"cache", "sessionId", "visitId"}


@pytest.mark.parametrize(("trouble", "stored"), [(503, 2), ("reset", 2), ("lost", 3)])
def test_the_package_sends_each_event_once_whatever_becomes_of_it(
    server: Target, proxy: Flaky, trouble: Any, stored: int
) -> None:
    user = f"cy-{trouble}"
    proxy.plan(trouble)

    told = as_json(run_node(NODE, proxy.url, server.keys["public"], user))

    assert [status for status, _ in told][1:] == [200, 200, 200]
    assert len(of(server, user)) == stored
    assert statuses(proxy.seen) == 4


def test_a_website_works_once_it_is_registered(server: Target) -> None:
    website = "9f6a1c2e-55d4-4a0b-9b60-3b6f2ad6c001"
    refused = as_json(run_node(NODE, server.url, website, "dee"))
    server.own("POST", "/tm/v1/projects/default/sites", {"protocol": "umami", "name": website})
    taken = as_json(run_node(NODE, server.url, website, "dee"))

    assert [status for status, _ in refused] == [400] * 4
    assert "sites add" not in refused[0][1]["error"]["message"]
    assert [status for status, _ in taken] == [200] * 4
    assert len(of(server, "dee")) == 3
    assert {one["context"]["source"] for one in of(server, "dee")} == {f"umami:{website}"}


def test_the_page_says_what_to_write_in_node(server: Target) -> None:
    run_node(snippet("from-umami.md", "js", server).replace('"ana"', '"eve"'))

    (event,) = of(server, "eve")
    assert (event["event"], event["properties"]) == ("signup", {"plan": "pro"})
    assert event["context"]["path"] == "/welcome"


def test_the_page_says_what_to_write_anywhere_else(server: Target) -> None:
    command = snippet("from-umami.md", "sh", server)

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    (event,) = [one for one in server.events() if one["context"].get("path") == "/pricing"]
    assert "sessionId" in done.stdout
    assert (event["context"]["host"], event["context"]["browser"]) == ("shop.example", "Firefox")
    assert "cookieless" in event["flags"]
