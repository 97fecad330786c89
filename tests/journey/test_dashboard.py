"""The dashboard as people use it: in Chromium, by roles and names, on a server whose answers are known."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.journey.board import (
    CAME,
    HOSTILE_NAME,
    LOST,
    PASSWORD,
    PERSON,
    STEPS,
    Board,
    below,
    choose,
    history,
    let_in,
)
from tests.journey.browser import PATIENCE_SECONDS
from tests.journey.sdks import Target

SETTINGS: dict[str, Any] = {"trusted_proxies": "127.0.0.1/32"}
ROUTES = Path(__file__).parents[2] / "web" / "src" / "routes.tsx"
SCREENS = re.findall(r'\{ path: "([^":]+)", name', ROUTES.read_text("utf-8"))
FUNNEL = "/funnels?v=1&" + "&".join(f"e={step}" for step in STEPS)


@pytest.fixture(scope="module")
def entered(server: Target) -> Target:
    """The server, once somebody may sign in."""
    let_in(server, PERSON, role="owner")
    return server


@pytest.fixture(scope="module")
def told(entered: Target) -> Target:
    """The server, once it has the history and one refusal."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    assert entered.send(history()).status == 202
    entered.send({"name": "", "user_id": "u01", "properties": {"note": "<b>bold</b>"}})
    entered.wait_until_loaded()
    return entered


def total(page: Page) -> int:
    """Return how many are listed in the drawer."""
    shown = page.get_by_role("dialog").locator("[data-total]").first
    return int(shown.get_attribute("data-total") or -1)


def close(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_before_anything_came_the_page_says_how_to_send_and_sees_it_arrive(
    entered: Target, browser: BrowserContext
) -> None:
    board = Board(browser, entered)
    page = board.sign_in("/live")
    empty = page.get_by_role("status").filter(has_text="Nothing was recorded yet")
    told = empty.locator("pre").inner_text().replace("pk_…", entered.keys["public"])

    sent = subprocess.run(["sh", "-c", told], capture_output=True, text=True, check=True)

    assert json.loads(sent.stdout)["accepted"] == 1
    expect(page.get_by_role("button", name=re.compile("Accepted signup u-1"))).to_be_visible()
    assert board.wrong == []
    page.close()


def test_a_wrong_password_is_refused_in_words_and_a_right_one_opens_what_was_asked_for(
    told: Target, browser: BrowserContext
) -> None:
    browser.clear_cookies()
    board = Board(browser, told)
    page = board.page
    page.goto(board.address + "/explore?v=1&e=signup")

    page.get_by_label("E-mail address").fill(PERSON)
    page.get_by_label("Password").fill("not the one it is")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("SIGN_IN_FAILED")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="signup per day, last 30 days")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.close()


def test_a_funnel_is_built_by_mouse_and_says_where_most_stop_and_who(board: Board) -> None:
    page = board.go("/funnels")

    for number, step in enumerate(STEPS, 1):
        if number > 2:
            page.get_by_role("button", name="Add step").click()
        choose(page, f"Event, Step {number}", step)
    board.settle()

    expect(page.get_by_text("Most people stop between signup_started and email_confirmed: 5, 62.5%")).to_be_visible()  # fmt: skip
    for step in STEPS:
        expect(
            page.get_by_role("button", name=f"{CAME[step]} came to {step}", exact=True)
        ).to_be_visible()
    page.get_by_role("button", name="5 stopped before email_confirmed").click()
    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(5)
    assert sorted(page.get_by_role("dialog").get_by_role("link").all_inner_texts()) == list(LOST)
    assert total(page) == 5
    close(page)
    # The address is the question: going back takes the last step away.
    page.go_back()
    board.settle()
    expect(page.get_by_role("combobox", name="Event, Step 4")).to_have_value("")


def test_a_funnel_tells_what_those_who_went_on_have_in_common(board: Board) -> None:
    page = board.go(FUNNEL)

    page.get_by_role("button", name="Compare who went on with who stopped").click()
    found = page.get_by_role("region", name="What those who went on have in common").first
    expect(found).to_contain_text("3 went on and 9 stopped")
    found.get_by_role("button", name="3 went on: country is DE").click()

    expect(page.get_by_role("dialog").get_by_role("link")).to_have_text(["u03", "u02", "u01"])
    close(page)


