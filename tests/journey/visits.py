"""What twelve people did on two pages of a site, as the browser script tells it; every number is known."""

import time
from typing import Any, Final

from tests.journey.board import HOSTILE_NAME, HOSTILE_TEXT

PRICING: Final = "/pricing"
JOIN: Final = "/join"
# Whose views of /pricing came how far, in percent; u11 and u12 tell nothing, for they are gone at once.
DEPTHS: Final = {f"u{number:02}": 10 * number for number in range(1, 11)}
BUY: Final = "button#buy"
# What somebody named an element that would like to be markup.
HOSTILE_ELEMENT: Final = HOSTILE_NAME
RAGE: Final = (("u01", BUY), ("u01", BUY), ("u02", BUY), ("u05", HOSTILE_ELEMENT))
DEAD: Final = (("u03", BUY), ("u03", "a#faq"))
# Who starts the form on /join after how many seconds, and who sends it how many seconds later.
STARTED: Final = ("u01", "u02", "u03", "u04")
SENT: Final = {"u01": 30, "u02": 90}
_HOUR: Final = 3_600_000


def visits() -> list[dict[str, Any]]:
    """Return all of it, as events to be sent."""
    now = time.time_ns() // 1_000_000
    found: list[dict[str, Any]] = []

    def told(user: str, path: str, name: str, kind: str, at: int, **properties: Any) -> None:
        country = {"u01": "DE", "u02": "DE", "u03": "DE", "u04": "FR", "u05": "SG"}.get(user, "US")
        found.append(
            {
                "id": f"x{len(found)}", "name": name, "kind": kind, "user_id": user,
                "session_id": f"s-{user}", "time": now - 30 * _HOUR + at * 1_000,
                "context": {
                    "page": {"url": f"https://shop.example{path}"},
                    "location": {"country": country},
                },
                "properties": {"page_view_id": f"{path}-{user}", **properties},
            }
        )  # fmt: skip

    for number in range(1, 13):
        user = f"u{number:02}"
        told(user, PRICING, "page_view", "page", number)
        if user in DEPTHS:
            told(user, PRICING, "page_ping", "heartbeat", number + 60, scroll_depth=DEPTHS[user], engaged_ms=1_000 * number)  # fmt: skip
    for user, element in RAGE:
        told(user, PRICING, "rage_click", "interaction", 90, selector=element, tag="button")
    for user, element in DEAD:
        told(user, PRICING, "dead_click", "interaction", 95, selector=element, tag="button")
    for number in range(1, 7):
        told(f"u{number:02}", JOIN, "page_view", "page", 200)
    for user in STARTED:
        told(user, JOIN, "form_start", "interaction", 210, form_id="join")
    for user, seconds in SENT.items():
        told(user, JOIN, "form_submit", "interaction", 210 + seconds, form_id="join")
    told("u06", JOIN, "form_start", "interaction", 210, form_id=HOSTILE_TEXT)
    # Three at the left top, by two people; one at the right end of the second band.
    told("u01", PRICING, "heat_points", "interaction", 99, width=1_000, points=[[10, 20, 0], [20, 30, 0]], selectors=["a#logo"])  # fmt: skip
    told("u02", PRICING, "heat_points", "interaction", 99, width=1_000, points=[[30, 90, 0], [1_000, 150, 1]], selectors=["a#logo", HOSTILE_ELEMENT])  # fmt: skip
    return found
