"""The browser script in a real browser, on pages of another origin: consent, transport, trouble."""

import json
import time
from collections import Counter
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page
from tests.journey import kept
from tests.journey.browser import eventually, pages, profile
from tests.journey.flaky import Flaky, statuses
from tests.journey.sdks import Target
from tests.journey.tracked import AUTO, CORE, WIRE, call, sent, shop, storage, tag, written

LONG = '<div style="height: 4000px">long</div>'
GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"


def through(proxy: Flaky, server: Target, attributes: str = "", script: str = CORE) -> str:
    """Return the tag of a script that sends by way of a proxy."""
    return tag(server, f'data-api="{proxy.url}" {attributes}', script=script)


def devices(server: Target, *names: str) -> set[str | None]:
    return {one["anonymous_id"] for one in server.named(*names)}


def proofs(server: Target, device: str) -> list[str | None]:
    """Return the versions of the texts by which a device agreed to be measured."""
    answer = server.call("GET", f"/tm/v1/people/anonymous/{device}/consent")
    assert answer is not None
    records = answer.json()["records"] if answer.status == 200 else []
    return [one["policy_version"] for one in records if one["purpose"] == "measurement"]


# Who has not been asked


def test_whoever_was_not_asked_is_counted_and_nothing_is_stored_on_the_device(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "cookieless", tag(server), LONG, at=("", "/cart")) as site:
        page = site.open("?email=ana@shop.example&utm_source=news#top")
        call(page, "tallymark('signup', {plan: 'pro', revenue: 9.99, currency: 'EUR'})")
        call(page, "tallymark.identify('ana', {email: 'ana@shop.example'})")
        call(page, "tallymark.group('account', 'acme'); tallymark.set({theme: 'dark'})")
        page.evaluate("scrollTo(0, 4000)")
        page.wait_for_timeout(1_100)
        call(page, "history.pushState(0, '', '/cookieless/cart?email=x')")
        site.await_events(2, "page_view")
        call(page, "tallymark.flush()")
        site.await_events(4)
        assert (storage(page), site.cookies()) == ({}, {})

        view, second = site.events("page_view")
        (signup,) = site.events("signup")
        ping = site.events("page_ping")[0]

    assert site.names() == ["page_view", "page_view", "signup"]
    assert view["context"]["page_url"] == f"{site.site}/cookieless?utm_source=news"
    assert (view["kind"], view["context"]["utm_source"]) == ("page", "news")
    assert second["context"]["page_url"] == f"{site.site}/cookieless/cart"
    # Of where somebody came from, the host is enough.
    assert view["context"].get("referrer") is None
    assert second["context"]["referrer"] == "https://localhost/"
    assert (signup["revenue"], signup["currency"], signup["properties"]["plan"]) == (9.99, "EUR", "pro")  # fmt: skip
    assert ping["kind"] == "heartbeat"
    assert ping["properties"]["engaged_ms"] >= 1_000
    assert ping["properties"]["scroll_depth"] == 100
    assert ping["properties"]["page_view_id"] == view["properties"]["page_view_id"]
    assert second["properties"]["page_view_id"] != view["properties"]["page_view_id"]
    found = site.events()
    assert {one["user_id"] for one in found} == {None}
    (visitor,) = {one["anonymous_id"] for one in found}
    assert visitor.startswith("d_")
    assert all("cookieless" in one["flags"] and "bot" not in one["flags"] for one in found)
    assert {one["context"]["library_name"] for one in found} == {"tallymark.js"}
    assert {one["context"]["browser"] for one in found} == {"Chrome"}


# Who said yes


def test_a_yes_gives_the_device_an_id_and_the_user_a_name(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "granted", tag(server, 'data-consent="granted"')) as site:
        page = site.open()
        call(page, "tallymark.identify('ana', {plan: 'pro'})")
        call(page, "tallymark.group('account', 'acme', {seats: 3})")
        call(page, "tallymark('bought', {}, {now: true})")
        (bought,) = site.await_events(1, "bought")
        (view,) = site.events("page_view")
        again = site.open()
        site.await_events(2, "page_view")
        cookie = site.cookies()["_ti"]
        page.close()
        again.close()

    assert (cookie["sameSite"], cookie["secure"], cookie["domain"]) == ("Lax", False, "localhost")
    assert 389 < (cookie["expires"] - time.time()) / 86_400 <= 390
    assert {one["anonymous_id"] for one in site.events()} == {cookie["value"]}
    assert (view["user_id"], bought["user_id"], bought["account"]) == (None, "ana", "acme")
    # The view from before the name is the same person's.
    assert view["person"] == bought["person"]
    assert kept.changes(server, "ana") == [("set", {"plan": "pro"})]
    assert kept.changes(server, "acme") == [("set", {"seats": 3})]
    assert kept.memberships(server, "ana") == [("account", "acme")]
    assert kept.links(server, "ana") == {(cookie["value"], "ana", "identify")}


