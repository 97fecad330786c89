"""The page of a link as whoever was sent it sees it: light, below any path, and without small groups."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect
from tests.journey.board import STEPS, Board, begun, below
from tests.journey.browser import profile
from tests.journey.sdks import Target

# The server of this file stands behind a proxy that says below which path it is.
SETTINGS: dict[str, Any] = {"trusted_proxies": "127.0.0.1/32"}
SHOP = "/tm/v1/projects/default"
VIEWED = {"series": [{"event": "signup_viewed"}], "range": "90d", "interval": "month"}
CONFIRMED = {"series": [{"event": "email_confirmed"}], "range": "90d", "interval": "month"}


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    """The server with its history and an owner."""
    return begun(server)


def asked(at: int, insight: str, question: dict[str, Any], address: str) -> dict[str, Any]:
    content = {"insight": insight, "question": question, "address": address}
    return {"kind": "question", "id": f"t{at}", "x": 6 * (at % 2), "y": 8 * (at // 2), "w": 6, "h": 8, "title": f"{insight} {at}", "question": content}  # fmt: skip


def tiles() -> list[dict[str, Any]]:
    steps = "&".join(f"e={step}" for step in STEPS)
    return [
        asked(0, "trends", VIEWED, "v=1&e=signup_viewed&i=month&r=90d"),
        asked(1, "trends", CONFIRMED, "v=1&e=email_confirmed&i=month&r=90d"),
        asked(2, "funnels", {"steps": list(STEPS), "range": "90d"}, f"v=1&{steps}&r=90d"),
        asked(3, "paths", {"range": "90d"}, "v=1&r=90d"),
        asked(4, "retention", {"range": "90d", "interval": "week"}, "v=1&e=&i=week&r=90d"),
        asked(5, "lifecycle", {"range": "90d", "interval": "week"}, "v=1&e=&i=week&r=90d"),
        asked(6, "stickiness", {"range": "90d"}, "v=1&e=&r=90d"),
        asked(7, "web", {"range": "90d"}, "v=1&r=90d"),
    ]


def made_board(told: Target, name: str) -> str:
    made = told.own("POST", f"{SHOP}/dashboards", {"name": name, "tiles": tiles()})
    assert made.status == 201, made.body
    return str(made.json()["id"])


def made_link(told: Target, board: str, **more: Any) -> str:
    made = told.own("POST", f"{SHOP}/shares", {"kind": "dashboard", "target": board, **more})
    assert made.status == 201, made.body
    return str(made.json()["token"])


@contextmanager
def guest(browser: BrowserContext) -> Iterator[tuple[Page, list[str]]]:
    """A page of somebody who is nobody, with the scripts it loads; nothing may go wrong on it."""
    with profile(browser) as apart:
        page = apart.new_page()
        scripts: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: _note(request, scripts))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.set_viewport_size({"width": 1280, "height": 900})
        yield page, scripts
        page.close()
        assert wrong == []


def _note(request: Request, scripts: list[str]) -> None:
    found = re.search(r"/assets/([a-z-]+?)-[^/]*\.js$", request.url)
    if found:
        scripts.append(found[1])


def shown(page: Page) -> None:
    """Wait until every tile shows what it was asked for."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)


def test_the_page_of_a_link_loads_none_of_the_application(
    told: Target, browser: BrowserContext
) -> None:
    token = made_link(told, made_board(told, "Light"), min_group=0)

    with guest(browser) as (page, scripts):
        page.goto(f"{told.url}/share/{token}")
        shown(page)
        expect(page.locator("[data-chart=sankey]")).to_be_visible()

    assert "shared" in scripts
    assert "views" in scripts
    assert {"kit", "index", "explore", "funnels"}.isdisjoint(scripts)


def test_the_page_of_a_link_is_there_below_any_path(told: Target, browser: BrowserContext) -> None:
    token = made_link(told, made_board(told, "Below"), min_group=0)

    with below("/stats/team", told.port) as address, guest(browser) as (page, _):
        page.goto(f"{address}/share/{token}")
        shown(page)
        expect(page.get_by_role("list", name="Series").first).to_contain_text("12")


