"""What the store tells of the names a question may use."""

from typing import Annotated

from msgspec import Meta, Struct


class KnownEvent(Struct, frozen=True):
    """One event name."""

    name: str
    events: Annotated[int, Meta(description="How many came since `since_us`, without robots.")]
    last_us: Annotated[int | None, Meta(description="When the last one happened.")]


class KnownProperty(Struct, frozen=True):
    """One property of events."""

    name: Annotated[str, Meta(description="As sent; a question writes properties.<name>.")]
    classes: Annotated[list[str], Meta(description="text, number or other.")]
    events: Annotated[int, Meta(description="How many events carry it.")]


class Names(Struct, frozen=True):
    """What there is to ask about, of each kind those with most events first.

    At most two thousand of a kind.
    """

    since_us: int
    events: list[KnownEvent]
    properties: list[KnownProperty]
    profiles: Annotated[list[str], Meta(description="Properties of profiles, as a question writes them.")]  # fmt: skip
    fields: Annotated[list[str], Meta(description="Fields that every event may have.")]
