"""The made-up company of the demo, Lumen: who comes, from where, with what, and what there is to do.

Lumen sells a reporting service by subscription and a few printed things in a shop. Every table
below is a choice with weights; the history draws from them.
"""

from bisect import bisect
from decimal import Decimal
from itertools import accumulate
from random import Random  # noqa: TID251 - the generator is seeded by the caller
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")
SITE = "https://lumen.example"


class Choice(Struct, Generic[T], frozen=True):
    """Options and their running weights."""

    options: tuple[T, ...]
    running: tuple[float, ...]


class Arrival(Struct, frozen=True):
    """How somebody found the site: the referrer and campaign of the first page."""

    referrer: str | None = None
    campaign: dict[str, str] | None = None


class Place(Struct, frozen=True):
    """Where somebody is; ``ahead_hours`` is the zone's usual distance from UTC."""

    country: str
    locale: str
    timezone: str
    ahead_hours: int
    currency: str


class Route(Struct, frozen=True):
    """One route of Lumen's API and the median time it takes to answer."""

    path: str
    median_ms: int


class Plan(Struct, frozen=True):
    """What a subscription costs a month, and how busy its accounts are."""

    name: str
    price: Decimal
    calls_a_day: float


def weighted(*pairs: tuple[T, float]) -> Choice[T]:
    """Return a choice among options, each with its weight."""
    return Choice(
        tuple(option for option, _ in pairs), tuple(accumulate(weight for _, weight in pairs))
    )


def pick(rng: Random, choice: Choice[T]) -> T:
    """Return one option, as often as its weight says."""
    return choice.options[bisect(choice.running, rng.random() * choice.running[-1])]


def _campaign(source: str, medium: str, name: str) -> dict[str, str]:
    return {"source": source, "medium": medium, "name": name}


ARRIVALS = weighted(
    (Arrival(), 26),
    (Arrival("https://www.google.com/"), 30),
    (Arrival("https://duckduckgo.com/"), 5),
    (Arrival("https://www.google.com/", _campaign("google", "cpc", "reports-brand")), 9),
    (Arrival("https://www.google.com/", _campaign("google", "cpc", "autumn-offer")), 6),
    (Arrival(None, _campaign("newsletter", "email", "monthly-letter")), 8),
    (Arrival("https://www.linkedin.com/", _campaign("linkedin", "social", "case-study")), 4),
    (Arrival("https://t.co/"), 5),
    (Arrival("https://chatgpt.com/"), 4),
    (Arrival("https://partner.example/tools"), 3),
)

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
DEVICES = weighted(
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36", 34),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME} Safari/537.36", 17),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/141.0.0.0", 8),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", 6),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", 3),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", 16),
    (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36", 13),
    ("Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", 3),
)  # fmt: skip

BOTS = weighted(
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 5),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 3),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", 3),
)  # fmt: skip

PLACES = weighted(
    (Place("DE", "de-DE", "Europe/Berlin", 1, "EUR"), 24),
    (Place("US", "en-US", "America/New_York", -5, "USD"), 28),
    (Place("GB", "en-GB", "Europe/London", 0, "GBP"), 14),
    (Place("FR", "fr-FR", "Europe/Paris", 1, "EUR"), 10),
    (Place("NL", "nl-NL", "Europe/Amsterdam", 1, "EUR"), 7),
    (Place("ES", "es-ES", "Europe/Madrid", 1, "EUR"), 6),
    (Place("IN", "en-IN", "Asia/Kolkata", 5, "USD"), 6),
    (Place("BR", "pt-BR", "America/Sao_Paulo", -3, "USD"), 5),
)

TITLES = {
    "/": "Lumen: reports that add up", "/pricing": "Prices", "/features": "What Lumen does",
    "/docs/quickstart": "First report in a minute", "/docs/api": "API reference", "/shop": "Shop",
    "/blog/seven-reports": "Seven reports every team needs", "/customers": "Who uses Lumen",
    "/blog/exact-counts": "Why our counts are exact", "/signup": "Sign up",
}  # fmt: skip
LANDINGS = weighted(("/", 52), ("/blog/seven-reports", 14), ("/features", 10), ("/pricing", 9), ("/docs/quickstart", 8), ("/shop", 7))  # fmt: skip
PAGES = weighted(("/features", 20), ("/pricing", 22), ("/", 10), ("/docs/quickstart", 14), ("/docs/api", 9), ("/blog/seven-reports", 8), ("/blog/exact-counts", 6), ("/customers", 6), ("/shop", 9))  # fmt: skip
APP_PAGES = weighted(("/app", 30), ("/app/reports", 34), ("/app/dashboards", 20), ("/app/settings", 6), ("/app/billing", 3), ("/docs/api", 7))  # fmt: skip
FEATURES = weighted(("report_opened", 38), ("dashboard_opened", 24), ("filter_added", 16), ("export_csv", 9), ("share_link", 6), ("alert_created", 4), ("api_key_created", 2), ("import_started", 1))  # fmt: skip

ROUTES = weighted(
    (Route("/v1/events", 18), 50),
    (Route("/v1/reports", 95), 28),
    (Route("/v1/summaries", 420), 12),
    (Route("/v1/exports", 260), 10),
)
ERRORS = weighted(("TimeoutError", 5), ("QuotaExceeded", 3), ("BadGateway", 2))
GOODS = weighted((("poster", Decimal("24.90")), 5), (("notebook", Decimal("12.50")), 8), (("template pack", Decimal("39.00")), 4), (("sticker set", Decimal("4.95")), 6))  # fmt: skip

TRIAL = Plan("trial", Decimal(0), 1.5)
FREE = Plan("free", Decimal(0), 0.4)
PRO = Plan("pro", Decimal("49.00"), 4.5)
TEAM = Plan("team", Decimal("149.00"), 11)
CLOSED = Plan("closed", Decimal(0), 0)

# Monday first: people who work with reports rest at the weekend, shoppers do not quite.
WORK_DAYS = (1.0, 1.08, 1.05, 1.0, 0.86, 0.2, 0.16)
VISIT_DAYS = (1.0, 1.04, 1.02, 1.0, 0.92, 0.66, 0.7)
# Share of the day's activity that starts in each local hour.
HOURS = weighted(*enumerate((1, 1, 1, 1, 1, 2, 4, 9, 20, 30, 32, 30, 22, 26, 30, 29, 25, 18, 12, 10, 10, 8, 5, 2)))  # fmt: skip