def test_a_device_keeps_its_id_in_local_storage_if_the_site_says_so(
    server: Target, browser: BrowserContext
) -> None:
    line = tag(server, 'data-consent="granted" data-store="local"')
    with shop(server, browser, "local", line) as site:
        page = site.open()
        (view,) = site.await_events(1, "page_view")
        before = storage(page)
        assert site.cookies() == {}
        call(page, "tallymark.reset()")
        after = storage(page)

    assert before["_ti"] == view["anonymous_id"]
    assert after["_ti"] != before["_ti"]


def test_a_yes_on_the_page_counts_from_then_on_and_is_recorded_once(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "asked", tag(server)) as site:
        page = site.open()
        call(page, "tallymark('before')")
        call(page, "tallymark.consent('granted', '2026-05'); tallymark('after', {}, {now: true})")
        site.await_events(1, "after")
        before, after = site.events("before", "after")
        page.goto(page.url)
        call(page, "tallymark.consent('granted', '2026-05'); tallymark('later', {}, {now: true})")
        site.await_events(1, "later")
        page.close()

    assert before["anonymous_id"].startswith("d_")
    assert after["anonymous_id"] == site.events("later")[0]["anonymous_id"]
    assert not after["anonymous_id"].startswith("d_")
    assert before["person"] != after["person"]
    assert proofs(server, after["anonymous_id"]).count("2026-05") == 1


# Who said no


