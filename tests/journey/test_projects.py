"""Projects on the page: made with their keys, told apart, gone to; and what of it is for whom."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.faults.answers import call
from tests.journey.board import HOSTILE_NAME, PERSON, Board, let_in
from tests.journey.browser import PATIENCE_SECONDS, profile
from tests.journey.sdks import Target

SWITCHER = "Project"


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, PERSON, role="owner")
    return server


def there(server: Target, name: str, **more: str) -> str:
    """Make a project beside the page; return its id."""
    made = server.own("POST", "/tm/v1/projects", {"name": name, **more})
    assert made.status == 201, made.body
    found: str = made.json()["project"]["id"]
    return found


def row(page: Page, project: str) -> Locator:
    table = page.get_by_role("region", name="Projects").get_by_role("row")
    return table.filter(has=page.get_by_text(project, exact=True))


def fault(page: Page, field: str) -> Locator:
    """Return what the page says is wrong at a field."""
    box = page.get_by_label(field, exact=True)
    expect(box).to_have_attribute("aria-invalid", "true")
    return page.locator(f"[id='{box.get_attribute('aria-describedby')}']")


def test_a_project_is_made_without_a_mouse_and_its_keys_are_shown_once(
    board: Board, told: Target
) -> None:
    page = board.go("/manage?tab=projects")

    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Night shift")
    expect(page.get_by_text("From this name it is night-shift.")).to_be_visible()
    page.keyboard.press("Enter")
    shown = page.get_by_role("dialog", name="Night shift is there")
    keys = {kind: shown.get_by_label(kind).inner_text() for kind in ("Public", "Secret", "Read")}
    assert [key[:3] for key in keys.values()] == ["pk_", "sk_", "rk_"]
    page.keyboard.press("Escape")

    expect(shown).to_have_count(0)
    assert all(key not in page.content() for key in keys.values())
    expect(row(page, "night-shift")).to_contain_text("Owner")
    # Whoever made it stays where they are, and finds it in the menu.
    expect(row(page, "default")).to_contain_text("You are here")
    offered = page.get_by_label(SWITCHER, exact=True).get_by_role("option", name="Night shift")
    expect(offered).to_have_count(1)
    sender = {"Authorization": f"Bearer {keys['Secret']}"}
    sent = call(told.port, "POST", "/tm/v1/events", {"name": "bell_rang", "user_id": "n1"}, sender)
    assert sent is not None
    assert sent.json()["accepted"] == 1


def test_from_its_keys_it_goes_on_to_the_set_up_of_the_new_project(
    told: Target, browser: BrowserContext
) -> None:
    with profile(browser) as apart:
        board = Board(apart, told)
        page = board.sign_in("/manage?tab=projects")
        page.get_by_label("Name", exact=True).fill("Garden")
        page.get_by_label("Time zone").fill("Europe/Berlin")
        page.get_by_role("button", name="Make a project").click()
        shown = page.get_by_role("dialog", name="Garden is there")
        public = shown.get_by_label("Public").inner_text()

        shown.get_by_role("button", name="Set Garden up").click()
        board.settle()

        expect(page).to_have_title("Set up · garden · Tallymark")
        expect(page.get_by_label("Snippet: HTML")).to_contain_text(public)
        board.go("/manage?tab=projects")
        expect(row(page, "garden")).to_contain_text("Europe/Berlin")
        expect(row(page, "garden")).to_contain_text("You are here")
        assert board.wrong == []


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"Name": "Default"}, "Name", "exists already"),
        ({"Name": "Another", "Id": "default"}, "Id", "exists already"),
        ({"Name": "日本"}, "Name", "cannot name a project"),
        ({"Name": "Olympus", "Time zone": "Mars/Olympus"}, "Time zone", "no time zone"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_goes_when_it_is_changed(
    told: Target, browser: BrowserContext, given: dict[str, str], field: str, said: str
) -> None:
    with profile(browser) as apart:
        board = Board(apart, told)
        page = board.sign_in("/manage?tab=projects")
        for name, text in given.items():
            page.get_by_label(name, exact=True).fill(text)
        page.get_by_role("button", name="Make a project").click()

        expect(fault(page, field)).to_contain_text(said)
        assert board.faults() == []
        page.get_by_label(field, exact=True).fill("something-else")

        expect(page.locator("[aria-invalid=true]")).to_have_count(0)


def test_one_goes_to_another_project_from_the_list_the_palette_and_the_menu(
    told: Target, browser: BrowserContext
) -> None:
    there(told, "North"), there(told, "South")
    with profile(browser) as apart:
        board = Board(apart, told)
        page = board.sign_in("/manage?tab=projects")
        row(page, "north").get_by_role("button").click()
        expect(page).to_have_title("Settings · north · Tallymark")

        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Search").fill("south")
        page.get_by_role("dialog").get_by_role("option", name=re.compile("^South")).click()
        expect(page).to_have_title("Settings · south · Tallymark")
        page.reload()
        expect(page).to_have_title("Settings · south · Tallymark")

        page.get_by_label(SWITCHER, exact=True).select_option("north")
        expect(page).to_have_title("Settings · north · Tallymark")
        assert board.wrong == []


def test_who_is_let_into_another_project_stays_in_theirs(
    told: Target, browser: BrowserContext
) -> None:
    there(told, "Zebra"), there(told, "Yak")
    let_in(told, "zoe@example.org", role="viewer", project="zebra")
    with profile(browser) as apart:
        board = Board(apart, told)
        board._user = "zoe@example.org"
        page = board.sign_in("/manage")
        expect(page).to_have_title("Settings · zebra · Tallymark")
        users = told.own("GET", "/tm/v1/users").json()["users"]
        zoe = next(one["id"] for one in users if one["email"] == "zoe@example.org")
        # It stands before theirs in the alphabet.
        more = {"is_owner": False, "projects": {"yak": "viewer", "zebra": "viewer"}}
        assert told.own("PUT", f"/tm/v1/users/{zoe}", more).status == 200
        board.go("/manage?tab=projects")

        expect(row(page, "yak")).to_be_visible()
        expect(row(page, "zebra")).to_contain_text("You are here")


def test_who_is_no_owner_sees_their_own_projects_and_makes_none(
    told: Target, browser: BrowserContext
) -> None:
    there(told, "East"), there(told, "Hidden")
    let_in(told, "una@example.org", role="admin", project="east")
    made = told.own("POST", "/tm/v1/users", {"email": "duo@example.org", "projects": {"default": "viewer", "east": "analyst"}})  # fmt: skip
    told.call("POST", "/tm/v1/password", {"token": made.json()["token"], "password": "correct horse battery staple"})  # fmt: skip

    with profile(browser) as apart:
        alone = Board(apart, told)
        alone._user = "una@example.org"
        page = alone.sign_in("/manage")
        alone.settle()
        expect(page.get_by_role("tab", name="Keys")).to_be_visible()
        expect(page.get_by_role("tab", name="Projects")).to_have_count(0)
        expect(page.get_by_label(SWITCHER, exact=True)).to_have_count(0)
        page.close()
        both = Board(apart, told)
        both._user = "duo@example.org"
        page = both.sign_in("/manage?tab=projects")
        both.settle()
        expect(row(page, "default")).to_contain_text("Viewer")
        expect(row(page, "east")).to_contain_text("Analyst")
        expect(page.get_by_text("hidden", exact=True)).to_have_count(0)
        expect(page.get_by_role("button", name="Make a project")).to_have_count(0)
        expect(page.get_by_text("An owner of this server can make more of them")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_projects_can_be_used_by_everybody(board: Board, told: Target, scheme: Any) -> None:
    there(told, HOSTILE_NAME, id=f"hostile-{scheme}")
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    board.go("/manage?tab=projects")

    expect(row(page, f"hostile-{scheme}")).to_contain_text(HOSTILE_NAME)
    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
