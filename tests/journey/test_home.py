"""Home: questions to begin with, by what somebody works on; each opens an answer, and none that has none is offered."""

import re
import time
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.faults.answers import call
from tests.journey.board import HOSTILE_NAME, STEPS, Board, begun, let_in
from tests.journey.browser import PATIENCE_SECONDS, profile
from tests.journey.sdks import Target

WORKS = ("Product", "Design", "Marketing", "Analysis", "Engineering")
UNANSWERED = (
    "Nothing in this range",
    "The filters leave nothing",
    "Nothing was recorded yet",
    "Choose at least two steps",
    "This could not be answered",
)
_DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    return begun(server)


def questions(page: Page) -> Locator:
    return page.get_by_role("region", name="Questions to begin with").get_by_role("listitem")


def work(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="What you work on").get_by_role("button", name=name)


def entered(board: Board, project: str, path: str = "/") -> Page:
    """Sign in, in a project of several."""
    page = board.sign_in()
    page.evaluate(f"localStorage.setItem('tallymark.project.1', '{project}')")
    return board.go(path)


def apart_with(server: Target, project: str, *events: dict[str, Any]) -> None:
    """Make a project with these events in it, and nothing else."""
    made = server.own("POST", "/tm/v1/projects", {"name": project})
    assert made.status == 201, made.body
    keys = {one["key"]["kind"]: one["secret"] for one in made.json()["keys"]}
    sender = {"Authorization": f"Bearer {keys['secret']}"}
    if events:
        sent = call(server.port, "POST", "/tm/v1/events", list(events), sender)
        assert sent is not None
        assert sent.json()["accepted"] == len(events)
    asker = {"Authorization": f"Bearer {keys['read']}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status = call(server.port, "GET", "/tm/v1/status", None, asker)
        if status is not None and status.json()["events"] == len(events):
            return
        time.sleep(0.1)
    raise AssertionError(f"{project} is not loaded")


def test_a_question_opens_its_screen_with_the_events_of_the_project(board: Board) -> None:
    page = board.go("/")
    work(page, "Product").click()

    questions(page).get_by_role("link", name="Where do people drop out of sign-up?").click()
    board.settle()

    for number, step in enumerate(STEPS, 1):
        expect(page.get_by_role("combobox", name=f"Event, Step {number}")).to_have_value(step)
    expect(page.get_by_text("Most people stop between signup_started and email_confirmed: 5")).to_be_visible()  # fmt: skip
    page.go_back()
    expect(questions(page).first).to_be_visible()


def test_every_question_that_is_offered_has_an_answer(board: Board) -> None:
    page = board.go("/")
    offered: dict[str, str] = {}
    for name in WORKS:
        work(page, name).click()
        expect(work(page, name)).to_have_attribute("aria-pressed", "true")
        links = questions(page).get_by_role("link").all()
        assert 4 <= len(links) <= 6
        offered |= {link.get_attribute("href") or "": link.inner_text() for link in links}

    assert len(offered) > 12
    # The history has no order, no account and nothing that is called an error.
    assert not any("account" in text or "visitors get to" in text for text in offered.values())
    for path in offered:
        board.go(path)
        for text in UNANSWERED:
            assert page.get_by_text(text).count() == 0, (path, text)


def figures(page: Page) -> Locator:
    return page.get_by_role("region", name="In numbers")


def figure(page: Page, label: str) -> Locator:
    return figures(page).locator(".big").filter(has_text=label)


NUMBERS: Final[dict[str, dict[str, str | None]]] = {
    # Twelve are known of, five of them in the last days, beside one whose name would be markup.
    "Product": {
        "Active people, last 7 days": "6",
        "Completed sign-up": "25%",
        "Came back in week 4": None,
        "Stickiness": None,
    },
    "Design": {"Time per visit": None, "Left after one page": None, "Active people": "13", "Sessions": "18"},
    "Marketing": {
        "Visitors": "13",
        "People who signed up (signup)": "3",
        "Of those who saw a page, signup": "25%",
        "Visitors of the top source": "12",
    },
    "Analysis": {"Events, last 24 hours": "6", "Refused": "0%", "Kinds of events": "6", "Active people": "13"},
    "Engineering": {"Events, last hour": None, "Refused, last 24 hours": "0%", "waiting for repair": "0", f"People who ran into {HOSTILE_NAME}": "1"},
}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
def test_the_numbers_of_home_are_those_of_ones_work(board: Board, name: str) -> None:
    page = board.go("/")
    work(page, name).click()
    expect(figures(page).locator(".big")).to_have_count(4)
    expect(figures(page).get_by_role("status", name="Loading")).to_have_count(0)

    for label, value in NUMBERS[name].items():
        expect(figure(page, label).first).to_be_visible()
        if value is not None:
            expect(figure(page, label).first.locator(".big-value")).to_have_text(value)
    for number in figures(page).get_by_role("button").all():
        shown = number.inner_text()
        before = page.url
        number.click()
        if page.url != before:
            page.go_back()
            continue
        expect(page.get_by_role("dialog").locator("[data-total], .empty").first).to_be_visible()
        told = page.get_by_role("dialog").locator("[data-total]")
        # A share opens those it counts, a number of people exactly them.
        if (
            told.count()
            and "%" not in shown
            and page.get_by_role("dialog")
            .get_by_text(re.compile("Active people|People who|Visitors"))
            .count()
        ):
            assert told.first.get_attribute("data-total") == shown
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_one_works_on_is_chosen_without_a_mouse_and_remembered(
    told: Target, browser: BrowserContext
) -> None:
    with profile(browser) as apart:
        board = Board(apart, told)
        page = board.sign_in("/")
        board.settle()
        expect(work(page, "Product")).to_have_attribute("aria-pressed", "true")
        work(page, "Design").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(questions(page).first).to_contain_text("Where do visitors come from?")
        page.reload()
        board.settle()

        expect(work(page, "Marketing")).to_have_attribute("aria-pressed", "true")
        expect(questions(page).first).to_contain_text("Where do visitors come from?")
        assert board.wrong == []


def test_an_analyst_is_offered_the_questions_of_an_analyst_first(
    told: Target, browser: BrowserContext
) -> None:
    let_in(told, "ana@example.org", role="analyst")
    with profile(browser) as apart:
        board = Board(apart, told)
        board._user = "ana@example.org"
        page = board.sign_in("/")
        board.settle()

        expect(work(page, "Analysis")).to_have_attribute("aria-pressed", "true")
        expect(questions(page).first).to_contain_text("Is use growing?")


def test_of_one_kind_of_event_nothing_is_offered_that_it_cannot_answer(
    told: Target, browser: BrowserContext
) -> None:
    apart_with(told, "single", {"id": "s1", "name": HOSTILE_NAME, "user_id": "u1"})
    with profile(browser) as apart:
        board = Board(apart, told)
        page = entered(board, "single")
        for name in WORKS:
            work(page, name).click()
            assert 4 <= questions(page).count() <= 6
            assert "sign" not in " ".join(questions(page).all_inner_texts()).lower()

        work(page, "Analysis").click()
        questions(page).get_by_role("link", name="What is used most?").click()
        board.settle()
        expect(page.get_by_role("list", name="Series")).to_contain_text(HOSTILE_NAME)
        assert page.locator("img[src=x]").count() == 0
        assert board.wrong == []


def test_where_nothing_came_home_leads_to_set_up(told: Target, browser: BrowserContext) -> None:
    apart_with(told, "empty")
    apart_with(told, "quiet", {"id": "a1", "name": "bell_rang", "user_id": "u1", "time": time.time_ns() // 1_000_000 - 60 * _DAY_MS})  # fmt: skip
    for project, said in (
        ("empty", "Nothing was recorded yet"),
        ("quiet", "Nothing came in the last 30 days"),
    ):
        with profile(browser) as apart:
            board = Board(apart, told)
            page = entered(board, project)
            told_why = page.locator("#content").get_by_role("status").filter(has_text=said)
            expect(told_why).to_be_visible()
            assert questions(page).count() == 0

            told_why.get_by_role("link", name="Set up").click()
            board.settle()
            expect(page).to_have_title(f"Set up · {project} · Tallymark")
            assert board.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_home_can_be_used_by_everybody(board: Board, scheme: Any) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    board.go("/")
    expect(questions(page).first).to_be_visible()

    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
