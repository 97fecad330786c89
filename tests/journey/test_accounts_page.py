"""Accounts: found, put in order, opened; who is in one and what it does, now and as of then."""

import csv
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.journey.board import HOSTILE_NAME, HOSTILE_TEXT, Board, begun, below, let_in
from tests.journey.browser import profile
from tests.journey.sdks import Target
from tests.journey.test_home import apart_with, entered

SETTINGS: dict[str, Any] = {"trusted_proxies": "127.0.0.1/32"}
ODD: Final = "50% off/a?b#c"
FORMULA: Final = "=1+1"
MANY: Final = 52
_DAY_MS: Final = 86_400_000


def days_ago(days: int) -> int:
    return time.time_ns() // 1_000_000 - days * _DAY_MS


def acting(name: str, user: str, account: str, days: int = 3, **more: Any) -> dict[str, Any]:
    return {"name": name, "user_id": user, "account": account, "time": days_ago(days), **more}


def told_of(account: str, days: int, **traits: Any) -> dict[str, Any]:
    return {"type": "group", "group_id": account, "time": days_ago(days), "traits": traits}


def uses() -> list[dict[str, Any]]:
    """Return what is done for accounts: Acme's three people, of whom one never did anything."""
    return [
        acting("report_opened", "ana", "acme", 2),
        acting("report_opened", "ana", "acme", 4),
        acting("report_shared", "bo", "acme", 6),
        told_of("acme", 20, plan="free", seats=3),
        told_of("acme", 5, plan="pro"),
        {"type": "group", "group_id": "acme", "user_id": "cy", "time": days_ago(9)},
        acting("report_opened", "dee", "initech", 10),
        acting(HOSTILE_NAME, HOSTILE_TEXT, HOSTILE_TEXT),
        told_of(HOSTILE_TEXT, 3, **{HOSTILE_NAME: HOSTILE_NAME}),
        acting("report_opened", "odd", ODD),
        acting("report_opened", "sum", FORMULA),
        *(acting("report_opened", f"p{n}", f"small-{n:02}", 20) for n in range(MANY)),
    ]


ALL: Final = MANY + 5


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    begun(server)
    assert server.send(uses()).status == 202
    server.wait_until_loaded()
    return server


def names(page: Page) -> list[str]:
    """Return the accounts of the list, in order."""
    return page.get_by_role("region", name="Accounts").get_by_role("rowheader").all_inner_texts()


def row(page: Page, account: str) -> Locator:
    rows = page.get_by_role("region", name="Accounts").get_by_role("row")
    return rows.filter(has=page.get_by_role("link", name=account, exact=True))


def part(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True).first


def test_those_that_use_most_are_first_over_all_pages(board: Board) -> None:
    page = board.go("/accounts")
    expect(page.get_by_text(f"{ALL} accounts")).to_be_visible()
    assert names(page)[0] == "acme"
    expect(page.get_by_role("columnheader", name="Last seen")).to_have_attribute("aria-sort", "descending")  # fmt: skip

    page.get_by_role("columnheader", name="Events").get_by_role("button").click()
    board.settle()
    page.get_by_role("button", name="Show more").click()
    board.settle()

    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    assert (names(page)[0], len(names(page)), len(set(names(page)))) == ("acme", ALL, ALL)
    page.get_by_role("columnheader", name="First seen").get_by_role("button").click()
    board.settle()
    assert "o.order=first_time" in page.url
    assert names(page)[0].startswith("small-")
    page.go_back()
    board.settle()
    assert names(page)[0] == "acme"


def test_an_account_is_found_by_a_property_without_a_mouse(board: Board) -> None:
    page = board.go("/accounts")

    page.get_by_role("searchbox", name="Search ids and properties").focus()
    page.keyboard.type("pro")
    page.keyboard.press("Enter")
    board.settle()
    expect(page.get_by_text("1 account", exact=True)).to_be_visible()
    expect(row(page, "acme")).to_contain_text("plan: pro · seats: 3")
    page.get_by_role("link", name="acme").focus()
    page.keyboard.press("Enter")
    board.settle()

    expect(page.get_by_role("heading", level=1)).to_have_text("acme")
    expect(page).to_have_title("Account · default · Tallymark")


