"""Who is in a cohort, decided one member at a time in plain Python, and made-up cohorts."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from msgspec import Struct
from tests.insights.oracle import CONDITIONS, at_nine_places, satisfies, value_of
from tests.strategies import NOW, ZONES, History, Use, owners, person, uses

from tallymark.core.clock import DAY, moment
from tallymark.insights.ranges import day_start

Cohort = dict[str, Any]
_LENGTHS = {"12h": DAY // 2, "1d": DAY, "2d": 2 * DAY, "30min": DAY // 48}
RANGES = ["1d", "3d", "8d", "yesterday", {"since": "2025-10-26", "until": "2025-10-30"}]


class World(Struct, frozen=True):
    """A history as a cohort sees it: whose each event is, up to an instant."""

    history: History
    now: int = NOW
    named: dict[str, Cohort] = {}


def members(cohort: Cohort, world: World) -> set[str]:
    """Return the names of the members."""
    everybody = _by_member(cohort, world)
    return {
        name for name, events in everybody.items() if _is_in(cohort["who"], name, events, cohort, world)
    }  # fmt: skip


def _by_member(cohort: Cohort, world: World) -> dict[str, list[Use]]:
    owner = owners(world.history)
    found: dict[str, list[Use]] = {}
    for use in uses(world.history):
        name = use.account if cohort.get("of") == "accounts" else person(use, owner)
        is_seen = cohort.get("include_bots") or not use.is_bot
        if name is not None and is_seen and use.time <= world.now:
            found.setdefault(name, []).append(use)
    # Sorting keeps the order of the log where times are equal.
    return {name: sorted(events, key=lambda use: use.time) for name, events in found.items()}


def _is_in(  # noqa: PLR0911
    member: Any, name: str, events: list[Use], cohort: Cohort, world: World
) -> bool:
    match member["op"]:
        case "and":
            return all(_is_in(one, name, events, cohort, world) for one in member["members"])
        case "or":
            return any(_is_in(one, name, events, cohort, world) for one in member["members"])
        case "not":
            return not _is_in(member["member"], name, events, cohort, world)
        case "has":
            return any(satisfies(use, member["filter"]) for use in events)
        case "ids":
            if cohort.get("of") == "accounts":
                return name in member["ids"]
            ids = {name.partition(" ")[2]}
            ids |= {one for use in events for one in (use.user, use.anonymous) if one}
            return bool(ids & set(member["ids"]))
        case "in_cohort":
            inner = member["cohort"]
            return name in members(world.named[inner] if isinstance(inner, str) else inner, world)
        case _:
            return _did(member, events, world, ZoneInfo(cohort.get("timezone") or "UTC"))


def _did(did: Any, events: list[Use], world: World, zone: ZoneInfo) -> bool:
    chosen = [place for place, use in enumerate(events) if _is_such(use, did)]
    if did.get("first"):
        chosen = chosen[:1]
    if did.get("near"):
        chosen = [place for place in chosen if _is_near(place, events, did["near"])]
    since, until = _span(did.get("range"), world.now, zone)
    chosen = [place for place in chosen if since <= events[place].time < until]
    if did.get("in_any"):
        times = [events[place].time for place in chosen]
        run = did["at_least"]
        return any(
            late - early <= _LENGTHS[did["in_any"]]
            for early, late in zip(times, times[run - 1 :], strict=False)
        )
    amount: Any = len(chosen)
    if did.get("counted") == "days":
        amount = len({moment(events[place].time).astimezone(zone).date() for place in chosen})
    if did.get("sum_of"):
        numbers = [value_of(events[place], did["sum_of"]) for place in chosen]
        amount = sum((one for one in numbers if isinstance(one, Decimal | int) and not isinstance(one, bool)), Decimal(0))  # fmt: skip
    low, high = did.get("at_least"), did.get("at_most")
    if low is None and high is None:
        low = 1
    return (low is None or amount >= _number(low)) and (high is None or amount <= _number(high))


def _number(bound: Any) -> Any:
    return at_nine_places(Decimal(repr(bound)))


def _is_such(use: Use, step: Any) -> bool:
    named = step.get("event")
    names = [named] if isinstance(named, str) else named
    return (names is None or use.name in names) and satisfies(use, step.get("filter"))


def _is_near(place: int, events: list[Use], near: Any) -> bool:
    others = [one for one, use in enumerate(events) if _is_such(use, near)]
    if near.get("which") == "first":
        others = others[:1]
    for other in others:
        first, last = (other, place) if near.get("when", "after") == "after" else (place, other)
        if first < last and events[last].time - events[first].time <= _LENGTHS[near["within"]]:
            return True
    return False


def _span(asked: Any, now: int, zone: ZoneInfo) -> tuple[int, int]:
    if asked is None:
        return -(2**62), 2**62
    today = moment(now).astimezone(zone).date()
    if isinstance(asked, dict):
        first, after = (date.fromisoformat(asked[name]) for name in ("since", "until"))
    elif asked == "yesterday":
        first, after = today - timedelta(days=1), today
    else:
        first, after = today - timedelta(days=int(asked[:-1]) - 1), today + timedelta(days=1)
    return day_start(first, zone), day_start(after, zone)


_EVENTS = st.sampled_from([None, "open", "buy", ["open", "open file"], "never"])
_FILTERS = st.one_of(st.none(), CONDITIONS)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


_NEAR = st.fixed_dictionaries(
    {
        "within": st.sampled_from(sorted(_LENGTHS)),
        "event": _EVENTS,
        "which": st.sampled_from(["any", "first"]),
        "when": st.sampled_from(["after", "before"]),
    }
)
_PLAIN = {"op": st.just("did"), "event": _EVENTS, "filter": _FILTERS}
_OPTIONAL = {"range": st.none() | st.sampled_from(RANGES), "near": st.none() | _NEAR}
DID = st.one_of(
    st.fixed_dictionaries(
        {**_PLAIN, **_OPTIONAL, "at_least": st.sampled_from([None, 0, 1, 2, 3]),
         "at_most": st.sampled_from([None, None, 0, 1, 3])}
    ),
    st.fixed_dictionaries(
        {**_PLAIN, "range": st.sampled_from(RANGES), "near": _OPTIONAL["near"],
         "counted": st.just("days"), "at_least": st.sampled_from([None, 1, 2, 3]),
         "at_most": st.sampled_from([None, 1, 2])}
    ),
    st.fixed_dictionaries(
        {**_PLAIN, **_OPTIONAL, "sum_of": st.sampled_from(["value", "revenue", "properties.seats", "properties.mixed"]),
         "at_least": st.sampled_from([-2.5, 0, 0.1, 1]), "at_most": st.sampled_from([None, 0, 1000])}
    ),
    st.fixed_dictionaries({**_PLAIN, **_OPTIONAL, "first": st.just(True)}),
    st.fixed_dictionaries(
        {**_PLAIN, "range": _OPTIONAL["range"], "at_least": st.sampled_from([2, 3]),
         "in_any": st.sampled_from(sorted(_LENGTHS))}
    ),
).map(_without_none)  # fmt: skip
_LEAVES = st.one_of(
    DID,
    DID,
    st.fixed_dictionaries({"op": st.just("has"), "filter": CONDITIONS}),
    st.fixed_dictionaries(
        {"op": st.just("ids"),
         "ids": st.lists(st.sampled_from(["ana", "bo", "phone", "tv", "acme", "nobody"]), max_size=3)}
    ),
)  # fmt: skip
MEMBERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"op": st.just("and"), "members": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"op": st.just("or"), "members": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"op": st.just("not"), "member": inner}),
        st.fixed_dictionaries(
            {
                "op": st.just("in_cohort"),
                "cohort": st.fixed_dictionaries(
                    {"who": inner}, optional={"timezone": st.sampled_from(ZONES)}
                ),
            }
        ),
    ),
    max_leaves=5,
)


def _of(cohort: Cohort, unit: str) -> Cohort:
    """Make all cohorts within of the same unit."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            found = {name: changed(one) for name, one in value.items()}
            return {**found, "of": unit} if "who" in found else found
        return [changed(one) for one in value] if isinstance(value, list) else value

    made: Cohort = changed(cohort)
    return made


COHORTS = st.builds(
    lambda who, unit, bots, zone: _of({"who": who, "include_bots": bots, "timezone": zone}, unit),
    MEMBERS,
    st.sampled_from(["people", "people", "accounts"]),
    st.booleans(),
    st.sampled_from([None, *ZONES]),
)
