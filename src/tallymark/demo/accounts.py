"""Customers of Lumen: their members work, their machines call the API, and they pay or leave."""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from .timeline import HOUR, SECOND, Person, Timeline, Visit
from .visits import about, moment_of_day, shop, weekday
from .world import (
    APP_PAGES,
    ARRIVALS,
    CLOSED,
    DEVICES,
    ERRORS,
    FEATURES,
    FREE,
    PLACES,
    PRO,
    ROUTES,
    TEAM,
    TRIAL,
    WORK_DAYS,
    Place,
    Plan,
    pick,
)

INCIDENT_DAYS_BEFORE_END = 24
_INCIDENT_HOURS = (14, 19)
_INCIDENT_SLOWDOWN = 4
_INCIDENT_FAILURES = 0.125
_USUAL_FAILURES = 0.006
_TRIAL_DAYS = 14
_MONTH_DAYS = 30
_LEAVES_A_MONTH = 0.06
_GOES_ON = 0.78
# The chance that a member works on a usual weekday.
_EAGERNESS = {"trial": 0.5, "free": 0.16, "pro": 0.44, "team": 0.52, "closed": 0.0}


class Account(Struct):
    """One customer; ``since`` is the day its plan or current month began."""

    id: str
    place: Place
    plan: Plan
    since: int
    seats: int
    members: list[Person]
    stored_gb: Decimal