def test_a_number_of_the_list_opens_exactly_whom_it_counts(board: Board) -> None:
    page = board.go("/accounts?v=1&o.search=acme")

    row(page, "acme").get_by_role("button", name="2", exact=True).click()
    shown = page.get_by_role("dialog")
    expect(shown.get_by_text("2 people")).to_be_visible()
    shown.get_by_role("tab", name="Events").click()
    expect(shown.get_by_text("3 events")).to_be_visible()
    shown.get_by_text("report_shared", exact=True).click()
    shown.get_by_role("link", name="acme").click()
    board.settle()

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.url == board.address + "/accounts/acme"


def test_a_number_of_accounts_opens_those_accounts(board: Board) -> None:
    page = board.go("/funnels?v=1&e=report_opened&e=report_shared&o.by=account")

    page.get_by_role("button", name=f"{ALL - 1} came to report_opened").click()
    shown = page.get_by_role("dialog")
    expect(shown.get_by_text(f"{ALL - 1} accounts")).to_be_visible()
    page.keyboard.press("Escape")
    board.go("/explore?v=1&e=report_opened:unique_accounts&d=number")
    page.locator(".big").get_by_role("button", name=str(ALL - 1), exact=True).click()

    expect(shown.get_by_role("tab", name="Accounts")).to_have_attribute("aria-selected", "true")
    expect(shown.get_by_text(f"{ALL - 1} accounts")).to_be_visible()
    page.keyboard.press("Escape")


def test_where_none_is_found_the_reason_is_told(board: Board) -> None:
    page = board.go("/accounts?v=1&o.search=nobody-of-that-name")
    expect(
        page.get_by_text("No account has an id or a property that contains this")
    ).to_be_visible()

    board.go("/accounts?v=1&f=country:equals:XX")
    page.get_by_role("button", name="Remove the filters").click()
    board.settle()
    expect(page.get_by_text(f"{ALL} accounts")).to_be_visible()
    board.go("/accounts?v=1&r=2020-01-01..2020-01-02")

    expect(page.get_by_text("Nothing in this range")).to_be_visible()


def test_before_any_event_names_an_account_it_says_how_one_does(
    told: Target, browser: BrowserContext
) -> None:
    apart_with(told, "without", {"id": "w1", "name": "bell_rang", "user_id": "u1"})
    with profile(browser) as apart:
        board = Board(apart, told)
        page = entered(board, "without", "/accounts")

        expect(page.get_by_text("No event names an account yet")).to_be_visible()
        expect(page.get_by_label("Account", exact=True)).to_contain_text('"account": "acme"')
        board.go("/accounts/acme")
        expect(page.get_by_text("No account is known by this id")).to_be_visible()
        assert [one for one in board.wrong if "404" not in one] == []


