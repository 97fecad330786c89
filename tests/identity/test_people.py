"""Claims connect ids to people within guards, whatever the order of commits and failures."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.identity.oracle import Actor, How, Known, Said

from tallymark.identity.people import Claim, Link, Move, People

ANA, BO, CY = ("user", "ana"), ("user", "bo"), ("user", "cy")
PHONE, TV, LAPTOP = ("anonymous", "phone"), ("anonymous", "tv"), ("anonymous", "laptop")
NOBODY = ("user", "undefined")


class World:
    """People whose actors are keyed as they appear, with what each commit kept."""

    def __init__(self, most_ids: int = 100) -> None:
        self.most_ids = most_ids
        self.people = People(most_ids)
        self.keys: dict[Actor, int] = {}
        self.links: list[Link] = []
        self.moves: list[Move] = []
        self._seq = 0

    def say(self, *claims: Said, is_kept: bool = True) -> None:
        """Claim all of it in one load, which fails unless it is kept."""
        self.people.claim([self._claim(said) for said in claims])
        if is_kept:
            self.links += self.people.links
            self.moves += self.people.moves
            self.people.commit()
        else:
            self.people.rollback()

    def restart(self, page: int = 3) -> None:
        """Begin anew from what is stored, the plain links page by page."""
        self.people = People(self.most_ids)
        stored = [link for link in self.links if link.outcome in ("linked", "retracted")]
        plain = [link for link in stored if is_plain(link)]
        rest = [link for link in stored if not is_plain(link)]
        for start in range(0, len(plain), page):
            part = plain[start : start + page]
            keys = [(link.claim.one, link.claim.other) for link in part]
            ones, others = np.array(keys, dtype=np.int64).T
            rest += [part[place] for place in self.people.restore_plain(ones, others)]
        self.people.restore(sorted(rest, key=lambda link: link.claim.seq))

    def person(self, actor: Actor) -> Actor:
        """Return the id that names the person of an actor."""
        key = self.people.person(self._key(actor))
        return next(name for name, found in self.keys.items() if found == key)

    def outcomes(self) -> list[tuple[str, str]]:
        return [(link.outcome, link.reason) for link in self.links]

    def _key(self, actor: Actor) -> int:
        return self.keys.setdefault(actor, len(self.keys) + 1)

    def _claim(self, said: Said) -> Claim:
        self._seq += 1
        return Claim(
            self._seq,
            self._key(said.one),
            self._key(said.other),
            said.one[0] == "user",
            said.other[0] == "user",
            said.how,
            "undefined" in (said.one[1], said.other[1]),
        )


def is_plain(link: Link) -> bool:
    claim = link.claim
    is_identify = link.outcome == "linked" and claim.how == "identify"
    return is_identify and claim.other_is_user and not claim.one_is_user


def test_a_linked_anonymous_id_is_the_user() -> None:
    world = World()

    world.say(Said(PHONE, ANA))

    assert world.person(PHONE) == world.person(ANA) == ANA


def test_a_shared_device_stays_with_its_first_user() -> None:
    world = World()

    world.say(Said(PHONE, ANA), Said(PHONE, BO))

    assert (world.person(PHONE), world.person(BO)) == (ANA, BO)
    assert world.outcomes() == [("linked", ""), ("refused", "MERGE_REFUSED")]


def test_two_devices_of_nobody_are_one_person_named_by_the_first() -> None:
    world = World()

    world.say(Said(TV, PHONE))

    assert world.person(PHONE) == TV


def test_devices_that_are_one_belong_to_whoever_logs_in_on_either() -> None:
    world = World()

    world.say(Said(TV, PHONE), Said(PHONE, ANA))

    assert world.person(TV) == world.person(PHONE) == ANA


def test_two_users_are_not_merged_by_a_device_however_it_is_claimed() -> None:
    world = World()

    world.say(Said(PHONE, ANA), Said(PHONE, BO, "alias"), Said(PHONE, BO, "merge"))

    assert world.person(BO) == BO
    assert world.outcomes()[1:] == [("refused", "MERGE_REFUSED")] * 2


def test_two_users_are_not_merged_by_an_identify() -> None:
    world = World()

    world.say(Said(ANA, BO))

    assert (world.person(ANA), world.person(BO)) == (ANA, BO)


@pytest.mark.parametrize("how", ["alias", "merge"])
def test_two_users_named_by_an_explicit_claim_are_one_with_all_their_devices(how: How) -> None:
    world = World()

    world.say(Said(PHONE, BO), Said(TV, ANA), Said(ANA, BO, how))

    assert {world.person(actor) for actor in (PHONE, TV, ANA, BO)} == {BO}


def test_an_id_cannot_be_linked_to_itself() -> None:
    world = World()

    world.say(Said(ANA, ANA, "alias"))

    assert world.outcomes() == [("ignored", "MERGE_LOOP")]


def test_a_loop_of_aliases_is_one_person_and_its_repeats_do_nothing() -> None:
    world = World()

    world.say(Said(ANA, BO, "alias"), Said(BO, ANA, "alias"), Said(ANA, BO, "alias"))

    assert world.person(BO) == ANA
    assert world.outcomes() == [("linked", "")]


def test_a_placeholder_joins_nothing() -> None:
    world = World()

    world.say(Said(PHONE, NOBODY), Said(TV, NOBODY, "alias"))

    assert world.person(PHONE) != world.person(TV)
    assert world.outcomes() == [("ignored", "ILLEGAL_ID")] * 2


def test_a_person_has_at_most_as_many_ids_as_stated() -> None:
    world = World(most_ids=3)

    world.say(Said(PHONE, ANA), Said(TV, ANA), Said(LAPTOP, ANA))

    assert world.person(LAPTOP) == LAPTOP
    assert world.outcomes()[-1] == ("refused", "ALIAS_FANOUT")


def test_a_chain_of_ten_thousand_aliases_is_cut_into_people_of_the_most_ids() -> None:
    world = World(most_ids=1000)
    chain = [("user", f"u{n}") for n in range(10_001)]

    world.say(*(Said(*pair, "alias") for pair in pairwise(chain)))

    assert world.person(chain[999]) == chain[0]
    assert world.person(chain[1000]) == chain[1000]
    assert world.outcomes().count(("refused", "ALIAS_FANOUT")) == 10


def test_a_link_taken_back_gives_the_device_back_to_itself() -> None:
    world = World()
    world.say(Said(PHONE, ANA))

    world.say(Said(ANA, PHONE, "retract"))

    assert (world.person(PHONE), world.person(ANA)) == (PHONE, ANA)
    assert [(move.was, move.into) for move in world.moves] == [(1, 2), (2, 1)]


def test_a_link_taken_back_parts_two_users_with_the_devices_of_each() -> None:
    world = World()
    world.say(Said(PHONE, ANA), Said(TV, BO), Said(ANA, BO, "alias"))

    world.say(Said(ANA, BO, "retract"))

    assert (world.person(PHONE), world.person(TV)) == (ANA, BO)


def test_ids_linked_twice_stay_one_person_when_one_link_is_taken_back() -> None:
    world = World()
    world.say(Said(TV, PHONE), Said(PHONE, ANA), Said(TV, ANA))

    world.say(Said(PHONE, ANA, "retract"))

    assert world.person(PHONE) == ANA


def test_ids_told_apart_are_linked_again_by_an_explicit_claim_only() -> None:
    world = World()
    world.say(Said(PHONE, ANA), Said(PHONE, ANA, "retract"))

    world.say(Said(PHONE, ANA))
    assert world.person(PHONE) == PHONE
    world.say(Said(PHONE, ANA, "alias"))

    assert world.person(PHONE) == ANA
    assert world.outcomes()[2:] == [("refused", "LINK_RETRACTED"), ("linked", "")]


def test_a_link_that_is_not_there_cannot_be_taken_back() -> None:
    world = World()

    world.say(Said(PHONE, ANA, "retract"), Said(PHONE, ANA))

    assert world.person(PHONE) == ANA
    assert world.outcomes() == [("ignored", "LINK_UNKNOWN"), ("linked", "")]


ACTORS = st.sampled_from([ANA, BO, CY, PHONE, TV, LAPTOP, ("anonymous", "watch"), NOBODY])
CLAIMS = st.builds(
    Said, ACTORS, ACTORS, st.sampled_from(["identify", "identify", "alias", "merge", "retract"])
)
LOADS = st.lists(st.tuples(st.lists(CLAIMS, max_size=6), st.sampled_from("kkkkfr")), max_size=12)


@settings(max_examples=600)
@given(LOADS, st.integers(2, 5))
def test_agrees_with_the_oracle_wherever_loads_end_or_fail_or_it_restarts(
    loads: Sequence[tuple[list[Said], str]], most_ids: int
) -> None:
    world = World(most_ids)
    known = Known(most_ids)
    for claims, fate in loads:
        for said in claims:
            known.see(said.one, said.other)
        if fate == "f":
            world.say(*claims, is_kept=False)
        world.say(*claims)
        if fate == "r":
            world.restart()
        for said in claims:
            known.claim(said)

        assert {actor: world.person(actor) for actor in known.seen} == {
            actor: known.person(actor) for actor in known.seen
        }

    assert world.outcomes() == [(outcome, reason) for _, outcome, reason in known.outcomes]
    assert followed(world) == {actor: world.people.person(key) for actor, key in world.keys.items()}


def followed(world: World) -> dict[Actor, int]:
    """Return the person of every actor as its moves tell, each from where the last one ended."""
    found = dict(world.keys)
    names = {key: actor for actor, key in world.keys.items()}
    for move in world.moves:
        assert found[names[move.actor]] == move.was
        found[names[move.actor]] = move.into
    return found
