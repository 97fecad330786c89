"""The events of the benchmarks: made from a number, so that every run sends the same ones.

An event has a name, an id, a time, a person, half of them a session, five properties of every type
class, a page with referrer, an eighth of them a campaign, and a user agent, as an SDK sends it.
"""

from typing import Any

import msgspec

SEED = 20_261_122
START_MS = 1_790_000_000_000
STEP_MS = 40

_NAMES = (
    "page viewed", "signed up", "logged in", "search", "item viewed", "item added", "checkout",
    "order placed", "report opened", "export started", "invite sent", "settings changed",
)  # fmt: skip
_PLANS = ("free", "starter", "team", "enterprise")
_SOURCES = ("newsletter", "google", "partner", "x")
_REFERRERS = ("https://www.google.com/", "https://news.example/today", "https://mail.example/in")
_SITE = "https://shop.example"
_PAGES = 2_000
_LANDINGS = 8
_MOZILLA = "Mozilla/5.0 "
_AGENTS = (
    f"{_MOZILLA}(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
    f"{_MOZILLA}(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.5 Safari/605.1",
    f"{_MOZILLA}(iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1",
    f"{_MOZILLA}(X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
)
_PEOPLE = 20_000


def event(number: int, *, prefix: str = "e") -> dict[str, Any]:
    """Return the event of a number, as it is sent."""
    # Multiplying by a large odd number spreads neighbours, and is the same on every machine.
    spread = (number + SEED) * 0x9E3779B97F4A7C15 >> 7 & 0xFFFFFFFF
    sent: dict[str, Any] = {
        "name": _NAMES[spread % len(_NAMES)],
        "id": f"{prefix}-{number:09d}",
        "time": START_MS + number * STEP_MS,
        "user_id": f"user-{spread % _PEOPLE}",
        "properties": {
            "plan": _PLANS[spread >> 3 & 3],
            "feature": f"feature {spread >> 5 & 31}",
            "amount": msgspec.Raw(f"{spread % 100_000 / 100:.2f}".encode()),
            "items": spread >> 9 & 7,
            "beta": bool(spread >> 12 & 1),
        },
        "context": {"page": _page(spread), "user_agent": _AGENTS[spread >> 15 & 3]},
    }
    if spread & 1:
        sent["session_id"] = f"session-{spread % _PEOPLE}-{number // 100_000}"
    return sent


def body(first: int, count: int, *, prefix: str = "e") -> bytes:
    """Return a request body of so many events, from a number on."""
    return msgspec.json.encode([event(n, prefix=prefix) for n in range(first, first + count)])


def lines(first: int, count: int, *, prefix: str = "e") -> bytes:
    """Return so many events as JSON lines, from a number on."""
    return msgspec.json.Encoder().encode_lines(
        event(n, prefix=prefix) for n in range(first, first + count)
    )


def _page(spread: int) -> dict[str, str]:
    """Return a page of the site: one event in eight arrives by a campaign, the others click on."""
    number = _popular(spread >> 4)
    page = {"url": f"{_SITE}/p/{number}", "title": f"Product {number}"}
    if spread % _LANDINGS:
        return {**page, "referrer": f"{_SITE}/p/{_popular(spread >> 9)}"}
    page["url"] += f"?utm_source={_SOURCES[spread >> 13 & 3]}&utm_medium=cpc"
    return {**page, "referrer": _REFERRERS[spread % 3]}


def _popular(number: int) -> int:
    """Return the number of a page: half of all views go to a sixteenth of the pages."""
    share = number % _PAGES / _PAGES
    return int(share**4 * _PAGES)
