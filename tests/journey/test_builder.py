"""Questions built from nothing, by mouse and by keyboard, and the numbers they give: those of the API."""

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.journey.board import HOSTILE_TEXT, PERSON, Board, choose, history, let_in
from tests.journey.browser import PATIENCE_SECONDS
from tests.journey.sdks import Target

SIZES = [f"size {number}" for number in range(10)] + [HOSTILE_TEXT]
# signup_viewed by twelve people: six of DE, six of FR; the first three of them came to signup.
DE_OR_PRO = {
    "op": "or",
    "filters": [
        {"op": "equals", "field": "user_id", "value": "u01"},
        {
            "op": "and",
            "filters": [
                {"op": "equals", "field": "country", "value": "FR"},
                {"op": "equals", "field": "properties.plan", "value": "pro"},
            ],
        },
    ],
}


def more() -> list[dict[str, Any]]:
    """Return events of eleven sizes, and one that was done long ago and never again."""
    now = time.time_ns() // 1_000_000
    found: list[dict[str, Any]] = []
    for at, size in enumerate(SIZES):
        found += [
            {"id": f"z{at}-{n}", "name": "sized", "user_id": f"u{n:02}", "time": now - 7_200_000, "properties": {"size": size, "seats": n}}
            for n in range(1, 3 + at)
        ]  # fmt: skip
    long_ago = now - 50 * 86_400_000
    return [*found, {"id": "old", "name": "long_ago", "user_id": "u01", "time": long_ago}]


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, PERSON, role="viewer")
    assert server.send([*history(), *more()]).status == 202
    server.wait_until_loaded()
    return server


def take(page: Page, box: str, typed: str) -> None:
    """Choose in a combobox that has the keyboard or can be given it, without the mouse."""
    page.get_by_role("combobox", name=box).focus()
    page.keyboard.type(typed)
    # The list of the box before may still be closing.
    offered = page.get_by_role("listbox").get_by_role("option").first
    expect(offered).to_have_text(re.compile(rf"^{re.escape(typed)}", re.IGNORECASE))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def press(button: Locator) -> None:
    """Press a button by keyboard."""
    button.focus()
    button.page.keyboard.press("Enter")


def condition(page: Page, field: str, value: str) -> None:
    """Fill in the condition that is open, with the mouse."""
    choose(page, "Field", field)
    choose(page, "Value", value)
    page.get_by_role("button", name="Done").click()


def totals(page: Page) -> list[str]:
    """Return what the legend says of each line."""
    return page.get_by_role("list", name="Series").get_by_role("button").all_text_contents()


def answered(server: Target, question: dict[str, Any]) -> Any:
    """Return what the API answers to a question about the last 30 days."""
    answer = server.call("POST", "/tm/v1/ask/trends", {"range": "30d", **question})
    assert answer is not None
    assert answer.status == 200, answer.body
    return answer.json()["data"]


def test_a_group_within_a_group_is_built_by_mouse_and_gives_the_number_of_the_api(
    board: Board, told: Target
) -> None:
    page = board.go("/explore?v=1&e=signup_viewed:unique_people")

    page.get_by_role("button", name="Add group").click()
    group = page.get_by_role("group", name="Group of filters")
    group.get_by_role("button", name="Add filter").click()
    condition(page, "user id", "u01")
    group.get_by_role("button", name="Add group").click()
    inner = group.get_by_role("group", name="Group of filters")
    for field, value in (("country", "FR"), ("plan", "pro")):
        inner.get_by_role("button", name="Add filter").click()
        condition(page, field, value)
    board.settle()

    asked = {
        "series": [{"event": "signup_viewed", "measure": "unique_people"}],
        "filter": DE_OR_PRO,
    }
    expected = answered(told, asked)["lines"][0]["total"]
    assert expected == 7
    assert totals(page) == [f"People who did signup_viewed{expected}"]
    expect(page.get_by_role("heading", level=2)).to_contain_text("where (user id is u01 or (country is FR and plan is pro))")  # fmt: skip
    expect(inner.get_by_role("button", name="Add group")).to_have_count(0)


