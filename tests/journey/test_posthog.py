"""PostHog's SDKs, as their users run them, against a server of ours: what was stored, and how often."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page
from tests.faults.answers import call
from tests.journey.browser import chromium, eventually, pages
from tests.journey.flaky import Flaky, Trouble, flaky, statuses
from tests.journey.sdks import CLIENTS, Target, as_json, run_node, run_python, snippet

PAGE = "from-posthog.md"
ARRAY = CLIENTS / "node_modules" / "posthog-js" / "dist" / "array.js"
TROUBLES: tuple[Trouble, ...] = (503, 429, "reset", "lost")
# The SDK sends nothing of a browser that a program drives, or that says so in its user agent: as this
# one does once it leaves a page, when the one it was given no longer holds.
UNDRIVEN = """
const agent = navigator.userAgent;
Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false });
Object.defineProperty(Navigator.prototype, 'userAgent', { get: () => agent });
"""


def only(server: Target, name: str) -> dict[str, Any]:
    (event,) = server.named(name)
    return event


def is_recent(event: dict[str, Any]) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(event["time"])
    return timedelta(0) <= age < timedelta(minutes=2)


# From servers


def test_the_python_snippet_sends_one_event(server: Target) -> None:
    run_python(snippet(PAGE, "py", server))

    event = only(server, "signed up")
    assert (event["user_id"], event["anonymous_id"], event["account"]) == ("ana", None, "acme")
    assert event["properties"]["plan"] == "pro"
    assert event["context"]["protocol"] == "posthog"
    assert event["context"]["library_name"] == "posthog-python"
    assert event["context"]["source"] == server.keys["secret"][:11]


def test_the_node_snippet_sends_one_event(server: Target) -> None:
    program = snippet(PAGE, "js", server).replace("signed up", "signed up in node")

    run_node(program)

    event = only(server, "signed up in node")
    assert (event["user_id"], event["account"]) == ("ana", "acme")
    assert event["properties"] == {"plan": "pro"}
    assert event["context"]["library_name"] == "posthog-node"


PYTHON = """
    import datetime, json, os, sys
    url, key, run, packed = sys.argv[1:]
    from posthog import Posthog
    sent = []
    posthog = Posthog(key, host=url, gzip=packed == "gzip", on_error=lambda *told: sent.append(str(told)))
    at = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
    id = posthog.capture(run, distinct_id=run + "-ana", timestamp=at, groups={"account": "acme", "team": "red"},
        properties={"n": 3, "price": 0.1, "$session_id": run + "-s", "$set": {"plan": "pro"}})
    posthog.capture(run + " unknown")
    posthog.set(distinct_id=run + "-ana", properties={"email": "ana@shop.example"})
    posthog.alias(run + "-anonymous", run + "-ana")
    posthog.group_identify("account", "acme", {"size": 3})
    posthog.capture("$exception", distinct_id=run + "-ana", properties={"$exception_list": [{"value": "boom"}]})
    flag = posthog.feature_enabled("beta", run + "-ana")
    posthog.shutdown()
    print(json.dumps({"id": id, "flag": flag, "errors": sent}))
"""


@pytest.mark.parametrize("how", ["plain", "gzip", "v1"])
def test_what_python_sends_is_stored_once_as_it_was_sent(
    server: Target, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "v1":
        monkeypatch.setenv("POSTHOG_CAPTURE_MODE", "v1")
    run, before = f"python {how}", server.ledger()

    with flaky(server.port) as proxy:
        said = as_json(run_python(PYTHON, proxy.url, server.keys["secret"], run, how))
        path = "/i/v1/analytics/events" if how == "v1" else "/batch/"
        assert statuses(proxy.seen, path) == 1

    assert said["errors"] == []
    assert not said["flag"]
    event = only(server, run)
    assert event["id"] == said["id"]
    assert (event["time"], event["time_rule"]) == ("2026-03-01T12:00:00Z", "client")
    assert (event["user_id"], event["session"], event["account"]) == (
        f"{run}-ana",
        f"{run}-s",
        "acme",
    )
    assert event["groups"] == {"team": "red"}
    assert (event["properties"]["n"], event["properties"]["price"]) == (3, 0.1)
    assert event["context"]["library_name"] == "posthog-python"
    assert "os" not in event["context"]
    unknown = only(server, f"{run} unknown")
    assert (unknown["user_id"], is_recent(unknown)) == (None, True)
    (failure,) = [e for e in server.named("$exception") if e["user_id"] == f"{run}-ana"]
    assert failure["kind"] == "exception"
    assert failure["properties"]["$exception_list"][0]["value"] == "boom"
    after = server.ledger()
    # Four uses with the flag that was asked for, and $set twice, an alias and a group.
    assert after["accepted"] - before["accepted"] == 8
    assert after["received"] - before["received"] == 8


NODE = """
    const { PostHog } = require('posthog-node');
    const [url, key] = process.argv.slice(1);
    (async () => {
      const posthog = new PostHog(key, { host: url });
      posthog.capture({ distinctId: 'node-ana', event: 'node use', properties: { n: 3, price: 0.1 },
        groups: { account: 'acme' }, timestamp: new Date('2026-03-01T12:00:00Z'), uuid: '0190f6c2-0000-7000-8000-00000000000a' });
      posthog.identify({ distinctId: 'node-ana', properties: { plan: 'pro' } });
      posthog.alias({ distinctId: 'node-ana', alias: 'node-anonymous' });
      posthog.groupIdentify({ groupType: 'account', groupKey: 'acme', properties: { size: 3 } });
      const flag = await posthog.isFeatureEnabled('beta', 'node-ana', { sendFeatureFlagEvents: false });
      await posthog.shutdown();
      console.log(JSON.stringify({ flag: flag ?? null }));
    })()
