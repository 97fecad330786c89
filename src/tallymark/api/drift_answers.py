"""How what each source sends now differs from what it sent before: the part of an answer on quality."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Having(Struct, frozen=True):
    """How many events were looked at, and how many have the property, by type.

    ``other`` are truth values, lists and objects; null is to lack it.
    """

    events: int
    text: int
    number: int
    other: int


class Moved(Struct, frozen=True):
    """The value that moved furthest, with its shares of the events that have the property.

    ``other values`` are texts beyond the 50 most frequent; numbers of more than 50 different values are
    told by tenths of what they were before, such as ``21.5 to 22``.
    """

    value: str
    before: float
    now: float


class PropertyDrift(Struct, frozen=True):
    """One property of one event of one source, before and now.

    Of too few events with the property, under 100 on either side, there is no index.
    """

    source: str
    protocol: str
    event: str
    property: str
    before: Having
    now: Having
    psi: Annotated[float | None, Meta(description="Population stability index of its values.")]
    psi_by_chance: Annotated[
        float | None, Meta(description="What it exceeds once in a thousand times by chance.")
    ]
    moved: Annotated[Moved | None, Meta(description="What makes up most of the index.")]
    drifts: Annotated[
        list[Literal["new", "vanished", "lacking", "types", "values"]],
        Meta(description="In what it drifts; empty if it is stable."),
    ]


class Compared(Struct, frozen=True):
    """What came since an instant beside what came in the seven days before it.

    ``one_in_before`` and ``one_in_now`` are above 1 where only every so many event was looked at. Not
    compared are ``too_few`` sources and events, with less than 100 on either side, and ``left_out``
    sources and events, or properties, beyond the largest fifty. The ``properties`` are the first 200, those
    that drift before others; ``drifting`` is how many do.
    """

    before_us: int
    one_in_before: int
    one_in_now: int
    streams: Annotated[int, Meta(description="How many events of sources were compared.")]
    too_few: int
    left_out: int
    is_finished: Annotated[
        bool, Meta(description="Whether there was time to look at all that is not left out.")
    ]
    drifting: int
    properties: list[PropertyDrift]