class Accounts:
    """Every customer there ever was."""

    def __init__(self, timeline: Timeline, prefix: str) -> None:
        self._timeline = timeline
        self._prefix = prefix
        self._accounts: list[Account] = []
        self._users = 0

    def settle(self, count: int) -> None:
        """Begin with customers who signed up before the history starts."""
        rng = self._timeline.rng
        for _ in range(count):
            owner = Person("", pick(rng, PLACES), pick(rng, DEVICES), pick(rng, ARRIVALS))
            account = self._open(owner, -int(rng.random() * _MONTH_DAYS) - 1)
            account.plan = (FREE, PRO, PRO, TEAM)[int(rng.random() * 4)]
            account.stored_gb = Decimal(int(rng.random() * 40_000)) / 1000
            while len(account.members) < account.seats:
                self._join(account)

    def welcome(self, person: Person, day: int) -> None:
        """Open a trial account for somebody who signed up; they become its first member."""
        self._open(person, day)

    def day(self, number: int, midnight: int, *, is_incident: bool) -> None:
        """Let every customer live one day."""
        rng = self._timeline.rng
        for account in self._accounts:
            if account.plan is CLOSED:
                continue
            self._bill(account, number, midnight)
            if len(account.members) < account.seats and rng.random() < 0.2:
                self._invite(account, midnight)
            share = _EAGERNESS[account.plan.name] * WORK_DAYS[weekday(midnight)]
            for member in account.members:
                if rng.random() < share:
                    self._work(member, account.plan, midnight)
            self._call(account, midnight, is_incident=is_incident)
            self._store(account, midnight)

    def _open(self, owner: Person, day: int) -> Account:
        rng = self._timeline.rng
        seats = 1 + int(rng.expovariate(0.3))
        name = f"{self._prefix}-acc{len(self._accounts) + 1}"
        account = Account(name, owner.place, TRIAL, day, seats, [], Decimal("0.2"))
        self._accounts.append(account)
        self._enrol(account, owner)
        return account

    def _join(self, account: Account) -> Person:
        rng = self._timeline.rng
        member = Person(f"{self._prefix}-i{self._users + 1}", account.place, pick(rng, DEVICES), pick(rng, ARRIVALS))  # fmt: skip
        self._enrol(account, member)
        return member

    def _enrol(self, account: Account, person: Person) -> None:
        self._users += 1
        person.user_id = f"{self._prefix}-u{self._users}"
        person.account = account.id
        account.members.append(person)

    def _invite(self, account: Account, midnight: int) -> None:
        member = self._join(account)
        visit = self._sitting(member, midnight)
        self._timeline.act(
            visit, "invite_accepted", path="/welcome", anonymous_id=member.anonymous_id
        )

    def _work(self, member: Person, plan: Plan, midnight: int) -> None:
        rng = self._timeline.rng
        visit = self._sitting(member, midnight)
        self._timeline.act(visit, "login", path="/login", properties={"plan": plan.name})
        while True:
            self._timeline.act(visit, "page_view", kind="page", path=pick(rng, APP_PAGES))
            if rng.random() < 0.6:
                self._use(visit, plan)
            if rng.random() > _GOES_ON:
                break
        if rng.random() < 0.012:
            shop(self._timeline, visit)

    def _use(self, visit: Visit, plan: Plan) -> None:
        rng = self._timeline.rng
        feature = pick(rng, FEATURES)
        took = int(rng.lognormvariate(5.3, 0.5))
        properties: dict[str, Any] = {"feature": feature, "plan": plan.name, "duration_ms": took}
        self._timeline.act(visit, "feature_used", properties=properties)
        if feature == "report_opened" and rng.random() < 0.45:
            tokens = int(rng.lognormvariate(6.6, 0.8))
            self._timeline.act(
                visit,
                "summary_written",
                value=tokens,
                unit="token",
                properties={"plan": plan.name, "model": "small"},
            )

    def _call(self, account: Account, midnight: int, *, is_incident: bool) -> None:
        rng = self._timeline.rng
        for _ in range(about(rng, account.plan.calls_a_day)):
            time = moment_of_day(rng, midnight, account.place)
            hour = (time - midnight) // HOUR
            is_slow = is_incident and _INCIDENT_HOURS[0] <= hour < _INCIDENT_HOURS[1]
            route = pick(rng, ROUTES)
            usual = rng.lognormvariate(0, 0.55) * route.median_ms
            took = int(usual * (_INCIDENT_SLOWDOWN if is_slow else 1)) + 1
            has_failed = rng.random() < (_INCIDENT_FAILURES if is_slow else _USUAL_FAILURES)
            properties = {
                "route": route.path, "duration_ms": took, "status": 503 if has_failed else 200,
            }  # fmt: skip
            self._add(time, account, "api_request", properties=properties)
            if has_failed:
                error = {"type": pick(rng, ERRORS), "route": route.path}
                self._add(time + SECOND, account, "error", kind="exception", properties=error)

    def _store(self, account: Account, midnight: int) -> None:
        grown = Decimal(int(self._timeline.rng.random() * 120)) / 1000
        account.stored_gb += grown * len(account.members)
        self._add(
            midnight + 23 * HOUR, account, "storage_measured", value=account.stored_gb, unit="GB"
        )

    def _bill(self, account: Account, day: int, midnight: int) -> None:
        rng = self._timeline.rng
        time = midnight + 6 * HOUR + int(rng.random() * HOUR)
        if account.plan is TRIAL and day - account.since >= _TRIAL_DAYS:
            account.plan = _decide(rng.random(), account.seats)
            account.since = day
            if account.plan.price:
                self._pay(time, account, "subscription_started")
        elif account.plan.price and day - account.since >= _MONTH_DAYS:
            account.since = day
            if rng.random() < _LEAVES_A_MONTH:
                self._add(time, account, "subscription_cancelled", properties={"plan": account.plan.name})  # fmt: skip
                account.plan = CLOSED
            else:
                self._pay(time, account, "subscription_renewed")

    def _pay(self, time: int, account: Account, name: str) -> None:
        self._add(
            time, account, name,
            revenue=account.plan.price, currency=account.place.currency,
            properties={"plan": account.plan.name, "seats": account.seats},
        )  # fmt: skip

    def _add(self, time: int, account: Account, name: str, **fields: Any) -> None:
        self._timeline.add(time, {"name": name, "account": account.id, **fields})

    def _sitting(self, member: Person, midnight: int) -> Visit:
        return self._timeline.visit(
            member, moment_of_day(self._timeline.rng, midnight, member.place)
        )


def _decide(chance: float, seats: int) -> Plan:
    """Return what a customer does when the trial ends."""
    if chance < 0.34:
        return TEAM if seats > 4 else PRO
    return FREE if chance < 0.62 else CLOSED
