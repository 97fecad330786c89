"""What happened, turned to wire events and put in the order in which they arrive."""

from collections.abc import Iterator
from random import Random  # noqa: TID251 - the generator is seeded by the caller
from typing import Any

from msgspec import Struct

from tallymark.core.clock import MICROSECONDS

from .world import SITE, TITLES, Arrival, Place

SECOND = MICROSECONDS
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_LATE = 0.004
_TWICE = 0.003


class Person(Struct):
    """Somebody who uses Lumen; signing up gives a ``user_id`` and an ``account``."""

    anonymous_id: str
    place: Place
    device: str
    arrival: Arrival
    user_id: str | None = None
    account: str | None = None


class Visit(Struct):
    """One sitting of one person; ``time`` moves on as they act."""

    person: Person
    id: str
    time: int


class Timeline:
    """Takes what happens in any order and gives it out as it arrives, up to the end.

    A few events arrive hours late, a few arrive twice with the same id. What is told ``beside`` the
    story has its own chances and numbers.
    """

    def __init__(self, rng: Random, beside: Random, *, prefix: str, end: int) -> None:
        self.rng = rng
        self.beside = beside
        self._prefix = prefix
        self._end = end
        self._number = 0
        self._told = 0
        self._visits = 0
        self._waiting: list[tuple[int, int, dict[str, Any]]] = []

    def visit(self, person: Person, time: int) -> Visit:
        """Return a new sitting that starts at ``time``."""
        self._visits += 1
        return Visit(person, f"{self._prefix}-v{self._visits}", time)

    def act(
        self,
        visit: Visit,
        name: str,
        *,
        path: str | None = None,
        arrival: Arrival | None = None,
        **fields: Any,
    ) -> None:
        """Add what a person did just now, on the page of that path; then some seconds pass."""
        self.add(visit.time, {**_done(visit, name, path, arrival), **fields})
        visit.time += int(self.rng.lognormvariate(3.2, 0.9) * SECOND) + SECOND

    def tell(self, visit: Visit, name: str, time: int, *, path: str, **fields: Any) -> None:
        """Add what a page tells by itself of a person on it; nothing of the story changes."""
        if time >= self._end:
            return
        self._told += 1
        event = {**_done(visit, name, path, None), **fields}
        event |= {"id": f"{self._prefix}-p{self._told}", "time": time // 1000}
        self._waiting.append((time, -self._told, event))

    def add(self, time: int, event: dict[str, Any]) -> None:
        """Add a use at an instant; what would happen after the end never does."""
        if time >= self._end:
            return
        self._number += 1
        event["id"] = f"{self._prefix}-{self._number}"
        event["time"] = time // 1000
        arrival = time
        fate = self.rng.random()
        if fate < _LATE:
            arrival += int(self.rng.random() * 40 * HOUR)
        elif fate > 1 - _TWICE:
            self._waiting.append((time + 5 * MINUTE, self._number, event))
        self._waiting.append((arrival, self._number, event))

    def arrived(self, until: int) -> Iterator[dict[str, Any]]:
        """Yield what arrives before an instant, in order, and forget it."""
        waiting = sorted(self._waiting, key=lambda item: item[:2])
        self._waiting = [item for item in waiting if item[0] >= until]
        for arrival, _, event in waiting:
            if arrival < until:
                yield event

    def rest(self) -> Iterator[dict[str, Any]]:
        """Yield what is still on its way at the end."""
        for _, _, event in sorted(self._waiting, key=lambda item: item[:2]):
            yield event
        self._waiting = []


def _done(visit: Visit, name: str, path: str | None, arrival: Arrival | None) -> dict[str, Any]:
    person = visit.person
    if person.user_id is None:
        who = {"anonymous_id": person.anonymous_id}
    else:
        who = {"user_id": person.user_id, "account": person.account or ""}
    where = _context(person, path, arrival)
    return {"name": name, **who, "session_id": visit.id, "context": where}


def _context(person: Person, path: str | None, arrival: Arrival | None) -> dict[str, Any]:
    place = person.place
    context: dict[str, Any] = {
        "user_agent": person.device,
        "locale": place.locale,
        "timezone": place.timezone,
        "location": {"country": place.country},
    }
    page = {} if path is None else {"url": SITE + path, "title": TITLES.get(path, "Lumen")}
    if arrival is not None:
        if arrival.referrer is not None:
            page["referrer"] = arrival.referrer
        if arrival.campaign is not None:
            context["campaign"] = arrival.campaign
    if page:
        context["page"] = page
    return context
