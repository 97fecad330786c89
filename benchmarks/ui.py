"""How quick the pages are in a browser: the first paint, a click, and a dashboard of eight cards.

    python -m benchmarks.ui [--events N]

The pages are those of the package, in Debian's Chromium, from a server with so many events. A paint is
what the browser itself tells as its first contentful one, of a page that was visited before; a click
is timed from the event to the second frame after it, when what it changed is on the screen. A dashboard
is complete when every card shows its answer; each run asks another range, so that no answer is kept.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import store_fill
from benchmarks.processes import Tallymark, running
from benchmarks.report import Line, finish, note
from benchmarks.workload import START_MS, STEP_MS
from playwright.sync_api import Page, expect, sync_playwright

from tallymark.client import connect
from tallymark.core.clock import rfc3339
from tallymark.core.settings import Settings

EVENTS = 1_000_000
PAINT_MS = 300
CLICK_MS = 100
BOARD_MS = 2000
PROJECT: Final = "default"
_CHROMIUM: Final = "/usr/bin/chromium"
_TIMES: Final = 7
_PATIENCE_MS: Final = 120_000
_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# Two frames: the first is drawn before what the click changed, if it was changed asynchronously.
_CLICK: Final = """button => new Promise(done => {
  const began = performance.now();
  button.click();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""


def measure(events: int = EVENTS) -> list[Line]:
    """Return how long a paint, a click and a dashboard take."""
    note(f"ui: the pages in Chromium, {events:,} events")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = Path(folder) / "data"
        keys = store_fill.serve_filled(data, events, memory_bytes=Settings().store_memory_bytes)
        server = Tallymark(data, keys=keys)
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        with running(server):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(_PATIENCE_MS)
            at = f"http://127.0.0.1:{server.port}"
            _become_owner(page, at, data)
            paint, click = _paint_and_click(page, at)
            board = _board(page, at, events)
        browser.close()
    return [
        _line("first contentful paint of Explore", paint, PAINT_MS),
        _line("a click to the frame after it", click, CLICK_MS),
        _line(f"a dashboard of 8 cards complete, {events / 1e6:g} M events", board, BOARD_MS),
    ]


def _become_owner(page: Page, at: str, data: Path) -> None:
    with connect(data) as client:
        link = f"{at}/setup#{client.owner_link()}"
    page.goto(link)
    page.get_by_label("E-mail address").fill("bench@example.org")
    page.get_by_label("Password").fill("a password of a benchmark")
    page.get_by_role("button", name="Become the owner").click()
    expect(page.get_by_role("navigation", name="Screens")).to_be_visible()


def _paint_and_click(page: Page, at: str) -> tuple[list[float], list[float]]:
    paints: list[float] = []
    clicks: list[float] = []
    for number in range(_TIMES + 1):
        page.goto(f"{at}/explore?v=1&e=old%20event%201")
        _settle(page)
        if number == 0:
            continue
        paints.append(float(page.evaluate(_PAINT)))
        clicks.append(float(page.get_by_role("button", name="Add series").evaluate(_CLICK)))
    return paints, clicks


def _board(page: Page, at: str, events: int) -> list[float]:
    first = START_MS - events * STEP_MS
    took: list[float] = []
    for number in range(_TIMES):
        since, until = (rfc3339(ms * 1000) for ms in (first - number * 1000, START_MS))
        made = page.evaluate(
            """async ([path, body]) => {
              const session = await (await fetch("/tm/v1/session")).json();
              const answer = await fetch(path, {method: "POST", body: JSON.stringify(body), headers: {
                "Content-Type": "application/json", "X-CSRF-Token": session.csrf}});
              return {status: answer.status, body: await answer.json()};
            }""",
            [f"/tm/v1/projects/{PROJECT}/dashboards", _content(since, until, number)],
        )
        assert made["status"] == 201, made
        page.goto(f"{at}/explore")
        _settle(page)
        began = time.perf_counter()
        page.goto(f"{at}/dashboards/{made['body']['id']}")
        expect(page.locator("[data-tile]")).to_have_count(8)
        _settle(page)
        took.append((time.perf_counter() - began) * 1000)
    return took


def _content(since: str, until: str, number: int) -> dict[str, Any]:
    one = {"event": "old event 1"}
    people = {"series": [{"measure": "unique_people"}]}
    questions: list[tuple[str, dict[str, Any]]] = [
        ("trends", {}),
        ("trends", people),
        ("trends", {**people, "breakdown": ["browser"]}),
        ("trends", {"breakdown": ["path"]}),
        ("trends", {"series": [{"measure": "sum", "of": "value"}]}),
        ("funnels", {"steps": [one, {"event": "old event 2"}, {"event": "old event 3"}]}),
        ("retention", {}),
        ("lifecycle", {}),
    ]
    tiles = [
        {
            "kind": "question", "id": f"t{at}", "x": at % 2 * 6, "y": at // 2 * 5, "w": 6, "h": 5,
            "question": {"insight": insight, "question": question},
        }
        for at, (insight, question) in enumerate(questions)
    ]  # fmt: skip
    dates = {"since": since, "until": until}
    return {"name": f"Eight {number}", "tiles": tiles, "range": dates}


def _settle(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0, timeout=_PATIENCE_MS)
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=_PATIENCE_MS)


def _line(what: str, took: list[float], budget: int) -> Line:
    middle = statistics.median(took)
    spread = f"{min(took):.0f} to {max(took):.0f} ms"
    return Line(
        what=what,
        measured=f"{middle:.0f} ms",
        baseline=spread,
        number=middle,
        budget=budget,
        sense="at most",
        unit="ms",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    sys.exit(finish(measure(parser.parse_args().events)))
