"""What came beside what the plan says, counted by hand through a real log and store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.world import NOW, World
from tests.schema.plans import plan

from tallymark.api.plan_answers import PlannedTraffic, PlanTraffic
from tallymark.core.clock import DAY, SystemClock
from tallymark.schema.plan import Plan, encode_plan

PLAN = """event: signup
version: 1-0-0
properties:
  plan: {type: string, enum: [free, pro], required: true}
  seats: {type: integer}
  note: {type: string, treat: drop, pii: direct}
"""
OTHER = """event: cancelled
version: 1-0-0
properties: {}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, None)
    yield made
    made.close()


def sent(world: World, *items: tuple[str, dict[str, Any]], days_ago: int = 0) -> None:
    time = (NOW - days_ago * DAY) // 1_000
    world.send_wire(
        *({"name": name, "time": time, "id": f"{name}{days_ago}{at}", "properties": properties} for at, (name, properties) in enumerate(items))
    )  # fmt: skip
    world.load()


def asked(world: World, held: Plan | None, days: int = 7) -> PlanTraffic:
    # The world's events came at an instant of its own, some days before that of the service.
    given: dict[str, object] = {"project": "p", "days": days + (SystemClock().now() - NOW) // DAY}
    if held is not None:
        given |= {"plan": encode_plan(held).decode(), "version": 3}
    return msgspec.json.decode(world.service.call("plan_traffic", given), type=PlanTraffic)


def of(told: PlanTraffic, name: str) -> PlannedTraffic:
    return next(one for one in told.events if one.event == name)


def test_each_departure_is_told_with_how_many_have_it(world: World) -> None:
    sent(
        world,
        ("signup", {"plan": "pro", "seats": 3}),
        ("signup", {"plan": "gold", "seats": "many"}),
        ("signup", {"seats": "2", "colour": "red"}),
        ("opened", {"page": "a"}),
    )

    told = asked(world, plan(PLAN))

    signup = of(told, "signup")
    assert (told.version, signup.came, signup.looked, signup.is_planned) == (3, 3, 3, True)
    assert {(one.code, one.path, one.times) for one in signup.departures} == {
        ("SCHEMA_TYPE", "properties.seats", 2),
        ("SCHEMA_ENUM", "properties.plan", 1),
        ("SCHEMA_REQUIRED", "properties.plan", 1),
        ("UNPLANNED_PROP", "properties.colour", 1),
    }
    assert signup.departures[0].expected == "integer"
    assert signup.departures[0].got == "string"
    assert [(one.code, one.times) for one in of(told, "opened").departures] == [("UNPLANNED_EVENT", 1)]  # fmt: skip


def test_what_is_planned_and_never_came_is_told_too(world: World) -> None:
    sent(world, ("signup", {"plan": "free"}))

    told = asked(world, plan(PLAN, OTHER))

    never = of(told, "cancelled")
    assert (never.came, never.looked, never.departures) == (0, 0, [])
    # What is dropped before it is stored cannot be seen, and is not missed.
    assert of(told, "signup").unseen == ["seats"]
    assert [one.event for one in told.events] == ["cancelled", "signup"]


def test_only_what_came_in_those_days_is_looked_at(world: World) -> None:
    sent(world, ("signup", {"plan": 7}), days_ago=9)
    sent(world, ("signup", {"plan": "pro"}))

    week, month = asked(world, plan(PLAN)), asked(world, plan(PLAN), days=30)

    assert (of(week, "signup").came, of(week, "signup").departures) == (1, [])
    assert of(month, "signup").came == 2
    assert [one.code for one in of(month, "signup").departures] == ["SCHEMA_TYPE"]


def test_of_many_events_the_newest_are_looked_at(world: World) -> None:
    sent(world, *[("signup", {"plan": "old"})] * 40, *[("signup", {"plan": "pro"})] * 500)

    signup = of(asked(world, plan(PLAN)), "signup")

    assert (signup.came, signup.looked, signup.departures) == (540, 500, [])


def test_without_a_plan_nothing_that_came_is_planned(world: World) -> None:
    sent(world, ("signup", {"plan": "pro"}))

    told = asked(world, None)

    assert told.version is None
    assert [(one.event, one.is_planned) for one in told.events] == [("signup", False)]


def test_where_nothing_came_nothing_is_told(world: World) -> None:
    world.send_wire({"name": "x", "time": 1_000})
    world.load()

    assert asked(world, None).events == []
