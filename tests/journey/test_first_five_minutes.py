"""The first five minutes, as the tutorial tells them: from the address that ``tallymark demo`` prints to an answer.

What is found is held against the events that the demo is made of, counted here by hand.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from scripts.screenshots import demo
from tests.journey.browser import PATIENCE_SECONDS, chromium, pages, profile

from tallymark.core.clock import DAY, SystemClock
from tallymark.demo import LARGEST_LOSS, events

SCALE = 0.1
STEPS = ("signup_viewed", "signup_started", "email_confirmed", "signup")
WITHIN_US = 14 * DAY
MOST_ACTIONS = 12
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-five-minutes.md"


class Hand:
    """Counts what a person does with it."""

    def __init__(self) -> None:
        self.actions = 0

    def does(self, act: Callable[[], object]) -> None:
        self.actions += 1
        act()


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    with demo(str(SCALE)) as printed:
        yield printed


def stopped(now: int) -> dict[str, set[str]]:
    """Return who came to the step before each step and never to it, in the last 30 days."""
    since = now - now % DAY - 29 * DAY
    told: dict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    for event in events(end=now, scale=SCALE):
        if event["name"] in STEPS:
            told[event["anonymous_id"]][event["id"]] = (event["time"] * 1000, event["name"])
    furthest = {who: _furthest(sorted(done.values()), since) for who, done in told.items()}
    return {
        after: {who for who, step in furthest.items() if step == STEPS.index(before)}
        for before, after in pairwise(STEPS)
    }


def _furthest(done: list[tuple[int, str]], since: int) -> int:
    """Return how far the steps of one person lead, in order and from any first step; -1 for nowhere."""
    best = -1
    for number, (began, name) in enumerate(done):
        if name != STEPS[0] or began < since:
            continue
        reached = 0
        for time, later in done[number + 1 :]:
            if (
                reached + 1 < len(STEPS)
                and later == STEPS[reached + 1]
                and time <= began + WITHIN_US
            ):
                reached += 1
        best = max(best, reached)
    return best


def choose(page: Page, step: int, event: str) -> None:
    """Choose the event of a step with the keyboard."""
    box = page.get_by_role("combobox", name=f"Event, Step {step}")
    box.click()
    box.fill(event)
    page.get_by_role("option", name=re.compile(rf"^{event}\b")).first.click()
    expect(box).to_have_value(event)


def test_twelve_actions_find_where_most_stop_and_who_and_see_a_view_of_ones_own(link: str) -> None:
    answer = stopped(SystemClock().now())
    assert max(answer, key=lambda step: len(answer[step])) == LARGEST_LOSS
    lost = answer[LARGEST_LOSS]
    hand = Hand()
    with chromium() as browser:
        page = browser.new_page()
        hand.does(lambda: page.goto(link))
        hand.does(page.get_by_role("button", name="Sign in").click)
        hand.does(page.get_by_role("link", name="Funnels").click)
        for number, step in enumerate(STEPS, 1):
            if number > 2:
                hand.does(page.get_by_role("button", name="Add step").click)
            hand.does(lambda number=number, step=step: choose(page, number, step))  # type: ignore[misc]

        said = f"Most people stop between signup_started and {LARGEST_LOSS}: {len(lost)}, "
        expect(page.get_by_text(said)).to_be_visible()
        hand.does(page.get_by_role("button", name=f"{len(lost)} stopped before {LARGEST_LOSS}").click)  # fmt: skip
        people = page.get_by_role("dialog").get_by_role("link")
        expect(people).to_have_count(len(lost))
        assert set(people.all_inner_texts()) == lost
        page.keyboard.press("Escape")

        hand.does(page.get_by_role("link", name="Set up").click)
        snippet = page.get_by_label("Snippet: HTML").inner_text()
        expect(page.get_by_text("Following")).to_be_visible()
        with (
            pages({"/my-page": f"<!doctype html><title>Mine</title>{snippet}"}) as site,
            profile(browser) as me,
        ):
            hand.does(lambda: me.new_page().goto(f"{site}/my-page"))
            expect(page.get_by_text(re.compile(r"^page_view /my-page at "))).to_be_visible()

    assert hand.actions <= MOST_ACTIONS


def test_the_tutorial_tells_the_same_steps_and_shows_pictures_that_are_there() -> None:
    text = TUTORIAL.read_text("utf-8")
    pictures: list[str] = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)

    assert all(f"`{step}`" in text for step in STEPS)
    assert pictures
    assert all((TUTORIAL.parent / picture).is_file() for picture in pictures)


def test_the_answer_by_hand_is_that_of_a_story_one_can_follow() -> None:
    def at(*told: tuple[float, int]) -> int:
        return _furthest([(round(day * DAY), STEPS[step]) for day, step in told], since=DAY)

    assert at((1, 0), (1.1, 1), (1.2, 2), (1.3, 3)) == 3
    assert at((0.5, 0), (1.1, 1)) == -1
    assert at((1, 0), (1.1, 2)) == 0
    assert at((1, 0), (16, 1)) == 0
    assert at((1, 0), (2, 0), (15.5, 1)) == 1