def test_a_link_keeps_small_groups_back_on_every_tile_and_says_so(
    told: Target, browser: BrowserContext
) -> None:
    token = made_link(told, made_board(told, "Small"))

    with guest(browser) as (page, _):
        page.goto(f"{told.url}/share/{token}")
        shown(page)
        tile = page.locator("[data-tile]")
        expect(tile.nth(0).get_by_role("list", name="Series")).to_contain_text("12")
        expect(tile.nth(0).locator("[data-kept-back]")).to_have_count(0)
        expect(tile.nth(1).get_by_role("list", name="Series")).to_contain_text("few")
        expect(tile.nth(1).locator("[data-kept-back]")).to_contain_text("fewer than 10 people")
        steps = tile.nth(2).locator(".funnel-step")
        expect(steps.nth(0)).to_contain_text("12")
        for place in (1, 2, 3):
            expect(steps.nth(place)).to_contain_text("few")
            expect(steps.nth(place)).not_to_contain_text("NaN")
        expect(tile.nth(3).get_by_role("alert")).to_contain_text("paths")
        expect(page.get_by_text("NaN")).to_have_count(0)


def test_no_answer_behind_a_link_has_a_number_of_few_people(told: Target) -> None:
    token = made_link(told, made_board(told, "Numbers"))
    counts = {"people", "count", "returned", "active", "new", "returning", "resurrecting", "dormant", "entered", "dropped", "visitors", "visits", "of"}  # fmt: skip

    for at in range(8):
        answer = told.call("POST", f"/tm/v1/shared/{token}/tiles/t{at}")
        assert answer is not None
        if at == 3:
            assert (answer.status, answer.json()["code"]) == (403, "SHARE_SMALL")
            continue
        assert answer.status == 200, answer.body
        few = [one for one in numbers(answer.json()["data"], counts) if 0 < one[1] < 10]
        assert few == [], at


def numbers(value: Any, names: set[str], name: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from numbers(one, names, key)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one, names, name)
    elif isinstance(value, int) and not isinstance(value, bool) and name in names:
        yield name, value


def test_whoever_makes_a_link_says_how_small_a_group_may_be_and_is_warned(
    board: Board, told: Target
) -> None:
    page = board.go(f"/dashboards/{made_board(told, 'Warned')}")
    page.get_by_role("button", name="Share", exact=True).click()
    dialog = page.get_by_role("dialog", name="Share Warned")
    least = dialog.get_by_label("Smallest group")
    expect(least).to_have_value("10")
    expect(dialog.get_by_role("alert")).to_have_count(0)
    least.fill("0")
    expect(dialog.get_by_role("alert")).to_contain_text("single people")
    least.fill("25")
    expect(dialog.get_by_role("alert")).to_have_count(0)
    dialog.get_by_label("For whom").fill("Partners")
    dialog.get_by_role("button", name="Make a link").click()

    expect(dialog.get_by_role("row", name=re.compile("Partners"))).to_contain_text("25")
    kept = told.own("GET", f"{SHOP}/shares", None).json()["shares"]
    assert [one["min_group"] for one in kept if one["label"] == "Partners"] == [25]
    page.keyboard.press("Escape")


def test_the_bars_of_a_funnel_have_intervals_where_they_are_wanted(board: Board) -> None:
    path = "/funnels?v=1&r=90d&" + "&".join(f"e={step}" for step in STEPS)
    page = board.go(path)
    expect(page.locator("[data-whisker]")).to_have_count(0)

    page.get_by_label("Uncertainty").select_option("shown")
    expect(page.locator("[data-whisker]")).to_have_count(3)
    whisker = page.locator('[data-step="signup_started"] [data-whisker]')
    # Wilson's interval of 8 of 12.
    assert float(whisker.get_attribute("data-low") or 0) == pytest.approx(0.390622, abs=1e-6)
    assert float(whisker.get_attribute("data-high") or 0) == pytest.approx(0.861880, abs=1e-6)
    expect(page.locator('[data-step="signup_started"]')).to_contain_text("39.1% to 86.2%")
    assert "o.band=shown" in page.url
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("t")
    head = page.get_by_role("columnheader")
    expect(head.filter(has_text="of first, from")).to_be_visible()
    expect(head.filter(has_text="of first, to")).to_be_visible()
    assert board.faults() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_link_can_be_used_by_everybody(
    told: Target, browser: BrowserContext, scheme: Any
) -> None:
    token = made_link(told, made_board(told, f"Everybody {scheme}"))

    with profile(browser) as apart:
        board = Board(apart, told)
        board.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page = board.page
        page.goto(f"{told.url}/share/{token}")
        shown(page)
        faults = board.faults()
        page.set_viewport_size({"width": 320, "height": 700})
        page.wait_for_timeout(100)

        assert faults == []
        assert board.too_wide() <= 0
        # The tile that is refused is told as such by the server.
        assert json.dumps([one for one in board.wrong if "403" not in one]) == "[]"
        page.close()
