"""Cohorts on the page: built with a live count, listed with who is in them, held beside each other, used as filters."""

import re
import time
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.journey.board import PERSON, Board, let_in
from tests.journey.browser import PATIENCE_SECONDS, profile
from tests.journey.sdks import Target

_DAY = 86_400_000
# How often each opened something in the last days, and whether they bought.
OPENED = {"a": 3, "b": 4, "c": 5, "d": 2, "e": 3}
BOUGHT = ("b",)
HOSTILE = '"><script>alert(1)</script>'


def history() -> list[dict[str, Any]]:
    now = time.time_ns() // 1_000_000
    events: list[dict[str, Any]] = []
    for user, times in OPENED.items():
        events += [
            {"name": "opened", "user_id": user, "time": now - (at + 1) * _DAY, "properties": {"plan": "pro" if user in "ab" else "free"}}
            for at in range(times)
        ]  # fmt: skip
    # Long ago does not count within 14 days.
    events += [{"name": "opened", "user_id": "d", "time": now - 40 * _DAY}] * 3
    events += [{"name": "bought", "user_id": user, "time": now - _DAY} for user in BOUGHT]
    events.append({"name": "opened", "user_id": HOSTILE, "time": now - 30 * _DAY})
    return [{"id": f"c{at}", **event} for at, event in enumerate(events)]


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, PERSON, role="analyst")
    let_in(server, "vera@example.org", role="viewer")
    assert server.send(history()).status == 202
    server.wait_until_loaded()
    return server


@pytest.fixture(scope="module")
def defined(told: Target) -> Target:
    """The server with two cohorts, whichever tests ran before."""
    at = "/tm/v1/projects/default/cohorts"
    often = {"op": "did", "event": "opened", "at_least": 3, "range": "14d"}
    bought = {"op": "did", "event": "bought", "range": "14d"}
    regulars = {"op": "and", "members": [often, {"op": "not", "member": bought}]}
    assert told.own("PUT", f"{at}/regulars", {"who": regulars}).status == 200
    assert told.own("PUT", f"{at}/buyers", {"who": bought}).status == 200
    return told


def choose(page: Page, box: str, option: str, within: Any = None) -> None:
    field = (within or page).get_by_role("combobox", name=box)
    field.click()
    field.fill(option)
    page.get_by_role("option", name=re.compile(rf"^{re.escape(option)}(\s|$)")).first.click()


def counted(page: Page, n: int) -> None:
    words = "1 person is" if n == 1 else f"{n} people are"
    expect(page.get_by_text(f"{words} in it now")).to_be_visible()


def listed(page: Page) -> set[str]:
    """Return who is in the cohort that is open."""
    who = page.get_by_role("region", name="Who is in it")
    expect(who.locator("[data-total]")).to_be_visible()
    return set(who.get_by_role("rowheader").all_inner_texts())


def test_those_who_did_one_thing_often_and_not_another_are_built_by_rules(
    board: Board, told: Target
) -> None:
    page = board.go("/cohorts")
    expect(page.get_by_text("There are no cohorts yet")).to_be_visible()
    page.get_by_role("button", name="New cohort").click()
    page.get_by_label("Name").fill("Often, no purchase")
    expect(page.get_by_label("Name")).to_have_value("often_no_purchase")
    rules = page.get_by_role("list").filter(has=page.get_by_label("Kind"))
    first = rules.get_by_role("listitem", name="Rule 1")
    choose(page, "Event", "opened", first)
    first.get_by_label("at least").fill("3")
    first.get_by_label("within").fill("14")
    counted(page, 4)

    page.get_by_role("button", name="Add a rule").click()
    second = rules.get_by_role("listitem", name="Rule 2")
    second.get_by_label("Kind").select_option("didnot")
    choose(page, "Event", "bought", second)
    second.get_by_label("within").fill("14")
    counted(page, 3)
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("often_no_purchase")
    assert listed(page) == {"a", "c", "e"}
    kept = told.own("GET", "/tm/v1/definitions").json()["definitions"]["cohorts"]
    assert kept["often_no_purchase"]["who"] == {
        "op": "and",
        "members": [
            {"op": "did", "event": "opened", "at_least": 3, "range": "14d"},
            {"op": "not", "member": {"op": "did", "event": "bought", "range": "14d"}},
        ],
    }


