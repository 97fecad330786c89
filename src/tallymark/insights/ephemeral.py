"""Events of whom nothing outlives the day: their ids change every day, so nobody among them returns.

A question about what somebody does on another day leaves them out, or says what they make of it.
"""

from collections.abc import Sequence
from typing import Final

from tallymark.core.sql import Sql, join, sql

from .insight import Fleeting
from .ranges import Span, buckets
from .selection import Frame, Question, Step, of_steps

# Set before the log on every event that was counted without any lasting id.
FLAG: Final = "cookieless"

_IS_FLEETING: Final = f"contains(e.flags, '{FLAG}') AND e.actor_key IS NOT DISTINCT FROM e.anon_key"


def lasts() -> Sql:
    """Return whether an event ``e`` is by somebody whose id outlives the day.

    A user id that came with such an event does.
    """
    # Most events have no flags, and the engine skips whole groups of rows that have none.
    return Sql(f"(e.flags IS NULL OR NOT ({_IS_FLEETING}))")


def passes() -> Sql:
    """Return whether an event ``e`` is by somebody whose id lasts a day."""
    return Sql(f"e.flags IS NOT NULL AND {_IS_FLEETING}")


def left_out(people: int) -> list[str]:
    """Return what to say of so many who were not counted; nothing if there are none."""
    if not people:
        return []
    who = "1 cookieless visitor is" if people == 1 else f"{people:,} cookieless visitors are"
    why = "their ids change every day, so that none could come back"
    return [f"{who} left out: {why}. `include_cookieless` counts them."]


def among(
    question: Question, frame: Frame, steps: Sequence[Step] = (Step(),), *, warning: str
) -> Fleeting:
    """Return how to find out whether any of them did one of the steps, and what to say then."""
    events = of_steps(
        steps, frame, wanted=question.filter, include_bots=question.include_bots
    )  # fmt: skip
    return any_of([events], warning)


def any_of(events: Sequence[Sql], warning: str) -> Fleeting:
    """Return how to find out whether any of several FROM and WHERE has an event of theirs."""
    # The first one found ends it, so that it takes long of neither many nor none.
    found = [
        sql("(SELECT 1 AS one\n{it}\n  AND {passes}\nLIMIT 1)", it=one, passes=passes())
        for one in events
    ]
    return Fleeting(sql("{found}\nLIMIT 1", found=join("\nUNION ALL\n", found)), warning)


def is_longer(span: Span, frame: Frame) -> bool:
    """Return whether a span lies on more than one local day."""
    return span.until > span.since and len(buckets(span, "day", frame.zone).edges) > 2


KEPT: Final = (
    "Cookieless visitors are counted; their ids change every day, so that they seem never to come back"
    " on another day."
)
DAILY: Final = "Cookieless visitors are among them; their ids change every day, so that each counts once a day."
PERHAPS: Final = (
    "Cookieless visitors may be among them; their ids change every day, so that each counts once a day, and"
    " nobody is known to have done something on two days."
)
