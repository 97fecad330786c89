"""Everything known of a person or a group, as the store tells it after loading."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.collect.world import MINUTE, T0, World
from tests.identity.oracle import Actor, Said, decided

from tallymark.core.clock import rfc3339
from tallymark.core.errors import NotFound
from tallymark.core.event import Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings
from tallymark.identity import portraits
from tallymark.identity.members import MembersPage, read_cursor
from tallymark.identity.portraits import KnownId
from tallymark.store.engine import Limits

LIMITS = Limits(seconds=60, memory_bytes=128 * 1024 * 1024, rows=100_000)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def event(number: int, **fields: Any) -> Event:
    return Event(name="open", id=f"e{number}", time=T0 + number * MINUTE, **fields)


def person(world: World, kind: str, name: str, at: int | None = None) -> portraits.Portrait:
    with world.engine.reading("p", LIMITS) as fetch:
        return portraits.person(fetch, kind, name, at)


def group(world: World, kind: str, name: str, at: int | None = None) -> portraits.GroupPortrait:
    with world.engine.reading("p", LIMITS) as fetch:
        return portraits.group(fetch, kind, name, at)


def test_a_person_is_told_whole_by_any_of_their_ids(world: World) -> None:
    world.send(
        event(1, anonymous_id="phone"),
        event(2, user_id="ana", anonymous_id="phone", groups={"account": "acme", "team": "core"}),
        event(3, user_id="bo", anonymous_id="phone"),
        commands=[
            ProfileOp("set", "phone", "c1", T0, {"locale": "de"}, "anonymous"),
            ProfileOp("set", "ana", "c2", T0 + 5, {"plan": "pro", "locale": "en"}),
            GroupMembership("account", "initech", "c3", T0, user_id="ana"),
            GroupMembership("team", "web", "c4", T0, anonymous_id="phone"),
        ],
    )
    world.load()

    found = person(world, "anonymous", "phone")

    assert found == person(world, "user", "ana")
    assert found.ids == [KnownId("user", "ana"), KnownId("anonymous", "phone")]
    assert found.profile == {"locale": "en", "plan": "pro"}
    assert found.groups == {"account": ["acme", "initech"], "team": ["core", "web"]}
    assert (found.events, found.at, found.log_position) == (2, None, 1)
    assert (found.first_time, found.last_time) == (rfc3339(T0 + MINUTE), rfc3339(T0 + 2 * MINUTE))
    assert [(link.other.id, link.outcome, link.reason) for link in found.links] == [
        ("bo", "refused", "MERGE_REFUSED"),
        ("ana", "linked", ""),
    ]


def test_a_person_at_a_date_has_the_profile_and_groups_of_then(world: World) -> None:
    world.send(
        event(1, user_id="ana", groups={"account": "acme"}),
        event(9, user_id="ana", groups={"account": "initech"}),
        commands=[
            ProfileOp("set", "ana", "c1", T0 + MINUTE, {"plan": "free"}),
            ProfileOp("set", "ana", "c2", T0 + 9 * MINUTE, {"plan": "pro"}),
            GroupMembership("team", "web", "c3", T0 + 9 * MINUTE, user_id="ana"),
        ],
    )
    world.load()

    found = person(world, "user", "ana", T0 + 5 * MINUTE)

    assert (found.profile, found.groups, found.events) == (
        {"plan": "free"}, {"account": ["acme"]}, 1,
    )  # fmt: skip
    assert found.at == rfc3339(T0 + 5 * MINUTE)


def test_people_parted_again_have_their_own_profiles_and_events(world: World) -> None:
    world.send(
        event(1, anonymous_id="phone"),
        event(2, user_id="ana"),
        commands=[
            IdentityLink("phone", "ana", "c1", T0),
            ProfileOp("set", "phone", "c2", T0, {"locale": "de"}, "anonymous"),
            ProfileOp("set", "ana", "c3", T0, {"plan": "pro"}),
        ],
    )
    world.load()

    world.send(commands=[IdentityLink("phone", "ana", "c4", T0, how="retract")])
    world.load()

    phone, ana = person(world, "anonymous", "phone"), person(world, "user", "ana")
    assert (phone.profile, phone.events) == ({"locale": "de"}, 1)
    assert (ana.profile, ana.events) == ({"plan": "pro"}, 1)
    assert phone.person != ana.person


def test_somebody_nobody_heard_of_is_not_found(world: World) -> None:
    world.send(event(1, anonymous_id="ana"))
    world.load()

    with pytest.raises(NotFound, match="user id 'ana'"):
        person(world, "user", "ana")


def test_a_group_has_a_profile_of_its_own_and_counts_its_people(world: World) -> None:
    world.send(
        event(1, user_id="ana", groups={"account": "acme"}),
        event(2, anonymous_id="phone", groups={"account": "acme"}),
        event(3, user_id="ana", anonymous_id="phone"),
        commands=[
            ProfileOp("set", "acme", "c1", T0, {"seats": 3}, "account"),
            ProfileOp("set", "acme", "c2", T0, {"seats": 7}, "anonymous"),
            GroupMembership("account", "acme", "c3", T0, user_id="bo"),
            ProfileOp("add", "acme", "c4", T0 + 9, {"seats": 2}, "account"),
        ],
    )
    world.load()

    found = group(world, "account", "acme")

    assert (found.profile, found.people, found.events) == ({"seats": 5}, 2, 2)
    assert group(world, "account", "acme", T0).profile == {"seats": 3}
    assert person(world, "anonymous", "acme").profile == {"seats": 7}


def members(world: World, kind: str, name: str, **asked: Any) -> MembersPage:
    usual = {"at": None, "after": None, "most": 100}
    with world.engine.reading("p", LIMITS) as fetch:
        return portraits.people_of(fetch, kind, name, **{**usual, **asked})


def test_the_people_of_a_group_are_as_many_as_it_says_those_seen_last_first(world: World) -> None:
    world.send(
        event(1, user_id="ana", groups={"account": "acme"}),
        event(2, anonymous_id="phone", groups={"account": "acme"}),
        event(3, user_id="ana", anonymous_id="phone"),
        event(4, user_id="cy", groups={"account": "acme"}),
        event(5, user_id="dee", groups={"account": "initech"}),
        event(6, groups={"account": "acme"}),
        commands=[GroupMembership("account", "acme", "c1", T0, user_id="bo")],
    )
    world.load()

    found = members(world, "account", "acme")

    assert [(one.user_ids, one.anonymous_ids, one.events) for one in found.people] == [
        (["cy"], [], 1), (["ana"], ["phone"], 2), (["bo"], [], 0),
    ]  # fmt: skip
    assert [one.last_time for one in found.people] == [
        rfc3339(T0 + 4 * MINUTE), rfc3339(T0 + 2 * MINUTE), None,
    ]  # fmt: skip
    assert (found.total, found.cursor) == (group(world, "account", "acme").people, None)
    assert [one.user_ids for one in members(world, "account", "acme", at=T0 + MINUTE).people] == [
        ["ana"], ["bo"],
    ]  # fmt: skip


def test_the_pages_of_a_groups_people_stay_the_same_while_events_arrive(world: World) -> None:
    users = [f"u{n}" for n in range(5)]
    world.send(
        *(event(n, user_id=user, groups={"team": "core"}) for n, user in enumerate(users)),
        commands=[
            GroupMembership("team", "core", f"c-{name}", T0, user_id=name) for name in ("x", "y")
        ],
    )
    world.load()
    page = members(world, "team", "core", most=2)
    found = list(page.people)

    world.send(event(90, user_id="u0", groups={"team": "core"}), event(91, user_id="new", groups={"team": "core"}))  # fmt: skip
    world.load()
    while page.cursor is not None:
        page = members(world, "team", "core", most=2, after=read_cursor(page.cursor))
        found += page.people

    assert [one.user_ids[0] for one in found] == [*users[::-1], "y", "x"]
    assert page.total == 7


def test_the_people_of_a_group_nobody_heard_of_are_not_found(world: World) -> None:
    world.send(event(1, user_id="ana", groups={"account": "acme"}))
    world.load()

    with pytest.raises(NotFound, match="'initech'"):
        members(world, "account", "initech")


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.x", "1.2.3.4", f"{2**63}.1.1"])
def test_a_cursor_of_a_groups_people_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_cursor(text)


def test_a_group_of_any_type_is_found_by_events_and_by_commands(world: World) -> None:
    world.send(
        event(1, user_id="ana", groups={"team \".$*'": "t:1"}),
        commands=[ProfileOp("set", "t:1", "c1", T0, {"lead": "bo"}, "team \".$*'")],
    )
    world.load()

    found = group(world, "team \".$*'", "t:1")

    assert (found.profile, found.people, found.events) == ({"lead": "bo"}, 1, 1)
    with pytest.raises(NotFound):
        group(world, "account", "t:1")


def test_a_command_sent_again_is_applied_once(world: World) -> None:
    add = ProfileOp("add", "ana", "c1", T0, {"logins": 1})
    world.send(commands=[add])
    world.load()

    world.send(commands=[add, ProfileOp("add", "ana", "c2", T0, {"logins": 1})])
    world.load()

    assert person(world, "user", "ana").profile == {"logins": 2}


def test_claims_are_listed_newest_first_and_counted_by_reason(world: World) -> None:
    world.send(
        *(event(n, user_id=user, anonymous_id="tv") for n, user in enumerate("abca")),
        commands=[IdentityLink("a", "a", "c1", T0, "user", "user", "alias")],
    )
    world.load()
    world.restart()
    world.send(event(9, user_id="b", anonymous_id="tv"))
    world.load()

    with world.engine.reading("p", LIMITS) as fetch:
        page, counts = portraits.links(fetch, outcome="refused", before=2**62, most=1)

    assert [(link.one.id, link.other.id) for link in page] == [("tv", "c")]
    assert counts == {"refused MERGE_REFUSED": 2, "ignored MERGE_LOOP": 1, "linked": 1}


ACTORS = st.sampled_from(
    [("user", "ana"), ("user", "bo"), ("user", "cy"), ("anonymous", "tv"), ("anonymous", "phone")]
)
CLAIMS = st.builds(Said, ACTORS, ACTORS, st.sampled_from(["identify", "alias", "merge", "retract"]))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CLAIMS, min_size=1, max_size=12), st.integers(1, 4))
def test_the_ids_of_a_person_are_those_the_oracle_finds(
    tmp_path_factory: pytest.TempPathFactory, claims: list[Said], most: int
) -> None:
    known = decided(claims, 4)
    world = World(tmp_path_factory.mktemp("world"), Settings(max_ids_per_person=4))
    try:
        for number, said in enumerate(claims):
            (one_kind, one), (other_kind, other) = said.one, said.other
            link: Any = (one, other, f"c{number}", T0, one_kind, other_kind, said.how)
            world.send(commands=[IdentityLink(*link)])
        world.load(most)

        for actor in known.seen:
            found = person(world, *actor)
            assert {(one.kind, one.id) for one in found.ids} == known.ids(actor)
            assert name_of(world, found.person) == known.person(actor)
    finally:
        world.close()


def name_of(world: World, key: int) -> Actor:
    ((kind, name),) = world.rows(f"SELECT id_kind, id FROM actor WHERE actor_key = {key}")  # noqa: S608
    return kind, name
