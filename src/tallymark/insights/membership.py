"""Who is in a cohort: people or accounts, chosen by ids, by what they did, or by a number they are behind.

A cohort is asked at an instant, and what happens later does not count: at *now*, or at the end of a
bucket. Everybody with an event by then is somebody it may hold.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery, misfit

from .filters import Filter, InCohort
from .held import Unit, Which
from .insight import Scope
from .pages import Behind
from .ranges import Dates
from .selection import EventNames

MAX_IDS: Final = 100_000
MAX_MEMBERS: Final = 100
MAX_DEPTH: Final = 16

Length: TypeAlias = Annotated[
    str, Meta(description="An elapsed time: a number and min, h, d or w, such as 14d for 336 hours.")
]  # fmt: skip


class _Member(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="op"):
    """Who is meant."""


class AllOf(_Member, frozen=True, tag="and"):
    """Who is meant by all of these; everybody if there are none."""

    members: list["Member"]


class AnyOf(_Member, frozen=True, tag="or"):
    """Who is meant by at least one of these; nobody if there are none."""

    members: list["Member"]


class Others(_Member, frozen=True, tag="not"):
    """Everybody else."""

    member: "Member"


class Ids(_Member, frozen=True, tag="ids"):
    """Those with one of these ids: user or anonymous ids, or ids of accounts."""

    ids: Annotated[list[str], Meta(max_length=MAX_IDS)]


class Near(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another event of the same member, near which the first one must be."""

    within: Length
    event: EventNames = None
    filter: Annotated[Filter | None, Meta(description="Only events that satisfy this.")] = None
    which: Annotated[
        Literal["any", "first"], Meta(description="Any such event, or their first one ever.")
    ] = "any"
    when: Annotated[
        Literal["after", "before"],
        Meta(description="Whether what they did came after this event, or before it."),
    ] = "after"


class Did(_Member, frozen=True, tag="did"):
    """Those who did something: at least once, or as often as is said.

    ``at_least`` and ``at_most`` bound how often, on how many local days, or the sum of a number; who
    did it never has zero. ``first`` looks at the first such event ever only, which then has to be in
    the range. ``in_any`` asks that the times come within some stretch of that length.
    """

    event: EventNames = None
    filter: Annotated[Filter | None, Meta(description="Only events that satisfy this.")] = None
    at_least: Annotated[int | float | None, Meta(description="At least so many.")] = None
    at_most: Annotated[int | float | None, Meta(description="At most so many, or none at all.")] = (
        None
    )
    counted: Annotated[
        Literal["times", "days"], Meta(description="Events, or the local days that have one.")
    ] = "times"
    sum_of: Annotated[
        str | None, Meta(description="The number whose sum is bounded, instead of how often.")
    ] = None
    range: Annotated[
        Dates | str | None, Meta(description="Only events of this range; of all time if left out.")
    ] = None
    in_any: Annotated[
        Length | None, Meta(description="The times come within some stretch of this length.")
    ] = None
    first: Annotated[bool, Meta(description="Only the first such event ever counts.")] = False
    near: Annotated[Near | None, Meta(description="Only events near another one count.")] = None


class Has(_Member, frozen=True, tag="has"):
    """Those of whom some event satisfies this, as a property of a person does for all of them."""

    filter: Filter


class BehindNumber(_Member, frozen=True, tag="behind"):
    """The people, or accounts, behind one number of an answer, such as a bar."""

    insight: str
    question: dict[str, Any] = {}
    place: dict[str, Any] = {}

    @property
    def behind(self) -> Behind:
        """The number."""
        return Behind(self.insight, self.question, self.place)


Member: TypeAlias = AllOf | AnyOf | Others | Ids | Did | Has | BehindNumber | InCohort


class Cohort(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Some of the people, or of the accounts."""

    who: Annotated[Member, Meta(description="Who is a member.")]
    of: Annotated[Unit, Meta(description="What its members are.")] = "people"
    include_bots: Annotated[bool, Meta(description="Also look at events of robots.")] = False
    timezone: Annotated[
        str | None, Meta(description="IANA zone of its days; the project's if left out.")
    ] = None
    description: str = ""


def cohort_of(which: Which, scope: Scope) -> Cohort:
    """Return the definition; raises InvalidQuery if there is none of that name, or it is wrong."""
    if isinstance(which, str):
        known = {} if scope.definitions is None else scope.definitions.cohorts
        found = known.get(which)
        if isinstance(found, Cohort):
            return found
        raise InvalidQuery(f"There is no cohort {which[:80]!r}.", path="cohort")
    try:
        return _decoder.decode(_encode(which))
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise InvalidQuery(text, path=f"cohort.{path}" if path else "cohort") from None


def parts_of(member: Member, depth: int = 1) -> Iterator[Member]:
    """Yield a member and all it is made of; raises InvalidQuery if it is too large."""
    if depth > MAX_DEPTH:
        raise InvalidQuery(f"A cohort may nest {MAX_DEPTH} deep.", path="cohort")
    yield member
    if isinstance(member, AllOf | AnyOf):
        if len(member.members) > MAX_MEMBERS:
            raise InvalidQuery(f"A list may have {MAX_MEMBERS} members.", path="cohort")
        for one in member.members:
            yield from parts_of(one, depth + 1)
    elif isinstance(member, Others):
        yield from parts_of(member.member, depth + 1)


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_decoder: Final = msgspec.json.Decoder(Cohort)