"""


def test_what_node_sends_is_stored_once_as_it_was_sent(server: Target) -> None:
    before = server.ledger()

    with flaky(server.port) as proxy:
        said = as_json(run_node(NODE, proxy.url, server.keys["secret"]))
        (sent,) = [one for one in proxy.seen if one.path == "/batch/"]

    assert sent.headers["content-encoding"] == "gzip"
    assert not said["flag"]
    event = only(server, "node use")
    assert event["id"] == "0190f6c2-0000-7000-8000-00000000000a"
    assert (event["time"], event["user_id"]) == ("2026-03-01T12:00:00Z", "node-ana")
    assert (event["account"], event["properties"]) == ("acme", {"n": 3, "price": 0.1})
    assert server.ledger()["accepted"] - before["accepted"] == 4


PYTHON_CLIENTS = """
    import sys
    from posthog import Posthog
    key, run, *urls = sys.argv[1:]
    clients = [Posthog(key, host=url) for url in urls]
    for place, client in enumerate(clients):
        client.capture(f"{run} {place}", distinct_id="ana")
    for client in clients:
        client.shutdown()
"""
NODE_CLIENTS = """
    const { PostHog } = require('posthog-node');
    const [key, run, ...urls] = process.argv.slice(1);
    const clients = urls.map(host => new PostHog(key, { host, fetchRetryDelay: 100 }));
    clients.forEach((client, place) => client.capture({ distinctId: 'ana', event: `${run} ${place}` }));
    Promise.all(clients.map(client => client.shutdown()))
"""


@pytest.mark.parametrize("how", ["python", "python v1", "node"])
def test_whatever_goes_wrong_a_server_event_is_stored_once(
    server: Target, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "python v1":
        monkeypatch.setenv("POSTHOG_CAPTURE_MODE", "v1")
    path = "/i/v1/analytics/events" if how == "python v1" else "/batch/"
    run, before = f"{how} in trouble", server.ledger()

    with troubled(server, path) as proxies:
        program = NODE_CLIENTS if how == "node" else PYTHON_CLIENTS
        runner = run_node if how == "node" else run_python
        runner(program, server.keys["secret"], run, *(proxy.url for proxy in proxies))
        asked = [statuses(proxy.seen, path) for proxy in proxies]

    # Once again each, and not once more after that was answered.
    assert asked == [2, 2, 2, 2]
    for place, _ in enumerate(TROUBLES):
        assert only(server, f"{run} {place}")["user_id"] == "ana"
    after = server.ledger()
    assert after["accepted"] - before["accepted"] == 4
    assert after["duplicate"] - before["duplicate"] == 1
    assert after["conflict"] == before["conflict"]


@contextmanager
def troubled(server: Target, path: str) -> Iterator[list[Flaky]]:
    """Give a proxy for each trouble; the next request to ``path`` meets it."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(flaky(server.port)) for _ in TROUBLES]
        for proxy, trouble in zip(proxies, TROUBLES, strict=True):
            proxy.plan(trouble, only=path)
        yield proxies


# From a page


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with chromium() as context:
        context.add_init_script(UNDRIVEN)
        yield context


def opened(browser: BrowserContext, address: str) -> Page:
    """Return a page once the SDK on it has its configuration, and so records clicks by itself."""
    page = browser.new_page()
    with page.expect_response(lambda answer: "/flags/" in answer.url):
        page.goto(address)
    return page


