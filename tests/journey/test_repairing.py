"""What failed is looked at, repaired and replayed from the page, and then counts once."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.journey.board import PERSON, Board, let_in
from tests.journey.browser import PATIENCE_SECONDS, eventually, profile
from tests.journey.sdks import Target

EVENT = "checkout"
PLAN: dict[str, Any] = {
    "events": [
        {
            "event": EVENT,
            "version": "1-0-0",
            "on": {"invalid": "quarantine", "missing_required": "quarantine"},
            "properties": {
                "amount": {"type": "number", "required": True},
                "currency": {"type": "string", "enum": ["EUR", "USD"], "required": True},
            },
        }
    ]
}


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    """The server with a plan, and three checkouts of which only one is as planned."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, PERSON, role="analyst")
    let_in(server, "vera@example.org", role="viewer")
    assert server.own("PUT", "/tm/v1/projects/default/plan", PLAN).status == 200
    checkouts = [
        {"id": "good", "properties": {"amount": 9.5, "currency": "EUR"}},
        {"id": "text", "properties": {"amount": "EUR 12.50", "currency": "EUR"}},
        {"id": "other", "properties": {"amount": "EUR 7", "currency": "EUR"}},
        {"id": "bare", "properties": {"amount": 3}},
    ]
    server.send([{"name": EVENT, "user_id": "<i>ana</i>", **one} for one in checkouts])
    server.send({"name": "", "user_id": "u-1", "properties": {"note": "<b>bold</b>"}})
    server.send({"name": "unplanned", "user_id": "u-1"})
    server.wait_until_loaded()
    return server


def add(page: Page, number: int, do: str, **fields: str) -> None:
    """Add a step to a repair, and fill it in."""
    page.get_by_role("button", name="Add a step").click()
    step = page.get_by_role("group", name=f"Step {number}", exact=True)
    step.get_by_label("Do").select_option(label=do)
    for label, value in fields.items():
        field = step.get_by_label(label, exact=True)
        if label == "Type":
            field.select_option(label=value)
        else:
            field.fill(value)


def ids(server: Target) -> list[str]:
    return sorted(one["id"] for one in server.named(EVENT))


