"""How pages are experienced, as people see it: in Chromium, on a server where every number is known."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.journey.board import HOSTILE_TEXT, PERSON, Board, let_in
from tests.journey.browser import PATIENCE_SECONDS
from tests.journey.sdks import Target
from tests.journey.visits import BUY, DEPTHS, HOSTILE_ELEMENT, SENT, STARTED, visits

PAGE = "/experience?v=1&o.page=/pricing"
FORM = "/experience?v=1&o.page=/join"


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    """The server, once somebody may sign in and everything happened."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, PERSON, role="viewer")
    assert server.send(visits()).status == 202
    server.wait_until_loaded()
    return server


def who(page: Page) -> list[str]:
    """Return who is listed behind a number, and close the list."""
    drawer = page.get_by_role("dialog")
    expect(drawer.locator("[data-total]")).to_be_visible()
    total = int(drawer.locator("[data-total]").get_attribute("data-total") or -1)
    expect(drawer.get_by_role("link")).to_have_count(total)
    found = sorted(drawer.get_by_role("link").all_inner_texts())
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    return found


def card(page: Page, name: str) -> Locator:
    """Return a part of the screen by its name, to look for things in."""
    return page.get_by_role("region", name=name, exact=True).first


def said(page: Page) -> str:
    """Return what the chart that has the keyboard tells a screen reader."""
    return page.locator(".sr[aria-live=polite]").filter(has_text=re.compile(".")).first.inner_text()


def test_a_page_is_chosen_by_mouse_and_everything_is_about_it(board: Board) -> None:
    page = board.go("/experience")
    expect(page.get_by_text("Choose a page", exact=True)).to_be_visible()

    page.get_by_role("combobox", name="Page").click()
    page.get_by_role("option", name="/pricing 12 views").click()
    board.settle()

    expect(page).to_have_url(re.compile(r"o\.page=%2Fpricing"))
    expect(card(page, "How far it is read")).to_contain_text("12")
    expect(card(page, "Where people click").locator("[data-clicks]")).to_have_count(2)
    page.get_by_role("combobox", name="Page").press("ArrowDown")
    page.get_by_role("option", name="All pages").click()
    board.settle()
    expect(page.get_by_text("Choose a page", exact=True)).to_be_visible()


def test_a_page_is_chosen_by_keyboard_alone(board: Board) -> None:
    page = board.go("/")

    page.keyboard.press("g")
    page.keyboard.press("x")
    page.get_by_role("combobox", name="Page").focus()
    page.keyboard.type("join")
    # Until the pages are known, the one option is that of all of them.
    expect(page.get_by_role("option")).to_have_text([re.compile("^/join")])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    board.settle()

    expect(page.get_by_text("How /join is experienced, last 30 days")).to_be_visible()


def test_clicks_in_vain_are_told_by_element_and_open_to_who_made_them(board: Board) -> None:
    page = board.go(PAGE)
    vain = card(page, "Clicks in vain")

    row = vain.get_by_role("row").filter(has_text=BUY)
    expect(row.get_by_role("cell")).to_have_text(["3", "1", "3", "3"])
    vain.get_by_role("button", name=f"3 people clicked in vain: {BUY}").click()
    assert who(page) == ["u01", "u02", "u03"]
    vain.get_by_role("button", name="4 (33.3%)").click()

    assert who(page) == ["u01", "u02", "u03", "u05"]


def test_the_curve_tells_how_many_views_reach_each_tenth_and_opens_by_keyboard(
    board: Board,
) -> None:
    page = board.go(PAGE)
    curve = card(page, "How far it is read")
    expect(curve.locator("[data-band]")).to_have_count(1)

    curve.get_by_role("application").focus()
    page.keyboard.press("Home")
    first = said(page)
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    at_seventy = said(page)
    page.keyboard.press("Enter")

    assert first.startswith("Share of views that reach so far, 10%: 100%, likely between 72.2% and")
    assert at_seventy.startswith("Share of views that reach so far, 70%: 40%")
    assert who(page) == sorted(user for user, depth in DEPTHS.items() if depth >= 70)


def test_uncertainty_can_be_hidden_and_shown_in_tables_too(board: Board) -> None:
    page = board.go(PAGE)

    page.get_by_label("Uncertainty").select_option("Hidden")
    board.settle()
    expect(card(page, "How far it is read").locator("[data-band]")).to_have_count(0)
    page.get_by_label("Uncertainty").select_option("In tables too")
    board.settle()

    expect(card(page, "Clicks in vain")).to_contain_text(
        re.compile(r"4 \(33\.3% \(13\.8% – 60\.9%\)\)")
    )


