"""What people do on a page, seen by the browser script without a line of the site's own code."""

from typing import Any

from playwright.sync_api import BrowserContext, Page
from tests.journey.sdks import Target
from tests.journey.tracked import AUTO, FULL, Shop, call, shop, tag

LINKS = """
<a id="out" href="https://elsewhere.example/x?token=1" target="_blank"><b>out</b></a>
<a id="file" href="/acts/report.PDF?sig=1">file</a>
<a id="mail" href="mailto:ana@shop.example">mail</a>
<a id="cta" href="#cta" data-tallymark-event="cta" data-tallymark-plan="pro"><i>buy</i></a>
<div data-tallymark-ignore><a id="hidden" href="https://hidden.example/">hidden</a></div>
<form id="join" name="newsletter" data-tallymark-event="joined" data-tallymark-list="weekly">
<input name="id"><input name="email"><button id="go">go</button></form>
<script>
document.querySelectorAll("a:not(#cta)").forEach((a) => a.addEventListener("click", (e) => e.preventDefault()));
document.querySelector("form").addEventListener("submit", (e) => e.preventDefault());
</script>"""
BUTTONS = """
<main class="shop big"><button id="dead">dead</button>
<button id="alive" onclick="document.title = 'changed ' + Math.random()">alive</button>
<p id="plain" style="height: 200px">some words to click</p>
<input id="field" value="secret words">
<span data-tallymark-ignore><button id="private">private</button></span></main>"""


def properties(site: Shop, name: str) -> list[dict[str, Any]]:
    """Return the properties of each event of a name, without what all have."""
    found = [dict(one["properties"]) for one in site.events(name)]
    assert all(one.pop("page_view_id") for one in found)
    return found


def press(page: Page, selector: str, times: int = 1) -> None:
    page.click(selector, click_count=times, delay=1)


def test_links_downloads_forms_and_marked_elements_are_seen(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "acts", tag(server, script=AUTO), LINKS) as site:
        page = site.open()
        for element in ("#out", "#file", "#mail", "#cta", "#hidden"):
            press(page, element)
        page.fill("input[name=email]", "ana@shop.example")
        page.fill("input[name=email]", "bo@shop.example")
        press(page, "#go")
        call(page, "tallymark.flush()")
        site.await_events(1, "form_submit")
        page.close()

    assert properties(site, "outlink") == [{"url": "https://elsewhere.example/x"}]
    assert properties(site, "download") == [{"url": f"{site.site}/acts/report.PDF"}]
    assert properties(site, "contact") == [{"how": "mailto"}]
    assert properties(site, "cta") == [{"plan": "pro"}]
    # Its fields are named like its own properties; it is told by what it says itself.
    form = {"form_id": "join", "form_name": "newsletter"}
    assert (properties(site, "form_start"), properties(site, "form_submit")) == ([form], [form])
    assert properties(site, "joined") == [{"list": "weekly"}]
    assert {one["kind"] for one in site.events("outlink", "form_submit")} == {"interaction"}
    assert site.events("click", "heat_points") == []
    assert not any("shop.example" in str(one["properties"].values()) for one in site.events("contact", "form_submit"))  # fmt: skip


def test_rage_and_dead_clicks_are_told_from_others(server: Target, browser: BrowserContext) -> None:
    with shop(server, browser, "rage", tag(server, script=AUTO), BUTTONS) as site:
        page = site.open()
        press(page, "#plain", 3)
        for element in ("#alive", "#private", "#dead"):
            press(page, element)
            page.wait_for_timeout(1_100)
        call(page, "tallymark.flush()")
        site.await_events(1, "dead_click")
        site.await_events(1, "rage_click")
        page.close()

    assert properties(site, "rage_click") == [{"selector": "p#plain", "tag": "p"}]
    assert properties(site, "dead_click") == [{"selector": "button#dead", "tag": "button"}]


def test_clicks_and_heat_points_are_told_where_the_site_asks_for_them(
    server: Target, browser: BrowserContext
) -> None:
    line = tag(server, 'data-auto-capture="text" data-heatmap', script=AUTO)
    with shop(server, browser, "heat", line, BUTTONS) as site:
        page = site.open()
        page.set_viewport_size({"width": 1_000, "height": 700})
        for element in ("#plain", "#alive", "#field", "#private"):
            press(page, element)
        box = page.locator("#plain").bounding_box()
        page.goto("about:blank")
        site.await_events(1, "heat_points")
        page.close()

    plain, alive, field = properties(site, "click")
    assert plain == {"selector": "p#plain", "tag": "p", "text": "some words to click"}
    assert alive == {"selector": "button#alive", "tag": "button", "text": "alive"}
    assert field == {"selector": "input#field", "tag": "input"}
    (heat,) = properties(site, "heat_points")
    assert heat["selectors"] == ["p#plain", "button#alive", "input#field"]
    assert [point[2] for point in heat["points"]] == [0, 1, 2]
    assert box is not None
    x, y, _ = heat["points"][0]
    assert abs(x - 500) <= 5
    assert abs(y - (box["y"] + box["height"] / 2)) <= 2
    assert heat["width"] == 1_000


