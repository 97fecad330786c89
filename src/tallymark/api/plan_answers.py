"""What is told of a tracking plan: its versions, how they differ, and how what comes differs from it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from tallymark.catalog.plans import PlanVersion
from tallymark.schema.compare import Change


class PushedPlan(Struct, frozen=True):
    """A plan that holds now, counted from 1, and what changed from the one before."""

    version: int
    changes: list[Change]


class PulledPlan(Struct, frozen=True):
    """A plan, and since when it holds."""

    version: int
    created_at: int
    plan: Any


class PlanVersions(Struct, frozen=True):
    """Every version there is, newest first."""

    versions: list[PlanVersion]


class PlanChanges(Struct, frozen=True):
    """What changed from one version to another; the version 0 has nothing."""

    before: int
    after: int
    changes: list[Change]


class Departure(Struct, frozen=True):
    """One way in which events are not as planned, and of how many of those looked at.

    ``message`` is that of the newest; ``expected`` and ``got`` are empty where they say nothing.
    """

    code: str
    path: str
    message: str
    expected: str
    got: str
    times: int


class PlannedTraffic(Struct, frozen=True):
    """One event of those that came, or that the plan has."""

    event: str
    is_planned: bool
    came: Annotated[int, Meta(description="How many came in that time, those of robots too.")]
    looked: Annotated[int, Meta(description="How many of them, the newest, were looked at.")]
    departures: list[Departure]
    unseen: Annotated[
        list[str],
        Meta(description="Properties that the plan has and none of those looked at had."),
    ]


class PlanTraffic(Struct, frozen=True):
    """What came beside what the plan says; ``version`` is null where there is no plan.

    Events that are not as planned come first, then those that never came. Of more than 200 events that came,
    the rest is ``left_out``.
    """

    version: int | None
    since_us: int
    events: list[PlannedTraffic]
    left_out: int