def test_a_trend_is_asked_and_opened_without_a_mouse(board: Board) -> None:
    page = board.go("/explore?v=1&e=page_view:unique_people&i=month&r=90d")
    keys = page.keyboard

    page.get_by_role("combobox", name="Event, Series A").focus()
    keys.type("signup_st")
    expect(page.get_by_role("option", name=re.compile("signup_started"))).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    board.settle()
    expect(page).to_have_url(re.compile("e=signup_started"))
    page.get_by_role("application").focus()
    keys.press("Home")
    opened = 0
    for _ in range(4):
        keys.press("Enter")
        if page.get_by_role("dialog").count():
            expect(page.get_by_role("dialog").locator("[data-total], .empty").first).to_be_visible()
            opened += (
                max(0, total(page))
                if page.get_by_role("dialog").locator("[data-total]").count()
                else 0
            )
            close(page)
        page.get_by_role("application").focus()
        keys.press("ArrowRight")
        keys.press("ArrowRight")

    assert opened >= CAME["signup_started"]


def test_a_filter_and_a_breakdown_narrow_what_is_shown_and_stand_in_the_address(
    board: Board,
) -> None:
    page = board.go("/explore?v=1&e=page_view:unique_people")

    page.get_by_role("button", name="Filters for everything").click()
    choose(page, "Field", "country")
    choose(page, "Value", "DE")
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Break down by").click()
    choose(page, "Break down by", "country")
    board.settle()

    expect(page).to_have_url(re.compile(r"f=country%3Aequals%3ADE.*b=country"))
    expect(page.get_by_role("list", name="Series").get_by_role("button")).to_have_text("DE6")
    expect(page.get_by_role("heading", level=2)).to_have_text(
        "People who did page_view per day, last 30 days, by country, where country is DE"
    )


def test_the_table_beside_a_chart_has_the_numbers_and_the_menu_says_where_they_are_from(
    board: Board,
) -> None:
    page = board.go("/explore?v=1&e=signup_viewed&i=year&r=12mo")

    page.get_by_role("button", name="More about this answer").click()
    page.get_by_role("menuitem", name="View as table").click()
    cells = page.get_by_role("table").get_by_role("cell")
    expect(cells.filter(has_text=re.compile(r"^12$")).first).to_be_visible()
    page.get_by_role("button", name="More about this answer").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Download CSV").click()
    page.get_by_role("button", name="More about this answer").click()
    page.get_by_role("menuitem", name="About these numbers").click()

    assert "12" in saved.value.path().read_text("utf-8")
    expect(page.get_by_role("dialog")).to_contain_text("left out")
    expect(page.get_by_role("dialog")).to_contain_text('"signup_viewed"')
    close(page)


def test_a_cell_of_retention_opens_as_many_people_as_it_says(board: Board) -> None:
    page = board.go("/retention?v=1&e=page_view&r=30d")
    cell = page.get_by_role("table").get_by_role("button").first
    said = re.search(r": (\d+) of \d+", cell.get_attribute("aria-label") or "")
    assert said is not None

    cell.click()
    expect(page.get_by_role("dialog").locator("[data-total], .empty").first).to_be_visible()

    shown = page.get_by_role("dialog").locator("[data-total]")
    assert int(said[1]) == (total(page) if shown.count() else 0)
    close(page)


def test_a_row_of_the_web_page_narrows_all_of_it(board: Board) -> None:
    page = board.go("/web")
    places = page.get_by_role("region", name="Where visitors are")

    places.get_by_role("button", name="Germany", exact=True).click()
    board.settle()

    expect(page.get_by_text("country is DE", exact=True)).to_be_visible()
    who = page.get_by_role("region", name="Pages").get_by_role("button", name="6 visited: /pricing")
    expect(who).to_have_text("6")
    who.click()
    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(6)
    close(page)


def test_somebody_is_found_and_everything_they_did_is_there(board: Board) -> None:
    page = board.go("/people")

    page.get_by_role("searchbox", name="Search ids and profiles").fill("u04")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="u04").click()

    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text("4 events")
    expect(timeline.get_by_role("listitem")).to_have_count(4)
    expect(page.get_by_role("region", name="Ids")).to_contain_text("u04")