def test_a_click_opens_the_list_also_of_a_field_that_has_the_keyboard(board: Board) -> None:
    page = board.go("/explore")
    field, offered = (
        page.get_by_role("combobox", name="Event, Series A"),
        page.get_by_role("listbox"),
    )
    field.click()
    expect(offered).to_be_visible()
    page.keyboard.press("Escape")
    expect(offered).to_have_count(0)
    expect(field).to_be_focused()

    field.click()

    expect(offered).to_be_visible()
    offered.get_by_role("option", name="signup_viewed").click()
    expect(field).to_have_value("signup_viewed")


def test_a_group_is_built_without_a_mouse_and_back_takes_it_away(board: Board) -> None:
    page = board.go("/explore?v=1&e=signup_viewed:unique_people")

    press(page.get_by_role("button", name="Add group"))
    group = page.get_by_role("group", name="Group of filters")
    for country in ("DE", "FR"):
        press(group.get_by_role("button", name="Add filter"))
        take(page, "Field", "country")
        take(page, "Value", country)
        press(page.get_by_role("button", name="Done"))
        expect(page.get_by_role("button", name="Done")).to_have_count(0)
    board.settle()

    expect(page.get_by_role("heading", level=2)).to_contain_text("where (country is DE or country is FR)")  # fmt: skip
    assert totals(page) == ["People who did signup_viewed12"]
    group.get_by_label("What must hold").select_option("All of")
    board.settle()
    expect(page.get_by_text("The filters leave nothing")).to_be_visible()
    page.go_back()
    board.settle()
    assert totals(page) == ["People who did signup_viewed12"]


def test_a_formula_is_built_by_mouse_and_gives_the_number_of_the_api(
    board: Board, told: Target
) -> None:
    page = board.go("/explore?v=1&e=signup_viewed:unique_people")

    page.get_by_role("button", name="Add series").click()
    choose(page, "Event, Series B", "signup_started")
    page.get_by_role("button", name="Add formula").click()
    page.get_by_label("Formula 1", exact=True).fill("b / a")
    page.get_by_role("heading", level=1).click()
    board.settle()

    series = [{"event": one, "measure": "unique_people"} for one in ("signup_viewed", "signup_started")]  # fmt: skip
    line = answered(told, {"series": series, "formulas": ["B / A"]})["lines"][-1]
    assert line["total"] == 0.666666667
    assert totals(page) == ["B / A0.67"]
    page.get_by_label("Lines").select_option("Formulas and series")
    board.settle()
    expect(page.get_by_role("list", name="Series").locator("b")).to_have_text(["12", "8", "0.67"])


def test_a_formula_is_built_without_a_mouse(board: Board) -> None:
    page = board.go("/explore?v=1&e=signup_viewed&e=signup_started")

    press(page.get_by_role("button", name="Add formula"))
    page.keyboard.type("A - B")
    page.keyboard.press("Enter")
    board.settle()

    expect(page).to_have_url(re.compile(r"x=A\+-\+B"))
    assert totals(page) == ["A - B4"]
    # Nobody is behind a difference.
    page.get_by_role("application").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_formula_that_cannot_be_calculated_says_why_and_is_not_asked(board: Board) -> None:
    page = board.go("/explore?v=1&e=signup_viewed")

    page.get_by_role("button", name="Add formula").click()
    field = page.get_by_label("Formula 1", exact=True)
    for typed, why in (("A / B", "no series of that letter"), ("A +", "missing or too much"), ("A; B", "letters, numbers")):  # fmt: skip
        field.fill(typed)
        field.press("Enter")
        expect(page.get_by_text(re.compile(why))).to_be_visible()

    assert "x=" not in page.url
    expect(field).to_have_attribute("aria-invalid", "true")


