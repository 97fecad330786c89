"""The people behind a number are as many as the number says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import chosen_uses
from tests.insights.test_trends import BREAKDOWNS, SERIES
from tests.strategies import SINCE, UNTIL, Link, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.people import table

DAYS = {"since": "2025-10-24", "until": "2025-11-05"}


def pages(store: Store, **question: Any) -> list[Any]:
    """Return the people of all pages."""
    found: list[Any] = []
    cursor = None
    while True:
        page = ask(store, "people", **{"range": DAYS, **question, "cursor": cursor})
        found += page.people
        cursor = page.cursor
        if cursor is None:
            assert len(found) == page.total
            return found


def test_a_person_is_one_row_with_all_ids_and_times(store: Store) -> None:
    store.replace(
        [
            Use(anonymous="phone", time=SINCE + 5),
            Use(user="ana", anonymous="laptop", time=SINCE + DAY),
            Use(user="bo", time=SINCE + 7),
            Use(time=SINCE + 9),
            Link("phone", "ana"),
        ]
    )

    ana, bo = ask(store, "people", range=DAYS).people

    assert (ana.user_ids, ana.anonymous_ids, ana.events) == (["ana"], ["laptop", "phone"], 2)
    assert (ana.first_time, ana.last_time) == (rfc3339(SINCE + 5), rfc3339(SINCE + DAY))
    assert (bo.user_ids, bo.anonymous_ids, bo.events) == (["bo"], [], 1)


def test_pages_stay_the_same_while_events_arrive_and_ids_are_linked(store: Store) -> None:
    history = [Use(anonymous=device, time=SINCE + n) for n, device in enumerate("abcd")]
    store.replace(history)
    first = ask(store, "people", range=DAYS, limit=2)

    store.replace([*history, Use(user="ana", anonymous="a", time=SINCE + 50), Link("b", "ana")])
    second = ask(store, "people", range=DAYS, limit=2, cursor=first.cursor)

    assert [one.anonymous_ids for one in (*first.people, *second.people)] == [["d"], ["c"], ["b"], ["a"]]  # fmt: skip
    assert second.total == 4
    assert ask(store, "people", range=DAYS).total == 3


def test_at_most_twenty_ids_are_listed(store: Store) -> None:
    store.replace([Use(user="ana", anonymous=f"device {n:02}") for n in range(25)])

    (ana,) = ask(store, "people", range=DAYS).people

    assert ana.anonymous_ids == [f"device {n:02}" for n in range(20)]
    assert table(ask(store, "people", range=DAYS)).rows[0][5] == 25


@given(histories(), SERIES, st.integers(1, 3))
def test_the_list_is_the_people_the_oracle_finds(
    store: Store, history: Any, series: Any, limit: int
) -> None:
    store.replace(history)
    plain = {**series, "measure": "unique_people"}
    plain.pop("of", None)

    found = pages(store, series=plain, limit=limit)

    owner = owners(history)
    expected: dict[str, list[int]] = {}
    for use in chosen_uses(
        history, SINCE, UNTIL, event=series.get("event"), filters=(series.get("filter"),)
    ):
        who = person(use, owner)
        if who is not None:
            expected.setdefault(who, []).append(use.time)
    assert {
        f"user {one.user_ids[0]}" if one.user_ids else f"anonymous {one.anonymous_ids[0]}": (
            one.first_time,
            one.last_time,
            one.events,
        )
        for one in found
    } == {
        who: (rfc3339(min(times)), rfc3339(max(times)), len(times))
        for who, times in expected.items()
    }
    assert [one.last_time for one in found] == sorted(
        (one.last_time for one in found), reverse=True
    )
    line = ask(store, "trends", range=DAYS, series=[plain]).lines[0]
    assert line.total == len(found)


@given(
    histories(),
    BREAKDOWNS.filter(lambda by: "properties.seats" not in by),
    st.integers(1, 3),
    st.integers(0, 11),
)
def test_every_number_of_people_opens_to_as_many_people(
    store: Store, history: Any, by: Any, top: int, place: int
) -> None:
    store.replace(history)
    series = {"measure": "unique_people"}
    answer = ask(store, "trends", range=DAYS, series=[series], breakdown=by, top=top)
    shown = [line.breakdown for line in answer.lines if not line.is_other]

    for line in answer.lines:
        group = {
            "by": by,
            **({"other_than": shown} if line.is_other else {"values": line.breakdown}),
        }
        assert ask(store, "people", range=DAYS, series=series, group=group).total == line.total
        bucket = answer.buckets[place]
        inside = {"since": bucket.since, "until": bucket.until}
        opened = ask(store, "people", range=inside, series=series, group=group, limit=1)
        assert opened.total == line.values[place]


@given(
    histories(),
    BREAKDOWNS.filter(lambda by: "properties.seats" not in by),
    st.integers(1, 3),
    st.integers(0, 11),
)
def test_the_people_behind_a_place_are_as_many_as_its_number(
    store: Store, history: Any, by: Any, top: int, place: int
) -> None:
    store.replace(history)
    question = {
        "range": DAYS,
        "series": [{"measure": "unique_people"}],
        "breakdown": by,
        "top": top,
    }
    answer = ask(store, "trends", **question)
    shown = [line.breakdown for line in answer.lines if not line.is_other]

    for line in answer.lines:
        group = {
            "by": by,
            **({"other_than": shown} if line.is_other else {"values": line.breakdown}),
        }
        for bucket, number in ((None, line.total), (place, line.values[place])):
            behind = {
                "insight": "trends",
                "question": question,
                "place": {"series": "A", "bucket": bucket, **({"group": group} if by else {})},
            }
            assert len(pages(store, behind=behind, limit=2)) == number


def test_who_is_behind_a_list_or_nowhere_is_told(store: Store) -> None:
    store.replace([Use(user="ana")])

    with pytest.raises(InvalidQuery, match="cannot be listed"):
        ask(store, "people", behind={"insight": "events"})
    with pytest.raises(InvalidQuery, match="no series 'B'") as wrong:
        ask(store, "people", behind={"insight": "trends", "place": {"series": "B"}})
    assert wrong.value.path == "behind.place.series"
    with pytest.raises(InvalidQuery) as unknown:
        ask(store, "people", behind={"insight": "trends", "place": {"bukket": 1}})
    assert unknown.value.path == "behind.place.bukket" or "bukket" in str(unknown.value)
