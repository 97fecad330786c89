"""What Lumen's pages tell by themselves: how they are read and clicked, and of the form to sign up.

It is told beside the story, by chances of its own: whoever comes and what they do is the same without.
"""

from typing import Any, Final

from .timeline import SECOND, Timeline, Visit

FORM: Final = "form#signup"
# It looks as if it could be chosen, and cannot.
TRAP: Final = "img.plan-card"
TRAP_PAGE: Final = "/pricing"
_INTERACTION: Final = "interaction"
# How far down a page is usually read, in percent; long ones less far.
_READ: Final = {"/": 55, "/pricing": 80, "/blog/seven-reports": 35, "/blog/exact-counts": 30, "/docs/api": 25}  # fmt: skip
_USUALLY_READ: Final = 60
# Where there is something to click: what, how far from the left in thousandths, and from the top.
_CLICKED: Final = {
    "/": (("a.try-lumen", 500, 620), ("a.see-pricing", 640, 620), ("nav a.features", 310, 40)),
    "/pricing": (("a.try-pro", 500, 540), ("button.yearly", 420, 240), (TRAP, 780, 420)),
    "/features": (("a.try-lumen", 500, 1480), ("nav a.pricing", 380, 40)),
}
_ANYWHERE: Final = (("nav a.pricing", 380, 40), ("a.try-lumen", 860, 40))
_CLICKS, _TRAPPED, _ANGRY = 0.3, 0.05, 0.5
_STARTED_ONLY = 0.5


def read(timeline: Timeline, visit: Visit, path: str, began: int) -> None:
    """Tell of a page that somebody read from ``began`` until now."""
    chance = timeline.beside
    front = (visit.time - began) * (0.3 + 0.6 * chance.random())
    depth = min(100, max(5, round(chance.gauss(_READ.get(path, _USUALLY_READ), 22))))
    timeline.tell(
        visit, "page_ping", visit.time - SECOND // 2, path=path, kind="heartbeat",
        properties={"engaged_ms": int(front // 1000), "scroll_depth": depth},
    )  # fmt: skip
    if chance.random() < _CLICKS:
        _tell_clicks(timeline, visit, path, began)
    if path == TRAP_PAGE and chance.random() < _TRAPPED:
        _interact(timeline, visit, "dead_click", path, began, selector=TRAP, tag="img")
        if chance.random() < _ANGRY:
            _interact(timeline, visit, "rage_click", path, began, selector=TRAP, tag="img")


def fill_in(timeline: Timeline, visit: Visit, step: str, began: int) -> None:
    """Tell what the form to sign up tells of a step that somebody reached, from ``began`` on."""
    path, form = "/signup", {"form_id": FORM}
    if step == "signup_viewed":
        timeline.tell(visit, "page_view", began, path=path, kind="page")
    elif step == "signup_started":
        _interact(timeline, visit, "form_start", path, began, **form)
        _interact(timeline, visit, "form_submit", path, began + 8 * SECOND, **form)


def give_up(timeline: Timeline, visit: Visit, step: str) -> None:
    """Tell what the form tells of somebody who stopped after a step."""
    if step == "signup_viewed" and timeline.beside.random() < _STARTED_ONLY:
        _interact(timeline, visit, "form_start", "/signup", visit.time - SECOND, form_id=FORM)


def _tell_clicks(timeline: Timeline, visit: Visit, path: str, began: int) -> None:
    chance = timeline.beside
    things = _CLICKED.get(path, _ANYWHERE)
    points, selectors = [], []
    for _ in range(1 + int(chance.expovariate(1.5))):
        selector, across, down = things[int(chance.random() ** 2 * len(things))]
        if selector not in selectors:
            selectors.append(selector)
        across = min(1000, max(0, round(chance.gauss(across, 12))))
        points.append([across, max(0, round(chance.gauss(down, 9))), selectors.index(selector)])
    _interact(timeline, visit, "heat_points", path, began, points=points, selectors=selectors)


def _interact(
    timeline: Timeline, visit: Visit, name: str, path: str, time: int, **properties: Any
) -> None:
    timeline.tell(visit, name, time + SECOND, path=path, kind=_INTERACTION, properties=properties)