def test_dates_are_taken_in_words(board: Board) -> None:
    page = board.go("/explore?v=1&e=signup_viewed")

    page.get_by_role("button", name=re.compile("^Range")).click()
    words = page.get_by_label("In words")
    words.fill("next week")
    expect(page.get_by_text("No dates can be read in this.")).to_be_visible()
    words.fill("last 6 weeks")
    words.press("Enter")
    board.settle()
    expect(page).to_have_url(re.compile("r=6w"))
    page.get_by_role("button", name=re.compile("^Range")).click()
    page.get_by_label("In words").fill("2026-03..2026-05")
    page.get_by_role("button", name="Use", exact=True).click()
    board.settle()

    expect(page).to_have_url(re.compile(r"r=2026-03-01\.\.2026-05-31"))


def test_of_many_values_eight_are_shown_and_it_says_of_how_many(board: Board) -> None:
    page = board.go("/explore?v=1&e=sized")

    page.get_by_role("button", name="Break down by").click()
    choose(page, "Break down by", "size")
    board.settle()

    expect(page.locator("[data-groups]")).to_have_text(
        "8 of 11 values are shown; the rest is Other."
    )
    shown = totals(page)
    assert len(shown) == 9
    assert shown[0] == f"{HOSTILE_TEXT}12"
    assert shown[-1] == "Other9"


def test_names_and_values_are_suggested_with_how_often_they_came_in_the_range(
    board: Board,
) -> None:
    page = board.go("/explore?v=1&e=sized")

    page.get_by_role("combobox", name="Event, Series A").click()
    old = page.get_by_role("option", name=re.compile("long_ago"))
    expect(old).to_contain_text("never seen in this period")
    expect(old).to_have_class(re.compile("faint"))
    expect(page.get_by_role("option", name=re.compile("signup_viewed"))).to_contain_text("12 in this period")  # fmt: skip
    page.keyboard.press("Escape")
    board.go("/explore?v=1&e=sized&r=90d")
    page.get_by_role("combobox", name="Event, Series A").click()
    expect(page.get_by_role("option", name=re.compile("long_ago"))).to_contain_text("1 in this period")  # fmt: skip
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Filter", exact=True).click()
    choose(page, "Field", "size")
    page.get_by_role("combobox", name="Value").click()

    expect(page.get_by_role("listbox").get_by_role("option").first).to_have_text(
        f"{HOSTILE_TEXT}12"
    )
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")


def test_bars_are_shares_of_a_hundred_and_an_axis_grows_tenfold(board: Board) -> None:
    page = board.go("/explore?v=1&e=signup_viewed&b=country&d=bar")
    chart = page.locator("svg[data-chart=bar]")

    page.get_by_label("Show as").select_option("Share of 100 %")
    board.settle()
    expect(chart.get_by_text("100%", exact=True)).to_be_visible()
    bars = chart.locator("rect[data-y]").evaluate_all(
        "all => all.map(one => [one.dataset.x, one.height.baseVal.value])"
    )
    heights: dict[str, float] = {}
    for day, height in bars:
        heights[day] = heights.get(day, 0) + height
    page.get_by_label("Show as").select_option("Beside each other")
    page.get_by_label("Axis").select_option("Tenfold (log)")
    board.settle()

    # Whatever the day, its bars are as high together; days of nothing have none.
    assert {round(height) for height in heights.values()} == {0, 244}
    ticks = chart.locator("g > text").all_text_contents()
    assert ticks[:2] == ["0", "1"]


@pytest.mark.parametrize("compare", ["Previous period", "Same weekdays before", "Previous year"])
def test_a_trend_is_held_against_an_earlier_range(board: Board, compare: str) -> None:
    page = board.go("/explore?v=1&e=signup_viewed&r=7d")

    page.get_by_label("Compare").select_option(compare)
    board.settle()

    said = {"Previous period": "period before", "Same weekdays before": "same weekdays before", "Previous year": "year before"}  # fmt: skip
    expect(page.get_by_role("heading", level=2)).to_contain_text(f"compared with the {said[compare]}")  # fmt: skip


