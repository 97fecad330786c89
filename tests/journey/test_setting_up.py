"""Setting up: from a server that nobody has taken over to the first event of a page, seen arriving."""

import json
import os
import re
import subprocess
import textwrap
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.journey.board import PASSWORD, PERSON, Board, let_in
from tests.journey.browser import PATIENCE_SECONDS, chromium, pages, profile
from tests.journey.sdks import PYTHON, Target, target

from tallymark.client import connect

GUIDE = "/setup-guide"
SDK = Path(__file__).parents[2] / "sdk" / "python" / "src"


@pytest.fixture(scope="module", autouse=True)
def _patient() -> None:
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    """The server, once somebody may sign in."""
    let_in(server, PERSON, role="owner")
    let_in(server, "ana@example.org", role="analyst")
    return server


def shown(page: Page, tab: str) -> str:
    """Return the snippet of a tab, as somebody would copy it."""
    page.get_by_role("tab", name=tab, exact=True).click()
    text: str = page.get_by_label(f"Snippet: {tab}").inner_text()
    return text


def hits(page: Page, outcome: str) -> Locator:
    """Return what the panel says has arrived and come to this."""
    return page.locator(f".hit[data-outcome={outcome}]")


def following(page: Page) -> None:
    """Wait until the panel hears of what arrives."""
    expect(page.get_by_role("region", name="2. See it arrive").get_by_text("Following")).to_be_visible()  # fmt: skip


def with_secret(page: Page, tab: str) -> str:
    """Return a snippet of a server, once a secret key was made for it."""
    shown(page, tab)
    make = page.get_by_role("button", name="Make a secret key")
    if make.count():
        make.click()
        expect(page.get_by_text("shown this once")).to_be_visible()
    return shown(page, tab)


def test_a_newcomer_takes_the_server_over_puts_the_snippet_in_and_sees_the_first_view_arrive(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with target(tmp_path_factory.mktemp("fresh")) as fresh, chromium() as mine:
        with connect(fresh.data) as client:
            link = f"{fresh.url}/setup#{client.owner_link()}"
        page = mine.new_page()
        page.goto(link)
        page.get_by_label("E-mail address").fill(PERSON)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Become the owner").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Set up")
        snippet = shown(page, "HTML")
        following(page)

        html = f"<!doctype html><title>Shop</title>{snippet}"
        with pages({"/pricing": html}) as site, profile(mine) as visitor:
            visitor.new_page().goto(f"{site}/pricing")
            expect(page.get_by_text("It arrived")).to_be_visible()

        expect(page.get_by_text(re.compile(r"^page_view /pricing at "))).to_be_visible()
        view = hits(page, "accepted").filter(has_text="page_view")
        expect(view).to_contain_text("page on localhost")
        page.get_by_role("link", name="See it live").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Live")
        assert len(fresh.named("page_view")) == 1

        page.goto(fresh.url)
        todo = page.get_by_role("region", name="Make it yours")
        expect(todo.locator("[data-done]").filter(has_text="Send the first event")).to_be_visible()
        expect(todo.get_by_role("link", name="Let somebody in")).to_be_visible()
        todo.get_by_role("button", name="Hide this list").click()
        expect(todo).to_have_count(0)
        page.reload()
        expect(page.get_by_role("heading", name="What is used most")).to_be_visible()
        expect(todo).to_have_count(0)


def test_what_came_before_the_page_was_opened_does_not_satisfy_it(
    board: Board, told: Target
) -> None:
    assert told.send({"name": "earlier", "user_id": "u-0"}).status == 202
    told.wait_until_loaded()

    page = board.go(GUIDE)
    following(page)
    expect(page.get_by_role("region", name="Events arrive already")).to_be_visible()
    page.wait_for_timeout(1_500)

    expect(page.get_by_text("Waiting for the first event")).to_be_visible()
    expect(page.get_by_text("Nothing has reached it yet")).to_be_visible()


def test_the_test_event_goes_the_way_of_any_other_and_is_seen_arriving(
    board: Board, told: Target
) -> None:
    page = board.go(GUIDE)
    following(page)

    page.get_by_role("button", name="Send a test event").click()

    expect(page.get_by_text("It arrived")).to_be_visible()
    expect(hits(page, "accepted")).to_contain_text("test_event")
    (event,) = told.named("test_event")
    assert "bot" not in event["flags"]


def test_the_line_for_a_terminal_works_as_it_is_shown(board: Board, told: Target) -> None:
    page = board.go(GUIDE)
    command = with_secret(page, "curl")
    following(page)

    sent = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)

    assert json.loads(sent.stdout)["accepted"] == 1
    expect(hits(page, "accepted")).to_contain_text("signup")
    assert "bot" not in told.of("u-1")[-1]["flags"]