def test_a_visit_in_a_browser_is_stored_as_one_person(
    server: Target, browser: BrowserContext
) -> None:
    html = "<title>Shop</title><button id=buy>Buy</button>" + snippet(PAGE, "html", server)
    with pages({"/": html, "/array.js": ARRAY}) as site:
        refused: list[str] = []
        browser.on(
            "response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None
        )
        page = opened(browser, f"{site}/?utm_source=news&gclid=abc&secret=1")
        page.click("#buy")
        page.evaluate(
            "posthog.identify('visitor', { plan: 'pro' }); posthog.group('account', 'acme')"
        )
        page.evaluate("posthog.capture('bought', { n: 2, revenue: 9.5, currency: 'EUR' })")
        device = page.evaluate("posthog.get_property('$device_id')")
        eventually(lambda: bool(server.named("bought")), "the purchase did not arrive")
        page.goto("about:blank")
        eventually(lambda: bool(server.named("$pageleave")), "leaving was not told")
        page.close()

    # It asks for nothing that is not here.
    assert [url for url in refused if server.url in url] == []
    names = ("page_view", "$autocapture", "bought", "$pageleave")
    view, click, bought, leave = visit = [only(server, name) for name in names]
    assert (view["kind"], view["user_id"], view["anonymous_id"]) == ("page", None, device)
    assert view["context"]["page_url"] == f"{site}/?utm_source=news"
    assert view["context"]["title"] == "Shop"
    assert (view["context"]["utm_source"], view["context"]["browser"]) == ("news", "Chrome")
    assert (click["kind"], click["properties"]["$el_text"]) == ("interaction", "Buy")
    assert (bought["user_id"], bought["account"]) == ("visitor", "acme")
    assert (bought["revenue"], bought["currency"]) == (9.5, "EUR")
    assert (leave["kind"], leave["user_id"]) == ("interaction", "visitor")
    assert len({event["person"] for event in visit}) == 1
    assert len({event["session"] for event in visit}) == 1
    assert all(map(is_recent, visit))
    assert "secret" not in str(visit)
    assert not any(event["context"]["is_bot"] for event in visit)


def test_parts_of_the_sdk_that_are_not_here_and_unknown_keys_are_told_at_once(
    server: Target,
) -> None:
    body = {"api_key": "phc_unknown", "batch": []}

    for path in ("/static/1.449.2/surveys.js", "/static/array.js", "/array/pk_1/array.js"):
        assert server.get(path)[0] == 404
    answer = call(server.port, "POST", "/batch/", body, {})

    assert answer is not None
    assert (answer.status, answer.json()["type"]) == (401, "authentication_error")
    unreadable = server.call("POST", "/e/?token=" + server.keys["public"], "no event")
    assert unreadable is not None
    assert (unreadable.status, unreadable.json()["type"]) == (400, "validation_error")


INSTANCES = """
<script src="/array.js"></script><script>
  const [key, ...urls] = new URLSearchParams(location.search).getAll('of');
  window.clients = urls.map((url, place) => posthog.init(key, {
    api_host: url, persistence: 'memory', autocapture: false, capture_pageview: false,
    capture_pageleave: false, advanced_disable_flags: true, request_queue_config: { flush_interval_ms: 250 },
  }, 'client' + place));
  clients.forEach((client, place) => client.capture('browser in trouble ' + place));
</script>
"""


def test_whatever_goes_wrong_a_browser_event_is_stored_once_save_that_429_drops_it(
    server: Target, browser: BrowserContext
) -> None:
    before = server.ledger()
    with troubled(server, "/e/") as proxies, pages({"/": INSTANCES, "/array.js": ARRAY}) as site:
        of = [server.keys["public"], *(proxy.url for proxy in proxies)]
        page = browser.new_page()
        page.goto(f"{site}/?" + urlencode([("of", one) for one in of]))
        wanted = [1 if trouble == 429 else 2 for trouble in TROUBLES]
        eventually(lambda: [statuses(proxy.seen, "/e/") for proxy in proxies] == wanted, "no retry")
        # Longer than it waits before it sends again: nothing of this comes another time.
        page.wait_for_timeout(6_000)
        assert [statuses(proxy.seen, "/e/") for proxy in proxies] == wanted
        page.close()

    stored = [len(server.named(f"browser in trouble {n}")) for n, _ in enumerate(TROUBLES)]
    # The SDK drops what gets 429, which is why this server says 503 to it.
    assert stored == [0 if trouble == 429 else 1 for trouble in TROUBLES]
    after = server.ledger()
    assert after["duplicate"] - before["duplicate"] == 1
    assert after["conflict"] == before["conflict"]
