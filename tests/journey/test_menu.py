"""The menu: few entries, the screens that share one as tabs above them, and every address as it was."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.journey.board import Board, begun
from tests.journey.browser import profile
from tests.journey.sdks import Target

ROUTES = Path(__file__).parents[2] / "web" / "src" / "routes.tsx"
SCREENS = re.findall(r'\{ path: "([^":]+)", name', ROUTES.read_text("utf-8"))
MOST_ENTRIES = 14
ENTRIES = [
    "Home", "Explore", "Funnels", "Retention", "Paths", "People & cohorts", "Dashboards", "Live",
    "Page experience", "Data catalogue", "Settings", "Set up",
]  # fmt: skip
TABS = {
    "Trends": "/explore",
    "Web": "/web",
    "Lifecycle": "/lifecycle",
    "Stickiness": "/stickiness",
    "Distribution": "/distribution",
    "SQL": "/sql",
}
VIEWER = "vera@example.org"


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    return begun(server, viewer=VIEWER)


def menu(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Screens")


def entries(page: Page) -> list[str]:
    """Return what the lists of the menu offer, in order."""
    expect(menu(page).get_by_role("link", name="Explore")).to_be_visible()
    return menu(page).get_by_role("listitem").all_inner_texts()


def current(within: Locator) -> Locator:
    return within.locator("[aria-current=page]")


def test_the_menu_has_never_more_than_fourteen_entries(
    board: Board, told: Target, browser: BrowserContext
) -> None:
    page = board.go("/")

    assert entries(page) == ENTRIES
    assert menu(page).get_by_role("link").count() <= MOST_ENTRIES
    assert menu(page).get_by_role("list", name="Understand").get_by_role("link").count() == 6
    with profile(browser) as apart:
        other = Board(apart, told)
        other._user = VIEWER
        page = other.sign_in("/explore")
        assert entries(page) == [one for one in ENTRIES if one != "Set up"]
        tabs = page.get_by_role("navigation", name="Explore").get_by_role("link")
        expect(tabs).to_have_text([one for one in TABS if one != "SQL"])
        page.close()


def test_screens_that_share_an_entry_are_tabs_and_back_goes_back(board: Board) -> None:
    page = board.go("/")
    menu(page).get_by_role("link", name="Explore").click()
    board.settle()
    tabs = page.get_by_role("navigation", name="Explore")

    expect(tabs.get_by_role("link")).to_have_text(list(TABS))
    for name, path in TABS.items():
        tabs.get_by_role("link", name=name).click()
        board.settle()
        assert page.url == board.address + path
        expect(current(tabs)).to_have_text(name)
        expect(current(menu(page))).to_have_text("Explore")
    page.go_back()
    board.settle()

    assert page.url == board.address + TABS["Distribution"]
    expect(page.get_by_role("heading", level=1)).to_have_text("Distribution")
    expect(current(tabs)).to_have_text("Distribution")


def test_people_and_cohorts_are_found_without_a_mouse(board: Board) -> None:
    page = board.go("/people/user/u04")
    tabs = page.get_by_role("navigation", name="People & cohorts")
    expect(current(menu(page))).to_have_text("People & cohorts")

    current(tabs).focus()
    for name in ("Accounts", "Cohorts"):
        page.keyboard.press("Tab")
        expect(tabs.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    board.settle()

    expect(page.get_by_role("heading", level=1)).to_have_text("Cohorts")
    expect(current(menu(page))).to_have_text("People & cohorts")


@pytest.mark.parametrize("path", SCREENS)
def test_every_address_is_what_it_was_and_stands_in_one_entry(board: Board, path: str) -> None:
    page = board.go(path)

    assert page.url == board.address + path
    expect(current(menu(page))).to_have_count(1)
    expect(page.locator("#content").get_by_role("heading", level=1)).to_be_visible()


def test_the_palette_finds_what_is_a_tab_as_what_is_an_entry(board: Board) -> None:
    page = board.go("/")

    for typed, path in (
        ("sticki", "/stickiness"),
        ("page exp", "/experience"),
        ("coho", "/cohorts"),
    ):
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Search").fill(typed)
        page.keyboard.press("Enter")
        board.settle()
        assert page.url == board.address + path


def test_on_a_narrow_screen_the_tab_one_is_at_is_in_sight(board: Board) -> None:
    page = board.page
    page.set_viewport_size({"width": 320, "height": 700})
    board.go("/distribution")

    expect(current(page.get_by_role("navigation", name="Explore"))).to_be_in_viewport(ratio=0.9)
    board.go("/data")
    expect(current(menu(page))).to_be_in_viewport(ratio=0.9)
    assert board.too_wide() <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
