"""The accounts behind a number are as many as the number says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import chosen_uses
from tests.insights.test_people import DAYS
from tests.insights.test_trends import SERIES
from tests.strategies import SINCE, UNTIL, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.accounts import table

WEEK = [
    Use(user="ana", account="acme", time=SINCE),
    Use(user="ana", account="acme", time=SINCE + DAY),
    Use(user="bo", account="acme", time=SINCE + DAY + 1),
    Use(user="ana", account="initech", time=SINCE + 2 * DAY),
    Use(user="ana", time=SINCE + 3 * DAY),
]


def pages(store: Store, **question: Any) -> list[Any]:
    """Return the accounts of all pages."""
    found: list[Any] = []
    cursor = None
    while True:
        page = ask(store, "accounts", **{"range": DAYS, **question, "cursor": cursor})
        found += page.accounts
        cursor = page.cursor
        if cursor is None:
            assert len(found) == page.total
            return found


def test_an_account_is_one_row_with_the_people_who_acted_for_it(store: Store) -> None:
    store.replace(WEEK)

    found = ask(store, "accounts", range=DAYS)

    assert [(one.account, one.people, one.events) for one in found.accounts] == [
        ("initech", 1, 1), ("acme", 2, 3),
    ]  # fmt: skip
    acme = found.accounts[1]
    assert (acme.first_time, acme.last_time) == (rfc3339(SINCE), rfc3339(SINCE + DAY + 1))
    assert [row[0] for row in table(found).rows] == ["initech", "acme"]


def test_the_profile_of_an_account_is_told_as_of_a_date(store: Store) -> None:
    store.replace(WEEK)
    store.tell("account", "acme", '{"plan": "free"}', time=SINCE)
    store.tell("account", "acme", '{"plan": "pro"}', time=SINCE + 2 * DAY)

    plans = [
        [one.profile.get("plan") for one in ask(store, "accounts", range=DAYS, profile_at=at).accounts]
        for at in ("2025-10-25", "now")
    ]  # fmt: skip

    assert plans == [[None, "free"], [None, "pro"]]


def test_pages_of_accounts_stay_the_same_while_events_arrive(store: Store) -> None:
    history = [Use(user="ana", account=name, time=SINCE + n) for n, name in enumerate("abcd")]
    store.replace(history)
    first = ask(store, "accounts", range=DAYS, limit=2)

    store.replace([*history, Use(user="ana", account="a", time=SINCE + 9)])
    second = ask(store, "accounts", range=DAYS, limit=2, cursor=first.cursor)

    assert [one.account for one in (*first.accounts, *second.accounts)] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("order", "greatest_first"),
    [
        ({"order_by": "events"}, ["acme", "initech"]),
        ({"order_by": "people"}, ["acme", "initech"]),
        ({"order_by": "first_time"}, ["initech", "acme"]),
        ({}, ["initech", "acme"]),
    ],
)
def test_the_list_is_in_the_order_that_is_asked_for(
    store: Store, order: dict[str, Any], greatest_first: list[str]
) -> None:
    store.replace(WEEK)

    down, up = (
        [one.account for one in pages(store, **order, ascending=way, limit=1)]
        for way in (False, True)
    )

    assert (down, up[::-1]) == (greatest_first, greatest_first)


@settings(max_examples=100)
@given(
    histories(),
    st.sampled_from(["last_time", "first_time", "events", "people"]),
    st.booleans(),
    st.integers(1, 3),
)
def test_the_pages_of_any_order_are_all_accounts_once_and_in_it(
    store: Store, history: Any, order: str, ascending: bool, limit: int
) -> None:
    store.replace(history)
    usual = pages(store)

    found = pages(store, order_by=order, ascending=ascending, limit=limit)

    keys = [getattr(one, order) for one in found]
    assert keys == sorted(keys, reverse=not ascending)
    assert sorted(found, key=str) == sorted(usual, key=str)


@settings(max_examples=300)
@given(histories(), SERIES, st.integers(1, 3))
def test_the_list_is_the_accounts_the_oracle_finds(
    store: Store, history: Any, series: Any, limit: int
) -> None:
    store.replace(history)
    plain = {**series, "measure": "unique_accounts"}
    plain.pop("of", None)

    found = pages(store, series=plain, limit=limit)

    owner = owners(history)
    expected: dict[str, list[Use]] = {}
    for use in chosen_uses(
        history, SINCE, UNTIL, event=series.get("event"), filters=(series.get("filter"),)
    ):
        if use.account is not None:
            expected.setdefault(use.account, []).append(use)
    assert {one.account: (one.events, one.people, one.last_time) for one in found} == {
        name: (
            len(those),
            len({person(use, owner) for use in those} - {None}),
            rfc3339(max(use.time for use in those)),
        )
        for name, those in expected.items()
    }
    question = {"range": DAYS, "series": [plain]}
    assert ask(store, "trends", **question).lines[0].total == len(found)
    assert len(pages(store, behind={"insight": "trends", "question": question})) == len(found)


def test_a_number_that_is_of_no_account_has_no_list_of_them(store: Store) -> None:
    store.replace(WEEK)

    with pytest.raises(InvalidQuery, match="cannot be listed"):
        ask(store, "accounts", behind={"insight": "accounts"})