def test_a_form_tells_who_saw_started_sent_and_left_it(board: Board) -> None:
    page = board.go(FORM)
    forms = card(page, "Forms")

    row = forms.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name="join", exact=True)
    )
    expect(row).to_contain_text(
        re.compile(r"6\s*6 people\s*4\s*4 people\s*2\s*2 people\s*2\s*2 people\s*50%\s*1 min 0 s")
    )
    for outcome, expected in (
        ("Seen", [f"u{n:02}" for n in range(1, 7)]),
        ("Started", [*STARTED]),
        ("Sent", [*SENT]),
        ("Left", sorted({*STARTED} - {*SENT})),
    ):
        row.get_by_role("button", name=f"{outcome} of join: {len(expected)} people").click()
        assert who(page) == expected


def test_the_heat_of_a_page_is_a_grid_and_a_list_that_say_the_same(board: Board) -> None:
    page = board.go(PAGE)
    heat = card(page, "Where people click")

    cells = heat.locator("[data-clicks]")
    assert sorted(cells.evaluate_all("all => all.map(one => Number(one.dataset.clicks))")) == [1, 3]
    rows = heat.get_by_role("row")
    expect(rows.nth(1)).to_have_text(re.compile(r"^a#logo\s*3\s*75%\s*2$"))
    cells.first.click()
    assert who(page) == ["u01", "u02"]
    heat.get_by_role("button", name="2 people clicked on a#logo").click()
    assert who(page) == ["u01", "u02"]


def test_the_grid_of_clicks_can_be_gone_over_by_keyboard(board: Board) -> None:
    page = board.go(PAGE)

    card(page, "Where people click").get_by_role("application").focus()
    page.keyboard.press("ArrowDown")
    first = said(page)
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    last = said(page)
    page.keyboard.press("Enter")

    assert first == "0 to 5 % of the width, 0 to 100 pixels down: 3 clicks, 2 people"
    assert last == "95 to 100 % of the width, 100 to 200 pixels down: 1 click, 1 person"
    assert who(page) == ["u02"]


def test_what_pages_named_their_elements_and_forms_is_text(board: Board) -> None:
    page = board.go(PAGE)
    expect(card(page, "Clicks in vain").get_by_text(HOSTILE_ELEMENT)).to_be_visible()
    expect(card(page, "Where people click").get_by_text(HOSTILE_ELEMENT)).to_be_visible()

    board.go(FORM)

    expect(card(page, "Forms").get_by_text(HOSTILE_TEXT)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_where_nothing_is_told_the_page_says_what_would_tell_it(board: Board) -> None:
    page = board.go(FORM)

    expect(card(page, "Clicks in vain")).to_contain_text("Nobody clicked in vain")
    expect(card(page, "Clicks in vain")).to_contain_text("t.auto.js")
    expect(card(page, "Where people click")).to_contain_text("data-heatmap")
    board.go(FORM + "&f=country:equals:XX")
    expect(card(page, "Forms")).to_contain_text("The filters leave nothing")
    card(page, "Forms").get_by_role("button", name="Remove the filters").click()
    board.settle()

    expect(page).to_have_url(re.compile(r"/experience\?v=1$"))


def test_a_question_that_the_server_cannot_answer_says_so_in_its_card_alone(board: Board) -> None:
    page = board.page
    page.route("**/tm/v1/ask/forms", lambda route: route.abort())
    board.go("/experience?v=1&o.page=/pricing&r=60d")

    expect(card(page, "Forms").get_by_role("alert")).to_contain_text("cannot be reached")
    expect(card(page, "Clicks in vain")).to_contain_text(BUY)
    page.unroute("**/tm/v1/ask/forms")
    card(page, "Forms").get_by_role("button", name="Try again").click()

    expect(card(page, "Forms")).to_contain_text("No form was started")
    board.wrong.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_in_light_and_dark_and_on_a_narrow_screen(
    board: Board, scheme: str
) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    faults = []
    for path in (PAGE, FORM + "&o.band=everywhere", "/experience"):
        board.go(path)
        faults += board.faults()
    page.set_viewport_size({"width": 320, "height": 800})
    wide = []
    for path in (PAGE, FORM):
        board.go(path)
        wide.append(board.too_wide())
    page.set_viewport_size({"width": 1_280, "height": 720})

    assert faults == []
    assert wide == [0, 0]


def test_the_numbers_are_those_that_the_api_answers(board: Board, told: Target) -> None:
    asked = told.call("POST", "/tm/v1/ask/scroll", {"page": "/pricing"})
    page = board.go(PAGE)

    assert asked is not None
    data = asked.json()["data"]
    assert (data["views"], data["known"], data["mean_percent"]) == (12, 10, 55)
    expect(card(page, "How far it is read").locator(".big-value")).to_have_text(["12", "10", "55%", "5.5 s"])  # fmt: skip
