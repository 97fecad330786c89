"""People who look at Lumen's site: they read, come back, shop, and some sign up."""

from collections.abc import Callable
from random import Random  # noqa: TID251 - the generator is seeded by the caller
from typing import Any

from tallymark.core.clock import DAY

from .pages import fill_in, give_up, read
from .timeline import HOUR, Person, Timeline, Visit
from .world import (
    ARRIVALS,
    BOTS,
    DEVICES,
    GOODS,
    HOURS,
    LANDINGS,
    PAGES,
    PLACES,
    SITE,
    VISIT_DAYS,
    Arrival,
    Place,
    pick,
)

# Each step of signing up, with the share of those at the step before who take it.
SIGNUP_FUNNEL: tuple[tuple[str, float], ...] = (
    ("signup_viewed", 1.0),
    ("signup_started", 0.8),
    ("email_confirmed", 0.42),
    ("signup", 0.88),
    ("first_report", 0.74),
)
LARGEST_LOSS = "email_confirmed"
_VISITORS_A_DAY = 66
_WANTS_TO_SIGN_UP = 0.145
_COMES_BACK = 0.42
_MOST_RETURNS = 4
_PAGES_READ = 0.7
_BUYS = 0.22

SignUp = Callable[[Person, int], None]


class Visitors:
    """Those who may come back on a later day."""

    def __init__(self, timeline: Timeline, prefix: str) -> None:
        self._timeline = timeline
        self._prefix = prefix
        self._number = 0
        self._returning: dict[int, list[tuple[Person, int]]] = {}

    def day(self, number: int, midnight: int, *, growth: float, sign_up: SignUp) -> None:
        """Let one day's visitors come, new ones and those who return."""
        rng = self._timeline.rng
        expected = _VISITORS_A_DAY * growth * VISIT_DAYS[weekday(midnight)]
        for person, returns in self._returning.pop(number, []):
            self._come(number, midnight, person, returns, sign_up)
        for _ in range(about(rng, expected)):
            self._come(number, midnight, self._stranger(), 0, sign_up)
        for _ in range(about(rng, 14 * growth)):
            self._crawl(midnight)

    def _stranger(self) -> Person:
        rng = self._timeline.rng
        self._number += 1
        return Person(
            f"{self._prefix}-a{self._number}",
            pick(rng, PLACES),
            pick(rng, DEVICES),
            pick(rng, ARRIVALS),
        )

    def _come(self, day: int, midnight: int, person: Person, returns: int, sign_up: SignUp) -> None:
        rng = self._timeline.rng
        visit = self._timeline.visit(person, moment_of_day(rng, midnight, person.place))
        self._read(visit, person.arrival if returns == 0 else Arrival())
        if rng.random() < _WANTS_TO_SIGN_UP and _sign_up(self._timeline, visit, sign_up):
            return
        if returns < _MOST_RETURNS and rng.random() < _COMES_BACK:
            later = day + 1 + int(rng.expovariate(0.25))
            self._returning.setdefault(later, []).append((person, returns + 1))

    def _read(self, visit: Visit, arrival: Arrival) -> None:
        rng = self._timeline.rng
        path = pick(rng, LANDINGS)
        self._view(visit, path, arrival)
        while rng.random() < _PAGES_READ:
            path = pick(rng, PAGES)
            self._view(visit, path, None)
        if path == "/shop":
            shop(self._timeline, visit)

    def _view(self, visit: Visit, path: str, arrival: Arrival | None) -> None:
        began = visit.time
        self._timeline.act(visit, "page_view", kind="page", path=path, arrival=arrival)
        read(self._timeline, visit, path, began)

    def _crawl(self, midnight: int) -> None:
        rng = self._timeline.rng
        context = {"user_agent": pick(rng, BOTS), "page": {"url": SITE + pick(rng, PAGES)}}
        self._timeline.add(
            midnight + int(rng.random() * DAY),
            {"name": "page_view", "kind": "page", "context": context},
        )


def shop(timeline: Timeline, visit: Visit) -> None:
    """Let somebody in the shop look at goods, and perhaps order some."""
    rng = timeline.rng
    good, price = pick(rng, GOODS)
    timeline.act(visit, "product_viewed", path="/shop", properties={"product": good})
    if rng.random() < _BUYS:
        quantity = 1 + int(rng.expovariate(1.2))
        order: dict[str, Any] = {
            "revenue": price * quantity,
            "currency": visit.person.place.currency,
            "properties": {"product": good, "quantity": quantity, "coupon": rng.random() < 0.15},
        }
        timeline.act(visit, "order_completed", path="/shop/thanks", **order)


def weekday(midnight: int) -> int:
    """Return the day of the week that begins at a UTC midnight, 0 for Monday."""
    return (midnight // DAY + 3) % 7


def about(rng: Random, expected: float) -> int:
    """Return a whole number near what is expected, its fraction decided by chance."""
    swing = expected * (0.9 + 0.2 * rng.random())
    return int(swing) + (rng.random() < swing % 1)


def moment_of_day(rng: Random, midnight: int, place: Place) -> int:
    """Return an instant of the day at which somebody in that place is likely to be busy."""
    local = pick(rng, HOURS)
    hours = (local - place.ahead_hours) % 24
    return midnight + hours * HOUR + int(rng.random() * HOUR)


def _sign_up(timeline: Timeline, visit: Visit, sign_up: SignUp) -> bool:
    """Walk somebody through signing up as far as they get; say whether they became a user."""
    person, before = visit.person, ""
    for step, share in SIGNUP_FUNNEL:
        if timeline.rng.random() >= share:
            give_up(timeline, visit, before)
            break
        fill_in(timeline, visit, step, visit.time)
        before = step
        if step == "signup":
            sign_up(person, visit.time)
            timeline.act(
                visit, step, path="/welcome", arrival=person.arrival,
                anonymous_id=person.anonymous_id, properties={"plan": "trial"},
            )  # fmt: skip
        else:
            timeline.act(visit, step, path="/signup" if person.user_id is None else "/app/reports")
    return person.user_id is not None
