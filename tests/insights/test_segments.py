"""Segments give sizes, overlap, numbers and intervals that one can calculate by hand."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.insights.asking import Store, ask
from tests.insights.oracle import CONDITIONS, chosen_uses, people_of
from tests.insights.test_cohorts import DAYS, define, names
from tests.strategies import SINCE, UNTIL, Use, histories, owners, person

from tallymark.core.clock import DAY, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.insights.segments import table


def equals(field: str, value: Any) -> dict[str, Any]:
    return {"op": "equals", "field": field, "value": value}


PHONE, DESK = equals("path", "/phone"), equals("path", "/desk")
SHOP = [
    *(Use(name="open", user=f"p{n}", path="/phone") for n in range(100)),
    *(Use(name="buy", user=f"p{n}", path="/phone") for n in range(20)),
    *(Use(name="open", user=f"d{n}", path="/desk") for n in range(200)),
    *(Use(name="buy", user=f"d{n}", path="/desk") for n in range(20)),
]


def three(number: Any) -> Decimal:
    return Decimal(number).quantize(Decimal("0.001"))


def test_the_example_of_the_reference_is_as_it_says(store: Store) -> None:
    store.replace(SHOP)

    data = ask(
        store, "segments", range=DAYS, segments=[{"filter": PHONE}, {"filter": DESK, "label": "Desktop"}],
        series=[{"event": "buy", "measure": "unique_people"}],
    )  # fmt: skip

    assert [(one.label, one.people) for one in data.segments] == [('path = "/phone"', 100), ("Desktop", 200)]  # fmt: skip
    assert data.overlap == [[100, 0], [0, 200]]
    phone, desk = data.measures[0].values
    assert (phone.value, str(phone.by_person.value), phone.difference) == (20, "0.2", None)
    assert [three(one) for one in (phone.by_person.interval.low, phone.by_person.interval.high)] == [Decimal("0.133"), Decimal("0.289")]  # fmt: skip
    assert [three(one) for one in (desk.by_person.interval.low, desk.by_person.interval.high)] == [Decimal("0.066"), Decimal("0.149")]  # fmt: skip
    assert desk.difference.value == Decimal("-0.1")
    assert [three(one) for one in (desk.difference.interval.low, desk.difference.interval.high)] == [Decimal("-0.195"), Decimal("-0.017")]  # fmt: skip
    assert table(data).rows == [('path = "/phone"', 100, 20, 100, 0), ("Desktop", 200, 20, 0, 200)]


def test_an_average_by_person_counts_those_with_nothing(store: Store) -> None:
    amounts = [2, 4, 4, 4, 5, 5, 7, 9]
    store.replace(
        [
            *(Use(name="buy", user=f"u{n}", value=Decimal(one)) for n, one in enumerate(amounts)),
            *(Use(name="open", user=f"v{n}") for n in range(2)),
        ]
    )

    data = ask(store, "segments", range=DAYS, series=[{"event": "buy", "measure": "sum", "of": "value"}])  # fmt: skip

    # Ten people have 40: the mean is 4, the variance 72 / 9 = 8, the error the root of 0.8.
    found = data.measures[0].values[0]
    assert (found.value, found.by_person.value) == (40, 4)
    assert (three(found.by_person.interval.low), three(found.by_person.interval.high)) == (Decimal("2.247"), Decimal("5.753"))  # fmt: skip


def test_too_few_people_and_shared_ones_give_no_interval(store: Store) -> None:
    store.replace([Use(user="ana", path="/phone"), Use(user="ana", path="/desk")])

    data = ask(store, "segments", range=DAYS, segments=[{"filter": PHONE}, {"filter": DESK}])

    assert data.overlap == [[1, 1], [1, 1]]
    assert [one.by_person.interval for one in data.measures[0].values] == [None, None]
    assert data.measures[0].values[1].difference is None


def test_cohorts_and_metrics_are_compared_by_name(store: Store) -> None:
    store.replace(SHOP)
    define(
        store,
        cohorts={"buyers": {"who": {"op": "did", "event": "buy"}}},
        metrics={"opens": {"series": [{"event": "open"}, {"measure": "unique_people"}], "formula": "A / B"}},
    )  # fmt: skip
    buyers = {"op": "in_cohort", "cohort": "buyers"}

    data = ask(store, "segments", range=DAYS, segments=[{"filter": buyers}, {}], metrics=["opens"])

    assert [one.people for one in data.segments] == [40, 300]
    assert [one.label for one in data.segments] == ["in cohort buyers", "everybody"]
    assert [value.value for value in data.measures[-1].values] == [1, 1]
    assert data.measures[-1].label == "opens"


def test_there_is_nobody_behind_what_is_not_there(store: Store) -> None:
    store.replace(SHOP)
    question = {"segments": [{}], "range": DAYS}

    with pytest.raises(InvalidQuery, match="no such segment"):
        names(store, insight="segments", question=question, place={"segment": 1})
    with pytest.raises(InvalidQuery, match="no series 'B'"):
        names(store, insight="segments", question=question, place={"series": "B"})


def test_money_of_several_currencies_is_said_to_be_added_up(store: Store) -> None:
    paid = [Use(user=who, time=SINCE, revenue=Decimal(9), currency=one) for who, one in (("ana", "EUR"), ("bo", "USD"))]  # fmt: skip
    store.replace(paid)
    asked: dict[str, Any] = {
        "range": {"since": rfc3339(SINCE), "until": rfc3339(SINCE + DAY)},
        "series": [{"measure": "sum", "of": "revenue"}],
    }
    euros = {"op": "equals", "field": "currency", "value": "EUR"}

    (told,) = ask(store, "segments", **asked).warnings

    assert told.startswith("Revenue of 2 currencies is added up")
    assert ask(store, "segments", filter=euros, **asked).warnings == []


@settings(max_examples=300, deadline=None)
@given(histories(), st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from([None, "open", "buy"]))  # fmt: skip
def test_numbers_and_people_are_those_the_oracle_finds(
    store: Store, history: Any, conditions: Any, event: Any
) -> None:
    store.replace(history)
    question = {
        "range": DAYS,
        "segments": [{"filter": one} for one in conditions],
        "series": [{"event": event}, {"event": event, "measure": "unique_people"},
                   {"event": event, "measure": "sum", "of": "value"},
                   {"event": event, "measure": "unique_accounts"}],
    }  # fmt: skip

    data = ask(store, "segments", **question)

    owner = owners(history)
    everybody = []
    for place, one in enumerate(conditions):
        inside = people_of(history, chosen_uses(history, SINCE, UNTIL, filters=(one,)))
        everybody.append(inside)
        used = chosen_uses(history, SINCE, UNTIL, event=event, filters=(one,))
        who = {name for use in used if (name := person(use, owner)) is not None}
        values = [row.values[place].value for row in data.measures]
        assert data.segments[place].people == len(inside)
        accounts = {use.account for use in used} - {None}
        assert values == [len(used), len(who), sum(use.value or 0 for use in used), len(accounts)]
    assert data.overlap == [[len(one & other) for other in everybody] for one in everybody]
    # Each list costs a question; over all histories every kind of place is opened.
    if len(history) % 2:
        assert names(store, insight="segments", question=question, place={"segment": place, "series": "B"}) == who  # fmt: skip
        return
    behind = {
        "insight": "segments",
        "question": question,
        "place": {"segment": place, "series": "D"},
    }
    assert {one.account for one in ask(store, "accounts", behind=behind).accounts} == accounts
    both = names(store, insight="segments", question=question, place={"also": len(everybody) - 1})
    assert both == everybody[0] & everybody[-1]