def test_what_arrives_is_seen_live_and_so_is_what_is_refused(board: Board, told: Target) -> None:
    page = board.go("/live")
    expect(page.get_by_text("Following")).to_be_visible()

    told.send({"name": "bell_rang", "user_id": "u77"})
    told.send({"name": "", "user_id": "u78"})

    expect(page.get_by_role("button", name=re.compile("Accepted bell_rang u77"))).to_be_visible()
    page.get_by_role("tab", name="Refused").click()
    expect(page.get_by_role("button", name=re.compile("Refused"))).to_have_count(1)
    page.get_by_role("tab", name="Accepted").click()
    page.get_by_role("button", name=re.compile("bell_rang")).click()
    expect(page.get_by_role("dialog")).to_contain_text('"user_id": "u77"')
    close(page)


def test_what_was_refused_is_kept_with_its_reason_and_what_was_sent(board: Board) -> None:
    page = board.go("/data")

    page.get_by_role("tab", name="Failed").click()
    page.get_by_role("region", name="Data catalogue").get_by_text("NAME_INVALID").last.click()

    expect(page.get_by_text('"note": "<b>bold</b>"').first).to_be_visible()


def test_names_that_would_like_to_be_markup_are_text(board: Board) -> None:
    page = board.go("/data")
    expect(page.get_by_role("link", name=HOSTILE_NAME)).to_be_visible()

    page.get_by_role("link", name=HOSTILE_NAME).click()
    board.settle()
    expect(page.get_by_role("heading", level=2)).to_contain_text(HOSTILE_NAME)
    board.go("/people?v=1&o.search=script")
    page.get_by_role("link", name=re.compile("script")).click()
    board.settle()

    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    assert page.locator("img[src=x]").count() == 0


def test_ctrl_k_finds_a_screen_and_letters_go_to_one(board: Board) -> None:
    page = board.go("/")

    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("rete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Retention")
    page.keyboard.press("g")
    page.keyboard.press("f")

    expect(page.get_by_role("heading", level=1)).to_have_text("Funnels")
    expect(page).to_have_title("Funnels · default · Tallymark")


def test_a_question_that_finds_nothing_says_why_and_offers_a_way_on(board: Board) -> None:
    page = board.go("/explore?v=1&e=page_view&f=country:equals:XX")

    expect(page.get_by_text("The filters leave nothing")).to_be_visible()
    page.get_by_role("button", name="Remove the filters").click()
    board.settle()

    expect(page.get_by_role("list", name="Series").get_by_role("button")).to_contain_text("17")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*SCREENS, "/people/user/u04", FUNNEL, "/no-such-screen"])
def test_every_screen_can_be_used_by_everybody(board: Board, path: str, scheme: Any) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    if path == "/no-such-screen":
        page.goto(board.address + path)
        expect(page.get_by_text("There is no such screen.")).to_be_visible()
    else:
        board.go(path)

    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0


def test_what_opens_over_a_screen_can_be_used_by_everybody_too(board: Board) -> None:
    page = board.go("/explore?v=1&e=page_view&b=country")
    page.set_viewport_size({"width": 1280, "height": 900})

    page.get_by_role("button", name="Filters for everything").click()
    choose(page, "Field", "country")
    page.get_by_role("combobox", name="Value").click()
    expect(page.get_by_role("option", name=re.compile("^DE"))).to_be_visible()
    faults = {"filter": board.faults()}
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More about this answer").click()
    faults["menu"] = board.faults()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Range: last 30 days").click()
    faults["range"] = board.faults()
    page.keyboard.press("Escape")
    for name, key in (("palette", "Control+k"), ("preferences", "?")):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        faults[name] = board.faults()
        close(page)
    page.get_by_role("application").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("tab", name="People")).to_be_visible()
    faults["drawer"] = board.faults()
    close(page)

    assert {name: found for name, found in faults.items() if found} == {}


def test_behind_a_proxy_everything_stays_below_its_path(
    told: Target, browser: BrowserContext
) -> None:
    assert browser.browser is not None
    with below("/stats/team", told.port) as address, browser.browser.new_context() as apart:
        # Apart, because a cookie is for every port of a machine.
        board = Board(apart, told, address)
        page = board.sign_in("/explore?v=1&e=signup")
        board.settle()
        page.get_by_role("link", name="Funnels").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Funnels")

        assert page.url == f"{address}/funnels"
        page.reload()
        board.settle()
        expect(page.get_by_role("heading", level=1)).to_have_text("Funnels")
        assert (board.wrong, board.elsewhere) == ([], [])
        page.close()