def test_all_accounts_are_downloaded_also_those_of_other_pages(
    board: Board, tmp_path: Path
) -> None:
    page = board.go("/accounts")

    with page.expect_download() as saving:
        page.get_by_role("button", name="Download CSV").click()
    saving.value.save_as(tmp_path / "accounts.csv")

    with (tmp_path / "accounts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ALL
    found = {one["account"]: one for one in rows}
    assert (found["acme"]["people"], found["acme"]["events"]) == ("2", "3")
    # What a spreadsheet would reckon with is kept a text.
    assert f"'{FORMULA}" in found


def test_the_people_of_an_account_are_as_many_as_it_says_and_lead_there_and_back(
    board: Board,
) -> None:
    page = board.go("/accounts/acme")
    numbers = part(page, "Account")

    numbers.get_by_role("button", name="3", exact=True).first.click()
    people = page.locator("#account-people")
    expect(people).to_be_focused()
    expect(people.locator("[data-total]")).to_have_attribute("data-total", "3")
    expect(people.get_by_role("rowheader")).to_have_text(["ana", "bo", "cy"])
    expect(people.get_by_role("row").filter(has_text="cy")).to_contain_text("only said to belong")
    people.get_by_role("button", name="2", exact=True).click()
    expect(page.get_by_role("dialog").locator("[data-total='1']")).to_be_visible()
    page.keyboard.press("Escape")
    people.get_by_role("link", name="cy").click()
    board.settle()

    expect(page.get_by_role("heading", level=1)).to_have_text("cy")
    part(page, "Groups").get_by_role("link", name="acme").click()
    board.settle()
    expect(page.get_by_role("heading", level=1)).to_have_text("acme")


def test_what_an_account_uses_and_did_is_told_and_opens(board: Board) -> None:
    page = board.go("/accounts/acme")

    part(page, "What it uses").get_by_role("button", name="report_opened: 2").click()
    expect(page.get_by_role("dialog").get_by_text("1 person")).to_be_visible()
    page.keyboard.press("Escape")
    timeline = part(page, "Timeline")
    expect(timeline).to_contain_text("3 events")
    expect(timeline.get_by_role("listitem")).to_have_count(3)
    part(page, "Account").get_by_role("button", name="3", exact=True).last.click()
    page.get_by_role("dialog").get_by_role("tab", name="Events").click()

    expect(page.get_by_role("dialog").get_by_text("3 events")).to_be_visible()
    page.keyboard.press("Escape")


def test_an_account_is_told_as_of_a_date(board: Board) -> None:
    page = board.go("/accounts/acme")
    expect(part(page, "Properties")).to_contain_text("pro")

    then = datetime.now(UTC) - timedelta(days=7)
    page.get_by_label("As of").fill(then.strftime("%Y-%m-%dT%H:%M"))
    board.settle()

    expect(page.get_by_role("note")).to_contain_text("Everything on this page is as it was on")
    expect(part(page, "Properties")).to_contain_text("free · now pro")
    expect(page.get_by_text("Nothing was done for it until then.")).to_be_visible()
    expect(page.locator("#account-people").get_by_role("rowheader")).to_have_text(["cy"])
    page.reload()
    board.settle()
    expect(part(page, "Properties")).to_contain_text("free · now pro")
    page.get_by_role("button", name="As of now").click()
    board.settle()
    expect(page.locator("#account-people").get_by_role("rowheader")).to_have_count(3)


def test_ids_that_would_like_to_be_markup_or_an_address_are_text(board: Board) -> None:
    page = board.go("/accounts")
    for account in (HOSTILE_TEXT, ODD, FORMULA):
        row(page, account).get_by_role("link").click()
        board.settle()

        expect(page.get_by_role("heading", level=1)).to_have_text(account)
        expect(page.locator("#account-people [data-total]")).to_have_attribute("data-total", "1")
        page.go_back()
        board.settle()
    board.go("/accounts/" + quote(HOSTILE_TEXT, safe=""))
    expect(part(page, "Properties")).to_contain_text(HOSTILE_NAME)
    expect(part(page, "What it uses")).to_contain_text(HOSTILE_NAME)

    assert page.locator("img[src=x]").count() == 0


def test_an_event_that_passes_by_leads_to_its_account(board: Board, told: Target) -> None:
    page = board.go("/live")
    expect(page.get_by_text("Following")).to_be_visible()

    told.send({"name": "bell_rang", "user_id": "eve", "account": "late co"})
    page.get_by_role("button", name=re.compile("bell_rang")).click()
    page.get_by_role("dialog").get_by_role("link", name="late co").click()
    told.wait_until_loaded()
    page.reload()
    board.settle()

    expect(page.get_by_role("heading", level=1)).to_have_text("late co")
    expect(page.locator("#account-people").get_by_role("rowheader")).to_have_text(["eve"])
    board.wrong[:] = [one for one in board.wrong if "404" not in one]


def test_the_palette_and_the_menu_lead_to_accounts(board: Board) -> None:
    page = board.go("/")

    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("acme")
    page.get_by_role("option", name="Find account acme").click()
    board.settle()
    expect(page.get_by_role("heading", level=1)).to_have_text("acme")
    tabs = page.get_by_role("navigation", name="People & cohorts")
    expect(tabs.locator("[aria-current=page]")).to_have_text("Accounts")
    page.keyboard.press("g")
    page.keyboard.press("a")

    expect(page.get_by_role("heading", level=1)).to_have_text("Accounts")


def test_a_viewer_sees_accounts_below_any_path(told: Target, browser: BrowserContext) -> None:
    let_in(told, "vera@example.org", role="viewer")
    assert browser.browser is not None
    with below("/stats/team", told.port) as address, browser.browser.new_context() as apart:
        board = Board(apart, told, address)
        board._user = "vera@example.org"
        page = board.sign_in("/accounts?v=1&o.search=acme")
        board.settle()
        row(page, "acme").get_by_role("link").click()
        board.settle()

        assert page.url == f"{address}/accounts/acme"
        expect(page.locator("#account-people").get_by_role("rowheader")).to_have_count(3)
        assert (board.wrong, board.elsewhere) == ([], [])
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/accounts", "/accounts/acme", "/accounts/nobody"])
def test_accounts_can_be_used_by_everybody(board: Board, path: str, scheme: Any) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    board.go(path)

    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
    board.wrong[:] = [one for one in board.wrong if "404" not in one]
