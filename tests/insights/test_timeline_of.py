"""The timeline of one person or account, counted by hand and by an oracle."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import chosen_uses
from tests.strategies import SINCE, UNTIL, Link, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.timeline_of import table

MINUTE = DAY // 24 // 60
RANGE = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
NINE = SINCE + 9 * 60 * MINUTE

MORNING: list[Use | Link] = [
    Use(name="open", user="ana", anonymous="laptop", time=NINE, session="s1", account="acme"),
    Use(name="open", anonymous="phone", time=NINE + 5 * MINUTE, session="s2"),
    Use(name="buy", user="ana", time=NINE + 10 * MINUTE, session="s1", account="acme"),
    Use(name="open", user="bo", time=NINE + 11 * MINUTE, session="s4", account="acme"),
    Use(name="open", user="ana", time=NINE + 300 * MINUTE, session="s3"),
    Link("phone", "ana"),
]


def sessions(store: Store, **question: Any) -> list[Any]:
    answer = ask(store, "timeline", **{"range": RANGE, **question})
    return [(one.session, one.events, len(one.shown)) for one in answer.sessions]


def test_a_person_has_the_events_of_all_ids_session_by_session(store: Store) -> None:
    store.replace(MORNING)
    expected = [("s3", 1, 1), ("s1", 2, 2), ("s2", 1, 1)]

    found = ask(store, "timeline", range=RANGE, anonymous_id="phone")

    assert [(one.session, one.events, len(one.shown)) for one in found.sessions] == expected
    assert (found.total, found.total_sessions) == (4, 3)
    s1 = found.sessions[1]
    assert (s1.first_time, s1.last_time) == (rfc3339(NINE), rfc3339(NINE + 10 * MINUTE))
    assert [one.event for one in s1.shown] == ["buy", "open"]
    assert sessions(store, user_id="ana") == expected
    assert sessions(store, person=s1.shown[0].person) == expected


def test_an_account_has_the_events_of_everybody_who_acted_for_it(store: Store) -> None:
    store.replace(MORNING)

    assert sessions(store, account="acme") == [("s4", 1, 1), ("s1", 2, 2)]
    assert sessions(store, account="acme", event="buy") == [("s1", 1, 1)]


def test_a_session_goes_on_on_the_next_page(store: Store) -> None:
    store.replace(MORNING)

    first = ask(store, "timeline", range=RANGE, user_id="ana", limit=2)
    second = ask(store, "timeline", range=RANGE, user_id="ana", limit=2, cursor=first.cursor)

    pages = [
        [(one.session, one.events, len(one.shown)) for one in page.sessions]
        for page in (first, second)
    ]
    assert pages == [[("s3", 1, 1), ("s1", 2, 1)], [("s2", 1, 1), ("s1", 2, 1)]]
    assert second.cursor is None


def test_events_without_a_session_stand_alone(store: Store) -> None:
    store.replace([Use(user="ana", time=SINCE), Use(user="ana", time=SINCE + 1)])

    assert sessions(store, user_id="ana") == [(None, 1, 1), (None, 1, 1)]


def test_a_table_has_a_row_for_each_event(store: Store) -> None:
    store.replace(MORNING)

    found = table(ask(store, "timeline", range=RANGE, user_id="ana"))

    assert [row[2] for row in found.rows] == ["open", "buy", "open", "open"]


def test_nobody_known_by_an_id_is_told(store: Store) -> None:
    store.replace(MORNING)

    found = ask(store, "timeline", range=RANGE, user_id="eve")

    assert (found.total, found.sessions, found.warnings) == (
        0,
        [],
        ["There is no event of this user id."],
    )


@pytest.mark.parametrize(
    ("whose", "path"), [({}, "user_id"), ({"user_id": "ana", "account": "acme"}, "account")]
)
def test_a_timeline_of_nobody_or_of_two_is_refused(store: Store, whose: Any, path: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        ask(store, "timeline", **whose)

    assert refused.value.path == path


@settings(max_examples=300)
@given(
    histories(), st.sampled_from(["user_id", "anonymous_id", "account"]), st.integers(0, 2), st.integers(1, 4)
)  # fmt: skip
def test_all_pages_together_are_the_events_the_oracle_finds(
    store: Store, history: Any, whose: str, which: int, limit: int
) -> None:
    store.replace(history)
    names = {
        "user_id": ["ana", "bo", "cy"],
        "anonymous_id": ["phone", "laptop", "tv"],
        "account": ["acme", "initech", "none"],
    }
    name = names[whose][which]
    asked = {"range": RANGE, whose: name, "limit": limit}

    found: list[Any] = []
    cursor = None
    while True:
        page = ask(store, "timeline", **asked, cursor=cursor)
        found += page.sessions
        cursor = page.cursor
        if cursor is None:
            break

    owner = owners(history)
    who = f"user {name}" if whose == "user_id" else f"anonymous {name}"
    if whose == "anonymous_id" and name in owner:
        who = f"user {owner[name]}"
    mine = [
        use
        for use in chosen_uses(history, SINCE, UNTIL)
        if (use.account == name if whose == "account" else person(use, owner) == who)
    ]
    shown = [event for one in found for event in one.shown]
    assert page.total == len(shown) == len(mine)
    assert sorted(event.time for event in shown) == sorted(rfc3339(use.time) for use in mine)
    for one in found:
        if one.session is not None:
            those = [use.time for use in mine if use.session == one.session]
            assert (one.events, one.first_time, one.last_time) == (
                len(those), rfc3339(min(those)), rfc3339(max(those)),
            )  # fmt: skip
        assert {event.session for event in one.shown} == {one.session}
