"""Made-up histories: what was used, by whom, when, and which ids turned out to be one person.

They lie in the autumn of 2025, or with ``TALLYMARK_SEASON=spring`` in the spring of 2026, when days
are an hour short.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tallymark.core.clock import DAY, instant
from tallymark.core.event import ProfileOp

# In Berlin clocks went back on 26 October 2025 at 01:00 UTC; in New York on 2 November, in Cairo on
# 30 October at midnight, in Lord Howe by half an hour on 5 October. In spring they go on in Beirut at
# midnight and in Berlin on 29 March, and back in Santiago at midnight and in Lord Howe on 5 April.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Beirut",
    "America/Santiago",
)
_IS_SPRING = os.environ.get("TALLYMARK_SEASON") == "spring"
SINCE = instant(
    datetime(2026, 3, 25, tzinfo=UTC) if _IS_SPRING else datetime(2025, 10, 24, tzinfo=UTC)
)
UNTIL = SINCE + 12 * DAY
NOW = SINCE + 11 * DAY + 3


class Use(Struct, frozen=True, kw_only=True):
    """One event as a test states it; ``time`` is in microseconds UTC.

    ``also`` are other columns of it, by name, such as ``channel``.
    """

    name: str = "open"
    kind: str = "track"
    time: int = SINCE
    user: str | None = None
    anonymous: str | None = None
    account: str | None = None
    team: str | None = None
    session: str | None = None
    path: str | None = None
    utm_source: str | None = None
    country: str | None = None
    is_bot: bool | None = None
    is_cookieless: bool = False
    value: Decimal | None = None
    revenue: Decimal | None = None
    currency: str | None = None
    properties: dict[str, Any] = {}
    also: dict[str, str] = {}


class Link(Struct, frozen=True):
    """A claim that an anonymous id is a user, or with ``retract`` that it is not."""

    anonymous: str
    user: str
    how: Literal["identify", "retract"] = "identify"


History = Sequence[Use | Link]
# With what was told of people and groups in between.
ToldHistory = Sequence[Use | Link | ProfileOp]


def owners(history: History) -> dict[str, str]:
    """Return the user of each anonymous id that has one: the first it was seen or linked with."""
    found: dict[str, str] = {}
    for item in history:
        if item.anonymous is not None and item.user is not None:
            found.setdefault(item.anonymous, item.user)
    return found


def person(use: Use, owner: dict[str, str]) -> str | None:
    """Return who an event is by, as one name for a person; None if it says nothing of who."""
    if use.user is not None:
        return f"user {use.user}"
    if use.anonymous is None:
        return None
    user = owner.get(use.anonymous)
    return f"anonymous {use.anonymous}" if user is None else f"user {user}"


def uses(history: History) -> list[Use]:
    """Return the events of a history."""
    return [item for item in history if isinstance(item, Use)]


_BERLIN_NIGHT = instant(datetime(2025, 10, 26, 0, 30, tzinfo=UTC))
_USERS = st.sampled_from([None, "ana", "bo", "cy"])
_DEVICES = st.sampled_from([None, "phone", "laptop", "tv"])
# Few distinct values, so that ties, repeats and exact bucket edges are common.
TIMES = st.one_of(
    st.integers(SINCE, UNTIL - 1),
    st.integers(0, 12 * 48 - 1).map(lambda half: SINCE + half * DAY // 48),
    st.integers(-8, 8).map(lambda half: _BERLIN_NIGHT + half * DAY // 48),
)
AMOUNTS = st.one_of(
    st.sampled_from(
        [Decimal(0), Decimal("0.1"), Decimal("-2.5"), Decimal(1), Decimal("1.000000001")]
    ),
    st.decimals(Decimal(-(10**12)), Decimal(10**12), places=9),
)
# As JavaScript and Python compute them: more decimals than a measure keeps.
COMPUTED = st.one_of(
    st.sampled_from([Decimal("0.30000000000000004"), Decimal("0.1000000005"), Decimal("1E-10")]),
    st.floats(-(10**6), 10**6).map(lambda number: Decimal(repr(number))),
    st.integers(0, 20).flatmap(lambda places: st.decimals(-(10**6), 10**6, places=places)),
)
PLAN = st.sampled_from(["free", "pro", "1", "ü", "a'b\"; DROP"])
_PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "plan": PLAN,
        "seats": AMOUNTS | COMPUTED,
        "mixed": st.one_of(PLAN, st.sampled_from([1, 2, Decimal("0.5")]), st.booleans(), st.none()),
        "beta": st.one_of(st.booleans(), st.none()),
    },
)
USES = st.builds(
    Use,
    name=st.sampled_from(["open", "buy", "open file"]),
    time=TIMES,
    user=_USERS,
    anonymous=_DEVICES,
    account=st.sampled_from([None, "acme", "initech"]),
    session=st.sampled_from([None, "s1", "s2"]),
    path=st.sampled_from([None, "/", "/a", "/b", "/A", "/c"]),
    is_bot=st.sampled_from([None, False, False, True]),
    value=st.none() | AMOUNTS,
    revenue=st.none() | AMOUNTS,
    currency=st.sampled_from(["EUR", "USD"]),
    properties=_PROPERTIES,
)
LINKS = st.builds(
    Link,
    anonymous=st.sampled_from(["phone", "laptop", "tv"]),
    user=st.sampled_from(["ana", "bo", "cy"]),
)


def histories(max_size: int = 30) -> st.SearchStrategy[list[Use | Link]]:
    """Return histories in order of arrival, which is no order of time: late events are common."""
    return st.lists(st.one_of(USES, USES, USES, USES, LINKS), max_size=max_size)


# What is told of people, accounts and teams.


def _said(
    op: str, values: st.SearchStrategy[Any], *names: str
) -> st.SearchStrategy[tuple[str, Any]]:
    named = st.sampled_from(names or ("plan", "plan", "spent", "tags"))
    properties = st.dictionaries(named, values, min_size=1, max_size=2)
    return st.tuples(st.just(op), properties)


_LONG = st.sampled_from(
    [Decimal("0.30000000000000004"), Decimal("1E-20"), Decimal("1E+40"), 10**28, -(10**28)]
)
_COUNTED = st.one_of(st.sampled_from([1, 2, Decimal("0.5"), Decimal(-1)]), AMOUNTS, _LONG)
_ITEMS = st.one_of(st.sampled_from(["a", "b", 1, True]), st.just([1, Decimal("1.0"), "a"]))
_SAID = st.one_of(
    *[_said("set", st.one_of(PLAN, PLAN, _COUNTED, st.booleans(), st.none(), _ITEMS))] * 3,
    *[_said("set_once", st.one_of(PLAN, _COUNTED, st.none()))] * 2,
    *[_said("add", st.one_of(_COUNTED, _COUNTED, PLAN))] * 2,
    _said("unset", st.none()),
    *(_said(op, _ITEMS) for op in ("append", "prepend", "union", "remove")),
    st.tuples(st.sampled_from(["clear", "delete"]), st.just({})),
    # Where all operations on a property are alike, questions fold them in another way.
    _said("set", PLAN | _COUNTED | st.none(), "last"),
    _said("unset", st.none(), "last"),
    *[_said("set_once", PLAN | _ITEMS | st.none(), "first")] * 2,
    *[_said("add", st.sampled_from([1, Decimal("0.5"), Decimal(-1)]), "sum")] * 2,
)
_SUBJECTS = st.one_of(
    st.tuples(st.just("user"), st.sampled_from(["ana", "bo", "cy"])),
    st.tuples(st.just("user"), st.sampled_from(["ana", "bo", "cy"])),
    st.tuples(st.just("anonymous"), st.sampled_from(["phone", "laptop", "tv"])),
    st.tuples(st.just("account"), st.sampled_from(["acme", "initech"])),
    st.tuples(st.just("team"), st.sampled_from(["core", "web"])),
)
TELLS = st.builds(
    lambda subject, said, time: ProfileOp(said[0], subject[1], "", time, said[1], subject[0]),
    _SUBJECTS,
    _SAID,
    TIMES,
)


def told_histories(max_size: int = 30) -> st.SearchStrategy[list[Use | Link | ProfileOp]]:
    """Return histories in which people and groups are told of too, often late."""
    uses = st.builds(
        lambda use, team: replace(use, team=team), USES, st.sampled_from([None, "core", "web"])
    )
    parted = LINKS.map(lambda link: replace(link, how="retract"))
    return st.lists(
        st.one_of(uses, uses, uses, TELLS, TELLS, TELLS, LINKS, parted), max_size=max_size
    )