def test_a_no_ends_everything_at_once_in_every_tab(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    with shop(server, browser, "no", through(proxy, server, 'data-consent="granted"')) as site:
        page, other = site.open(), site.open()
        site.await_events(2, "page_view")
        # Something that is not sent yet, and stored until it is.
        proxy.plan(503)
        call(page, "tallymark('lost', {}, {now: true})")
        eventually(lambda: any(key.startswith("_tq_") for key in storage(page)), "nothing stored")
        call(page, "tallymark.consent('denied')")
        count = statuses(proxy.seen, WIRE)
        assert (storage(page), site.cookies()) == ({}, {})
        for tab in (page, other):
            assert call(tab, "tallymark.mode()") == "denied"
            call(tab, "tallymark('secret'); tallymark.flush()")
        page.wait_for_timeout(2_500)
        page.close()
        other.close()

        assert statuses(proxy.seen, WIRE) == count
        assert site.names() == ["page_view", "page_view"]


def test_nothing_is_sent_or_stored_before_a_yes_where_the_site_waits_for_it(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    with shop(server, browser, "waits", through(proxy, server, 'data-consent="denied"')) as site:
        page = site.open()
        call(page, "tallymark('secret', {}, {now: true})")
        page.wait_for_timeout(300)
        assert statuses(proxy.seen, WIRE) == 0
        assert (storage(page), site.cookies()) == ({}, {})
        call(page, "tallymark.consent('granted'); tallymark.flush()")
        site.await_events(1, "page_view")
        page.close()

    assert site.names() == ["page_view"]


def test_whoever_opts_out_stays_out_until_they_opt_in(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    with shop(server, browser, "out", through(proxy, server, 'data-consent="granted"')) as site:
        page = site.open()
        site.await_events(1, "page_view")
        call(page, "tallymark.optout()")
        count = statuses(proxy.seen, WIRE)
        again = site.open()
        for tab in (page, again):
            call(tab, "tallymark('secret', {}, {now: true})")
        again.wait_for_timeout(200)
        assert statuses(proxy.seen, WIRE) == count
        assert (storage(again), site.cookies()) == ({"tallymark_ignore": "1"}, {})
        call(page, "tallymark.optout(false); tallymark('back', {}, {now: true})")
        site.await_events(1, "back")

    assert "secret" not in site.names()


@pytest.mark.parametrize(
    ("attributes", "mode", "stored"),
    [
        ("", "cookieless", True),
        ('data-on-signal="off"', "denied", False),
        ('data-respect="dnt"', "granted", True),
        ('data-override="2026-05"', "cookieless", True),
    ],
)
def test_a_signal_of_the_browser_lowers_what_is_collected(
    server: Target, browser: BrowserContext, attributes: str, mode: str, stored: bool
) -> None:
    name = f"gpc-{mode}-{len(attributes)}"
    line = tag(server, f'data-consent="granted" {attributes}')
    with shop(server, browser, name, line) as site:
        # Somebody who had agreed, before the browser said otherwise.
        site.context.add_cookies([{"name": "_ti", "value": "t-from-before", "url": site.site}])
        site.context.add_init_script(GPC)
        page = site.open()
        assert call(page, "tallymark.mode()") == mode
        call(page, "tallymark.identify('gil'); tallymark('signalled', {}, {now: true})")
        if stored:
            site.await_events(1, "signalled")
        else:
            page.wait_for_timeout(300)
        cookies = site.cookies()

    assert bool(cookies) == (mode == "granted")
    assert bool(site.events()) == stored
    if mode != "granted":
        assert {one["user_id"] for one in site.events()} <= {None}


def test_a_yes_goes_before_a_signal_only_where_the_site_says_which_text_was_shown(
    server: Target, browser: BrowserContext
) -> None:
    for name, attributes, mode in (
        ("refused", "", "cookieless"),
        ("overridden", 'data-override="2026-05"', "granted"),
    ):
        with shop(server, browser, name, tag(server, attributes)) as site:
            site.context.add_init_script(GPC)
            page = site.open()
            call(page, "tallymark.consent('granted'); tallymark('x', {}, {now: true})")
            (x,) = site.await_events(1, "x")
            assert call(page, "tallymark.mode()") == mode

        assert ("2026-05" in proofs(server, x["anonymous_id"])) == (mode == "granted")


# Trouble


def test_two_failures_delay_what_was_sent_and_a_device_that_agreed_keeps_it_meanwhile(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    proxy.plan(503, "reset", only=WIRE)
    with shop(server, browser, "late", through(proxy, server, 'data-consent="granted"')) as site:
        page = site.open()
        call(page, "tallymark('late', {}, {now: true})")
        eventually(lambda: any(key.startswith("_tq_") for key in storage(page)), "nothing stored")
        site.await_events(1, "late")
        eventually(lambda: list(storage(page)) == [], "it is still stored")

    assert site.names() == ["late", "page_view"]
    # The same events each time, and counted once.
    ids = [event["i"] for one in sent(proxy) for event in one["e"] if event["n"] != "$engage"]
    assert len(ids) > len(set(ids)) == 2


def test_an_answer_that_is_lost_makes_no_event_count_twice(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    proxy.plan("lost", only=WIRE)
    with shop(server, browser, "lost", through(proxy, server)) as site:
        page = site.open()
        call(page, "tallymark('once', {}, {now: true})")
        eventually(lambda: statuses(proxy.seen, WIRE) >= 2, "it was not sent again")
        site.await_events(1, "once")
        page.close()

    assert site.names() == ["once", "page_view"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_left_alone_until_then(
    server: Target, browser: BrowserContext, proxy: Flaky, status: int
) -> None:
    proxy.retry_after_seconds = 4
    proxy.plan(status, only=WIRE)
    with shop(server, browser, f"busy-{status}", through(proxy, server)) as site:
        page = site.open()
        call(page, "tallymark('first', {}, {now: true})")
        eventually(lambda: statuses(proxy.seen, WIRE) == 1, "nothing was sent")
        refused = time.monotonic()
        for _ in range(30):
            call(page, "tallymark('more', {}, {now: true}); dispatchEvent(new Event('online'))")
        eventually(lambda: statuses(proxy.seen, WIRE) > 1, "nothing was sent again")
        waited = time.monotonic() - refused
        site.await_events(30, "more")
        page.close()

    assert waited >= 3.8
    assert Counter(site.names()) == {"first": 1, "more": 30, "page_view": 1}


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_is_refused_is_not_sent_again(
    server: Target, browser: BrowserContext, proxy: Flaky, status: int
) -> None:
    proxy.plan(status, only=WIRE)
    with shop(server, browser, f"refused-{status}", through(proxy, server)) as site:
        page = site.open()
        call(page, "tallymark('refused', {}, {now: true})")
        eventually(lambda: statuses(proxy.seen, WIRE) == 1, "nothing was sent")
        call(page, "tallymark('taken', {}, {now: true})")
        site.await_events(1, "taken")
        page.close()

    assert site.names() == ["taken"]


def test_a_batch_that_is_too_large_is_sent_in_parts(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    proxy.plan(413, only=WIRE)
    with shop(server, browser, "large", through(proxy, server)) as site:
        page = site.open()
        call(page, "for (let n = 0; n < 5; n++) tallymark('part', {n}); tallymark.flush()")
        site.await_events(5, "part")
        page.close()

    assert Counter(site.names()) == {"page_view": 1, "part": 5}
    assert [len(one["e"]) for one in sent(proxy)][1] == 1


def test_what_happens_offline_is_sent_once_the_network_is_back(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "offline", tag(server)) as site:
        page = site.open()
        site.await_events(1, "page_view")
        site.context.set_offline(True)
        call(page, "for (let n = 0; n < 30; n++) tallymark('offline', {n}, {now: true})")
        page.wait_for_timeout(200)
        assert site.events("offline") == []
        site.context.set_offline(False)
        site.await_events(30, "offline")

    assert sorted(one["properties"]["n"] for one in site.events("offline")) == list(range(30))


def test_tabs_keep_what_they_cannot_send_apart_and_a_later_page_sends_what_a_closed_one_left(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    proxy.retry_after_seconds = 60
    proxy.plan(*[503] * 4, only=WIRE)
    with shop(server, browser, "tabs", through(proxy, server, 'data-consent="granted"')) as site:
        tabs = [site.open(f"?tab={n}") for n in range(2)]
        for n, tab in enumerate(tabs):
            call(tab, f"tallymark('from tab', {{tab: {n}}}, {{now: true}})")
        eventually(lambda: len(storage(tabs[0])) == 2, "the two queues are not apart")
        assert site.events() == []
        for tab in tabs:
            tab.goto("about:blank")
        proxy.plan()
        later = site.open("?tab=later")
        site.await_events(2, "from tab")
        eventually(lambda: storage(later) == {}, "something is still stored")
        later.close()

    assert Counter(site.names()) == {"from tab": 2, "page_view": 3}
    assert len(devices(server, "from tab")) == 1


def test_a_page_takes_over_the_queue_of_a_tab_that_crashed_and_of_no_other(
    server: Target, browser: BrowserContext
) -> None:
    head = json.dumps({"k": server.keys["public"], "c": "g", "d": "t-crashed-1"})
    event = json.dumps({"n": "from a crash", "i": "crashed-1", "u": "http://localhost/crashed/tab"})
    left = json.dumps([[head, event, 1]])
    with shop(server, browser, "crashed", tag(server, 'data-consent="granted"')) as site:
        site.context.add_init_script(f"""if (!localStorage.seeded) {{
            const left = (age) => JSON.stringify([Date.now() - age, {left}]);
            const odd = {{_tq_cut: '[0,[[', _tq_number: '5', _tq_null: '[0,[null]]'}};
            const queues = {{_tq_crashed: left(100_000), _tq_alive: left(0)}};
            Object.assign(localStorage, queues, odd, {{seeded: 1}});
        }}""")
        page = site.open()
        site.await_events(1, "from a crash")
        site.await_events(1, "page_view")
        kept_now = set(storage(page))

    assert [one["anonymous_id"] for one in site.events("from a crash")] == ["t-crashed-1"]
    assert kept_now == {"seeded", "_tq_alive"}


def test_a_page_that_is_left_at_once_delivers_its_last_event_and_how_long_it_was_read(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "left", tag(server), at=("", "/next")) as site:
        page = site.open()
        page.wait_for_timeout(1_100)
        page.evaluate("tallymark('last words'); location.href = '/left/next'")
        page.wait_for_url("**/next")
        site.await_events(1, "last words")
        site.await_events(2, "page_view")
        page.close()
        ping = site.events("page_ping")[0]

    assert ping["context"]["path"] == "/left"
    assert ping["properties"]["engaged_ms"] >= 1_000
    assert len({one["anonymous_id"] for one in site.events()}) == 1


def test_ten_thousand_events_at_once_are_sent_or_counted_as_dropped(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "flood", tag(server)) as site:
        page = site.open()
        took = call(page, """(() => {
            const began = performance.now();
            for (let n = 0; n < 10_000; n++) tallymark('flood', {n});
            return performance.now() - began;
        })()""")  # fmt: skip
        eventually(lambda: _accounted(server) == 10_001, "not all are accounted for")
        page.close()

    floods = [one["properties"]["n"] for one in site.events("flood")]
    assert len(floods) == len(set(floods)) >= 200
    # The newest are kept.
    assert max(floods) == 9_999
    assert took < 10_000


def _accounted(server: Target) -> int:
    # What tells of the dropped names no page.
    told = server.named("flood", "events_dropped", "page_view")
    of_flood = [one for one in told if one["context"].get("path") in (None, "/flood")]
    return sum(one["properties"].get("count", 1) for one in of_flood)


# Pages of all kinds


def test_a_page_with_a_strict_policy_and_a_pinned_version_is_counted(
    server: Target, browser: BrowserContext
) -> None:
    policy = {
        "Content-Security-Policy": f"default-src 'none'; script-src {server.url}; connect-src {server.url}",
        "Cross-Origin-Embedder-Policy": "require-corp",
    }
    line = written(server, 1)
    with shop(server, browser, "strict", line, headers=policy) as site:
        said: list[str] = []
        page = site.context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{site.site}/strict")
        site.await_events(1, "page_view")

    assert said == []
    assert 'integrity="sha384-' in line


def test_a_script_that_is_not_what_the_page_expects_does_not_run(
    server: Target, browser: BrowserContext
) -> None:
    line = written(server, 1)
    damaged = line.replace("sha384-", "sha384-AAAA")
    with shop(server, browser, "damaged", damaged) as site:
        page = site.open()

        assert call(page, "typeof tallymark") == "undefined"


def test_many_changes_of_the_address_are_a_view_for_each_page_that_stays(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "storm", tag(server)) as site:
        page = site.open()
        call(page, """(() => {
            for (let n = 0; n < 500; n++) history.replaceState(0, '', '?zoom=' + n + '#' + n);
            for (let n = 0; n < 90; n++) history.pushState(0, '', '/storm/passing/' + n);
            history.pushState(0, '', '/storm/there');
        })()""")  # fmt: skip
        page.wait_for_timeout(250)
        call(page, "history.replaceState(0, '', '/storm/there?sort=price')")
        page.wait_for_timeout(250)
        call(page, "history.back()")
        page.wait_for_timeout(250)
        call(page, "tallymark.flush()")
        site.await_events(3, "page_view")

    paths = [one["context"]["path"] for one in site.events("page_view")]
    assert paths == ["/storm", "/storm/there", "/storm/passing/89"]


def test_a_route_in_the_fragment_is_a_page_for_sites_that_say_so(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "hash", tag(server, "data-hash data-title")) as site:
        page = site.open("#/cart?email=x")
        page.evaluate("document.title = 'Pay'; location.hash = '#!/pay'")
        page.wait_for_timeout(250)
        call(page, "tallymark.flush()")
        site.await_events(2, "page_view")

    found = [(one["context"]["path"], one["context"]["title"]) for one in site.events("page_view")]  # fmt: skip
    assert found == [("/hash/cart", "Shop"), ("/hash/pay", "Pay")]


def test_a_page_that_the_browser_shows_again_is_another_view_and_one_it_only_prepares_is_none(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "again", tag(server)) as site:
        site.context.add_init_script(
            "Object.defineProperty(document, 'prerendering', {value: true})"
        )
        page = site.open()
        page.wait_for_timeout(200)
        assert site.events() == []
        call(page, "document.dispatchEvent(new Event('prerenderingchange')); tallymark.flush()")
        site.await_events(1, "page_view")
        call(page, "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})); tallymark.flush()")  # fmt: skip
        first, second = site.await_events(2, "page_view")

    assert first["properties"]["page_view_id"] != second["properties"]["page_view_id"]


def test_a_page_without_any_storage_is_counted_without_an_id(
    server: Target, browser: BrowserContext
) -> None:
    # A sandboxed frame of no origin: to look at its cookies or storage is an error already.
    framed = "<!doctype html>" + tag(server, 'data-consent="granted"')
    frame = '<iframe sandbox="allow-scripts" src="/nowhere/framed"></iframe>'
    contents = {"/nowhere": frame, "/nowhere/framed": framed}
    with pages(contents) as site, profile(browser) as context:
        errors: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{site}/nowhere")
        inside = page.frames[1]
        inside.evaluate("tallymark('inside', {}, {now: true}); tallymark.optout(false)")
        eventually(lambda: len(server.named("inside")) == 1, "it was not counted")
        assert inside.evaluate("tallymark.mode()") == "cookieless"
        inside.evaluate("tallymark.optout()")
        assert inside.evaluate("tallymark.mode()") == "denied"

    assert errors == []
    (event,) = server.named("inside")
    assert event["anonymous_id"].startswith("d_")


def test_calls_before_the_script_is_there_are_not_lost(
    server: Target, browser: BrowserContext
) -> None:
    stub = written(server, 2)
    with shop(server, browser, "early", stub, tag(server)) as site:
        page = site.open()
        call(page, "tallymark.flush()")
        site.await_events(2)
        early, view = site.events("signup", "page_view")[::-1]
        cookies = site.cookies()

    assert {early["event"], view["event"]} == {"signup", "page_view"}
    assert {early["anonymous_id"], view["anonymous_id"]} == {cookies["_ti"]["value"]}
    assert early["user_id"] == view["user_id"] == "u-1"


def test_the_last_word_on_an_event_is_the_sites(server: Target, browser: BrowserContext) -> None:
    with shop(server, browser, "hooked", tag(server, 'data-auto="off"')) as site:
        page = site.open()
        call(page, """tallymark.before = (event) => {
            if (event.n == 'wrong') throw new Error('in the hook');
            return event.n == 'secret' ? null : {...event, p: {...event.p, team: 7}};
        }; 0""")  # fmt: skip
        call(page, "for (const n of ['secret', 'wrong', 'kept']) tallymark(n, {a: 1})")
        call(page, "const loop = {}; loop.loop = loop; tallymark('circular', loop)")
        call(page, "tallymark('$reserved'); tallymark(); tallymark({}); tallymark.flush()")
        site.await_events(1, "kept")
        (event,) = site.events()

    assert event["properties"] == {"a": 1, "team": 7}


def test_only_a_share_of_page_loads_is_counted_if_the_site_says_so(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "none", tag(server, 'data-sample="0"')) as site:
        page = site.open()
        assert call(page, "tallymark('x', {}, {now: true}); tallymark.mode()") == "denied"
    with shop(server, browser, "share", tag(server, 'data-sample="0.9999"')) as site:
        call(site.open(), "tallymark('x', {}, {now: true})")
        (x,) = site.await_events(1, "x")

    assert x["properties"]["sample_rate"] == 0.9999


def test_the_script_finds_its_server_under_the_prefix_of_a_proxy_or_where_it_is_told(
    server: Target, browser: BrowserContext, proxy: Flaky
) -> None:
    prefixed = f"{proxy.url}/browser"
    line = tag(server, f'data-api="{prefixed}/"', script=AUTO)
    with shop(server, browser, "prefix", line) as site:
        call(site.open(), "tallymark.flush()")
        site.await_events(1, "page_view")

    assert {one.path for one in proxy.seen if one.method == "POST"} == {f"/browser{WIRE}"}


def test_a_browser_that_a_program_drives_is_left_out_only_if_the_site_says_so(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "driven", tag(server, "data-skip-automation")) as site:
        page = site.open()

        assert call(page, "navigator.webdriver") is True
        assert call(page, "tallymark.mode()") == "denied"
        assert site.events() == []


# Where no script runs


def test_a_page_without_scripts_is_counted_by_the_picture(
    server: Target, browser: BrowserContext
) -> None:
    line = written(server, 3)
    with pages({"/plain": line}) as site, profile(browser, runs_scripts=False) as context:
        context.new_page().goto(f"{site}/plain")
        eventually(lambda: bool(_plain(server)), "it was not counted")
        assert context.cookies() == []

    (view,) = _plain(server)
    assert (view["event"], view["context"]["protocol"]) == ("page_view", "pixel")
    assert view["anonymous_id"].startswith("d_")
    assert {"cookieless", "no_js"} <= set(_flags(view))


def _plain(server: Target) -> list[dict[str, Any]]:
    return [one for one in server.named("page_view") if one["context"]["protocol"] == "pixel"]


def _flags(event: dict[str, Any]) -> list[str]:
    flags = event["flags"]
    return flags.split(",") if isinstance(flags, str) else list(flags)


def test_the_line_of_the_page_is_all_it_takes(server: Target, browser: BrowserContext) -> None:
    line = written(server, 0)
    with shop(server, browser, "docs", line) as site:
        page: Page = site.open()
        page.evaluate("tallymark('signup', {plan: 'pro'}, {now: true})")
        site.await_events(1, "signup")

    assert site.names() == ["page_view", "signup"]
