"""What the store tells of events beside the plan: how what comes differs from it."""

from typing import Annotated

from msgspec import Meta, Struct


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