def test_a_distribution_is_built_by_mouse_and_opens_to_its_people(board: Board) -> None:
    page = board.go("/distribution")

    choose(page, "What is done", "sized")
    page.get_by_label("Of each").select_option("Sum of")
    choose(page, "Number", "seats")
    board.settle()

    chart = page.locator("svg[data-chart=histogram]")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Sum of seats of sized, of each person")  # fmt: skip
    counts = chart.locator("rect[data-y]").evaluate_all("all => all.map(one => Number(one.dataset.y))")  # fmt: skip
    assert sum(counts) == 12
    expect(chart.locator("[data-line]")).to_have_count(2)


def test_a_distribution_is_built_and_read_without_a_mouse(board: Board) -> None:
    page = board.go("/distribution")

    take(page, "What is done", "sized")
    board.settle()
    page.get_by_role("application").focus()
    page.keyboard.press("End")
    said = page.locator(".sr[aria-live=polite]").filter(has_text=re.compile(".")).first
    expect(said).to_have_text(re.compile(r"^11.*: 2, 16\.7%$"))
    page.keyboard.press("Enter")

    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("link")).to_have_count(2)
    assert sorted(drawer.get_by_role("link").all_inner_texts()) == ["u01", "u02"]
    page.keyboard.press("Escape")


def test_the_map_says_what_its_list_says_and_opens_by_keyboard(board: Board) -> None:
    page = board.go("/web")
    places = page.get_by_role("region", name="Where visitors are")

    shaded = places.locator("[data-country]")
    expect(shaded).to_have_count(2)
    drawn = dict(shaded.evaluate_all("all => all.map(one => [one.dataset.country, Number(one.dataset.value)])"))  # fmt: skip
    assert drawn == {"DE": 6, "FR": 6}
    for country in ("Germany", "France"):
        expect(places.get_by_role("button", name=f"6 visited: {country}")).to_have_text("6")
    places.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(6)
    page.keyboard.press("Escape")


def test_the_ways_people_take_can_be_gone_along_by_keyboard(board: Board) -> None:
    page = board.go("/paths?v=1&o.start=signup_viewed")
    nodes = page.locator("[data-node]")

    nodes.first.focus()
    page.keyboard.press("ArrowRight")
    second = page.locator("[data-node]:focus")
    expect(second).to_have_attribute("aria-label", re.compile("step 2"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-node]:focus")).to_have_attribute("aria-label", re.compile("^signup_viewed 12, step 1"))  # fmt: skip
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(12)
    page.keyboard.press("Escape")


def test_the_curve_of_a_year_has_a_band_that_can_be_hidden(board: Board) -> None:
    page = board.go("/retention?v=1&e=page_view&r=12mo")

    page.get_by_label("Intervals").select_option("52")
    board.settle()
    expect(page.get_by_role("columnheader", name="week 51")).to_have_count(1)
    expect(page.locator("[data-band]")).to_have_count(1)
    page.get_by_label("Uncertainty").select_option("Hidden")
    board.settle()

    expect(page.locator("[data-band]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_what_is_built(board: Board, scheme: str) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    built = (
        "/explore?v=1&e=signup_viewed&e=signup_started&x=B+/+A&b=country"
        "&f=~(or~|country:equals:DE~|~(and~|country:equals:FR~|properties.plan:equals:pro~)~)"
    )
    paths = (built, "/explore?v=1&e=sized&b=properties.size&d=area&o.stack=share",
             "/distribution?v=1&e=sized&o.band=shown", "/web")  # fmt: skip
    faults = []
    for path in paths:
        board.go(path)
        faults += board.faults()
    page.set_viewport_size({"width": 320, "height": 800})
    wide = []
    for path in paths:
        board.go(path)
        wide.append(board.too_wide())
    page.set_viewport_size({"width": 1_280, "height": 720})

    assert faults == []
    assert wide == [0] * len(paths)
