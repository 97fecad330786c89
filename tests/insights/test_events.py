"""The list behind a number is as long as the number, and stays the same list."""

import base64
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import chosen_uses
from tests.insights.test_trends import BREAKDOWNS, SERIES
from tests.strategies import SINCE, UNTIL, Link, Use, histories, uses

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.events import table

DAYS = {"since": "2025-10-24", "until": "2025-11-05"}


def pages(store: Store, **question: Any) -> list[Any]:
    """Return the events of all pages."""
    found: list[Any] = []
    cursor = None
    while True:
        page = ask(store, "events", **{"range": DAYS, **question, "cursor": cursor})
        found += page.events
        assert len(page.events) <= question.get("limit", 100)
        cursor = page.cursor
        if cursor is None:
            assert len(found) == page.total
            return found


def test_an_event_is_told_whole_and_exactly(store: Store) -> None:
    properties = {"seats": Decimal("12345678901234567890.123456789"), "list": [1, {"a": "b"}],
                  "plan": "pro", "beta": True, "nothing": None, "n": 3}  # fmt: skip
    store.replace(
        [
            Use(
                name="buy", user="ana", anonymous="phone", account="acme", session="s1", path="/a",
                time=SINCE + 1, value=Decimal("0.1"), revenue=Decimal("9.90"), currency="EUR",
                properties=properties,
            )
        ]
    )  # fmt: skip

    (event,) = ask(store, "events", range=DAYS).events

    assert event.time == "2025-10-24T00:00:00.000001Z"
    assert (event.event, event.user_id, event.anonymous_id) == ("buy", "ana", "phone")
    assert (event.account, event.session, event.context["path"]) == ("acme", "s1", "/a")
    assert (event.value, event.revenue, event.currency) == (
        Decimal("0.1"),
        Decimal("9.9"),
        "EUR",
    )
    assert event.properties == properties


def test_the_newest_comes_first_and_equal_times_by_arrival(store: Store) -> None:
    store.replace([Use(name=name, time=SINCE + time) for name, time in
                   (("a", 5), ("b", 9), ("c", 5), ("d", 7))])  # fmt: skip

    assert [event.event for event in pages(store, limit=1)] == ["b", "d", "c", "a"]


def test_pages_stay_the_same_while_events_arrive(store: Store) -> None:
    history = [Use(user="ana", time=SINCE + n) for n in range(5)]
    store.replace(history)
    first = ask(store, "events", range=DAYS, limit=2)

    store.replace([*history, Use(user="bo", time=SINCE + 1), Use(user="bo", time=SINCE + 9)])
    second = ask(store, "events", range=DAYS, limit=9, cursor=first.cursor)

    assert [event.user_id for event in second.events] == ["ana"] * 3
    assert second.total == 5
    assert ask(store, "events", range=DAYS).total == 7


def test_the_events_of_a_sum_are_those_that_have_the_number(store: Store) -> None:
    store.replace([Use(value=Decimal(1)), Use(), Use(value=Decimal(0))])

    found = ask(store, "events", range=DAYS, series={"measure": "sum", "of": "value"})

    assert found.total == 2


def test_a_person_is_who_it_is_by_now(store: Store) -> None:
    store.replace([Use(anonymous="phone"), Link("phone", "ana"), Use(user="ana")])

    found = ask(store, "events", range=DAYS).events

    assert found[0].person == found[1].person
    assert [event.user_id for event in found] == ["ana", None]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "ü", "AAAA", "a" * 500, "lcQI", base64.urlsafe_b64encode(b"\x95\xc4\x08aaaaaaaa\x01\x01\x01\x01").decode(),
     base64.urlsafe_b64encode(msgspec.msgpack.encode([b"x", 0, 0, 2**63, 0])).decode()],
)  # fmt: skip
def test_a_cursor_that_is_not_ours_is_refused(store: Store, cursor: str) -> None:
    store.replace([Use()])

    with pytest.raises(InvalidQuery) as refused:
        ask(store, "events", range=DAYS, cursor=cursor)

    assert refused.value.code == "CURSOR_INVALID"