def test_an_event_that_failed_is_repaired_and_replayed_and_counts_once(
    board: Board, told: Target
) -> None:
    assert ids(told) == ["good"]
    page = board.go("/data?tab=failed")
    page.get_by_role("button", name="SCHEMA_TYPE 2").click()
    expect(page).to_have_url(re.compile("code=SCHEMA_TYPE"))
    page.get_by_role("button", name="Repair and replay").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("2 open failures with SCHEMA_TYPE")

    add(page, 1, "Replace within a text", Field="properties.amount", Pattern="^EUR ", With="")
    drawer.get_by_role("button", name="Try it").click()
    expect(drawer.get_by_text("2 would still fail")).to_be_visible()
    expect(drawer.get_by_role("button", name=re.compile("Replay"))).to_have_count(0)
    add(page, 2, "Change the type of a field", Field="properties.amount", Type="number")
    drawer.get_by_role("button", name="Try it").click()
    expect(drawer.get_by_text("2 would count")).to_be_visible()
    # The newest is told first or last; either way both sides of it are there.
    expect(drawer.get_by_label("Before").first).to_contain_text('"amount": "EUR')
    expect(drawer.get_by_label("After").first).to_contain_text(re.compile(r'"amount": (12\.5|7)'))
    assert ids(told) == ["good"]
    drawer.get_by_role("button", name="Replay 2").click()
    expect(drawer.get_by_text("2 events now count.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(drawer).to_have_count(0)

    eventually(lambda: ids(told) == ["good", "other", "text"], "the replayed do not count")
    expect(page.get_by_role("button", name="SCHEMA_TYPE 2")).to_have_count(0)
    told.send({"name": EVENT, "user_id": "<i>ana</i>", "id": "text", "properties": {"amount": 12.5, "currency": "EUR"}})  # fmt: skip
    assert ids(told) == ["good", "other", "text"]


def test_one_failure_is_repaired_alone_and_a_step_may_hold_only_where_something_is_missing(
    board: Board, told: Target
) -> None:
    page = board.go("/data?tab=failed&code=SCHEMA_REQUIRED")
    page.get_by_role("list", name="Failed").locator("summary").click()
    expect(page.get_by_label("What was sent")).to_contain_text('"amount": 3')
    page.get_by_role("button", name="Repair only this one").click()

    add(page, 1, "Set a field", Field="properties.currency", Value="USD")
    page.get_by_label("Only where it is missing").check()
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Replay 1").click()

    expect(page.get_by_text("1 event now counts.")).to_be_visible()
    eventually(lambda: "bare" in ids(told), "the repaired event does not count")
    (bare,) = [one for one in told.named(EVENT) if one["id"] == "bare"]
    assert bare["properties"] == {"amount": 3, "currency": "USD"}


def test_what_was_sent_is_shown_as_text_and_can_be_ignored(board: Board, told: Target) -> None:
    page = board.go("/data?tab=failed&code=NAME_INVALID")
    page.get_by_role("list", name="Failed").locator("summary").click()
    expect(page.get_by_label("What was sent")).to_contain_text('"note": "<b>bold</b>"')

    page.get_by_role("button", name="Repair and replay").click()
    page.get_by_role("button", name="Ignore them").click()

    expect(page.get_by_text("1 failure is ignored from now on.")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    page.get_by_label("Status").select_option("ignored")
    expect(page.get_by_role("list", name="Failed").get_by_role("listitem")).to_have_count(1)
    told.wait_until_loaded()


def test_the_plan_stands_beside_what_came_and_beside_its_earlier_versions(
    board: Board, told: Target
) -> None:
    page = board.go("/data?tab=plan")

    table = page.get_by_role("region", name="What is not as planned").get_by_role("table")
    expect(table.get_by_role("row").filter(has_text="unplanned")).to_contain_text("Not in the plan")
    expect(table.get_by_role("row").filter(has_text=EVENT)).to_contain_text("As planned")
    later: dict[str, Any] = {"events": [{**PLAN["events"][0], "version": "1-0-1", "properties": {**PLAN["events"][0]["properties"], "coupon": {"type": "string"}}}, {"event": "cancelled", "version": "1-0-0", "properties": {}}]}  # fmt: skip
    assert told.own("PUT", "/tm/v1/projects/default/plan", later).status == 200
    board.go("/data?tab=plan")

    expect(table.get_by_role("row").filter(has_text="cancelled")).to_contain_text("Never came")
    expect(table.get_by_role("row").filter(has_text=EVENT)).to_contain_text("not seen: coupon")
    changes = page.get_by_role("region", name="From version to version").get_by_role("table")
    expect(changes.get_by_role("row").filter(has_text="properties.coupon")).to_contain_text("it is new")  # fmt: skip


def test_an_event_that_never_was_is_said_to_never_have_been(board: Board) -> None:
    page = board.go("/explore?v=1&e=chekout")
    expect(page.get_by_text("There never was an event “chekout”")).to_be_visible()

    page.get_by_role("link", name="See the events there are").click()

    expect(page.get_by_role("link", name=EVENT, exact=True)).to_be_visible()


def test_a_viewer_sees_what_failed_and_repairs_nothing(
    told: Target, browser: BrowserContext
) -> None:
    with profile(browser) as apart:
        board = Board(apart, told)
        board._user = "vera@example.org"
        page = board.sign_in("/data?tab=failed&code=SCHEMA_TYPE")
        board.settle()

        expect(page.get_by_role("list", name="Failed").get_by_role("listitem").first).to_be_visible()  # fmt: skip
        expect(page.get_by_role("button", name="Repair and replay")).to_have_count(0)
        refused = page.evaluate(
            "fetch('/tm/v1/projects/default/failed/replay', {method: 'POST', body: '{}'}).then(a => a.json())"
        )
        assert refused["code"] == "CSRF_INVALID"
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_repairing_can_be_done_by_everybody(board: Board, told: Target, scheme: Any) -> None:
    told.send({"name": EVENT, "id": f"again-{scheme}", "properties": {"amount": "x" * 300, "currency": "EUR"}})  # fmt: skip
    told.wait_until_loaded()
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    faults: dict[str, list[str]] = {}
    for path in ("/data?tab=plan", "/data?tab=drift", "/data?tab=failed&code=SCHEMA_TYPE"):
        page.set_viewport_size({"width": 1280, "height": 900})
        board.go(path)
        faults[path] = board.faults()
        page.set_viewport_size({"width": 320, "height": 700})
        page.wait_for_timeout(100)
        assert board.too_wide() <= 0, path
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="Repair and replay").click()
    add(page, 1, "Change the type of a field", Field="properties.amount", Type="number")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("1 would still fail")).to_be_visible()
    faults["drawer"] = board.faults()
    page.set_viewport_size({"width": 320, "height": 700})
    assert board.too_wide() <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="Ignore them").click()
    expect(page.get_by_text("1 failure is ignored")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    told.wait_until_loaded()

    assert {name: found for name, found in faults.items() if found} == {}
