"""Google Analytics: ga4mp, and recorded hits of gtag.js from a page in a real browser."""

import re
from typing import Any
from urllib.parse import quote

import pytest
from tests.faults.answers import Answer, call
from tests.journey.browser import chromium, eventually, pages
from tests.journey.flaky import Trouble, bodies, flaky
from tests.journey.sdks import Target, as_json, run_python, snippet

from tallymark.catalog.catalog import Catalog

SENT = """
import datetime
import json
import logging
import sys
from ga4mp import GtagMP

logging.disable()
url, key, name, stamp = sys.argv[1:]
ga = GtagMP(api_secret=key, measurement_id="G-1", client_id="111.222")
ga._base_domain = url + "/mp/collect"
events = []
for number in range(3):
    event = ga.create_new_event(name)
    event.set_event_param("number", number)
    events.append(event)
date = datetime.datetime.fromtimestamp(int(stamp))
tries = 0
while True:
    tries += 1
    try:
        ga.send(events, date=date)
        break
    except OSError as error:
        if tries == 5:
            raise
print(json.dumps({"tries": tries}))
"""
SHARED = (
    "v=2&tid={tid}&gtm=45je4b70v9&_p={load}&gcs=G111&cid=111.222&ul=en-us&sr=1920x1080&uam=&uamb=0"
    "&uap=Linux&_s=1&sid=1789999990&sct=2&seg=1&dt=Mugs&dl=https%3A%2F%2Fshop.example%2Fmugs%3Fq%3D1"
)
VIEW = "&en=page_view&_fv=1&_ss=1&ep.theme=dark&epn.scroll=90&up.plan=pro&_et=12"
LINES = "en=scroll&epn.percent_scrolled=90\\r\\nen=purchase&ep.transaction_id={order}&epn.value=19.98&cu=EUR&pr1=idSKU1~nmMug~pr9.99~qt2"


def named(server: Target, *names: str) -> list[dict[str, Any]]:
    found = [event for event in server.events() if event["event"] in names]
    return sorted(found, key=lambda event: names.index(event["event"]))


def keyless(server: Target, method: str, path: str, body: object = None) -> Answer:
    """Return the answer to a request whose key is in its address or nowhere."""
    answer = call(server.port, method, path, body)
    assert answer is not None
    return answer


def test_the_python_of_the_how_to_page_is_stored_as_the_page_says(server: Target) -> None:
    run_python(snippet("from-google-analytics.md", "python", server))

    (event,) = named(server, "purchase")
    assert event["kind"] == "revenue"
    assert (event["revenue"], event["currency"]) == (9.99, "EUR")
    assert (event["user_id"], event["anonymous_id"]) == ("ana", "111.222")
    assert event["person"] is not None
    assert re.fullmatch(r"111\.222\.\d{10}", event["session"])
    assert (event["time"], event["time_rule"]) == ("2026-09-21T14:13:20Z", "client")
    said = event["properties"]
    assert (said["transaction_id"], said["value"]) == ("T-1", 9.99)
    assert said["items"] == [{"item_id": "SKU1", "item_name": "Mug"}]
    assert said["engagement_time_msec"] >= 0
    assert event["context"]["protocol"] == "ga4"


def test_the_shell_of_the_how_to_page_is_stored(server: Target) -> None:
    run_python(
        "import subprocess, sys; subprocess.run(['sh', '-ec', sys.argv[1]], check=True)",
        snippet("from-google-analytics.md", "sh", server, 1),
    )

    (event,) = named(server, "login")
    assert (event["anonymous_id"], event["time"]) == ("111.222", "2026-09-21T14:13:20Z")
    assert event["properties"] == {"method": "mail"}
    assert "browser" not in event["context"]


