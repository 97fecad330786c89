"""Anonymous ids join the first user they were seen with, and two users never join."""

from hypothesis import given
from hypothesis import strategies as st

from tallymark.identity.people import People


def test_given_a_link_then_the_anonymous_id_is_the_user() -> None:
    people = People()

    people.link(1, 7, 3)

    assert people.person(7) == 3
    assert people.person(3) == 3


def test_given_a_shared_device_when_a_second_user_comes_then_the_first_keeps_it() -> None:
    people = People()
    people.link(1, 7, 3)

    people.link(2, 7, 4)

    assert people.person(7) == 3
    assert people.person(4) == 4
    assert [link.outcome for link in people.pending] == ["linked", "refused"]


def test_given_a_refused_link_when_it_is_claimed_again_then_it_is_noted_once() -> None:
    people = People()
    people.link(1, 7, 3)

    for seq in range(2, 6):
        people.link(seq, 7, 4)

    assert len(people.pending) == 2


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(1, 2000)), max_size=50))
def test_rollback_restores_every_person(claims: list[tuple[int, int]]) -> None:
    people = People()
    people.link(1, 5, 6)
    people.commit()
    before = {actor: people.person(actor) for actor in range(1, 2001)}

    for seq, (anon, user) in enumerate(claims):
        people.link(seq + 2, anon, user)
    people.rollback()

    assert {actor: people.person(actor) for actor in range(1, 2001)} == before
