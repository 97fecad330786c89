"""People and accounts are found by text, and told with their profile as of a date."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import chosen_uses
from tests.insights.test_people import DAYS
from tests.strategies import SINCE, UNTIL, Link, Use, histories, owners, person

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery
from tallymark.insights.people import table

WEEK: list[Use | Link] = [
    Use(anonymous="phone", time=SINCE),
    Use(anonymous="phone", time=SINCE + DAY),
    Use(user="ana", anonymous="Laptop", time=SINCE),
    Use(user="bo", time=SINCE + 2 * DAY),
    Link("phone", "ana"),
]


def found(store: Store, **question: Any) -> list[tuple[str, int]]:
    listed = ask(store, "people", **{"range": DAYS, **question}).people
    return [(" ".join(one.user_ids), one.events) for one in listed]


@pytest.mark.parametrize("search", ["LAPT", "laptop", "ana", "hon"])
def test_a_person_is_found_by_any_id_in_capitals_or_not(store: Store, search: str) -> None:
    store.replace(WEEK)

    assert found(store) == [("bo", 1), ("ana", 3)]
    assert found(store, search=search) == [("ana", 3)]


def test_an_id_that_did_nothing_in_the_range_finds_its_person(store: Store) -> None:
    store.replace([Use(anonymous="phone", time=SINCE - DAY), Use(user="ana"), Link("phone", "ana")])

    assert found(store, search="phone") == [("ana", 1)]


def test_text_of_a_profile_finds_people_and_accounts_but_names_of_properties_do_not(
    store: Store,
) -> None:
    store.replace([*WEEK, Use(user="bo", account="acme", time=SINCE + 3 * DAY)])
    store.tell("anonymous", "phone", '{"name": "Ana Ångström", "seats": 12}')
    store.tell("account", "acme", '{"name": "Acme Ltd.", "plan": {"kind": "gold"}}')

    assert found(store, search="ångs") == [("ana", 3)]
    assert found(store, search="12") == [("ana", 3)]
    assert found(store, search="name") == []
    named = [
        ask(store, "accounts", range=DAYS, search=text).accounts for text in ("ltd", "gold", "x")
    ]
    assert [[one.account for one in some] for some in named] == [["acme"], ["acme"], []]


def test_what_is_looked_for_is_text_and_no_pattern(store: Store) -> None:
    store.replace([Use(user="a%b'"), Use(user="axb")])

    assert found(store, search="a%") == [("a%b'", 1)]
    assert found(store, search="b'") == [("a%b'", 1)]
    assert found(store, search="_") == []


def test_a_search_goes_on_over_pages_and_with_a_number(store: Store) -> None:
    store.replace([Use(user=f"ana {n}", time=SINCE + n) for n in range(5)] + [Use(user="bo")])

    first = ask(store, "people", range=DAYS, search="ana", limit=3)
    second = ask(store, "people", range=DAYS, search="ana", limit=3, cursor=first.cursor)
    behind = {"insight": "trends", "question": {"range": DAYS}}

    assert (first.total, len(first.people), len(second.people)) == (5, 3, 2)
    assert ask(store, "people", behind=behind).total == 6
    assert ask(store, "people", behind=behind, search="ana").total == 5
    with pytest.raises(InvalidQuery):
        ask(store, "people", range=DAYS, search="bo", limit=3, cursor=first.cursor)


def test_a_profile_is_what_was_told_of_all_ids_up_to_an_instant(store: Store) -> None:
    store.replace(WEEK)
    store.tell("user", "ana", '{"plan": "free"}', time=SINCE)
    store.tell("anonymous", "phone", '{"seats": 2.5}', time=SINCE + 1)
    store.tell("user", "ana", '{"plan": "pro"}', time=SINCE + 2 * DAY)

    def profiles(at: str | None) -> list[Any]:
        return [one.profile for one in ask(store, "people", range=DAYS, profile_at=at).people]

    bo, ana = profiles("2025-10-25")
    assert (bo, {name: str(value) for name, value in ana.items()}) == (
        {},
        {"plan": "free", "seats": "2.5"},
    )
    assert profiles("now")[1]["plan"] == "pro"
    assert profiles("2025-10-23") == [{}, {}]
    assert profiles(None) == [None, None]
    with pytest.raises(InvalidQuery) as refused:
        profiles("yesterday")
    assert refused.value.path == "profile_at"


def test_a_table_of_people_has_profiles_only_if_they_are_asked_for(store: Store) -> None:
    store.replace([Use(user="ana")])
    store.tell("user", "ana", '{"seats": 2.50, "plan": "pro"}')

    plain, told = (table(ask(store, "people", range=DAYS, profile_at=at)) for at in (None, "now"))

    assert "profile" not in plain.columns
    assert (told.columns[-1], told.rows[0][-1]) == ("profile", '{"plan":"pro","seats":2.50}')


@settings(max_examples=100)
@given(histories(), st.sampled_from(["ana", "PHONE", "t", "o", "x"]))
def test_the_people_found_are_those_with_an_id_that_has_the_text(
    store: Store, history: Any, search: str
) -> None:
    store.replace(history)

    listed = ask(store, "people", range=DAYS, search=search)

    owner = owners(history)
    ids: dict[str, set[str]] = {}
    for item in history:
        if item.user is not None:
            ids.setdefault(f"user {item.user}", set()).add(item.user)
        if item.anonymous is not None:
            user = owner.get(item.anonymous)
            who = f"anonymous {item.anonymous}" if user is None else f"user {user}"
            ids.setdefault(who, set()).add(item.anonymous)
    uses: dict[str, int] = {}
    for use in chosen_uses(history, SINCE, UNTIL):
        by = person(use, owner)
        if by is not None and any(search.lower() in one for one in ids[by]):
            uses[by] = uses.get(by, 0) + 1
    assert listed.total == len(uses)
    assert sorted(one.events for one in listed.people) == sorted(uses.values())