def test_hits_of_a_page_with_the_registered_tag_of_the_how_to_page_are_stored(
    server: Target,
) -> None:
    page = snippet("from-google-analytics.md", "html", server)
    (tid, url), *_ = re.findall(
        r"gtag\('config', '([^']+)', \{ server_container_url: '([^']+)'", page
    )
    command = snippet("from-google-analytics.md", "sh", server)
    assert command == f"tallymark sites add ga4 {tid}\n"
    catalog = Catalog.in_folder(server.data)
    catalog.add_site("default", "ga4", tid, now=1)
    catalog.close()
    query = SHARED.format(tid=tid, load=1)
    script = f"""<script>
      fetch('{url}/g/collect?{query}{VIEW}', {{method: 'POST', keepalive: true, credentials: 'include'}})
        .then(answer => {{ document.title = String(answer.status);
          navigator.sendBeacon('{url}/metrics/g/collect?{query.replace("_s=1", "_s=2")}', '{LINES.format(order="T-page")}'); }});
    </script>"""

    with pages({"/": script}) as site, chromium() as browser:
        tab = browser.new_page()
        tab.goto(site)
        eventually(lambda: len(named(server, "scroll")) == 1, "the beacon did not arrive")
        assert tab.title() == "204"

    view, start, first = named(server, "page_view", "session_start", "first_visit")
    assert view["kind"] == "page"
    assert (view["anonymous_id"], view["session"]) == ("111.222", "111.222.1789999990")
    assert view["session"] == start["session"] == first["session"]
    assert view["properties"] == {
        "theme": "dark", "scroll": 90, "engagement_time_msec": 12, "ga_session_number": 2,
    }  # fmt: skip
    context = view["context"]
    assert (context["page_url"], context["title"]) == ("https://shop.example/mugs", "Mugs")
    assert (context["screen_width"], context["locale"]) == (1920, "en-us")
    assert context["browser"] == "Chrome"
    (paid,) = [one for one in named(server, "purchase") if one["revenue"] == 19.98]
    assert paid["properties"]["items"] == [
        {"item_id": "SKU1", "item_name": "Mug", "price": 9.99, "quantity": 2}
    ]


@pytest.mark.parametrize("trouble", [503, 429, "reset", "lost"])
def test_through_trouble_every_event_is_stored_once(server: Target, trouble: Trouble) -> None:
    name = f"trouble_{trouble}"
    with flaky(server.port) as proxy:
        proxy.plan(trouble)
        said = as_json(run_python(SENT, proxy.url, server.keys["public"], name, "1790000000"))
        sent = bodies(proxy.seen)

    assert said == {"tries": 2}
    assert sent == [sent[0]] * 2
    found = named(server, name)
    assert sorted(event["properties"]["number"] for event in found) == [0, 1, 2]
    assert {event["time"] for event in found} == {"2026-09-21T14:13:20Z"}


def test_a_hit_that_a_browser_sends_again_counts_once(server: Target) -> None:
    query = SHARED.format(tid=server.keys["public"], load=2) + "&en=again"

    for method in ("POST", "GET", "POST"):
        answer = keyless(server, method, f"/g/collect?{query}")
        assert (answer.status, answer.body) == (204, b"")

    assert len(named(server, "again")) == 1


def test_a_purchase_told_by_page_and_server_counts_once(server: Target) -> None:
    key = server.keys["public"]
    query = (
        SHARED.format(tid="G-1", load=3)
        + "&en=purchase&ep.transaction_id=T-both&epn.value=7&cu=EUR"
    )
    told = {
        "name": "purchase",
        "params": {"transaction_id": "T-both", "value": 7, "currency": "EUR"},
    }

    page = keyless(server, "POST", f"/g/collect?{query}&api_secret={quote(key)}")
    other = keyless(
        server,
        "POST",
        f"/mp/collect?measurement_id=G-1&api_secret={quote(key)}",
        {"events": [told]},
    )

    assert (page.status, other.status) == (204, 204)
    found = [
        one for one in named(server, "purchase") if one["properties"]["transaction_id"] == "T-both"
    ]
    assert [one["revenue"] for one in found] == [7]


def test_after_success_nothing_is_sent_again(server: Target) -> None:
    with flaky(server.port) as proxy:
        said = as_json(run_python(SENT, proxy.url, server.keys["public"], "success", "1790000000"))

    assert said == {"tries": 1}
    assert len(proxy.seen) == 1


def test_debugging_stores_nothing_and_a_wrong_key_is_told(server: Target) -> None:
    before = server.ledger()

    debugged = server.call(
        "POST", "/debug/mp/collect", {"client_id": "1", "events": [{"name": "9"}]}
    )
    wrong = keyless(server, "POST", "/g/collect?tid=G-unknown")
    secret = server.call("POST", f"/mp/collect?api_secret={server.keys['secret']}", {"events": []})

    assert debugged is not None
    assert debugged.json()["validationMessages"][0]["validationCode"] == "NAME_INVALID"
    assert (wrong.status, wrong.json()["code"]) == (401, "AUTH_INVALID")
    assert secret is not None
    assert (secret.status, secret.json()["code"]) == (400, "AUTH_IN_URL")
    assert server.ledger() == before