def test_a_cursor_of_another_question_is_refused(store: Store) -> None:
    store.replace([Use(time=SINCE + n) for n in range(3)])
    cursor = ask(store, "events", range=DAYS, limit=1).cursor

    for other in ({"timezone": "Europe/Berlin"}, {"include_bots": True}, {"range": "30d"}):
        with pytest.raises(InvalidQuery, match="not one of this question"):
            ask(store, "events", **{"range": DAYS, "cursor": cursor, **other})
    with pytest.raises(InvalidQuery, match="not one of this question"):
        ask(store, "people", range=DAYS, cursor=cursor)


@pytest.mark.parametrize(
    "group",
    [
        {"by": ["path"]},
        {"by": ["path"], "values": ["/"], "other_than": []},
        {"by": ["path"], "values": []},
        {"by": ["path"], "values": [1]},
        {"by": ["nothing"], "values": ["/"]},
        {"by": ["path"], "other_than": [["/"]] * 1001},
    ],
)
def test_a_group_that_is_none_is_refused(store: Store, group: Any) -> None:
    with pytest.raises(InvalidQuery):
        ask(store, "events", range=DAYS, group=group)


def test_a_table_of_events_writes_properties_as_exact_json(store: Store) -> None:
    store.replace([Use(properties={"seats": Decimal("1.000000001")})])

    found = table(ask(store, "events", range=DAYS))

    assert dict(zip(found.columns, found.rows[0], strict=True))["properties"] == (
        '{"seats":1.000000001}'
    )


@given(histories(), SERIES, st.integers(1, 7))
def test_the_list_is_the_events_the_oracle_chooses_newest_first(
    store: Store, history: Any, series: Any, limit: int
) -> None:
    store.replace(history)
    plain = {**series, "measure": "count"}
    plain.pop("of", None)

    found = [event.id for event in pages(store, series=plain, limit=limit)]

    wanted = {
        id(use)
        for use in chosen_uses(
            history, SINCE, UNTIL, event=series.get("event"), filters=(series.get("filter"),)
        )
    }
    placed = [(item.time, place) for place, item in enumerate(history)
              if isinstance(item, Use) and id(item) in wanted]  # fmt: skip
    assert found == [f"id-{(place + 1) * 65536}" for _, place in sorted(placed, reverse=True)]


@given(histories(), BREAKDOWNS, st.integers(1, 3), st.integers(0, 11))
def test_every_number_of_a_breakdown_opens_to_as_many_events(
    store: Store, history: Any, by: Any, top: int, place: int
) -> None:
    store.replace(history)
    answer = ask(store, "trends", range=DAYS, breakdown=by, top=top)
    shown = [line.breakdown for line in answer.lines if not line.is_other]

    for line in answer.lines:
        group = {
            "by": by,
            **({"other_than": shown} if line.is_other else {"values": line.breakdown}),
        }
        if not _is_expressible(group):
            continue
        opened = ask(store, "events", range=DAYS, group=_sent(group), limit=1)
        assert opened.total == line.total
        bucket = answer.buckets[place]
        inside = {"since": bucket.since, "until": bucket.until}
        opened = ask(store, "events", range=inside, group=_sent(group), limit=1)
        assert opened.total == line.values[place]


def _sent(value: Any) -> Any:
    """Return the group as JSON can carry it: decimals as numbers."""
    return msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(value))


def _is_expressible(group: Any) -> bool:
    # A question holds numbers of fifteen digits; longer ones cannot be opened by value.
    shown: list[list[Any]] = group.get("other_than", [group.get("values")])
    flat: list[Any] = [one for values in shown for one in values]
    return all(abs(Decimal(one)) < 10**5 for one in flat if isinstance(one, int | Decimal))


@given(histories(max_size=8))
def test_all_events_of_a_history_are_listed_once(store: Store, history: Any) -> None:
    store.replace(history)

    everything = {"since": rfc3339(SINCE - 400 * DAY), "until": rfc3339(UNTIL + DAY)}

    found = [event.id for event in pages(store, range=everything, include_bots=True, limit=3)]
    assert len(set(found)) == len(found) == len(uses(history))