def test_a_list_of_ids_is_pasted_and_two_cohorts_are_held_beside_each_other(
    board: Board, defined: Target
) -> None:
    page = board.go("/cohorts?edit=")
    page.get_by_label("Name").fill("pasted")
    page.get_by_label("It holds").select_option("ids")
    page.get_by_label("User or anonymous ids, one a line").fill("a\nb, c\n a \nnobody")
    expect(page.get_by_text("4 ids")).to_be_visible()
    counted(page, 3)
    page.get_by_role("button", name="Save").click()
    assert listed(page) == {"a", "b", "c"}

    overlap = page.get_by_role("region", name="Overlap of two")
    overlap.get_by_label("With").select_option("regulars")

    expect(overlap.locator("[data-overlap=a]")).to_have_text("1")
    expect(overlap.locator("[data-overlap=both]")).to_contain_text("2")
    expect(overlap.locator("[data-overlap=both]")).to_contain_text("66.7% of pasted")
    expect(overlap.locator("[data-overlap=b]")).to_have_text("1")


def test_a_property_makes_a_cohort_and_it_is_changed_afterwards(board: Board) -> None:
    page = board.go("/cohorts?edit=")
    page.get_by_label("Name").fill("payers")
    page.get_by_label("Kind").select_option("is")
    page.get_by_role("button", name="Add filter").click()
    choose(page, "Field", "plan")
    choose(page, "Value", "pro")
    page.get_by_role("button", name="Done").click()
    counted(page, 2)
    page.get_by_role("button", name="Save").click()
    assert listed(page) == {"a", "b"}

    page.get_by_role("button", name="Change").click()
    page.get_by_label("Kind").select_option("isnot")
    page.get_by_role("button", name="Save").click()

    assert {"c", "d", "e"} <= listed(page)
    assert "a" not in listed(page)


def test_a_cohort_is_used_as_a_filter_and_opened_from_the_list(
    board: Board, defined: Target
) -> None:
    page = board.go("/cohorts")
    row = page.get_by_role("row").filter(has_text="regulars")
    expect(row).to_contain_text("did opened at least 3 times in the last 14 days and did not do bought")  # fmt: skip
    expect(row.get_by_role("cell").last).to_have_text("3")
    row.get_by_role("link").click()

    page.get_by_role("link", name="Use it as a filter").click()
    board.settle()

    expect(page.get_by_role("heading", level=2)).to_contain_text("is in the cohort regulars")  # fmt: skip
    expect(page.get_by_role("button", name="is in the cohort regulars", exact=True)).to_be_visible()  # fmt: skip
    page.get_by_label("Chart").select_option("number")
    expect(page.get_by_role("button", name=re.compile("^3$"))).to_be_visible()


def test_a_cohort_of_a_file_that_the_form_cannot_write_stays_whole(
    board: Board, told: Target
) -> None:
    odd = {"who": {"op": "did", "event": "opened", "counted": "days", "at_least": 2, "range": "30d"}, "description": HOSTILE}  # fmt: skip
    assert told.own("PUT", "/tm/v1/projects/default/cohorts/of_a_file", odd).status == 200
    page = board.go("/cohorts?open=of_a_file")

    expect(page.get_by_text(HOSTILE)).to_be_visible()
    expect(page.get_by_text("it is changed there")).to_be_visible()
    expect(page.get_by_role("button", name="Change")).to_have_count(0)


def test_a_cohort_in_use_is_kept_and_one_that_is_not_is_removed(
    board: Board, defined: Target
) -> None:
    uses = {"who": {"op": "in_cohort", "cohort": "buyers"}}
    assert defined.own("PUT", "/tm/v1/projects/default/cohorts/uses_it", uses).status == 200
    page = board.go("/cohorts?open=buyers")
    page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog.get_by_role("alert")).to_contain_text("uses_it")
    board.wrong.clear()  # The browser tells of the refusal, as it should.

    board.go("/cohorts?open=uses_it")
    page.get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Remove").click()

    expect(page.get_by_role("rowheader", name="buyers", exact=True)).to_be_visible()
    expect(page.get_by_role("rowheader", name="uses_it", exact=True)).to_have_count(0)


def test_a_viewer_looks_at_cohorts_and_changes_none(
    defined: Target, browser: BrowserContext
) -> None:
    with profile(browser) as apart:
        board = Board(apart, defined)
        board._user = "vera@example.org"
        page = board.sign_in("/cohorts?open=buyers")
        board.settle()
        expect(page.get_by_role("link", name="Use it as a filter")).to_be_visible()
        expect(page.get_by_role("button", name="Change")).to_have_count(0)
        expect(page.get_by_role("button", name="Remove")).to_have_count(0)

        board.go("/cohorts?edit=buyers")

        expect(page.get_by_role("alert")).to_contain_text("ROLE_TOO_LOW")
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/cohorts", "/cohorts?open=regulars", "/cohorts?edit=regulars"])  # fmt: skip
def test_cohorts_can_be_used_by_everybody(
    board: Board, defined: Target, path: str, scheme: Any
) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    board.go(path)

    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0
