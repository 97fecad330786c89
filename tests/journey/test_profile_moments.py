"""A field of a profile says of each event what ``who`` says of its person at that moment."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.collect.world import MINUTE, T0, World
from tests.insights.oracle import at_nine_places

from tallymark.collect.load import FOLD
from tallymark.core.errors import NotFound
from tallymark.core.event import Command, Event, IdentityLink, Operation, ProfileOp
from tallymark.core.sql import Sql, join, sql
from tallymark.identity import portraits
from tallymark.insights import fields
from tallymark.insights.insight import Scope, known_profiles
from tallymark.store.engine import Commit, Limits

LIMITS = Limits(seconds=60, memory_bytes=128 * 1024 * 1024, rows=100_000)
AT = T0 + 3 * MINUTE
NAMES = ("plan", "seats", "tags", "last", "first", "sum")
TIMES = st.integers(0, 6).map(lambda minute: T0 + minute * MINUTE)
IDS = st.sampled_from(
    [("user", "ana"), ("user", "bo"), ("anonymous", "phone"), ("anonymous", "tv")]
)
NUMBERS = st.sampled_from([1, 2, Decimal("0.5"), Decimal("0.30000000000000004"), 10**20])
SAID: st.SearchStrategy[tuple[Operation, dict[str, Any]]] = st.one_of(
    st.tuples(st.sampled_from(["set", "set_once"]), st.fixed_dictionaries({}, optional={"plan": st.sampled_from(["free", "pro", None, True]), "seats": NUMBERS})),
    st.tuples(st.just("add"), st.fixed_dictionaries({"seats": NUMBERS})),
    st.tuples(st.sampled_from(["append", "union", "remove"]), st.fixed_dictionaries({"tags": st.sampled_from(["a", ["a", 1]])})),
    st.tuples(st.just("unset"), st.just({"plan": None, "seats": None})),
    st.tuples(st.just("set"), st.fixed_dictionaries({"last": st.sampled_from(["x", 1])})),
    st.tuples(st.just("set_once"), st.fixed_dictionaries({"first": st.sampled_from(["x", "y"])})),
    st.tuples(st.just("add"), st.fixed_dictionaries({"sum": st.sampled_from([1, Decimal("0.5")])})),
    st.tuples(st.just("clear"), st.just({})),
)  # fmt: skip
EVENTS = st.builds(
    lambda time, user, device, account: Event(
        "use", "", time, user_id=user, anonymous_id=device,
        groups={"account": account} if account else {},
    ),
    TIMES, st.sampled_from([None, "ana", "bo"]), st.sampled_from([None, "phone", "tv"]),
    st.sampled_from([None, "acme"]),
)  # fmt: skip
TELLS = st.builds(
    lambda of, said, time: ProfileOp(said[0], of[1], "", time, said[1], of[0]),
    st.one_of(IDS, IDS, st.just(("account", "acme"))), SAID, TIMES,
)  # fmt: skip
LINKS = st.builds(
    lambda one, other, how: IdentityLink(one[1], other[1], "", T0, one[0], other[0], how),
    IDS, IDS, st.sampled_from(["identify", "identify", "alias", "merge", "retract"]),
)  # fmt: skip
HISTORIES = st.lists(st.one_of(EVENTS, EVENTS, TELLS, TELLS, TELLS, LINKS), max_size=20)


@settings(max_examples=40)
@given(HISTORIES, st.lists(st.integers(1, 5), max_size=8), st.integers(0, 20), st.booleans())
def test_a_field_is_what_who_says_of_that_moment_wherever_a_load_ends(
    history: list[Any], cuts: list[int], position: int, is_folded: bool
) -> None:
    items = [replace(item, id=f"i{number}") for number, item in enumerate(history)]
    with TemporaryDirectory() as folder:
        then = _asked(Path(folder), items[:position], [], is_folded=False)[0]
    with TemporaryDirectory() as folder:
        asked, expected, before = _asked(
            Path(folder), items, cuts, is_folded=is_folded, position=min(position, len(items))
        )

    assert asked == expected
    assert before == then


def _asked(
    folder: Path,
    items: Sequence[Event | Command],
    cuts: Sequence[int],
    *,
    is_folded: bool,
    position: int = 0,
) -> tuple[Any, Any, Any]:
    """Return what fields say of each event, what portraits say, and what fields said earlier."""
    world = World(folder)
    try:
        for item in items:
            world.send(*([item] if isinstance(item, Event) else []), commands=[] if isinstance(item, Event) else [item])  # fmt: skip
        for most in cuts:
            world.loader.step(most)
        if is_folded:
            world.engine.append("p", Commit(world.loader.position, {}, FOLD))
        world.load()
        events = [item for item in items if isinstance(item, Event)]
        return (
            _by_fields(world, len(items)),
            {event.id: _by_portraits(world, event) for event in events},
            _by_fields(world, position),
        )
    finally:
        world.close()


def _by_fields(world: World, position: int) -> dict[str, Any]:
    ways = world.rows('SELECT subject_kind, name, "class", op, is_long FROM profile_property')
    profiles, cleared = known_profiles(ways)
    late = world.rows("SELECT count(*) FROM person_override WHERE NOT is_folded")[0][0]
    counters = dict(world.rows("SELECT name, amount FROM progress"))
    scope = Scope(
        "p", "UTC", T0, position, {}, {}, late > 0, counters.get("identity_position", 0),
        profiles=profiles, cleared_profiles=cleared,
    )  # fmt: skip
    found: dict[str, Any] = {}
    for moment in ("event", "now", "2026-05-28T20:29:40Z"):
        for whose in ("person", "account"):
            for name in NAMES:
                one = fields.field(f"{whose}.{name}@{moment}", scope)
                values = [part or Sql("NULL") for part in (one.text, one.number, one.other)]
                rows = world.engine.fetch(
                    "p",
                    sql(
                        "SELECT e.event_id, {values} FROM event AS e{joins} WHERE e.seq < {end}",
                        values=join(", ", values), joins=fields.joins([one], scope),
                        end=fields.end_of_log(scope),
                    ),
                ).rows  # fmt: skip
                for event_id, *value in rows:
                    present = next((part for part in value if part is not None), None)
                    if present is not None:
                        found.setdefault(event_id, {})[whose, moment[:5], name] = present
                    else:
                        found.setdefault(event_id, {})
    return found


def _by_portraits(world: World, event: Event) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    with world.engine.reading("p", LIMITS) as fetch:
        for moment, at in (("event", event.time), ("now", None), ("2026-", AT)):
            ids = [("user", event.user_id), ("anonymous", event.anonymous_id)]
            actor = next(((kind, name) for kind, name in ids if name), None)
            profiles: dict[str, dict[str, Any]] = {}
            if actor:
                profiles["person"] = portraits.person(fetch, *actor, at).profile
            if account := event.groups.get("account"):
                try:
                    profiles["account"] = portraits.group(fetch, "account", account, at).profile
                except NotFound:
                    profiles["account"] = {}
            for whose, known in profiles.items():
                for name, value in known.items():
                    if (measured := _measured(value)) is not None:
                        found[whose, moment, name] = measured
    return found


def _measured(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return (
            "[" + ",".join(f'"{one}"' if isinstance(one, str) else str(one) for one in value) + "]"
        )
    return at_nine_places(Decimal(value)) if isinstance(value, int | Decimal) else value
