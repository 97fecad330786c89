"""Saved questions, dashboards, annotations and links, as people use them in a browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.journey.board import HOSTILE_NAME, STEPS, Board, begun
from tests.journey.browser import profile
from tests.journey.sdks import Target

VIEWER = "vera@example.org"
TREND = "/explore?v=1&e=signup_viewed:unique_people&i=month&r=90d"
FUNNEL = "/funnels?v=1&" + "&".join(f"e={step}" for step in STEPS)
HOSTILE = '<img src=x onerror=alert(1)> "quoted"'
PASSWORD_OF_LINK = "a password of four words"


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    """The server with its history, an owner and a viewer."""
    return begun(server, viewer=VIEWER)


@pytest.fixture
def board(board: Board) -> Board:
    """The signed-in page, as wide as a grid of twelve columns wants it."""
    board.page.set_viewport_size({"width": 1280, "height": 900})
    return board


def save_as(page: Page, name: str) -> None:
    dialog = page.get_by_role("dialog", name="Save this question")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)


def made_board(told: Target, name: str, *tiles: dict[str, Any], **more: Any) -> str:
    """Make a dashboard over the API and return its address."""
    content = {"insight": "trends", "question": {"series": [{"event": "signup_viewed"}], "range": "90d", "interval": "month"}, "address": "v=1&e=signup_viewed&i=month&r=90d"}  # fmt: skip
    usual = [
        {"kind": "question", "id": "a", "x": 0, "y": 0, "w": 6, "h": 4, "title": "Viewed", "question": content},
        {"kind": "text", "id": "b", "x": 0, "y": 4, "w": 6, "h": 2, "text": f"# Hello\n**{HOSTILE}** [no](javascript:alert(1))"},
    ]  # fmt: skip
    order = {"name": name, "tiles": list(tiles) or usual, **more}
    made = told.own("POST", "/tm/v1/projects/default/dashboards", order)
    assert made.status == 201, made.body
    return f"/dashboards/{made.json()['id']}"


def test_a_question_is_saved_found_again_edited_and_reverted(board: Board) -> None:
    page = board.go(TREND)

    page.get_by_role("button", name="Save", exact=True).click()
    save_as(page, "Who looked")
    expect(page).to_have_url(re.compile(r"s=who-looked"))
    page.reload()
    board.settle()
    expect(page.locator(".savebar")).to_contain_text("Who looked")
    expect(page.locator(".savebar")).not_to_contain_text("Edited")

    page.get_by_label("Every").select_option("week")
    board.settle()
    expect(page.locator(".savebar")).to_contain_text("Edited")
    page.get_by_role("button", name="Revert").click()
    expect(page.get_by_label("Every")).to_have_value("month")
    page.get_by_label("Every").select_option("week")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".savebar")).not_to_contain_text("Edited")

    board.go("/dashboards")
    page.get_by_role("link", name="Who looked").click()
    board.settle()
    expect(page.get_by_label("Every")).to_have_value("week")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("who looked")
    expect(page.get_by_role("option", name="Who looked")).to_be_visible()
    page.keyboard.press("Escape")


def test_what_somebody_else_saved_meanwhile_is_told_and_can_be_looked_at(
    board: Board, told: Target
) -> None:
    page = board.go(FUNNEL)
    page.get_by_role("button", name="Save", exact=True).click()
    save_as(page, "Sign-up")
    page.get_by_label("Within").select_option("1d")
    expect(page.locator(".savebar")).to_contain_text("Edited")
    kept = told.own("GET", "/tm/v1/saved/sign-up").json()
    theirs = {
        name: kept[name] for name in ("name", "description", "insight", "question", "version")
    }
    changed = told.own("PUT", "/tm/v1/projects/default/saved/sign-up", {**theirs, "address": kept["address"] + "&o.window=7d"})  # fmt: skip
    assert changed.status == 200, changed.body

    page.get_by_role("button", name="Save", exact=True).click()
    said = page.get_by_role("dialog", name="Somebody else saved it meanwhile")
    expect(said).to_contain_text("saved version 2")
    said.get_by_role("button", name="Look at theirs").click()

    expect(page.get_by_label("Within")).to_have_value("7d")
    # The refusal is an answer of the server, which the browser notes as an error.
    board.wrong[:] = [one for one in board.wrong if "409" not in one]


def test_an_answer_is_put_on_a_dashboard_from_its_menu(board: Board) -> None:
    page = board.go(TREND)

    page.get_by_role("button", name="More about this answer").click()
    page.get_by_role("menuitem", name="Add to dashboard").click()
    dialog = page.get_by_role("dialog", name="Add to dashboard")
    dialog.get_by_label("Dashboard", exact=True).select_option("New dashboard")
    dialog.get_by_label("Name").fill(HOSTILE)
    dialog.get_by_role("button", name="Add", exact=True).click()
    dialog.get_by_role("link", name="Open the dashboard").click()
    board.settle()

    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    tile = page.locator("[data-tile]")
    expect(tile).to_have_count(1)
    expect(tile.get_by_role("list", name="Series")).to_contain_text("12")
    assert page.locator("img[src=x]").count() == 0


def test_tiles_are_moved_and_resized_by_key_and_mouse_and_stay_so(
    board: Board, told: Target
) -> None:
    path = made_board(told, "Moving")
    page = board.go(path)
    page.get_by_role("button", name="Edit", exact=True).click()

    page.get_by_role("button", name="Move Viewed").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("Viewed: column 2, row 3, 7 wide, 4 high")).to_be_attached()
    handle = page.get_by_role("button", name="Resize Text")
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 10 + 64, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_visible()

    found = told.own("GET", "/tm/v1" + path).json()
    assert {one["id"]: (one["x"], one["y"], one["w"], one["h"]) for one in found["tiles"]} == {
        "a": (1, 3, 7, 4), "b": (0, 0, 6, 3),
    }  # fmt: skip
    assert found["version"] == 2


def test_the_range_and_filters_of_a_dashboard_hold_for_all_of_it(
    board: Board, told: Target
) -> None:
    path = made_board(told, "Narrow", filters=[{"op": "equals", "field": "country", "value": "DE"}])
    page = board.go(path)
    series = page.get_by_role("list", name="Series")

    expect(series).to_contain_text("6")
    page.get_by_role("button", name="Remove filter Country is DE").or_(page.get_by_role("button", name=re.compile("Remove filter"))).first.click()  # fmt: skip
    expect(series).to_contain_text("12")
    page.get_by_role("button", name=re.compile("^Range")).click()
    page.get_by_role("button", name="Today").click()
    expect(series).to_contain_text("0")


def test_a_tile_that_cannot_be_answered_leaves_the_others_as_they_are(
    board: Board, told: Target
) -> None:
    saved = {"name": "Brief", "insight": "trends", "question": {}, "address": "v=1"}
    gone = told.own("POST", "/tm/v1/projects/default/saved", saved).json()["id"]
    text = {"kind": "text", "id": "b", "x": 6, "y": 0, "w": 6, "h": 4, "text": "Still here"}
    path = made_board(told, "Broken", {"kind": "question", "id": "a", "x": 0, "y": 0, "w": 6, "h": 4, "saved": gone}, text)  # fmt: skip
    assert told.own("DELETE", f"/tm/v1/projects/default/saved/{gone}").status == 200

    page = board.go(path)

    expect(page.get_by_role("alert")).to_contain_text("There is no saved question")
    expect(page.get_by_text("Still here")).to_be_visible()
    board.wrong[:] = [one for one in board.wrong if "404" not in one]


@pytest.mark.parametrize("name", ["Product", "Website", "Sign-up funnel"])
def test_a_dashboard_begins_with_one_that_is_usual(board: Board, name: str) -> None:
    page = board.go("/dashboards")

    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    board.settle()

    assert page.locator("[data-tile]").count() >= 4
    assert page.get_by_role("alert").count() == 0


def test_on_a_wall_only_the_tiles_are_there_until_escape(board: Board, told: Target) -> None:
    page = board.go(made_board(told, "Wall") + "?tv=1")

    expect(page.get_by_role("heading", name="Viewed")).to_be_visible()
    expect(page.get_by_role("navigation", name="Screens")).to_be_hidden()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    page.keyboard.press("Escape")

    expect(page.get_by_role("navigation", name="Screens")).to_be_visible()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_visible()


def test_a_link_is_opened_by_somebody_who_is_nobody_and_ends_when_it_is_ended(
    board: Board, told: Target, browser: BrowserContext
) -> None:
    page = board.go(made_board(told, "For all"))
    page.get_by_role("button", name="Share", exact=True).click()
    dialog = page.get_by_role("dialog", name="Share For all")
    dialog.get_by_label("For whom").fill("The board")
    dialog.get_by_label(re.compile("Password")).fill(PASSWORD_OF_LINK)
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label("Link", exact=True).inner_text().strip()
    assert re.fullmatch(rf"{re.escape(told.url)}/share/[0-9A-Za-z]{{32}}", link)

    with profile(browser) as apart:
        guest = apart.new_page()
        guest.goto(link)
        guest.get_by_label("Password").fill(PASSWORD_OF_LINK)
        guest.get_by_role("button", name="Open").click()
        expect(guest.get_by_role("heading", level=1)).to_have_text("For all")
        expect(guest.get_by_role("list", name="Series")).to_contain_text("12")
        expect(guest.get_by_text(HOSTILE)).to_be_visible()
        assert guest.locator("img[src=x]").count() == 0
        assert guest.get_by_role("link", name="no").count() == 0
        guest.get_by_role("application").focus()
        guest.keyboard.press("Home")
        guest.keyboard.press("Enter")
        assert guest.get_by_role("dialog").count() == 0
        assert apart.cookies() == []

        dialog.get_by_role("button", name="End The board").click()
        expect(dialog.get_by_text("ended")).to_be_visible()
        guest.reload()
        expect(guest.get_by_role("heading", name="This link has ended").first).to_be_attached()
        guest.close()
    page.keyboard.press("Escape")


def test_a_viewer_looks_and_changes_nothing(told: Target, browser: BrowserContext) -> None:
    path = made_board(told, "Looked at")
    with profile(browser) as apart:
        board = Board(apart, told)
        board._user = VIEWER
        page = board.sign_in(path)
        board.settle()
        expect(page.get_by_role("heading", name="Viewed")).to_be_visible()
        for name in ("Edit", "Share"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
        board.go(TREND)
        expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
        page.get_by_role("button", name="More about this answer").click()
        expect(page.get_by_role("menuitem", name="About these numbers")).to_be_visible()
        expect(page.get_by_role("menuitem", name="Add to dashboard")).to_have_count(0)
        expect(page.get_by_role("menuitem", name="Add an annotation")).to_have_count(0)
        page.keyboard.press("Escape")
        board.go("/dashboards")
        expect(page.get_by_role("button", name="New dashboard")).to_have_count(0)
        assert board.wrong == []
        page.close()


def test_an_annotation_is_added_by_key_shown_changed_and_deleted(board: Board) -> None:
    page = board.go("/explore?v=1&e=page_view&i=day&r=30d")
    page.get_by_role("application").focus()
    page.keyboard.press("End")
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Add an annotation")
    dialog.get_by_label("What happened").fill(f"Release {HOSTILE_NAME}")
    dialog.get_by_label("Kind").select_option("release")
    dialog.get_by_role("button", name="Save").click()

    mark = page.get_by_role("button", name=re.compile(r"^Release, .*Release <img"))
    expect(mark).to_be_visible()
    expect(page.locator("[data-mark]")).to_have_count(1)
    mark.focus()
    expect(page.locator(".mark-text")).to_be_visible()
    page.get_by_role("button", name="More about this answer").click()
    page.get_by_role("menuitem", name="View as table").click()
    expect(page.locator("caption")).to_contain_text(f"Release {HOSTILE_NAME}")
    page.get_by_role("button", name="More about this answer").click()
    page.get_by_role("menuitem", name="View as chart").click()
    mark.click()
    page.get_by_role("dialog", name="Change the annotation").get_by_role("button", name="Delete the annotation").click()  # fmt: skip

    expect(page.locator("[data-mark]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dashboards_can_be_used_by_everybody(board: Board, told: Target, scheme: Any) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    path = made_board(told, f"Everybody {scheme}")
    board.go(path)
    faults = {"shown": board.faults()}
    page.get_by_role("button", name="Edit", exact=True).click()
    faults["edited"] = board.faults()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    faults["sharing"] = board.faults()
    page.keyboard.press("Escape")
    board.go("/dashboards")
    faults["list"] = board.faults()

    assert {name: found for name, found in faults.items() if found} == {}
    page.set_viewport_size({"width": 320, "height": 700})
    for address in (path, "/dashboards"):
        board.go(address)
        page.wait_for_timeout(100)
        assert board.too_wide() <= 0