def test_an_element_is_told_by_five_levels_at_most_also_inside_a_shadow_tree(
    server: Target, browser: BrowserContext
) -> None:
    body = """<section class="a b"><ul><li><div><p><x-card></x-card></p></div></li></ul></section>
    <script>
    const card = document.querySelector("x-card").attachShadow({mode: "open"});
    card.innerHTML = '<a class="inner" href="https://elsewhere.example/y"><em>go</em></a>';
    card.querySelector("a").addEventListener("click", (e) => e.preventDefault());
    </script>"""
    with shop(server, browser, "deep", tag(server, "data-auto-capture", script=AUTO), body) as site:
        page = site.open()
        press(page, "em")
        call(page, "tallymark.flush()")
        site.await_events(1, "click")
        page.close()

    assert properties(site, "click") == [{"selector": "div>p>x-card>a.inner>em", "tag": "em"}]
    assert properties(site, "outlink") == [{"url": "https://elsewhere.example/y"}]


def test_errors_are_told_once_each_and_without_secrets_in_addresses(
    server: Target, browser: BrowserContext
) -> None:
    body = "<script>function boom() { throw new TypeError('boom') }</script>"
    with shop(server, browser, "errors", tag(server, script=AUTO), body) as site:
        page = site.open("?token=secret")
        call(page, "for (let n = 0; n < 3; n++) setTimeout(boom)")
        call(page, "Promise.reject(new RangeError('late')); Promise.reject('plain'); 0")
        call(page, "for (let n = 0; n < 30; n++) setTimeout(() => { throw Error('number ' + n) })")
        page.wait_for_timeout(300)
        call(page, "tallymark.flush()")
        site.await_events(10, "exception")
        page.close()

    found = properties(site, "exception")
    assert len(found) == 10
    by_message = {one["message"].removeprefix("Uncaught "): one for one in found}
    boom = by_message["TypeError: boom"]
    assert (boom["type"], boom["url"]) == ("TypeError", f"{site.site}/errors")
    assert f"{site.site}/errors:" in boom["stack"]
    assert by_message["late"]["type"] == "RangeError"
    assert by_message["plain"]["type"] == "unhandledrejection"
    assert "secret" not in str(found)


def test_the_web_vitals_of_a_page_come_once_with_the_page_they_are_of(
    server: Target, browser: BrowserContext
) -> None:
    with shop(server, browser, "fast", tag(server, script=FULL), "<h1>Shop</h1>") as site:
        page = site.open()
        press(page, "h1")
        page.wait_for_timeout(300)
        call(page, "history.pushState(0, '', '/fast/next')")
        page.wait_for_timeout(300)
        page.goto("about:blank")
        (vitals,) = site.await_events(1, "web_vitals")
        view = site.events("page_view")[0]
        page.close()

    told = vitals["properties"]
    assert (vitals["kind"], vitals["context"]["path"]) == ("metric", "/fast")
    assert told["page_view_id"] == view["properties"]["page_view_id"]
    assert {"cls", "fcp_ms", "lcp_ms", "ttfb_ms"} <= set(told)
    assert 0 <= told["ttfb_ms"] <= told["fcp_ms"] <= told["lcp_ms"]
    assert len(site.events("web_vitals")) == 1


def test_the_web_insight_tells_views_engaged_time_and_scroll_of_a_page(
    server: Target, browser: BrowserContext
) -> None:
    line = tag(server, script=AUTO)
    with shop(server, browser, "read", line, '<div style="height: 2000px"></div>') as site:
        page = site.open("?utm_source=letter")
        page.evaluate("scrollTo(0, 5000)")
        page.wait_for_timeout(1_100)
        page.goto("about:blank")
        site.await_events(1, "page_ping")
        page.close()
        server.wait_until_loaded()
        answer = server.call("POST", "/tm/v1/ask/web", {"range": "7d", "top": 1_000})

    assert answer is not None
    assert answer.status == 200, answer.body
    (row,) = [one for one in answer.json()["data"]["pages"] if one["value"] == "/read"]
    assert (row["visitors"], row["page_views"], row["scroll_percent"]) == (1, 1, 100)
    assert 1 <= row["engaged_seconds_per_visit"] < 60