def test_the_program_works_as_it_is_shown(board: Board, told: Target) -> None:
    page = board.go(GUIDE)
    program = with_secret(page, "Python")
    following(page)

    done = subprocess.run([str(PYTHON), "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, env=dict(os.environ, PYTHONPATH=str(SDK)))  # fmt: skip

    assert done.returncode == 0, done.stderr
    expect(hits(page, "accepted").filter(has_text="signup")).to_be_visible()
    (event,) = told.of("ana")
    assert (event["event"], event["properties"]) == ("signup", {"plan": "pro"})


def test_what_is_collected_follows_what_is_chosen(board: Board, browser: BrowserContext) -> None:
    page = board.go(GUIDE)
    collected = page.get_by_role("list", name="What is collected")
    expect(collected.get_by_role("listitem").filter(has_text="An id of one day")).to_be_visible()
    expect(collected.locator("[data-collected=clicks]")).to_have_count(0)

    page.get_by_label("Before a visitor chooses").select_option("granted")
    page.get_by_label("Every click").check()
    page.get_by_label("Web vitals").check()

    tag = shown(page, "HTML")
    assert re.search(r'/t\.full\.js" data-key="pk_\w+" data-consent="granted" data-auto-capture>', tag)  # fmt: skip
    expect(collected.locator("[data-collected=lastingid]")).to_be_visible()
    expect(collected.locator("[data-collected=dayid]")).to_have_count(0)
    for one in ("links", "forms", "clicks", "vitals"):
        expect(collected.locator(f"[data-collected={one}]")).to_be_visible()
    policy = page.get_by_label("Content security policy").last.inner_text()
    with (
        pages({"/": f"<!doctype html>{tag}"}, {"Content-Security-Policy": f"default-src 'none'; {policy}"}) as site,
        profile(browser) as visitor,
    ):  # fmt: skip
        following(page)
        other = visitor.new_page()
        complaints: list[str] = []
        other.on("console", lambda said: complaints.append(said.text))
        other.goto(site)
        expect(hits(page, "accepted").filter(has_text="page_view")).to_be_visible()
        other.close()
    assert [one for one in complaints if "Content Security Policy" in one] == []


def test_whatever_does_not_count_is_explained_with_what_to_do(board: Board, told: Target) -> None:
    page = board.go(GUIDE)
    following(page)
    call = told.call

    told.send({"name": "", "user_id": "<b>u</b>"})
    told.send({"name": "seen", "consent": {"measurement": "denied"}})
    told.send({"name": "seen", "context": {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}})  # fmt: skip
    wrong = {"k": "pk_notakey", "s": 1, "c": "c", "e": []}
    answer = call("POST", "/tm/v1/e", wrong)
    assert answer is not None

    refused = hits(page, "refused")
    expect(refused).to_contain_text("NAME_INVALID")
    expect(refused).to_contain_text("Use a short plain name")
    expect(hits(page, "dropped")).to_contain_text("CONSENT_DENIED")
    expect(hits(page, "bot")).to_contain_text("known robot")
    expect(hits(page, "away")).to_contain_text("AUTH_INVALID")
    expect(hits(page, "away")).to_contain_text("Compare the key")
    expect(page.get_by_text("Waiting for the first event")).to_be_visible()


def test_a_page_of_a_site_that_the_key_is_not_for_is_refused_and_explained(
    board: Board, told: Target, browser: BrowserContext
) -> None:
    path = "/tm/v1/projects/default/keys"
    made = told.own("POST", path, {"kind": "public", "origins": ["https://shop.example"]}).json()
    try:
        page = board.go(GUIDE)
        tag = shown(page, "HTML")
        assert made["secret"] in tag
        following(page)
        with pages({"/": f"<!doctype html>{tag}"}) as site, profile(browser) as visitor:
            visitor.new_page().goto(site)
            refused = hits(page, "refused").first
            expect(refused).to_contain_text("ORIGIN_REFUSED")
            expect(refused).to_contain_text(site)
    finally:
        told.own("POST", f"/tm/v1/keys/{made['key']['id']}/revoke", {})


def test_an_event_that_the_plan_sets_aside_is_told_as_that(board: Board, told: Target) -> None:
    plan = {"events": [{"event": "ordered", "version": "1-0-0", "on": {"invalid": "quarantine"}, "properties": {"n": {"type": "integer"}}}]}  # fmt: skip
    assert told.own("PUT", "/tm/v1/projects/default/plan", plan).status == 200
    page = board.go(GUIDE)
    following(page)

    told.send({"name": "ordered", "properties": {"n": "two"}})

    expect(hits(page, "refused")).to_contain_text("Set aside")
    expect(hits(page, "refused")).to_contain_text("SCHEMA_TYPE")


def test_an_event_of_a_wrong_clock_counts_and_says_that_its_time_was_repaired(
    board: Board, told: Target
) -> None:
    page = board.go(GUIDE)
    following(page)
    hours_ago = time.time_ns() // 1_000_000 - 5 * 3_600_000

    event = {"i": str(uuid.uuid4()), "n": "slow_clock", "t": hours_ago, "v": "v-1", "p": {}}
    body = {"k": told.keys["public"], "s": hours_ago, "c": "c", "q": 0, "e": [event]}
    answer = told.call("POST", "/tm/v1/e", body)

    assert answer is not None
    assert answer.status == 202
    expect(hits(page, "accepted").filter(has_text="slow_clock")).to_contain_text("the time was repaired")  # fmt: skip


def test_live_tells_what_counts_what_robots_sent_and_what_was_refused_apart(
    board: Board, told: Target
) -> None:
    page = board.go("/live")
    expect(page.get_by_text("Following")).to_be_visible()
    robot = {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    told.send([{"name": "crawled", "context": robot}, {"name": "read", "user_id": "u-9", "properties": {"deep": "<u>x</u>"}}])  # fmt: skip
    told.send({"name": "", "user_id": "u-9"})

    page.get_by_role("tab", name="Robots").click()
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("button")).to_have_count(1)
    expect(panel.get_by_role("button")).to_contain_text("known robot (Googlebot)")
    page.get_by_role("tab", name="Refused").click()
    panel.get_by_role("button", name=re.compile("The event name is empty")).click()
    expect(page.get_by_role("dialog")).to_contain_text("What to do: Use a short plain name such as signup.")  # fmt: skip
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Accepted").click()
    expect(panel.get_by_role("button", name=re.compile("crawled"))).to_have_count(0)
    told.wait_until_loaded()
    panel.get_by_role("button", name=re.compile("read u-9")).click()
    expect(page.get_by_label("As it is stored")).to_contain_text('"deep": "<u>x</u>"')
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Pause").click()
    told.send({"name": "meanwhile", "user_id": "u-9"})
    page.wait_for_timeout(1_200)
    expect(panel.get_by_role("button", name=re.compile("meanwhile"))).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    expect(panel.get_by_role("button", name=re.compile("meanwhile"))).to_be_visible()


def test_after_a_minute_of_silence_there_is_a_list_of_what_to_look_at(board: Board) -> None:
    page = board.page
    page.clock.install()
    try:
        board.go(GUIDE)
        following(page)
        expect(page.get_by_text("Nothing after a minute?")).to_have_count(0)

        page.clock.fast_forward(61_000)

        checks = page.get_by_role("region", name="2. See it arrive").get_by_role("listitem")
        expect(checks.filter(has_text="Ad blocker")).to_be_visible()
        for word in ("Content security policy", "Key", "Network"):
            expect(checks.filter(has_text=word).first).to_be_visible()
    finally:
        page.clock.resume()


def test_the_list_on_home_ticks_what_the_project_shows_was_done(board: Board, told: Target) -> None:
    told.wait_until_loaded()
    page = board.go("/")
    todo = page.get_by_role("region", name="Make it yours")
    expect(todo.get_by_text("Send the first event")).to_be_visible()
    done = [one.inner_text() for one in todo.locator("[data-done] b").all()]
    assert set(done) == {
        "Send the first event", "Send a second kind of event", "Say who people are",
        "Agree on a tracking plan", "Let somebody in",
    }  # fmt: skip

    cohort = {"who": {"op": "did", "event": "signup"}}
    assert told.own("PUT", "/tm/v1/projects/default/cohorts/signed_up", cohort).status == 200
    board.go("/")

    # That was the last of them, and nothing is left to be listed.
    expect(page.get_by_role("heading", name="What is used most")).to_be_visible()
    expect(todo).to_have_count(0)


def test_an_analyst_sets_up_with_the_public_key_and_asks_for_a_secret_one(
    told: Target, browser: BrowserContext
) -> None:
    with profile(browser) as apart:
        board = Board(apart, told)
        board._user = "ana@example.org"
        page = board.sign_in(GUIDE)

        assert told.keys["public"] in shown(page, "HTML")
        shown(page, "curl")
        expect(page.get_by_text("Ask an admin of the project")).to_be_visible()
        expect(page.get_by_role("button", name="Make a secret key")).to_have_count(0)
        page.close()


def test_every_snippet_has_the_key_and_the_address(board: Board, told: Target) -> None:
    page = board.go(GUIDE)
    found: dict[str, Any] = {
        tab: shown(page, tab)
        for tab in ("HTML", "React", "Next.js", "Python", "curl", "Segment", "PostHog", "Server log")
    }  # fmt: skip

    for tab, text in found.items():
        assert told.url in text, tab
        assert told.keys["public"] in text or "sk_" in text, tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screen_can_be_used_by_everybody_while_things_arrive(
    board: Board, told: Target, scheme: Any
) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    board.go(GUIDE)
    following(page)
    told.send([{"name": "<img src=x onerror=alert(1)>" + "x" * 150, "user_id": "u"}, {"name": ""}])
    expect(hits(page, "accepted")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(hits(page, "refused")).to_be_visible()

    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0
