"""How often something is done, counted by hand and by an oracle in plain Python."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, chosen_uses, satisfies
from tests.strategies import SINCE, UNTIL, History, Link, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.frequency import table

DAYS = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
# Those that the page of the insight tells.
SEARCHES = [
    *(Use(name="search", user="ana", time=SINCE + n) for n in range(5)),
    Use(name="search", user="bo"),
    Use(name="search", user="cy", time=SINCE + DAY),
    Use(name="open", user="di"),
]


def rows(store: Store, **question: Any) -> dict[tuple[int, int | None], tuple[int, int]]:
    """Return the units and events of the rows that have any, by where they begin and end."""
    answer = ask(store, "frequency", **{"range": DAYS, **question})
    return {(one.low, one.high): (one.units.count, one.events) for one in answer.rows if one.units.count}  # fmt: skip


def test_people_are_counted_by_how_often_they_searched(store: Store) -> None:
    store.replace(SEARCHES)

    answer = ask(store, "frequency", range=DAYS, step="search")

    assert rows(store, step="search") == {(1, 1): (2, 2), (5, 5): (1, 5)}
    assert (answer.units, answer.events, answer.most) == (3, 7, 5)
    assert (answer.mean, answer.median, answer.p90) == (Decimal("2.333333333"), 1, Decimal("4.2"))
    assert answer.rows[4].share_of_events == Decimal("0.714285714")


def test_those_who_came_and_did_not_search_can_be_counted_too(store: Store) -> None:
    store.replace(SEARCHES)

    answer = ask(store, "frequency", range=DAYS, step="search", with_zero=True)

    assert (answer.rows[0].low, answer.rows[0].high, answer.rows[0].units.count) == (0, 0, 1)
    assert (answer.units, answer.mean, answer.median) == (4, Decimal("1.75"), 1)


def test_rows_begin_where_the_question_says(store: Store) -> None:
    store.replace(SEARCHES)

    assert rows(store, step="search", bounds=[2, 5]) == {(1, 1): (2, 2), (5, None): (1, 5)}
    shown = table(ask(store, "frequency", range=DAYS, step="search", bounds=[3]))
    assert [row[:2] for row in shown.rows] == [("1 to 2", 2), ("3 or more", 1), ("all", 3)]


def test_accounts_are_listed_behind_their_numbers_and_sessions_are_not(store: Store) -> None:
    store.replace(
        [Use(account="acme", session="s1"), Use(account="acme", session="s2"), Use(user="ana")]
    )

    assert rows(store, per="account") == {(2, 2): (1, 2)}
    assert rows(store, per="session") == {(1, 1): (2, 2)}
    for per, hint in (("account", "Ask accounts instead."), ("session", "Ask visits instead.")):  # fmt: skip
        behind = {"insight": "frequency", "question": {"range": DAYS, "per": per}}
        with pytest.raises(InvalidQuery, match=f"of {per}s; it has no list of people") as refused:
            ask(store, "people", behind=behind)
        assert refused.value.hint == hint
    behind = {"insight": "frequency", "question": {"range": DAYS, "per": "account"}}
    assert [one.account for one in ask(store, "accounts", behind=behind).accounts] == ["acme"]


def test_a_merged_person_did_what_both_did(store: Store) -> None:
    store.replace([Use(anonymous="phone"), Use(user="ana"), Link("phone", "ana"), Use()])

    assert rows(store) == {(2, 2): (1, 2)}


def test_nobody_at_all_has_no_mean(store: Store) -> None:
    store.replace([])

    answer = ask(store, "frequency", range=DAYS, with_zero=True)

    assert (answer.units, answer.mean, answer.median, answer.most) == (0, None, None, None)
    assert answer.rows[0].units.value is None


def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    store.replace([])

    for bounds in ([2, 2], [3, 1]):
        with pytest.raises(InvalidQuery, match="rise"):
            ask(store, "frequency", bounds=bounds)
    unknown: list[dict[str, Any]] = [{"bounds": []}, {"bounds": [0]}, {"per": "device"}]
    for question in (*unknown, {"semantics": "mixpanel"}):
        with pytest.raises(msgspec.ValidationError):
            ask(store, "frequency", **question)
    behind = {"insight": "frequency", "question": {"bounds": [1, 5]}, "place": {"low": 2}}
    with pytest.raises(InvalidQuery, match="No row"):
        ask(store, "people", behind=behind)


# The oracle.


def times_of(history: History, question: dict[str, Any]) -> Counter[str]:
    """Return how often each unit did it, with those of zero if they count."""
    owner = owners(history)
    found: Counter[str] = Counter()
    for use in chosen_uses(history, SINCE, UNTIL, filters=(question["filter"],)):
        unit = person(use, owner) if question["per"] == "person" else getattr(use, question["per"])
        if unit is None:
            continue
        named = question["step"].get("event")
        is_named = named is None or use.name in ([named] if isinstance(named, str) else named)
        did = is_named and satisfies(use, question["step"].get("filter"))
        if did or question["with_zero"]:
            found[unit] += did
    return found


QUESTIONS = st.fixed_dictionaries(
    {
        "step": st.sampled_from([{}, {"event": "open"}, {"event": ["open", "buy"]}])
        | CONDITIONS.map(lambda chosen: {"event": "open", "filter": chosen}),
        "filter": st.none() | CONDITIONS,
        "per": st.sampled_from(["person", "person", "account", "session"]),
        "bounds": st.sets(st.integers(1, 8), min_size=1).map(sorted),
        "with_zero": st.booleans(),
    }
)


@settings(max_examples=300)
@given(histories(), QUESTIONS, st.integers(0, 9))
def test_every_row_agrees_with_the_oracle_and_opens_to_its_people_or_accounts(
    store: Store, history: Any, question: Any, place: int
) -> None:
    store.replace(history)

    answer = ask(store, "frequency", range=DAYS, **question)

    times = sorted(times_of(history, question).values())
    for row in answer.rows:
        inside = [n for n in times if n >= row.low and (row.high is None or n <= row.high)]
        assert (row.units.count, row.units.of, row.events) == (len(inside), len(times), sum(inside))
    assert sum(row.units.count for row in answer.rows) == answer.units == len(times)
    assert sum(row.events for row in answer.rows) == answer.events == sum(times)
    assert answer.most == (times[-1] if times else None)
    for percent, found in ((50, answer.median), (90, answer.p90)):
        if times:
            at = Fraction((len(times) - 1) * percent, 100)
            low, high = times[int(at)], times[min(int(at) + 1, len(times) - 1)]
            assert Fraction(found) == low + (high - low) * (at - int(at))
    if question["per"] != "session":
        row = answer.rows[place % len(answer.rows)]
        behind = {
            "insight": "frequency",
            "question": {"range": DAYS, **question},
            "place": {"low": row.low},
        }
        listed = "people" if question["per"] == "person" else "accounts"
        opened = ask(store, listed, behind=behind)
        assert opened.total == len(getattr(opened, listed)) == row.units.count
