"""Ninety made-up days of a company, in the order in which the events arrive.

The same seed and end day give the same events. What can be found in them:

* Of the steps of ``SIGNUP_FUNNEL``, the confirmation mail (``LARGEST_LOSS``) loses most people.
* ``INCIDENT_DAYS_BEFORE_END`` days before the end, from 14:00 to 19:00 UTC, the API is about four
  times slower than usual and one call in eight fails.
* Work slows down at weekends, and visits grow by half over the time.
* A few events arrive late or twice, and a few pages are read by robots.
* On the page of prices a picture (``TRAP``) is clicked in vain, by some in anger.
"""

from collections.abc import Iterator
from random import Random  # noqa: TID251 - seeded by the caller, so the history can be repeated
from typing import Any

from tallymark.core.clock import DAY

from .accounts import INCIDENT_DAYS_BEFORE_END, Accounts
from .pages import TRAP, TRAP_PAGE
from .timeline import Person, Timeline
from .visits import LARGEST_LOSS, SIGNUP_FUNNEL, Visitors

__all__ = [
    "DAYS", "INCIDENT_DAYS_BEFORE_END", "LARGEST_LOSS", "SEED", "SIGNUP_FUNNEL", "TRAP", "TRAP_PAGE",
    "events",
]  # fmt: skip

DAYS = 90
SEED = 7
_FIRST_ACCOUNTS = 110


def events(
    *, end: int, seed: int = SEED, days: int = DAYS, scale: float = 1.0
) -> Iterator[dict[str, Any]]:
    """Yield wire events of the ``days`` before the UTC midnight at or before ``end``, as they arrive.

    ``scale`` 1 gives about 350 000 events of 6 000 people and 400 accounts in ninety days.
    """
    end -= end % DAY
    prefix = f"lumen{end // DAY}-{seed}"
    rng = Random(seed)  # noqa: S311 - a repeatable story, not a secret
    beside = Random(seed + 1)  # noqa: S311
    timeline = Timeline(rng, beside, prefix=prefix, end=end)
    accounts = Accounts(timeline, prefix)
    visitors = Visitors(timeline, prefix)
    accounts.settle(round(_FIRST_ACCOUNTS * scale))
    for number in range(days):
        midnight = end - (days - number) * DAY

        def welcome(person: Person, time: int, day: int = number) -> None:
            accounts.welcome(person, day)

        growth = scale * (0.8 + 0.4 * number / days)
        visitors.day(number, midnight, growth=growth, sign_up=welcome)
        is_incident = days - number == INCIDENT_DAYS_BEFORE_END
        accounts.day(number, midnight, is_incident=is_incident)
        yield from timeline.arrived(midnight + DAY)
    yield from timeline.rest()
